// Composed ops that users expect as methods: complex parts, cumulative helpers, small linear algebra.
import { category, isComplex } from "../core/dtype.ts";
import { ArgumentError, DTypeError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import { broadcastShapes, normDim } from "../core/layout.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { zeros } from "./create.ts";
import { composite, type Fn, type Op, type PointwiseOp } from "./define.ts";
import { pointwise } from "./formula.ts";
import type { TensorLike } from "./promote.ts";
import { cat, stack } from "./join.ts";
import { whereFormula } from "./pointwise/where.ts";
import { scalarTensor } from "./scalar.ts";
import { movedim, transpose, viewAsComplex } from "./shape/index.ts";

const conjugate: PointwiseOp<[]> = /*@__PURE__*/ pointwise({
  torch: "conj_physical",
  forward: ([x]) => x!.conj(),
  grad: (g) => [g.conj()],
});
/** The complex conjugate; real tensors are themselves. @example viewAsReal(conj(viewAsComplex(tensor([[1.5, 2.5]])))) // => [[1.5, -2.5]] */
export const conj: Op<[]> = /*@__PURE__*/ composite({
  torch: "conj",
  params: ["input"],
  forward: (x: Tensor) => (isComplex(x.dtype) ? conjugate(x) : x),
});
const realAngle: PointwiseOp<[]> = /*@__PURE__*/ pointwise({
  torch: "_angle",
  promote: "float",
  // π where the sign is negative, NaN kept.
  forward: ([x]) => x!.where(x!.isnan(), x!.lt(0).mul(Math.PI)),
  grad: (g) => [g.mul(0)],
});
/** The angle of a complex number in radians; 0 or π for a real one. @example angle(tensor([-1, 1])) // => [3.1416, 0] */
export const angle: Op<[]> = /*@__PURE__*/ composite({
  torch: "angle",
  params: ["input"],
  forward: (x: Tensor) => (isComplex(x.dtype) ? x.imag.atan2(x.real) : realAngle(x)),
});
/** Complex numbers from their parts. @throws DTypeError unless both are float32 or both float64. @example complex(tensor([1.5]), tensor([2.5])).abs() // => [2.9155] */
export const complex: Fn<[real: Tensor, imag: Tensor]> = /*@__PURE__*/ composite({
  torch: "complex",
  params: ["real: tensor", "imag: tensor"],
  forward: (re: Tensor, im: Tensor) => {
    if (re.dtype !== im.dtype || (re.dtype !== "float32" && re.dtype !== "float64"))
      throw new DTypeError({
        op: "complex",
        message: `parts are ${re.dtype} ${showShape(re.shape)} and ${im.dtype} ${showShape(im.shape)}`,
        hint: "Both must be float32 or both float64",
      });
    const shape = broadcastShapes("complex", re.shape, im.shape);
    return viewAsComplex(stack([re.expand(shape), im.expand(shape)], -1));
  },
});
/** Complex numbers from moduli and angles in radians. @example polar(tensor([2.5]), tensor([0.])).real // => [2.5] */
export const polar: Fn<[abs: Tensor, angle: Tensor]> = /*@__PURE__*/ composite({
  torch: "polar",
  params: ["abs: tensor", "angle: tensor"],
  forward: (r: Tensor, angle: Tensor) => complex(r.mul(angle.cos()), r.mul(angle.sin())),
});
/** `input` where `condition`, else `other`: `where(condition, input, other)`; with a condition alone, `nonzero(…, { asTuple: true })`. @example where(tensor([true, false]), 1, 0) // => [1, 0] */
export const where: Fn<[condition: Tensor, input?: TensorLike, other?: TensorLike]> = /*@__PURE__*/ composite({
  torch: "where",
  params: ["condition", "input?: tensor|scalar", "other?: tensor|scalar"],
  forward: (c: Tensor, a?: TensorLike, b?: TensorLike) => {
    if (a === undefined) return c.nonzero({ asTuple: true });
    if (b === undefined) throw new ArgumentError({ op: "where", message: "other is missing", hint: "where(condition, input, other)" });
    if (isTensor(a) || isTensor(b)) return isTensor(a) ? whereFormula(a, c, b) : whereFormula(b as Tensor, c.logicalNot(), a);
    return whereFormula(scalarLike(a, c), c, b);
  },
});
const scalarLike = (x: TensorLike, c: Tensor): Tensor => (isTensor(x) ? x : scalarTensor(x, c));

const alias2 = (torch: string, forward: (x: Tensor, ...a: never[]) => Tensor, params: readonly string[]): Op<never[]> =>
  composite({ torch, params, forward: forward as never });
/** `transpose` under its other name. @example swapaxes(ones(2, 3), 0, 1).shape // => [3, 2] */
export const swapaxes: Op<[axis0: number, axis1: number]> = /*@__PURE__*/ alias2(
  "swapaxes",
  (x, a: number, b: number) => transpose(x, a, b),
  ["input", "axis0: int", "axis1: int"],
) as never;
/** `transpose` under its other name. @example swapdims(ones(2, 3), 0, 1).shape // => [3, 2] */
export const swapdims: Op<[dim0: number, dim1: number]> = /*@__PURE__*/ alias2(
  "swapdims",
  (x, a: number, b: number) => transpose(x, a, b),
  ["input", "dim0", "dim1"],
) as never;
/** `movedim` under its other name. @example moveaxis(ones(2, 3, 4), 0, 2).shape // => [3, 4, 2] */
export const moveaxis: Op<[source: number | readonly number[], destination: number | readonly number[]]> = /*@__PURE__*/ alias2(
  "moveaxis",
  (x, a: number, b: number) => movedim(x, a, b),
  ["input", "source", "destination"],
) as never;
/** The diagonal of a matrix, or a matrix with this diagonal. @example diag(tensor([1, 2])) // => [[1, 0], [0, 2]] */
export const diag: Op<[diagonal?: number | { diagonal?: number }]> = /*@__PURE__*/ composite({
  torch: "diag",
  params: ["input", "diagonal?"],
  forward: (x: Tensor, k = 0) => {
    if (x.ndim === 2) return x.diagonal(k).clone();
    if (x.ndim !== 1) throw new ShapeError({ op: "diag", message: `shape ${showShape(x.shape)}`, hint: "It needs a vector or a matrix" });
    return diagEmbed(x, k);
  },
});
/**
 * Matrices [..., n, n] with the last dimension of `input` [..., n] on the diagonal `offset`, at dimensions `dim1` and `dim2`.
 * @example diagEmbed(tensor([1, 2])) // => [[1, 0], [0, 2]]
 */
export const diagEmbed: Op<[offset?: number | { offset?: number; dim1?: number; dim2?: number }, dim1?: number, dim2?: number]> =
  /*@__PURE__*/ composite({
    torch: "diag_embed",
    params: ["input", "offset?", "dim1?", "dim2?"],
    forward: (x: Tensor, offset = 0, dim1 = -2, dim2 = -1) => {
      const n = x.shape.at(-1)! + Math.abs(offset);
      const r = x.ndim + 1;
      const out = zeros([...x.shape.slice(0, -1), n, n], { dtype: x.dtype, device: x.device });
      out.diagonal(offset, -2, -1).copy_(x);
      return movedim(out, [-2, -1], [normDim(dim1, r, "diagEmbed"), normDim(dim2, r, "diagEmbed")]);
    },
  });
/** The sum of the diagonal. @example trace(tensor([[1, 2], [3, 4]])) // => 5 */
export const trace: Op<[]> = /*@__PURE__*/ composite({
  torch: "trace",
  params: ["input"],
  forward: (x: Tensor) => {
    if (x.ndim !== 2) throw new ShapeError({ op: "trace", message: `shape ${showShape(x.shape)} is no matrix` });
    return x.diagonal().sum();
  },
});
/** The p-norm (default 2) of `input - other`. @example dist(tensor([0.5, 2]), tensor([3.5, 6])) // => 5 */
export const dist: Op<[other: Tensor, p?: number]> = /*@__PURE__*/ composite({
  torch: "dist",
  params: ["input", "other", "p?"],
  forward: (x: Tensor, o: Tensor, p = 2) => x.sub(o).norm(p),
});
/**
 * Are all elements close: `|input - other| <= atol + rtol · |other|`?
 * @example isclose(tensor([1.5, 2]), tensor([1.5000001, 2.1])) // => [true, false]
 */
export const isclose: Op<[other: Tensor, options?: { rtol?: number; atol?: number; equalNan?: boolean }]> = /*@__PURE__*/ composite({
  torch: "isclose",
  params: ["input", "other", "rtol?", "atol?", "equalNan?"],
  differentiable: false,
  forward: (x: Tensor, o: Tensor, rtol = 1e-5, atol = 1e-8, equalNan = false) => {
    if (!(rtol >= 0 && atol >= 0))
      throw new ValueError({ op: "isclose", message: `rtol ${rtol}, atol ${atol}`, hint: "Neither may be negative" });
    if (category(x.dtype) < 2 && category(o.dtype) < 2 && rtol === 0 && atol === 0) return x.eq(o);
    if (x.dtype === "bool" || o.dtype === "bool") return isclose(x.to("uint8"), o.to("uint8"), { rtol, atol, equalNan });
    const close = x.eq(o).logicalOr(x.sub(o).abs().le(o.abs().mul(rtol).add(atol)).logicalAnd(o.isfinite()));
    return equalNan ? close.logicalOr(x.isnan().logicalAnd(o.isnan())) : close;
  },
});
/** Is every element close? @example allclose(tensor([1.5]), tensor([1.5000001])) // => true */
export const allclose: Op<[other: Tensor, options?: { rtol?: number; atol?: number; equalNan?: boolean }], boolean> =
  /*@__PURE__*/ composite({
    torch: "allclose",
    params: ["input", "other", "rtol?", "atol?", "equalNan?"],
    differentiable: false,
    forward: (x: Tensor, o: Tensor, ...a: []) =>
      isclose(x, o, ...a)
        .all()
        .itemSync<boolean>(),
  });
/** Same shape and same elements? @example equal(tensor([1]), tensor([1])) // => true */
export const equal: Op<[other: Tensor], boolean> = /*@__PURE__*/ composite({
  torch: "equal",
  params: ["input", "other"],
  differentiable: false,
  forward: (x: Tensor, o: Tensor) =>
    showShape(x.shape) === showShape(o.shape) && (x.layout.numel === 0 || x.eq(o).all().itemSync<boolean>()),
});
/** Options of `diff`. */
export interface DiffOptions {
  /** How often differences are taken (default 1). */
  n?: number;
  /** The dimension (default the last). */
  dim?: number;
  /** Values to put before along `dim`. */
  prepend?: Tensor | null;
  /** Values to put after along `dim`. */
  append?: Tensor | null;
}
/**
 * Differences of neighbours along `dim` (default the last), `n` times (default 1); of bool exclusive or.
 * @example diff(tensor([1, 4, 9])) // => [3, 5]
 */
export const diff: Op<[n?: number | DiffOptions, dim?: number | DiffOptions, prepend?: Tensor | null, append?: Tensor | null]> =
  /*@__PURE__*/ composite({
    torch: "diff",
    params: ["input", "n?", "dim?", "prepend?: tensor", "append?: tensor"],
    forward: (x: Tensor, n = 1, dim = -1, prepend?: Tensor, append?: Tensor) => {
      const d = normDim(dim, x.ndim, "diff");
      if (!(Number.isInteger(n) && n >= 0))
        throw new ValueError({ op: "diff", message: `n is ${String(n)}`, hint: "It is an integer >= 0" });
      if (n === 0) return x;
      let y = prepend || append ? cat([...(prepend ? [prepend] : []), x, ...(append ? [append] : [])], d) : x;
      for (let i = 0; i < n && y.shape[d]! > 0; i++) {
        const m = y.shape[d]! - 1;
        y = y.dtype === "bool" ? y.narrow(d, 1, m).logicalXor(y.narrow(d, 0, m)) : y.narrow(d, 1, m).sub(y.narrow(d, 0, m));
      }
      return y;
    },
  });
