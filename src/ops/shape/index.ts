// Views: new layouts on the same memory. Their gradients are other views, sums, or values set into zeros.
export { asStrided, unfold, type Dims } from "./strided.ts";
export * from "./view.ts";
export * from "./permute.ts";
export * from "./expand.ts";
export * from "./part.ts";
export * from "./complex.ts";
