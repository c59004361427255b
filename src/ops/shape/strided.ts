// Windows by strides: any geometry on the same memory, and its gradient.
import { IndexError, showShape, ValueError } from "../../core/errors.ts";
import { denseLayout, layoutOf, numelOf, type Layout, normDim } from "../../core/layout.ts";
import { Tensor } from "../../core/tensor.ts";
import { itemSize } from "../../core/dtype.ts";
import { rawCopy, rawFull } from "../copy.ts";
import type { Context } from "../../autograd/function.ts";
import { composite, type Op, primitive, view as viewOp, viewOf } from "../define.ts";
import { launch, window } from "../launch.ts";

/** Dimensions: one, several, or (null) all. */
export type Dims = number | readonly number[] | null;

/** Zeros of `shape` with `g` set into the window that `look` shows: the transpose of a view without overlaps. */
export const unview: Op<[shape: readonly number[], look: (x: Tensor) => Tensor]> = /*@__PURE__*/ primitive({
  torch: "_unview",
  params: ["input", "shape", "look"],
  forward: (
    _ctx: Context<[Tensor, readonly number[], (x: Tensor) => Tensor]>,
    g: Tensor,
    shape: readonly number[],
    look: (x: Tensor) => Tensor,
  ) => {
    const out = rawFull(shape, 0, g.dtype, g.device);
    const part = look(out);
    if (part.layout.numel > 0) launch("unview", { kind: "copy" }, [part], [g]);
    return new Tensor(out.storage, out.layout, out.dtype);
  },
  backward: (ctx: Context<[Tensor, readonly number[], (x: Tensor) => Tensor]>, g) => (g ? ctx.args[2](g) : null),
});

/** `asStrided`'s transpose: values added into zeros of the base's geometry. */
export function asStridedBackward(g: Tensor, base: Layout, part: Layout): Tensor {
  return scatterStrided(g, base, part) as Tensor;
}
const scatterStrided: Op<[base: Layout, part: Layout]> = /*@__PURE__*/ primitive({
  torch: "_as_strided_backward",
  params: ["input", "base", "part"],
  forward: (_ctx: Context<[Tensor, Layout, Layout]>, g: Tensor, base: Layout, part: Layout) => {
    let low = Number.POSITIVE_INFINITY;
    let high = 0;
    for (const l of [base, part]) {
      let min = l.offset;
      let max = l.offset;
      l.shape.forEach((n, d) => {
        const span = (n - 1) * l.strides[d]!;
        if (span < 0) min += span;
        else max += span;
      });
      low = Math.min(low, min);
      high = Math.max(high, max);
    }
    const flat = rawFull([high - low + 1], 0, g.dtype, g.device);
    if (g.layout.numel > 0)
      launch("asStrided", { kind: "scatter", mode: "add" }, [window(flat, layoutOf(part.shape, part.strides, part.offset - low))], [g]);
    return rawCopy(new Tensor(flat.storage, layoutOf(base.shape, base.strides, base.offset - low), g.dtype));
  },
  backward: (ctx: Context<[Tensor, Layout, Layout]>, g) => {
    if (!g) return null;
    const [, base, part] = ctx.args;
    // The gradient has the base's shape, densely: look at it where the base's strides put the window.
    const flat = scatterStrided(g, { ...layoutOf(base.shape, base.strides, base.offset) }, base);
    return asStrided(flat, part.shape, part.strides, part.offset);
  },
});

/** Windows of `size` every `step` along a dimension, as a new last dimension. @example unfold(tensor([1, 2, 3]), 0, 2, 1) // => [[1, 2], [2, 3]] */
export const unfold: Op<[dimension: number, size: number, step: number]> = /*@__PURE__*/ viewOp({
  torch: "Tensor.unfold",
  params: ["input", "dimension", "size: count", "step"],
  layout: (x, dim: number, size: number, step: number) => {
    const d = normDim(dim, x.shape.length, "unfold");
    const n = x.shape[d] ?? 1;
    if (!(size >= 0 && size <= n && step > 0))
      throw new ValueError({
        op: "unfold",
        message: `size ${size}, step ${step} on dimension ${d} of ${showShape(x.shape)}`,
        hint: "0 <= size <= the dimension's size, step > 0",
      });
    if (x.shape.length === 0) return layoutOf([size], [1], x.offset);
    return layoutOf(
      [...x.shape.with(d, Math.floor((n - size) / step) + 1), size],
      [...x.strides.with(d, x.strides[d]! * step), x.strides[d]!],
      x.offset,
    );
  },
  grad: (g, shape, dim, size, step) => {
    if (shape.length === 0) return g.reshape([]);
    const dense = denseLayout(shape);
    const d = normDim(dim, shape.length, "unfold");
    const count = Math.floor((shape[d]! - size) / step) + 1;
    return asStridedBackward(
      g,
      dense,
      layoutOf([...shape.with(d, count), size], [...dense.strides.with(d, dense.strides[d]! * step), dense.strides[d]!], 0),
    );
  },
  samples: (r) => [[r.normal(3, 8), 1, 3, 2]],
});
/**
 * Any window on the storage: shape, strides and offset (default: the tensor's own) in elements.
 * @throws ValueError for negative or fractional numbers, IndexError outside the storage
 * @example asStrided(tensor([1, 2, 3, 4]), [2, 2], [1, 1]) // => [[1, 2], [2, 3]]
 */
export const asStrided: Op<
  [size: readonly number[], stride: readonly number[], storageOffset?: number | null | { storageOffset?: number | null }]
> = /*@__PURE__*/ composite({
  torch: "as_strided",
  params: ["input", "size: shape", "stride: shape", "storageOffset?: count"],
  forward: (x: Tensor, size: number[], stride: number[], storageOffset = x.layout.offset) => {
    if (size.length !== stride.length)
      throw new ValueError({
        op: "asStrided",
        message: `size ${showShape(size)}, stride ${showShape(stride)}`,
        hint: "Give two arrays of the same length",
      });
    const last = size.reduce((at, n, d) => at + (n - 1) * stride[d]!, storageOffset);
    if (numelOf(size) > 0 && (last + 1) * itemSize(x.dtype) > x.storage.nbytes)
      throw new IndexError({
        op: "asStrided",
        message: `shape ${showShape(size)}, strides ${showShape(stride)}, offset ${storageOffset} reach outside a storage of ${x.storage.nbytes / itemSize(x.dtype)} elements`,
        hint: "Every element must lie inside",
      });
    const base = x.layout;
    const part = layoutOf([...size], [...stride], storageOffset);
    return viewOf("AsStrided", x, part, (g) => asStridedBackward(g, base, part));
  },
});
