// Picking and placing elements: gather, scatter, and Python-style indexing.
export * from "./gather.ts";
export { indexSelect, indexAdd, indexCopy, indexFill } from "./select.ts";
export { nonzero } from "./nonzero.ts";
export * from "./slice.ts";
export * from "./getitem.ts";
export * from "./searchsorted.ts";
