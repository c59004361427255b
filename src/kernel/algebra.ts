// The operations of scalar expressions, and the interface that formulas are written against.

/** Functions of one number. What they mean for each lane type is spelled out in `backends/reference/scalar.ts`. */
export type UnaryOp =
  | "neg"
  | "abs"
  | "sign"
  | "exp"
  | "exp2"
  | "expm1"
  | "log"
  | "log2"
  | "log10"
  | "log1p"
  | "sqrt"
  | "rsqrt"
  | "sin"
  | "cos"
  | "tan"
  | "asin"
  | "acos"
  | "atan"
  | "sinh"
  | "cosh"
  | "tanh"
  | "asinh"
  | "acosh"
  | "atanh"
  | "floor"
  | "ceil"
  | "round"
  | "trunc"
  | "erf"
  | "erfc"
  | "erfinv"
  | "lgamma"
  | "digamma"
  | "sigmoid"
  | "reciprocal"
  | "isnan"
  | "isinf"
  | "logicalNot"
  | "bitwiseNot"
  | "conj"
  | "real"
  | "imag"
  | "angle";

/** Functions of two numbers. Comparisons and logical operations give 0 or 1. */
export type BinaryOp =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "pow"
  | "maximum"
  | "minimum"
  | "fmod"
  | "remainder"
  | "floorDivide"
  | "atan2"
  | "copysign"
  | "nextafter"
  | "eq"
  | "ne"
  | "lt"
  | "le"
  | "gt"
  | "ge"
  | "logicalAnd"
  | "logicalOr"
  | "logicalXor"
  | "bitwiseAnd"
  | "bitwiseOr"
  | "bitwiseXor"
  | "bitwiseLeftShift"
  | "bitwiseRightShift";

/** Leaves: operand number `value`, run-time scalar number `value`, constant `value`. `where`: args are cond, yes, no. */
export type ExprOp = UnaryOp | BinaryOp | "where" | "input" | "param" | "const";

/**
 * What formulas may use: implemented by Expr and by Tensor alike.
 * Numbers may stand for the right operand; on Tensors they are PyTorch's Python scalars.
 */
export interface Algebra<E> {
  add(o: E | number): E;
  sub(o: E | number): E;
  mul(o: E | number): E;
  div(o: E | number): E;
  pow(o: E | number): E;
  maximum(o: E | number): E;
  minimum(o: E | number): E;
  fmod(o: E | number): E;
  remainder(o: E | number): E;
  floorDivide(o: E | number): E;
  atan2(o: E | number): E;
  copysign(o: E | number): E;
  nextafter(o: E | number): E;
  eq(o: E | number): E;
  ne(o: E | number): E;
  lt(o: E | number): E;
  le(o: E | number): E;
  gt(o: E | number): E;
  ge(o: E | number): E;
  logicalAnd(o: E | number): E;
  logicalOr(o: E | number): E;
  logicalXor(o: E | number): E;
  bitwiseAnd(o: E | number): E;
  bitwiseOr(o: E | number): E;
  bitwiseXor(o: E | number): E;
  bitwiseLeftShift(o: E | number): E;
  bitwiseRightShift(o: E | number): E;
  neg(): E;
  abs(): E;
  sign(): E;
  exp(): E;
  exp2(): E;
  expm1(): E;
  log(): E;
  log2(): E;
  log10(): E;
  log1p(): E;
  sqrt(): E;
  rsqrt(): E;
  sin(): E;
  cos(): E;
  tan(): E;
  asin(): E;
  acos(): E;
  atan(): E;
  sinh(): E;
  cosh(): E;
  tanh(): E;
  asinh(): E;
  acosh(): E;
  atanh(): E;
  floor(): E;
  ceil(): E;
  round(): E;
  trunc(): E;
  erf(): E;
  erfc(): E;
  erfinv(): E;
  lgamma(): E;
  digamma(): E;
  sigmoid(): E;
  reciprocal(): E;
  square(): E;
  isnan(): E;
  isinf(): E;
  logicalNot(): E;
  bitwiseNot(): E;
  /** Complex conjugate; itself on real numbers. */
  conj(): E;
  /** `this` where `cond` is not zero, `other` elsewhere (`torch.where(cond, this, other)`). */
  where(cond: E, other: E | number): E;
}
