// The elementwise ops.
export type { Unary, Binary } from "./entry.ts";
export * from "./arithmetic.ts";
export * from "./exponential.ts";
export * from "./trigonometry.ts";
export * from "./rounding.ts";
export * from "./special.ts";
export * from "./select.ts";
export * from "./compare.ts";
export * from "./bitwise.ts";
