// Modules that hold options and call one functional: activations, pooling, dropout, losses, shuffles. A row each.
import { isTensor, type Tensor } from "../core/tensor.ts";
import { bindArgs, signature } from "../core/arguments.ts";
import * as F from "./functional.ts";
import { Module } from "./module.ts";

type Options = Record<string, unknown>;
/**
 * A module that calls a function with its options: the base of activations, pooling, dropout and losses.
 * @example new nn.ELU({ alpha: 2 }).options.alpha // => 2
 */
export abstract class FunctionModule extends Module {
  readonly options: Readonly<Options>;
  constructor(options: Options = {}) {
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

// A class named `name` whose constructor takes parameters by position or as options: declarations with their defaults.
function layer<A extends unknown[] = [options?: Options], I extends Tensor[] = [Tensor]>(
  name: string,
  params: Options,
  apply: Apply,
): Constructor<A, I> {
  const declared = signature(Object.keys(params));
  const defaults = Object.values(params);
  const C = class extends FunctionModule {
    constructor(...args: unknown[]) {
      const bound = bindArgs(name, declared, args);
      super(Object.fromEntries(declared.names.map((n, i) => [n, bound[i] ?? defaults[i]])));
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
const act = <A extends unknown[] = InplaceArgs>(
  name: string,
  f: unknown,
  params: Options = { "inplace?": false },
): Constructor<A, [Tensor]> => layer<A>(name, params, call(f, signature(Object.keys(params)).names));

/** `max(0, x)`. @example new nn.ReLU().forward(tensor([-1.5, 2.5])) // => [0, 2.5] */
export const ReLU: Constructor<InplaceArgs, [Tensor]> = act("ReLU", F.relu);
/** `min(max(0, x), 6)`. @example new nn.ReLU6().forward(tensor([-1.5, 7.5])) // => [0, 6] */
export const ReLU6: Constructor<InplaceArgs, [Tensor]> = act("ReLU6", F.relu6);
/** `x Φ(x)`, exact or with the `"tanh"` approximation. Hendrycks & Gimpel 2016. @example new nn.GELU().forward(tensor([0.5])) // => [0.3457] */
export const GELU: Constructor<[options?: { approximate?: "none" | "tanh" }], [Tensor]> = act("GELU", F.gelu, {
  "approximate?: none|tanh": "none",
});
/** `x sigmoid(x)`. Elfwing et al. 2017. @example new nn.SiLU().forward(tensor([0.5])) // => [0.3112] */
export const SiLU: Constructor<InplaceArgs, [Tensor]> = act("SiLU", F.silu);
/** `x tanh(softplus(x))`. Misra 2019. @example new nn.Mish().forward(tensor([0.5])) // => [0.3752] */
export const Mish: Constructor<InplaceArgs, [Tensor]> = act("Mish", F.mish);
/** `1 / (1 + e^-x)`. @example new nn.Sigmoid().forward(tensor([0.5])) // => [0.6225] */
export const Sigmoid: Constructor<[], [Tensor]> = act("Sigmoid", F.sigmoid, {});
/** Hyperbolic tangent. @example new nn.Tanh().forward(tensor([0.5])) // => [0.4621] */
export const Tanh: Constructor<[], [Tensor]> = act("Tanh", F.tanh, {});
/** `x` above 0, `negativeSlope · x` (default 0.01) below. @example new nn.LeakyReLU(0.1).forward(tensor([-1.5, 2])) // => [-0.15, 2] */
export const LeakyReLU: Constructor<[negativeSlope?: number | { negativeSlope?: number; inplace?: boolean }], [Tensor]> = act(
  "LeakyReLU",
  F.leakyRelu,
  { "negativeSlope?": 0.01, "inplace?": false },
);
/** `x` above 0, `alpha (e^x - 1)` below. Clevert et al. 2016. @example new nn.ELU().forward(tensor([-1.5, 2])) // => [-0.7769, 2] */
export const ELU: Constructor<[alpha?: number | { alpha?: number; inplace?: boolean }], [Tensor]> = act("ELU", F.elu, {
  "alpha?": 1,
  "inplace?": false,
});
/**
 * `ELU` scaled so that activations normalise themselves. Klambauer et al. 2017.
 * @example new nn.SELU().forward(tensor([-1.5, 2])) // => [-1.3658, 2.1014]
 */
export const SELU: Constructor<InplaceArgs, [Tensor]> = act("SELU", F.selu);
/** `max(0, x) + min(0, alpha (e^(x/alpha) - 1))`. Barron 2017. @example new nn.CELU(2).forward(tensor([-1.5, 2])) // => [-1.0553, 2] */
export const CELU: Constructor<[alpha?: number | { alpha?: number; inplace?: boolean }], [Tensor]> = act("CELU", F.celu, {
  "alpha?": 1,
  "inplace?": false,
});
/** `x hardsigmoid(x)`. Howard et al. 2019. @example new nn.Hardswish().forward(tensor([-1.5, 2])) // => [-0.375, 1.6667] */
export const Hardswish: Constructor<InplaceArgs, [Tensor]> = act("Hardswish", F.hardswish);
/** `min(max(0, x/6 + 1/2), 1)`. @example new nn.Hardsigmoid().forward(tensor([-1.5, 4])) // => [0.25, 1] */
export const Hardsigmoid: Constructor<InplaceArgs, [Tensor]> = act("Hardsigmoid", F.hardsigmoid);
/** Limits values to [minVal, maxVal] (default ±1). @example new nn.Hardtanh().forward(tensor([-1.5, 0.5])) // => [-1, 0.5] */
export const Hardtanh: Constructor<[options?: { minVal?: number; maxVal?: number; inplace?: boolean }], [Tensor]> = act(
  "Hardtanh",
  F.hardtanh,
  { "minVal?": -1, "maxVal?": 1, "inplace?": false },
);
/** Zero within ±lambd (default 0.5), `x` elsewhere. @example new nn.Hardshrink().forward(tensor([0.25, 0.75])) // => [0, 0.75] */
export const Hardshrink: Constructor<[lambd?: number], [Tensor]> = act("Hardshrink", F.hardshrink, { "lambd?": 0.5 });
/** Moved towards zero by lambd (default 0.5). @example new nn.Softshrink().forward(tensor([0.25, 0.75])) // => [0, 0.25] */
export const Softshrink: Constructor<[lambd?: number], [Tensor]> = act("Softshrink", F.softshrink, { "lambd?": 0.5 });
/** `x - tanh(x)`. @example new nn.Tanhshrink().forward(tensor([0.5])) // => [0.0379] */
export const Tanhshrink: Constructor<[], [Tensor]> = act("Tanhshrink", F.tanhshrink, {});
/**
 * `log(1 + e^(beta x)) / beta`, a smooth relu; `x` itself where `beta x` is above `threshold`.
 * @example new nn.Softplus().forward(tensor([0.5])) // => [0.9741]
 */
export const Softplus: Constructor<[options?: { beta?: number; threshold?: number }], [Tensor]> = act("Softplus", F.softplus, {
  "beta?": 1,
  "threshold?": 20,
});
/** `x / (1 + |x|)`. @example new nn.Softsign().forward(tensor([0.5, -1])) // => [0.3333, -0.5] */
export const Softsign: Constructor<[], [Tensor]> = act("Softsign", F.softsign, {});
/** `log(sigmoid(x))`. @example new nn.LogSigmoid().forward(tensor([0.5])) // => [-0.4741] */
export const LogSigmoid: Constructor<[], [Tensor]> = act("LogSigmoid", F.logsigmoid, {});
/** `x` above the threshold, else `value`. @example new nn.Threshold(0.5, 9).forward(tensor([0.25, 0.75])) // => [9, 0.75] */
export const Threshold: Constructor<[threshold: number, value: number], [Tensor]> = layer(
  "Threshold",
  { threshold: undefined, "value: number": undefined, "inplace?": false },
  call(F.threshold, ["threshold", "value", "inplace"]),
) as never;
/**
 * The first half of `dim` (default the last) times the sigmoid of the second. Dauphin et al. 2017.
 * @example new nn.GLU().forward(tensor([1.5, 0])) // => [0.75]
 */
export const GLU: Constructor<[dim?: number | { dim?: number }], [Tensor]> = act("GLU", F.glu, { "dim?": -1 });
/** `e^x / Σ e^x` along `dim`. @example new nn.Softmax(0).forward(tensor([0.5, 1.5])) // => [0.2689, 0.7311] */
export const Softmax: Constructor<[dim?: number | { dim?: number }], [Tensor]> = act("Softmax", F.softmax, { "dim?": undefined });
/** The logarithm of `Softmax`, without overflow. @example new nn.LogSoftmax(0).forward(tensor([0.5, 1.5])) // => [-1.3133, -0.3133] */
export const LogSoftmax: Constructor<[dim?: number | { dim?: number }], [Tensor]> = act("LogSoftmax", F.logSoftmax, { "dim?": undefined });
/** `Softmax` of `-x`. @example new nn.Softmin(0).forward(tensor([0.5, 1.5])) // => [0.7311, 0.2689] */
export const Softmin: Constructor<[dim?: number | { dim?: number }], [Tensor]> = layer("Softmin", { "dim?": undefined }, (m, x) =>
  F.softmax(x!.neg(), { ...(m.options["dim"] !== undefined && { dim: m.options["dim"] as number }) }),
) as never;

type DropArgs = [p?: number | { p?: number; inplace?: boolean }];
const drop = (name: string, f: unknown): Constructor<DropArgs, [Tensor]> =>
  layer(name, { "p?": 0.5, "inplace?": false }, (m, x) =>
    (f as typeof F.dropout)(x!, m.options["p"] as number, m.training, m.options["inplace"] as boolean),
  ) as never;
/**
 * Zeroes elements with probability `p` (default 0.5) in training, and scales the rest by 1 / (1 - p). Srivastava et al. 2014.
 * @example new nn.Dropout(0.5).eval().forward(ones(2)) // => [1, 1]
 */
export const Dropout: Constructor<DropArgs, [Tensor]> = drop("Dropout", F.dropout);
/** Zeroes whole channels of [N, C, L] in training. @example new nn.Dropout1d(0.5).eval().forward(ones(1, 2, 1)) // => [[[1], [1]]] */
export const Dropout1d: Constructor<DropArgs, [Tensor]> = drop("Dropout1d", F.dropout1d);
/** Zeroes whole channels of [N, C, H, W] in training. @example new nn.Dropout2d(0.5).eval().forward(ones(1, 2, 1, 1)) // => [[[[1]], [[1]]]] */
export const Dropout2d: Constructor<DropArgs, [Tensor]> = drop("Dropout2d", F.dropout2d);
/** Zeroes whole channels of [N, C, D, H, W] in training. @example new nn.Dropout3d(0.5).eval().forward(ones(1, 2, 1, 1, 1)) // => [[[[[1]]], [[[1]]]]] */
export const Dropout3d: Constructor<DropArgs, [Tensor]> = drop("Dropout3d", F.dropout3d);

type MaxPoolArgs = [kernelSize: F.Sizes, options?: Omit<F.MaxPoolOptions, "returnIndices"> | F.Sizes];
type AvgPoolArgs = [kernelSize: F.Sizes, options?: F.AvgPoolOptions | F.Sizes];
const maxPool = (name: string, f: unknown): Constructor<MaxPoolArgs, [Tensor]> =>
  layer(
    name,
    { kernelSize: undefined, "stride?": undefined, "padding?": 0, "dilation?": 1, "returnIndices?": false, "ceilMode?": false },
    call(f, ["kernelSize", "stride", "padding", "dilation", "returnIndices", "ceilMode"]),
  ) as never;
/** The greatest value of each window of [N, C, L]. @example new nn.MaxPool1d(2).forward(tensor([[[1.5, 3, 2, 0]]])) // => [[[3, 2]]] */
export const MaxPool1d: Constructor<MaxPoolArgs, [Tensor]> = maxPool("MaxPool1d", F.maxPool1d);
/** The greatest value of each window of [N, C, H, W]. @example new nn.MaxPool2d(2).forward(tensor([[[[1.5, 3], [2, 0]]]])) // => [[[[3]]]] */
export const MaxPool2d: Constructor<MaxPoolArgs, [Tensor]> = maxPool("MaxPool2d", F.maxPool2d);
/** The greatest value of each window of [N, C, D, H, W]. @example new nn.MaxPool3d(2).forward(ones(1, 1, 4, 4, 4)).shape // => [1, 1, 2, 2, 2] */
export const MaxPool3d: Constructor<MaxPoolArgs, [Tensor]> = maxPool("MaxPool3d", F.maxPool3d);
const avgPool = (name: string, f: unknown): Constructor<AvgPoolArgs, [Tensor]> =>
  layer(
    name,
    {
      kernelSize: undefined,
      "stride?": undefined,
      "padding?": 0,
      "ceilMode?": false,
      "countIncludePad?": true,
      "divisorOverride?": undefined,
    },
    call(f, ["kernelSize", "stride", "padding", "ceilMode", "countIncludePad", "divisorOverride"]),
  ) as never;
/** The mean of each window of [N, C, L]. @example new nn.AvgPool1d(2).forward(tensor([[[1.5, 3, 2, 0]]])) // => [[[2.25, 1]]] */
export const AvgPool1d: Constructor<AvgPoolArgs, [Tensor]> = avgPool("AvgPool1d", F.avgPool1d);
/** The mean of each window of [N, C, H, W]. @example new nn.AvgPool2d(2).forward(tensor([[[[1.5, 3], [2, 0]]]])) // => [[[[1.625]]]] */
export const AvgPool2d: Constructor<AvgPoolArgs, [Tensor]> = avgPool("AvgPool2d", F.avgPool2d);
/** The mean of each window of [N, C, D, H, W]. @example new nn.AvgPool3d(2).forward(ones(1, 1, 4, 4, 4)).shape // => [1, 1, 2, 2, 2] */
export const AvgPool3d: Constructor<AvgPoolArgs, [Tensor]> = avgPool("AvgPool3d", F.avgPool3d);
type AdaptiveArgs = [outputSize: number | readonly (number | null)[]];
const adaptive = (name: string, f: unknown, params: Options): Constructor<AdaptiveArgs, [Tensor]> =>
  layer(name, params, (m, x) => {
    const { outputSize, ...rest } = m.options;
    return (f as typeof F.adaptiveAvgPool1d)(x!, outputSize as number, ...((Object.keys(rest).length ? [rest] : []) as []));
  }) as never;
/**
 * Means over windows that divide [N, C, L] into `outputSize`.
 * @example new nn.AdaptiveAvgPool1d(1).forward(tensor([[[1.5, 3]]])) // => [[[2.25]]]
 */
export const AdaptiveAvgPool1d: Constructor<AdaptiveArgs, [Tensor]> = adaptive("AdaptiveAvgPool1d", F.adaptiveAvgPool1d, {
  "outputSize: any": undefined,
});
/**
 * Means over windows that divide [N, C, H, W] into `outputSize`.
 * @example new nn.AdaptiveAvgPool2d([1, null]).forward(ones(1, 1, 5, 7)).shape // => [1, 1, 1, 7]
 */
export const AdaptiveAvgPool2d: Constructor<AdaptiveArgs, [Tensor]> = adaptive("AdaptiveAvgPool2d", F.adaptiveAvgPool2d, {
  "outputSize: any": undefined,
});
/**
 * Means over windows that divide [N, C, D, H, W] into `outputSize`.
 * @example new nn.AdaptiveAvgPool3d(2).forward(ones(1, 1, 4, 4, 4)).shape // => [1, 1, 2, 2, 2]
 */
export const AdaptiveAvgPool3d: Constructor<AdaptiveArgs, [Tensor]> = adaptive("AdaptiveAvgPool3d", F.adaptiveAvgPool3d, {
  "outputSize: any": undefined,
});
/**
 * Maxima over windows that divide [N, C, L] into `outputSize`.
 * @example new nn.AdaptiveMaxPool1d(1).forward(tensor([[[1.5, 3]]])) // => [[[3]]]
 */
export const AdaptiveMaxPool1d: Constructor<AdaptiveArgs, [Tensor]> = adaptive("AdaptiveMaxPool1d", F.adaptiveMaxPool1d, {
  "outputSize: any": undefined,
  "returnIndices?": false,
});
/**
 * Maxima over windows that divide [N, C, H, W] into `outputSize`.
 * @example new nn.AdaptiveMaxPool2d(2).forward(ones(1, 1, 5, 7)).shape // => [1, 1, 2, 2]
 */
export const AdaptiveMaxPool2d: Constructor<AdaptiveArgs, [Tensor]> = adaptive("AdaptiveMaxPool2d", F.adaptiveMaxPool2d, {
  "outputSize: any": undefined,
  "returnIndices?": false,
});
/**
 * Maxima over windows that divide [N, C, D, H, W] into `outputSize`.
 * @example new nn.AdaptiveMaxPool3d(2).forward(ones(1, 1, 4, 4, 4)).shape // => [1, 1, 2, 2, 2]
 */
export const AdaptiveMaxPool3d: Constructor<AdaptiveArgs, [Tensor]> = adaptive("AdaptiveMaxPool3d", F.adaptiveMaxPool3d, {
  "outputSize: any": undefined,
  "returnIndices?": false,
});

/**
 * Resizes the spatial dimensions of [N, C, …] to `size` or by `scaleFactor`; see `nn.functional.interpolate`.
 * @example new nn.Upsample({ scaleFactor: 2 }).forward(tensor([[[0.5, 1.5]]])) // => [[[0.5, 0.5, 1.5, 1.5]]]
 */
export const Upsample: Constructor<[options: F.InterpolateOptions], [Tensor]> = layer(
  "Upsample",
  {
    "size?: counts": undefined,
    "scaleFactor?: numbers": undefined,
    "mode?: nearest|linear|bilinear|bicubic|trilinear": "nearest",
    "alignCorners?": undefined,
    "recomputeScaleFactor?": undefined,
  },
  call(F.interpolate, ["size", "scaleFactor", "mode", "alignCorners", "recomputeScaleFactor"]),
) as never;
/**
 * Channels to space: [..., C·r², H, W] → [..., C, H·r, W·r]. Shi et al. 2016.
 * @example new nn.PixelShuffle(2).forward(ones(1, 4, 3, 3)).shape // => [1, 1, 6, 6]
 */
export const PixelShuffle: Constructor<[upscaleFactor: number], [Tensor]> = layer("PixelShuffle", { upscaleFactor: undefined }, (m, x) =>
  F.pixelShuffle(x!, m.options["upscaleFactor"] as number),
) as never;
/** Space to channels: [..., C, H·r, W·r] → [..., C·r², H, W]. @example new nn.PixelUnshuffle(2).forward(ones(1, 1, 6, 6)).shape // => [1, 4, 3, 3] */
export const PixelUnshuffle: Constructor<[downscaleFactor: number], [Tensor]> = layer(
  "PixelUnshuffle",
  { downscaleFactor: undefined },
  (m, x) => F.pixelUnshuffle(x!, m.options["downscaleFactor"] as number),
) as never;
/**
 * `x · y / (max(‖x‖, eps) max(‖y‖, eps))` along `dim` (default 1).
 * @example new nn.CosineSimilarity().forward(tensor([[1.5, 0]]), tensor([[3, 4.5]])) // => [0.5547]
 */
export const CosineSimilarity: Constructor<[options?: { dim?: number; eps?: number }], [Tensor, Tensor]> = layer(
  "CosineSimilarity",
  { "dim?": 1, "eps?": 1e-8 },
  call(F.cosineSimilarity, ["dim", "eps"]),
) as never;

type LossArgs<O> = [options?: O];
const loss = <O>(name: string, f: unknown, params: Options): Constructor<LossArgs<O>, [Tensor, Tensor]> =>
  layer(name, params, call(f, signature(Object.keys(params)).names)) as never;
const REDUCTION = "reduction?: mean|sum|none";
const REDUCE = { "sizeAverage?": undefined, "reduce?": undefined, [REDUCTION]: "mean" };
/** The squared error of input and target of one shape. @example new nn.MSELoss().forward(tensor([1.5, 2]), tensor([0.5, 4])) // => 2.5 */
export const MSELoss: Constructor<LossArgs<Omit<F.LossOptions, "weight">>, [Tensor, Tensor]> = loss("MSELoss", F.mseLoss, REDUCE);
/** The absolute error of input and target of one shape. @example new nn.L1Loss().forward(tensor([1.5, 2]), tensor([0.5, 4])) // => 1.5 */
export const L1Loss: Constructor<LossArgs<Omit<F.LossOptions, "weight">>, [Tensor, Tensor]> = loss("L1Loss", F.l1Loss, REDUCE);
/**
 * `d² / 2β` where the distance d is below `beta` (default 1), `d - β/2` beyond. Girshick 2015.
 * @example new nn.SmoothL1Loss().forward(tensor([1.5, 2]), tensor([1, 4.5])) // => 1.0625
 */
export const SmoothL1Loss: Constructor<LossArgs<Omit<F.LossOptions, "weight"> & { beta?: number }>, [Tensor, Tensor]> = loss(
  "SmoothL1Loss",
  F.smoothL1Loss,
  { ...REDUCE, "beta?": 1 },
);
/**
 * `d²/2` where the distance d is below `delta` (default 1), `δ (d - δ/2)` beyond. Huber 1964.
 * @example new nn.HuberLoss({ delta: 2 }).forward(tensor([1.5, 2]), tensor([1, 4.5])) // => 1.5625
 */
export const HuberLoss: Constructor<LossArgs<{ reduction?: F.Reduction; delta?: number }>, [Tensor, Tensor]> = loss(
  "HuberLoss",
  F.huberLoss,
  {
    [REDUCTION]: "mean",
    "delta?": 1,
  },
);
/**
 * Kullback-Leibler divergence from log-probabilities to a target; see `nn.functional.klDiv`.
 * @example new nn.KLDivLoss({ reduction: "sum" }).forward(tensor([0.5]).log(), tensor([0.25])) // => -0.1733
 */
export const KLDivLoss: Constructor<
  LossArgs<Omit<F.LossOptions, "reduction" | "weight"> & { reduction?: F.Reduction | "batchmean"; logTarget?: boolean }>,
  [Tensor, Tensor]
> = loss("KLDivLoss", F.klDiv, {
  "sizeAverage?": undefined,
  "reduce?": undefined,
  "reduction?: mean|sum|none|batchmean": "mean",
  "logTarget?": false,
});
/**
 * `-x[target]`: log-probabilities [N, C, …] and classes [N, …].
 * @example new nn.NLLLoss().forward(tensor([[-0.5, -1.5]]), tensor([1])) // => 1.5
 */
export const NLLLoss: Constructor<LossArgs<F.NllOptions>, [Tensor, Tensor]> = loss("NLLLoss", F.nllLoss, {
  "weight?": undefined,
  "sizeAverage?": undefined,
  "ignoreIndex?": -100,
  "reduce?": undefined,
  [REDUCTION]: "mean",
});
/**
 * `-log softmax(x)[target]`: scores [N, C, …] and classes [N, …] (int64), or probabilities [N, C, …].
 * @example new nn.CrossEntropyLoss().forward(tensor([[0.5, 1.5]]), tensor([1])) // => 0.3133
 */
export const CrossEntropyLoss: Constructor<LossArgs<F.CrossEntropyOptions>, [Tensor, Tensor]> = loss("CrossEntropyLoss", F.crossEntropy, {
  "weight?": undefined,
  "sizeAverage?": undefined,
  "ignoreIndex?": -100,
  "reduce?": undefined,
  [REDUCTION]: "mean",
  "labelSmoothing?": 0,
});
/**
 * Binary cross-entropy of probabilities and targets in [0, 1].
 * @example new nn.BCELoss().forward(tensor([0.5, 0.25]), tensor([1, 0.5])) // => 0.7651
 */
export const BCELoss: Constructor<LossArgs<F.LossOptions>, [Tensor, Tensor]> = loss("BCELoss", F.binaryCrossEntropy, {
  "weight?": undefined,
  ...REDUCE,
});
/**
 * Binary cross-entropy of `sigmoid(x)` and targets in [0, 1], without overflow.
 * @example new nn.BCEWithLogitsLoss().forward(tensor([0.5, -1]), tensor([1, 0.5])) // => 0.6437
 */
export const BCEWithLogitsLoss: Constructor<LossArgs<F.LossOptions & { posWeight?: Tensor }>, [Tensor, Tensor]> = loss(
  "BCEWithLogitsLoss",
  F.binaryCrossEntropyWithLogits,
  { "weight?": undefined, ...REDUCE, "posWeight?": undefined },
);
