// The contract with native/base.h and native/program.h: opcodes in the order of their C++ enums.
import type { BinaryOp, UnaryOp } from "../../kernel/expr.ts";
import type { Lane } from "../../kernel/spec.ts";

const OPS = [
  "program", "pointwise", "copy", "reduce", "argReduce", "scan", "matmul", "gather", "scatter", "sort", "topk",
  "conv", "pool", "random", "softmax", "softmaxBackward", "norm", "normBackward", "crossEntropy", "crossEntropyBackward",
  "attention", "attentionBackward", "adam", "sgd", "gelu", "threads",
] as const;
/** The kernels of the native library. */
export type NativeOp = (typeof OPS)[number];
/** Their numbers. */
export const OP: Readonly<Record<NativeOp, number>> = Object.fromEntries(OPS.map((name, i) => [name, i])) as Record<NativeOp, number>;

const CODES: readonly (UnaryOp | BinaryOp | "where")[] = [
  "neg", "abs", "sign", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "sin", "cos", "tan", "asin", "acos",
  "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "floor", "ceil", "round", "trunc", "erf", "erfc", "erfinv", "lgamma",
  "digamma", "sigmoid", "reciprocal", "isnan", "isinf", "logicalNot", "bitwiseNot", "conj", "real", "imag", "angle",
  "add", "sub", "mul", "div", "pow", "maximum", "minimum", "fmod", "remainder", "floorDivide", "atan2", "copysign", "nextafter",
  "eq", "ne", "lt", "le", "gt", "ge", "logicalAnd", "logicalOr", "logicalXor", "bitwiseAnd", "bitwiseOr", "bitwiseXor",
  "bitwiseLeftShift", "bitwiseRightShift", "where",
];
/** Byte codes of the block VM. */
export const CODE: ReadonlyMap<string, number> = new Map(CODES.map((name, i) => [name, i]));
/** Lane numbers of the block VM. */
export const LANE: Readonly<Record<Lane, number>> = { f32: 0, f64: 1, i64: 2, c64: 3, c128: 4 };
