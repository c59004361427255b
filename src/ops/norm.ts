// Normalisations of torch.nn.functional.
import type { Context } from "../autograd/function.ts";
import { isComplex, isHalf } from "../core/dtype.ts";
import { DTypeError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import { sameShape } from "../core/layout.ts";
import { isGradEnabled, noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { fused, type FusedName } from "../kernel/fused.ts";
import { to } from "./copy.ts";
import { composite, type Fn, primitive } from "./define.ts";
import { allocate, launch, offers } from "./launch.ts";
import type { Dims } from "./shape/index.ts";
import { pad } from "./vision.ts";
import { wide } from "./wide.ts";

type RowArgs = [Tensor, (Tensor | null)?, (Tensor | null)?, number?, boolean?];
// (x - mean) / sqrt(var + eps) over rows [M, n], times weight plus bias [n]; rms leaves the mean in.
const rows = /*@__PURE__*/ primitive<(x: Tensor, weight: Tensor | null, bias: Tensor | null, eps: number, rms: boolean) => Tensor, RowArgs>(
  {
    torch: "_norm_rows",
    params: ["input", "weight", "bias", "eps", "rms"],
    forward: (ctx: Context<RowArgs>, input, weight, bias, eps = 1e-5, rms = false) => {
      const x = input.contiguous();
      const [m, n] = x.shape as [number, number];
      const stat = (): Tensor => allocate([m], x.dtype, x.storage.device);
      const [y, mean, rstd] = [allocate(x.shape, x.dtype, x.storage.device), rms ? null : stat(), stat()];
      const parts = [weight?.contiguous(), bias?.contiguous()].filter((t) => t !== undefined);
      if (rms) launch("rmsNorm", fused("rmsNorm"), [y, rstd], [x, ...parts], [n, eps, weight ? 1 : 0]);
      else launch("layerNorm", fused("layerNorm"), [y, mean!, rstd], [x, ...parts], [n, eps, weight ? 1 : 0, bias ? 1 : 0]);
      ctx.saveForBackward(x, mean, rstd, weight ?? null);
      ctx.state["bias"] = !!bias;
      return y;
    },
    backward: (ctx, g) => {
      if (!g) return null;
      const [x, mean, rstd, weight] = ctx.savedTensors as [Tensor, Tensor | null, Tensor, Tensor | null];
      const hasBias = ctx.state["bias"] as boolean;
      if (isGradEnabled()) return rowsGradient(g, x, weight, hasBias, ctx.args[3] ?? 1e-5, mean === null);
      const n = x.shape[1]!;
      const like = (t: Tensor): Tensor => allocate(t.shape, x.dtype, x.storage.device);
      const gx = like(x);
      const vector = (): Tensor => allocate([n], x.dtype, x.storage.device);
      const grads = [...(weight ? [vector()] : []), ...(hasBias ? [vector()] : [])];
      const ins = [g.contiguous(), x, ...(mean ? [mean] : []), rstd, ...(weight ? [weight.contiguous()] : [])];
      if (mean === null) launch("rmsNorm", fused("rmsNormBackward"), [gx, ...grads], ins, [n, weight ? 1 : 0]);
      else launch("layerNorm", fused("layerNormBackward"), [gx, ...grads], ins, [n, weight ? 1 : 0, hasBias ? 1 : 0]);
      return [gx, ...grads];
    },
  },
);
// The same gradient in ops, to be differentiated again.
function rowsGradient(g: Tensor, x: Tensor, weight: Tensor | null, hasBias: boolean, eps: number, rms: boolean): Tensor[] {
  const average = (t: Tensor): Tensor => t.mean(-1, { keepdim: true });
  const gy = weight ? g.mul(weight) : g;
  const centered = rms ? x : x.sub(average(x));
  const rstd = average(centered.square()).add(eps).rsqrt();
  const xhat = centered.mul(rstd);
  const inner = gy.sub(xhat.mul(average(gy.mul(xhat))));
  const gx = (rms ? inner : inner.sub(average(gy))).mul(rstd);
  return [gx, ...(weight ? [g.mul(xhat).sum(0)] : []), ...(hasBias ? [g.sum(0)] : [])];
}

function noComplex(op: string, x: Tensor): void {
  if (isComplex(x.dtype))
    throw new DTypeError({ op, message: `${x.dtype} of shape ${showShape(x.shape)}`, hint: "Real numbers only: use viewAsReal" });
}
function normalized(op: string, x: Tensor, shape: readonly number[], weight: Tensor | undefined, bias: Tensor | undefined): void {
  if (shape.length === 0 || !sameShape(x.shape.slice(-shape.length), shape) || x.ndim < shape.length) {
    throw new ShapeError({
      op,
      message: `normalizedShape ${showShape(shape)} is not the end of input ${showShape(x.shape)}`,
      hint: "It names the last sizes of the input",
    });
  }
  for (const [name, t] of [
    ["weight", weight],
    ["bias", bias],
  ] as const) {
    if (t && !sameShape(t.shape, shape))
      throw new ShapeError({
        op,
        message: `${name} ${showShape(t.shape)}, normalizedShape ${showShape(shape)}`,
        hint: "They must be equal",
      });
  }
}
const fits = (kernel: FusedName, x: Tensor, ...parts: (Tensor | undefined)[]): boolean =>
  offers(x, fused(kernel)) && x.layout.numel > 0 && parts.every((p) => !p || p.dtype === x.dtype);

/**
 * `(x - mean) / sqrt(var + eps) · weight + bias` over the last dimensions. Ba, Kiros & Hinton 2016.
 * @throws ShapeError
 * @example layerNorm(tensor([[1.5, 2.5, 3.5]]), [3]) // => [[-1.2247, 0, 1.2247]]
 */
export const layerNorm: Fn<
  [input: Tensor, normalizedShape: readonly number[], weight?: Tensor | null, bias?: Tensor | null, eps?: number]
> = /*@__PURE__*/ composite({
  torch: "nn.functional.layer_norm",
  params: ["input", "normalizedShape", "weight?", "bias?", "eps?"],
  forward: (x: Tensor, shape: readonly number[], weight?: Tensor, bias?: Tensor, eps = 1e-5) => {
    noComplex("layerNorm", x);
    normalized("layerNorm", x, shape, weight, bias);
    if (isHalf(x.dtype)) return to(layerNorm(wide(x), shape, wide(weight) ?? null, wide(bias) ?? null, eps), x.dtype);
    const n = shape.reduce((a, b) => a * b, 1);
    if (fits("layerNorm", x, weight, bias))
      return rows(x.reshape([-1, n]), weight?.reshape([n]) ?? null, bias?.reshape([n]) ?? null, eps, false).reshape(x.shape);
    const dims = shape.map((_, i) => x.ndim - shape.length + i);
    const c = x.sub(x.mean(dims, { keepdim: true }));
    const y = c.mul(c.square().mean(dims, { keepdim: true }).add(eps).rsqrt());
    return affine(y, weight, bias);
  },
  samples: (r) => [[r.normal(3, 4), [4], r.normal(4), r.normal(4)]],
});
/**
 * `x / sqrt(mean(x²) + eps) · weight` over the last dimensions; eps defaults to the dtype's epsilon. Zhang & Sennrich 2019.
 * @throws ShapeError
 * @example rmsNorm(tensor([[1.5, 2.5]]), [2]) // => [[0.7276, 1.2127]]
 */
export const rmsNorm: Fn<[input: Tensor, normalizedShape: readonly number[], weight?: Tensor | null, eps?: number | null]> =
  /*@__PURE__*/ composite({
    torch: "nn.functional.rms_norm",
    params: ["input", "normalizedShape", "weight?", "eps?"],
    forward: (x: Tensor, shape: readonly number[], weight?: Tensor, eps?: number) => {
      normalized("rmsNorm", x, shape, weight, undefined);
      const e =
        eps ?? (x.dtype === "float64" ? Number.EPSILON : x.dtype === "float32" ? 2 ** -23 : x.dtype === "float16" ? 2 ** -10 : 2 ** -7);
      if (isHalf(x.dtype)) return to(rmsNorm(wide(x), shape, wide(weight) ?? null, e), x.dtype);
      const n = shape.reduce((a, b) => a * b, 1);
      if (fits("rmsNorm", x, weight)) return rows(x.reshape([-1, n]), weight?.reshape([n]) ?? null, null, e, true).reshape(x.shape);
      const dims = shape.map((_, i) => x.ndim - shape.length + i);
      return affine(x.mul(x.square().mean(dims, { keepdim: true }).add(e).rsqrt()), weight, undefined);
    },
  });
const affine = (y: Tensor, weight: Tensor | undefined, bias: Tensor | undefined): Tensor => {
  const z = weight ? y.mul(weight) : y;
  return bias ? z.add(bias) : z;
};
const perChannel = (t: Tensor, rank: number): Tensor => t.reshape([1, -1, ...new Array<number>(rank - 2).fill(1)]);

/**
 * Normalises every channel (dimension 1) over batch and space, in training with the batch's statistics (which also move
 * `runningMean` and `runningVar` by `momentum`), else with the running ones. Ioffe & Szegedy 2015.
 * @throws ShapeError, ValueError
 * @example batchNorm(tensor([[1.5], [2.5]]), null, null, null, null, { training: true }) // => [[-1], [1]]
 */
export const batchNorm: Fn<
  [
    input: Tensor,
    runningMean?: Tensor | null,
    runningVar?: Tensor | null,
    weight?: Tensor | null,
    bias?: Tensor | null,
    options?: { training?: boolean; momentum?: number; eps?: number },
  ]
> = /*@__PURE__*/ composite({
  torch: "nn.functional.batch_norm",
  params: ["input", "runningMean?", "runningVar?", "weight?", "bias?", "training?", "momentum?", "eps?"],
  forward: (
    x: Tensor,
    runningMean?: Tensor,
    runningVar?: Tensor,
    weight?: Tensor,
    bias?: Tensor,
    training = false,
    momentum = 0.1,
    eps = 1e-5,
  ) => {
    noComplex("batchNorm", x);
    if (x.ndim === 1 && x.layout.numel === 0) return x.clone();
    if (x.ndim < 2) throw new ShapeError({ op: "batchNorm", message: `input ${showShape(x.shape)}`, hint: "It needs [N, C, …]" });
    const c = x.shape[1]!;
    for (const t of [runningMean, runningVar, weight, bias])
      if (t && t.layout.numel !== c)
        throw new ShapeError({
          op: "batchNorm",
          message: `${t.layout.numel} values for ${c} channels of ${showShape(x.shape)}`,
          hint: "Check numFeatures",
        });
    if (!training && (!runningMean || !runningVar))
      throw new ValueError({ op: "batchNorm", message: "no running statistics and not training" });
    if (isHalf(x.dtype)) {
      const y = batchNorm(wide(x), runningMean ?? null, runningVar ?? null, wide(weight) ?? null, wide(bias) ?? null, {
        training,
        momentum,
        eps,
      });
      return to(y, x.dtype);
    }
    const dims = x.shape.map((_, d) => d).filter((d) => d !== 1);
    const n = x.layout.numel / c;
    let scale: Tensor;
    let centered: Tensor;
    if (training) {
      if (x.layout.numel === 0) return x.clone();
      if (n === 1)
        throw new ValueError({
          op: "batchNorm",
          message: `one value per channel in training, input ${showShape(x.shape)}`,
          hint: "Use larger batches, or eval()",
        });
      const mean = x.mean(dims, { keepdim: true });
      centered = x.sub(mean);
      const variance = centered.square().mean(dims, { keepdim: true });
      noGrad(() => {
        runningMean?.mul_(1 - momentum).add_(mean.detach().reshape([c]), { alpha: momentum });
        runningVar?.mul_(1 - momentum).add_(variance.detach().reshape([c]), { alpha: (momentum * n) / (n - 1) });
      });
      scale = variance.add(eps).rsqrt();
    } else {
      centered = x.sub(perChannel(runningMean!, x.ndim));
      scale = perChannel(runningVar!, x.ndim).add(eps).rsqrt();
    }
    const k = weight ? scale.mul(perChannel(weight, x.ndim)) : scale;
    return bias ? centered.mul(k).add(perChannel(bias, x.ndim)) : centered.mul(k);
  },
});
/**
 * Normalises groups of channels of each sample [N, C, …]. Wu & He 2018.
 * @throws ShapeError
 * @example groupNorm(tensor([[1.5, 2.5]]), 1) // => [[-1, 1]]
 */
export const groupNorm: Fn<[input: Tensor, numGroups: number, weight?: Tensor | null, bias?: Tensor | null, eps?: number]> =
  /*@__PURE__*/ composite({
    torch: "nn.functional.group_norm",
    params: ["input", "numGroups", "weight?", "bias?", "eps?"],
    forward: (x: Tensor, groups: number, weight?: Tensor, bias?: Tensor, eps = 1e-5) => {
      const c = x.shape[1] ?? 0;
      if (x.ndim < 2 || c % groups !== 0)
        throw new ShapeError({
          op: "groupNorm",
          message: `${c} channels of ${showShape(x.shape)} in ${groups} groups`,
          hint: "The number of channels must be divisible by the groups",
        });
      noComplex("groupNorm", x);
      if (x.layout.numel === 0) return x.clone();
      if (isHalf(x.dtype)) return to(groupNorm(wide(x), groups, wide(weight) ?? null, wide(bias) ?? null, eps), x.dtype);
      const flat = x.reshape([x.shape[0]!, groups, -1]);
      const y = layerNorm(flat, [flat.shape[2]!], null, null, eps).reshape(x.shape);
      return affine(y, weight && perChannel(weight, x.ndim), bias && perChannel(bias, x.ndim));
    },
  });
/**
 * Normalises every channel of each sample [N, C, …] over space. Ulyanov et al. 2016.
 * @throws ShapeError
 * @example instanceNorm(tensor([[[1.5, 2.5]]])) // => [[[-1, 1]]]
 */
export const instanceNorm: Fn<
  [
    input: Tensor,
    runningMean?: Tensor | null,
    runningVar?: Tensor | null,
    weight?: Tensor | null,
    bias?: Tensor | null,
    options?: { useInputStats?: boolean; momentum?: number; eps?: number },
  ]
> = /*@__PURE__*/ composite({
  torch: "nn.functional.instance_norm",
  params: ["input", "runningMean?", "runningVar?", "weight?", "bias?", "useInputStats?", "momentum?", "eps?"],
  forward: (
    x: Tensor,
    runningMean?: Tensor,
    runningVar?: Tensor,
    weight?: Tensor,
    bias?: Tensor,
    useInputStats = true,
    momentum = 0.1,
    eps = 1e-5,
  ) => {
    if (!useInputStats)
      return batchNorm(x, runningMean ?? null, runningVar ?? null, weight ?? null, bias ?? null, { training: false, momentum, eps });
    const [n, c] = [x.shape[0]!, x.shape[1]!];
    const rm = runningMean?.repeat([n]);
    const rv = runningVar?.repeat([n]);
    const y = batchNorm(
      x.reshape([1, n * c, ...x.shape.slice(2)]),
      rm ?? null,
      rv ?? null,
      weight?.repeat([n]) ?? null,
      bias?.repeat([n]) ?? null,
      { training: true, momentum, eps },
    ).reshape(x.shape);
    noGrad(() => {
      if (rm) runningMean!.copy_(rm.reshape([n, c]).mean(0));
      if (rv) runningVar!.copy_(rv.reshape([n, c]).mean(0));
    });
    return y;
  },
});
/** `x / max(‖x‖_p, eps)` along `dim` (default 1), p = 2. @example normalize(tensor([[1.5, 2]])) // => [[0.6, 0.8]] */
export const normalize: Fn<[input: Tensor, p?: number | { p?: number; dim?: Dims; eps?: number }, dim?: Dims, eps?: number]> =
  /*@__PURE__*/ composite({
    torch: "nn.functional.normalize",
    params: ["input", "p?", "dim?: ints", "eps?"],
    forward: (x: Tensor, p = 2, dim: Dims = 1, eps = 1e-12) => x.div(x.norm(p, dim, { keepdim: true }).clamp(eps)),
  });
/**
 * Divides by `(k + alpha · mean of squares of size neighbouring channels) ** beta`. Krizhevsky et al. 2012.
 * @example localResponseNorm(tensor([[[1.5], [2.5]]]), 2, { alpha: 1 }) // => [[[0.8523], [0.7208]]]
 */
export const localResponseNorm: Fn<[input: Tensor, size: number, options?: { alpha?: number; beta?: number; k?: number }]> =
  /*@__PURE__*/ composite({
    torch: "nn.functional.local_response_norm",
    params: ["input", "size: positive", "alpha?", "beta?", "k?: number"],
    forward: (x: Tensor, size: number, alpha = 1e-4, beta = 0.75, k = 1) => {
      const padded = pad(x.square(), [...new Array<number>(2 * (x.ndim - 2)).fill(0), Math.floor(size / 2), Math.floor((size - 1) / 2)]);
      return x.div(padded.unfold(1, size, 1).sum(-1).div(size).mul(alpha).add(k).pow(beta));
    },
  });
