// One of several values: extremes, limits, conditions.
import { category, isComplex } from "../../core/dtype.ts";
import { ArgumentError, DTypeError } from "../../core/errors.ts";
import { isTensor } from "../../core/tensor.ts";
import type { PointwiseOp } from "../define.ts";
import { pointwise } from "../formula.ts";
import type { TensorLike } from "../promote.ts";
import { type Unary, type Binary, dtypeOf, refuse, notComplex } from "./entry.ts";

/** The larger of two; NaN wins. @example maximum(tensor([1, 5]), tensor([3, 2])) // => [3, 5] */
export const maximum: Binary = /*@__PURE__*/ pointwise({
  torch: "maximum",
  operands: ["other"],
  forward: ([a, b]) => a!.maximum(b!),
  check: notComplex("maximum"),
  grad: (g, [a, b]) => {
    const even = g.mul(0.5).where(a!.eq(b!), g);
    return [even.where(a!.lt(b!).logicalNot(), 0), even.where(a!.gt(b!).logicalNot(), 0)];
  },
  samples: (r) => [[r.normal(3, 4), r.normal(4)]],
});
/** The smaller of two; NaN wins. @example minimum(tensor([1, 5]), tensor([3, 2])) // => [1, 2] */
export const minimum: Binary = /*@__PURE__*/ pointwise({
  torch: "minimum",
  operands: ["other"],
  forward: ([a, b]) => a!.minimum(b!),
  check: notComplex("minimum"),
  grad: (g, [a, b]) => {
    const even = g.mul(0.5).where(a!.eq(b!), g);
    return [even.where(a!.gt(b!).logicalNot(), 0), even.where(a!.lt(b!).logicalNot(), 0)];
  },
  samples: (r) => [[r.normal(3, 4), r.normal(4)]],
});
/** The larger of two; a number wins over NaN. @example fmax(tensor([NaN, 5]), tensor([3, 2])) // => [3, 5] */
export const fmax: Binary = /*@__PURE__*/ pointwise({
  torch: "fmax",
  operands: ["other"],
  forward: ([a, b]) => a!.where(a!.ge(b!).logicalOr(b!.isnan()), b!),
  check: notComplex("fmax"),
  grad: (g, [a, b]) => {
    const left = a!.ge(b!).logicalOr(b!.isnan());
    return [g.mul(left), g.mul(left.logicalNot())];
  },
});
/** The smaller of two; a number wins over NaN. @example fmin(tensor([NaN, 5]), tensor([3, 2])) // => [3, 2] */
export const fmin: Binary = /*@__PURE__*/ pointwise({
  torch: "fmin",
  operands: ["other"],
  forward: ([a, b]) => a!.where(a!.le(b!).logicalOr(b!.isnan()), b!),
  check: notComplex("fmin"),
  grad: (g, [a, b]) => {
    const left = a!.le(b!).logicalOr(b!.isnan());
    return [g.mul(left), g.mul(left.logicalNot())];
  },
});
/** Values limited to [min, max]; either may be absent, both may be tensors. @example clamp(tensor([-2, 0.5, 2]), -1, 1) // => [-1, 0.5, 1] */
export const clamp: PointwiseOp<[min?: TensorLike | null | { min?: TensorLike; max?: TensorLike }, max?: TensorLike | null]> =
  /*@__PURE__*/ pointwise({
    torch: "clamp",
    operands: ["min?", "max?"],
    forward: ([x, lo, hi]) => {
      const a = lo === undefined ? x! : x!.maximum(lo);
      return hi === undefined ? a : a.minimum(hi);
    },
    grad: (g, [x, lo, hi]) => {
      const inside = lo === undefined ? x!.le(hi!) : hi === undefined ? x!.ge(lo) : x!.ge(lo).logicalAnd(x!.le(hi));
      return [
        g.mul(inside.logicalOr(x!.isnan())),
        lo === undefined ? null : g.mul(hi === undefined ? x!.lt(lo) : x!.lt(lo).logicalAnd(lo.lt(hi))),
        hi === undefined ? null : g.mul(lo === undefined ? x!.gt(hi) : x!.gt(hi).logicalOr(lo.gt(hi))),
      ];
    },
    check: (xs) => {
      notComplex("clamp")(xs);
      if (xs[1] === undefined && xs[2] === undefined) throw new ArgumentError({ op: "clamp", message: "neither min nor max is given" });
    },
    samples: (r) => [
      [r.normal(3, 4), -0.5, 0.5],
      [r.normal(3), { max: 0.1 }],
    ],
    errors: [[(r) => [r.normal(3)], "ArgumentError"]],
  });
