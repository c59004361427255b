// The greatest and the least, and where they are.
import { isComplex } from "../../core/dtype.ts";
import { DTypeError, IndexError, ShapeError, showShape } from "../../core/errors.ts";
import { normDim, viewLayout } from "../../core/layout.ts";
import type { Context } from "../../autograd/function.ts";
import type { Tensor } from "../../core/tensor.ts";
import { composite, type Op, primitive } from "../define.ts";
import { zeros } from "../create.ts";
import { sumInto } from "../indexing/sum-into.ts";
import { allocate, launch, window } from "../launch.ts";
import type { Dims } from "../shape/index.ts";
import {
  type ReduceArgs,
  type ReduceOptions,
  type ValuesIndices,
  pair,
  reduceDims,
  kept,
  gone,
  rawReduce,
  unsqueezeAll,
  count,
  keep,
  recall,
} from "./kernel.ts";

const extreme = (torch: "amax" | "amin"): Op<ReduceArgs> =>
  primitive({
    torch,
    params: ["input", "dim?: ints", "keepdim?"],
    forward: (ctx: Context<never>, x: Tensor, dim?: Dims, keepdim = false) => {
      const dims = reduceDims(torch, x.ndim, dim);
      if (isComplex(x.dtype)) throw new DTypeError({ op: torch, message: "complex numbers have no order" });
      if (x.layout.numel === 0 && count(x.shape, dims) === 0)
        throw new ShapeError({
          op: torch,
          message: `shape ${showShape(x.shape)} has no elements to compare`,
          hint: "Reduce over a dimension that is not empty",
        });
      keep(ctx, x, dims);
      const y = rawReduce(torch === "amax" ? "max" : "min", x, dims, keepdim, x.dtype);
      ctx.saveForBackward(x, y);
      return y;
    },
    backward: (ctx, g) => {
      if (!g) return null;
      const [x, y] = ctx.savedTensors as [Tensor, Tensor];
      const { shape, dims } = recall(ctx as never);
      // Ties share the gradient evenly.
      const mask = x.eq(unsqueezeAll(y, shape, dims)).to(g.dtype);
      return mask.mul(unsqueezeAll(g, shape, dims)).div(mask.sum(dims, { keepdim: true }));
    },
    samples: (r) => [[r.normal(3, 4), 1], [r.normal(3, 4)]],
  });
/** The greatest element, over all or `dim`; ties share the gradient. @example amax(tensor([[1, 5], [3, 2]]), 1) // => [5, 3] */
export const amax: Op<ReduceArgs> = /*@__PURE__*/ extreme("amax");
/** The least element, over all or `dim`; ties share the gradient. @example amin(tensor([[1, 5], [3, 2]]), 1) // => [1, 2] */
export const amin: Op<ReduceArgs> = /*@__PURE__*/ extreme("amin");

const argDim =
  (which: "max" | "min") =>
  (op: string, x: Tensor, dim: number, keepdim: boolean): [Tensor, Tensor] => {
    if (isComplex(x.dtype)) throw new DTypeError({ op, message: "complex numbers have no order" });
    const d = normDim(dim, x.ndim, op);
    if ((x.shape[d] ?? 1) === 0)
      throw new IndexError({ op, message: `dimension ${d} of ${showShape(x.shape)} is empty`, hint: "Name a dimension that is not" });
    const wide = x.ndim === 0 ? [] : kept(x.shape, [d]);
    const shape = keepdim || x.ndim === 0 ? wide : gone(x.shape, [d]);
    const values = allocate(shape, x.dtype, x.storage.device);
    const indices = allocate(shape, "int64", x.storage.device);
    if (x.ndim === 0) {
      launch(op, { kind: "copy" }, [values], [x]);
      return [values, zeros([], { dtype: "int64", device: x.device })];
    }
    if (values.layout.numel > 0)
      launch(
        op,
        { kind: "argReduce", op: which, dim: d },
        [window(values, viewLayout(values.layout, wide)!), window(indices, viewLayout(indices.layout, wide)!)],
        [x],
      );
    return [values, indices];
  };
const picked = (torch: string, which: "max" | "min"): ((x: Tensor, dim: number, keepdim: boolean) => Tensor[]) =>
  primitive<(x: Tensor, dim: number, keepdim: boolean) => Tensor[], [Tensor, number, boolean]>({
    torch: `_${torch}_dim`,
    params: ["input", "dim", "keepdim"],
    forward: (ctx, x, dim, keepdim) => {
      const [v, i] = argDim(which)(torch, x, dim, keepdim);
      keep(ctx as never, x, [normDim(dim, x.ndim, torch)]);
      ctx.saveForBackward(i);
      ctx.markNonDifferentiable(i);
      return [v, i];
    },
    backward: (ctx, g) => scatterBack(ctx as never, g),
  });
