// Error and gamma functions.
import { pointwise } from "../formula.ts";
import type { Unary } from "./entry.ts";

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);
/** Gauss error function. @example erf(tensor([0, 1])) // => [0, 0.8427] */
export const erf: Unary = /*@__PURE__*/ pointwise({
  torch: "erf",
  promote: "float",
  forward: ([x]) => x!.erf(),
  grad: (g, [x]) => [g.mul(x!.mul(x!).neg().exp()).mul(TWO_OVER_SQRT_PI)],
  samples: (r) => [[r.normal(3, 4)]],
});
/** `1 - erf(input)`. @example erfc(tensor([0])) // => [1] */
export const erfc: Unary = /*@__PURE__*/ pointwise({
  torch: "erfc",
  promote: "float",
  forward: ([x]) => x!.erfc(),
  grad: (g, [x]) => [g.mul(x!.mul(x!).neg().exp()).mul(-TWO_OVER_SQRT_PI)],
  samples: (r) => [[r.normal(3, 4)]],
});
/** Inverse of `erf` on (-1, 1). @example erfinv(tensor([0])) // => [0] */
export const erfinv: Unary = /*@__PURE__*/ pointwise({
  torch: "erfinv",
  promote: "float",
  forward: ([x]) => x!.erfinv(),
  grad: (g, _x, y) => [g.mul(y.mul(y).exp()).mul(Math.sqrt(Math.PI) / 2)],
});
/** Logarithm of |Γ(input)|. @example lgamma(tensor([1, 4])) // => [0, 1.7918] */
export const lgamma: Unary = /*@__PURE__*/ pointwise({
  torch: "lgamma",
  promote: "float",
  forward: ([x]) => x!.lgamma(),
  grad: (g, [x]) => [g.mul(x!.digamma())],
});
/** Derivative of `lgamma`. @example digamma(tensor([1])) // => [-0.5772] */
export const digamma: Unary = /*@__PURE__*/ pointwise({ torch: "digamma", promote: "float", forward: ([x]) => x!.digamma() });
