// Normalisation modules and the embedding table.
import type { DType } from "../core/dtype.ts";
import { ShapeError, showShape } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { bindNamed, checkTensor } from "../core/arguments.ts";
import { tensor, zeros, ones } from "../ops/create.ts";
import * as F from "./functional.ts";
import { normal_, ones_, zeros_ } from "./init.ts";
import { type FactoryOptions, parameter } from "./linear.ts";
import { Module, Parameter } from "./module.ts";

type Shape = number | readonly number[];

/**
 * `(x - mean) / sqrt(var + eps) · weight + bias` over the last dimensions, those of `normalizedShape`. Ba, Kiros & Hinton 2016.
 * @example new nn.LayerNorm(3).forward(tensor([[1.5, 2.5, 3.5]])) // => [[-1.2247, 0, 1.2247]]
 */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  weight: Parameter | null;
  bias: Parameter | null;
  constructor(normalizedShape: Shape, options?: FactoryOptions & { eps?: number; elementwiseAffine?: boolean; bias?: boolean });
  constructor(...args: unknown[]) {
    super();
    const o = bindNamed<{
      normalizedShape: Shape;
      eps?: number;
      elementwiseAffine?: boolean;
      bias?: boolean;
      device?: string;
      dtype?: DType;
    }>("LayerNorm", ["normalizedShape: counts", "eps?", "elementwiseAffine?", "bias?: flag", "device?", "dtype?"], args);
    this.normalizedShape = [o.normalizedShape].flat() as number[];
    this.eps = o.eps ?? 1e-5;
    const make = (on: boolean): Parameter | null =>
      on ? parameter(this.normalizedShape, { device: o.device ?? null, dtype: o.dtype ?? null }) : null;
    this.weight = make(o.elementwiseAffine !== false);
    this.bias = make(o.elementwiseAffine !== false && o.bias !== false);
    if (this.weight) ones_(this.weight);
    if (this.bias) zeros_(this.bias);
  }
  forward(x: Tensor): Tensor {
    return F.layerNorm(x, this.normalizedShape, this.weight, this.bias, this.eps);
  }
  override extraRepr(): string {
    return `(${this.normalizedShape.join(", ")},), eps=${this.eps}`;
  }
}
/**
 * `x / sqrt(mean(x²) + eps) · weight` over the last dimensions; eps defaults to the dtype's epsilon. Zhang & Sennrich 2019.
 * @example new nn.RMSNorm(2).forward(tensor([[1.5, 2.5]])) // => [[0.7276, 1.2127]]
 */
export class RMSNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number | null;
  weight: Parameter | null;
  constructor(normalizedShape: Shape, options?: FactoryOptions & { eps?: number | null; elementwiseAffine?: boolean });
  constructor(...args: unknown[]) {
    super();
    const o = bindNamed<{ normalizedShape: Shape; eps?: number; elementwiseAffine?: boolean; device?: string; dtype?: DType }>(
      "RMSNorm",
      ["normalizedShape: counts", "eps?", "elementwiseAffine?", "device?", "dtype?"],
      args,
    );
    this.normalizedShape = [o.normalizedShape].flat() as number[];
    this.eps = o.eps ?? null;
    this.weight =
      o.elementwiseAffine === false ? null : parameter(this.normalizedShape, { device: o.device ?? null, dtype: o.dtype ?? null });
    if (this.weight) ones_(this.weight);
  }
  forward(x: Tensor): Tensor {
    return F.rmsNorm(x, this.normalizedShape, this.weight, this.eps);
  }
}
/**
 * Normalises `numGroups` groups of the channels of [N, numChannels, …], sample by sample. Wu & He 2018.
 * @example new nn.GroupNorm(1, 2).forward(tensor([[1.5, 2.5]])) // => [[-1, 1]]
 */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly eps: number;
  weight: Parameter | null;
  bias: Parameter | null;
  constructor(numGroups: number, numChannels: number, options?: FactoryOptions & { eps?: number; affine?: boolean; bias?: boolean });
  constructor(...args: unknown[]) {
    super();
    const o = bindNamed<{
      numGroups: number;
      numChannels: number;
      eps?: number;
      affine?: boolean;
      bias?: boolean;
      device?: string;
      dtype?: DType;
    }>("GroupNorm", ["numGroups", "numChannels", "eps?", "affine?", "device?", "dtype?", "bias?: flag"], args);
    if (o.numChannels % o.numGroups)
      throw new ShapeError({
        op: "GroupNorm",
        message: `${o.numChannels} channels in ${o.numGroups} groups`,
        hint: "The channels must be divisible by the groups",
      });
    this.numGroups = o.numGroups;
    this.eps = o.eps ?? 1e-5;
    const make = (on: boolean): Parameter | null =>
      on ? parameter([o.numChannels], { device: o.device ?? null, dtype: o.dtype ?? null }) : null;
    this.weight = make(o.affine !== false);
    this.bias = make(o.affine !== false && o.bias !== false);
    if (this.weight) ones_(this.weight);
    if (this.bias) zeros_(this.bias);
  }
  forward(x: Tensor): Tensor {
    return F.groupNorm(x, this.numGroups, this.weight, this.bias, this.eps);
  }
}

