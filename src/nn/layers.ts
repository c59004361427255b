// Modules that hold options and call one functional: activations, pooling, dropout, losses, shuffles. A row each.
import { isTensor, type Tensor } from "../core/tensor.ts";
import { bindArgs } from "../ops/define.ts";
import * as F from "./functional.ts";
import { Module } from "./module.ts";

type Options = Record<string, unknown>;
/** A module that calls a function with its options. */
export abstract class FunctionModule extends Module {
  readonly options: Readonly<Options>;
  constructor(options: Options) {
    super();
    this.options = options;
    // Weights of classes are part of the state.
    if (isTensor(options["weight"])) this.registerBuffer("weight", options["weight"]);
    if (isTensor(options["posWeight"])) this.registerBuffer("pos_weight", options["posWeight"]);
  }
  override extraRepr(): string {
    return Object.entries(this.options)
      .filter(([, v]) => v !== undefined)
      .map(([k, v]) => `${k}=${String(v)}`)
      .join(", ");
  }
}
type Apply = (m: FunctionModule, ...inputs: Tensor[]) => Tensor | Tensor[];
type Constructor<A extends unknown[], I extends Tensor[]> = new (...args: A) => FunctionModule & { forward(...inputs: I): Tensor };

// A class named `name` whose constructor takes `params` (with defaults) by position or as options.
function layer<A extends unknown[] = [options?: Options], I extends Tensor[] = [Tensor]>(
  name: string,
  params: Options,
  apply: Apply,
): Constructor<A, I> {
  const names = Object.keys(params);
  const C = class extends FunctionModule {
    constructor(...args: unknown[]) {
      const bound = bindArgs(name, names, args);
      super(Object.fromEntries(names.map((n, i) => [n, bound[i] === undefined ? params[n] : bound[i]])));
    }
    forward(...inputs: Tensor[]): Tensor | Tensor[] {
      return apply(this, ...inputs);
    }
  };
  Object.defineProperty(C, "name", { value: name });
  return C as never;
}
const call =
  (f: unknown, pick: readonly string[]): Apply =>
  (m, ...inputs) =>
    (f as (...a: unknown[]) => Tensor)(
      ...inputs,
      Object.fromEntries(pick.filter((k) => m.options[k] !== undefined && m.options[k] !== null).map((k) => [k, m.options[k]])),
    );

type InplaceArgs = [options?: { inplace?: boolean }];
const act = <A extends unknown[] = InplaceArgs>(name: string, f: unknown, params: Options = { inplace: false }): Constructor<A, [Tensor]> =>
  layer<A>(name, params, call(f, Object.keys(params)));

