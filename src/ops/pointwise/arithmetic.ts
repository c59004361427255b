// Arithmetic and signs. Each entry is a formula and its gradient: adding one touches this file alone.
// Gradients follow PyTorch's convention for complex numbers: g · conj(f'(x)).
import { category, isFloating } from "../../core/dtype.ts";
import { ArgumentError, DTypeError } from "../../core/errors.ts";
import { isTensor } from "../../core/tensor.ts";
import type { MixedOp, PointwiseOp } from "../define.ts";
import { pointwise } from "../formula.ts";
import type { TensorLike } from "../promote.ts";
import { type Binary, type Unary, type Mixed, dtypeOf, refuse, notComplex } from "./entry.ts";

const wholeAlpha =
  (op: string) =>
  (xs: readonly (TensorLike | undefined)[], o: { alpha: number | null }): void => {
    if (o.alpha !== null && !Number.isInteger(o.alpha) && xs.every((x) => x !== undefined && category(dtypeOf(x)) < 2))
      throw new ArgumentError({
        op,
        message: `alpha ${o.alpha} is fractional and the operands are integers`,
        hint: "Cast one to a floating type",
      });
  };
/** `input + alpha · other`. @example add(tensor([1, 2]), tensor([3, 4])) // => [4, 6] */
export const add: MixedOp<[other: TensorLike, opts?: { alpha?: number }]> = /*@__PURE__*/ pointwise({
  torch: "add",
  operands: ["other"],
  scalarFirst: true,
  defaults: { alpha: null as number | null },
  forward: ([a, b], o) => a!.add(o.alpha === null ? b! : b!.mul(o.alpha)),
  grad: (g, _x, _y, o) => [g, o.alpha === null ? g : g.mul(o.alpha)],
  checkValues: wholeAlpha("add"),
  samples: (r) => [
    [r.normal(3, 4), r.normal(3, 4)],
    [r.normal(3, 1), r.normal(4)],
    [r.normal(3), 2],
    [r.normal(3), r.normal(3), { alpha: 0.5 }],
  ],
  errors: [
    [(r) => [r.normal(3), r.normal(4)], "ShapeError"],
    [(r) => [r.normal(3), "x"], "ArgumentError"],
  ],
});
/** `input - alpha · other`. @example sub(tensor([5, 7]), 2) // => [3, 5] */
export const sub: MixedOp<[other: TensorLike, opts?: { alpha?: number }]> = /*@__PURE__*/ pointwise({
  torch: "sub",
  operands: ["other"],
  scalarFirst: true,
  defaults: { alpha: null as number | null },
  forward: ([a, b], o) => a!.sub(o.alpha === null ? b! : b!.mul(o.alpha)),
  grad: (g, _x, _y, o) => [g, o.alpha === null ? g.neg() : g.mul(o.alpha).neg()],
  checkValues: wholeAlpha("sub"),
  check: refuse("sub", (d) => d === "bool", "bool cannot be subtracted", "Use logicalXor"),
  samples: (r) => [
    [r.normal(3, 4), r.normal(3, 4)],
    [r.normal(3, 1), r.normal(4)],
    [r.normal(3), 2],
  ],
});
/** `other - alpha · input`. @example rsub(tensor([1, 2]), 5) // => [4, 3] */
export const rsub: PointwiseOp<[other: TensorLike, opts?: { alpha?: number }]> = /*@__PURE__*/ pointwise({
  torch: "rsub",
  operands: ["other"],
  defaults: { alpha: null as number | null },
  forward: ([a, b], o) => (o.alpha === null ? a! : a!.mul(o.alpha)).neg().add(b!),
  grad: (g, _x, _y, o) => [o.alpha === null ? g.neg() : g.mul(o.alpha).neg(), g],
  checkValues: wholeAlpha("rsub"),
  check: refuse("rsub", (d) => d === "bool", "bool cannot be subtracted", "Use logicalXor"),
});
/** `input · other`. @example mul(tensor([1, 2]), tensor([3, 4])) // => [3, 8] */
export const mul: Mixed = /*@__PURE__*/ pointwise({
  torch: "mul",
  operands: ["other"],
  scalarFirst: true,
  forward: ([a, b]) => a!.mul(b!),
  grad: (g, [a, b]) => [g.mul(b!.conj()), g.mul(a!.conj())],
  samples: (r) => [
    [r.normal(3, 4), r.normal(3, 4)],
    [r.normal(3, 1), r.normal(4)],
    [r.normal(3), 2.5],
  ],
  errors: [[(r) => [r.normal(2, 3), r.normal(2)], "ShapeError"]],
});
/** `input / other`; `roundingMode` `"trunc"` or `"floor"` rounds the quotient. @example div(tensor([1, 2]), 2) // => [0.5, 1] */
export const div: MixedOp<[other: TensorLike, opts?: { roundingMode?: "trunc" | "floor" | null }]> = /*@__PURE__*/ pointwise({
  torch: "div",
  operands: ["other"],
  scalarFirst: true,
  defaults: { roundingMode: null as string | null },
  kinds: { roundingMode: "trunc|floor" },
  promote: (o) => (o.roundingMode === null ? "float" : "keep"),
  forward: ([a, b], o) => (o.roundingMode === "floor" ? a!.floorDivide(b!) : o.roundingMode === "trunc" ? a!.div(b!).trunc() : a!.div(b!)),
  grad: (g, [a, b], _y, o) => (o.roundingMode !== null ? [g.mul(0), g.mul(0)] : [g.div(b!.conj()), g.neg().mul(a!.div(b!).div(b!).conj())]),
  check: (xs, o) => {
    if (o.roundingMode !== null) notComplex("div")(xs);
  },
  samples: (r) => [
    [r.normal(3, 4), r.positive(3, 4)],
    [r.normal(3, 1), r.positive(4)],
    [r.normal(3), 2],
  ],
});
/** The quotient rounded towards minus infinity. @example floorDivide(tensor([7, -7]), 2) // => [3, -4] */
export const floorDivide: Mixed = /*@__PURE__*/ pointwise({
  torch: "floor_divide",
  operands: ["other"],
  scalarFirst: true,
  forward: ([a, b]) => a!.floorDivide(b!),
  check: notComplex("floorDivide"),
});
/** `input ** other`. @example pow(tensor([1, 2, 3]), 2) // => [1, 4, 9] */
export const pow: MixedOp<[exponent: TensorLike]> = /*@__PURE__*/ pointwise({
  torch: "pow",
  operands: ["exponent"],
  scalarFirst: true,
  forward: ([a, b]) => a!.pow(b!),
  grad: (g, [a, b], y) => [
    g.mul(a!.pow(b!.sub(1)).mul(b!).conj()).mul(b!.ne(0)),
    g.mul(y.mul(a!.log()).conj()).where(a!.ne(0).logicalOr(y.isinf()).logicalOr(y.isnan()), 0),
  ],
  checkValues: (xs) => {
    const [a, b] = xs as [TensorLike, TensorLike];
    if (!isTensor(b) && typeof b !== "boolean" && Number(b) < 0 && category(dtypeOf(a)) < 2 && Number.isInteger(Number(b))) {
      throw new DTypeError({ op: "pow", message: `integers to the negative power ${String(b)}`, hint: "Cast the base to a floating type" });
    }
  },
  samples: (r) => [
    [r.positive(3, 4), r.normal(3, 4)],
    [r.normal(3), 3],
    [r.positive(2, 1), r.normal(3)],
  ],
});
/** The remainder with the sign of the divisor. @example remainder(tensor([-3, 3]), 2) // => [1, 1] */
export const remainder: Mixed = /*@__PURE__*/ pointwise({
  torch: "remainder",
  operands: ["other"],
  scalarFirst: true,
  forward: ([a, b]) => a!.remainder(b!),
  grad: (g, [a, b]) => [g, g.neg().mul(a!.floorDivide(b!))],
  check: notComplex("remainder"),
});
/** The remainder with the sign of the dividend. @example fmod(tensor([-3, 3]), 2) // => [-1, 1] */
export const fmod: Binary = /*@__PURE__*/ pointwise({
  torch: "fmod",
  operands: ["other"],
  forward: ([a, b]) => a!.fmod(b!),
  grad: (g, [a, b]) => [g, g.neg().mul(a!.div(b!).trunc())],
  check: notComplex("fmod"),
});
/** `-input`. @example neg(tensor([1, -2])) // => [-1, 2] */
export const neg: Unary = /*@__PURE__*/ pointwise({
  torch: "neg",
  forward: ([x]) => x!.neg(),
  grad: (g) => [g.neg()],
  check: refuse("neg", (d) => d === "bool", "bool has no negative", "Use logicalNot"),
  samples: (r) => [[r.normal(3, 4)]],
});
/** `|input|`; of complex numbers the modulus. @example abs(tensor([-1.5, 2])) // => [1.5, 2] */
export const abs: Unary = /*@__PURE__*/ pointwise({
  torch: "abs",
  result: "real",
  forward: ([x]) => x!.abs(),
  grad: (g, [x]) => [g.mul(x!.sign())],
  check: refuse("abs", (d) => d === "bool", "not for bool", "Cast first"),
  samples: (r) => [[r.normal(3, 4)]],
});
/** -1, 0 or 1. @example sign(tensor([-3, 0, 2])) // => [-1, 0, 1] */
export const sign: Unary = /*@__PURE__*/ pointwise({
  torch: "sign",
  forward: ([x]) => x!.sign(),
  grad: (g) => [g.mul(0)],
  samples: (r) => [[r.normal(3, 4)]],
});
/** `sign`, for complex numbers x / |x|. @example sgn(tensor([-3, 0, 2])) // => [-1, 0, 1] */
export const sgn: Unary = /*@__PURE__*/ pointwise({
  torch: "sgn",
  forward: ([x]) => x!.sign(),
  grad: (g, [x], y) => [
    g
      .sub(y.mul(g.mul(y.conj()).add(y.mul(g.conj())).div(2)))
      .div(x!.abs())
      .where(x!.ne(0).logicalAnd(y.ne(y.conj())), 0),
  ],
});
/** The number itself (not for bool). @example positive(tensor([1])) // => [1] */
export const positive: Unary = /*@__PURE__*/ pointwise({
  torch: "positive",
  forward: ([x]) => x!.add(0),
  grad: (g) => [g],
  check: refuse("positive", (d) => d === "bool", "not for bool", "Cast first"),
});
/** `input²`. @example square(tensor([1, -3])) // => [1, 9] */
export const square: Unary = /*@__PURE__*/ pointwise({
  torch: "square",
  promote: "int",
  forward: ([x]) => x!.mul(x!),
  grad: (g, [x]) => [g.mul(x!.conj()).mul(2)],
  samples: (r) => [[r.normal(3, 4)]],
});
/** `1 / input`. @example reciprocal(tensor([2, 4])) // => [0.5, 0.25] */
export const reciprocal: Unary = /*@__PURE__*/ pointwise({
  torch: "reciprocal",
  promote: "float",
  forward: ([x]) => x!.reciprocal(),
  grad: (g, _x, y) => [g.neg().mul(y.mul(y).conj())],
  samples: (r) => [[r.positive(3, 4)]],
});

