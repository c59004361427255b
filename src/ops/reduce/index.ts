// Reductions, scans and order.
export { type ReduceArgs, type ReduceOptions, type ValuesIndices, pair, reduceDims, rawReduce, unsqueezeAll } from "./kernel.ts";
export { sum, mean, prod, provideCat } from "./sum.ts";
export { amax, amin, type MaxOp, max, min, argmax, argmin, aminmax } from "./extreme.ts";
export * from "./truth.ts";
export * from "./statistics.ts";
export * from "./norm.ts";
export * from "./scan.ts";
export * from "./sort.ts";
