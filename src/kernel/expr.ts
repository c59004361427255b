// Scalar expressions: the one language in which elementwise formulas, forward and backward, are written.
// An Expr is a small DAG; a formula read on Exprs gives one fused kernel, the same formula read on Tensors is differentiable.
import type { UnaryOp, BinaryOp, ExprOp, Algebra } from "./algebra.ts";

/** A node of a scalar expression. Immutable; build with `input`, `param`, `constant` and the methods. */
export class Expr implements Algebra<Expr> {
  readonly op: ExprOp;
  readonly args: readonly Expr[];
  /** Leaf payload: operand index, parameter index or constant. */
  readonly value: number;
  /** A structural name: equal keys mean equal expressions. It names the arguments by number, so shared nodes cost nothing. */
  readonly key: string;

  constructor(op: ExprOp, args: readonly Expr[], value = 0) {
    this.op = op;
    this.args = args;
    this.value = value;
    this.key = args.length ? `${op}(${args.map((a) => numberOf(a.key)).join(",")})` : `${op[0]}${Object.is(value, -0) ? "-0" : value}`;
  }

  add(o: Expr | number): Expr {
    return isConst(o, 0) ? this : isConst(this, 0) && o instanceof Expr ? o : binary("add", this, o);
  }
  sub(o: Expr | number): Expr {
    return isConst(o, 0) ? this : binary("sub", this, o);
  }
  mul(o: Expr | number): Expr {
    return isConst(o, 1) ? this : isConst(this, 1) && o instanceof Expr ? o : binary("mul", this, o);
  }
  div(o: Expr | number): Expr {
    return isConst(o, 1) ? this : binary("div", this, o);
  }
  pow(o: Expr | number): Expr {
    return isConst(o, 1) ? this : isConst(o, 2) ? this.mul(this) : binary("pow", this, o);
  }
  maximum(o: Expr | number): Expr {
    return binary("maximum", this, o);
  }
  minimum(o: Expr | number): Expr {
    return binary("minimum", this, o);
  }
  fmod(o: Expr | number): Expr {
    return binary("fmod", this, o);
  }
  remainder(o: Expr | number): Expr {
    return binary("remainder", this, o);
  }
  floorDivide(o: Expr | number): Expr {
    return binary("floorDivide", this, o);
  }
  atan2(o: Expr | number): Expr {
    return binary("atan2", this, o);
  }
  copysign(o: Expr | number): Expr {
    return binary("copysign", this, o);
  }
  nextafter(o: Expr | number): Expr {
    return binary("nextafter", this, o);
  }
  eq(o: Expr | number): Expr {
    return binary("eq", this, o);
  }
  ne(o: Expr | number): Expr {
    return binary("ne", this, o);
  }
  lt(o: Expr | number): Expr {
    return binary("lt", this, o);
  }
  le(o: Expr | number): Expr {
    return binary("le", this, o);
  }
  gt(o: Expr | number): Expr {
    return binary("gt", this, o);
  }
  ge(o: Expr | number): Expr {
    return binary("ge", this, o);
  }
  logicalAnd(o: Expr | number): Expr {
    return binary("logicalAnd", this, o);
  }
  logicalOr(o: Expr | number): Expr {
    return binary("logicalOr", this, o);
  }
  logicalXor(o: Expr | number): Expr {
    return binary("logicalXor", this, o);
  }
  bitwiseAnd(o: Expr | number): Expr {
    return binary("bitwiseAnd", this, o);
  }
  bitwiseOr(o: Expr | number): Expr {
    return binary("bitwiseOr", this, o);
  }
  bitwiseXor(o: Expr | number): Expr {
    return binary("bitwiseXor", this, o);
  }
  bitwiseLeftShift(o: Expr | number): Expr {
    return binary("bitwiseLeftShift", this, o);
  }
  bitwiseRightShift(o: Expr | number): Expr {
    return binary("bitwiseRightShift", this, o);
  }
  neg(): Expr {
    return unary("neg", this);
  }
  abs(): Expr {
    return unary("abs", this);
  }
  sign(): Expr {
    return unary("sign", this);
  }
  exp(): Expr {
    return unary("exp", this);
  }
  exp2(): Expr {
    return unary("exp2", this);
  }
  expm1(): Expr {
    return unary("expm1", this);
  }
  log(): Expr {
    return unary("log", this);
  }
  log2(): Expr {
    return unary("log2", this);
  }
  log10(): Expr {
    return unary("log10", this);
  }
  log1p(): Expr {
    return unary("log1p", this);
  }
  sqrt(): Expr {
    return unary("sqrt", this);
  }
  rsqrt(): Expr {
    return unary("rsqrt", this);
  }
  sin(): Expr {
    return unary("sin", this);
  }
  cos(): Expr {
    return unary("cos", this);
  }
  tan(): Expr {
    return unary("tan", this);
  }
  asin(): Expr {
    return unary("asin", this);
  }
  acos(): Expr {
    return unary("acos", this);
  }
  atan(): Expr {
    return unary("atan", this);
  }
  sinh(): Expr {
    return unary("sinh", this);
  }
  cosh(): Expr {
    return unary("cosh", this);
  }
  tanh(): Expr {
    return unary("tanh", this);
  }
  asinh(): Expr {
    return unary("asinh", this);
  }
  acosh(): Expr {
    return unary("acosh", this);
  }
  atanh(): Expr {
    return unary("atanh", this);
  }
  floor(): Expr {
    return unary("floor", this);
  }
  ceil(): Expr {
    return unary("ceil", this);
  }
  round(): Expr {
    return unary("round", this);
  }
  trunc(): Expr {
    return unary("trunc", this);
  }
  erf(): Expr {
    return unary("erf", this);
  }
  erfc(): Expr {
    return unary("erfc", this);
  }
  erfinv(): Expr {
    return unary("erfinv", this);
  }
  lgamma(): Expr {
    return unary("lgamma", this);
  }
  digamma(): Expr {
    return unary("digamma", this);
  }
  sigmoid(): Expr {
    return unary("sigmoid", this);
  }
  reciprocal(): Expr {
    return unary("reciprocal", this);
  }
  square(): Expr {
    return this.mul(this);
  }
  isnan(): Expr {
    return unary("isnan", this);
  }
  isinf(): Expr {
    return unary("isinf", this);
  }
  logicalNot(): Expr {
    return unary("logicalNot", this);
  }
  bitwiseNot(): Expr {
    return unary("bitwiseNot", this);
  }
  conj(): Expr {
    return unary("conj", this);
  }
  real(): Expr {
    return unary("real", this);
  }
  imag(): Expr {
    return unary("imag", this);
  }
  angle(): Expr {
    return unary("angle", this);
  }
  where(cond: Expr, other: Expr | number): Expr {
    return new Expr("where", [cond, this, lift(other)]);
  }
}

