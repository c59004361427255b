// What encoder-decoder models have in common: a text is encoded once, and the decoder, which sees it, predicts another token by token.
import { checkOptions, checkTensor } from "../core/arguments.ts";
import { ArgumentError, ShapeError, showShape } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { full } from "../ops/create.ts";
import { cat } from "../ops/join.ts";
import { crossEntropy } from "../ops/loss.ts";
import { generate, type GenerateOptions, type GenerateOutput, type Piece, stream } from "../generation/index.ts";
import type { BaseOutput, CacheShape } from "./causal.ts";
import type { CommonConfig, Token } from "./config.ts";
import { readGenerationOptions, writeGenerationOptions } from "./shared/generation.ts";
import { checkIds } from "./shared/ids.ts";
import { PreTrainedModel } from "./pretrained.ts";
import { type Keys, KeyValueCache } from "./shared/cache.ts";

/**
 * An encoded text, with what the decoder's layers make of it: computed once, however many tokens follow.
 * @example
 * const model = new T5ForConditionalGeneration({ vocabSize: 10, dModel: 8, dKv: 4, dFf: 8, numLayers: 1, numHeads: 2 });
 * model.encode(tensor([[3, 4, 1]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class Encoded implements BaseOutput {
  /** [P, S, C] */
  readonly lastHiddenState: Tensor;
  readonly hiddenStates: readonly Tensor[] | null;
  /** int64 [P, S]: 0 where padding is. */
  readonly attentionMask: Tensor | null;
  readonly #keys = new Map<number, readonly [k: Tensor, v: Tensor]>();
  constructor(output: BaseOutput, attentionMask: Tensor | null) {
    this.lastHiddenState = output.lastHiddenState;
    this.hiddenStates = output.hiddenStates;
    this.attentionMask = attentionMask;
  }
  /** Keys and values of a decoder layer, [P, H, S, D] each. @internal */
  keys(layer: number, make: (states: Tensor) => readonly [k: Tensor, v: Tensor]): readonly [k: Tensor, v: Tensor] {
    let kv = this.#keys.get(layer);
    if (!kv) this.#keys.set(layer, (kv = make(this.lastHiddenState)));
    return kv;
  }
}

/** Options of the decoder's pass. */
export interface DecoderOptions {
  /** int64 [B, positions in the cache + T]: 0 where padding is, on the left. */
  readonly decoderAttentionMask?: Tensor | null;
  /** Holds the decoder's positions before; this pass adds its own. */
  readonly cache?: Keys | null;
  /** Return the hidden states before each layer, and the last after the final norm? */
  readonly outputHiddenStates?: boolean;
}
/** Options of an encoder-decoder's `forward`. */
export interface Seq2SeqOptions extends DecoderOptions {
  /** int64 [B, S]: 1 where a token of the encoded text is, 0 where padding is. */
  readonly attentionMask?: Tensor | null;
  /** int64 [B, T] (default: the labels, one place later, behind the start token). */
  readonly decoderInputIds?: Tensor | null;
  /** What `encode` gave: the text is not encoded again, and `inputIds` may be null. */
  readonly encoderOutputs?: Encoded | null;
  /** Compute logits of the last so many positions only (default: all). */
  readonly logitsToKeep?: number;
  /** int64 [B, T]: the tokens that should come; -100 is left out of the loss. */
  readonly labels?: Tensor | null;
}
/** What an encoder-decoder gives. */
export interface Seq2SeqOutput {
  /** [B, T or logitsToKeep, vocabSize] */
  readonly logits: Tensor;
  /** The mean cross-entropy, with `labels`. */
  readonly loss: Tensor | null;
  /** The encoded text: give it to the next call. */
  readonly encoderOutputs: Encoded;
  /** layers + 1 of [B, T, C], with `outputHiddenStates`. */
  readonly decoderHiddenStates: readonly Tensor[] | null;
}
/** For checks. @internal */
export const SEQ2SEQ_OPTIONS: readonly string[] = [
  "attentionMask?: tensor",
  "decoderInputIds?: tensor",
  "decoderAttentionMask?: tensor",
  "encoderOutputs?: object",
  "cache?: object",
  "outputHiddenStates?: flag",
];
const OPTIONS = [...SEQ2SEQ_OPTIONS, "logitsToKeep?: count", "labels?: tensor"];

/** What configurations of encoder-decoders have. */
export interface Seq2SeqConfig extends CommonConfig {
  readonly vocabSize: number;
  /** What a decoder's text starts with; null: padTokenId. */
  readonly decoderStartTokenId: Token;
  readonly padTokenId: Token;
  readonly eosTokenId: Token;
}
/** What `generation_config.json` beside an encoder-decoder's weights says. */
export interface Seq2SeqGeneration extends GenerateOptions {
  /** What a decoder's text starts with; absent: the configuration's. */
  readonly decoderStartTokenId?: number;
}
/** The token that a decoder's text starts with. */
export const startToken = (c: Seq2SeqConfig): number => [c.decoderStartTokenId ?? c.padTokenId ?? 0].flat()[0]!;

