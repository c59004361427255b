// Where the tokens of a text stand in it, and which words they are of.
import { UnsupportedError } from "../core/errors.ts";
import type { Tokenizer } from "../tokenizers/index.ts";

/** A stretch of a text, in UTF-16 units: `text.slice(start, end)`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}
/** How a tokenizer writes words: WordPiece (`##ing`), bytes (`Ġword`), pieces (`▁word`). */
export type Spelling = "wordpiece" | "bytes" | "pieces";

/** How a tokenizer writes words. */
export function spellingOf(tokenizer: Tokenizer): Spelling {
  const has = (token: string): boolean => {
    try {
      return tokenizer.convertTokensToIds([token])[0] !== tokenizer.unkTokenId;
    } catch {
      return false;
    }
  };
  return has("##s") ? "wordpiece" : has("Ġa") ? "bytes" : "pieces";
}

// BERT's words end at white space, at punctuation and at Chinese characters.
const ALONE = /[\p{P}$+<=>^`|~\u{3400}-\u{4dbf}\u{4e00}-\u{9fff}\u{f900}-\u{faff}\u{20000}-\u{2fa1f}]/u.source;
const WORDS: Readonly<Record<Spelling, RegExp>> = {
  wordpiece: new RegExp(`${ALONE}|(?:(?!${ALONE})[^\\s])+`, "gu"),
  bytes: /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}+|[^\s\p{L}\p{N}]+/gu,
  pieces: /\S+/gu,
};
/** The words of a text, as a tokenizer of this kind has them. */
export const wordsOf = (text: string, spelling: Spelling): Span[] =>
  [...text.matchAll(WORDS[spelling])].map((m) => ({ start: m.index, end: m.index + m[0].length }));

/** Where each token stands; `ids` are the tokens of `text` without special ones. White space before a word is not its own. */
export function offsetsOf(text: string, ids: readonly number[], tokenizer: Tokenizer): Span[] {
  try {
    const { offsetMapping } = tokenizer.call(text, { addSpecialTokens: false, returnOffsetsMapping: true });
    return offsetMapping![0]!.slice(0, ids.length).map(([from, end]) => {
      const start = from + text.slice(from, end).search(/\S|$/);
      return start < end ? { start, end } : { start: from, end };
    });
  } catch (e) {
    // Vocabularies of pieces change texts before they cut them, and do not say where.
    if (!(e instanceof UnsupportedError)) throw e;
    return matched(text, ids, tokenizer);
  }
}

const fold = (text: string): string => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
/** Tokens found in the text one after the other, both without case, accents and forms of width; unknown ones are what lies between. */
function matched(text: string, ids: readonly number[], tokenizer: Tokenizer): Span[] {
  let all = "";
  // The place in the text that each folded unit comes from.
  const from: Span[] = [];
  let place = 0;
  for (const c of text) {
    const f = fold(c);
    for (let i = 0; i < f.length; i++) from.push({ start: place, end: place + c.length });
    all += f;
    place += c.length;
  }
  const pieces = ids.map((id) => (id === tokenizer.unkTokenId ? null : fold(tokenizer.decode([id]).trim())));
  let at = 0;
  return pieces.map((piece, i) => {
    while (at < all.length && /\s/.test(all[at]!)) at++;
    const next = pieces.slice(i + 1).find((p) => p !== null && p !== "") ?? null;
    const found = next === null ? all.trimEnd().length : all.indexOf(next, at + 1);
    const length =
      piece === null ? all.slice(at, found < 0 ? at + 1 : found).trimEnd().length : all.startsWith(piece, at) ? piece.length : 0;
    const here = from[at]?.start ?? text.length;
    if (length === 0) return { start: here, end: here };
    at += length;
    return { start: here, end: from[at - 1]!.end };
  });
}
