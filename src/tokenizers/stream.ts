// Ids to text as they come: what a model that is generating has said so far.
import { given } from "../core/arguments.ts";
import { ArgumentError, IndexError } from "../core/errors.ts";
import type { AddedTokens } from "./added.ts";
import type { PieceDecoder, Scheme } from "./scheme.ts";

/** How ids become text. */
export interface DecodeOptions {
  /** Leaves special tokens out. Default false. */
  readonly skipSpecialTokens?: boolean;
  /** Takes the spaces before punctuation and English contractions away. Default as the tokenizer's configuration has it. */
  readonly cleanUpTokenizationSpaces?: boolean;
}

/** A step on text that comes in parts. */
interface Filter {
  push(text: string): string;
  end(): string;
}

/**
 * Text from ids that come one by one. No character is split between two pieces, and the pieces together are what `decode` gives for all ids.
 * Made by `tokenizer.decodeStream()`.
 * @example
 * const tokenizer = await AutoTokenizer.fromPretrained(memoryFiles({ "vocab.txt": new TextEncoder().encode("[UNK]\nun\n##able\nto\n") }));
 * const stream = tokenizer.decodeStream({ skipSpecialTokens: true });
 * [stream.push(1), stream.push(2), stream.push(0), stream.push(3), stream.end()] // => ["un", "able", "", " to", ""]
 */
export class DecodeStream {
  readonly #scheme: Scheme;
  readonly #added: AddedTokens;
  readonly #skip: boolean;
  readonly #decoder: PieceDecoder;
  readonly #filters: readonly Filter[];

  /** @internal */
  constructor(scheme: Scheme, added: AddedTokens, options: { skip: boolean; cleanUp: boolean; trim: boolean }) {
    this.#scheme = scheme;
    this.#added = added;
    this.#skip = options.skip;
    this.#decoder = scheme.decoder();
    this.#filters = [...(options.trim ? [trimmer()] : []), ...(options.cleanUp ? [cleaner()] : [])];
  }
  /** The text that this id makes certain, often "" or a word. @throws IndexError for an id that is none of the tokenizer's */
  push(id: number): string {
    const added = this.#added.get(id);
    if (added) return added.special && this.#skip ? "" : this.#filter(this.#decoder.text(added.content));
    if (typeof id !== "number" || this.#scheme.token(id) === undefined)
      throw unknownId("decode", id, Math.max(this.#scheme.size, this.#added.end));
    return this.#filter(this.#decoder.id(id));
  }
  /** What was held back: an unfinished character as U+FFFD. */
  end(): string {
    let text = this.#decoder.end();
    for (const f of this.#filters) text = f.push(text) + f.end();
    return text;
  }
  #filter(text: string): string {
    for (const f of this.#filters) text = f.push(text);
    return text;
  }
}
/** The error for an id that names no token. @internal */
export const unknownId = (op: string, id: unknown, size: number): Error =>
  typeof id !== "number"
    ? new ArgumentError({ op, message: `an id is ${given(id)}, needed an integer`, hint: "Give an array of ids or an int64 tensor" })
    : new IndexError({
        op,
        message: `id ${id} names no token, the vocabulary has ids 0 to ${size - 1}`,
        hint: "Is the tokenizer the model's?",
        data: { id, size },
      });

/** Without white space at both ends. */
function trimmer(): Filter {
  let begun = false;
  let held = "";
  return {
    push: (text) => {
      let all = held + text;
      if (!begun) all = all.trimStart();
      const out = all.trimEnd();
      held = all.slice(out.length);
      begun ||= out !== "";
      return out;
    },
    end: () => "",
  };
}

const MARKS = [" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"] as const;
/** Decoded text without the spaces that tokenization put before punctuation and contractions. Source: transformers' clean_up_tokenization. */
function cleanUp(text: string): string {
  for (const m of MARKS) text = text.replaceAll(m, m === " ' " ? "'" : m.slice(1));
  return text;
}
/** The same on parts: what stands before a space that a letter or digit precedes is not changed by what follows. */
function cleaner(): Filter {
  let held = "";
  return {
    push: (text) => {
      held += text;
      let cut = held.length;
      do cut = held.lastIndexOf(" ", cut - 1);
      while (cut > 0 && !/[\p{L}\p{N}]/u.test(held[cut - 1]!));
      if (cut <= 0) return "";
      const out = cleanUp(held.slice(0, cut));
      held = held.slice(cut);
      return out;
    },
    end: () => {
      const out = cleanUp(held);
      held = "";
      return out;
    },
  };
}
