// Where the tokens of a text stand in it: tokens are matched with the text, both without case and accents where tokenizers drop them, one after the other.
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
  return has("##s") ? "wordpiece" : has("Ġ") || has("Ġa") ? "bytes" : "pieces";
}

const fold = (text: string): string => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const isSpace = (c: string): boolean => /^[\s\p{C}]*$/u.test(c);
// BERT's words end at white space, at punctuation and at Chinese characters.
const ALONE = /[\p{P}$+<=>^`|~\u{3400}-\u{4dbf}\u{4e00}-\u{9fff}\u{f900}-\u{faff}\u{20000}-\u{2fa1f}]/u;
const WORDS: Readonly<Record<Spelling, RegExp>> = {
  wordpiece: new RegExp(`${ALONE.source}|(?:(?!${ALONE.source})[^\\s])+`, "gu"),
  bytes: /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}+|[^\s\p{L}\p{N}]+/gu,
  pieces: /\S+/gu,
};
const WORD_HERE = new RegExp(`^(?:${WORDS.wordpiece.source})`, "u");
/** The words of a text, as a tokenizer of this kind has them. */
export const wordsOf = (text: string, spelling: Spelling): Span[] =>
  [...text.matchAll(WORDS[spelling])].map((m) => ({ start: m.index, end: m.index + m[0].length }));

/** A text folded, with the place in it that each folded unit comes from. */
interface Folded {
  readonly text: string;
  readonly from: readonly Span[];
}
function folded(text: string, fold: (text: string) => string): Folded {
  const from: Span[] = [];
  let out = "";
  let at = 0;
  for (const c of text) {
    const f = fold(c);
    for (let i = 0; i < f.length; i++) from.push({ start: at, end: at + c.length });
    out += f;
    at += c.length;
  }
  return { text: out, from };
}

/** Where each token stands: `ids` are the tokens of `text` without special ones. What no text belongs to has an empty span. */
export function offsetsOf(text: string, ids: readonly number[], tokenizer: Tokenizer): Span[] {
  // Bytes are the text itself.
  const same = spellingOf(tokenizer) === "bytes" ? (t: string): string => t : fold;
  const all = folded(text, same);
  const tokens = tokenizer.convertIdsToTokens(ids);
  const spans: Span[] = [];
  let at = 0;
  const skip = (): void => {
    while (at < all.text.length) {
      const c = String.fromCodePoint(all.text.codePointAt(at)!);
      if (!isSpace(c)) return;
      at += c.length;
    }
  };
  const nothing = (): Span => {
    const here = all.from[at]?.start ?? text.length;
    return { start: here, end: here };
  };
  const place = (length: number): Span => {
    if (length === 0) return nothing();
    const [first, last] = [all.from[at]!, all.from[at + length - 1]!];
    at += length;
    return { start: first.start, end: last.end };
  };
  for (let i = 0; i < ids.length; ) {
    // Tokens of bytes may hold parts of a character: those that make it up share its place.
    let count = 1;
    let piece = tokenizer.decode([ids[i]!]);
    while (piece.includes("\uFFFD") && count < 8 && i + count < ids.length) piece = tokenizer.decode(ids.slice(i, i + ++count));
    if (piece.includes("\uFFFD")) count = 1;
    skip();
    const shapes = [piece, tokens[i]!.replace(/^(##|▁|Ġ)/, "")].map((p) => same(p.trim()));
    const known = ids[i] === tokenizer.unkTokenId ? undefined : shapes.find((p) => p !== "" && all.text.startsWith(p, at));
    let span: Span;
    if (known !== undefined) span = place(known.length);
    else if (ids[i] === tokenizer.unkTokenId) span = place(unknown(all.text, at));
    else {
      span = nothing();
      count = 1;
    }
    for (let k = 0; k < count; k++) spans.push(span);
    i += count;
  }
  return spans;
}
/** How much an unknown token covers: the rest of the word. */
function unknown(text: string, at: number): number {
  const word = WORD_HERE.exec(text.slice(at));
  return word ? word[0].length : Math.min(1, text.length - at);
}
