// What a request for text orders: prompts, how many answers to each, and how their tokens are chosen.
import { given } from "../core/arguments.ts";
import type { Tensor } from "../core/tensor.ts";
import { settingsOf } from "../generation/options.ts";
import { changed, type LogitsProcessor, places, type Row } from "../generation/processor.ts";
import type { GenerateOptions } from "../generation/index.ts";
import { tensor } from "../ops/create.ts";
import type { Fields } from "./fields.ts";
import { clientsFault, invalid } from "./httpError.ts";
import type { TextService } from "./service.ts";
import { Sequence } from "./work.ts";

/** A request for text. */
export interface Order {
  /** One for each choice of each prompt, in the order of their indices. */
  readonly sequences: readonly Sequence[];
  readonly stream: boolean;
  /** Tell the usage at the end of a stream? */
  readonly includeUsage: boolean;
  /** Give log-probabilities? */
  readonly logprobs: boolean;
  /** Of each prompt: text that goes before its answers. */
  readonly echo: readonly string[] | null;
}

/** Fields that all requests for text have. The last three are not OpenAI's; other servers know them by these names. */
export const COMMON: readonly string[] = [
  "model",
  "frequency_penalty",
  "logit_bias",
  "max_tokens",
  "n",
  "presence_penalty",
  "response_format",
  "seed",
  "stop",
  "stream",
  "stream_options",
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "repetition_penalty",
];

/** Adds fixed numbers to the scores of some tokens. */
class LogitBias implements LogitsProcessor {
  readonly #ids: readonly number[];
  readonly #bias: Float32Array;
  constructor(bias: ReadonlyMap<number, number>) {
    this.#ids = [...bias.keys()];
    this.#bias = Float32Array.from(bias.values());
  }
  process(rows: readonly Row[], scores: Tensor): Tensor {
    const vocabSize = scores.shape.at(-1)!;
    const bias = tensor(Float32Array.from(rows.flatMap(() => [...this.#bias])), { device: scores.device });
    return changed(
      scores,
      places(
        rows.map(() => this.#ids),
        vocabSize,
      ),
      (s) => s.add(bias),
    );
  }
}
function biasOf(body: Fields, vocabSize: number): LogitsProcessor | null {
  const entries = Object.entries(body.record("logit_bias") ?? {});
  if (entries.length === 0) return null;
  if (entries.length > 1024) throw invalid("logit_bias", `logit_bias has ${entries.length} entries, 1024 are allowed.`);
  const bias = new Map<number, number>();
  for (const [key, value] of entries) {
    const id = /^\d+$/.test(key) ? Number(key) : Number.NaN;
    if (!(id < vocabSize)) throw invalid("logit_bias", `logit_bias names ${given(key)}, which is no token id below ${vocabSize}.`);
    if (typeof value !== "number" || !(value >= -100 && value <= 100))
      throw invalid("logit_bias", `logit_bias of ${key} is ${given(value)}, expected a number from -100 to 100.`);
    bias.set(id, value);
  }
  return new LogitBias(bias);
}

// What is drawn without a seed is not to be foretold from what was drawn before.
const randomSeed = (): bigint => crypto.getRandomValues(new BigUint64Array(1))[0]! >> 1n;

/** What the routes read themselves. */
export interface OrderParts {
  readonly prompts: readonly (readonly number[])[];
  /** The field that prompts came in. */
  readonly param: string;
  /** Where there is none in the body; null: what the context leaves. */
  readonly maxTokens: number | undefined;
  readonly defaultMaxTokens: number | null;
  readonly logprobs: boolean;
  readonly topLogprobs: number;
  readonly echo: readonly string[] | null;
}

/** Reads what is common to requests for text. @throws HttpError 400 */
export async function orderOf(service: TextService, body: Fields, parts: OrderParts): Promise<Order> {
  const { tokenizer, maxLength, maxChoices } = service.parts;
  const defaults = service.defaults;
  const n = body.number("n", { min: 1, max: maxChoices, whole: true }) ?? 1;
  const total = n * parts.prompts.length;
  if (total > maxChoices) throw invalid(parts.param, `${total} answers asked for in one request, ${maxChoices} are allowed.`);
  for (const ids of parts.prompts) service.checkPrompt(parts.param, ids, parts.maxTokens ?? 1);
  const stop = body.texts("stop", 16) ?? [];
  if (stop.includes("")) throw invalid("stop", "stop has an empty text, which would stop everything.");

  const temperature = body.number("temperature", { min: 0, max: 2 }) ?? defaults.temperature ?? 1;
  const topP = body.number("top_p", { min: 0, max: 1 }) ?? defaults.topP ?? 1;
  const bias = biasOf(body, service.lm.config.vocabSize);
  const format = await service.formats.processor(body);
  const seed = body.number("seed", { whole: true });
  const stream = body.flag("stream") ?? false;
  const streamOptions = body.object("stream_options", ["include_usage", "include_obfuscation"]);
  if (streamOptions && !stream) throw invalid("stream_options", "stream_options is only for stream: true.");

  const options: GenerateOptions = {
    doSample: temperature > 0 && topP > 0,
    temperature: temperature > 0 ? temperature : 1,
    topP: topP > 0 ? topP : 1,
    topK: body.number("top_k", { min: 0, whole: true }) ?? defaults.topK ?? 0,
    minP: body.number("min_p", { min: 0, max: 1 }) ?? defaults.minP ?? null,
    repetitionPenalty: body.number("repetition_penalty", { min: 0.01, max: 10 }) ?? defaults.repetitionPenalty ?? 1,
    frequencyPenalty: body.number("frequency_penalty", { min: -2, max: 2 }) ?? 0,
    presencePenalty: body.number("presence_penalty", { min: -2, max: 2 }) ?? 0,
    stopStrings: stop,
    tokenizer,
    eosTokenId: service.eosTokenId,
    logprobs: parts.logprobs,
    topLogprobs: parts.topLogprobs,
    logitsProcessor: [...(bias ? [bias] : []), ...(format ? [format] : [])],
  };
  const first = seed === undefined ? randomSeed() : BigInt.asUintN(64, BigInt(seed));
  const deadline = service.deadline();
  const sequences = await clientsFault(parts.param, () =>
    Array.from({ length: total }, (_, i) => {
      const prompt = parts.prompts[Math.floor(i / n)]!;
      const maxNewTokens = Math.min(parts.maxTokens ?? parts.defaultMaxTokens ?? maxLength, maxLength - prompt.length);
      const settings = settingsOf(parts.param, service.lm, { ...options, maxNewTokens, seed: BigInt.asUintN(64, first + BigInt(i % n)) });
      return new Sequence(prompt, settings, deadline);
    }),
  );
  return {
    sequences,
    stream,
    includeUsage: streamOptions?.flag("include_usage") ?? false,
    logprobs: parts.logprobs,
    echo: parts.echo && sequences.map((_, i) => parts.echo![Math.floor(i / n)]!),
  };
}
