// BPE of characters with bytes to fall back on, as tokenizer.json writes LLaMA 1 and 2, Mistral, Gemma and Phi-3: merges are told by
// pairs, where SentencePiece has scores.
import type { Merges } from "./merges.ts";
import { type PieceDecoder, type Scheme, WordCache } from "./scheme.ts";

/** What such a vocabulary is made of. */
export interface CharBpeParts {
  readonly vocab: ReadonlyMap<string, number>;
  readonly merges: Merges;
  readonly unk: number | null;
  /** Are unknown characters next to each other one token? */
  readonly fuseUnk: boolean;
  /** Text as the vocabulary has it: spaces are U+2581. */
  readonly normalize: (text: string, first: boolean) => string;
  readonly decoder: (token: (id: number) => string) => PieceDecoder;
}

const encoder = new TextEncoder();

/** The scheme of such a vocabulary. */
export class CharBpe implements Scheme {
  readonly name = "BPE with byte fallback";
  readonly size: number;
  readonly unk: number | null;
  readonly #parts: CharBpeParts;
  readonly #tokens: (string | undefined)[] = [];
  readonly #cache = new WordCache();
  readonly #bytes: readonly (number | undefined)[];
  /** Does no token have a space behind something else? Then no merge crosses the beginning of a word. */
  readonly #apart: boolean;
  #room = new Int32Array(1024);

  constructor(parts: CharBpeParts) {
    this.#parts = parts;
    this.#apart = true;
    for (const [token, id] of parts.vocab) {
      this.#tokens[id] = token;
      if (/[^\u2581]\u2581/.test(token)) this.#apart = false;
    }
    this.size = this.#tokens.length;
    this.unk = parts.unk;
    this.#bytes = Array.from({ length: 256 }, (_, b) => parts.vocab.get(`<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`));
  }
  encode(text: string, out: number[], first: boolean): void {
    const normalized = this.#parts.normalize(text, first);
    const words = this.#apart ? (normalized.match(WORDS) ?? []) : [normalized];
    for (const word of words) this.#cache.add(word, out, (w) => this.#word(w));
  }
  #word(word: string): readonly number[] {
    const { vocab, merges, fuseUnk } = this.#parts;
    if (word.length * 3 > this.#room.length) this.#room = new Int32Array(word.length * 3);
    const symbols = this.#room;
    let n = 0;
    let unknown = false;
    for (const character of word) {
      const id = vocab.get(character);
      if (id !== undefined) symbols[n++] = id;
      else {
        const bytes = Array.from(encoder.encode(character), (b) => this.#bytes[b]);
        if (bytes.every((b) => b !== undefined)) for (const b of bytes) symbols[n++] = b!;
        else if (this.unk !== null && !(unknown && fuseUnk)) symbols[n++] = this.unk;
        unknown = bytes.includes(undefined);
        continue;
      }
      unknown = false;
    }
    return Array.from(symbols.subarray(0, merges.apply(symbols, n)));
  }
  token(id: number): string | undefined {
    return this.#tokens[id];
  }
  id(token: string): number | undefined {
    return this.#parts.vocab.get(token);
  }
  decoder(): PieceDecoder {
    return this.#parts.decoder((id) => this.#tokens[id]!);
  }
}
const WORDS = /\u2581+[^\u2581]*|[^\u2581]+/g;
