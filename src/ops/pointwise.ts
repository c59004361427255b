// Elementwise arithmetic. Each entry is a formula and its gradient: adding one touches this file alone.
// Gradients follow PyTorch's convention for complex numbers: g · conj(f'(x)).
import { category, type DType, isComplex, isFloating } from "../core/dtype.ts";
import { ArgumentError, DTypeError } from "../core/errors.ts";
import { isTensor } from "../core/tensor.ts";
import type { PointwiseOp } from "./define.ts";
import { pointwise } from "./formula.ts";
import { scalarDtype, type TensorLike } from "./promote.ts";

/** One operand. */
export type Unary = PointwiseOp<[]>;
/** Two operands, the second a tensor or a number. */
export type Binary = PointwiseOp<[other: TensorLike]>;

const dtypeOf = (x: TensorLike): DType => (isTensor(x) ? x.dtype : scalarDtype(x));
const refuse =
  (op: string, bad: (d: DType) => boolean, why: string, hint: string) =>
  (xs: readonly (TensorLike | undefined)[]): void => {
    for (const x of xs) if (x !== undefined && bad(dtypeOf(x))) throw new DTypeError({ op, message: `${why}, got ${dtypeOf(x)}`, hint });
  };
const notFloat = (op: string) => refuse(op, (d) => category(d) >= 2, "needs integers or bool", 'Cast with .to("int64")');
const notComplex = (op: string) => refuse(op, isComplex, "complex numbers have no order", "Use .abs() or .real");

// ---- arithmetic