/** The gradient of picking one element a line: put back where it came from. */
export function scatterBack(ctx: Context<never>, g: Tensor | null): Tensor | null {
  if (!g) return null;
  const [i] = ctx.savedTensors as [Tensor];
  const { shape, dims } = recall(ctx);
  if (shape.length === 0) return g;
  const d = dims[0]!;
  const wide = shape.map((n, k) =>
    k === d
      ? i!.layout.numel /
        Math.max(
          1,
          shape.reduce((p, m, q) => (q === d ? p : p * m), 1),
        )
      : n,
  );
  return sumInto(g.reshape(wide), d, i!.reshape(wide), shape);
}
const maxDim = /*@__PURE__*/ picked("max", "max");
const minDim = /*@__PURE__*/ picked("min", "min");

type MaxResult<A> = A extends [] ? Tensor : A extends [Tensor] ? Tensor : ValuesIndices;
/** `max(x)`, `max(x, other)` or, along a dimension, `{ values, indices }`. */
export interface MaxOp {
  <A extends [] | [other: Tensor] | [dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean | { keepdim?: boolean }]>(
    input: Tensor,
    ...args: A
  ): MaxResult<A>;
  readonly op: Op<[]>["op"];
}
const maxOp = (torch: "max" | "min"): MaxOp =>
  composite({
    torch,
    params: ["input", "dim?: int|tensor", "keepdim?", "other?"],
    forward: (x: Tensor, dim?: number | Tensor, keepdim = false, other?: Tensor) => {
      const second = other ?? (typeof dim === "object" ? dim : undefined);
      if (second !== undefined) return torch === "max" ? x.maximum(second) : x.minimum(second);
      if (dim === undefined) return torch === "max" ? amax(x) : amin(x);
      const [v, i] = (torch === "max" ? maxDim : minDim)(x, dim as number, keepdim);
      return pair(v!, i!);
    },
  });
/** The greatest element; along `dim` with its index. @example max(tensor([[1, 5], [7, 2]]), 1).indices // => [1, 0] */
export const max: MaxOp = /*@__PURE__*/ maxOp("max");
/** The least element; along `dim` with its index. @example min(tensor([3, 1, 2])) // => 1 */
export const min: MaxOp = /*@__PURE__*/ maxOp("min");

const arg = (torch: "argmax" | "argmin"): Op<[dim?: number | null | ReduceOptions, keepdim?: boolean]> =>
  composite({
    torch,
    params: ["input", "dim?", "keepdim?"],
    differentiable: false,
    forward: (x: Tensor, dim?: number, keepdim = false) => {
      const which = torch === "argmax" ? "max" : "min";
      if (dim === undefined) {
        const i = argDim(which)(torch, x.detach().reshape([-1]), 0, false)[1];
        return keepdim ? i.reshape(x.shape.map(() => 1)) : i;
      }
      return argDim(which)(torch, x.detach(), dim, keepdim)[1];
    },
  });
/** The index of the greatest element, of the flattened tensor or along `dim`. @example argmax(tensor([1, 9, 3])) // => 1 */
export const argmax: Op<[dim?: number | null | ReduceOptions, keepdim?: boolean]> = /*@__PURE__*/ arg("argmax");
/** The index of the least element, of the flattened tensor or along `dim`. @example argmin(tensor([4, 0, 3])) // => 1 */
export const argmin: Op<[dim?: number | null | ReduceOptions, keepdim?: boolean]> = /*@__PURE__*/ arg("argmin");
/**
 * Least and greatest element, over all or `dim`, as `{ min, max }`.
 * @throws DTypeError, ShapeError
 * @example aminmax(tensor([3, 1, 2])).max // => 3
 */
export const aminmax: Op<[options?: ReduceOptions], { min: Tensor; max: Tensor } & Iterable<Tensor>> = /*@__PURE__*/ composite({
  torch: "aminmax",
  params: ["input", "dim?", "keepdim?"],
  forward: (x: Tensor, dim?: number, keepdim = false) => {
    const [lo, hi] = [amin(x, dim ?? null, keepdim), amax(x, dim ?? null, keepdim)];
    return {
      min: lo,
      max: hi,
      *[Symbol.iterator]() {
        yield lo;
        yield hi;
      },
    };
  },
});
