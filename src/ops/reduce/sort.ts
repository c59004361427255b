// Order: sorting and ranks.
import { isComplex, isFloating } from "../../core/dtype.ts";
import { DTypeError, IndexError, showShape, ValueError } from "../../core/errors.ts";
import { normDim } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
import { zeros } from "../create.ts";
import { composite, type Op, primitive } from "../define.ts";
import { allocate, launch } from "../launch.ts";
import { scatterBack, argmax } from "./extreme.ts";
import { type ValuesIndices, pair, keep } from "./kernel.ts";

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
  /** The dimension (default the last). */
  dim?: number;
  /** The greatest first? Default false. */
  descending?: boolean;
  /** Keep the order of equals? Always so. */
  stable?: boolean;
}
/** Sorted along `dim` (default the last), with the indices; always stable. @example sort(tensor([3, 1, 2])).values // => [1, 2, 3] */
export const sort: Op<[dim?: number | SortOptions, descending?: boolean | SortOptions], ValuesIndices> = /*@__PURE__*/ composite({
  torch: "sort",
  params: ["input", "dim?", "descending?", "stable?"],
  forward: (x: Tensor, dim = -1, descending = false) => {
    const [v, i] = sorted(x, dim, descending, null);
    return pair(v!, i!);
  },
});
/** The indices that sort. @example argsort(tensor([3, 1, 2])) // => [1, 2, 0] */
export const argsort: Op<[dim?: number | SortOptions, descending?: boolean | SortOptions]> = /*@__PURE__*/ composite({
  torch: "argsort",
  params: ["input", "dim?", "descending?", "stable?"],
  differentiable: false,
  forward: (x: Tensor, dim = -1, descending = false) => sorted(x.detach(), dim, descending, null)[1],
});
/** The k greatest (or least) elements along `dim`, with their indices. @throws ValueError when k is larger than the dimension. @example topk(tensor([3, 1, 2]), 2).values // => [3, 2] */
export const topk: Op<[k: number, dim?: number | { dim?: number; largest?: boolean; sorted?: boolean }, largest?: boolean], ValuesIndices> =
  /*@__PURE__*/ composite({
    torch: "topk",
    params: ["input", "k", "dim?", "largest?", "sorted?"],
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
/**
 * The k-th least element (counting from 1) along `dim` (default the last), with its index.
 * @throws ValueError, IndexError
 * @example kthvalue(tensor([3, 1, 2]), 2).values // => 2
 */
export const kthvalue: Op<[k: number, dim?: number | { dim?: number; keepdim?: boolean }, keepdim?: boolean], ValuesIndices> =
  /*@__PURE__*/ composite({
    torch: "kthvalue",
    params: ["input", "k: positive", "dim?", "keepdim?"],
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
  params: ["input", "dim?", "keepdim?"],
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