/** `max(0, x)`. */
export const ReLU: Constructor<InplaceArgs, [Tensor]> = act("ReLU", F.relu);
/** `min(max(0, x), 6)`. */
export const ReLU6: Constructor<InplaceArgs, [Tensor]> = act("ReLU6", F.relu6);
/** `x Φ(x)`. */
export const GELU: Constructor<[options?: { approximate?: "none" | "tanh" }], [Tensor]> = act("GELU", F.gelu, { approximate: "none" });
/** `x sigmoid(x)`. */
export const SiLU: Constructor<InplaceArgs, [Tensor]> = act("SiLU", F.silu);
/** `x tanh(softplus(x))`. */
export const Mish: Constructor<InplaceArgs, [Tensor]> = act("Mish", F.mish);
/** The logistic function. */
export const Sigmoid: Constructor<[], [Tensor]> = act("Sigmoid", F.sigmoid, {});
/** Hyperbolic tangent. */
export const Tanh: Constructor<[], [Tensor]> = act("Tanh", F.tanh, {});
/** Leaky relu. */
export const LeakyReLU: Constructor<[negativeSlope?: number | { negativeSlope?: number; inplace?: boolean }], [Tensor]> = act(
  "LeakyReLU",
  F.leakyRelu,
  { negativeSlope: 0.01, inplace: false },
);
/** Exponential linear unit. */
export const ELU: Constructor<[alpha?: number | { alpha?: number; inplace?: boolean }], [Tensor]> = act("ELU", F.elu, {
  alpha: 1,
  inplace: false,
});
/** Scaled exponential linear unit. */
export const SELU: Constructor<InplaceArgs, [Tensor]> = act("SELU", F.selu);
/** Continuously differentiable exponential linear unit. */
export const CELU: Constructor<[alpha?: number | { alpha?: number; inplace?: boolean }], [Tensor]> = act("CELU", F.celu, {
  alpha: 1,
  inplace: false,
});
/** Piecewise linear swish. */
export const Hardswish: Constructor<InplaceArgs, [Tensor]> = act("Hardswish", F.hardswish);
/** Piecewise linear sigmoid. */
export const Hardsigmoid: Constructor<InplaceArgs, [Tensor]> = act("Hardsigmoid", F.hardsigmoid);
/** Limits values to [minVal, maxVal]. */
export const Hardtanh: Constructor<[options?: { minVal?: number; maxVal?: number; inplace?: boolean }], [Tensor]> = act(
  "Hardtanh",
  F.hardtanh,
  { minVal: -1, maxVal: 1, inplace: false },
);
/** Zero within ±lambd. */
export const Hardshrink: Constructor<[lambd?: number], [Tensor]> = act("Hardshrink", F.hardshrink, { lambd: 0.5 });
/** Moved towards zero by lambd. */
export const Softshrink: Constructor<[lambd?: number], [Tensor]> = act("Softshrink", F.softshrink, { lambd: 0.5 });
/** `x - tanh(x)`. */
export const Tanhshrink: Constructor<[], [Tensor]> = act("Tanhshrink", F.tanhshrink, {});
/** Smooth relu. */
export const Softplus: Constructor<[options?: { beta?: number; threshold?: number }], [Tensor]> = act("Softplus", F.softplus, {
  beta: 1,
  threshold: 20,
});
/** `x / (1 + |x|)`. */
export const Softsign: Constructor<[], [Tensor]> = act("Softsign", F.softsign, {});
/** `log(sigmoid(x))`. */
export const LogSigmoid: Constructor<[], [Tensor]> = act("LogSigmoid", F.logsigmoid, {});
/** `x` above the threshold, else `value`. */
export const Threshold: Constructor<[threshold: number, value: number], [Tensor]> = layer(
  "Threshold",
  { threshold: 0, value: 0, inplace: false },
  call(F.threshold, ["threshold", "value", "inplace"]),
) as never;
/** Half of the features gate the other half. */
export const GLU: Constructor<[dim?: number | { dim?: number }], [Tensor]> = act("GLU", F.glu, { dim: -1 });
/** Softmax along `dim`. */
export const Softmax: Constructor<[dim?: number | { dim?: number }], [Tensor]> = act("Softmax", F.softmax, { dim: undefined });
/** Log-softmax along `dim`. */
export const LogSoftmax: Constructor<[dim?: number | { dim?: number }], [Tensor]> = act("LogSoftmax", F.logSoftmax, { dim: undefined });
/** Softmax of `-x` along `dim`. */
export const Softmin: Constructor<[dim?: number | { dim?: number }], [Tensor]> = layer("Softmin", { dim: undefined }, (m, x) =>
  F.softmax(x!.neg(), { ...(m.options["dim"] !== undefined && { dim: m.options["dim"] as number }) }),
) as never;

type DropArgs = [p?: number | { p?: number; inplace?: boolean }];
const drop = (name: string, f: unknown): Constructor<DropArgs, [Tensor]> =>
  layer(name, { p: 0.5, inplace: false }, (m, x) =>
    (f as typeof F.dropout)(x!, m.options["p"] as number, m.training, m.options["inplace"] as boolean),
  ) as never;
/** Zeroes elements in training. */
export const Dropout: Constructor<DropArgs, [Tensor]> = drop("Dropout", F.dropout);
/** Zeroes channels in training. */
export const Dropout1d: Constructor<DropArgs, [Tensor]> = drop("Dropout1d", F.dropout1d);
/** Zeroes channels in training. */
export const Dropout2d: Constructor<DropArgs, [Tensor]> = drop("Dropout2d", F.dropout2d);
/** Zeroes channels in training. */
export const Dropout3d: Constructor<DropArgs, [Tensor]> = drop("Dropout3d", F.dropout3d);

