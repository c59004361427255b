// Bytes and text: the alphabet in which GPT-2's vocabularies write bytes, and UTF-8 that arrives in parts.

/** The 256 characters that stand for bytes: printable ones for themselves, the others from U+0100 on. Source: GPT-2's encoder.py. */
export const ALPHABET: readonly string[] = /*@__PURE__*/ (() => {
  const printable = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++));
})();
const BYTES: ReadonlyMap<string, number> = /*@__PURE__*/ new Map(ALPHABET.map((c, b) => [c, b]));

/** Bytes in that alphabet: `spell(new Uint8Array([32, 97]))` gives `"Ġa"`. */
export function spell(bytes: Uint8Array): string {
  let out = "";
  for (let i = 0; i < bytes.length; i++) out += ALPHABET[bytes[i]!]!;
  return out;
}
const encoder = new TextEncoder();
/** The bytes of what `spell` gave; other text as UTF-8: `bytesOf("Ġa")` gives `[32, 97]`. */
export function bytesOf(spelled: string): Uint8Array {
  const out = new Uint8Array(spelled.length);
  for (let i = 0; i < spelled.length; i++) {
    const byte = BYTES.get(spelled[i]!);
    if (byte === undefined) return encoder.encode(spelled);
    out[i] = byte;
  }
  return out;
}

/** UTF-8 as text, malformed parts as U+FFFD. */
export const utf8: InstanceType<typeof TextDecoder> = /*@__PURE__*/ new TextDecoder("utf-8", { ignoreBOM: true });
const strict: InstanceType<typeof TextDecoder> = /*@__PURE__*/ new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** How many bytes the character that begins with this one has; 1 for bytes that begin none. */
export const lengthOf = (lead: number): number =>
  lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xc2 && lead < 0xe0 ? 2 : 1;
/** Does the byte continue a character? */
export const continues = (byte: number): boolean => (byte & 0xc0) === 0x80;

/** Text from bytes that come in parts: what may yet become a character waits for the rest. Damage becomes U+FFFD as WHATWG's decoder has it. */
export class Utf8Stream {
  #waiting: Uint8Array = new Uint8Array(0);
  get empty(): boolean {
    return this.#waiting.length === 0;
  }
  push(bytes: Uint8Array): string {
    let all = bytes;
    if (this.#waiting.length > 0) {
      all = new Uint8Array(this.#waiting.length + bytes.length);
      all.set(this.#waiting);
      all.set(bytes, this.#waiting.length);
    }
    // A cut before a byte that begins a character never changes what the parts decode to.
    let lead = all.length - 1;
    while (lead > 0 && lead > all.length - 4 && continues(all[lead]!)) lead--;
    const cut = lead >= 0 && lengthOf(all[lead]!) > all.length - lead ? lead : all.length;
    this.#waiting = all.slice(cut);
    return cut === 0 ? "" : utf8.decode(all.subarray(0, cut));
  }
  end(): string {
    if (this.empty) return "";
    const rest = utf8.decode(this.#waiting);
    this.#waiting = new Uint8Array(0);
    return rest;
  }
}

/** The same as SentencePiece has it: each byte that belongs to no character is a U+FFFD of its own. */
export class ByteRun {
  #waiting: number[] = [];
  push(byte: number): string {
    this.#waiting.push(byte);
    return this.#take(false);
  }
  end(): string {
    return this.#waiting.length === 0 ? "" : this.#take(true);
  }
  #take(all: boolean): string {
    let out = "";
    while (this.#waiting.length > 0) {
      const length = lengthOf(this.#waiting[0]!);
      if (!all && this.#waiting.length < length && this.#waiting.slice(1).every(continues)) break;
      const character = decodeOne(this.#waiting.slice(0, length));
      out += character ?? "\ufffd";
      this.#waiting.splice(0, character === null ? 1 : length);
    }
    return out;
  }
}
function decodeOne(bytes: readonly number[]): string | null {
  try {
    return strict.decode(Uint8Array.from(bytes));
  } catch {
    return null;
  }
}
