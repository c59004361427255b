// The same elements under another shape.
import { checkTensor, isOptions } from "../../core/arguments.ts";
import { ShapeError, showShape, ValueError } from "../../core/errors.ts";
import { inferShape, layoutOf, normDim, viewLayout } from "../../core/layout.ts";
import { Tensor } from "../../core/tensor.ts";
import { type DType, isDType, itemSize } from "../../core/dtype.ts";
import { clone } from "../copy.ts";
import { composite, type Op, view as viewOp } from "../define.ts";

/** The same elements under another shape, without a copy. @throws ShapeError when the strides do not allow it. */
const reView: Op<[shape: readonly number[]]> = /*@__PURE__*/ viewOp({
  torch: "Tensor.view",
  params: ["input", "size"],
  variadic: 1,
  layout: (x, size: readonly number[]) => {
    const shape = inferShape(size, x.numel, "view", x.shape);
    const out = viewLayout(x, shape);
    if (!out)
      throw new ShapeError({
        op: "view",
        message: `shape ${showShape(x.shape)} with strides ${showShape(x.strides)} cannot be seen as ${showShape(shape)} without a copy`,
        hint: "Use reshape",
      });
    return out;
  },
  grad: (g, shape) => g.reshape(shape),
  samples: (r) => [
    [r.normal(3, 4), [2, 6]],
    [r.normal(3, 4), [-1]],
  ],
});

/** The same memory under another shape, or (given a dtype) as another type of the same or another width. @example view(tensor([1, 2, 3, 4]), 2, 2) // => [[1, 2], [3, 4]] */
export const view: Op<[shapeOrDtype: readonly number[] | number | DType, ...rest: number[]]> = Object.assign(
  (x: Tensor, ...args: unknown[]): Tensor => {
    const dtype = isOptions(args[0]) ? args[0]["dtype"] : args[0];
    return isDType(dtype) && args.length === 1 ? viewDtype(x, dtype) : (reView as (...a: unknown[]) => Tensor)(x, ...args);
  },
  { op: reView.op, method: true as const },
);

function viewDtype(x: Tensor, dtype: DType): Tensor {
  checkTensor("view", "input", x);
  const [a, b] = [itemSize(x.dtype), itemSize(dtype)];
  if (a === b) return new Tensor(x.storage, x.layout, dtype);
  const l = x.layout;
  const d = l.shape.length - 1;
  if (d < 0 || l.strides[d] !== 1)
    throw new ShapeError({
      op: "view",
      message: `shape ${showShape(l.shape)} with strides ${showShape(l.strides)} cannot be seen as ${dtype}`,
      hint: "The last dimension must be contiguous",
    });
  const scale = (n: number): number => (n * a) / b;
  const shape = l.shape.map((n, i) => (i === d ? scale(n) : n));
  const strides = l.strides.map((n, i) => (i === d ? 1 : scale(n)));
  if (![...shape, ...strides, scale(l.offset)].every(Number.isInteger))
    throw new ShapeError({
      op: "view",
      message: `${showShape(l.shape)} of ${x.dtype} does not divide into ${dtype}`,
      hint: "The bytes of the last dimension must be whole elements",
    });
  return new Tensor(x.storage, layoutOf(shape, strides, scale(l.offset)), dtype);
}

/** The same elements under another shape; a view where possible. @example reshape(tensor([1, 2, 3, 4]), [2, -1]) // => [[1, 2], [3, 4]] */
export const reshape: Op<[shape: readonly number[] | number, ...rest: number[]]> = /*@__PURE__*/ composite({
  torch: "reshape",
  params: ["input", "shape"],
  variadic: 1,
  forward: (x: Tensor, size: readonly number[]) => {
    const shape = inferShape(size, x.layout.numel, "reshape", x.shape);
    return viewLayout(x.layout, shape) ? reView(x, shape) : reView(clone(x), shape);
  },
  samples: (r) => [
    [r.normal(3, 4), [2, 6]],
    [r.normal(3, 4).t(), [12]],
  ],
  errors: [[(r) => [r.normal(3, 4), [5, 2]], "ShapeError"]],
});
/** Dimensions `startDim..endDim` as one. @example flatten(ones(2, 3)).shape // => [6] */
export const flatten: Op<[startDim?: number | { startDim?: number; endDim?: number }, endDim?: number]> = /*@__PURE__*/ composite({
  torch: "flatten",
  params: ["input", "startDim?", "endDim?"],
  forward: (x: Tensor, startDim = 0, endDim = -1) => {
    if (x.ndim === 0) return x.reshape([1]);
    const [a, b] = [normDim(startDim, x.ndim, "flatten"), normDim(endDim, x.ndim, "flatten")];
    if (a > b) throw new ValueError({ op: "flatten", message: `startDim ${a} comes after endDim ${b}` });
    return x.reshape([...x.shape.slice(0, a), x.shape.slice(a, b + 1).reduce((p, n) => p * n, 1), ...x.shape.slice(b + 1)]);
  },
});
/** Dimension `dim` cut into `sizes` (one may be -1). @example unflatten(ones(6), 0, [2, 3]).shape // => [2, 3] */
export const unflatten: Op<[dim: number, sizes: readonly number[]]> = /*@__PURE__*/ composite({
  torch: "unflatten",
  params: ["input", "dim", "sizes"],
  forward: (x: Tensor, dim: number, sizes: readonly number[]) => {
    const d = normDim(dim, x.ndim, "unflatten");
    return reView(x, [...x.shape.slice(0, d), ...inferShape(sizes, x.shape[d]!, "unflatten", [x.shape[d]!]), ...x.shape.slice(d + 1)]);
  },
});

/** `view` to the shape of another tensor. @example viewAs(ones(6), ones(2, 3)).shape // => [2, 3] */
export const viewAs: Op<[other: Tensor]> = /*@__PURE__*/ composite({
  torch: "Tensor.view_as",
  params: ["input", "other"],
  forward: (x: Tensor, other: Tensor) => reView(x, other.shape),
});
/** `reshape` to the shape of another tensor. @example reshapeAs(ones(6), ones(2, 3)).shape // => [2, 3] */
export const reshapeAs: Op<[other: Tensor]> = /*@__PURE__*/ composite({
  torch: "Tensor.reshape_as",
  params: ["input", "other"],
  forward: (x: Tensor, other: Tensor) => x.reshape(other.shape),
});
