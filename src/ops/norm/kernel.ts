// Normalisation kernels with their gradients: fused where the backend offers that, and again in ops to be differentiated twice.
import type { Context } from "../../autograd/function.ts";
import { isComplex } from "../../core/dtype.ts";
import { DTypeError, showShape } from "../../core/errors.ts";
import { isGradEnabled } from "../../core/mode.ts";
import type { Tensor } from "../../core/tensor.ts";
import { fused, type FusedName } from "../../kernel/fused.ts";
import { primitive } from "../define.ts";
import { allocate, launch, offers } from "../launch.ts";

type Flag = 0 | 1;
const flag = (x: unknown): Flag => (x ? 1 : 0);
const like = (x: Tensor, shape: readonly number[]): Tensor => allocate(shape, x.dtype, x.storage.device);

type RowArgs = [Tensor, Tensor | null, Tensor | null, number, boolean];
/** (x - mean) / sqrt(var + eps) over rows [M, n], times weight plus bias [n]; rms leaves the mean in. */
export const normRows: (...args: RowArgs) => Tensor = /*@__PURE__*/ primitive<(...args: RowArgs) => Tensor, RowArgs>({
  torch: "_norm_rows",
  params: ["input", "weight", "bias", "eps", "rms"],
  forward: (ctx: Context<RowArgs>, input, weight, bias, eps, rms) => {
    const x = input.contiguous();
    const [m, n] = x.shape as [number, number];
    const [y, mean, rstd] = [like(x, x.shape), rms ? null : like(x, [m]), like(x, [m])];
    const ins = [x, weight?.contiguous(), bias?.contiguous()].filter((t) => t !== undefined);
    if (rms) launch("rmsNorm", fused("rmsNorm"), [y, rstd], ins, [n, eps, flag(weight)]);
    else launch("layerNorm", fused("layerNorm"), [y, mean!, rstd], ins, [n, eps, flag(weight), flag(bias)]);
    ctx.saveForBackward(x, mean, rstd, weight);
    ctx.state["bias"] = bias !== null;
    return y;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const [x, mean, rstd, weight] = ctx.savedTensors as [Tensor, Tensor | null, Tensor, Tensor | null];
    const bias = ctx.state["bias"] as boolean;
    const n = x.shape[1]!;
    if (isGradEnabled())
      return gradientInOps(g, x, weight, bias, ctx.args[3], { rms: mean === null, view: x.shape, dims: [1], affine: [n], over: [0] });
    const outs = [like(x, x.shape), ...(weight ? [like(x, [n])] : []), ...(bias ? [like(x, [n])] : [])];
    const ins = [g.contiguous(), x, ...(mean ? [mean] : []), rstd, ...(weight ? [weight.contiguous()] : [])];
    if (mean === null) launch("rmsNorm", fused("rmsNormBackward"), outs, ins, [n, flag(weight)]);
    else launch("layerNorm", fused("layerNormBackward"), outs, ins, [n, flag(weight), flag(bias)]);
    return outs;
  },
});

type ChannelArgs = [Tensor, Tensor | null, Tensor | null, number, number];
/**
 * x [N, C, S] over the batch, with one mean and variance a channel (`groups` 0), or over groups of channels of each sample, with a
 * mean and a reciprocal deviation each; times weight plus bias [C]. Gives y and the two statistics, which have no gradient.
 */
