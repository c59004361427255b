// Text out of tokens as they come: never half a character, and nothing that may yet turn out to be a stop string.
import type { Decoder } from "./options.ts";

/** Collects the tokens of one answer and gives their text piece by piece. */
export class TextStream {
  readonly #decoder: Decoder;
  readonly #stopStrings: readonly string[];
  readonly #ids: number[] = [];
  // Decoding starts anew at `from`: some tokens back, because the text of a token can depend on the one before it (spaces, bytes of
  // one character). `read`: tokens whose text has been taken.
  #from = 0;
  #read = 0;
  // Text that waits: the beginning of a stop string, perhaps.
  #held = "";
  /** Has a stop string come? */
  stopped = false;

  constructor(decoder: Decoder, stopStrings: readonly string[] = []) {
    this.#decoder = decoder;
    this.#stopStrings = stopStrings;
  }

  /** Takes a token; gives the text that is certain now, without the stop string and what follows it. */
  push(id: number): string {
    this.#ids.push(id);
    return this.stopped ? "" : this.#release(this.#fresh(false));
  }

  /** The rest, at the end. */
  end(): string {
    if (this.stopped) return "";
    const out = this.#release(this.#fresh(true)) + (this.stopped ? "" : this.#held);
    this.#held = "";
    return out;
  }

  #fresh(all: boolean): string {
    const before = this.#decoder.decode(this.#ids.slice(this.#from, this.#read), { skipSpecialTokens: true });
    const now = this.#decoder.decode(this.#ids.slice(this.#from), { skipSpecialTokens: true });
    // A replacement character at the end: bytes of a character whose others are to come.
    if (!all && now.endsWith("\ufffd")) return "";
    const out = now.slice(before.length);
    // One generation of tokens stays before those read, as context.
    if (out !== "") this.#from = this.#read;
    this.#read = this.#ids.length;
    return out;
  }

  #release(fresh: string): string {
    const text = this.#held + fresh;
    const ends = this.#stopStrings.map((s) => text.indexOf(s)).filter((i) => i >= 0);
    if (ends.length > 0) {
      this.stopped = true;
      this.#held = "";
      return text.slice(0, Math.min(...ends));
    }
    const hold = Math.max(0, ...this.#stopStrings.map((s) => overlap(text, s)));
    this.#held = text.slice(text.length - hold);
    return text.slice(0, text.length - hold);
  }
}

/** The length of the longest end of `text` that `stop` begins with. */
function overlap(text: string, stop: string): number {
  for (let n = Math.min(text.length, stop.length - 1); n > 0; n--) if (text.endsWith(stop.slice(0, n))) return n;
  return 0;
}
