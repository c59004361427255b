// Softmax and its logarithm, fused where the backend offers it.
import type { Context } from "../autograd/function.ts";
import { category, type DType, getDefaultDtype, isHalf } from "../core/dtype.ts";
import { normDim } from "../core/layout.ts";
import { isGradEnabled } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { fused } from "../kernel/fused.ts";
import { to } from "./copy.ts";
import { composite, type Op, primitive } from "./define.ts";
import { allocate, launch, offers } from "./launch.ts";
import { amax, sum } from "./reduce/index.ts";
import { wide } from "./wide.ts";

/** Options of softmax. */
export interface SoftmaxOptions {
  /** The dimension whose elements sum to 1. */
  dim?: number;
  /** Cast to this before. */
  dtype?: DType | null;
}
type SoftmaxArgs = [dim: number | SoftmaxOptions, options?: SoftmaxOptions];

const make = (torch: string, log: boolean): Op<SoftmaxArgs> => {
  const FORWARD = fused(log ? "logSoftmax" : "softmax");
  const BACKWARD = fused(log ? "logSoftmaxBackward" : "softmaxBackward");
  const inner = primitive<(x: Tensor, dim: number) => Tensor, [Tensor, number]>({
    torch: `_${torch}`,
    params: ["input", "dim?"],
    forward: (ctx: Context<[Tensor, number]>, x, dim) => {
      let y: Tensor;
      if (offers(x, FORWARD) && x.layout.numel > 0) {
        y = allocate(x.shape, x.dtype, x.storage.device);
        launch(torch, FORWARD, [y], [x], [dim]);
      } else if (x.layout.numel === 0) y = x.exp();
      else {
        const shifted = x.sub(amax(x, dim, true));
        const e = shifted.exp();
        const total = sum(e, dim, { keepdim: true });
        y = log ? shifted.sub(total.log()) : e.div(total);
      }
      ctx.saveForBackward(y);
      return y;
    },
    backward: (ctx, g) => {
      if (!g) return null;
      const y = ctx.savedTensors[0]!;
      const dim = ctx.args[1];
      if (!isGradEnabled() && offers(y, BACKWARD) && y.layout.numel > 0) {
        const gx = allocate(y.shape, y.dtype, y.storage.device);
        launch(torch, BACKWARD, [gx], [g, y], [dim]);
        return gx;
      }
      return log ? g.sub(y.exp().mul(g.sum(dim, { keepdim: true }))) : y.mul(g.sub(g.mul(y).sum(dim, { keepdim: true })));
    },
  });
  const forward = (x: Tensor, dim?: number, dtype?: DType): Tensor => {
    const y = dtype ? to(x, dtype) : category(x.dtype) < 2 ? to(x, getDefaultDtype()) : x;
    const implicit = y.ndim === 0 || y.ndim === 1 || y.ndim === 3 ? 0 : 1;
    if (isHalf(y.dtype)) return to(forward(wide(y), dim), y.dtype);
    if (y.ndim === 0) return inner(y.reshape([1]), normDim(dim ?? 0, 0, torch)).reshape([]);
    return inner(y, normDim(dim ?? implicit, y.ndim, torch));
  };
  return composite({
    torch,
    params: ["input", "dim?", "dtype?", "_stacklevel?: any"],
    forward,
    samples: (r) => [
      [r.normal(3, 4), 1],
      [r.normal(3, 4), 0],
      [r.of(-1e4, 0, 1e4), 0],
    ],
    errors: [[(r) => [r.normal(3), 1], "IndexError"]],
  });
};
/** `e^x / Σ e^x` along `dim`. @example softmax(tensor([0.5, 0.5]), 0) // => [0.5, 0.5] */
export const softmax: Op<SoftmaxArgs> = /*@__PURE__*/ make("softmax", false);
/** `x - log Σ e^x` along `dim`. @example logSoftmax(tensor([0.5, 0.5]), 0) // => [-0.6931, -0.6931] */
export const logSoftmax: Op<SoftmaxArgs> = /*@__PURE__*/ make("log_softmax", true);