/** Linear interpolation `input + weight · (end - input)`. @example lerp(tensor([0, 10.5]), tensor([10, 20.5]), 0.5) // => [5, 15.5] */
export const lerp: PointwiseOp<[end: TensorLike, weight: TensorLike]> = /*@__PURE__*/ pointwise({
  torch: "lerp",
  operands: ["end", "weight"],
  // PyTorch's two forms: each is exact at its own end.
  forward: ([a, b, w]) => a!.add(w!.mul(b!.sub(a!))).where(w!.abs().lt(0.5), b!.sub(b!.sub(a!).mul(w!.neg().add(1)))),
  grad: (g, [a, b, w]) => [g.mul(w!.neg().add(1).conj()), g.mul(w!.conj()), g.mul(b!.sub(a!).conj())],
  check: refuse("lerp", (d) => category(d) < 2 && d !== "int64", "needs floating operands", "Cast first"),
  samples: (r) => [
    [r.normal(3), r.normal(3), 0.3],
    [r.normal(3), r.normal(3), r.positive(3)],
  ],
});
/** `input + value · tensor1 · tensor2`. @example addcmul(tensor([1.5]), tensor([2]), tensor([3]), { value: 0.5 }) // => [4.5] */
export const addcmul: PointwiseOp<[tensor1: TensorLike, tensor2: TensorLike, opts?: { value?: number }]> = /*@__PURE__*/ pointwise({
  torch: "addcmul",
  operands: ["tensor1", "tensor2"],
  defaults: { value: 1 },
  forward: ([x, a, b], o) => x!.add(a!.mul(b!).mul(o.value)),
  grad: (g, [, a, b], _y, o) => [g, g.mul(b!.conj()).mul(o.value), g.mul(a!.conj()).mul(o.value)],
  samples: (r) => [[r.normal(3), r.normal(3), r.normal(3), { value: 2 }]],
});
/** `input + value · tensor1 / tensor2`. @example addcdiv(tensor([1.5]), tensor([4.5]), tensor([3]), { value: 0.5 }) // => [2.25] */
export const addcdiv: PointwiseOp<[tensor1: TensorLike, tensor2: TensorLike, opts?: { value?: number }]> = /*@__PURE__*/ pointwise({
  torch: "addcdiv",
  operands: ["tensor1", "tensor2"],
  defaults: { value: 1 },
  forward: ([x, a, b], o) => x!.add(a!.div(b!).mul(o.value)),
  grad: (g, [, a, b], _y, o) => [
    g,
    g.div(b!.conj()).mul(o.value),
    g
      .neg()
      .mul(a!.div(b!.mul(b!)).conj())
      .mul(o.value),
  ],
  check: (xs) => {
    if (xs.slice(1).every((x) => x !== undefined && category(dtypeOf(x)) < 2))
      throw new DTypeError({ op: "addcdiv", message: "integer operands", hint: "Cast them to a floating type" });
  },
  samples: (r) => [[r.normal(3), r.normal(3), r.positive(3), { value: 2 }]],
});