/** What a decoder is given so that it predicts `labels`: the start token, then they, the last one left out; -100 becomes padding. */
export function shiftRight(labels: Tensor, config: Seq2SeqConfig): Tensor {
  return noGrad(() => {
    const [b, t] = labels.shape as [number, number];
    const before = full([b, 1], startToken(config), { dtype: "int64", device: labels.device });
    const all = cat([before, labels.narrow(1, 0, t - 1).to("int64")], 1);
    return all.maskedFill(all.eq(-100), [config.padTokenId ?? 0].flat()[0]!);
  });
}

/** Texts that have been encoded, as a language model of what follows: what `generate` wants. */
export interface Conditioned {
  /** Defaults of `generate`: the model's. */
  readonly generationConfig?: GenerateOptions;
  readonly config: { readonly vocabSize: number; readonly eosTokenId: Token; readonly padTokenId: number | null };
  /** The start token of each text: the prompts to begin with. */
  readonly prompts: readonly (readonly number[])[];
  /** Rows may be several times the texts, side by side: the beams of each. */
  forward(
    inputIds: Tensor,
    options?: { attentionMask?: Tensor | null; cache?: KeyValueCache | null; logitsToKeep?: number },
  ): { readonly logits: Tensor };
  newCache(options: { batch: number; length: number }): KeyValueCache;
}

/**
 * A model that turns texts into texts.
 * @example
 * const model = new T5ForConditionalGeneration({ vocabSize: 10, dModel: 8, dKv: 4, dFf: 8, numLayers: 1, numHeads: 2 });
 * const given = model.conditioned(tensor([[3, 4, 1]]));
 * (await generate(given, given.prompts, { maxNewTokens: 4, eosTokenId: [] })).sequences.shape // => [1, 5]
 */
export abstract class Seq2SeqModel<C extends Seq2SeqConfig = Seq2SeqConfig> extends PreTrainedModel<C> {
  /** Sizes of the cache that `newCache` makes. */
  abstract cacheShape(): CacheShape;
  /** The encoder's pass. */
  protected abstract encoding(inputIds: Tensor, options: { attentionMask?: Tensor | null; outputHiddenStates?: boolean }): BaseOutput;
  /** The decoder's pass over an encoded text. */
  protected abstract decoding(inputIds: Tensor, encoded: Encoded, options: DecoderOptions): BaseOutput;
  /** Hidden states of the decoder [B, T, C] → logits [B, T, vocabSize]. */
  abstract head(hidden: Tensor): Tensor;

  /** Defaults of `generate`, from `generation_config.json` beside the weights. */
  generationConfig: Seq2SeqGeneration | undefined = undefined;
  override readGeneration(json: Readonly<Record<string, unknown>>): void {
    const { decoder_start_token_id: start, min_length: shortest } = json;
    this.generationConfig = {
      ...readGenerationOptions(json),
      ...(typeof start === "number" && { decoderStartTokenId: start }),
      // Lengths count the start token.
      ...(typeof shortest === "number" && shortest > 1 && json["min_new_tokens"] == null && { minNewTokens: shortest - 1 }),
    };
  }
  override generationJson(): Record<string, unknown> | null {
    return this.generationConfig ? writeGenerationOptions(this.generationConfig) : null;
  }

