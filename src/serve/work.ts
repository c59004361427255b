// What the scheduler works on: texts that are continued, and texts that are embedded. Each holds a cache while it is worked on.
import { Answer, type FinishReason } from "../generation/answer.ts";
import type { Explained } from "../generation/logprobs.ts";
import type { Settings } from "../generation/options.ts";
import type { LogitsProcessor } from "../generation/processor.ts";
import { standardProcessors } from "../generation/processors/standard.ts";
import { Sampler } from "../generation/sampler.ts";
import type { Tensor } from "../core/tensor.ts";
import { normalize } from "../ops/norm/index.ts";
import type { Loan } from "./caches.ts";
import type { HttpError } from "./httpError.ts";

/** Something that wants a model's time. */
export abstract class Work {
  /** The tokens that are fed first. */
  readonly prompt: readonly number[];
  /** Positions that its cache needs. */
  readonly length: number;
  /** When it is too late, in milliseconds of `performance.now()`. */
  readonly deadline: number;
  /** @internal The scheduler's. */
  loan: Loan | null = null;
  /** Has it ended, well or not? */
  ended = false;
  /** Called once when it cannot be finished. */
  onError: (e: HttpError) => void = () => {};
  /** Called once when it has ended well. */
  onDone: () => void = () => {};

  constructor(prompt: readonly number[], length: number, deadline: number) {
    this.prompt = prompt;
    this.length = length;
    this.deadline = deadline;
  }
  /** Ends it with an error. */
  fail(e: HttpError): void {
    if (this.ended) return;
    this.ended = true;
    this.onError(e);
  }
  /** The tokens that have been fed, or will be. */
  get ids(): readonly number[] {
    return this.prompt;
  }
}

/** A token of an answer. */
export interface TokenPiece {
  readonly id: number;
  /** The text that has become certain with it. */
  readonly text: string;
  readonly explained: Explained | null;
  readonly finishReason: FinishReason | null;
}

/** A text that is continued token by token. */
export class Sequence extends Work {
  readonly answer: Answer;
  readonly settings: Settings;
  readonly processors: readonly LogitsProcessor[];
  readonly sampler: Sampler;
  /** Tokens of the prompt that came out of a kept cache. */
  cached = 0;
  /** Called for every token. */
  onToken: (piece: TokenPiece) => void = () => {};

  /** `settings`: with `maxNewTokens`. */
  constructor(prompt: readonly number[], settings: Settings, deadline: number) {
    super(prompt, prompt.length + settings.maxNewTokens! - 1, deadline);
    this.settings = settings;
    this.answer = new Answer(prompt, settings.maxNewTokens!, settings);
    this.processors = standardProcessors(settings);
    this.sampler = new Sampler(settings);
  }
  override get ids(): readonly number[] {
    return this.answer.ids;
  }
  /** Is the likeliest token all that is asked for? */
  get plain(): boolean {
    return !this.settings.doSample && this.processors.length === 0;
  }
  /** Takes the next token. */
  push(id: number, explained: Explained | null): void {
    const text = this.answer.push(id);
    const { finishReason } = this.answer;
    this.onToken({ id, text, explained, finishReason });
    if (finishReason === null) return;
    this.ended = true;
    this.onDone();
  }
}

/** A text that is embedded: by what a model of sentences makes of it, or as the mean of its hidden states. */
export class EmbeddingWork extends Work {
  #sum: Tensor | null = null;
  /** Called once, with a vector of length 1. */
  onVector: (vector: Float32Array) => void = () => {};

  constructor(prompt: readonly number[], deadline: number) {
    super(prompt, prompt.length, deadline);
  }
  /** Adds the last hidden states [1, T, C] of a part of the text. */
  add(hidden: Tensor): void {
    const sum = hidden.to("float32").sum([0, 1]); // [C]
    this.#sum = this.#sum ? this.#sum.add(sum) : sum;
  }
  /** The mean as a direction: x / ‖x‖. */
  async finish(): Promise<void> {
    const mean = this.#sum!.div(this.prompt.length);
    this.give((await normalize(mean, { dim: 0 }).data()) as Float32Array);
  }
  /** Ends it with its vector. */
  give(vector: Float32Array): void {
    if (this.ended) return;
    this.ended = true;
    this.onVector(vector);
    this.onDone();
  }
}
