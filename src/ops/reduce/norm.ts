// Vector norms.
import { type DType, isComplex, toReal } from "../../core/dtype.ts";
import { ValueError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { input } from "../../kernel/expr.ts";
import { to } from "../copy.ts";
import { composite, type Op, primitive } from "../define.ts";
import type { Dims } from "../shape/index.ts";
import { amax, amin } from "./extreme.ts";
import { reduceDims, rawReduce, unsqueezeAll, needsNumbers, keep, recall } from "./kernel.ts";

/** The p-norm of all elements or along `dim` (`"fro"`: 2). @example norm(tensor([1.5, 2])) // => 2.5 */
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
