// The order of dimensions.
import { ShapeError, showShape, ValueError } from "../../core/errors.ts";
import { type Layout, normDim, permuteLayout } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
import { composite, type Op, view as viewOp } from "../define.ts";

/** Dimensions in another order. @example permute(ones(2, 3, 4), [2, 0, 1]).shape // => [4, 2, 3] */
export const permute: Op<[dims: readonly number[] | number, ...rest: number[]]> = /*@__PURE__*/ viewOp({
  torch: "permute",
  params: ["input", "dims: list"],
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
