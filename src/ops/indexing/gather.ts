// Gather and scatter: an index for every position.
import type { Context } from "../../autograd/function.ts";
import { ArgumentError, DTypeError, ShapeError, showShape } from "../../core/errors.ts";
import { broadcastShapes, normDim, sameShape } from "../../core/layout.ts";
import { isTensor, type Tensor } from "../../core/tensor.ts";
import { rawCopy, rawFull } from "../copy.ts";
import { zeros } from "../create.ts";
import { composite, type Op, primitive } from "../define.ts";
import { allocate, launch } from "../launch.ts";
import type { Scalar, TensorLike } from "../promote.ts";
import { narrow } from "../shape/index.ts";
import { asVector, GATHER, type Mode, checkIndex, over, rawScatter } from "./kernel.ts";
import { sumInto } from "./sum-into.ts";

function rawGather(x: Tensor, d: number, index: Tensor): Tensor {
  const out = allocate(index.shape, x.dtype, x.storage.device);
  if (out.layout.numel > 0) launch("gather", GATHER, [out], [over(x, index.shape, d), index], [x.shape[d] ?? 1, x.layout.strides[d] ?? 1]);
  return out;
}
function fits(op: string, x: Tensor, dim: number, index: Tensor, src?: Tensor): number {
  const d = normDim(dim, x.ndim, op);
  const ok =
    Math.max(1, index.ndim) === Math.max(1, x.ndim) &&
    (!src || Math.max(1, src.ndim) === Math.max(1, index.ndim)) &&
    index.shape.every((n, k) => (k === d || n <= (x.shape[k] ?? 1)) && (!src || n <= (src.shape[k] ?? 1)));
  if (!ok && index.layout.numel > 0)
    throw new ShapeError({
      op,
      message: `index ${showShape(index.shape)} does not fit input ${showShape(x.shape)}${src ? ` and source ${showShape(src.shape)}` : ""} along dim ${d}`,
      hint: "Same number of dimensions, and no size larger except along dim",
    });
  return d;
}

/** Element `index[i…]` along `dim` for every position. @throws IndexError out of range. @example gather(tensor([[1, 2], [3, 4]]), 1, tensor([[1], [0]])) // => [[2], [3]] */
export const gather: Op<[dim: number, index: Tensor]> = /*@__PURE__*/ primitive({
  torch: "gather",
  params: ["input", "dim", "index", "sparseGrad?"],
  forward: (ctx: Context<never>, x: Tensor, dim: number, given: Tensor) => {
    const index = checkIndex("gather", given);
    const d = fits("gather", x, dim, index);
    ctx.saveForBackward(index);
    Object.assign(ctx.state, { shape: x.shape, d });
    return rawGather(asVector(x), d, asVector(index)).reshape(index.shape);
  },
  backward: (ctx, g) => (g ? sumInto(g, ctx.state["d"] as number, ctx.savedTensors[0]!, ctx.state["shape"] as number[]) : null),
  samples: (r) => [[r.normal(3, 4), 1, r.ints(0, 4, 3, 2)]],
});
/**
 * `gather` with an index that broadcasts against `input`; without `dim` both are flattened.
 * @throws IndexError, DTypeError
 * @example takeAlongDim(tensor([[3, 1, 2]]), tensor([[1, 2, 0]]), 1) // => [[1, 2, 3]]
 */
export const takeAlongDim: Op<[indices: Tensor, dim?: number | null]> = /*@__PURE__*/ composite({
  torch: "take_along_dim",
  params: ["input", "indices", "dim?"],
  forward: (x: Tensor, indices: Tensor, dim?: number) => {
    checkIndex("takeAlongDim", indices);
    if (dim === undefined) return x.reshape([-1]).gather(0, indices.reshape([-1]));
    const d = normDim(dim, x.ndim, "takeAlongDim");
    const shape = broadcastShapes("takeAlongDim", x.shape.with(d, 1), indices.shape.with(d, 1));
    return x.expand(shape.with(d, x.shape[d]!)).gather(d, indices.expand(shape.with(d, indices.shape[d]!)));
  },
});

const scatterInto = /*@__PURE__*/ primitive<
  (x: Tensor, dim: number, index: Tensor, src: Tensor, mode: Mode) => Tensor,
  [Tensor, number, Tensor, Tensor, Mode]
>({
  torch: "_scatter",
  params: ["input", "dim", "index", "src", "mode"],
  forward: (ctx, x, dim, index, src, mode) => {
    const op = mode === "add" ? "scatterAdd" : "scatter";
    checkIndex(op, index);
    if (src.dtype !== x.dtype) throw new DTypeError({ op, message: `source is ${src.dtype}, input ${x.dtype}`, hint: "Cast one" });
    const d = fits(op, x, dim, index, src);
    ctx.saveForBackward(index);
    Object.assign(ctx.state, { d, src: src.shape });
    const out = rawCopy(x);
    rawScatter(asVector(out), d, asVector(index), asVector(src), mode);
    return out;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const index = ctx.savedTensors[0]!;
    const { d, src } = ctx.state as { d: number; src: number[] };
    const gx = ctx.args[4] === "add" ? g : g.scatter(d, index, 0);
    if (!ctx.needsInputGrad[2]) return [gx];
    const part = g.gather(d, index);
    // Elements of the source beyond the index were never read.
    if (sameShape(src, index.shape)) return [gx, null, part];
    const full = zeros(src, { dtype: g.dtype, device: g.device });
    return [gx, null, placed(full, index.shape, part)];
  },
});
const placed = (full: Tensor, shape: readonly number[], part: Tensor): Tensor => {
  let at = full;
  shape.forEach((n, d) => {
    at = narrow(at, d, 0, n);
  });
  at.copy_(part);
  return full;
};
const scatterArgs = (op: string, x: Tensor, index: Tensor, src: TensorLike): Tensor => {
  if (!isTensor(index)) throw new ArgumentError({ op, message: "the index must be a Tensor", hint: "scatter(dim, index, src)" });
  return isTensor(src) ? src : rawFull(index.shape, src, x.dtype, x.device);
};
/** A copy with `src[i…]` written at `index[i…]` along `dim`; `reduce` `"add"` or `"multiply"` combines. @example scatter(zeros(3), 0, tensor([2]), 5) // => [0, 0, 5] */
export const scatter: Op<[dim: number, index: Tensor, src: TensorLike, options?: { reduce?: "add" | "multiply" }]> =
  /*@__PURE__*/ composite({
    torch: "scatter",
    params: ["input", "dim", "index", "src?: tensor|scalar", "value?: scalar", "reduce?: add|multiply"],
    forward: (x: Tensor, dim: number, index: Tensor, src?: TensorLike, value?: Scalar, reduce?: string) =>
      scatterInto(
        x,
        dim,
        index,
        scatterArgs("scatter", x, index, src ?? value ?? 0),
        reduce === "add" ? "add" : reduce === "multiply" ? "mul" : "set",
      ),
  });
/** A copy with `src[i…]` added at `index[i…]` along `dim`. @example scatterAdd(zeros(2), 0, tensor([1, 1]), ones(2)) // => [0, 2] */
export const scatterAdd: Op<[dim: number, index: Tensor, src: Tensor]> = /*@__PURE__*/ composite({
  torch: "scatter_add",
  params: ["input", "dim", "index", "src"],
  forward: (x: Tensor, dim: number, index: Tensor, src: Tensor) => scatterInto(x, dim, index, src, "add"),
});
