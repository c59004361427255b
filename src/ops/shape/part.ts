// Parts of a tensor: rows, ranges, diagonals.
import { checked } from "../../core/arguments.ts";
import { IndexError, ShapeError, showShape, ValueError } from "../../core/errors.ts";
import { layoutOf, normDim, selectLayout, sliceLayout } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
import { type Op, view as viewOp } from "../define.ts";
import { unview } from "./strided.ts";

/** Element `index` of a dimension, which goes away. @example select(tensor([[1, 2], [3, 4]]), 0, 1) // => [3, 4] */
export const select: Op<[dim: number, index: number]> = /*@__PURE__*/ viewOp({
  torch: "select",
  params: ["input", "dim", "index: int"],
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
const slice: Op<[dim?: number, start?: number | null, end?: number | null, step?: number]> = /*@__PURE__*/ viewOp({
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
/** Elements `start ≤ i < end` of a dimension with a step > 0, cut to the size as in Python. @example sliceDim(tensor([0, 1, 2, 3]), 0, 1, 4, 2) // => [1, 3] */
export const sliceDim: Op<[dim?: number, start?: number | null, end?: number | null, step?: number]> = /*@__PURE__*/ Object.assign(
  checked<typeof slice>("sliceDim", ["input", "dim?", "start?: int", "end?: int", "step?"], (x: Tensor, ...args: number[]) =>
    slice(x, ...args),
  ),
  { op: slice.op, method: true as const },
);
/** `length` elements of a dimension from `start` on. @example narrow(tensor([1, 2, 3]), 0, 1, 2) // => [2, 3] */
export const narrow: Op<[dim: number, start: number, length: number]> = /*@__PURE__*/ viewOp({
  torch: "narrow",
  params: ["input", "dim", "start: int|tensor", "length"],
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
    params: ["input", "offset?", "dim1?", "dim2?"],
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
