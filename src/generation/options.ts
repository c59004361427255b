// The options of generation: their names and defaults are those of transformers' GenerationConfig, in camelCase.
import { checkOptions, given } from "../core/arguments.ts";
import { ArgumentError, ValueError } from "../core/errors.ts";
import { defaultGenerator, Generator } from "../core/rng.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Cache, CausalLM } from "./model.ts";
import type { PrefixCache } from "./prefixCache.ts";
import type { LogitsProcessor } from "./processor.ts";
import { inRange } from "./processors/range.ts";
import { tokenIds } from "./processors/tokens.ts";

/** What turns token ids into text: any tokenizer of firebrand/tokenizers, or one of your own. */
export interface Decoder {
  decode(ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): string;
  /** Text piece by piece, never half a character; without it, pieces are what `decode` gives for the last few ids. */
  decodeStream?(options?: { readonly skipSpecialTokens?: boolean }): PieceStream;
}
/** Text of ids that come one by one. */
export interface PieceStream {
  /** The text that has become certain with this id. */
  push(id: number): string;
  /** The rest. */
  end(): string;
}

/** Options of `generate` and `stream`. */
export interface GenerateOptions {
  /** int64 [B, T]: 0 where a prompt is padded on its left. Default: where `padTokenId` stands, if that is no end-of-sequence token. */
  readonly attentionMask?: Tensor | null;
  /** At most so many new tokens. Default 20, or what `maxLength` leaves. */
  readonly maxNewTokens?: number | null;
  /** At most so many tokens, prompt included. Not together with `maxNewTokens`. */
  readonly maxLength?: number | null;
  /** No end-of-sequence token before so many new tokens. Default 0. */
  readonly minNewTokens?: number | null;
  /** Draw tokens by their probabilities? Default false: the likeliest. */
  readonly doSample?: boolean;
  /** Divides the scores before a draw: below 1 the likely becomes likelier. Default 1. Like all options to `typicalP` read with `doSample` only. */
  readonly temperature?: number | null;
  /** Draw among so many likeliest tokens; 0 for all. Default 50. */
  readonly topK?: number | null;
  /** Draw among the likeliest tokens whose probabilities sum to this. Default 1: all. */
  readonly topP?: number | null;
  /** Draw among tokens at least so many times as likely as the likeliest. */
  readonly minP?: number | null;
  /** Draw among the most typical tokens whose probabilities sum to this. Default 1: all. */
  readonly typicalP?: number | null;
  /** Above 1: tokens of the prompt and of the answer become less likely. Default 1. */
  readonly repetitionPenalty?: number | null;
  /** What each earlier occurrence in the answer costs a token. Default 0. */
  readonly frequencyPenalty?: number | null;
  /** What having occurred in the answer costs a token. Default 0. */
  readonly presencePenalty?: number | null;
  /** No run of so many tokens twice; 0 allows all. Default 0. */
  readonly noRepeatNgramSize?: number | null;
  /** Token sequences that may not come. */
  readonly badWordsIds?: readonly (readonly number[])[] | null;
  /** Tokens that may not come. */
  readonly suppressTokens?: readonly number[] | null;
  /** Your own processors of the scores, after those above and before those that only a draw has. */
  readonly logitsProcessor?: readonly LogitsProcessor[] | null;
  /** Beams of beam search. Default 1: none. */
  readonly numBeams?: number;
  /** Beams are compared by log-probability / length ** lengthPenalty: above 0 favours long ones. Default 1. */
  readonly lengthPenalty?: number | null;
  /** Stop as soon as `numBeams` are finished (true), when better ones are unlikely (false, the default), or only when impossible ("never"). */
  readonly earlyStopping?: boolean | "never";
  /** Answers for each prompt: the best beams, or independent draws. Default 1. */
  readonly numReturnSequences?: number;
  /** The token or tokens that end an answer. Default: the model's. */
  readonly eosTokenId?: number | readonly number[] | null;
  /** What fills up shorter rows. Default: the model's, else the first of `eosTokenId`. */
  readonly padTokenId?: number | null;
  /** Texts that end an answer when they come; needs `tokenizer`. */
  readonly stopStrings?: string | readonly string[] | null;
  /** Turns ids into text: for `stopStrings`, and for the text of streamed pieces. */
  readonly tokenizer?: Decoder | null;
  /** Seeds the draws of this call. Not together with `generator`. */
  readonly seed?: number | bigint | null;
  /** Source of the draws. Default: the default generator. */
  readonly generator?: Generator | null;
  /** Give the log-probability of every chosen token, under the model's own distribution? Default false. */
  readonly logprobs?: boolean;
  /** Give so many likeliest tokens for every chosen one too, with their log-probabilities. */
  readonly topLogprobs?: number | null;
  /** Keep the processed scores of every step? Default false. */
  readonly outputScores?: boolean;
  /** Keep the model's logits of every step? Default false. */
  readonly outputLogits?: boolean;
  /** A cache to use and extend, for the next turn. What it holds must be the beginning of the prompt. */
  readonly cache?: Cache | null;
  /** Caches of earlier calls: what the prompt shares with one of them is not computed again. One prompt at a time. */
  readonly prefixCache?: PrefixCache | null;
  /** Feed the prompt in parts of so many tokens: less memory at once, and other work in between. */
  readonly prefillChunkSize?: number | null;
  /** A small, fast model with the same vocabulary, whose guesses the model checks several at a time. */
  readonly assistantModel?: CausalLM | null;
  /** How many tokens the assistant guesses at a time. Default 5. */
  readonly numAssistantTokens?: number;
  /** Ends generation between two tokens; what was made so far is given, with "aborted" as the reason. */
  readonly signal?: AbortSignal | null;
}

