// Norms of vectors and matrices.
import { isComplex, isFloating, type DType } from "../../core/dtype.ts";
import { DTypeError, ShapeError, showShape, ValueError } from "../../core/errors.ts";
import { normDim } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
import { to } from "../copy.ts";
import { composite, type Op } from "../define.ts";
import { amax, amin } from "../reduce/extreme.ts";
import { reduceDims } from "../reduce/kernel.ts";
import { vectorNorm as rawVectorNorm } from "../reduce/norm.ts";
import type { Dims } from "../shape/index.ts";
import { svdvals } from "./svd.ts";

/** The p-norm of vectors: of all elements, or along `dim`. @example linalg.vectorNorm(tensor([1.5, 2])) // => 2.5 */
export const vectorNorm: Op<
  [ord?: number | { ord?: number; dim?: Dims; keepdim?: boolean; dtype?: DType }, dim?: Dims, keepdim?: boolean]
> = /*@__PURE__*/ composite({
  torch: "linalg.vector_norm",
  params: ["input", "ord?", "dim?: ints", "keepdim?", "dtype?"],
  forward: (x: Tensor, ord = 2, dim?: Dims, keepdim = false, dtype?: DType) =>
    rawVectorNorm(dtype ? to(x, dtype) : x, ord, reduceDims("vectorNorm", x.ndim, dim), keepdim),
});
type Ord = number | "fro" | "nuc";
/**
 * A matrix norm over two dimensions (default the last): `"fro"`, `"nuc"`, ±Infinity, ±1, ±2.
 * @throws DTypeError, ShapeError, ValueError
 * @example linalg.matrixNorm(tensor([[1.5, 2], [0, 0]])) // => 2.5
 */
export const matrixNorm: Op<
  [ord?: Ord | { ord?: Ord; dim?: readonly number[]; keepdim?: boolean; dtype?: DType }, dim?: readonly number[], keepdim?: boolean]
> = /*@__PURE__*/ composite({
  torch: "linalg.matrix_norm",
  params: ["input", "ord?: number|fro|nuc", "dim?: list", "keepdim?", "dtype?"],
  forward: (input: Tensor, ord: Ord = "fro", dim: readonly number[] = [-2, -1], keepdim = false, dtype?: DType) => {
    const x = dtype ? to(input, dtype) : input;
    if (!isFloating(x.dtype) && !isComplex(x.dtype))
      throw new DTypeError({
        op: "linalg.matrixNorm",
        message: `${x.dtype} of shape ${showShape(x.shape)}`,
        hint: "Cast with .float() first",
      });
    if (dim.length !== 2 || x.ndim < 2)
      throw new ShapeError({
        op: "linalg.matrixNorm",
        message: `dim ${showShape(dim)} of shape ${showShape(x.shape)}`,
        hint: "Name two dimensions",
      });
    const [r, c] = dim.map((d) => normDim(d, x.ndim, "linalg.matrixNorm")) as [number, number];
    if (r === c) throw new ValueError({ op: "linalg.matrixNorm", message: `dim ${showShape(dim)} names one dimension twice` });
    const wide = (t: Tensor): Tensor => (keepdim ? t.reshape(x.shape.map((n, d) => (d === r || d === c ? 1 : n))) : t);
    if (ord === "fro") return rawVectorNorm(x, 2, [Math.min(r, c), Math.max(r, c)], keepdim);
    if (ord === "nuc" || Math.abs(ord) === 2) {
      const s = svdvals(x.movedim([r, c], [-2, -1]));
      return wide(ord === "nuc" ? s.sum(-1) : ord > 0 ? amax(s, -1) : amin(s, -1));
    }
    if (Math.abs(ord) !== 1 && Math.abs(ord) !== Number.POSITIVE_INFINITY)
      throw new ValueError({ op: "linalg.matrixNorm", message: `ord is ${ord}`, hint: 'Use "fro", "nuc", ±1, ±2 or ±Infinity' });
    const [first, second] = Math.abs(ord) === 1 ? [r, c] : [c, r];
    const sums = x.abs().sum(first, { keepdim: true });
    return wide((ord > 0 ? amax : amin)(sums, second, true).reshape(x.shape.filter((_, d) => d !== r && d !== c)));
  },
});
/**
 * A vector norm without `dim` or along one dimension, a matrix norm over two, or by the kind of `ord`.
 * @example linalg.norm(tensor([[1.5, 2], [0, 0]]), "nuc") // => 2.5
 */
export const norm: Op<[ord?: Ord | null | { ord?: Ord; dim?: Dims; keepdim?: boolean; dtype?: DType }, dim?: Dims, keepdim?: boolean]> =
  /*@__PURE__*/ composite({
    torch: "linalg.norm",
    params: ["input", "ord?: number|fro|nuc", "dim?: ints", "keepdim?", "dtype?"],
    forward: (x: Tensor, ord?: Ord, dim?: Dims, keepdim = false, dtype?: DType) => {
      const o = { keepdim, ...(dtype && { dtype }) };
      const dims = dim === undefined || dim === null ? null : ([dim].flat() as number[]);
      if (ord !== undefined && (dims ? dims.length === 2 : x.ndim === 2)) return matrixNorm(x, { ord, ...(dims && { dim: dims }), ...o });
      if (typeof ord === "string")
        throw new ValueError({
          op: "linalg.norm",
          message: `ord ${ord} over ${dims ? dims.length : x.ndim} dimensions`,
          hint: "Matrix norms take two",
        });
      if (ord !== undefined && !dims && x.ndim > 2)
        throw new ShapeError({
          op: "linalg.norm",
          message: `ord ${ord} of shape ${showShape(x.shape)} without dim`,
          hint: "Name one or two dimensions",
        });
      return vectorNorm(x, { ord: ord ?? 2, dim: dims, ...o });
    },
  });