  /** Encodes texts, int64 [P, S]. @throws ShapeError, DTypeError; IndexError for a token outside the vocabulary */
  encode(inputIds: Tensor, options?: { attentionMask?: Tensor | null; outputHiddenStates?: boolean }): Encoded {
    const op = `${this.constructor.name}.encode`;
    checkIds(op, "inputIds", inputIds);
    const o = checkOptions(op, ["attentionMask?: tensor", "outputHiddenStates?: flag"], options);
    return new Encoded(this.encoding(inputIds, o), o.attentionMask ?? null);
  }
  /**
   * Logits of the decoder's next tokens: int64 [B, S] encoded, int64 [B, T] decoded → [B, T, vocabSize].
   * @throws ArgumentError without tokens for encoder or decoder; ShapeError, DTypeError; IndexError for a token outside the vocabulary
   */
  forward(inputIds: Tensor | null, options?: Seq2SeqOptions): Seq2SeqOutput {
    const op = `${this.constructor.name}.forward`;
    const o = checkOptions<Seq2SeqOptions>(op, OPTIONS, options);
    const encoded = encodedOf(op, this, inputIds, o);
    const ids = decoderIdsOf(
      op,
      encoded,
      o.decoderInputIds ?? (o.labels ? shiftRight(o.labels, this.config) : null),
      "decoderInputIds or labels",
    );
    const { lastHiddenState, hiddenStates } = this.decoding(ids, encoded, o);
    const t = ids.shape[1]!;
    const keep = o.labels ? t : Math.min(o.logitsToKeep || t, t);
    const logits = this.head(keep === t ? lastHiddenState : lastHiddenState.narrow(1, t - keep, keep));
    return { logits, loss: o.labels ? labelLoss(op, logits, o.labels) : null, encoderOutputs: encoded, decoderHiddenStates: hiddenStates };
  }
  /** A cache of the decoder for `batch` rows of up to `length` positions. @throws ValueError for sizes that are none */
  newCache(options: { batch: number; length: number }): KeyValueCache {
    const { batch, length } = options;
    return new KeyValueCache({ ...this.cacheShape(), batch, length, dtype: this.dtype, device: this.device });
  }
  /**
   * Writes what follows from texts, int64 [P, S], `attentionMask` 0 where they are padded: `await` gives whole answers, `for await` the pieces of one.
   * @throws what `generate` and `stream` of firebrand/generation throw
   * @example
   * const model = new T5ForConditionalGeneration({ vocabSize: 10, dModel: 8, dKv: 4, dFf: 8, numLayers: 1, numHeads: 2 }).eval();
   * (await model.generate(tensor([[3, 4, 1]]), { maxNewTokens: 3, numBeams: 2, eosTokenId: [] })).sequences.shape // => [1, 4]
   */
  generate(inputIds: Tensor, options: GenerateOptions = {}): PromiseLike<GenerateOutput> & AsyncIterable<Piece> {
    const { attentionMask = null, ...o } = options;
    const given = this.conditioned(inputIds, { attentionMask });
    let whole: Promise<GenerateOutput> | null = null;
    return {
      then: (done, failed) => (whole ??= generate(given, given.prompts, o)).then(done, failed),
      [Symbol.asyncIterator]: () => stream(given, given.prompts, o),
    };
  }
  /** Encodes texts, int64 [P, S], and gives what follows them as a language model. @throws ShapeError, DTypeError */
  conditioned(inputIds: Tensor, options?: { attentionMask?: Tensor | null }): Conditioned {
    const encoded = noGrad(() => this.encode(inputIds, options));
    const { vocabSize, eosTokenId, padTokenId } = this.config;
    const { decoderStartTokenId = startToken(this.config), ...generationConfig } = this.generationConfig ?? {};
    return {
      generationConfig,
      config: { vocabSize, eosTokenId, padTokenId: [padTokenId].flat()[0] ?? null },
      prompts: Array.from({ length: inputIds.shape[0]! }, () => [decoderStartTokenId]),
      forward: (decoderInputIds, { attentionMask = null, ...o } = {}) =>
        this.forward(null, { ...o, decoderInputIds, encoderOutputs: encoded, decoderAttentionMask: attentionMask }),
      newCache: (o) => this.newCache(o),
    };
  }
}

/** The encoded text that a call gives or wants made. @throws ArgumentError @internal */
export function encodedOf(
  op: string,
  model: { encode(inputIds: Tensor, options: { attentionMask?: Tensor | null; outputHiddenStates?: boolean }): Encoded },
  inputIds: Tensor | null,
  o: Seq2SeqOptions,
): Encoded {
  if (o.encoderOutputs) return o.encoderOutputs;
  if (!inputIds)
    throw new ArgumentError({ op, message: "neither inputIds nor encoderOutputs are given", hint: "Give tokens, or what encode gave" });
  return model.encode(inputIds, {
    ...(o.attentionMask ? { attentionMask: o.attentionMask } : {}),
    ...(o.outputHiddenStates === undefined ? {} : { outputHiddenStates: o.outputHiddenStates }),
  });
}
/** Checks the decoder's tokens against the texts: as many rows, or a multiple. @throws ArgumentError, ShapeError @internal */
export function decoderIdsOf(op: string, encoded: Encoded, ids: Tensor | null, needed = "decoderInputIds"): Tensor {
  if (!ids) throw new ArgumentError({ op, message: `no ${needed}`, hint: `Give ${needed}` });
  checkTensor(op, "decoderInputIds", ids);
  checkIds(op, "decoderInputIds", ids);
  const texts = encoded.lastHiddenState.shape[0]!;
  if (ids.shape[0]! % texts)
    throw new ShapeError({
      op,
      message: `decoderInputIds ${showShape(ids.shape)} for ${texts} encoded texts`,
      hint: "Give as many rows, or the same multiple for each",
    });
  return ids;
}
function labelLoss(op: string, logits: Tensor, labels: Tensor): Tensor {
  const [b, t, v] = logits.shape as [number, number, number];
  if (showShape(labels.shape) !== showShape([b, t]))
    throw new ShapeError({
      op,
      message: `labels ${showShape(labels.shape)} for logits ${showShape(logits.shape)}`,
      hint: `They must be ${showShape([b, t])}`,
    });
  return crossEntropy(logits.reshape([b * t, v]).to("float32"), labels.reshape([b * t]));
}