type PoolArgs = [kernelSize: F.Sizes, options?: Omit<F.PoolOptions, "returnIndices"> | F.Sizes];
const maxPool = (name: string, f: unknown): Constructor<PoolArgs, [Tensor]> =>
  layer(
    name,
    { kernelSize: 1, stride: undefined, padding: 0, dilation: 1, returnIndices: false, ceilMode: false },
    call(f, ["kernelSize", "stride", "padding", "dilation", "returnIndices", "ceilMode"]),
  ) as never;
/** Maxima of windows. */
export const MaxPool1d: Constructor<PoolArgs, [Tensor]> = maxPool("MaxPool1d", F.maxPool1d);
/** Maxima of windows. */
export const MaxPool2d: Constructor<PoolArgs, [Tensor]> = maxPool("MaxPool2d", F.maxPool2d);
/** Maxima of windows. */
export const MaxPool3d: Constructor<PoolArgs, [Tensor]> = maxPool("MaxPool3d", F.maxPool3d);
const avgPool = (name: string, f: unknown): Constructor<PoolArgs, [Tensor]> =>
  layer(
    name,
    { kernelSize: 1, stride: undefined, padding: 0, ceilMode: false, countIncludePad: true, divisorOverride: undefined },
    call(f, ["kernelSize", "stride", "padding", "ceilMode", "countIncludePad", "divisorOverride"]),
  ) as never;
/** Means of windows. */
export const AvgPool1d: Constructor<PoolArgs, [Tensor]> = avgPool("AvgPool1d", F.avgPool1d);
/** Means of windows. */
export const AvgPool2d: Constructor<PoolArgs, [Tensor]> = avgPool("AvgPool2d", F.avgPool2d);
/** Means of windows. */
export const AvgPool3d: Constructor<PoolArgs, [Tensor]> = avgPool("AvgPool3d", F.avgPool3d);
type AdaptiveArgs = [outputSize: number | readonly (number | null)[]];
const adaptive = (name: string, f: unknown): Constructor<AdaptiveArgs, [Tensor]> =>
  layer(name, { outputSize: 1, returnIndices: false }, (m, x) =>
    (f as typeof F.adaptiveMaxPool1d)(x!, m.options["outputSize"] as number, m.options["returnIndices"] ? { returnIndices: true } : {}),
  ) as never;
/** Means over windows that divide the input. */
export const AdaptiveAvgPool1d: Constructor<AdaptiveArgs, [Tensor]> = adaptive("AdaptiveAvgPool1d", F.adaptiveAvgPool1d);
/** Means over windows that divide the input. */
export const AdaptiveAvgPool2d: Constructor<AdaptiveArgs, [Tensor]> = adaptive("AdaptiveAvgPool2d", F.adaptiveAvgPool2d);
/** Means over windows that divide the input. */
export const AdaptiveAvgPool3d: Constructor<AdaptiveArgs, [Tensor]> = adaptive("AdaptiveAvgPool3d", F.adaptiveAvgPool3d);
/** Maxima over windows that divide the input. */
export const AdaptiveMaxPool1d: Constructor<AdaptiveArgs, [Tensor]> = adaptive("AdaptiveMaxPool1d", F.adaptiveMaxPool1d);
/** Maxima over windows that divide the input. */
export const AdaptiveMaxPool2d: Constructor<AdaptiveArgs, [Tensor]> = adaptive("AdaptiveMaxPool2d", F.adaptiveMaxPool2d);
/** Maxima over windows that divide the input. */
export const AdaptiveMaxPool3d: Constructor<AdaptiveArgs, [Tensor]> = adaptive("AdaptiveMaxPool3d", F.adaptiveMaxPool3d);