/** Options of batch and instance norm. */
export interface BatchNormOptions extends FactoryOptions {
  /** Added to the variance (default 1e-5). */
  eps?: number;
  /** Share of the new statistics in the running ones (default 0.1); null takes the mean over all batches. */
  momentum?: number | null;
  /** Learn a scale and a shift a channel? Default true, for instance norm false. */
  affine?: boolean;
  /** Keep running statistics for evaluation? Default true, for instance norm false. */
  trackRunningStats?: boolean;
  /** With `affine`: learn the shift too? Default true. */
  bias?: boolean;
}
abstract class RunningNorm extends Module {
  readonly numFeatures: number;
  readonly eps: number;
  readonly momentum: number | null;
  weight: Parameter | null;
  bias: Parameter | null;
  declare running_mean: Tensor | null;
  declare running_var: Tensor | null;
  declare num_batches_tracked: Tensor | null;
  protected readonly ranks: readonly number[];
  constructor(name: string, ranks: readonly number[], affine: boolean, track: boolean, args: readonly unknown[]) {
    super();
    const o = bindNamed<{
      numFeatures: number;
      eps?: number;
      momentum?: number | null;
      affine?: boolean;
      trackRunningStats?: boolean;
      device?: string;
      dtype?: DType;
      bias?: boolean;
    }>(name, ["numFeatures", "eps?", "momentum?", "affine?", "trackRunningStats?", "device?", "dtype?", "bias?: flag"], args);
    const last = args.at(-1);
    const explicitNull =
      typeof last === "object" && last !== null && "momentum" in last && (last as { momentum: unknown }).momentum === null;
    this.ranks = ranks;
    this.numFeatures = o.numFeatures;
    this.eps = o.eps ?? 1e-5;
    this.momentum = explicitNull || args[2] === null ? null : (o.momentum ?? 0.1);
    const make = (on: boolean): Parameter | null =>
      on ? parameter([o.numFeatures], { device: o.device ?? null, dtype: o.dtype ?? null }) : null;
    this.weight = make(o.affine ?? affine);
    this.bias = make((o.affine ?? affine) && o.bias !== false);
    if (this.weight) ones_(this.weight);
    if (this.bias) zeros_(this.bias);
    const tracked = o.trackRunningStats ?? track;
    const where = { device: o.device ?? null, dtype: o.dtype ?? null };
    this.registerBuffer("running_mean", tracked ? zeros([o.numFeatures], where) : null);
    this.registerBuffer("running_var", tracked ? ones([o.numFeatures], where) : null);
    this.registerBuffer("num_batches_tracked", tracked ? tensor(0, { dtype: "int64", device: o.device ?? null }) : null);
  }
  protected check(x: Tensor): void {
    checkTensor(this.constructor.name, "input", x);
    if (!this.ranks.includes(x.ndim))
      throw new ShapeError({
        op: this.constructor.name,
        message: `input ${showShape(x.shape)} has ${x.ndim} dimensions`,
        hint: `It takes ${this.ranks.join(" or ")}`,
      });
  }
  override extraRepr(): string {
    return `${this.numFeatures}, eps=${this.eps}, momentum=${this.momentum}`;
  }
}
abstract class BatchNorm extends RunningNorm {
  constructor(name: string, ranks: readonly number[], args: readonly unknown[]) {
    super(name, ranks, true, true, args);
  }
  forward(x: Tensor): Tensor {
    this.check(x);
    let momentum = this.momentum ?? 0;
    if (this.training && this.num_batches_tracked) {
      noGrad(() => this.num_batches_tracked!.add_(1));
      if (this.momentum === null) momentum = 1 / this.num_batches_tracked.itemSync();
    }
    const running = !this.training || this.running_mean !== null;
    return F.batchNorm(x, running ? this.running_mean : null, running ? this.running_var : null, this.weight, this.bias, {
      training: this.training || this.running_mean === null,
      momentum,
      eps: this.eps,
    });
  }
}
/**
 * Normalises the channels of [N, C] or [N, C, L] over the batch in training, with the running statistics else. Ioffe & Szegedy 2015.
 * @example new nn.BatchNorm1d(1).forward(tensor([[1.5], [2.5]])) // => [[-1], [1]]
 */
export class BatchNorm1d extends BatchNorm {
  constructor(numFeatures: number, options?: BatchNormOptions);
  constructor(...args: unknown[]) {
    super("BatchNorm1d", [2, 3], args);
  }
}
/**
 * Normalises the channels of [N, C, H, W] over the batch and space; see `BatchNorm1d`.
 * @example new nn.BatchNorm2d(1).forward(tensor([[[[1.5, 2.5]]]])) // => [[[[-1, 1]]]]
 */
