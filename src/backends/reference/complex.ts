// Functions of complex numbers, principal branches. Inverse functions are Kahan's (Branch cuts for complex elementary
// functions, 1987): the sign of a zero says on which side of a cut a number lies.
import type { BinaryOp, UnaryOp } from "../../kernel/algebra.ts";
import type { Complex as C } from "./memory.ts";

const add = (a: C, b: C): C => [a[0] + b[0], a[1] + b[1]];
const sub = (a: C, b: C): C => [a[0] - b[0], a[1] - b[1]];
const mul = (a: C, b: C): C => [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]];
const scale = (a: C, s: number): C => [a[0] * s, a[1] * s];
const abs = (a: C): number => Math.hypot(a[0], a[1]);
const div = (a: C, b: C): C => {
  if (b[0] === 0 && b[1] === 0) return [a[0] / 0, a[1] / 0];
  // Smith's algorithm: no overflow in |b|².
  if (Math.abs(b[0]) >= Math.abs(b[1])) {
    const r = b[1] / b[0];
    const d = b[0] + b[1] * r;
    return [(a[0] + a[1] * r) / d, (a[1] - a[0] * r) / d];
  }
  const r = b[0] / b[1];
  const d = b[0] * r + b[1];
  return [(a[0] * r + a[1]) / d, (a[1] * r - a[0]) / d];
};
const ONE: C = [1, 0];
const exp = (a: C): C => {
  const e = Math.exp(a[0]);
  return [e * Math.cos(a[1]), e * Math.sin(a[1])];
};
const log = (a: C): C => [Math.log(abs(a)), Math.atan2(a[1], a[0])];
const sqrt = (a: C): C => {
  const m = abs(a);
  if (m === 0) return [0, a[1]];
  const re = Math.sqrt((m + Math.abs(a[0])) / 2);
  const im = Math.abs(a[1]) / (2 * re);
  const s = a[1] < 0 || Object.is(a[1], -0) ? -1 : 1;
  return a[0] >= 0 ? [re, s * im] : [im, s * re];
};
const sin = (a: C): C => [Math.sin(a[0]) * Math.cosh(a[1]), Math.cos(a[0]) * Math.sinh(a[1])];
const cos = (a: C): C => [Math.cos(a[0]) * Math.cosh(a[1]), -Math.sin(a[0]) * Math.sinh(a[1])];
const sinh = (a: C): C => [Math.sinh(a[0]) * Math.cos(a[1]), Math.cosh(a[0]) * Math.sin(a[1])];
const cosh = (a: C): C => [Math.cosh(a[0]) * Math.cos(a[1]), Math.sinh(a[0]) * Math.sin(a[1])];
const timesI = (a: C): C => [-a[1], a[0]];
const overI = (a: C): C => [a[1], -a[0]];
// sqrt(1 - a), sqrt(1 + a), and the product of the one's conjugate with the other.
const roots = (a: C): { minus: C; plus: C; product: C } => {
  const [minus, plus] = [sqrt([1 - a[0], -a[1]]), sqrt([1 + a[0], a[1]])];
  return { minus, plus, product: mul([minus[0], -minus[1]], plus) };
};
const asin = (a: C): C => {
  const { minus, plus, product } = roots(a);
  return [Math.atan2(a[0], mul(minus, plus)[0]), Math.asinh(product[1])];
};
const acos = (a: C): C => {
  const { minus, plus, product } = roots(a);
  return [2 * Math.atan2(minus[0], plus[0]), Math.asinh(-product[1])];
};
const acosh = (a: C): C => {
  const [low, high] = [sqrt([a[0] - 1, a[1]]), sqrt([a[0] + 1, a[1]])];
  return [Math.asinh(mul([low[0], -low[1]], high)[0]), 2 * Math.atan2(low[1], high[0])];
};
const asinh = (a: C): C => overI(asin(timesI(a)));
const atanh = (a: C): C => {
  const d = (1 - a[0]) ** 2 + a[1] ** 2;
  return [Math.log1p((4 * a[0]) / d) / 4, Math.atan2(2 * a[1], (1 - a[0]) * (1 + a[0]) - a[1] ** 2) / 2];
};
const tanh = (a: C): C => {
  // Beyond 20 the hyperbolic functions differ from each other by nothing that a double could hold.
  if (Math.abs(a[0]) > 20) return [Math.sign(a[0]), 4 * Math.sin(a[1]) * Math.cos(a[1]) * Math.exp(-2 * Math.abs(a[0]))];
  const d = Math.sinh(a[0]) ** 2 + Math.cos(a[1]) ** 2;
  return [(Math.sinh(a[0]) * Math.cosh(a[0])) / d, (Math.sin(a[1]) * Math.cos(a[1])) / d];
};
const truth = (x: boolean): C => [x ? 1 : 0, 0];
const zero = (a: C): boolean => a[0] === 0 && a[1] === 0;

/** Functions of complex numbers. */
export const COMPLEX: { readonly [K in UnaryOp | BinaryOp]?: (a: C, b: C) => C } = {
  neg: (a) => [-a[0], -a[1]],
  abs: (a) => [abs(a), 0],
  sign: (a) => (zero(a) ? [0, 0] : scale(a, 1 / abs(a))),
  exp,
  exp2: (a) => exp(scale(a, Math.LN2)),
  expm1: (a) => [Math.expm1(a[0]) * Math.cos(a[1]) - 2 * Math.sin(a[1] / 2) ** 2, Math.exp(a[0]) * Math.sin(a[1])],
  log,
  log2: (a) => scale(log(a), 1 / Math.LN2),
  log10: (a) => scale(log(a), 1 / Math.LN10),
  log1p: (a) => [
    abs(a) < 1 ? Math.log1p(a[0] * (2 + a[0]) + a[1] ** 2) / 2 : Math.log(Math.hypot(1 + a[0], a[1])),
    Math.atan2(a[1], 1 + a[0]),
  ],
  sqrt,
  rsqrt: (a) => div(ONE, sqrt(a)),
  sin,
  cos,
  tan: (a) => overI(tanh(timesI(a))),
  asin,
  acos,
  atan: (a) => overI(atanh(timesI(a))),
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  sigmoid: (a) => div(ONE, add(ONE, exp([-a[0], -a[1]]))),
  reciprocal: (a) => div(ONE, a),
  isnan: (a) => truth(Number.isNaN(a[0]) || Number.isNaN(a[1])),
  isinf: (a) => truth(Math.abs(a[0]) === Number.POSITIVE_INFINITY || Math.abs(a[1]) === Number.POSITIVE_INFINITY),
  logicalNot: (a) => truth(zero(a)),
  conj: (a) => [a[0], -a[1]],
  real: (a) => [a[0], 0],
  imag: (a) => [a[1], 0],
  angle: (a) => [Math.atan2(a[1], a[0]), 0],
  add,
  sub,
  mul,
  div,
  pow: (a, b) => (zero(b) ? ONE : zero(a) ? [0, 0] : exp(mul(b, log(a)))),
  eq: (a, b) => truth(a[0] === b[0] && a[1] === b[1]),
  ne: (a, b) => truth(a[0] !== b[0] || a[1] !== b[1]),
  logicalAnd: (a, b) => truth(!zero(a) && !zero(b)),
  logicalOr: (a, b) => truth(!zero(a) || !zero(b)),
  logicalXor: (a, b) => truth(zero(a) !== zero(b)),
};
