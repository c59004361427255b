// Byte-level BPE: GPT-2, RoBERTa, LLaMA 3, Qwen, CLIP and their kin. Words become UTF-8 bytes, and pairs merge.
import { UnsupportedError } from "../core/errors.ts";
import { bytesOf, spell, Utf8Stream } from "./bytes.ts";
import type { Merges } from "./merges.ts";
import { type PieceDecoder, type Scheme, type Span, WordCache } from "./scheme.ts";
import type { Splitter } from "./split.ts";

/** What a byte-level vocabulary is made of. */
export interface ByteBpeParts {
  /** Tokens as GPT-2's files write them, one character for each byte. */
  readonly vocab: ReadonlyMap<string, number>;
  readonly merges: Merges;
  readonly split: Splitter;
  /** Is a word that is a token taken as it is, whether merges lead to it or not? True of tiktoken. */
  readonly wholeWords?: boolean;
  /** Behind the last symbol of a word, CLIP's "</w>". */
  readonly suffix?: string;
  readonly normalize?: (text: string) => string;
  readonly unk?: number | null;
}

const encoder = new TextEncoder();

/** The scheme of such a vocabulary. */
export class ByteBpe implements Scheme {
  readonly name = "byte-level BPE";
  readonly size: number;
  readonly unk: number | null;
  readonly #parts: ByteBpeParts;
  readonly #tokens: (string | undefined)[] = [];
  readonly #cache = new WordCache();
  // Ids of single bytes, within a word and at its end.
  readonly #bytes: Int32Array;
  readonly #last: Int32Array;
  #buffer = new Uint8Array(1024);
  #symbols = new Int32Array(1024);
  readonly #texts: (string | Uint8Array | undefined)[] = [];

  constructor(parts: ByteBpeParts) {
    this.#parts = parts;
    for (const [token, id] of parts.vocab) this.#tokens[id] = token;
    this.size = this.#tokens.length;
    this.unk = parts.unk ?? null;
    const singles = (suffix: string): Int32Array =>
      Int32Array.from({ length: 256 }, (_, b) => parts.vocab.get(spell(Uint8Array.of(b)) + suffix) ?? this.unk ?? -1);
    this.#bytes = singles("");
    this.#last = parts.suffix ? singles(parts.suffix) : this.#bytes;
  }

  encode(text: string, out: number[]): void {
    const { normalize, split } = this.#parts;
    for (const word of split(normalize ? normalize(text) : text)) this.#cache.add(word, out, (w) => this.#word(w));
  }
  /** @throws UnsupportedError for text that is changed before it is cut */
  spans(text: string): Span[] {
    const { normalize, split } = this.#parts;
    const words = split(normalize ? normalize(text) : text);
    if (words.join("") !== text)
      throw new UnsupportedError({
        op: "spans",
        message: "the vocabulary changes text before cutting it: places in it are lost",
        hint: "Leave returnOffsetsMapping out",
      });
    const out: Span[] = [];
    let at = 0;
    for (const word of words) {
      // For each byte the beginning and the end of its character.
      const places: (readonly [number, number])[] = [];
      for (const character of word) {
        const bytes = encoder.encode(character).length;
        for (let i = 0; i < bytes; i++) places.push([at, at + character.length]);
        at += character.length;
      }
      let byte = 0;
      for (const id of this.#word(word)) {
        const next = byte + this.#tokens[id]!.length;
        out.push([id, places[byte]![0], places[next - 1]![1]]);
        byte = next;
      }
    }
    return out;
  }
  #word(word: string): readonly number[] {
    if (word.length * 3 > this.#buffer.length) {
      this.#buffer = new Uint8Array(word.length * 3);
      this.#symbols = new Int32Array(word.length * 3);
    }
    const bytes = this.#buffer.subarray(0, encoder.encodeInto(word, this.#buffer).written);
    if (this.#parts.wholeWords) {
      const whole = bytes.length <= 256 ? this.#parts.vocab.get(spell(bytes)) : undefined;
      if (whole !== undefined) return [whole];
    }
    const symbols = this.#symbols;
    let n = 0;
    for (let i = 0; i < bytes.length; i++) {
      const id = (i === bytes.length - 1 ? this.#last : this.#bytes)[bytes[i]!]!;
      if (id >= 0) symbols[n++] = id;
    }
    return Array.from(symbols.subarray(0, this.#parts.merges.apply(symbols, n)));
  }

  token(id: number): string | undefined {
    return this.#tokens[id];
  }
  id(token: string): number | undefined {
    return this.#parts.vocab.get(token);
  }

  // A token's text where its bytes are whole characters, else its bytes.
  #text(id: number): string | Uint8Array {
    let text = this.#texts[id];
    if (text === undefined) {
      const { suffix } = this.#parts;
      let token = this.#tokens[id]!;
      const ends = suffix !== undefined && token.endsWith(suffix);
      if (ends) token = token.slice(0, -suffix.length);
      const bytes = bytesOf(ends ? `${token}Ġ` : token);
      const stream = new Utf8Stream();
      const whole = stream.push(bytes);
      text = stream.empty && !whole.includes("\ufffd") ? whole : bytes;
      this.#texts[id] = text;
    }
    return text;
  }
  decoder(): PieceDecoder {
    const stream = new Utf8Stream();
    // Text begins with a whole character: what waits for its rest waits in vain.
    const push = (text: string | Uint8Array): string => (typeof text === "string" ? stream.end() + text : stream.push(text));
    return { id: (id) => push(this.#text(id)), text: push, end: () => stream.end() };
  }
}