const numbered = new Map<string, number>();
function numberOf(key: string): number {
  let n = numbered.get(key);
  if (n === undefined) numbered.set(key, (n = numbered.size));
  return n;
}

/** Operand number `i` of the kernel. */
export const input = (i: number): Expr => new Expr("input", [], i);
/** Run-time scalar number `i` of the kernel: it changes from call to call without a new kernel. */
export const param = (i: number): Expr => new Expr("param", [], i);
/** A constant baked into the kernel. */
export const constant = (v: number): Expr => new Expr("const", [], v);

const lift = (x: Expr | number): Expr => (typeof x === "number" ? constant(x) : x);
const unary = (op: UnaryOp, x: Expr): Expr => new Expr(op, [x]);
const binary = (op: BinaryOp, a: Expr, b: Expr | number): Expr => new Expr(op, [a, lift(b)]);
const isConst = (x: Expr | number, v: number): boolean => x === v || (x instanceof Expr && x.op === "const" && x.value === v);

/** The numbers of the operands that the expressions read, ascending. */
export function inputsOf(exprs: readonly Expr[]): number[] {
  const found = new Set<number>();
  const seen = new Set<Expr>();
  const walk = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    if (e.op === "input") found.add(e.value);
    e.args.forEach(walk);
  };
  exprs.forEach(walk);
  return [...found].sort((a, b) => a - b);
}

/** The expression with its leaves replaced; shared subexpressions stay shared. */
export function substitute(e: Expr, leaf: (l: Expr) => Expr, memo: Map<Expr, Expr> = new Map()): Expr {
  const known = memo.get(e);
  if (known) return known;
  const args = e.args.map((a) => substitute(a, leaf, memo));
  const out = e.args.length === 0 ? leaf(e) : args.every((a, i) => a === e.args[i]) ? e : new Expr(e.op, args, e.value);
  memo.set(e, out);
  return out;
}
