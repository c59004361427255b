// Error and gamma functions.
import type { Algebra } from "../../kernel/algebra.ts";
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
// The derivative of digamma, Σ 1/(x+k)²: reflection below 1/2, recurrence by 6, asymptotic series (Abramowitz & Stegun 6.4.7, 6.4.6, 6.4.12).
function trigamma<E extends Algebra<E>>(x: E): E {
  const low = x.lt(0.5);
  const z = x.neg().add(1).where(low, x);
  const inverseSquare = (k: number): E => z.add(k).mul(z.add(k)).reciprocal();
  const y = z.add(6).reciprocal();
  const r = y.mul(y);
  const BERNOULLI = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730];
  const series = BERNOULLI.reduceRight((sum, b) => sum.add(b).mul(r), r.mul(0));
  const tail = y.mul(series.add(1).add(y.div(2)));
  const sum = [0, 1, 2, 3, 4, 5].reduce((s, k) => s.add(inverseSquare(k)), tail);
  const sine = x.mul(Math.PI).sin();
  return sine
    .mul(sine)
    .reciprocal()
    .mul(Math.PI ** 2)
    .sub(sum)
    .where(low, sum);
}
/** Derivative of `lgamma`. @example digamma(tensor([1])) // => [-0.5772] */
export const digamma: Unary = /*@__PURE__*/ pointwise({
  torch: "digamma",
  promote: "float",
  forward: ([x]) => x!.digamma(),
  grad: (g, [x]) => [g.mul(trigamma(x!))],
  samples: (r) => [[r.positive(3, 4)], [r.of(-2.5, -0.3, 0.7, 3.2, 12)]],
});