const DECLARED = [
  "attentionMask?: tensor",
  "maxNewTokens?: positive",
  "maxLength?: positive",
  "minNewTokens?: count",
  "doSample?: flag",
  "temperature?: number",
  "topK?: count",
  "topP?: number",
  "minP?: number",
  "typicalP?: number",
  "repetitionPenalty?: number",
  "frequencyPenalty?: number",
  "presencePenalty?: number",
  "noRepeatNgramSize?: count",
  "badWordsIds?: array",
  "suppressTokens?: list",
  "logitsProcessor?: objects",
  "numBeams?: positive",
  "lengthPenalty?: number",
  "earlyStopping?: flag|never",
  "numReturnSequences?: positive",
  "eosTokenId?: counts",
  "padTokenId?: count",
  "stopStrings?: text|texts",
  "tokenizer?: object",
  "seed?: any",
  "generator?: generator",
  "logprobs?: flag",
  "topLogprobs?: count",
  "outputScores?: flag",
  "outputLogits?: flag",
  "cache?: object",
  "prefixCache?: object",
  "prefillChunkSize?: positive",
  "assistantModel?: object|function",
  "numAssistantTokens?: positive",
  "signal?: object",
];

/** The options with their defaults filled in. */
export interface Settings {
  readonly attentionMask: Tensor | null;
  readonly maxNewTokens: number | null;
  readonly maxLength: number | null;
  readonly minNewTokens: number;
  readonly doSample: boolean;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number | null;
  readonly typicalP: number;
  readonly repetitionPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly noRepeatNgramSize: number;
  readonly badWordsIds: readonly (readonly number[])[];
  readonly suppressTokens: readonly number[];
  readonly logitsProcessor: readonly LogitsProcessor[];
  readonly numBeams: number;
  readonly lengthPenalty: number;
  readonly earlyStopping: boolean | "never";
  readonly numReturnSequences: number;
  readonly eosTokenId: readonly number[];
  readonly padTokenId: number | null;
  readonly stopStrings: readonly string[];
  readonly tokenizer: Decoder | null;
  readonly generator: Generator;
  readonly logprobs: boolean;
  readonly topLogprobs: number;
  readonly outputScores: boolean;
  readonly outputLogits: boolean;
  readonly cache: Cache | null;
  readonly prefixCache: PrefixCache | null;
  readonly prefillChunkSize: number | null;
  readonly assistantModel: CausalLM | null;
  readonly numAssistantTokens: number;
  readonly signal: AbortSignal | null;
}

