// Tokens beside the vocabulary proper: special ones (<s>, [CLS], <|eot_id|>) and those that users added. They are found in text first.
import { FormatError } from "../core/errors.ts";

/** A token that is found in text as it stands. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Is it left out of decoded text with `skipSpecialTokens`? */
  readonly special: boolean;
  /** Does it swallow white space before it… */
  readonly lstrip?: boolean;
  /** …and behind it? */
  readonly rstrip?: boolean;
  /** Is it found only where no letter, digit or underscore touches it? */
  readonly singleWord?: boolean;
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
const WORD = /[\p{L}\p{M}\p{N}\p{Pc}]/u;
const LAST_WORD = /[\p{L}\p{M}\p{N}\p{Pc}]$/u;

/** A set of them. */
export class AddedTokens {
  readonly list: readonly AddedToken[];
  readonly #byId = new Map<number, AddedToken>();
  readonly #byContent = new Map<string, AddedToken>();
  readonly #all: RegExp | null;
  readonly #plain: RegExp | null;

  /** Of several with one content or id the last counts. */
  constructor(list: readonly AddedToken[]) {
    for (const t of list) {
      this.#byId.set(t.id, t);
      this.#byContent.set(t.content, t);
    }
    this.list = [...this.#byContent.values()].sort((a, b) => a.id - b.id);
    // The longest goes first, as the leftmost-longest search of the reference has it.
    const finder = (tokens: readonly AddedToken[]): RegExp | null => {
      const contents = tokens.map((t) => t.content).filter((c) => c !== "");
      return contents.length === 0
        ? null
        : new RegExp(
            contents
              .sort((a, b) => b.length - a.length)
              .map(escaped)
              .join("|"),
            "gu",
          );
    };
    this.#all = finder(this.list);
    this.#plain = finder(this.list.filter((t) => !t.special));
  }
  get(id: number): AddedToken | undefined {
    return this.#byId.get(id);
  }
  named(content: string): AddedToken | undefined {
    return this.#byContent.get(content);
  }
  /** One past the largest id. */
  get end(): number {
    return this.list.reduce((end, t) => Math.max(end, t.id + 1), 0);
  }

  /** Text in parts: what is between the tokens, and the ids of the tokens. `special`: are special ones looked for? */
  split(text: string, special: boolean): (string | number)[] {
    const finder = special ? this.#all : this.#plain;
    if (!finder) return text === "" ? [] : [text];
    const parts: (string | number)[] = [];
    let end = 0;
    for (const m of text.matchAll(finder)) {
      if (m.index < end) continue; // inside what a token before has swallowed
      const t = this.#byContent.get(m[0])!;
      const behind = m.index + m[0].length;
      if (
        t.singleWord &&
        (LAST_WORD.test(text.slice(Math.max(0, m.index - 2), m.index)) || WORD.test(String.fromCodePoint(text.codePointAt(behind) ?? 32)))
      )
        continue;
      let before = text.slice(end, m.index);
      if (t.lstrip) before = before.trimEnd();
      if (before !== "") parts.push(before);
      parts.push(t.id);
      end = behind;
      if (t.rstrip) while (end < text.length && /\s/.test(text[end]!)) end++;
    }
    if (end < text.length) parts.push(text.slice(end));
    return parts;
  }
}

/** Throws where a token's id is another token's in the vocabulary. @throws FormatError @internal */
export function checkAdded(list: readonly AddedToken[], token: (id: number) => string | undefined, file: string): void {
  for (const t of list) {
    const there = token(t.id);
    if (there !== undefined && there !== t.content)
      throw new FormatError({
        op: "tokenizer",
        message: `${file}: added token ${JSON.stringify(t.content)} has id ${t.id}, which is ${JSON.stringify(there)} in the vocabulary`,
        hint: "The files are of two tokenizers",
        data: { file, id: t.id },
      });
  }
}
