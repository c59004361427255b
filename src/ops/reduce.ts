// Reductions, scans and order: sums, extremes, statistics, sorting.
import { category, type DType, getDefaultDtype, isComplex, isFloating, toReal } from "../core/dtype.ts";
import { DTypeError, IndexError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import { denseLayout, normDim, viewLayout } from "../core/layout.ts";
import type { Context } from "../autograd/function.ts";
import type { Tensor } from "../core/tensor.ts";
import { type Expr, input, param } from "../kernel/expr.ts";
import { laneOf, type ReduceOp, type ReduceSpec, specId } from "../kernel/spec.ts";
import { to } from "./copy.ts";
import { zeros } from "./create.ts";
import { checkTensor, composite, type Op, primitive } from "./define.ts";
import { allocate, launch, window } from "./launch.ts";
import type { Dims } from "./shape.ts";

/** A dimension or several, with `keepdim`. */
export type ReduceArgs = [dim?: Dims | ReduceOptions, keepdim?: boolean | ReduceOptions, options?: ReduceOptions];
/** Options of reductions. */
export interface ReduceOptions {
  dim?: Dims;
  keepdim?: boolean;
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
  if (dim === undefined || dim === null || (Array.isArray(dim) && dim.length === 0)) return Array.from({ length: rank }, (_, d) => d);
  const dims = [dim].flat().map((d) => normDim(d as number, rank, op));
  if (new Set(dims).size < dims.length) throw new ValueError({ op, message: `dimension named twice in ${showShape(dims)}` });
  return rank === 0 ? [] : dims.sort((a, b) => a - b);
}
const kept = (shape: readonly number[], dims: readonly number[]): number[] => shape.map((n, d) => (dims.includes(d) ? 1 : n));
const gone = (shape: readonly number[], dims: readonly number[]): number[] => shape.filter((_, d) => !dims.includes(d));

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
const count = (shape: readonly number[], dims: readonly number[]): number => dims.reduce((n, d) => n * shape[d]!, 1);
const needsNumbers = (op: string, x: Tensor): void => {
  checkTensor(op, "input", x);
  if (!isFloating(x.dtype) && !isComplex(x.dtype))
    throw new DTypeError({ op, message: `${x.dtype} of shape ${showShape(x.shape)} is not floating`, hint: "Cast with .float() first" });
};

interface Shaped {
  shape: readonly number[];
  dims: number[];
  dtype: DType;
}
const keep = (ctx: Context<never>, x: Tensor, dims: number[]): void => {
  Object.assign(ctx.state, { shape: x.shape, dims, dtype: x.dtype });
};
const recall = (ctx: Context<never>): Shaped => ctx.state as unknown as Shaped;
const grow = (ctx: Context<never>, g: Tensor): Tensor => {
  const { shape, dims } = recall(ctx);
  return unsqueezeAll(g, shape, dims).expand(shape);
};

// ---- sums

/** The sum over all elements, or over `dim`; integers and bool add up in int64. @example sum(tensor([[1, 2], [3, 4]]), 1) // => [3, 7] */
export const sum: Op<ReduceArgs> = /*@__PURE__*/ primitive({
  torch: "sum",
  params: ["input", "dim", "keepdim", "dtype"],
  forward: (ctx: Context<never>, x: Tensor, dim?: Dims, keepdim = false, dtype?: DType) => {
    const dims = reduceDims("sum", x.ndim, dim);
    keep(ctx, x, dims);
    const target = dtype ?? (category(x.dtype) < 2 ? "int64" : x.dtype);
    return rawReduce("sum", x, dims, keepdim, target);
  },
  backward: (ctx, g) => (g ? to(grow(ctx as never, g), recall(ctx as never).dtype) : null),
  samples: (r) => [[r.normal(3, 4)], [r.normal(3, 4), 1], [r.normal(3, 4), [0, 1], { keepdim: true }]],
  errors: [[(r) => [r.normal(3), 1], "IndexError"]],
});
/** The mean over all elements, or over `dim`. @throws DTypeError for integers. @example mean(tensor([[1., 2], [3, 5]].map((r) => r.map((v) => v / 2))), 1) // => [0.75, 2] */
export const mean: Op<ReduceArgs> = /*@__PURE__*/ composite({
  torch: "mean",
  params: ["input", "dim", "keepdim", "dtype"],
  forward: (x: Tensor, dim?: Dims, keepdim = false, dtype?: DType) => {
    const y = dtype ? to(x, dtype) : x;
    needsNumbers("mean", y);
    return meanOf(y, reduceDims("mean", y.ndim, dim), keepdim);
  },
  samples: (r) => [[r.normal(3, 4)], [r.normal(3, 4), 1, { keepdim: true }]],
});
const meanOf = /*@__PURE__*/ primitive<(x: Tensor, dims: number[], keepdim: boolean) => Tensor, [Tensor, number[], boolean]>({
  torch: "_mean",
  params: ["input", "dims", "keepdim"],
  forward: (ctx, x, dims, keepdim) => {
    keep(ctx as never, x, dims);
    return rawReduce("sum", x, dims, keepdim, x.dtype, x.dtype, undefined, input(0).div(param(0)), [count(x.shape, dims)]);
  },
  backward: (ctx, g) => (g ? grow(ctx as never, g.div(count(recall(ctx as never).shape, recall(ctx as never).dims))) : null),
});
/** The product over all elements, or over one `dim`. @example prod(tensor([2, 3, 4])) // => 24 */
export const prod: Op<[dim?: number | ReduceOptions, keepdim?: boolean | ReduceOptions, options?: ReduceOptions]> = /*@__PURE__*/ primitive(
  {
    torch: "prod",
    params: ["input", "dim", "keepdim", "dtype"],
    forward: (ctx: Context<never>, x: Tensor, dim?: number, keepdim = false, dtype?: DType) => {
      const dims = reduceDims("prod", x.ndim, dim);
      const y = dtype ? to(x, dtype) : x;
      keep(ctx, x, dims);
      ctx.saveForBackward(y);
      return rawReduce("prod", y, dims, keepdim, dtype ?? (category(x.dtype) < 2 ? "int64" : x.dtype));
    },
    backward: (ctx, g) => {
      if (!g) return null;
      const [x] = ctx.savedTensors as [Tensor];
      const { shape, dims, dtype } = recall(ctx as never);
      // The product of all other elements: exclusive products from the left times those from the right, so zeros are no matter.
      const flat = dims.length === 1 ? x : x.reshape([-1]);
      const d = dims.length === 1 ? dims[0]! : 0;
      const n = flat.shape[d] ?? 1;
      if (flat.layout.numel === 0) return zeros(shape, { dtype, device: x.device });
      const one = flat.narrow(d, 0, 1).mul(0).add(1);
      const left = n > 1 ? cat([one, flat.narrow(d, 0, n - 1)], d).cumprod(d) : one;
      const right =
        n > 1
          ? cat([one, flat.flip([d]).narrow(d, 0, n - 1)], d)
              .cumprod(d)
              .flip([d])
          : one;
      const others = left.mul(right).reshape(shape);
      return to(grow(ctx as never, g).mul(others.conj()), dtype);
    },
    samples: (r) => [[r.normal(3, 4)], [r.normal(3, 4), 1]],
  },
);
let cat: (tensors: Tensor[], dim: number) => Tensor;
/** @internal */
export function provideCat(f: (tensors: Tensor[], dim: number) => Tensor): void {
  cat = f;
}

// ---- extremes

const extreme = (torch: "amax" | "amin"): Op<ReduceArgs> =>
  primitive({
    torch,
    params: ["input", "dim", "keepdim"],
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
// The gradient of picking one element a line: put back where it came from.
function scatterBack(ctx: Context<never>, g: Tensor | null): Tensor | null {
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
  return zeros(shape, { dtype: g.dtype, device: g.device }).scatter(d, i!.reshape(wide), g.reshape(wide));
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
    params: ["input", "dim", "keepdim", "other"],
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
    params: ["input", "dim", "keepdim"],
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
/** Least and greatest. */
export const aminmax: Op<[options?: ReduceOptions], { min: Tensor; max: Tensor } & Iterable<Tensor>> = /*@__PURE__*/ composite({
  torch: "aminmax",
  params: ["input", "dim", "keepdim"],
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

// ---- truth

const truth = (torch: "any" | "all"): Op<ReduceArgs> =>
  composite({
    torch,
    params: ["input", "dim", "keepdim"],
    differentiable: false,
    forward: (x: Tensor, dim?: Dims, keepdim = false) =>
      rawReduce(torch, x.detach(), reduceDims(torch, x.ndim, dim), keepdim, x.dtype === "uint8" ? "uint8" : "bool", x.dtype),
  });
/** Is at least one element true? @example any(tensor([0, 1])) // => true */
export const any: Op<ReduceArgs> = /*@__PURE__*/ truth("any");
/** Are all elements true? @example all(tensor([0, 1])) // => false */
export const all: Op<ReduceArgs> = /*@__PURE__*/ truth("all");
/** How many elements are not zero? @example countNonzero(tensor([0, 3, 4])) // => 2 */
export const countNonzero: Op<[dim?: Dims]> = /*@__PURE__*/ composite({
  torch: "count_nonzero",
  params: ["input", "dim"],
  differentiable: false,
  forward: (x: Tensor, dim?: Dims) => sum(x.detach().ne(0), dim ?? null),
});

// ---- statistics

/** Options of `var` and `std`. */
export interface VarOptions {
  dim?: Dims;
  correction?: number;
  unbiased?: boolean;
  keepdim?: boolean;
}
type VarArgs = [dim?: Dims | boolean | VarOptions, unbiased?: boolean | VarOptions, keepdim?: boolean];
const variance = (x: Tensor, dims: number[], correction: number, keepdim: boolean): Tensor => {
  needsNumbers("var", x);
  const center = x.sub(meanOf(x, dims, true));
  const squares = isComplex(x.dtype) ? center.mul(center.conj()).real : center.square();
  const n = count(x.shape, dims) - correction;
  return squares.sum(dims.length ? dims : null, { keepdim }).div(n > 0 ? n : n < 0 && correction > 0 ? 0 : n);
};
const varArgs = (
  op: string,
  x: Tensor,
  dim?: Dims | boolean,
  unbiased?: boolean,
  keepdim?: boolean,
  correction?: number,
): [number[], number, boolean] => {
  const flag = typeof dim === "boolean" ? dim : unbiased;
  return [reduceDims(op, x.ndim, typeof dim === "boolean" ? null : dim), correction ?? (flag === false ? 0 : 1), keepdim ?? false];
};
const VAR = ["input", "dim", "unbiased", "keepdim", "correction"];
/** Variance: squared distances from the mean over n - correction (default 1). @example varianceOp(tensor([1., 2, 3, 4].map((v) => v + 0.5))) // => 1.6667 */
export const varianceOp: Op<VarArgs> = /*@__PURE__*/ composite({
  torch: "var",
  params: VAR,
  forward: (x: Tensor, dim?: Dims | boolean, unbiased?: boolean, keepdim?: boolean, correction?: number) =>
    variance(x, ...varArgs("var", x, dim, unbiased, keepdim, correction)),
  samples: (r) => [
    [r.normal(3, 4), 1],
    [r.normal(3, 4), { dim: 0, correction: 0 }],
  ],
});
/** Standard deviation, the root of `var`. @example std(tensor([1.5, 2.5, 3.5])) // => 1 */
export const std: Op<VarArgs> = /*@__PURE__*/ composite({
  torch: "std",
  params: VAR,
  forward: (x: Tensor, dim?: Dims | boolean, unbiased?: boolean, keepdim?: boolean, correction?: number) =>
    stdOf(variance(x, ...varArgs("std", x, dim, unbiased, keepdim, correction))),
});
// The gradient of sqrt at 0 is taken as 0: equal elements have no direction.
const stdOf = (v: Tensor): Tensor => v.sqrt().where(v.ne(0), v);
/** Variance and mean. */
export const varMean: Op<VarArgs, [Tensor, Tensor]> = /*@__PURE__*/ composite({
  torch: "var_mean",
  params: VAR,
  forward: (x: Tensor, ...a: [Dims?, boolean?, boolean?, number?]) => {
    const [d, c, k] = varArgs("varMean", x, ...a);
    return [variance(x, d, c, k), meanOf(x, d, k)];
  },
});
/** Standard deviation and mean. */
export const stdMean: Op<VarArgs, [Tensor, Tensor]> = /*@__PURE__*/ composite({
  torch: "std_mean",
  params: VAR,
  forward: (x: Tensor, ...a: [Dims?, boolean?, boolean?, number?]) => {
    const [d, c, k] = varArgs("stdMean", x, ...a);
    return [stdOf(variance(x, d, c, k)), meanOf(x, d, k)];
  },
});
/** `log Σ e^x` without overflow. @example logsumexp(tensor([0., 0].map((v) => v + 1000.5)), 0) // => 1001.1932 */
export const logsumexp: Op<[dim: Dims | ReduceOptions, keepdim?: boolean | ReduceOptions]> = /*@__PURE__*/ composite({
  torch: "logsumexp",
  params: ["input", "dim", "keepdim"],
  forward: (x: Tensor, dim?: Dims, keepdim = false) => {
    const y = category(x.dtype) < 2 ? to(x, getDefaultDtype()) : x;
    const dims = reduceDims("logsumexp", y.ndim, dim);
    if (y.layout.numel === 0) return y.exp().sum(dims, { keepdim }).log();
    const top = isComplex(y.dtype) ? amax(y.detach().real, dims, true) : amax(y.detach(), dims, true);
    const shift = top.where(top.abs().ne(Number.POSITIVE_INFINITY), 0);
    const out = y.sub(shift).exp().sum(dims, { keepdim: true }).log().add(shift);
    return keepdim ? out : out.reshape(gone(y.shape, dims));
  },
  samples: (r) => [[r.normal(3, 4), 1]],
});
/** The p-norm of all elements or along `dim` (`"fro"`: 2). @example norm(tensor([3., 4].map((v) => v / 2))) // => 2.5 */
export const norm: Op<
  [
    p?: number | string | { p?: number | string; dim?: Dims; keepdim?: boolean; dtype?: DType },
    dim?: Dims | { keepdim?: boolean },
    keepdim?: boolean | { keepdim?: boolean },
  ]
> = /*@__PURE__*/ composite({
  torch: "norm",
  params: ["input", "p", "dim", "keepdim", "dtype"],
  forward: (x: Tensor, p: number | string = "fro", dim?: Dims, keepdim = false, dtype?: DType) => {
    if (p === "nuc") throw new ValueError({ op: "norm", message: 'the nuclear norm is linalg.matrixNorm(x, "nuc")' });
    return vectorNorm(dtype ? to(x, dtype) : x, p === "fro" ? 2 : Number(p), reduceDims("norm", x.ndim, dim), keepdim);
  },
});
/** @internal The vector p-norm over `dims`. */
export function vectorNorm(x: Tensor, p: number, dims: number[], keepdim: boolean): Tensor {
  needsNumbers("norm", x);
  const over = dims.length ? dims : null;
  const a = isComplex(x.dtype) ? x.abs() : x;
  if (p === 0) return a.ne(0).to(toReal(x.dtype)).sum(over, { keepdim });
  if (p === Number.POSITIVE_INFINITY) return amax(a.abs(), over, keepdim);
  if (p === Number.NEGATIVE_INFINITY) return amin(a.abs(), over, keepdim);
  if (p === 1) return a.abs().sum(over, { keepdim });
  if (p === 2) return norm2(a, dims, keepdim);
  return a
    .abs()
    .pow(p)
    .sum(over, { keepdim })
    .pow(1 / p);
}
const norm2 = /*@__PURE__*/ primitive<(x: Tensor, dims: number[], keepdim: boolean) => Tensor, [Tensor, number[], boolean]>({
  torch: "_norm2",
  params: ["input", "dims", "keepdim"],
  forward: (ctx, x, dims, keepdim) => {
    keep(ctx as never, x, dims);
    const y = rawReduce("sum", x, dims, keepdim, x.dtype, x.dtype, input(0).mul(input(0)), input(0).sqrt());
    ctx.saveForBackward(x, y);
    return y;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const [x, y] = ctx.savedTensors as [Tensor, Tensor];
    const { shape, dims } = recall(ctx as never);
    const n = unsqueezeAll(y, shape, dims);
    return x
      .mul(unsqueezeAll(g, shape, dims))
      .div(n)
      .where(n.ne(0), 0);
  },
});

// ---- scans

const scanArgs = (op: string, x: Tensor, dim: number): number => {
  checkTensor(op, "input", x);
  return normDim(dim, x.ndim, op);
};
const rawScan = (op: "sum" | "prod" | "max" | "min" | "logaddexp", x: Tensor, dim: number, dtype: DType, indices: boolean): Tensor[] => {
  const outs = [allocate(x.shape, dtype, x.storage.device)];
  if (indices) outs.push(x.ndim === 0 ? zeros([], { dtype: "int64", device: x.device }) : allocate(x.shape, "int64", x.storage.device));
  if (x.ndim === 0) launch("scan", { kind: "copy" }, [outs[0]!], [x]);
  else if (x.layout.numel > 0) launch("scan", { kind: "scan", op, dim }, outs, [x]);
  return outs;
};
/** Sums of the elements so far. @example cumsum(tensor([1, 2, 3]), 0) // => [1, 3, 6] */
export const cumsum: Op<[dim: number, options?: { dtype?: DType }]> = /*@__PURE__*/ primitive({
  torch: "cumsum",
  params: ["input", "dim", "dtype"],
  forward: (ctx: Context<never>, x: Tensor, dim: number, dtype?: DType) => {
    const d = scanArgs("cumsum", x, dim);
    keep(ctx, x, [d]);
    const target = dtype ?? (category(x.dtype) < 2 ? "int64" : x.dtype);
    return rawScan("sum", x.dtype === target ? x : to(x, target), d, target, false)[0]!;
  },
  backward: (ctx, g) =>
    g
      ? to(
          g
            .flip([recall(ctx as never).dims[0]!].filter(() => g.ndim > 0))
            .cumsum(recall(ctx as never).dims[0]!)
            .flip([recall(ctx as never).dims[0]!].filter(() => g.ndim > 0)),
          recall(ctx as never).dtype,
        )
      : null,
  samples: (r) => [
    [r.normal(3, 4), 1],
    [r.normal(3, 4), 0],
  ],
});
/** Products of the elements so far. @example cumprod(tensor([1, 2, 3]), 0) // => [1, 2, 6] */
export const cumprod: Op<[dim: number, options?: { dtype?: DType }]> = /*@__PURE__*/ primitive({
  torch: "cumprod",
  params: ["input", "dim", "dtype"],
  forward: (ctx: Context<never>, x: Tensor, dim: number, dtype?: DType) => {
    const d = scanArgs("cumprod", x, dim);
    keep(ctx, x, [d]);
    const target = dtype ?? (category(x.dtype) < 2 ? "int64" : x.dtype);
    const from = x.dtype === target ? x : to(x, target);
    const y = rawScan("prod", from, d, target, false)[0]!;
    ctx.saveForBackward(from, y);
    return y;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const [x, y] = ctx.savedTensors as [Tensor, Tensor];
    const d = recall(ctx as never).dims[0]!;
    if (x.ndim === 0) return g;
    const back = (t: Tensor): Tensor => t.flip([d]).cumsum(d).flip([d]);
    if (!x.eq(0).any().itemSync<boolean>()) return back(g.mul(y.conj())).div(x.conj());
    // With zeros: dy_k/dx_i = Π_{j<=k, j≠i} x_j, row by row.
    const n = x.shape[d]!;
    const parts: Tensor[] = [];
    for (let i = 0; i < n; i++) {
      const head = i === 0 ? x.narrow(d, 0, 1).mul(0).add(1) : y.narrow(d, i - 1, 1);
      const tail = i === n - 1 ? head : cat([head, x.narrow(d, i + 1, n - i - 1)], d).cumprod(d);
      parts.push(
        tail
          .conj()
          .mul(g.narrow(d, i, n - i))
          .sum(d, { keepdim: true }),
      );
    }
    return cat(parts, d);
  },
  samples: (r) => [[r.normal(3, 4), 1]],
});
const cumExtreme = (torch: "cummax" | "cummin"): Op<[dim: number], ValuesIndices> => {
  const inner = primitive<(x: Tensor, dim: number) => Tensor[], [Tensor, number]>({
    torch: `_${torch}`,
    params: ["input", "dim"],
    forward: (ctx, x, dim) => {
      const d = scanArgs(torch, x, dim);
      const [v, i] = rawScan(torch === "cummax" ? "max" : "min", x, d, x.dtype, true);
      ctx.saveForBackward(i);
      ctx.markNonDifferentiable(i!);
      return [v!, i!];
    },
    backward: (ctx, g) => {
      if (!g) return null;
      const [i] = ctx.savedTensors as [Tensor];
      return g.ndim === 0 ? g : g.mul(0).scatterAdd(normDim(ctx.args[1], g.ndim, torch), i!, g);
    },
  });
  return composite({
    torch,
    params: ["input", "dim"],
    forward: (x: Tensor, dim: number) => {
      const [v, i] = inner(x, dim);
      return pair(v!, i!);
    },
  });
};
/** The greatest element so far, with its index. */
export const cummax: Op<[dim: number], ValuesIndices> = /*@__PURE__*/ cumExtreme("cummax");
/** The least element so far, with its index. */
export const cummin: Op<[dim: number], ValuesIndices> = /*@__PURE__*/ cumExtreme("cummin");

// ---- order

const sorted = /*@__PURE__*/ primitive<
  (x: Tensor, dim: number, descending: boolean, k: number | null) => Tensor[],
  [Tensor, number, boolean, number | null]
>({
  torch: "_sort",
  params: ["input", "dim", "descending", "k"],
  forward: (ctx, x, dim, descending, k = null) => {
    if (isComplex(x.dtype)) throw new DTypeError({ op: "sort", message: "complex numbers have no order" });
    const d = normDim(dim, x.ndim, "sort");
    const shape = k === null || x.ndim === 0 ? x.shape : x.shape.with(d, k);
    const [v, i] = [
      allocate(shape, x.dtype, x.storage.device),
      x.ndim === 0 ? zeros([], { dtype: "int64", device: x.device }) : allocate(shape, "int64", x.storage.device),
    ];
    if (x.ndim === 0) launch("sort", { kind: "copy" }, [v], [x]);
    else if (v.layout.numel > 0)
      launch("sort", k === null ? { kind: "sort", dim: d, descending } : { kind: "topk", dim: d, k, largest: descending }, [v, i], [x]);
    keep(ctx as never, x, [d]);
    ctx.saveForBackward(i);
    ctx.markNonDifferentiable(i);
    return [v, i];
  },
  backward: (ctx, g) => scatterBack(ctx as never, g),
});
/** Options of `sort`. */
export interface SortOptions {
  dim?: number;
  descending?: boolean;
  stable?: boolean;
}
/** Sorted along `dim` (default the last), with the indices; always stable. @example sort(tensor([3, 1, 2])).values // => [1, 2, 3] */
export const sort: Op<[dim?: number | SortOptions, descending?: boolean | SortOptions], ValuesIndices> = /*@__PURE__*/ composite({
  torch: "sort",
  params: ["input", "dim", "descending", "stable"],
  forward: (x: Tensor, dim = -1, descending = false) => {
    const [v, i] = sorted(x, dim, descending, null);
    return pair(v!, i!);
  },
});
/** The indices that sort. @example argsort(tensor([3, 1, 2])) // => [1, 2, 0] */
export const argsort: Op<[dim?: number | SortOptions, descending?: boolean | SortOptions]> = /*@__PURE__*/ composite({
  torch: "argsort",
  params: ["input", "dim", "descending", "stable"],
  differentiable: false,
  forward: (x: Tensor, dim = -1, descending = false) => sorted(x.detach(), dim, descending, null)[1],
});
/** The k greatest (or least) elements along `dim`, with their indices. @throws ValueError when k is larger than the dimension. @example topk(tensor([3, 1, 2]), 2).values // => [3, 2] */
export const topk: Op<[k: number, dim?: number | { dim?: number; largest?: boolean; sorted?: boolean }, largest?: boolean], ValuesIndices> =
  /*@__PURE__*/ composite({
    torch: "topk",
    params: ["input", "k", "dim", "largest", "sorted"],
    forward: (x: Tensor, k: number, dim = -1, largest = true) => {
      const d = normDim(dim, x.ndim, "topk");
      if (!Number.isInteger(k) || k < 0 || k > (x.shape[d] ?? 1))
        throw new ValueError({
          op: "topk",
          message: `k = ${k} of dimension ${d} of ${showShape(x.shape)}`,
          hint: "k lies between 0 and the size",
        });
      const [v, i] = sorted(x, d, largest, k);
      return pair(v!, i!);
    },
  });
/** The k-th least element along `dim`, with its index. */
export const kthvalue: Op<[k: number, dim?: number | { dim?: number; keepdim?: boolean }, keepdim?: boolean], ValuesIndices> =
  /*@__PURE__*/ composite({
    torch: "kthvalue",
    params: ["input", "k", "dim", "keepdim"],
    forward: (x: Tensor, k: number, dim = -1, keepdim = false) => {
      const d = normDim(dim, x.ndim, "kthvalue");
      if (!(k >= 1 && k <= (x.shape[d] ?? 1)))
        throw new ValueError({ op: "kthvalue", message: `k = ${k} of dimension ${d} of ${showShape(x.shape)}`, hint: "k counts from 1" });
      if (x.ndim === 0) return pair(x.clone(), zeros([], { dtype: "int64" }));
      const [v, i] = sorted(x, d, false, null);
      const pick = (t: Tensor): Tensor => (keepdim ? t.narrow(d, k - 1, 1) : t.select(d, k - 1));
      return pair(pick(v!), pick(i!));
    },
  });
/** The middle element (the lower of two), of all or along `dim` with its index; NaN wins. */
export interface MedianOp {
  <A extends [] | [dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean | { keepdim?: boolean }]>(
    input: Tensor,
    ...args: A
  ): A extends [] ? Tensor : ValuesIndices;
  readonly op: Op<[]>["op"];
}
/** The median. @example median(tensor([3, 1, 2, 4])) // => 2 */
export const median: MedianOp = /*@__PURE__*/ composite({
  torch: "median",
  params: ["input", "dim", "keepdim"],
  forward: (x: Tensor, dim?: number, keepdim = false) => {
    const line = dim === undefined ? x.reshape([-1]) : x;
    const d = normDim(dim ?? 0, line.ndim, "median");
    const n = line.shape[d] ?? 1;
    if (n === 0) {
      if (dim === undefined) return zeros([], { dtype: x.dtype }).div(0).to(x.dtype);
      throw new IndexError({ op: "median", message: `dimension ${d} of ${showShape(x.shape)} is empty` });
    }
    if (line.ndim === 0) return pair(x.clone(), zeros([], { dtype: "int64" }));
    const [v, i] = sorted(line, d, false, null);
    const nan = isFloating(x.dtype) ? line.detach().isnan().any(d, { keepdim: true }) : null;
    let at = i!.narrow(d, (n - 1) >> 1, 1);
    if (nan !== null) at = at.where(nan.logicalNot(), argmax(line.detach().isnan().to("uint8"), d, true));
    void v;
    const out = line.gather(d, at);
    if (dim === undefined) return out.reshape([]);
    return keepdim ? pair(out, at) : pair(out.squeeze(d), at.squeeze(d));
  },
});