/** The magnitude of `input` with the sign of `other`. @example copysign(tensor([1, 2]), tensor([-1, 1])) // => [-1, 2] */
export const copysign: Binary = /*@__PURE__*/ pointwise({
  torch: "copysign",
  operands: ["other"],
  promote: "float",
  forward: ([a, b]) => a!.copysign(b!),
  grad: (g, [a], y) => [g.mul(y.div(a!)).where(a!.ne(0), 0), g.mul(0)],
  check: notComplex("copysign"),
});
/** The next representable number towards `other`. @example nextafter(tensor([1], { dtype: "float64" }), tensor([2], { dtype: "float64" })).gt(1) // => [true] */
export const nextafter: Binary = /*@__PURE__*/ pointwise({
  torch: "nextafter",
  operands: ["other"],
  forward: ([a, b]) => a!.nextafter(b!),
  check: refuse("nextafter", (d) => !isFloating(d), "needs floating operands", "Cast first"),
});
/** `sqrt(input² + other²)`. @example hypot(tensor([1.5]), tensor([2, 3.6])) // => [2.5, 3.9] */
export const hypot: Binary = /*@__PURE__*/ pointwise({
  torch: "hypot",
  operands: ["other"],
  forward: ([a, b]) => {
    // The ratio to the larger side neither overflows nor vanishes; an infinite side wins over NaN.
    const [x, y] = [a!.abs(), b!.abs()];
    const [big, small] = [x.maximum(y), x.minimum(y)];
    const r = small.div(big);
    const length = big.mul(r.mul(r).add(1).sqrt()).where(big.ne(0), big);
    return x.where(x.isinf(), y.where(y.isinf(), length));
  },
  grad: (g, [a, b], y) => [g.mul(a!.div(y)), g.mul(b!.div(y))],
  check: notComplex("hypot"),
});
