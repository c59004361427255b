// Views: new layouts on the same memory. Their gradients are other views, sums, or values set into zeros.
import { IndexError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import {
  denseLayout,
  expandLayout,
  inferShape,
  layoutOf,
  type Layout,
  normDim,
  permuteLayout,
  selectLayout,
  sliceLayout,
  unsqueezeLayout,
  viewLayout,
} from "../core/layout.ts";
import { Tensor } from "../core/tensor.ts";
import type { DType } from "../core/dtype.ts";
import { itemSize, toComplex, toReal, isComplex } from "../core/dtype.ts";
import { DTypeError } from "../core/errors.ts";
import { clone, rawCopy, rawFull, sumToSize } from "./copy.ts";
import type { Context } from "../autograd/function.ts";
import { composite, type Op, primitive, view as viewOp, viewOf } from "./define.ts";
import { launch, window } from "./launch.ts";

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

// ---- re-cutting

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
  (x: Tensor, size: readonly number[] | number | DType, ...rest: number[]): Tensor =>
    typeof size === "string"
      ? viewDtype(x, size)
      : reView(x, typeof size === "number" ? [size, ...rest] : ((size as { size?: readonly number[] }).size ?? size)),
  { op: reView.op, method: true as const },
);

function viewDtype(x: Tensor, dtype: DType): Tensor {
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
    throw new ShapeError({ op: "view", message: `${showShape(l.shape)} of ${x.dtype} does not divide into ${dtype}` });
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
  params: ["input", "startDim", "endDim"],
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

// ---- order of dimensions

/** Dimensions in another order. @example permute(ones(2, 3, 4), [2, 0, 1]).shape // => [4, 2, 3] */
export const permute: Op<[dims: readonly number[] | number, ...rest: number[]]> = /*@__PURE__*/ viewOp({
  torch: "permute",
  params: ["input", "dims"],
  variadic: 1,
  layout: (x, dims: readonly number[]) => permuteLayout(x, checkPermutation(dims, x)),
  grad: (g, shape, dims: readonly number[]) => {
    const back: number[] = [];
    dims.forEach((d, i) => {
      back[normDim(d, shape.length, "permute")] = i;
    });
    return permute(g, back);
  },
  samples: (r) => [[r.normal(2, 3, 4), [2, 0, 1]]],
  errors: [[(r) => [r.normal(2, 3), [0, 0]], "ValueError"]],
});
function checkPermutation(dims: readonly number[], x: Layout): number[] {
  const out = dims.map((d) => normDim(d, x.shape.length, "permute"));
  if (out.length !== x.shape.length || new Set(out).size !== out.length)
    throw new ValueError({
      op: "permute",
      message: `dims ${showShape(dims)} are no permutation of the ${x.shape.length} dimensions of ${showShape(x.shape)}`,
      hint: "Name every dimension once",
    });
  return out;
}
const swap = (x: Layout, a: number, b: number, op: string): Layout => {
  const [i, j] = [normDim(a, x.shape.length, op), normDim(b, x.shape.length, op)];
  const dims = x.shape.map((_, d) => (d === i ? j : d === j ? i : d));
  return permuteLayout(x, dims);
};
/** Two dimensions swapped. @example transpose(ones(2, 3), 0, 1).shape // => [3, 2] */
export const transpose: Op<[dim0: number, dim1: number]> = /*@__PURE__*/ viewOp({
  torch: "transpose",
  params: ["input", "dim0", "dim1"],
  layout: (x, a: number, b: number) => swap(x, a, b, "transpose"),
  grad: (g, _s, a, b) => transpose(g, a, b),
  samples: (r) => [[r.normal(2, 3, 4), 0, 2]],
});
/** The transpose of a matrix (vectors and scalars are themselves). @example t(ones(2, 3)).shape // => [3, 2] */
export const t: Op<[]> = /*@__PURE__*/ composite({
  torch: "t",
  params: ["input"],
  forward: (x: Tensor) => {
    if (x.ndim > 2)
      throw new ShapeError({ op: "t", message: `shape ${showShape(x.shape)} has more than 2 dimensions`, hint: "Use transpose or mT" });
    return x.ndim < 2 ? x : transpose(x, 0, 1);
  },
});
/** Dimensions moved to other places, the rest keeping their order. @example movedim(ones(2, 3, 4), 0, 2).shape // => [3, 4, 2] */
export const movedim: Op<[source: number | readonly number[], destination: number | readonly number[]]> = /*@__PURE__*/ composite({
  torch: "movedim",
  params: ["input", "source", "destination"],
  forward: (x: Tensor, source: number | readonly number[], destination: number | readonly number[]) => {
    const from = [source].flat().map((d) => normDim(d as number, x.ndim, "movedim"));
    const target = [destination].flat().map((d) => normDim(d as number, x.ndim, "movedim"));
    if (from.length !== target.length || new Set(from).size < from.length || new Set(target).size < target.length)
      throw new ValueError({
        op: "movedim",
        message: `source ${showShape(from)} and destination ${showShape(target)} must name the same number of different dimensions`,
      });
    const rest = x.shape.map((_, d) => d).filter((d) => !from.includes(d));
    const dims = x.shape.map((_, d) => (target.includes(d) ? from[target.indexOf(d)]! : rest.shift()!));
    return permute(x, dims);
  },
});

// ---- size-1 dimensions, stretching

/** A new dimension of size 1. @example unsqueeze(ones(3), 0).shape // => [1, 3] */
export const unsqueeze: Op<[dim: number]> = /*@__PURE__*/ viewOp({
  torch: "unsqueeze",
  params: ["input", "dim"],
  layout: (x, dim: number) => unsqueezeLayout(x, normDim(dim, x.shape.length + 1, "unsqueeze")),
  grad: (g, shape, dim) => g.squeeze(normDim(dim, shape.length + 1, "unsqueeze")),
  samples: (r) => [[r.normal(3, 4), 1]],
});
/** Dimensions of size 1 removed: all, or those named. @example squeeze(ones(1, 3, 1)).shape // => [3] */
export const squeeze: Op<[dim?: Dims]> = /*@__PURE__*/ viewOp({
  torch: "squeeze",
  params: ["input", "dim"],
  layout: (x, dim?: number | readonly number[]) => {
    const named = dim === undefined ? null : [dim].flat().map((d) => normDim(d as number, x.shape.length, "squeeze"));
    const keep = x.shape.map((n, d) => !(n === 1 && (named === null || named.includes(d))));
    return layoutOf(
      x.shape.filter((_, d) => keep[d]),
      x.strides.filter((_, d) => keep[d]),
      x.offset,
    );
  },
  grad: (g, shape) => g.reshape(shape),
  samples: (r) => [[r.normal(3, 1, 4), 1], [r.normal(1, 3, 1)]],
});
/** Stretched to `size` along dimensions of size 1, without a copy. @example expand(tensor([[1], [2]]), 2, 3) // => [[1, 1, 1], [2, 2, 2]] */
export const expand: Op<[size: readonly number[] | number, ...rest: number[]]> = /*@__PURE__*/ viewOp({
  torch: "Tensor.expand",
  params: ["input", "size"],
  variadic: 1,
  layout: (x, size: readonly number[]) => expandLayout(x, size),
  grad: (g, shape) => sumToSize(g, shape),
  samples: (r) => [[r.normal(3, 1), [2, 3, 4]]],
  errors: [[(r) => [r.normal(3, 2), [3, 4]], "ShapeError"]],
});
/** `expand` to the shape of another tensor. */
export const expandAs: Op<[other: Tensor]> = /*@__PURE__*/ composite({
  torch: "Tensor.expand_as",
  params: ["input", "other"],
  forward: (x: Tensor, other: Tensor) => expand(x, other.shape),
});
/** `expand` under its other name. @example broadcastTo(tensor([1]), [2]) // => [1, 1] */
export const broadcastTo: Op<[size: readonly number[]]> = /*@__PURE__*/ composite({
  torch: "broadcast_to",
  params: ["input", "size"],
  variadic: 1,
  forward: (x: Tensor, size: readonly number[]) => expand(x, size),
});
/** `view` to the shape of another tensor. */
export const viewAs: Op<[other: Tensor]> = /*@__PURE__*/ composite({
  torch: "Tensor.view_as",
  params: ["input", "other"],
  forward: (x: Tensor, other: Tensor) => reView(x, other.shape),
});
/** `reshape` to the shape of another tensor. */
export const reshapeAs: Op<[other: Tensor]> = /*@__PURE__*/ composite({
  torch: "Tensor.reshape_as",
  params: ["input", "other"],
  forward: (x: Tensor, other: Tensor) => x.reshape(other.shape),
});

// ---- parts

/** Element `index` of a dimension, which goes away. @example select(tensor([[1, 2], [3, 4]]), 0, 1) // => [3, 4] */
export const select: Op<[dim: number, index: number]> = /*@__PURE__*/ viewOp({
  torch: "select",
  params: ["input", "dim", "index"],
  layout: (x, dim: number, index: number) => {
    if (x.shape.length === 0) throw new IndexError({ op: "select", message: "a scalar has no dimensions to select from" });
    const d = normDim(dim, x.shape.length, "select");
    const n = x.shape[d]!;
    if (!Number.isInteger(index) || index < -n || index >= n)
      throw new IndexError({
        op: "select",
        message: `index ${index} is out of range for dimension ${d} of ${showShape(x.shape)}`,
        hint: `Use ${-n} to ${n - 1}`,
        data: { index, dim: d, shape: x.shape },
      });
    return selectLayout(x, d, index < 0 ? index + n : index);
  },
  grad: (g, shape, dim, index) => unview(g, shape, (z) => select(z, dim, index)),
  samples: (r) => [[r.normal(3, 4), 1, -1]],
  errors: [[(r) => [r.normal(3), 0, 3], "IndexError"]],
});
/** Elements `start ≤ i < end` of a dimension with a step > 0, cut to the size as in Python. @example sliceDim(tensor([0, 1, 2, 3]), 0, 1, 4, 2) // => [1, 3] */
export const sliceDim: Op<[dim?: number, start?: number | null, end?: number | null, step?: number]> = /*@__PURE__*/ viewOp({
  torch: "_slice",
  params: ["input", "dim", "start", "end", "step"],
  layout: (x, dim = 0, start?: number, end?: number, step = 1) => {
    const d = normDim(dim, x.shape.length, "slice");
    const n = x.shape[d]!;
    if (!Number.isInteger(step) || step < 1)
      throw new ValueError({ op: "slice", message: `step ${step}`, hint: "Steps are integers >= 1; use flip to reverse" });
    const clip = (i: number): number => Math.min(n, Math.max(0, i < 0 ? i + n : i));
    const a = clip(start ?? 0);
    return sliceLayout(x, d, a, Math.max(0, Math.ceil((clip(end ?? n) - a) / step)), step);
  },
  grad: (g, shape, dim, start, end, step) => unview(g, shape, (z) => sliceDim(z, dim, start, end, step)),
});
/** `length` elements of a dimension from `start` on. @example narrow(tensor([1, 2, 3]), 0, 1, 2) // => [2, 3] */
export const narrow: Op<[dim: number, start: number, length: number]> = /*@__PURE__*/ viewOp({
  torch: "narrow",
  params: ["input", "dim", "start", "length"],
  layout: (x, dim: number, start: number | Tensor, length: number) => {
    if (x.shape.length === 0) throw new ShapeError({ op: "narrow", message: "a scalar has no dimensions" });
    const d = normDim(dim, x.shape.length, "narrow");
    const n = x.shape[d]!;
    const at = typeof start === "number" ? start : start.itemSync();
    const a = at < 0 ? at + n : at;
    if (!(length >= 0 && a >= 0 && a + length <= n))
      throw new IndexError({
        op: "narrow",
        message: `${length} elements from ${at} do not lie in dimension ${d} of ${showShape(x.shape)}`,
      });
    return sliceLayout(x, d, a, length);
  },
  grad: (g, shape, dim, start, length) => unview(g, shape, (z) => narrow(z, dim, start as number, length)),
  samples: (r) => [[r.normal(3, 4), 1, 1, 2]],
});
/** The diagonal of two dimensions, put last. @example diagonal(tensor([[1, 2], [3, 4]])) // => [1, 4] */
export const diagonal: Op<[offset?: number | { offset?: number; dim1?: number; dim2?: number }, dim1?: number, dim2?: number]> =
  /*@__PURE__*/ viewOp({
    torch: "diagonal",
    params: ["input", "offset", "dim1", "dim2"],
    layout: (x, offset = 0, dim1 = 0, dim2 = 1) => {
      const [a, b] = [normDim(dim1, x.shape.length, "diagonal"), normDim(dim2, x.shape.length, "diagonal")];
      if (a === b || x.shape.length < 2)
        throw new ValueError({
          op: "diagonal",
          message: `dimensions ${dim1} and ${dim2} of ${showShape(x.shape)} are no pair`,
          hint: "Name two different dimensions",
        });
      const n = Math.max(0, offset >= 0 ? Math.min(x.shape[a]!, x.shape[b]! - offset) : Math.min(x.shape[a]! + offset, x.shape[b]!));
      const rest = x.shape.map((_, d) => d).filter((d) => d !== a && d !== b);
      const at = n === 0 ? 0 : offset >= 0 ? offset * x.strides[b]! : -offset * x.strides[a]!;
      return layoutOf(
        [...rest.map((d) => x.shape[d]!), n],
        [...rest.map((d) => x.strides[d]!), x.strides[a]! + x.strides[b]!],
        x.offset + at,
      );
    },
    grad: (g, shape, offset, dim1, dim2) => unview(g, shape, (z) => diagonal(z, offset, dim1, dim2)),
    samples: (r) => [[r.normal(3, 4)], [r.normal(2, 3, 3), { offset: 1, dim1: 1, dim2: 2 }]],
  });
/** Windows of `size` every `step` along a dimension, as a new last dimension. @example unfold(tensor([1, 2, 3]), 0, 2, 1) // => [[1, 2], [2, 3]] */
export const unfold: Op<[dimension: number, size: number, step: number]> = /*@__PURE__*/ viewOp({
  torch: "Tensor.unfold",
  params: ["input", "dimension", "size", "step"],
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
/** Any window on the storage: shape, strides and offset in elements. @throws IndexError outside the storage. @example asStrided(tensor([1, 2, 3, 4]), [2, 2], [1, 1]) // => [[1, 2], [2, 3]] */
export function asStrided(x: Tensor, size: readonly number[], stride: readonly number[], storageOffset?: number | null): Tensor {
  const part = layoutOf([...size], [...stride], storageOffset ?? x.layout.offset);
  let max = part.offset;
  size.forEach((n, d) => {
    max += (n - 1) * stride[d]!;
  });
  if (
    size.length !== stride.length ||
    part.offset < 0 ||
    stride.some((s) => s < 0) ||
    (part.numel > 0 && (max + 1) * itemSize(x.dtype) > x.storage.nbytes)
  ) {
    throw new IndexError({
      op: "asStrided",
      message: `shape ${showShape(size)}, strides ${showShape(stride)}, offset ${part.offset} reach outside a storage of ${x.storage.nbytes / itemSize(x.dtype)} elements`,
    });
  }
  const base = x.layout;
  return viewOf("AsStrided", x, part, (g) => asStridedBackward(g, base, part));
}

// ---- complex

/** A complex tensor as a real one with a last dimension [re, im]. */
export const viewAsReal: Op<[]> = /*@__PURE__*/ composite({
  torch: "view_as_real",
  params: ["input"],
  forward: (x: Tensor) => {
    if (!isComplex(x.dtype))
      throw new DTypeError({ op: "viewAsReal", message: `got ${x.dtype}`, hint: "Only complex tensors have two parts" });
    const l = x.layout;
    const out = new Tensor(x.storage, layoutOf([...l.shape, 2], [...l.strides.map((s) => s * 2), 1], l.offset * 2), toReal(x.dtype));
    return linkView(out, x, (g) => viewAsComplex(g.contiguous()));
  },
});
/** A real tensor whose last dimension is [re, im] as a complex one. */
export const viewAsComplex: Op<[]> = /*@__PURE__*/ composite({
  torch: "view_as_complex",
  params: ["input"],
  forward: (x: Tensor) => {
    const l = x.layout;
    const d = l.shape.length - 1;
    if ((x.dtype !== "float32" && x.dtype !== "float64") || l.shape[d] !== 2)
      throw new ShapeError({
        op: "viewAsComplex",
        message: `${x.dtype} of shape ${showShape(l.shape)}`,
        hint: "It needs float32 or float64 with a last dimension of 2",
      });
    if (l.strides[d] !== 1 || l.offset % 2 || l.strides.slice(0, d).some((s) => s % 2))
      throw new ShapeError({
        op: "viewAsComplex",
        message: `strides ${showShape(l.strides)} do not pair up`,
        hint: "Call contiguous() first",
      });
    const out = new Tensor(
      x.storage,
      layoutOf(
        l.shape.slice(0, d),
        l.strides.slice(0, d).map((s) => s / 2),
        l.offset / 2,
      ),
      toComplex(x.dtype),
    );
    return linkView(out, x, (g) => viewAsReal(g.contiguous()));
  },
});
function linkView(out: Tensor, x: Tensor, grad: (g: Tensor) => Tensor): Tensor {
  const v = viewOf("ViewAs", x, x.layout, grad);
  out.node = v.node;
  out.outputIndex = v.outputIndex;
  return out;
}
