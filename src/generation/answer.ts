// One row on its way: its tokens, its text, and whether and why it has ended.
import type { Settings } from "./options.ts";
import type { Row } from "./processor.ts";
import { TextStream } from "./text.ts";

/** Why an answer ended: an end-of-sequence token or stop string, the greatest length, or the signal. */
export type FinishReason = "stop" | "length" | "aborted";

/** A row that grows. */
export class Answer implements Row {
  readonly ids: number[];
  readonly promptLength: number;
  finishReason: FinishReason | null = null;
  /** The text so far, where there is a tokenizer. */
  text = "";
  readonly #settings: Settings;
  readonly #limit: number;
  readonly #stream: TextStream | null;

  /** `prompt`: its ids without padding. */
  constructor(prompt: readonly number[], maxNewTokens: number, settings: Settings) {
    this.ids = [...prompt];
    this.promptLength = prompt.length;
    this.#limit = prompt.length + maxNewTokens;
    this.#settings = settings;
    this.#stream = settings.tokenizer && new TextStream(settings.tokenizer, settings.stopStrings);
    if (maxNewTokens === 0) this.finishReason = "length";
  }

  /** The tokens after the prompt. */
  get newIds(): number[] {
    return this.ids.slice(this.promptLength);
  }

  /** How many tokens may still come. */
  get remaining(): number {
    return this.#limit - this.ids.length;
  }

  /** Takes the next token; gives the text that has become certain. */
  push(id: number): string {
    this.ids.push(id);
    const ended = this.#settings.eosTokenId.includes(id);
    let text = ended ? "" : (this.#stream?.push(id) ?? "");
    if (ended || this.#stream?.stopped) this.finishReason = "stop";
    else if (this.ids.length >= this.#limit) this.finishReason = "length";
    if (this.finishReason !== null) text += this.#end();
    this.text += text;
    return text;
  }

  /** Ends the answer here; gives the text that waited. */
  abort(): string {
    this.finishReason = "aborted";
    const text = this.#end();
    this.text += text;
    return text;
  }

  // A stop string may show only when the last bytes are told.
  #end(): string {
    const text = this.#stream?.end() ?? "";
    if (this.#stream?.stopped && this.finishReason === "length") this.finishReason = "stop";
    return text;
  }
}
