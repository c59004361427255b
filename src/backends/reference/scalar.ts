// What every scalar function means, for real numbers, integers and complex numbers: the specification of kernel/expr.ts.
import { roundEven } from "../../core/dtype.ts";
import { ValueError } from "../../core/errors.ts";
import type { BinaryOp, UnaryOp } from "../../kernel/algebra.ts";
import type { Expr } from "../../kernel/expr.ts";
import type { Lane } from "../../kernel/spec.ts";
import { COMPLEX } from "./complex.ts";
import { toLane, type Value } from "./memory.ts";
import { digamma, erf, erfc, erfinv, lgamma } from "./special.ts";

type Table<V> = { readonly [K in UnaryOp | BinaryOp]?: (a: V, b: V) => V };
const bit = (x: boolean): number => (x ? 1 : 0);
const pyMod = (x: number, y: number): number => {
  const r = x % y;
  return r !== 0 && r < 0 !== y < 0 ? r + y : r;
};

const REAL: Table<number> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: (x) => (x > 0 ? 1 : x < 0 ? -1 : 0),
  exp: Math.exp,
  exp2: (x) => 2 ** x,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  floor: Math.floor,
  ceil: Math.ceil,
  round: (x) => (Number.isFinite(x) ? roundEven(x) : x),
  trunc: Math.trunc,
  erf,
  erfc,
  erfinv,
  lgamma,
  digamma,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  reciprocal: (x) => 1 / x,
  isnan: (x) => bit(Number.isNaN(x)),
  isinf: (x) => bit(Math.abs(x) === Number.POSITIVE_INFINITY),
  logicalNot: (x) => bit(x === 0),
  conj: (x) => x,
  real: (x) => x,
  imag: () => 0,
  angle: (x) => (Number.isNaN(x) ? x : x < 0 ? Math.PI : 0),
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  pow: (x, y) => (x === 1 ? 1 : x === -1 && Math.abs(y) === Number.POSITIVE_INFINITY ? 1 : x ** y),
  maximum: (x, y) => (Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : Math.max(x, y)),
  minimum: (x, y) => (Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : Math.min(x, y)),
  fmod: (x, y) => x % y,
  remainder: pyMod,
  floorDivide: (x, y) => (y === 0 ? x / y : Math.round((x - pyMod(x, y)) / y)),
  atan2: Math.atan2,
  copysign: (x, y) => (y < 0 || Object.is(y, -0) ? -Math.abs(x) : Math.abs(x)),
  nextafter,
  eq: (x, y) => bit(x === y),
  ne: (x, y) => bit(x !== y),
  lt: (x, y) => bit(x < y),
  le: (x, y) => bit(x <= y),
  gt: (x, y) => bit(x > y),
  ge: (x, y) => bit(x >= y),
  logicalAnd: (x, y) => bit(x !== 0 && y !== 0),
  logicalOr: (x, y) => bit(x !== 0 || y !== 0),
  logicalXor: (x, y) => bit((x !== 0) !== (y !== 0)),
};

// The neighbour of x towards y among doubles.
function nextafter(x: number, y: number): number {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN;
  if (x === y) return y;
  if (x === 0) return y > 0 ? Number.MIN_VALUE : -Number.MIN_VALUE;
  const f = new Float64Array([x]);
  const u = new BigInt64Array(f.buffer);
  u[0]! += x < y === x > 0 ? 1n : -1n;
  return f[0]!;
}

const wrap = (x: bigint): bigint => BigInt.asIntN(64, x);
const big = (x: boolean): bigint => (x ? 1n : 0n);
const nonzero = (y: bigint): bigint => {
  if (y === 0n) throw new ValueError({ op: "div", message: "integer division by zero", hint: "Cast to a floating type for infinities" });
  return y;
};
const floorMod = (x: bigint, y: bigint): bigint => {
  const r = x % nonzero(y);
  return r !== 0n && r < 0n !== y < 0n ? r + y : r;
};
const power = (x: bigint, y: bigint): bigint => {
  let out = 1n;
  for (let [base, left] = [x, y]; left > 0n; left >>= 1n, base = wrap(base * base)) if (left & 1n) out = wrap(out * base);
  return out;
};
const INT: Table<bigint> = {
  neg: (x) => wrap(-x),
  abs: (x) => wrap(x < 0n ? -x : x),
  sign: (x) => big(x > 0n) - big(x < 0n),
  floor: (x) => x,
  ceil: (x) => x,
  round: (x) => x,
  trunc: (x) => x,
  conj: (x) => x,
  real: (x) => x,
  isnan: () => 0n,
  isinf: () => 0n,
  imag: () => 0n,
  logicalNot: (x) => big(x === 0n),
  bitwiseNot: (x) => ~x,
  sqrt: (x) => BigInt(Math.trunc(Math.sqrt(Number(x)))),
  add: (x, y) => wrap(x + y),
  sub: (x, y) => wrap(x - y),
  mul: (x, y) => wrap(x * y),
  div: (x, y) => wrap(x / nonzero(y)),
  fmod: (x, y) => x % nonzero(y),
  remainder: floorMod,
  floorDivide: (x, y) => wrap((x - floorMod(x, y)) / y),
  pow: (x, y) => (y >= 0n ? power(x, y) : x === 1n ? 1n : x === -1n ? (y % 2n === 0n ? 1n : -1n) : 0n),
  maximum: (x, y) => (x > y ? x : y),
  minimum: (x, y) => (x < y ? x : y),
  eq: (x, y) => big(x === y),
  ne: (x, y) => big(x !== y),
  lt: (x, y) => big(x < y),
  le: (x, y) => big(x <= y),
  gt: (x, y) => big(x > y),
  ge: (x, y) => big(x >= y),
  logicalAnd: (x, y) => big(x !== 0n && y !== 0n),
  logicalOr: (x, y) => big(x !== 0n || y !== 0n),
  logicalXor: (x, y) => big((x !== 0n) !== (y !== 0n)),
  bitwiseAnd: (x, y) => x & y,
  bitwiseOr: (x, y) => x | y,
  bitwiseXor: (x, y) => x ^ y,
  bitwiseLeftShift: (x, y) => (y >= 0n && y < 64n ? wrap(x << y) : 0n),
  bitwiseRightShift: (x, y) => (y >= 0n && y < 64n ? x >> y : x >> 63n),
};

const isTrue = (v: Value): boolean => (typeof v === "number" ? v !== 0 : typeof v === "bigint" ? v !== 0n : v[0] !== 0 || v[1] !== 0);

/** The value of an expression in a lane, for these inputs and parameters. Shared parts are computed once. */
export function evaluate(
  e: Expr,
  lane: Lane,
  inputs: readonly Value[],
  params: readonly number[],
  memo: Map<Expr, Value> = new Map(),
): Value {
  if (e.op === "input") return inputs[e.value]!;
  if (e.op === "param") return toLane(params[e.value]!, lane);
  if (e.op === "const") return toLane(e.value, lane);
  const known = memo.get(e);
  if (known !== undefined) return known;
  const args = e.args.map((a) => evaluate(a, lane, inputs, params, memo));
  let out: Value;
  if (e.op === "where") out = isTrue(args[0]!) ? args[1]! : args[2]!;
  else {
    const table = (lane === "i64" ? INT : lane === "c64" || lane === "c128" ? COMPLEX : REAL) as Table<Value>;
    const f = table[e.op];
    if (!f) throw new ValueError({ op: e.op, message: `no meaning for ${lane} numbers`, hint: "Cast first" });
    out = f(args[0]!, args[1]!);
  }
  memo.set(e, out);
  return out;
}
