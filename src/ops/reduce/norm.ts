// Vector norms.
import { isComplex, toReal } from "../../core/dtype.ts";
import type { Tensor } from "../../core/tensor.ts";
import { input, param } from "../../kernel/expr.ts";
import { primitive } from "../define.ts";
import { amax, amin } from "./extreme.ts";
import { keep, needsNumbers, rawReduce, recall, unsqueezeAll } from "./kernel.ts";

/** @internal The vector p-norm over `dims`. */
export function vectorNorm(x: Tensor, p: number, dims: number[], keepdim: boolean): Tensor {
  needsNumbers("norm", x);
  const over = dims.length ? dims : null;
  const a = isComplex(x.dtype) ? x.abs() : x;
  if (p === 0) return a.ne(0).to(toReal(x.dtype)).sum(over, { keepdim });
  if (p === Number.POSITIVE_INFINITY) return amax(a.abs(), over, keepdim);
  if (p === Number.NEGATIVE_INFINITY) return amin(a.abs(), over, keepdim);
  if (p === 1) return a.abs().sum(over, { keepdim });
  return p === 2 ? norm2(a, dims, keepdim) : normP(a, dims, keepdim, p);
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
const normP = /*@__PURE__*/ primitive<
  (x: Tensor, dims: number[], keepdim: boolean, p: number) => Tensor,
  [Tensor, number[], boolean, number]
>({
  torch: "_norm",
  params: ["input", "dims", "keepdim", "p"],
  forward: (ctx, x, dims, keepdim, p) => {
    keep(ctx as never, x, dims);
    const y = rawReduce("sum", x, dims, keepdim, x.dtype, x.dtype, input(0).abs().pow(param(0)), input(0).pow(param(1)), [p, 1 / p]);
    ctx.saveForBackward(x, y);
    return y;
  },
  // sign(x) |x|^(p-1) n^(1-p); 0, a subgradient, where x or the norm is 0.
  backward: (ctx, g) => {
    if (!g) return null;
    const [x, y] = ctx.savedTensors as [Tensor, Tensor];
    const { shape, dims } = recall(ctx as never);
    const p = ctx.args[3];
    const n = unsqueezeAll(y, shape, dims);
    const outer = unsqueezeAll(g, shape, dims)
      .mul(n.pow(1 - p))
      .where(n.ne(0), 0);
    return x
      .sign()
      .mul(x.abs().pow(p - 1))
      .where(x.ne(0), 0)
      .mul(outer);
  },
});
