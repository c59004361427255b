// Text out of tokens as they come: never half a character, and nothing that may yet turn out to be a stop string.
import type { Decoder, PieceStream } from "./options.ts";

/** Collects the tokens of one answer and gives their text piece by piece. */
export class TextStream {
  readonly #pieces: PieceStream;
  readonly #stopStrings: readonly string[];
  // Text that waits: the beginning of a stop string, perhaps.
  #held = "";
  /** Has a stop string come? */
  stopped = false;

  constructor(decoder: Decoder, stopStrings: readonly string[] = []) {
    this.#pieces = decoder.decodeStream?.({ skipSpecialTokens: true }) ?? new Redecoding(decoder);
    this.#stopStrings = stopStrings;
  }

  /** Takes a token; gives the text that is certain now, without the stop string and what follows it. */
  push(id: number): string {
    return this.stopped ? "" : this.#release(this.#pieces.push(id));
  }

  /** The rest, at the end. */
  end(): string {
    if (this.stopped) return "";
    const out = this.#release(this.#pieces.end()) + this.#held;
    this.#held = "";
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

/** Pieces from a decoder of whole texts. */
class Redecoding implements PieceStream {
  readonly #decoder: Decoder;
  readonly #ids: number[] = [];
  // Decoding starts anew at `from`: some tokens back, because the text of a token can depend on the one before it (spaces, bytes of
  // one character). `read`: tokens whose text has been given.
  #from = 0;
  #read = 0;
  constructor(decoder: Decoder) {
    this.#decoder = decoder;
  }
  push(id: number): string {
    this.#ids.push(id);
    return this.#fresh(false);
  }
  end(): string {
    return this.#fresh(true);
  }
  #fresh(all: boolean): string {
    const decode = (to?: number): string => this.#decoder.decode(this.#ids.slice(this.#from, to), { skipSpecialTokens: true });
    const [before, now] = [decode(this.#read), decode()];
    // A replacement character at the end: bytes of a character whose others are to come.
    if (!all && now.endsWith("\ufffd")) return "";
    // What has text stays as context for what follows.
    if (now !== before) this.#from = this.#read;
    this.#read = this.#ids.length;
    return now.slice(before.length);
  }
}

/** The length of the longest end of `text` that `stop` begins with. */
function overlap(text: string, stop: string): number {
  for (let n = Math.min(text.length, stop.length - 1); n > 0; n--) if (text.endsWith(stop.slice(0, n))) return n;
  return 0;
}