export const normChannels: (...args: ChannelArgs) => Tensor[] = /*@__PURE__*/ primitive<(...args: ChannelArgs) => Tensor[], ChannelArgs>({
  torch: "_norm_channels",
  params: ["input", "weight", "bias", "groups", "eps"],
  forward: (ctx: Context<ChannelArgs>, input, weight, bias, groups, eps) => {
    const x = input.contiguous();
    const [n, c] = x.shape as [number, number];
    const stats = groups === 0 ? [c] : [n, groups];
    const [y, mean, spread] = [like(x, x.shape), like(x, stats), like(x, stats)];
    const ins = [x, weight?.contiguous(), bias?.contiguous()].filter((t) => t !== undefined);
    const params = [eps, flag(weight), flag(bias)];
    if (groups === 0) launch("batchNorm", fused("batchNorm"), [y, mean, spread], ins, params);
    else launch("groupNorm", fused("groupNorm"), [y, mean, spread], ins, [groups, ...params]);
    ctx.saveForBackward(x, mean, spread, weight);
    ctx.markNonDifferentiable(mean, spread);
    ctx.state["bias"] = bias !== null;
    return [y, mean, spread];
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const [x, mean, spread, weight] = ctx.savedTensors as [Tensor, Tensor, Tensor, Tensor | null];
    const [groups, eps] = [ctx.args[3], ctx.args[4]];
    const bias = ctx.state["bias"] as boolean;
    const [n, c] = x.shape as [number, number];
    if (isGradEnabled())
      return gradientInOps(g, x, weight, bias, eps, {
        rms: false,
        ...(groups === 0 ? { view: x.shape, dims: [0, 2] } : { view: [n, groups, -1], dims: [2] }),
        affine: [1, c, 1],
        over: [0, 2],
      });
    const outs = [like(x, x.shape), ...(weight ? [like(x, [c])] : []), ...(bias ? [like(x, [c])] : [])];
    const ins = [g.contiguous(), x, mean, spread, ...(weight ? [weight.contiguous()] : [])];
    if (groups === 0) launch("batchNorm", fused("batchNormBackward"), outs, ins, [eps, flag(weight), flag(bias)]);
    else launch("groupNorm", fused("groupNormBackward"), outs, ins, [groups, flag(weight), flag(bias)]);
    return outs;
  },
});

/** Where statistics run: over `dims` of x seen as `view`. The weight is seen as `affine`; its gradient is summed `over` dimensions of x. */
interface Arrangement {
  readonly rms: boolean;
  readonly view: readonly number[];
  readonly dims: number[];
  readonly affine: readonly number[];
  readonly over: number[];
}
// With h the normalised x and u = w gy: gx = rstd (u - mean(u) - h mean(u h)), gw = Σ gy h, gb = Σ gy.
function gradientInOps(g: Tensor, x: Tensor, weight: Tensor | null, bias: boolean, eps: number, a: Arrangement): (Tensor | null)[] {
  const average = (t: Tensor): Tensor => t.mean(a.dims, { keepdim: true });
  const u = (weight ? g.mul(weight.reshape(a.affine)) : g).reshape(a.view);
  const seen = x.reshape(a.view);
  const centered = a.rms ? seen : seen.sub(average(seen));
  const rstd = average(centered.square()).add(eps).rsqrt();
  const h = centered.mul(rstd);
  const inner = u.sub(h.mul(average(u.mul(h))));
  const gx = (a.rms ? inner : inner.sub(average(u))).mul(rstd).reshape(x.shape);
  return [gx, ...(weight ? [g.mul(h.reshape(x.shape)).sum(a.over)] : []), ...(bias ? [g.sum(a.over)] : [])];
}

/** Can the kernel take these? */
export const fits = (kernel: FusedName, x: Tensor, ...parts: (Tensor | undefined)[]): boolean =>
  offers(x, fused(kernel)) && x.layout.numel > 0 && parts.every((p) => !p || p.dtype === x.dtype);

/** Refuses complex numbers. */
export function noComplex(op: string, x: Tensor): void {
  if (isComplex(x.dtype))
    throw new DTypeError({ op, message: `${x.dtype} of shape ${showShape(x.shape)}`, hint: "Real numbers only: use viewAsReal" });
}
/** y · weight + bias, where there are any. */
export const affine = (y: Tensor, weight: Tensor | undefined, bias: Tensor | undefined): Tensor => {
  const z = weight ? y.mul(weight) : y;
  return bias ? z.add(bias) : z;
};
