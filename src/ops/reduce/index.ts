// Reductions, scans and order.
export type { ReduceArgs, ReduceOptions, ValuesIndices } from "./kernel.ts";
export { sum, mean, prod } from "./sum.ts";
export { amax, amin, type MaxOp, max, min, argmax, argmin, aminmax } from "./extreme.ts";
export * from "./truth.ts";
export { varianceOp as var, std, varMean, stdMean, logsumexp, type VarArgs, type VarOptions } from "./statistics.ts";
export * from "./scan.ts";
export * from "./sort.ts";
