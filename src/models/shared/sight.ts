// Which keys the queries of a forward pass may see: made once, used by every layer.
import { ShapeError, showShape, ValueError } from "../../core/errors.ts";
import { noGrad } from "../../core/mode.ts";
import type { Tensor } from "../../core/tensor.ts";
import { arange, ones, tensor, zeros } from "../../ops/create.ts";
import { scaledDotProductAttention } from "../../ops/attention.ts";
import { dropout } from "../../ops/sparse.ts";
import { CacheBatch, type Keys } from "./cache.ts";

// Added where a query may not look. Finite: a query of padding, which sees nothing, then averages instead of giving NaN.
const HIDDEN = -3e38;

/** How attention is computed in a layer. */
export interface AttentionStyle {
  /** Factor of the scores. */
  readonly scale: number;
  /** How many positions back a query sees; null: all. */
  readonly window?: number | null;
  /** Scores become cap · tanh(score / cap): Gemma 2. */
  readonly softcap?: number | null;
  /** Dropout of the weights. */
  readonly dropoutP?: number;
  /** Added to the scores instead of the view's own mask: what `biased` made. */
  readonly mask?: Tensor;
}

/**
 * The view that T queries have of S keys: those of the cache and their own, unless `keys` says otherwise (cross attention).
 * `padding` [B, S] is 0 where a key is padding. Causal: the queries are the last of the keys, and see none after themselves.
 */
export class Sight {
  readonly #queries: number;
  readonly #keys: number;
  readonly #padding: Tensor | null;
  readonly #causal: boolean;
  readonly #segments: Tensor | null;
  readonly #device: string;
  readonly #masks = new Map<string, Tensor | null>();

