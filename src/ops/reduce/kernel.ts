// What reductions share: arguments, the kernel call, and the way back to the shape of the input.
import { type DType, isComplex, isFloating } from "../../core/dtype.ts";
import { DTypeError, showShape, ValueError } from "../../core/errors.ts";
import { denseLayout, layoutOf, normDim } from "../../core/layout.ts";
import type { Context } from "../../autograd/function.ts";
import type { Tensor } from "../../core/tensor.ts";
import { type Expr, input } from "../../kernel/expr.ts";
import { laneOf, type ReduceOp, type ReduceSpec, specId } from "../../kernel/spec.ts";
import { checkTensor } from "../../core/arguments.ts";
import { viewOf } from "../define.ts";
import { allocate, launch, window } from "../launch.ts";
import type { Dims } from "../shape/index.ts";

/** A dimension or several, with `keepdim`. */
export type ReduceArgs = [dim?: Dims | ReduceOptions, keepdim?: boolean | ReduceOptions, options?: ReduceOptions];
/** Options of reductions. */
export interface ReduceOptions {
  /** The dimension, or several; all where absent. */
  dim?: Dims;
  /** Keep reduced dimensions with size 1? Default false. */
  keepdim?: boolean;
  /** Cast to this before. */
  dtype?: DType | null;
}
/** Two results of a reduction along a dimension. */
export interface ValuesIndices extends Iterable<Tensor> {
  readonly values: Tensor;
  readonly indices: Tensor;
}

/** @internal Named results that also destructure as a pair. */
export const pair = (values: Tensor, indices: Tensor): ValuesIndices => ({
  values,
  indices,
  *[Symbol.iterator]() {
    yield values;
    yield indices;
  },
});

/** The dimensions to reduce, ascending; all when none is named. */
export function reduceDims(op: string, rank: number, dim: Dims | undefined): number[] {
  if (typeof dim === "number") {
    const d = normDim(dim, rank, op);
    return rank === 0 ? [] : [d];
  }
  const dims: number[] = [];
  if (dim === undefined || dim === null || dim.length === 0) {
    for (let d = 0; d < rank; d++) dims.push(d);
    return dims;
  }
  for (const d of dim) dims.push(normDim(d, rank, op));
  if (new Set(dims).size < dims.length) throw new ValueError({ op, message: `dimension named twice in ${showShape(dims)}` });
  return rank === 0 ? [] : dims.sort((a, b) => a - b);
}
/** @internal The shape with size 1 where `dims` are. */
export const kept = (shape: readonly number[], dims: readonly number[]): number[] => shape.map((n, d) => (dims.includes(d) ? 1 : n));
/** @internal The shape without `dims`. */
export const gone = (shape: readonly number[], dims: readonly number[]): number[] => shape.filter((_, d) => !dims.includes(d));

const specs = new Map<string, ReduceSpec>();
function specOf(op: ReduceOp, dtype: DType, pre: Expr | undefined, post: Expr | undefined): ReduceSpec {
  const key = pre || post ? `${op}|${laneOf(dtype)}|${pre?.key ?? ""}|${post?.key ?? ""}` : op + dtype;
  let spec = specs.get(key);
  if (!spec) specs.set(key, (spec = { kind: "reduce", id: specId(), op, pre: pre ?? input(0), post: post ?? null, lane: laneOf(dtype) }));
  return spec;
}
/** Runs a reduction kernel; the result has `dtype` and size-1 dimensions where `dims` were, unless squeezed. */
export function rawReduce(
  op: ReduceOp,
  x: Tensor,
  dims: readonly number[],
  keepdim: boolean,
  dtype: DType,
  lane: DType = dtype,
  pre?: Expr,
  post?: Expr,
  params: number[] = [],
  more: Tensor[] = [],
): Tensor {
  const spec = specOf(op, lane, pre, post);
  const wide = kept(x.shape, dims);
  const out = allocate(keepdim ? wide : gone(x.shape, dims), dtype, x.storage.device);
  launch(op, spec, [window(out, denseLayout(wide))], [x, ...more], params);
  return out;
}
/** `g` (of a reduction's output) seen with size-1 dimensions where `dims` were. */
export const unsqueezeAll = (g: Tensor, shape: readonly number[], dims: readonly number[]): Tensor => g.reshape(kept(shape, dims));
/** @internal How many elements are reduced into one. */
export const count = (shape: readonly number[], dims: readonly number[]): number => dims.reduce((n, d) => n * shape[d]!, 1);
/** @internal Refuses integers and bool. */
export const needsNumbers = (op: string, x: Tensor): void => {
  checkTensor(op, "input", x);
  if (!isFloating(x.dtype) && !isComplex(x.dtype))
    throw new DTypeError({ op, message: `${x.dtype} of shape ${showShape(x.shape)} is not floating`, hint: "Cast with .float() first" });
};

interface Shaped {
  shape: readonly number[];
  dims: number[];
  dtype: DType;
}
/** @internal Notes shape, dimensions and dtype of the input for the gradient. */
export const keep = (ctx: Context<never>, x: Tensor, dims: number[]): void => {
  ctx.state = { shape: x.shape, dims, dtype: x.dtype };
};
/** @internal What `keep` noted. */
export const recall = (ctx: Context<never>): Shaped => ctx.state as unknown as Shaped;
/** @internal `g` over the shape of the input again. */
export const grow = (ctx: Context<never>, g: Tensor): Tensor => {
  const { shape, dims } = recall(ctx);
  const own = g.layout.strides;
  const kept = own.length === shape.length;
  let next = 0;
  const strides = shape.map((_, d) => {
    const gone = dims.includes(d);
    if (kept) return gone ? 0 : own[d]!;
    return gone ? 0 : own[next++]!;
  });
  // One view instead of a reshape and an expansion; its gradient is the sum that it undoes.
  return viewOf("expand", g, layoutOf(shape, strides, g.layout.offset), (gg) => gg.sum(dims, kept));
};