/** Resizes grids. */
export const Upsample: Constructor<[options: F.InterpolateOptions], [Tensor]> = layer(
  "Upsample",
  { size: undefined, scaleFactor: undefined, mode: "nearest", alignCorners: undefined, recomputeScaleFactor: undefined },
  call(F.interpolate, ["size", "scaleFactor", "mode", "alignCorners", "recomputeScaleFactor"]),
) as never;
/** Channels to space. */
export const PixelShuffle: Constructor<[upscaleFactor: number], [Tensor]> = layer("PixelShuffle", { upscaleFactor: 1 }, (m, x) =>
  F.pixelShuffle(x!, m.options["upscaleFactor"] as number),
) as never;
/** Space to channels. */
export const PixelUnshuffle: Constructor<[downscaleFactor: number], [Tensor]> = layer("PixelUnshuffle", { downscaleFactor: 1 }, (m, x) =>
  F.pixelUnshuffle(x!, m.options["downscaleFactor"] as number),
) as never;
/** Cosine of angles along `dim`. */
export const CosineSimilarity: Constructor<[options?: { dim?: number; eps?: number }], [Tensor, Tensor]> = layer(
  "CosineSimilarity",
  { dim: 1, eps: 1e-8 },
  call(F.cosineSimilarity, ["dim", "eps"]),
) as never;

type LossArgs<O> = [options?: O];
const loss = <O>(name: string, f: unknown, params: Options): Constructor<LossArgs<O>, [Tensor, Tensor]> =>
  layer(name, params, call(f, Object.keys(params))) as never;
const REDUCE = { sizeAverage: undefined, reduce: undefined, reduction: "mean" };
/** Squared error. */
export const MSELoss: Constructor<LossArgs<F.LossOptions>, [Tensor, Tensor]> = loss("MSELoss", F.mseLoss, REDUCE);
/** Absolute error. */
export const L1Loss: Constructor<LossArgs<F.LossOptions>, [Tensor, Tensor]> = loss("L1Loss", F.l1Loss, REDUCE);
/** Smooth absolute error. */
export const SmoothL1Loss: Constructor<LossArgs<F.LossOptions & { beta?: number }>, [Tensor, Tensor]> = loss(
  "SmoothL1Loss",
  F.smoothL1Loss,
  { ...REDUCE, beta: 1 },
);
/** Huber's loss. */
export const HuberLoss: Constructor<LossArgs<F.LossOptions & { delta?: number }>, [Tensor, Tensor]> = loss("HuberLoss", F.huberLoss, {
  reduction: "mean",
  delta: 1,
});
/** Kullback-Leibler divergence. */
export const KLDivLoss: Constructor<LossArgs<{ reduction?: F.Reduction | "batchmean"; logTarget?: boolean }>, [Tensor, Tensor]> = loss(
  "KLDivLoss",
  F.klDiv,
  { ...REDUCE, logTarget: false },
);
/** Negative log-likelihood of classes. */
export const NLLLoss: Constructor<LossArgs<F.NllOptions>, [Tensor, Tensor]> = loss("NLLLoss", F.nllLoss, {
  weight: undefined,
  sizeAverage: undefined,
  ignoreIndex: -100,
  reduce: undefined,
  reduction: "mean",
});
/** Cross-entropy of scores. */
export const CrossEntropyLoss: Constructor<LossArgs<F.CrossEntropyOptions>, [Tensor, Tensor]> = loss("CrossEntropyLoss", F.crossEntropy, {
  weight: undefined,
  sizeAverage: undefined,
  ignoreIndex: -100,
  reduce: undefined,
  reduction: "mean",
  labelSmoothing: 0,
});
/** Binary cross-entropy of probabilities. */
export const BCELoss: Constructor<LossArgs<F.LossOptions>, [Tensor, Tensor]> = loss("BCELoss", F.binaryCrossEntropy, {
  weight: undefined,
  ...REDUCE,
});
/** Binary cross-entropy of logits. */
export const BCEWithLogitsLoss: Constructor<LossArgs<F.LossOptions & { posWeight?: Tensor }>, [Tensor, Tensor]> = loss(
  "BCEWithLogitsLoss",
  F.binaryCrossEntropyWithLogits,
  { weight: undefined, ...REDUCE, posWeight: undefined },
);
