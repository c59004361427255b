// WordPiece (Wu et al. 2016, https://arxiv.org/abs/1609.08144) as BERT uses it: words are cut at spaces and punctuation, then into
// the longest pieces that the vocabulary has, from the left.
import { readText, unfit } from "./files.ts";
import { NEWER_MARKS, NEWER_PUNCTUATION } from "./unicode8.ts";
import { type PieceDecoder, type Scheme, type Span, WordCache } from "./scheme.ts";

/** How text is cleaned before it is cut. */
export interface BertNormalizer {
  /** Lower case. */
  readonly lowercase: boolean;
  /** Without accents; as `lowercase` where null. */
  readonly stripAccents: boolean | null;
  /** Spaces around Chinese characters. */
  readonly chineseChars: boolean;
}
/** What uncased BERT does. */
export const UNCASED: BertNormalizer = { lowercase: true, stripAccents: null, chineseChars: true };

// Control characters but for tab and line ends, U+0000 and U+FFFD are dropped. 0890, 0891, 08e2 and the rest are newer than the reference's tables.
const DROPPED = /[\0\ufffd]|(?![\t\n\r\u0890\u0891\u08e2\u{110cd}\u{13430}-\u{1343f}])[\p{Cc}\p{Cf}\p{Co}]/gu;
const CHINESE =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;
const ACCENTS = new RegExp(`(?![${NEWER_MARKS}])[\\p{Mn}\\u1734\\u{1171e}]`, "gu");
const PUNCTUATION = `(?![${NEWER_PUNCTUATION}])[!-/:-@[-\`{-~\\p{P}\\u166d\\u{111c9}]`;
const WORD = new RegExp(`${PUNCTUATION}|(?:(?!${PUNCTUATION})\\P{White_Space})+`, "gu");

/** Text as BERT's vocabulary has it. */
export function normalizeBert(text: string, o: BertNormalizer): string {
  let out = text.replace(DROPPED, "");
  if (o.chineseChars) out = out.replace(CHINESE, " $& ");
  if (o.stripAccents ?? o.lowercase) out = out.normalize("NFD").replace(ACCENTS, "");
  return o.lowercase ? lowercase(out) : out;
}
/** Lower case, character by character: a final sigma is a sigma. */
export const lowercase = (text: string): string => text.replaceAll("Σ", "σ").toLowerCase();

/** Words and punctuation, one character at a time. */
export const wordsOf = (text: string): readonly string[] => text.match(WORD) ?? [];

/** The ids of a vocab.txt: a token a line. @throws FormatError */
export function readWordPiece(bytes: Uint8Array, file: string): Map<string, number> {
  const lines = readText(bytes, file).split("\n");
  if (lines.at(-1) === "") lines.pop();
  const vocab = new Map<string, number>();
  lines.forEach((line, id) => vocab.set(line.endsWith("\r") ? line.slice(0, -1) : line, id));
  if (vocab.size === 0) throw unfit(file, "no tokens");
  return vocab;
}

/** The scheme of such a vocabulary. */
export class WordPiece implements Scheme {
  readonly name = "WordPiece";
  readonly size: number;
  readonly unk: number;
  readonly #vocab: ReadonlyMap<string, number>;
  readonly #tokens: (string | undefined)[] = [];
  readonly #normalizer: BertNormalizer;
  readonly #cache = new WordCache();
  readonly #longest: number;

  constructor(vocab: ReadonlyMap<string, number>, normalizer: BertNormalizer, unk: number) {
    this.#vocab = vocab;
    this.#normalizer = normalizer;
    this.unk = unk;
    let longest = 0;
    for (const [token, id] of vocab) {
      this.#tokens[id] = token;
      if (token.length > longest) longest = token.length;
    }
    this.#longest = longest;
    this.size = this.#tokens.length;
  }

  encode(text: string, out: number[]): void {
    for (const word of wordsOf(normalizeBert(text, this.#normalizer))) this.#cache.add(word, out, (w) => this.#word(w));
  }
  #word(word: string): readonly number[] {
    // More than a hundred characters are no word.
    if (word.length > 100 && [...word].length > 100) return [this.unk];
    const ids: number[] = [];
    for (let begin = 0; begin < word.length; ) {
      let end = Math.min(word.length, begin + this.#longest);
      let id: number | undefined;
      for (; end > begin; end--) {
        id = this.#vocab.get(begin === 0 ? word.slice(0, end) : `##${word.slice(begin, end)}`);
        if (id !== undefined) break;
      }
      if (id === undefined) return [this.unk];
      ids.push(id);
      begin = end;
    }
    return ids;
  }
  spans(text: string): Span[] {
    // Normalising goes character by character, so each knows where it comes from.
    let normalized = "";
    const begins: number[] = [];
    const ends: number[] = [];
    let at = 0;
    for (const character of text) {
      const to = normalizeBert(character, this.#normalizer);
      for (let i = 0; i < to.length; i++) {
        begins.push(at);
        ends.push(at + character.length);
      }
      normalized += to;
      at += character.length;
    }
    const out: Span[] = [];
    for (const m of normalized.matchAll(WORD)) {
      let from = m.index;
      for (const id of this.#word(m[0])) {
        const token = this.#tokens[id]!;
        const length = id === this.unk ? m[0].length : token.length - (from > m.index ? 2 : 0);
        out.push([id, begins[from]!, ends[from + length - 1]!]);
        from += length;
      }
    }
    return out;
  }
  token(id: number): string | undefined {
    return this.#tokens[id];
  }
  id(token: string): number | undefined {
    return this.#vocab.get(token);
  }
  decoder(): PieceDecoder {
    let first = true;
    const text = (token: string): string => {
      const glued = first ? token : token.startsWith("##") ? token.slice(2) : ` ${token}`;
      const out = first ? glued : tidy(glued);
      first = false;
      return out;
    };
    return { id: (id) => text(this.#tokens[id]!), text, end: () => "" };
  }
}
const TIDY = [" .", " ?", " !", " ,", " ' ", " n't", " 'm", " do not", " 's", " 've", " 're"] as const;
/** Takes the spaces before punctuation and English contractions away, as the reference does for each token. @internal */
export function tidy(text: string): string {
  for (const t of TIDY) if (text.includes(t)) text = text.replaceAll(t, t === " ' " ? "'" : t === " do not" ? " don't" : t.slice(1));
  return text;
}
