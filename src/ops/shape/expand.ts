// Dimensions of size 1: added, removed, stretched.
import { expandLayout, layoutOf, normDim, unsqueezeLayout } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
import { sumToSize } from "../copy.ts";
import { composite, type Op, view as viewOp } from "../define.ts";
import type { Dims } from "./strided.ts";

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
  params: ["input", "dim?: ints"],
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
/** `expand` to the shape of another tensor. @example expandAs(tensor([[1], [2]]), ones(2, 3)).shape // => [2, 3] */
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