/** `input + alpha · other`. @example add(tensor([1, 2]), tensor([3, 4])) // => [4, 6] */
export const add: PointwiseOp<[other: TensorLike, opts?: { alpha?: number }]> = /*@__PURE__*/ pointwise({
  torch: "add",
  operands: ["other"],
  defaults: { alpha: null as number | null },
  forward: ([a, b], o) => a!.add(o.alpha === null ? b! : b!.mul(o.alpha)),
  grad: (g, _x, _y, o) => [g, o.alpha === null ? g : g.mul(o.alpha)],
  check: (xs, o) => {
    if (o.alpha !== null && !Number.isInteger(o.alpha) && xs.every((x) => x !== undefined && category(dtypeOf(x)) < 2))
      throw new ArgumentError({ op: "add", message: `alpha ${o.alpha} is fractional and the operands are integers` });
  },
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
export const sub: PointwiseOp<[other: TensorLike, opts?: { alpha?: number }]> = /*@__PURE__*/ pointwise({
  torch: "sub",
  operands: ["other"],
  defaults: { alpha: null as number | null },
  forward: ([a, b], o) => a!.sub(o.alpha === null ? b! : b!.mul(o.alpha)),
  grad: (g, _x, _y, o) => [g, o.alpha === null ? g.neg() : g.mul(o.alpha).neg()],
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
  check: refuse("rsub", (d) => d === "bool", "bool cannot be subtracted", "Use logicalXor"),
});
/** `input · other`. @example mul(tensor([1, 2]), tensor([3, 4])) // => [3, 8] */
export const mul: Binary = /*@__PURE__*/ pointwise({
  torch: "mul",
  operands: ["other"],
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
export const div: PointwiseOp<[other: TensorLike, opts?: { roundingMode?: "trunc" | "floor" | null }]> = /*@__PURE__*/ pointwise({
  torch: "div",
  operands: ["other"],
  defaults: { roundingMode: null as string | null },
  promote: (o) => (o.roundingMode === null ? "float" : "keep"),
  forward: ([a, b], o) => (o.roundingMode === "floor" ? a!.floorDivide(b!) : o.roundingMode === "trunc" ? a!.div(b!).trunc() : a!.div(b!)),
  grad: (g, [a, b], _y, o) => (o.roundingMode !== null ? [g.mul(0), g.mul(0)] : [g.div(b!.conj()), g.neg().mul(a!.div(b!).div(b!).conj())]),
  check: (_x, o) => {
    if (o.roundingMode !== null && o.roundingMode !== "trunc" && o.roundingMode !== "floor")
      throw new ArgumentError({ op: "div", message: `roundingMode ${String(o.roundingMode)}`, hint: 'Use "trunc", "floor" or nothing' });
  },
  samples: (r) => [
    [r.normal(3, 4), r.positive(3, 4)],
    [r.normal(3, 1), r.positive(4)],
    [r.normal(3), 2],
  ],
});
/** The quotient rounded towards minus infinity. @example floorDivide(tensor([7, -7]), 2) // => [3, -4] */
export const floorDivide: Binary = /*@__PURE__*/ pointwise({
  torch: "floor_divide",
  operands: ["other"],
  forward: ([a, b]) => a!.floorDivide(b!),
  check: notComplex("floorDivide"),
});
/** `input ** other`. @example pow(tensor([1, 2, 3]), 2) // => [1, 4, 9] */
export const pow: PointwiseOp<[exponent: TensorLike]> = /*@__PURE__*/ pointwise({
  torch: "pow",
  operands: ["exponent"],
  forward: ([a, b]) => a!.pow(b!),
  grad: (g, [a, b], y) => [
    g.mul(a!.pow(b!.sub(1)).mul(b!).conj()).mul(b!.ne(0)),
    g.mul(y.mul(a!.log()).conj()).where(a!.ne(0).logicalOr(b!.lt(0)), 0),
  ],
  check: (xs) => {
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
export const remainder: Binary = /*@__PURE__*/ pointwise({
  torch: "remainder",
  operands: ["other"],
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
      .where(x!.ne(0), 0)
      .mul(y.ne(y.conj())),
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

// ---- exponentials and roots

/** `e^input`. @example exp(tensor([0, 1])) // => [1, 2.7183] */
export const exp: Unary = /*@__PURE__*/ pointwise({
  torch: "exp",
  promote: "float",
  forward: ([x]) => x!.exp(),
  grad: (g, _x, y) => [g.mul(y.conj())],
  samples: (r) => [[r.normal(3, 4)], [r.of(-200, 0, 80)]],
});
/** `2^input`. @example exp2(tensor([0, 3])) // => [1, 8] */
export const exp2: Unary = /*@__PURE__*/ pointwise({
  torch: "exp2",
  promote: "float",
  forward: ([x]) => x!.exp2(),
  grad: (g, _x, y) => [g.mul(y.conj()).mul(Math.LN2)],
  samples: (r) => [[r.normal(3, 4)]],
});
/** `e^input - 1`, exact near 0. @example expm1(tensor([0, 1])) // => [0, 1.7183] */
export const expm1: Unary = /*@__PURE__*/ pointwise({
  torch: "expm1",
  promote: "float",
  forward: ([x]) => x!.expm1(),
  grad: (g, _x, y) => [g.mul(y.add(1).conj())],
  samples: (r) => [[r.normal(3, 4)]],
});
/** Natural logarithm. @example log(tensor([1, 2.7182818])) // => [0, 1] */
export const log: Unary = /*@__PURE__*/ pointwise({
  torch: "log",
  promote: "float",
  forward: ([x]) => x!.log(),
  grad: (g, [x]) => [g.div(x!.conj())],
  samples: (r) => [[r.positive(3, 4)]],
});
/** Logarithm to base 2. @example log2(tensor([1, 8])) // => [0, 3] */
export const log2: Unary = /*@__PURE__*/ pointwise({
  torch: "log2",
  promote: "float",
  forward: ([x]) => x!.log2(),
  grad: (g, [x]) => [g.div(x!.conj().mul(Math.LN2))],
  samples: (r) => [[r.positive(3, 4)]],
});
/** Logarithm to base 10. @example log10(tensor([1, 100])) // => [0, 2] */
export const log10: Unary = /*@__PURE__*/ pointwise({
  torch: "log10",
  promote: "float",
  forward: ([x]) => x!.log10(),
  grad: (g, [x]) => [g.div(x!.conj().mul(Math.LN10))],
  samples: (r) => [[r.positive(3, 4)]],
});
/** `log(1 + input)`, exact near 0. @example log1p(tensor([0, 1])) // => [0, 0.6931] */
export const log1p: Unary = /*@__PURE__*/ pointwise({
  torch: "log1p",
  promote: "float",
  forward: ([x]) => x!.log1p(),
  grad: (g, [x]) => [g.div(x!.add(1).conj())],
  samples: (r) => [[r.positive(3, 4)]],
});
/** Square root. @example sqrt(tensor([4, 9])) // => [2, 3] */
export const sqrt: Unary = /*@__PURE__*/ pointwise({
  torch: "sqrt",
  promote: "float",
  forward: ([x]) => x!.sqrt(),
  grad: (g, _x, y) => [g.div(y.conj().mul(2))],
  samples: (r) => [[r.positive(3, 4)]],
});
/** `1 / sqrt(input)`. @example rsqrt(tensor([4, 16])) // => [0.5, 0.25] */
export const rsqrt: Unary = /*@__PURE__*/ pointwise({
  torch: "rsqrt",
  promote: "float",
  forward: ([x]) => x!.rsqrt(),
  grad: (g, _x, y) => [g.mul(-0.5).mul(y.mul(y).mul(y).conj())],
  samples: (r) => [[r.positive(3, 4)]],
});

// ---- trigonometry

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

// ---- rounding

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

// ---- special functions

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
/** `1 / (1 + e^-input)`. @example sigmoid(tensor([0])) // => [0.5] */
export const sigmoid: Unary = /*@__PURE__*/ pointwise({
  torch: "sigmoid",
  promote: "float",
  forward: ([x]) => x!.sigmoid(),
  grad: (g, _x, y) => [g.mul(y.mul(y.neg().add(1)).conj())],
  samples: (r) => [[r.normal(3, 4)], [r.of(-100, 0, 100)]],
});
/** `log(p / (1 - p))`, with p clamped to [eps, 1 - eps] where given. @example logit(tensor([0.5])) // => [0] */
export const logit: PointwiseOp<[eps?: number | { eps?: number }]> = /*@__PURE__*/ pointwise({
  torch: "logit",
  promote: "float",
  defaults: { eps: null as number | null },
  forward: ([x], o) => {
    const p = o.eps === null ? x! : x!.maximum(o.eps).minimum(x!.mul(0).add(1).sub(o.eps));
    return p.div(p.neg().add(1)).log();
  },
  grad: (g, [x], _y, o) => {
    const d = g.div(x!.mul(x!.neg().add(1)));
    return [o.eps === null ? d : d.where(x!.ge(o.eps).logicalAnd(x!.le(x!.mul(0).add(1).sub(o.eps))), 0)];
  },
});

// ---- extremes and selection

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
/** `input` where `condition` is true, `other` elsewhere: `where(condition, input, other)`. @example where(tensor([true, false]), tensor([1, 2]), 0) // => [1, 0] */
export const whereFormula: PointwiseOp<[condition: TensorLike, other: TensorLike]> = /*@__PURE__*/ pointwise({
  torch: "where",
  operands: ["condition", "other"],
  masks: [1],
  forward: ([x, c, y]) => x!.where(c!, y!),
  grad: (g, [, c]) => [g.where(c!, 0), null, g.mul(0).where(c!, g)],
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
    if (v !== undefined && x !== undefined && category(dtypeOf(v)) > category(dtypeOf(x)))
      throw new DTypeError({
        op: "maskedFill",
        message: `a ${dtypeOf(v)} value does not fit ${dtypeOf(x)}`,
        hint: "Cast the tensor first",
      });
  },
  samples: (r) => [[r.normal(3, 4), r.normal(3, 4).gt(0), 2]],
});
/** Linear interpolation `input + weight · (end - input)`. @example lerp(tensor([0, 10]), tensor([10, 20]), 0.5) // => [5, 15] */
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

// ---- comparisons and logic (bool results, no gradient)

/** `input == other`. @example eq(tensor([1, 2]), 2) // => [false, true] */
export const eq: Binary = /*@__PURE__*/ pointwise({ torch: "eq", operands: ["other"], result: "bool", forward: ([a, b]) => a!.eq(b!) });
/** `input != other`. @example ne(tensor([1, 2]), 2) // => [true, false] */
export const ne: Binary = /*@__PURE__*/ pointwise({ torch: "ne", operands: ["other"], result: "bool", forward: ([a, b]) => a!.ne(b!) });
/** `input < other`. @example lt(tensor([1, 2]), 2) // => [true, false] */
export const lt: Binary = /*@__PURE__*/ pointwise({
  torch: "lt",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.lt(b!),
  check: notComplex("lt"),
});
/** `input <= other`. @example le(tensor([1, 3]), 2) // => [true, false] */
export const le: Binary = /*@__PURE__*/ pointwise({
  torch: "le",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.le(b!),
  check: notComplex("le"),
});
/** `input > other`. @example gt(tensor([1, 3]), 2) // => [false, true] */
export const gt: Binary = /*@__PURE__*/ pointwise({
  torch: "gt",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.gt(b!),
  check: notComplex("gt"),
});
/** `input >= other`. @example ge(tensor([1, 2]), 2) // => [false, true] */
export const ge: Binary = /*@__PURE__*/ pointwise({
  torch: "ge",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.ge(b!),
  check: notComplex("ge"),
});
/** Both true (non-zero). @example logicalAnd(tensor([1, 0]), tensor([2, 2])) // => [true, false] */
export const logicalAnd: Binary = /*@__PURE__*/ pointwise({
  torch: "logical_and",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.logicalAnd(b!),
});
/** At least one true. @example logicalOr(tensor([1, 0]), tensor([0, 0])) // => [true, false] */
export const logicalOr: Binary = /*@__PURE__*/ pointwise({
  torch: "logical_or",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.logicalOr(b!),
});
/** Exactly one true. @example logicalXor(tensor([1, 1]), tensor([0, 1])) // => [true, false] */
export const logicalXor: Binary = /*@__PURE__*/ pointwise({
  torch: "logical_xor",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.logicalXor(b!),
});
/** Not true. @example logicalNot(tensor([1, 0])) // => [false, true] */
export const logicalNot: Unary = /*@__PURE__*/ pointwise({ torch: "logical_not", result: "bool", forward: ([x]) => x!.logicalNot() });
/** Is it NaN? @example isnan(tensor([1, NaN])) // => [false, true] */
export const isnan: Unary = /*@__PURE__*/ pointwise({ torch: "isnan", result: "bool", forward: ([x]) => x!.isnan() });
/** Is it infinite? @example isinf(tensor([1, -Infinity])) // => [false, true] */
export const isinf: Unary = /*@__PURE__*/ pointwise({ torch: "isinf", result: "bool", forward: ([x]) => x!.isinf() });
/** Is it neither infinite nor NaN? @example isfinite(tensor([1, NaN])) // => [true, false] */
export const isfinite: Unary = /*@__PURE__*/ pointwise({
  torch: "isfinite",
  result: "bool",
  forward: ([x]) => x!.isnan().logicalOr(x!.isinf()).logicalNot(),
});
/** Bits of both; on bool logical and. @example bitwiseAnd(tensor([6]), 3) // => [2] */
export const bitwiseAnd: Binary = /*@__PURE__*/ pointwise({
  torch: "bitwise_and",
  operands: ["other"],
  forward: ([a, b]) => a!.bitwiseAnd(b!),
  check: notFloat("bitwiseAnd"),
});
/** Bits of either. @example bitwiseOr(tensor([6]), 3) // => [7] */
export const bitwiseOr: Binary = /*@__PURE__*/ pointwise({
  torch: "bitwise_or",
  operands: ["other"],
  forward: ([a, b]) => a!.bitwiseOr(b!),
  check: notFloat("bitwiseOr"),
});
/** Bits of exactly one. @example bitwiseXor(tensor([6]), 3) // => [5] */
export const bitwiseXor: Binary = /*@__PURE__*/ pointwise({
  torch: "bitwise_xor",
  operands: ["other"],
  forward: ([a, b]) => a!.bitwiseXor(b!),
  check: notFloat("bitwiseXor"),
});
/** `input << other`. @example bitwiseLeftShift(tensor([1]), 3) // => [8] */
export const bitwiseLeftShift: Binary = /*@__PURE__*/ pointwise({
  torch: "bitwise_left_shift",
  operands: ["other"],
  forward: ([a, b]) => a!.bitwiseLeftShift(b!),
  check: notFloat("bitwiseLeftShift"),
});
/** `input >> other`. @example bitwiseRightShift(tensor([8]), 3) // => [1] */
export const bitwiseRightShift: Binary = /*@__PURE__*/ pointwise({
  torch: "bitwise_right_shift",
  operands: ["other"],
  forward: ([a, b]) => a!.bitwiseRightShift(b!),
  check: notFloat("bitwiseRightShift"),
});

// ---- complex

/** The angle of a complex number; 0 or π for a real one. @example angle(tensor([-1, 1])) // => [3.1416, 0] */
export const angle: Unary = /*@__PURE__*/ pointwise({
  torch: "angle",
  promote: "float",
  result: "real",
  forward: ([x]) => (x as unknown as { angle(): typeof x }).angle()!,
  grad: (g) => [g.mul(0)],
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
/** `log(e^input + e^other)` without overflow. @example logaddexp(tensor([0]), tensor([0])) // => [0.6931] */
export const logaddexp: Binary = /*@__PURE__*/ pointwise({
  torch: "logaddexp",
  operands: ["other"],
  promote: "float",
  forward: ([a, b]) => {
    const m = a!.maximum(b!);
    return m.where(m.isinf().logicalAnd(a!.eq(b!)), m.add(a!.sub(b!).abs().neg().exp().log1p()));
  },
  grad: (g, [a, b], y) => [g.mul(a!.sub(y).exp()), g.mul(b!.sub(y).exp())],
});
/** `input · log(other)`, 0 where `input` is 0. @example xlogy(tensor([0, 2]), tensor([0, 1])) // => [0, 0] */
export const xlogy: Binary = /*@__PURE__*/ pointwise({
  torch: "xlogy",
  operands: ["other"],
  promote: "float",
  forward: ([a, b]) => b!.where(b!.isnan(), a!.mul(0).where(a!.eq(0), a!.mul(b!.log()))),
  grad: (g, [a, b]) => [g.mul(0).where(a!.eq(0).logicalAnd(b!.le(0)), g.mul(b!.log())), g.mul(a!).div(b!)],
});
/** `sqrt(input² + other²)`. @example hypot(tensor([3]), tensor([4])) // => [5] */
export const hypot: Binary = /*@__PURE__*/ pointwise({
  torch: "hypot",
  operands: ["other"],
  forward: ([a, b]) => a!.mul(a!).add(b!.mul(b!)).sqrt(),
  grad: (g, [a, b], y) => [g.mul(a!.div(y)), g.mul(b!.div(y))],
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
