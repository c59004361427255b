// What a family of vocabularies does: text to ids and back. Added tokens, templates, batches are the Tokenizer's.

/** Turns ids into text piece by piece; the pieces together are the decoded text, and no character is split between two. */
export interface PieceDecoder {
  /** The text that is certain once this id is known. */
  id(id: number): string;
  /** The same for a token whose text is its content. */
  text(content: string): string;
  /** What was held back. */
  end(): string;
}

/** A token and the part of the text that it stands for, in UTF-16 units. */
export type Span = readonly [id: number, start: number, end: number];

/** A vocabulary and its algorithm. */
export interface Scheme {
  /** For messages: "byte-level BPE", "WordPiece". */
  readonly name: string;
  /** Ids are below it; some may name nothing. */
  readonly size: number;
  /** The id of what the vocabulary cannot say. */
  readonly unk: number | null;
  /** Does `encode` find added tokens by itself? */
  readonly findsAdded?: boolean;
  /** Appends the ids of well-formed text. `first`: does it begin the whole text? */
  encode(text: string, out: number[], first: boolean): void;
  /** The same ids with their places in the text, where the scheme can tell. */
  spans?(text: string): Span[];
  /** How the vocabulary writes an id. */
  token(id: number): string | undefined;
  /** The id of what `token` gives. */
  id(token: string): number | undefined;
  decoder(): PieceDecoder;
}

/** Text with U+FFFD for each surrogate without its partner: what is not a character has no UTF-8: `wellFormed("a\ud800")` gives `"a\ufffd"`. */
export const wellFormed = (text: string): string => (/\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, "\ufffd") : text);

/** Ids of words seen before. Text repeats its words: most of the work is done once. */
export class WordCache {
  #known = new Map<string, readonly number[]>();
  /** Appends the ids of `word`; `encode` finds them when it is new. */
  add(word: string, out: number[], encode: (word: string) => readonly number[]): void {
    let ids = this.#known.get(word);
    if (ids === undefined) {
      ids = encode(word);
      if (word.length <= 64) {
        if (this.#known.size >= 65536) this.#known = new Map();
        this.#known.set(word, ids);
      }
    }
    for (let i = 0; i < ids.length; i++) out.push(ids[i]!);
  }
}
