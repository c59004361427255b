// Angles: trigonometric and hyperbolic functions.
import { pointwise } from "../formula.ts";
import { type Unary, type Binary, notComplex } from "./entry.ts";

/** Sine of radians. @example sin(tensor([0, 1.5707963])) // => [0, 1] */
export const sin: Unary = /*@__PURE__*/ pointwise({
  torch: "sin",
  promote: "float",
  forward: ([x]) => x!.sin(),
  grad: (g, [x]) => [g.mul(x!.cos().conj())],
  samples: (r) => [[r.normal(3, 4)]],
});
/** Cosine of radians. @example cos(tensor([0])) // => [1] */
export const cos: Unary = /*@__PURE__*/ pointwise({
  torch: "cos",
  promote: "float",
  forward: ([x]) => x!.cos(),
  grad: (g, [x]) => [g.neg().mul(x!.sin().conj())],
  samples: (r) => [[r.normal(3, 4)]],
});
/** Tangent of radians. @example tan(tensor([0])) // => [0] */
export const tan: Unary = /*@__PURE__*/ pointwise({
  torch: "tan",
  promote: "float",
  forward: ([x]) => x!.tan(),
  grad: (g, _x, y) => [g.mul(y.mul(y).add(1).conj())],
  samples: (r) => [[r.positive(3, 4)]],
});
/** Inverse sine. @example asin(tensor([1])) // => [1.5708] */
export const asin: Unary = /*@__PURE__*/ pointwise({
  torch: "asin",
  promote: "float",
  forward: ([x]) => x!.asin(),
  grad: (g, [x]) => [g.mul(x!.mul(x!).neg().add(1).rsqrt().conj())],
  samples: (r) => [[r.positive(3, 4).mul(0.9)]],
});
/** Inverse cosine. @example acos(tensor([1])) // => [0] */
export const acos: Unary = /*@__PURE__*/ pointwise({
  torch: "acos",
  promote: "float",
  forward: ([x]) => x!.acos(),
  grad: (g, [x]) => [g.neg().mul(x!.mul(x!).neg().add(1).rsqrt().conj())],
  samples: (r) => [[r.positive(3, 4).mul(0.9)]],
});
/** Inverse tangent. @example atan(tensor([1])) // => [0.7854] */
export const atan: Unary = /*@__PURE__*/ pointwise({
  torch: "atan",
  promote: "float",
  forward: ([x]) => x!.atan(),
  grad: (g, [x]) => [g.div(x!.mul(x!).add(1).conj())],
  samples: (r) => [[r.normal(3, 4)]],
});
/** The angle of the point (other, input). @example atan2(tensor([1]), tensor([1])) // => [0.7854] */
export const atan2: Binary = /*@__PURE__*/ pointwise({
  torch: "atan2",
  operands: ["other"],
  promote: "float",
  forward: ([a, b]) => a!.atan2(b!),
  check: notComplex("atan2"),
  grad: (g, [a, b]) => {
    const s = g.div(a!.mul(a!).add(b!.mul(b!)));
    return [s.mul(b!), s.neg().mul(a!)];
  },
  samples: (r) => [[r.positive(3, 4), r.normal(3, 4)]],
});
/** Hyperbolic sine. @example sinh(tensor([0])) // => [0] */
export const sinh: Unary = /*@__PURE__*/ pointwise({
  torch: "sinh",
  promote: "float",
  forward: ([x]) => x!.sinh(),
  grad: (g, [x]) => [g.mul(x!.cosh().conj())],
  samples: (r) => [[r.normal(3, 4)]],
});
/** Hyperbolic cosine. @example cosh(tensor([0])) // => [1] */
export const cosh: Unary = /*@__PURE__*/ pointwise({
  torch: "cosh",
  promote: "float",
  forward: ([x]) => x!.cosh(),
  grad: (g, [x]) => [g.mul(x!.sinh().conj())],
  samples: (r) => [[r.normal(3, 4)]],
});
/** Hyperbolic tangent. @example tanh(tensor([0, 1])) // => [0, 0.7616] */
export const tanh: Unary = /*@__PURE__*/ pointwise({
  torch: "tanh",
  promote: "float",
  forward: ([x]) => x!.tanh(),
  grad: (g, _x, y) => [g.mul(y.mul(y).neg().add(1).conj())],
  samples: (r) => [[r.normal(3, 4)], [r.of(-50, 0, 50)]],
});
/** Inverse hyperbolic sine. @example asinh(tensor([0])) // => [0] */
export const asinh: Unary = /*@__PURE__*/ pointwise({
  torch: "asinh",
  promote: "float",
  forward: ([x]) => x!.asinh(),
  grad: (g, [x]) => [g.mul(x!.mul(x!).add(1).rsqrt().conj())],
  samples: (r) => [[r.normal(3, 4)]],
});
/** Inverse hyperbolic cosine. @example acosh(tensor([1])) // => [0] */
export const acosh: Unary = /*@__PURE__*/ pointwise({
  torch: "acosh",
  promote: "float",
  forward: ([x]) => x!.acosh(),
  grad: (g, [x]) => [g.div(x!.sub(1).sqrt().mul(x!.add(1).sqrt()).conj())],
  samples: (r) => [[r.positive(3, 4).add(1.1)]],
});
/** Inverse hyperbolic tangent. @example atanh(tensor([0])) // => [0] */
export const atanh: Unary = /*@__PURE__*/ pointwise({
  torch: "atanh",
  promote: "float",
  forward: ([x]) => x!.atanh(),
  grad: (g, [x]) => [g.div(x!.mul(x!).neg().add(1).conj())],
  samples: (r) => [[r.positive(3, 4).mul(0.9)]],
});
