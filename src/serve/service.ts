// What all routes of a server know.
import { given } from "../core/arguments.ts";
import type { GenerateOptions } from "../generation/index.ts";
import type { CausalLM } from "../generation/model.ts";
import type { CausalModel, SentenceTransformer } from "../models/index.ts";
import type { Tokenizer } from "../tokenizers/index.ts";
import { Formats } from "./constraint.ts";
import type { Fields } from "./fields.ts";
import { HttpError } from "./httpError.ts";
import type { Metrics } from "./metrics.ts";
import type { WorkQueue } from "./queue.ts";

/** What a server is made of. */
export interface ServiceParts {
  readonly tokenizer: Tokenizer;
  readonly scheduler: WorkQueue;
  readonly metrics: Metrics;
  /** The model's id. */
  readonly name: string;
  /** Token ids are below this. */
  readonly vocabSize: number;
  /** Tokens of a prompt and its answer at most. */
  readonly maxLength: number;
  /** Answers to a request at most. */
  readonly maxChoices: number;
  /** Milliseconds that a request may take. */
  readonly timeout: number;
  /** Bytes that may wait for a client that reads slowly. */
  readonly maxUnread: number;
  /** A chat template instead of the tokenizer's. */
  readonly chatTemplate: string | null;
}

/** A model as it is served. */
export class Service {
  readonly parts: ServiceParts;
  /** Seconds since 1970 when it began. */
  readonly created: number = Math.floor(Date.now() / 1000);

  constructor(parts: ServiceParts) {
    this.parts = parts;
  }

  /** A text as token ids. */
  encode(text: string): readonly number[] {
    return this.parts.tokenizer.encode(text);
  }
  /** The time by which a request that comes now must be done. */
  deadline(): number {
    return performance.now() + this.parts.timeout;
  }
  /** Refuses requests for another model. @throws HttpError 404 */
  checkModel(body: Fields): void {
    const asked = body.text("model");
    if (asked === undefined) throw new HttpError({ status: 400, message: "model is missing.", param: "model", code: "missing_field" });
    if (asked !== this.parts.name)
      throw new HttpError({
        status: 404,
        message: `The model ${given(asked)} does not exist. There is ${given(this.parts.name)}.`,
        param: "model",
        code: "model_not_found",
      });
  }
  /** Refuses texts that are far too long before they are split: a token has a few letters at most in any language. @throws HttpError 400 */
  checkText(param: string, characters: number): void {
    const { maxLength } = this.parts;
    if (characters > 64 * maxLength)
      throw new HttpError({
        status: 400,
        message: `The context is ${maxLength} tokens at most; ${param} has ${characters} characters.`,
        param,
        code: "context_length_exceeded",
      });
  }
  /** Refuses prompts that are empty, too long, or not of this vocabulary. @throws HttpError 400 */
  checkPrompt(param: string, ids: readonly number[], maxTokens = 0): void {
    const { maxLength, vocabSize } = this.parts;
    const refuse = (message: string, code: string): never => {
      throw new HttpError({ status: 400, message, param, code });
    };
    if (ids.length === 0) refuse(`${param} has no tokens.`, "empty_prompt");
    if (ids.length + maxTokens > maxLength || (maxTokens === 0 && ids.length > maxLength))
      refuse(
        `The context is ${maxLength} tokens at most; ${ids.length} in the prompt${maxTokens > 0 ? ` and ${maxTokens} for the answer` : ""} were asked for.`,
        "context_length_exceeded",
      );
    for (const id of ids)
      if (!(Number.isSafeInteger(id) && id >= 0 && id < vocabSize))
        refuse(`Token id ${id} is none of the model's, which has ${vocabSize}.`, "invalid_value");
  }
}

/** A model that writes. */
export class TextService extends Service {
  /** The model as generation knows it. */
  readonly lm: CausalLM;
  /** Tokens that end a text: those of the model, of its generation_config.json, and the tokenizer's. */
  readonly eosTokenId: readonly number[];
  readonly formats: Formats;

  constructor(model: CausalModel, parts: ServiceParts) {
    super(parts);
    this.lm = model;
    const list = (x: number | readonly number[] | null | undefined): readonly number[] =>
      x == null ? [] : typeof x === "number" ? [x] : x;
    const all = [...list(this.lm.config.eosTokenId), ...list(this.defaults.eosTokenId), ...list(parts.tokenizer.eosTokenId)];
    this.eosTokenId = [...new Set(all)];
    this.formats = new Formats(parts.tokenizer, this.eosTokenId);
  }
  /** What the model's authors recommend. */
  get defaults(): GenerateOptions {
    return this.lm.generationConfig ?? {};
  }
}

/** A model of sentences. */
export class EncoderService extends Service {
  readonly model: SentenceTransformer;
  constructor(model: SentenceTransformer, parts: ServiceParts) {
    super(parts);
    this.model = model;
  }
  override encode(text: string): readonly number[] {
    return super.encode(this.model.prepare(text));
  }
}
