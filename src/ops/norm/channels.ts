// Normalisation of channels: over the batch, over groups of them, over neighbours.
import { isHalf } from "../../core/dtype.ts";
import { ShapeError, showShape, ValueError } from "../../core/errors.ts";
import { noGrad } from "../../core/mode.ts";
import type { Tensor } from "../../core/tensor.ts";
import { to } from "../copy.ts";
import { composite, type Fn } from "../define.ts";
import { addcmul } from "../pointwise/index.ts";
import { pad } from "../vision.ts";
import { wide } from "../wide.ts";
import { affine, fits, noComplex, normChannels } from "./kernel.ts";
import { layerNorm } from "./rows.ts";

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
    if (!training) {
      const scale = runningVar!.add(eps).rsqrt();
      const k = weight ? scale.mul(weight) : scale;
      const shift = runningMean!.mul(k).neg();
      return addcmul(perChannel(bias ? shift.add(bias) : shift, x.ndim), x, perChannel(k, x.ndim));
    }
    if (x.layout.numel === 0) return x.clone();
    const n = x.layout.numel / c;
    if (n === 1)
      throw new ValueError({
        op: "batchNorm",
        message: `one value per channel in training, input ${showShape(x.shape)}`,
        hint: "Use larger batches, or eval()",
      });
    const { y, mean, variance } = fits("batchNorm", x, weight, bias)
      ? fusedBatch(x, weight, bias, eps)
      : composedBatch(x, weight, bias, eps);
    noGrad(() => {
      runningMean?.mul_(1 - momentum).add_(mean.detach().reshape([c]), { alpha: momentum });
      runningVar?.mul_(1 - momentum).add_(variance.detach().reshape([c]), { alpha: (momentum * n) / (n - 1) });
    });
    return y;
  },
});
interface Batch {
  readonly y: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
}
function fusedBatch(x: Tensor, weight: Tensor | undefined, bias: Tensor | undefined, eps: number): Batch {
  const [y, mean, variance] = normChannels(x.reshape([x.shape[0]!, x.shape[1]!, -1]), weight ?? null, bias ?? null, 0, eps);
  return { y: y!.reshape(x.shape), mean: mean!, variance: variance! };
}
function composedBatch(x: Tensor, weight: Tensor | undefined, bias: Tensor | undefined, eps: number): Batch {
  const dims = x.shape.map((_, d) => d).filter((d) => d !== 1);
  const mean = x.mean(dims, { keepdim: true });
  const centered = x.sub(mean);
  const variance = centered.square().mean(dims, { keepdim: true });
  const scale = variance.add(eps).rsqrt();
  const k = weight ? scale.mul(perChannel(weight, x.ndim)) : scale;
  return { y: affine(centered, k, bias && perChannel(bias, x.ndim)), mean, variance };
}
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
      if (fits("groupNorm", x, weight, bias))
        return normChannels(x.reshape([x.shape[0]!, c, -1]), weight ?? null, bias ?? null, groups, eps)[0]!.reshape(x.shape);
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
