// The bytes that the tokens of a tokenizer stand for, out of how its vocabulary writes them.

/** What is read of a tokenizer; those of firebrand/tokenizers have it. */
export interface TokenSource {
  /** One past the largest id. */
  readonly vocabSize: number;
  /** Ids that are no text. */
  readonly allSpecialIds: readonly number[];
  /** Tokens as the vocabulary writes them. */
  convertIdsToTokens(ids: readonly number[]): readonly string[];
}

// GPT-2's alphabet of bytes: printable ones stand for themselves, the others for U+0100 on. Source: GPT-2's encoder.py.
const printable = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
const byteOf = (c: number): number => {
  if (c < 256) return printable(c) ? c : -1;
  let [at, byte] = [255, -1];
  while (at < c && byte < 255) if (!printable(++byte)) at++;
  return at === c ? byte : -1;
};

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
  if (!texts.some((t) => t?.startsWith("Ġ"))) return texts.map((t) => (t === null ? null : utf8.encode(t)));
  const table = Array.from({ length: 0x144 }, (_, c) => byteOf(c));
  return texts.map((t) => {
    if (t === null) return null;
    const bytes = Array.from(t, (c) => table[c.codePointAt(0)!] ?? -1);
    return bytes.includes(-1) ? utf8.encode(t) : Uint8Array.from(bytes); // added tokens are plain text
  });
}
