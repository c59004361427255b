// Rounding to integers or decimal places.
import type { PointwiseOp } from "../define.ts";
import { pointwise } from "../formula.ts";
import { type Unary, notComplex } from "./entry.ts";

const zero = <E extends { mul(o: number): E }>(g: E): E[] => [g.mul(0)];
/** Down to an integer. @example floor(tensor([1.7, -1.2])) // => [1, -2] */
export const floor: Unary = /*@__PURE__*/ pointwise({
  torch: "floor",
  forward: ([x]) => x!.floor(),
  grad: zero,
  check: notComplex("floor"),
});
/** Up to an integer. @example ceil(tensor([1.2, -1.7])) // => [2, -1] */
export const ceil: Unary = /*@__PURE__*/ pointwise({ torch: "ceil", forward: ([x]) => x!.ceil(), grad: zero, check: notComplex("ceil") });
/** To the nearest integer, halves to even; to `decimals` places. @example round(tensor([0.5, 1.5])) // => [0, 2] */
export const round: PointwiseOp<[opts?: { decimals?: number }]> = /*@__PURE__*/ pointwise({
  torch: "round",
  defaults: { decimals: null as number | null },
  // The power of ten as an expression: the same kernel for every number of places.
  forward: ([x], o) => {
    if (o.decimals === null) return x!.round();
    const places = o.decimals as unknown as NonNullable<typeof x>;
    const ten = places.abs().mul(Math.log2(10)).exp2().round();
    return x!.round().where(places.eq(0), x!.mul(ten).round().div(ten).where(places.gt(0), x!.div(ten).round().mul(ten)));
  },
  grad: zero,
  check: notComplex("round"),
});
/** Towards zero. @example trunc(tensor([1.7, -1.7])) // => [1, -1] */
export const trunc: Unary = /*@__PURE__*/ pointwise({
  torch: "trunc",
  forward: ([x]) => x!.trunc(),
  grad: zero,
  check: notComplex("trunc"),
});
/** What `trunc` cuts off. @example frac(tensor([1.5, -1.5])) // => [0.5, -0.5] */
export const frac: Unary = /*@__PURE__*/ pointwise({
  torch: "frac",
  forward: ([x]) => x!.sub(x!.trunc()),
  grad: (g) => [g],
  check: notComplex("frac"),
});