  /**
   * @throws ShapeError when the padding is not [B, S], or `segments` (the document of each token) not [B, T]; ValueError for segments with a cache.
   * `keys`: how many there are where they are not those of the cache and the inputs (cross attention).
   */
  constructor(
    x: Tensor,
    cache: Keys | null,
    padding: Tensor | null,
    more: { causal?: boolean; keys?: number; segments?: Tensor | null } = {},
  ) {
    const { causal = true, keys = (cache?.length ?? 0) + x.shape[1]!, segments = null } = more;
    const [b, t] = x.shape as [number, number];
    if (segments && (segments.ndim !== 2 || segments.shape[0] !== b || segments.shape[1] !== t))
      throw new ShapeError({
        op: "forward",
        message: `segmentIds ${showShape(segments.shape)} for inputs ${showShape([b, t])}`,
        hint: "They must be of the inputs' shape: the number of each token's document",
      });
    if (segments && cache)
      throw new ValueError({ op: "forward", message: "segmentIds with a cache", hint: "Packed rows are for training" });
    this.#segments = segments;
    this.#queries = t;
    this.#keys = keys;
    this.#causal = causal;
    this.#device = x.device;
    if (padding && (padding.ndim !== 2 || padding.shape[0] !== b || padding.shape[1] !== this.#keys))
      throw new ShapeError({
        op: "forward",
        message: `attentionMask ${showShape(padding.shape)} for inputs ${showShape([b, t])}${cache ? ` after ${cache.length} positions` : ""}`,
        hint: `It must be ${showShape([b, this.#keys])}: 1 where a token is, 0 where padding is`,
      });
    this.#padding = padding;
  }

  /** `softmax(scale q kᵀ, where visible) v`: q [B, H, T, D], k and v [B, H or fewer, S, D] → [B, H, T, D]. */
  attend(q: Tensor, k: Tensor, v: Tensor, style: AttentionStyle): Tensor {
    const { scale, softcap = null, dropoutP = 0 } = style;
    // Rows of a batch may have fewer queries and keys than all together.
    const [t, s] = [q.shape[2]!, k.shape[2]!];
    const window = this.#causal && style.window && style.window < s ? style.window : null;
    // A lone query without padding sees the last keys and no others: the rest need not be masked.
    if (t === 1 && !this.#padding && window !== null) {
      const from = s - window;
      return this.attend(q, k.narrow(2, from, window), v.narrow(2, from, window), { ...style, window: null });
    }
    const mask = style.mask ?? this.#mask(window, t, s);
    const causal = this.#causal && t > 1;
    if (softcap !== null) {
      const groups = q.shape[1]! / k.shape[1]!;
      const [keys, values] = groups === 1 ? [k, v] : [k.repeatInterleave(groups, 1), v.repeatInterleave(groups, 1)];
      const scores = q.mul(scale).matmul(keys.transpose(-2, -1)).div(softcap).tanh().mul(softcap); // [B, H, T, S]
      const seen = mask ?? (causal ? this.#build(null, t, s) : null);
      const weights = (seen ? scores.add(seen.to(scores.dtype)) : scores).to("float32").softmax(-1).to(q.dtype);
      return (dropoutP > 0 ? dropout(weights, dropoutP, true) : weights).matmul(values);
    }
    const isCausal = mask || !causal ? false : t === s ? true : "lowerRight";
    return scaledDotProductAttention(q, k, v, { scale, dropoutP, attnMask: mask, isCausal, enableGqa: true });
  }

  /** A bias of the scores [1, H, T, S] that hides what this view hides: for `AttentionStyle.mask`. */
  biased(bias: Tensor): Tensor {
    const [t, s] = [this.#queries, this.#keys];
    const hidden = this.#mask(null, t, s) ?? (this.#causal && t > 1 ? this.#build(null, t, s) : null);
    return hidden ? bias.to("float32").add(hidden) : bias;
  }

  // [B or 1, 1, T or 1, S] to add to the scores; null where being causal says it all.
  #mask(window: number | null, t: number, s: number): Tensor | null {
    if (!this.#padding && !this.#segments && (window === null || t === 1)) return null;
    const key = `${window} ${t} ${s}`;
    let mask = this.#masks.get(key);
    if (mask === undefined) this.#masks.set(key, (mask = this.#build(window, t, s)));
    return mask;
  }
  #build(window: number | null, queries: number, s: number): Tensor {
    // All queries see the same keys where only padding hides some.
    const t = this.#causal || window !== null ? queries : 1;
    return noGrad(() => {
      let seen = ones(t, s, { dtype: "bool", device: this.#device });
      if (this.#causal) seen = seen.tril(s - t);
      if (window !== null) seen = seen.triu(s - t - window + 1);
      let all = seen.reshape([1, 1, t, s]);
      if (this.#padding) all = all.logicalAnd(this.#padding.ne(0).reshape([this.#padding.shape[0]!, 1, 1, s]));
      if (this.#segments) {
        const [, n] = this.#segments.shape as [number, number];
        all = all.logicalAnd(this.#segments.reshape([-1, 1, n, 1]).eq(this.#segments.reshape([-1, 1, 1, n])));
      }
      return zeros(all.shape, { device: this.#device }).maskedFill(all.logicalNot(), HIDDEN);
    });
  }
}

/** Positions of tokens: a first one and a count, or [B, T] where rows differ, with the highest. */
export type Positions = { readonly from: number; readonly count: number } | { readonly at: Tensor; readonly last: number };

/** Positions of inputs [B, T]: behind those in the cache; with padding on the left, counted from each row's first token; with segments, from each one's. */
export function positionsOf(inputIds: Tensor, cache: Keys | null, padding: Tensor | null, segments: Tensor | null = null): Positions {
  const count = inputIds.shape[1]!;
  const from = cache?.length ?? 0;
  if (segments) return packedPositions(segments);
  if (cache instanceof CacheBatch) {
    const { lengths, counts } = cache;
    const at = lengths.flatMap((n, i) => Array.from({ length: counts[i]! }, (_, j) => n + j));
    return { at: tensor(at, { dtype: "int64", device: inputIds.device }).view([...inputIds.shape]), last: Math.max(...at) };
  }
  if (!padding) return { from, count };
  const at = noGrad(() => padding.ne(0).cumsum(1).sub(1).clamp(0).narrow(1, from, count));
  return { at, last: from + count - 1 };
}

/** Positions as numbers for a table of embeddings: int64 [B or 1, T]. */
export const tokenPositions = (p: Positions, device: string): Tensor =>
  "at" in p ? p.at : arange(p.from, p.from + p.count, { device }).unsqueeze(0);
// A position is the distance from where the run of equal segment numbers began.
function packedPositions(segments: Tensor): { at: Tensor; last: number } {
  const [b, t] = segments.shape as [number, number];
  const of = segments.toArraySync() as number[][];
  const at = new BigInt64Array(b * t);
  let last = 0;
  for (let i = 0; i < b; i++)
    for (let j = 1; j < t; j++)
      if (of[i]![j] === of[i]![j - 1]) {
        at[i * t + j] = at[i * t + j - 1]! + 1n;
        last = Math.max(last, Number(at[i * t + j]));
      }
  return { at: tensor(at, { device: segments.device }).reshape([b, t]), last };
}