/** Checks the options of a call and fills in the model's defaults, then transformers'. `op` is what was called. */
export function settingsOf(op: string, model: CausalLM, options: GenerateOptions | null | undefined): Settings {
  if (typeof (model as Partial<CausalLM> | null)?.forward !== "function" || typeof model.newCache !== "function")
    throw new ArgumentError({
      op,
      message: `the model is ${given(model)}`,
      hint: "Give a causal language model: forward(inputIds, { cache }) and newCache({ batch, length })",
    });
  const own = checkOptions(op, DECLARED, options);
  const o = { ...checkOptions(`${op} (generationConfig)`, DECLARED, model.generationConfig), ...own };
  const range = (name: keyof GenerateOptions, what: string, ok: (x: number) => boolean, hint?: string): void => {
    const x = o[name];
    if (x !== undefined) inRange(op, name, x, what, ok(x as number), hint);
  };
  const conflict = (message: string, hint: string): never => {
    throw new ArgumentError({ op, message, hint });
  };
  if (o.doSample) {
    range("temperature", "> 0", (t) => t > 0, "Greedy search is { doSample: false }");
    range("topP", "in (0, 1]", (p) => p > 0 && p <= 1);
    range("minP", "in [0, 1]", (p) => p >= 0 && p <= 1);
    range("typicalP", "in (0, 1]", (p) => p > 0 && p <= 1);
  }
  range("repetitionPenalty", "> 0", (p) => p > 0);
  range("frequencyPenalty", "that is finite", Number.isFinite);
  range("presencePenalty", "that is finite", Number.isFinite);
  if (own.maxLength != null && own.maxNewTokens != null)
    conflict(`maxLength ${own.maxLength} and maxNewTokens ${own.maxNewTokens} are both given`, "Give one of them");
  if (own.seed != null && own.generator != null) conflict("seed and generator are both given", "Give one of them");
  if (own.cache != null && own.prefixCache != null) conflict("cache and prefixCache are both given", "Give one of them");
  const numBeams = o.numBeams ?? 1;
  const numReturnSequences = o.numReturnSequences ?? 1;
  if (numBeams > 1 && numReturnSequences > numBeams)
    conflict(`${numReturnSequences} numReturnSequences of ${numBeams} beams`, "numReturnSequences may be at most numBeams");
  if (numBeams === 1 && numReturnSequences > 1 && !o.doSample)
    conflict(`${numReturnSequences} numReturnSequences of a greedy search would all be the same`, "Pass doSample: true, or numBeams");
  if (o.assistantModel != null) {
    if (typeof o.assistantModel.forward !== "function") conflict("assistantModel has no forward", "Give a causal language model");
    if (numBeams > 1) conflict("assistantModel with numBeams", "Use one of them");
    if (o.assistantModel.config.vocabSize !== model.config.vocabSize)
      throw new ValueError({
        op,
        message: `the assistant has a vocabulary of ${o.assistantModel.config.vocabSize}, the model one of ${model.config.vocabSize}`,
        hint: "A draft model must share the model's tokenizer",
      });
  }
  const stopStrings = typeof o.stopStrings === "string" ? [o.stopStrings] : (o.stopStrings ?? []);
  if (stopStrings.some((s) => s === "")) conflict("an empty text in stopStrings", "It would stop everything: leave it out");
  if (stopStrings.length > 0 && typeof o.tokenizer?.decode !== "function")
    conflict("stopStrings without a tokenizer", "Pass tokenizer: it must have decode(ids)");
  for (const p of o.logitsProcessor ?? [])
    if (typeof p.process !== "function") conflict(`a logitsProcessor is ${given(p)}, without process`, "Implement process(rows, scores)");
  const eosTokenId = tokenIds(op, "eosTokenId", o.eosTokenId ?? model.config.eosTokenId ?? [], { empty: true });
  return {
    attentionMask: o.attentionMask ?? null,
    maxNewTokens: own.maxLength != null ? null : (o.maxNewTokens ?? null),
    maxLength: own.maxNewTokens != null ? null : (o.maxLength ?? null),
    minNewTokens: o.minNewTokens ?? 0,
    doSample: o.doSample ?? false,
    temperature: o.temperature ?? 1,
    topK: o.topK ?? 50,
    topP: o.topP ?? 1,
    minP: o.minP ?? null,
    typicalP: o.typicalP ?? 1,
    repetitionPenalty: o.repetitionPenalty ?? 1,
    frequencyPenalty: o.frequencyPenalty ?? 0,
    presencePenalty: o.presencePenalty ?? 0,
    noRepeatNgramSize: o.noRepeatNgramSize ?? 0,
    badWordsIds: o.badWordsIds ?? [],
    suppressTokens: o.suppressTokens ?? [],
    logitsProcessor: o.logitsProcessor ?? [],
    numBeams,
    lengthPenalty: o.lengthPenalty ?? 1,
    earlyStopping: o.earlyStopping ?? false,
    numReturnSequences,
    eosTokenId,
    padTokenId: o.padTokenId ?? [model.config.padTokenId ?? []].flat()[0] ?? eosTokenId[0] ?? null,
    stopStrings,
    tokenizer: o.tokenizer ?? null,
    generator: o.seed != null ? new Generator().manualSeed(o.seed) : (o.generator ?? defaultGenerator),
    logprobs: (o.logprobs ?? false) || (o.topLogprobs ?? 0) > 0,
    topLogprobs: o.topLogprobs ?? 0,
    outputScores: o.outputScores ?? false,
    outputLogits: o.outputLogits ?? false,
    cache: o.cache ?? null,
    prefixCache: o.prefixCache ?? null,
    prefillChunkSize: o.prefillChunkSize ?? null,
    assistantModel: o.assistantModel ?? null,
    numAssistantTokens: o.numAssistantTokens ?? 5,
    signal: o.signal ?? null,
  };
}
