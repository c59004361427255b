// Lookups and masks: embedding, one-hot, dropout.
import type { Context } from "../autograd/function.ts";
import { DTypeError, IndexError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { zeros } from "./create.ts";
import { composite, type Fn, primitive } from "./define.ts";
import { sumInto } from "./indexing/sum-into.ts";
import { allocate } from "./launch.ts";
import { bernoulli_ } from "./random.ts";
import { noGrad } from "../core/mode.ts";

type LookupArgs = [Tensor, Tensor, number | null, boolean];
const lookup = /*@__PURE__*/ primitive<(...args: LookupArgs) => Tensor, LookupArgs>({
  torch: "_embedding",
  params: ["input", "index", "paddingIdx", "byFrequency"],
  forward: (ctx: Context<LookupArgs>, weight, index) => {
    ctx.saveForBackward(index);
    ctx.state["rows"] = weight.shape[0];
    return weight.indexSelect(0, index.reshape([-1])).reshape([...index.shape, weight.shape[1]!]);
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const index = ctx.savedTensors[0]!.reshape([-1]);
    const rows = g.reshape([-1, g.shape.at(-1)!]);
    const pad = ctx.args[2] ?? null;
    const kept = pad === null ? rows : rows.where(index.ne(pad).unsqueeze(1), 0);
    const count = ctx.state["rows"] as number;
    const like = { dtype: g.dtype, device: g.device };
    const often = (): Tensor => zeros([count], like).indexAdd(0, index, zeros(index.shape, like).add(1)).indexSelect(0, index).unsqueeze(1);
    return sumInto(ctx.args[3] ? kept.div(often()) : kept, 0, index.unsqueeze(1).expand(rows.shape), [count, rows.shape[1]!]);
  },
});
/**
 * Rows of `weight` [V, D] for every index [...]: [..., D].
 * @throws IndexError for an index outside [0, V)
 * @example embedding(tensor([1]), tensor([[0.5], [1.5]])) // => [[1.5]]
 */
export const embedding: Fn<
  [
    input: Tensor,
    weight: Tensor,
    options?: { paddingIdx?: number | null; maxNorm?: number | null; normType?: number; scaleGradByFreq?: boolean; sparse?: boolean },
  ]
> = /*@__PURE__*/ composite({
  torch: "nn.functional.embedding",
  params: ["input", "weight", "paddingIdx?", "maxNorm?", "normType?", "scaleGradByFreq?", "sparse?"],
  forward: (index: Tensor, weight: Tensor, paddingIdx?: number, maxNorm?: number, normType = 2, scaleGradByFreq = false) => {
    if (weight.ndim !== 2)
      throw new ShapeError({
        op: "embedding",
        message: `weight ${showShape(weight.shape)}`,
        hint: "It must be [numEmbeddings, embeddingDim]",
      });
    if (index.dtype !== "int64" && index.dtype !== "int32")
      throw new DTypeError({ op: "embedding", message: `indices are ${index.dtype}`, hint: 'Use .to("int64")' });
    if (maxNorm !== undefined)
      noGrad(() => {
        const used = index.reshape([-1]);
        const rows = weight.detach().indexSelect(0, used);
        const norms = rows.norm(normType, 1, { keepdim: true });
        weight.detach().indexCopy_(0, used, rows.mul(norms.add(1e-7).reciprocal().mul(maxNorm).where(norms.gt(maxNorm), 1)));
      });
    return lookup(
      weight,
      index,
      paddingIdx === undefined ? null : paddingIdx < 0 ? paddingIdx + weight.shape[0]! : paddingIdx,
      scaleGradByFreq,
    );
  },
});
/** 1 at each class, 0 elsewhere, int64. @example oneHot(tensor([1]), 3) // => [[0, 1, 0]] */
export const oneHot: Fn<[input: Tensor, numClasses?: number | { numClasses?: number }]> = /*@__PURE__*/ composite({
  torch: "nn.functional.one_hot",
  params: ["input", "numClasses?"],
  differentiable: false,
  forward: (x: Tensor, numClasses = -1) => {
    if (x.dtype !== "int64") throw new DTypeError({ op: "oneHot", message: `indices are ${x.dtype}`, hint: "They must be int64" });
    if (x.layout.numel === 0 && numClasses <= 0) throw new ValueError({ op: "oneHot", message: "no classes given for an empty tensor" });
    const low = x.layout.numel ? x.min().itemSync() : 0;
    const high = x.layout.numel ? x.max().itemSync() : -1;
    const n = numClasses === -1 ? high + 1 : numClasses;
    if (low < 0 || high >= n)
      throw new IndexError({ op: "oneHot", message: `class ${low < 0 ? low : high} is out of range for ${n} classes` });
    return zeros([...x.shape, n], { dtype: "int64", device: x.device }).scatter(-1, x.unsqueeze(-1), 1);
  },
});

/** Options of dropout. */
export interface DropoutOptions {
  /** Probability of zero (default 0.5). */
  p?: number;
  /** Default true; false changes nothing. */
  training?: boolean;
  /** Write into the input? Default false. */
  inplace?: boolean;
}
const checkP = (op: string, p: number): void => {
  if (!(p >= 0 && p <= 1)) throw new ValueError({ op, message: `p is ${p}`, hint: "Probabilities lie in [0, 1]" });
};
type Dropout = Fn<[input: Tensor, p?: number | DropoutOptions, training?: boolean | DropoutOptions, inplace?: boolean]>;
const dropper = (torch: string, maskShape: (x: Tensor) => readonly number[]): Dropout =>
  composite({
    torch,
    params: ["input", "p?", "training?", "inplace?"],
    forward: (x: Tensor, p = 0.5, training = true, inplace = false) => {
      checkP(torch, p);
      if (!training || p === 0) return x;
      const mask = noGrad(() => bernoulli_(allocate(maskShape(x), x.dtype, x.storage.device), 1 - p).div_(p === 1 ? 1 : 1 - p));
      return inplace ? x.mul_(mask) : x.mul(mask);
    },
  });
/**
 * Zeroes each element with probability `p` (default 0.5) and scales the rest by 1 / (1 - p), in training. Srivastava et al. 2014.
 * @throws ValueError for p outside [0, 1]
 * @example (manualSeed(0), dropout(ones(4), 0.5)) // => [0, 0, 2, 0]
 */
export const dropout: Dropout = /*@__PURE__*/ dropper("nn.functional.dropout", (x) => x.shape);
const channels = (x: Tensor, spatial: number): number[] =>
  x.ndim === spatial + 1
    ? [x.shape[0]!, ...new Array<number>(spatial).fill(1)]
    : [x.shape[0]!, x.shape[1]!, ...new Array<number>(Math.max(0, x.ndim - 2)).fill(1)];
/**
 * `dropout` of whole channels of [N, C, L] or [C, L]. Tompson et al. 2015.
 * @throws ValueError for p outside [0, 1]
 * @example (manualSeed(0), dropout1d(ones(1, 3, 2), 0.5)) // => [[[0, 0], [0, 0], [2, 2]]]
 */
export const dropout1d: Dropout = /*@__PURE__*/ dropper("nn.functional.dropout1d", (x) => channels(x, 1));
/**
 * `dropout` of whole channels of [N, C, H, W] or [C, H, W].
 * @throws ValueError for p outside [0, 1]
 * @example dropout2d(ones(1, 3, 2, 2), 0.5, false).shape // => [1, 3, 2, 2]
 */
export const dropout2d: Dropout = /*@__PURE__*/ dropper("nn.functional.dropout2d", (x) => channels(x, x.ndim === 3 ? 1 : 2));
/**
 * `dropout` of whole channels of [N, C, D, H, W] or [C, D, H, W].
 * @throws ValueError for p outside [0, 1]
 * @example dropout3d(ones(1, 3, 2, 2, 2), 0.5, false).shape // => [1, 3, 2, 2, 2]
 */
export const dropout3d: Dropout = /*@__PURE__*/ dropper("nn.functional.dropout3d", (x) => channels(x, 3));
