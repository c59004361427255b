// Losses of torch.nn.functional. `reduction` is "mean" (default), "sum" or "none".
import type { Context } from "../autograd/function.ts";
import { isComplex, isFloating } from "../core/dtype.ts";
import { ArgumentError, DTypeError, IndexError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import { sameShape } from "../core/layout.ts";
import { isGradEnabled } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { fused } from "../kernel/fused.ts";
import { composite, type Fn, jsName, primitive } from "./define.ts";
import { allocate, launch, offers } from "./launch.ts";
import { logsigmoid } from "./activation.ts";
import { logSoftmax } from "./softmax.ts";
import { xlogy } from "./pointwise/index.ts";

/** How element losses become one. */
export type Reduction = "mean" | "sum" | "none";
/** Options of elementwise losses. */
export interface LossOptions {
  /** How element losses become one (default `"mean"`). */
  reduction?: Reduction;
  /** Factor of each element's (or each class's) loss. */
  weight?: Tensor | null;
  /** PyTorch's old spelling: false is `"sum"`. */
  sizeAverage?: boolean;
  /** PyTorch's old spelling: false is `"none"`. */
  reduce?: boolean;
}
type Pairwise<O = LossOptions> = Fn<[input: Tensor, target: Tensor, options?: O]>;

// PyTorch's old pair of switches, where one is given, says what `reduction` says today.
const modern = (reduction: string, sizeAverage: boolean | undefined, reduce: boolean | undefined): string =>
  sizeAverage === undefined && reduce === undefined ? reduction : reduce === false ? "none" : sizeAverage === false ? "sum" : "mean";
// Applies a reduction; throws ArgumentError for an unknown one.
function reduced(op: string, x: Tensor, reduction: string): Tensor {
  if (reduction === "mean") return x.mean();
  if (reduction === "sum") return x.sum();
  if (reduction === "none") return x;
  throw new ArgumentError({ op, message: `reduction is ${JSON.stringify(reduction)}`, hint: 'Use "mean", "sum" or "none"' });
}
function real(op: string, ...xs: Tensor[]): void {
  for (const x of xs)
    if (isComplex(x.dtype))
      throw new DTypeError({
        op,
        message: `${x.dtype} of shape ${showShape(x.shape)}`,
        hint: "The loss is one of real numbers: use .abs() or viewAsReal",
      });
}
const REDUCTION = "reduction?: mean|sum|none";
const NAMES = ["input", "target", "sizeAverage?", "reduce?", REDUCTION];
const simple = (torch: string, f: (x: Tensor, t: Tensor) => Tensor): Pairwise =>
  composite({
    torch,
    params: [...NAMES, "weight?"],
    forward: (x: Tensor, t: Tensor, sizeAverage?: boolean, reduce?: boolean, given = "mean", weight?: Tensor) => {
      const reduction = modern(given, sizeAverage, reduce);
      const l = f(x, t);
      return reduced(jsName(torch), weight ? l.mul(weight) : l, reduction);
    },
  });
/** Squared error. @example mseLoss(tensor([1.5]), tensor([0.5])) // => 1 */
export const mseLoss: Pairwise = /*@__PURE__*/ simple("nn.functional.mse_loss", (x, t) => {
  real("mseLoss", x, t);
  return x.sub(t).square();
});
/** Absolute error. @example l1Loss(tensor([1.5]), tensor([0.25])) // => 1.25 */
export const l1Loss: Pairwise = /*@__PURE__*/ simple("nn.functional.l1_loss", (x, t) => x.sub(t).abs());
/**
 * `d² / 2β` where the distance d is below `beta` (default 1), `d - β/2` beyond. Girshick 2015.
 * @throws ValueError for a negative beta
 * @example smoothL1Loss(tensor([1.5, 4]), tensor([1, 1.5])) // => 1.0625
 */
export const smoothL1Loss: Pairwise<Omit<LossOptions, "weight"> & { beta?: number }> = /*@__PURE__*/ composite({
  torch: "nn.functional.smooth_l1_loss",
  params: [...NAMES, "beta?"],
  forward: (x: Tensor, t: Tensor, sizeAverage?: boolean, reduce?: boolean, given = "mean", beta = 1) => {
    const reduction = modern(given, sizeAverage, reduce);
    real("smoothL1Loss", x, t);
    if (!(beta >= 0)) throw new ValueError({ op: "smoothL1Loss", message: `beta is ${beta}`, hint: "It must be >= 0" });
    const d = x.sub(t).abs();
    return reduced(
      "smoothL1Loss",
      beta === 0
        ? d
        : d
            .square()
            .mul(0.5 / beta)
            .where(d.lt(beta), d.sub(beta / 2)),
      reduction,
    );
  },
});
/**
 * `d²/2` where the distance d is below `delta` (default 1), `δ (d - δ/2)` beyond. Huber 1964.
 * @example huberLoss(tensor([1.5, 4]), tensor([1, 1.5]), { delta: 2 }) // => 1.5625
 */
export const huberLoss: Pairwise<Pick<LossOptions, "reduction" | "weight"> & { delta?: number }> = /*@__PURE__*/ composite({
  torch: "nn.functional.huber_loss",
  params: ["input", "target", REDUCTION, "delta?", "weight?"],
  forward: (x: Tensor, t: Tensor, reduction = "mean", delta = 1, weight?: Tensor) => {
    real("huberLoss", x, t);
    if (!(delta > 0)) throw new ValueError({ op: "huberLoss", message: `delta is ${delta}`, hint: "It must be > 0" });
    const d = x.sub(t).abs();
    const l = d
      .square()
      .mul(0.5)
      .where(d.le(delta), d.sub(delta / 2).mul(delta));
    return reduced("huberLoss", weight ? l.mul(weight) : l, reduction);
  },
});
/**
 * Kullback-Leibler divergence `t (log t - input)` from log-probabilities `input` to `target` (log-probabilities too with `logTarget`).
 * @example klDiv(tensor([0.5]).log(), tensor([0.25]), { reduction: "sum" }) // => -0.1733
 */
export const klDiv: Pairwise<Omit<LossOptions, "reduction" | "weight"> & { reduction?: Reduction | "batchmean"; logTarget?: boolean }> =
  /*@__PURE__*/ composite({
    torch: "nn.functional.kl_div",
    params: ["input", "target", "sizeAverage?", "reduce?", "reduction?: mean|sum|none|batchmean", "logTarget?"],
    forward: (x: Tensor, t: Tensor, sizeAverage?: boolean, reduce?: boolean, given = "mean", logTarget = false) => {
      const reduction = modern(given, sizeAverage, reduce);
      real("klDiv", x, t);
      const l = logTarget ? t.exp().mul(t.sub(x)) : xlogy(t, t).sub(t.mul(x));
      return reduction === "batchmean" ? l.sum().div(Math.max(1, x.shape[0] ?? 1)) : reduced("klDiv", l, reduction);
    },
  });
/**
 * `-(t log x + (1 - t) log(1 - x))` with logarithms cut at -100.
 * @throws ValueError for probabilities outside [0, 1]
 * @example binaryCrossEntropy(tensor([0.5, 0.25]), tensor([1, 0.5])) // => 0.7651
 */
export const binaryCrossEntropy: Pairwise = /*@__PURE__*/ composite({
  torch: "nn.functional.binary_cross_entropy",
  params: ["input", "target", "weight?", "sizeAverage?", "reduce?", REDUCTION],
  forward: (x: Tensor, t: Tensor, weight?: Tensor, sizeAverage?: boolean, reduce?: boolean, given = "mean") => {
    const reduction = modern(given, sizeAverage, reduce);
    real("binaryCrossEntropy", x, t);
    if (!sameShape(x.shape, t.shape))
      throw new ShapeError({
        op: "binaryCrossEntropy",
        message: `input ${showShape(x.shape)}, target ${showShape(t.shape)}`,
        hint: "They must be equal",
      });
    if (x.device !== "meta" && x.layout.numel > 0 && x.detach().ge(0).logicalAnd(x.detach().le(1)).logicalNot().any().itemSync<boolean>())
      throw new ValueError({
        op: "binaryCrossEntropy",
        message: "input has values outside [0, 1]",
        hint: "Apply sigmoid first, or use binaryCrossEntropyWithLogits",
      });
    const l = x
      .log()
      .clamp(-100)
      .mul(t)
      .add(x.neg().add(1).log().clamp(-100).mul(t.neg().add(1)))
      .neg();
    return reduced("binaryCrossEntropy", weight ? l.mul(weight) : l, reduction);
  },
});
/**
 * `binaryCrossEntropy(sigmoid(x), t)` without overflow; `posWeight` weighs positive targets.
 * @example binaryCrossEntropyWithLogits(tensor([0.5, -1]), tensor([1, 0.5])) // => 0.6437
 */
export const binaryCrossEntropyWithLogits: Pairwise<LossOptions & { posWeight?: Tensor | null }> = /*@__PURE__*/ composite({
  torch: "nn.functional.binary_cross_entropy_with_logits",
  params: ["input", "target", "weight?", "sizeAverage?", "reduce?", REDUCTION, "posWeight?"],
  forward: (x: Tensor, t: Tensor, weight?: Tensor, sizeAverage?: boolean, reduce?: boolean, given = "mean", posWeight?: Tensor) => {
    const reduction = modern(given, sizeAverage, reduce);
    real("binaryCrossEntropyWithLogits", x, t);
    if (!sameShape(x.shape, t.shape))
      throw new ShapeError({
        op: "binaryCrossEntropyWithLogits",
        message: `input ${showShape(x.shape)}, target ${showShape(t.shape)}`,
        hint: "They must be equal",
      });
    const ls = logsigmoid(x);
    const l = posWeight ? t.neg().add(1).mul(x).sub(posWeight.sub(1).mul(t).add(1).mul(ls)) : t.neg().add(1).mul(x).sub(ls);
    return reduced("binaryCrossEntropyWithLogits", weight ? l.mul(weight) : l, reduction);
  },
});

/** Options of `nllLoss`. */
export interface NllOptions extends LossOptions {
  /** A class that counts for nothing (default -100). */
  ignoreIndex?: number;
}
// The class dimension last: [N, C, …] → [M, C], targets → [M].
const byClass = (x: Tensor): Tensor => (x.ndim <= 2 ? x : x.movedim(1, -1).reshape([-1, x.shape[1]!]));
function checkClasses(op: string, x: Tensor, t: Tensor): void {
  if (t.dtype !== "int64" && t.dtype !== "uint8" && t.dtype !== "int32")
    throw new DTypeError({ op, message: `targets are ${t.dtype}`, hint: "Class targets are int64" });
  const want = x.ndim === 1 ? [] : [x.shape[0]!, ...x.shape.slice(2)];
  if (x.ndim === 0 || !sameShape(t.shape, want))
    throw new ShapeError({
      op,
      message: `input ${showShape(x.shape)}, target ${showShape(t.shape)}`,
      hint: `The target must be ${showShape(want)}: one class for every row of scores`,
    });
}
/**
 * `-x[target]`: the loss of log-probabilities [N, C, …] and classes [N, …]; `weight` [C] weighs classes.
 * @throws IndexError for a class outside [0, C)
 * @example nllLoss(tensor([[-0.5, -1.5]]), tensor([1])) // => 1.5
 */
export const nllLoss: Fn<[input: Tensor, target: Tensor, options?: NllOptions]> = /*@__PURE__*/ composite({
  torch: "nn.functional.nll_loss",
  params: ["input", "target", "weight?", "sizeAverage?", "ignoreIndex?", "reduce?", REDUCTION],
  forward: (x: Tensor, t: Tensor, weight?: Tensor, sizeAverage?: boolean, ignoreIndex = -100, reduce?: boolean, given = "mean") => {
    const reduction = modern(given, sizeAverage, reduce);
    real("nllLoss", x);
    checkClasses("nllLoss", x, t);
    const flat = byClass(x.ndim === 1 ? x.unsqueeze(0) : x);
    const classes = t.long().reshape([-1]);
    const keep = classes.ne(ignoreIndex);
    const safe = classes.where(keep, 0);
    checkRange("nllLoss", safe, flat.shape[1]!);
    const w = weight ? weight.indexSelect(0, safe).mul(keep) : keep.to(x.dtype);
    const l = flat.gather(1, safe.unsqueeze(1)).squeeze(1).where(keep, 0).mul(w).neg();
    if (reduction === "mean") return l.sum().div(w.sum());
    return reduction === "none" ? l.reshape(t.shape) : reduced("nllLoss", l, reduction);
  },
});
function checkRange(op: string, t: Tensor, classes: number): void {
  if (t.device === "meta" || t.layout.numel === 0) return;
  const [low, high] = [t.min().itemSync(), t.max().itemSync()];
  if (low < 0 || high >= classes)
    throw new IndexError({
      op,
      message: `target ${low < 0 ? low : high} is out of range for ${classes} classes`,
      hint: `Classes run from 0 to ${classes - 1}`,
    });
}

const XENT = /*@__PURE__*/ fused("crossEntropy");
const XENT_BACKWARD = /*@__PURE__*/ fused("crossEntropyBackward");
// Row losses of logits [N, C] without weights, one pass over the logits each way.
const rowEntropy = /*@__PURE__*/ primitive<
  (x: Tensor, t: Tensor, ignoreIndex: number, smoothing: number) => Tensor,
  [Tensor, Tensor, number, number]
>({
  torch: "_cross_entropy_rows",
  params: ["input", "target", "ignoreIndex", "smoothing"],
  forward: (ctx: Context<[Tensor, Tensor, number, number]>, x, t, ignoreIndex, smoothing) => {
    const logits = x.contiguous();
    const n = x.shape[0]!;
    const [loss, lse] = [allocate([n], x.dtype, x.storage.device), allocate([n], x.dtype, x.storage.device)];
    launch("crossEntropy", XENT, [loss, lse], [logits, t.contiguous()], [ignoreIndex, smoothing]);
    ctx.saveForBackward(logits, t.contiguous(), lse);
    return loss;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const [x, t, lse] = ctx.savedTensors as [Tensor, Tensor, Tensor];
    const [, , ignoreIndex, smoothing] = ctx.args;
    if (isGradEnabled()) {
      const keep = t.ne(ignoreIndex);
      const p = x.sub(x.logsumexp(1, { keepdim: true })).exp();
      const hot = p
        .detach()
        .mul(0)
        .scatter(1, t.where(keep, 0).unsqueeze(1), 1 - smoothing)
        .add(smoothing / x.shape[1]!);
      return [p.sub(hot).mul(g.mul(keep).unsqueeze(1))];
    }
    const gx = allocate(x.shape, x.dtype, x.storage.device);
    launch("crossEntropy", XENT_BACKWARD, [gx], [g, x, t, lse], [ignoreIndex, smoothing]);
    return [gx];
  },
});

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions extends NllOptions {
  /** Share of the target that is spread over all classes (default 0). Szegedy et al. 2016. */
  labelSmoothing?: number;
}
/**
 * `nllLoss(logSoftmax(x))` for scores [N, C, …] and classes [N, …], or probabilities of the scores' own shape.
 * @throws ShapeError, DTypeError, IndexError for targets that do not fit.
 * @example crossEntropy(tensor([[0.5, 0.5]]), tensor([0])) // => 0.6931
 */
export const crossEntropy: Fn<[input: Tensor, target: Tensor, options?: CrossEntropyOptions]> = /*@__PURE__*/ composite({
  torch: "nn.functional.cross_entropy",
  params: ["input", "target", "weight?", "sizeAverage?", "ignoreIndex?", "reduce?", REDUCTION, "labelSmoothing?"],
  forward: (
    x: Tensor,
    t: Tensor,
    weight?: Tensor,
    sizeAverage?: boolean,
    ignoreIndex = -100,
    reduce?: boolean,
    given = "mean",
    smoothing = 0,
  ) => {
    const reduction = modern(given, sizeAverage, reduce);
    if (!(smoothing >= 0 && smoothing <= 1))
      throw new ValueError({ op: "crossEntropy", message: `labelSmoothing is ${smoothing}`, hint: "It lies in [0, 1]" });
    const classDim = x.ndim === 1 ? 0 : 1;
    const c = x.shape[classDim] ?? 1;
    if (sameShape(x.shape, t.shape) && isFloating(t.dtype)) {
      const p = smoothing > 0 ? t.mul(1 - smoothing).add(smoothing / c) : t;
      const lp = logSoftmax(x, classDim);
      const w = weight ? weight.reshape(x.shape.map((n, d) => (d === classDim ? n : 1))) : null;
      const l = (w ? lp.mul(p).mul(w) : lp.mul(p)).sum(classDim).neg();
      return reduction === "mean" ? l.sum().div(Math.max(1, l.layout.numel)) : reduced("crossEntropy", l, reduction);
    }
    checkClasses("crossEntropy", x, t);
    if (!weight && x.layout.numel > 0 && offers(x, XENT)) {
      const flat = byClass(x.ndim === 1 ? x.unsqueeze(0) : x);
      const classes = t.long().reshape([-1]);
      const l = rowEntropy(flat, classes, ignoreIndex, smoothing);
      if (reduction === "mean") return l.sum().div(classes.ne(ignoreIndex).sum().to(x.dtype));
      return reduction === "none" ? l.reshape(t.shape) : reduced("crossEntropy", l, reduction);
    }
    const lp = logSoftmax(x, classDim);
    const options = { weight: weight ?? null, ignoreIndex, reduction: reduction as Reduction };
    if (smoothing === 0) return nllLoss(lp, t, options);
    const flat = byClass(lp.ndim === 1 ? lp.unsqueeze(0) : lp);
    const classes = t.long().reshape([-1]);
    const keep = classes.ne(ignoreIndex);
    const all = (weight ? flat.mul(weight) : flat).sum(1).neg().where(keep, 0);
    const nll = nllLoss(flat, classes, { ...options, reduction: "none" });
    const l = nll.mul(1 - smoothing).add(all.mul(smoothing / c));
    if (reduction === "mean")
      return l.sum().div(weight ? weight.indexSelect(0, classes.where(keep, 0)).mul(keep).sum() : keep.sum().to(x.dtype));
    return reduction === "none" ? l.reshape(t.shape) : reduced("crossEntropy", l, reduction);
  },
});
/**
 * `x · y / (max(‖x‖, eps) max(‖y‖, eps))` along `dim` (default 1), broadcasting.
 * @example cosineSimilarity(tensor([[1.5, 0]]), tensor([[3, 4.5]])) // => [0.5547]
 */
export const cosineSimilarity: Fn<[x1: Tensor, x2: Tensor, options?: { dim?: number; eps?: number }]> = /*@__PURE__*/ composite({
  torch: "nn.functional.cosine_similarity",
  params: ["x1", "x2", "dim?", "eps?"],
  forward: (a: Tensor, b: Tensor, dim = 1, eps = 1e-8) =>
    a
      .div(a.norm(2, dim, { keepdim: true }).clamp(eps))
      .mul(b.div(b.norm(2, dim, { keepdim: true }).clamp(eps)))
      .sum(dim),
});
