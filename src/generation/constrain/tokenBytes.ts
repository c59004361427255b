// The bytes that the tokens of a tokenizer stand for, out of how its vocabulary writes them.
import { bytesOf } from "../../tokenizers/bytes.ts";

/** What is read of a tokenizer; those of firebrand/tokenizers have it. */
export interface TokenSource {
  /** One past the largest id. */
  readonly vocabSize: number;
  /** Ids that are no text. */
  readonly allSpecialIds: readonly number[];
  /** Tokens as the vocabulary writes them. */
  convertIdsToTokens(ids: readonly number[]): readonly string[];
}

/** Bytes by id; null for special tokens, and for ids that name none. */
export function tokenBytes(source: TokenSource): (Uint8Array | null)[] {
  const special = new Set(source.allSpecialIds);
  const texts = Array.from({ length: source.vocabSize }, (_, id): string | null => {
    if (special.has(id)) return null;
    try {
      return source.convertIdsToTokens([id])[0] ?? null;
    } catch {
      return null; // a hole in the vocabulary
    }
  });
  const utf8 = new TextEncoder();
  // A space is Ġ in GPT-2's alphabet, and ▁ in SentencePiece's, which writes bytes as <0x0A>.
  if (texts.some((t) => t?.startsWith("▁")))
    return texts.map((t) => {
      const byte = t === null ? null : /^<0x([\dA-F]{2})>$/.exec(t);
      return byte ? Uint8Array.of(Number.parseInt(byte[1]!, 16)) : t === null ? null : utf8.encode(t.replaceAll("▁", " "));
    });
  const spelled = texts.some((t) => t?.startsWith("Ġ"));
  return texts.map((t) => (t === null ? null : spelled ? bytesOf(t) : utf8.encode(t)));
}