export class BatchNorm2d extends BatchNorm {
  constructor(numFeatures: number, options?: BatchNormOptions);
  constructor(...args: unknown[]) {
    super("BatchNorm2d", [4], args);
  }
}
/**
 * Normalises the channels of [N, C, D, H, W] over the batch and space; see `BatchNorm1d`.
 * @example new nn.BatchNorm3d(1).forward(tensor([[[[[1.5, 2.5]]]]])) // => [[[[[-1, 1]]]]]
 */
export class BatchNorm3d extends BatchNorm {
  constructor(numFeatures: number, options?: BatchNormOptions);
  constructor(...args: unknown[]) {
    super("BatchNorm3d", [5], args);
  }
}
abstract class InstanceNorm extends RunningNorm {
  constructor(name: string, ranks: readonly number[], args: readonly unknown[]) {
    super(name, ranks, false, false, args);
  }
  forward(x: Tensor): Tensor {
    this.check(x);
    const single = x.ndim === this.ranks[0];
    const y = F.instanceNorm(single ? x.unsqueeze(0) : x, this.running_mean, this.running_var, this.weight, this.bias, {
      useInputStats: this.training || this.running_mean === null,
      momentum: this.momentum ?? 0,
      eps: this.eps,
    });
    return single ? y.squeeze(0) : y;
  }
}
/**
 * Normalises the channels of each sample of [N, C, L] or [C, L]. Ulyanov et al. 2016.
 * @example new nn.InstanceNorm1d(1).forward(tensor([[[1.5, 2.5]]])) // => [[[-1, 1]]]
 */
export class InstanceNorm1d extends InstanceNorm {
  constructor(numFeatures: number, options?: BatchNormOptions);
  constructor(...args: unknown[]) {
    super("InstanceNorm1d", [2, 3], args);
  }
}
/**
 * Normalises the channels of each sample of [N, C, H, W] or [C, H, W].
 * @example new nn.InstanceNorm2d(1).forward(tensor([[[[1.5, 2.5]]]])) // => [[[[-1, 1]]]]
 */
export class InstanceNorm2d extends InstanceNorm {
  constructor(numFeatures: number, options?: BatchNormOptions);
  constructor(...args: unknown[]) {
    super("InstanceNorm2d", [3, 4], args);
  }
}
/**
 * Normalises the channels of each sample of [N, C, D, H, W] or [C, D, H, W].
 * @example new nn.InstanceNorm3d(1).forward(tensor([[[[[1.5, 2.5]]]]])) // => [[[[[-1, 1]]]]]
 */
export class InstanceNorm3d extends InstanceNorm {
  constructor(numFeatures: number, options?: BatchNormOptions);
  constructor(...args: unknown[]) {
    super("InstanceNorm3d", [4, 5], args);
  }
}

/**
 * A table of vectors: int64 [...] → [..., embeddingDim]. Initialised normally; row `paddingIdx` stays zero.
 * @example
 * manualSeed(0);
 * new nn.Embedding(3, 2).forward(tensor([1])) // => [[-2.1788, 0.5684]]
 */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  weight: Parameter;
  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    options?: FactoryOptions & {
      paddingIdx?: number | null;
      maxNorm?: number | null;
      normType?: number;
      scaleGradByFreq?: boolean;
      sparse?: boolean;
    },
  );
  constructor(...args: unknown[]) {
    super();
    const o = bindNamed<{
      numEmbeddings: number;
      embeddingDim: number;
      paddingIdx?: number;
      maxNorm?: number;
      normType?: number;
      scaleGradByFreq?: boolean;
      _weight?: Tensor;
      device?: string;
      dtype?: DType;
    }>(
      "Embedding",
      [
        "numEmbeddings",
        "embeddingDim",
        "paddingIdx?",
        "maxNorm?",
        "normType?",
        "scaleGradByFreq?",
        "sparse?",
        "_weight?: tensor",
        "device?",
        "dtype?",
      ],
      args,
    );
    this.numEmbeddings = o.numEmbeddings;
    this.embeddingDim = o.embeddingDim;
    this.paddingIdx = o.paddingIdx === undefined ? null : o.paddingIdx < 0 ? o.paddingIdx + o.numEmbeddings : o.paddingIdx;
    this.maxNorm = o.maxNorm ?? null;
    this.normType = o.normType ?? 2;
    this.scaleGradByFreq = o.scaleGradByFreq ?? false;
    this.weight = o._weight
      ? new Parameter(o._weight)
      : parameter([o.numEmbeddings, o.embeddingDim], { device: o.device ?? null, dtype: o.dtype ?? null });
    if (o._weight) return;
    normal_(this.weight);
    if (this.paddingIdx !== null) noGrad(() => this.weight.detach().select(0, this.paddingIdx!).zero_());
  }
  forward(x: Tensor): Tensor {
    return F.embedding(x, this.weight, {
      paddingIdx: this.paddingIdx,
      maxNorm: this.maxNorm,
      normType: this.normType,
      scaleGradByFreq: this.scaleGradByFreq,
    });
  }
  override extraRepr(): string {
    return `${this.numEmbeddings}, ${this.embeddingDim}`;
  }
}