/** `input` where `mask` is false, `value` where it is true. @example maskedFill(tensor([1, 2]), tensor([true, false]), 9) // => [9, 2] */
export const maskedFill: PointwiseOp<[mask: TensorLike, value: TensorLike]> = /*@__PURE__*/ pointwise({
  torch: "masked_fill",
  operands: ["mask", "value"],
  masks: [1, 2],
  forward: ([x, m, v]) => v!.where(m!, x!),
  grad: (g, [, m]) => [g.mul(0).where(m!, g), null, g.where(m!, 0)],
  check: ([x, m, v]) => {
    if (isTensor(m) && m.dtype !== "bool")
      throw new DTypeError({ op: "maskedFill", message: `the mask is ${m.dtype}`, hint: "Masks are bool" });
    if (isTensor(v) && v.shape.length > 0)
      throw new ArgumentError({
        op: "maskedFill",
        message: `the value has ${v.shape.length} dimensions`,
        hint: "It must be a number or a 0-d tensor",
      });
    // Integers go into bool as truth values; any other way down is refused.
    if (v !== undefined && x !== undefined && category(dtypeOf(v)) > Math.max(1, category(dtypeOf(x))))
      throw new DTypeError({
        op: "maskedFill",
        message: `a ${dtypeOf(v)} value does not fit ${dtypeOf(x)}`,
        hint: "Cast the tensor first",
      });
  },
  samples: (r) => [[r.normal(3, 4), r.normal(3, 4).gt(0), 2]],
});
/** `max(0, input)`. @example relu(tensor([-1, 2])) // => [0, 2] */
export const relu: Unary = /*@__PURE__*/ pointwise({
  torch: "relu",
  inplaceOption: true,
  forward: ([x]) => x!.maximum(0),
  grad: (g, _x, y) => [g.where(y.le(0).logicalNot(), 0)],
  check: refuse("relu", (d) => d === "bool" || isComplex(d), "needs real numbers", "Cast first"),
  samples: (r) => [[r.normal(3, 4)]],
});
/** NaN and infinities replaced. @example nanToNum(tensor([NaN, 1])) // => [0, 1] */
export const nanToNum: PointwiseOp<[nan?: number | { nan?: number; posinf?: number; neginf?: number }, posinf?: number, neginf?: number]> =
  /*@__PURE__*/ pointwise({
    torch: "nan_to_num",
    defaults: { nan: 0, posinf: null as number | null, neginf: null as number | null },
    forward: ([x], o) => {
      const top =
        o.posinf === null
          ? x!.mul(0).where(x!.isnan(), 0).add(3.4028234663852886e38)
          : x!.mul(0).where(x!.isnan().logicalOr(x!.isinf()).logicalNot(), 0).add(o.posinf);
      const low =
        o.neginf === null
          ? x!.mul(0).where(x!.isnan(), 0).sub(3.4028234663852886e38)
          : x!.mul(0).where(x!.isnan().logicalOr(x!.isinf()).logicalNot(), 0).add(o.neginf);
      const zero = x!.where(x!.isnan().logicalOr(x!.isinf()).logicalNot(), 0);
      return zero
        .mul(0)
        .add(o.nan)
        .where(x!.isnan(), top.where(x!.isinf().logicalAnd(x!.gt(0)), low.where(x!.isinf(), x!)));
    },
    grad: (g, [x]) => [g.mul(x!.isnan().logicalOr(x!.isinf()).logicalNot())],
  });
