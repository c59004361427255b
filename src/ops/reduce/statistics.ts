// Variance, standard deviation, and the logarithm of a sum of exponentials.
import { category, getDefaultDtype, isComplex } from "../../core/dtype.ts";
import type { Tensor } from "../../core/tensor.ts";
import { to } from "../copy.ts";
import { composite, type Op } from "../define.ts";
import type { Dims } from "../shape/index.ts";
import { amax } from "./extreme.ts";
import { type ReduceOptions, reduceDims, gone, count, needsNumbers } from "./kernel.ts";
import { meanOf } from "./sum.ts";

/** Options of `var` and `std`. */
export interface VarOptions {
  /** The dimension, or several; all where absent. */
  dim?: Dims;
  /** Taken off the number of elements before it divides (default 1, Bessel's). */
  correction?: number;
  /** PyTorch's old spelling of `correction`: true is 1, false 0. */
  unbiased?: boolean;
  /** Keep reduced dimensions with size 1? Default false. */
  keepdim?: boolean;
}
/** Arguments of `var` and `std`. */
export type VarArgs = [dim?: Dims | boolean | VarOptions, unbiased?: boolean | VarOptions, keepdim?: boolean];
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
const VAR = ["input", "dim?: ints|flag", "unbiased?: flag", "keepdim?", "correction?: number"];
/** Variance: squared distances from the mean over n - correction (default 1). @example torch.var(tensor([1.5, 2.5, 3.5, 4.5])) // => 1.6667 */
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
/** Variance and mean. @example varMean(tensor([1.5, 2.5, 3.5])) // => [1, 2.5] */
export const varMean: Op<VarArgs, [Tensor, Tensor]> = /*@__PURE__*/ composite({
  torch: "var_mean",
  params: VAR,
  forward: (x: Tensor, ...a: [Dims?, boolean?, boolean?, number?]) => {
    const [d, c, k] = varArgs("varMean", x, ...a);
    return [variance(x, d, c, k), meanOf(x, d, k)];
  },
});
/** Standard deviation and mean. @example stdMean(tensor([1.5, 2.5, 3.5])) // => [1, 2.5] */
export const stdMean: Op<VarArgs, [Tensor, Tensor]> = /*@__PURE__*/ composite({
  torch: "std_mean",
  params: VAR,
  forward: (x: Tensor, ...a: [Dims?, boolean?, boolean?, number?]) => {
    const [d, c, k] = varArgs("stdMean", x, ...a);
    return [stdOf(variance(x, d, c, k)), meanOf(x, d, k)];
  },
});
/** `log Σ e^x` without overflow. @example logsumexp(tensor([0.5, 0.5]), 0) // => 1.1931 */
export const logsumexp: Op<[dim: Dims | ReduceOptions, keepdim?: boolean | ReduceOptions]> = /*@__PURE__*/ composite({
  torch: "logsumexp",
  params: ["input", "dim?: ints", "keepdim?"],
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
