// Sequences of tokens that may not come.
import type { Tensor } from "../../core/tensor.ts";
import { ArgumentError } from "../../core/errors.ts";
import { forbid, type LogitsProcessor, type Row } from "../processor.ts";
import { tokenIds } from "./tokens.ts";

/**
 * Forbids the last token of each of `badWordsIds` where the tokens before it have just come.
 * @param options.eosTokenId end-of-sequence tokens: never forbidden by a word of that one token
 * @throws ArgumentError unless they are non-empty arrays of token ids
 * @example new NoBadWordsLogitsProcessor([[1], [0, 2]]).process([{ ids: [0], promptLength: 1 }], tensor([[1.5, 2, 3]])) // => [[1.5, -Infinity, -Infinity]]
 */
export class NoBadWordsLogitsProcessor implements LogitsProcessor {
  readonly #words: readonly (readonly number[])[];
  constructor(badWordsIds: readonly (readonly number[])[], options: { eosTokenId?: number | readonly number[] } = {}) {
    const op = "NoBadWordsLogitsProcessor";
    if (!Array.isArray(badWordsIds) || badWordsIds.length === 0)
      throw new ArgumentError({ op, message: "no bad words are given", hint: "Give an array of arrays of token ids" });
    for (const word of badWordsIds) tokenIds(op, "badWordsIds", word);
    const eos = tokenIds(op, "eosTokenId", options.eosTokenId ?? [], { empty: true });
    this.#words = badWordsIds.filter((w) => w.length > 1 || !eos.includes(w[0]!));
  }
  process(rows: readonly Row[], scores: Tensor): Tensor {
    const banned = rows.map(({ ids }) => {
      const ends = (word: readonly number[]): boolean => {
        const start = ids.length - word.length + 1;
        return start >= 0 && word.every((id, i) => i === word.length - 1 || ids[start + i] === id);
      };
      return new Set(this.#words.filter(ends).map((w) => w.at(-1)!));
    });
    return forbid(scores, banned);
  }
}
