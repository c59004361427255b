// What causal language models have in common: logits of the next token, a loss, a cache.
import { checkOptions } from "../core/arguments.ts";
import { ShapeError, showShape } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { generate, type GenerateOptions, type GenerateOutput, type InputIds, type Piece, stream } from "../generation/index.ts";
import { crossEntropy } from "../ops/loss.ts";
import type { CommonConfig } from "./config.ts";
import { PreTrainedModel } from "./pretrained.ts";
import type { Keys } from "./shared/cache.ts";
import { KeyValueCache } from "./shared/cache.ts";
import { readGenerationOptions, writeGenerationOptions } from "./shared/generation.ts";
import { checkIds } from "./shared/ids.ts";

/** Options of a causal model's `forward`. */
export interface CausalOptions {
  /** int64 [B, S], S = positions in the cache + T: 1 where a token is, 0 where padding is, which must be on the left. */
  readonly attentionMask?: Tensor | null;
  /** int64 [B, T]: the document that a token is of, where several are packed into a row one after another. Tokens see their own document only. */
  readonly segmentIds?: Tensor | null;
  /** Holds the positions before; this pass adds its own. */
  readonly cache?: Keys | null;
  /** Compute logits of the last so many positions only (default: all). */
  readonly logitsToKeep?: number;
  /** int64 [B, T]: the tokens themselves; the loss compares each position with the next label, -100 is left out. */
  readonly labels?: Tensor | null;
  /** Return the hidden states before each layer, and the last after the final norm? */
  readonly outputHiddenStates?: boolean;
}
/** What a causal model gives. */
export interface CausalOutput {
  /** [B, T or logitsToKeep, vocabSize] */
  readonly logits: Tensor;
  /** The mean cross-entropy, with `labels`. */
  readonly loss: Tensor | null;
  /** layers + 1 of [B, T, C], with `outputHiddenStates`. */
  readonly hiddenStates: readonly Tensor[] | null;
}
/** What a model without head gives. */
export interface BaseOutput {
  /** [B, T, C] after the final norm. */
  readonly lastHiddenState: Tensor;
  readonly hiddenStates: readonly Tensor[] | null;
}
const OPTIONS = [
  "attentionMask?: tensor",
  "segmentIds?: tensor",
  "cache?: object",
  "logitsToKeep?: count",
  "labels?: tensor",
  "outputHiddenStates?: flag",
];

/** Checks what `forward` is given. @throws ShapeError, DTypeError */
export function checkInputs(op: string, inputIds: Tensor, options: CausalOptions | undefined): CausalOptions {
  checkIds(op, "inputIds", inputIds);
  return options === undefined ? {} : checkOptions(op, OPTIONS, options as Record<string, unknown>);
}

/** Shapes of a model's cache. */
export interface CacheShape {
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
}

/**
 * A language model that predicts the next token: what LLaMA, GPT-2 and their kin have in common.
 * @example
 * const model = new GPT2LMHeadModel({ vocabSize: 10, nPositions: 8, nEmbd: 4, nLayer: 1, nHead: 2 }).eval();
 * const cache = model.newCache({ batch: 1, length: 8 });
 * model.forward(tensor([[1, 2, 3]]), { cache });
 * model.forward(tensor([[4]]), { cache }).logits.shape // => [1, 1, 10]
 * cache.length // => 4
 */
export abstract class CausalModel<
  C extends CommonConfig & { readonly vocabSize: number } = CommonConfig & { readonly vocabSize: number },
> extends PreTrainedModel<C> {
  /** Sizes of the cache that `newCache` makes. */
  abstract cacheShape(): CacheShape;
  /** The model without its head. */
  abstract base(inputIds: Tensor, options: CausalOptions): BaseOutput;
  /** Hidden states [B, T, C] → logits [B, T, vocabSize]. */
  abstract head(hidden: Tensor): Tensor;

  /**
   * Logits of the next token at each position: int64 [B, T] → [B, T, vocabSize].
   * @throws ShapeError, DTypeError; IndexError for a token outside the vocabulary
   */
  forward(inputIds: Tensor, options?: CausalOptions): CausalOutput {
    const o = checkInputs(`${this.constructor.name}.forward`, inputIds, options);
    const { lastHiddenState, hiddenStates } = this.base(inputIds, o);
    const t = lastHiddenState.shape[1]!;
    const keep = o.labels ? t : Math.min(o.logitsToKeep || t, t);
    const logits = this.head(keep === t ? lastHiddenState : lastHiddenState.narrow(1, t - keep, keep));
    return { logits, loss: o.labels ? nextTokenLoss(logits, o.labels) : null, hiddenStates };
  }

  /**
   * Continues prompts: `await model.generate(ids, options)` gives whole answers, `for await (const piece of model.generate(ids, options))` the pieces
   * as they come. `inputIds`: int64 [B, T], or arrays of ids.
   * @throws what `generate` and `stream` of firebrand/generation throw
   * @example
   * const model = new GPT2LMHeadModel({ vocabSize: 10, nPositions: 8, nEmbd: 4, nLayer: 1, nHead: 2 }).eval();
   * (await model.generate([[1, 2, 3]], { maxNewTokens: 2, eosTokenId: null })).sequences.shape // => [1, 5]
   * let count = 0;
   * for await (const piece of model.generate([1, 2, 3], { maxNewTokens: 2, eosTokenId: null })) count++;
   * count // => 2
   */
  generate(inputIds: InputIds, options?: GenerateOptions): PromiseLike<GenerateOutput> & AsyncIterable<Piece> {
    let whole: Promise<GenerateOutput> | null = null;
    return {
      then: (done, failed) => (whole ??= generate(this, inputIds, options)).then(done, failed),
      [Symbol.asyncIterator]: () => stream(this, inputIds, options),
    };
  }
  /** Defaults of `generate`, from `generation_config.json` beside the weights. */
  generationConfig: GenerateOptions | undefined = undefined;
  override readGeneration(json: Readonly<Record<string, unknown>>): void {
    this.generationConfig = readGenerationOptions(json);
  }
  override generationJson(): Record<string, unknown> | null {
    return this.generationConfig ? writeGenerationOptions(this.generationConfig) : null;
  }

  /** A cache for `batch` rows of up to `length` positions. @throws ValueError for sizes that are none */
  newCache(options: { batch: number; length: number }): KeyValueCache {
    return new KeyValueCache({
      ...this.cacheShape(),
      batch: options.batch,
      length: options.length,
      dtype: this.dtype,
      device: this.device,
    });
  }
}

/**
 * Mean cross-entropy of logits [B, T, V] at each position against the label [B, T] at the next; -100 is left out.
 * @throws ShapeError
 * @example nextTokenLoss(zeros(1, 3, 2), tensor([[0, 1, 0]])) // => 0.6931
 */
export function nextTokenLoss(logits: Tensor, labels: Tensor): Tensor {
  const [b, t, v] = logits.shape as [number, number, number];
  if (labels.ndim !== 2 || labels.shape[0] !== b || labels.shape[1] !== t)
    throw new ShapeError({
      op: "forward",
      message: `labels ${showShape(labels.shape)} for logits ${showShape(logits.shape)}`,
      hint: "They must be [batch, tokens] as the inputs",
    });
  const flat = logits.narrow(1, 0, t - 1).reshape([b * (t - 1), v]);
  return crossEntropy(flat.to("float32"), labels.narrow(1, 1, t - 1).reshape([b * (t - 1)]));
}
