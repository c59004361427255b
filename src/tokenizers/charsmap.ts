// SentencePiece's rules of normalisation: a double array (darts-clone, https://github.com/s-yata/darts-clone) from UTF-8 prefixes
// to texts that replace them.
import type { Fail } from "../io/damage.ts";
import { lengthOf } from "./bytes.ts";

/** Compiled rules. */
export class Charsmap {
  readonly #units: Uint32Array;
  readonly #texts: Uint8Array;

  /** @throws FormatError when sizes do not fit */
  constructor(blob: Uint8Array, at: number, fail: Fail) {
    const view = new DataView(blob.buffer, blob.byteOffset, blob.length);
    const size = blob.length > 4 ? view.getUint32(0, true) : 0;
    if (size === 0 || size % 4 !== 0 || size + 4 >= blob.length)
      throw fail(
        at,
        `rules of normalisation: ${size} bytes of double array in a blob of ${blob.length}, expected a multiple of 4 that fits`,
      );
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#texts = blob.subarray(4 + size);
  }

  /**
   * The longest rule for what begins at `at`: [bytes consumed, first and last byte of the replacement in `texts`], or null.
   * A unit's bits: 0-7 and 31 the label, 8 whether a value follows, 9 whether the offset counts in 256s, 10-30 the offset.
   */
  match(text: Uint8Array, at: number): readonly [length: number, begin: number, end: number] | null {
    const units = this.#units;
    let unit = units[0]!;
    let node = offset(unit);
    let length = 0;
    let value = 0;
    for (let i = at; i < text.length; i++) {
      const byte = text[i]!;
      node ^= byte;
      if (node >= units.length) break;
      unit = units[node]!;
      if ((unit & 0x800000ff) !== byte) break;
      node ^= offset(unit);
      if (node >= units.length) break;
      if ((unit >>> 8) & 1) {
        length = i + 1 - at;
        value = units[node]! & 0x7fffffff;
      }
    }
    if (length === 0) return null;
    const end = this.#texts.indexOf(0, value);
    return [length, value, end < 0 ? this.#texts.length : end];
  }
  /** The replacements. */
  get texts(): Uint8Array {
    return this.#texts;
  }
}
const offset = (unit: number): number => ((unit >>> 10) << ((unit & 512) >>> 6)) >>> 0;

/** How whitespace is treated, besides the rules. */
export interface Spacing {
  readonly charsmap: Charsmap | null;
  readonly removeExtraWhitespaces: boolean;
  readonly escapeWhitespaces: boolean;
  readonly whitespaceAsSuffix: boolean;
}

const SPACE = "\u2581";
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Text as the pieces have it. `prefix`: with the dummy space; `own`: how many bytes of a user's own piece begin at a place, which no rule touches. */
export function normalizeSpm(text: string, o: Spacing, prefix: boolean, own: ((bytes: Uint8Array, at: number) => number) | null): string {
  let out = o.charsmap || own ? replaced(encoder.encode(text), o, own) : o.removeExtraWhitespaces ? text.replace(/^ +| +(?= )/g, "") : text;
  if (o.removeExtraWhitespaces) {
    out = out.replace(/^ +/, "");
    let end = out.length;
    while (end > 0 && (out[end - 1] === " " || (o.escapeWhitespaces && out[end - 1] === SPACE))) end--;
    out = out.slice(0, end);
    if (out === "") return "";
  } else if (text === "") return "";
  if (prefix) out = o.whitespaceAsSuffix ? `${out} ` : ` ${out}`;
  return o.escapeWhitespaces ? out.replaceAll(" ", SPACE) : out;
}

// Applies the rules; of spaces that come together only the first stays, where they are extra.
function replaced(text: Uint8Array, o: Spacing, own: ((bytes: Uint8Array, at: number) => number) | null): string {
  let out = new Uint8Array(text.length * 2 + 16);
  let n = 0;
  let afterSpace = o.removeExtraWhitespaces;
  for (let at = 0; at < text.length; ) {
    let length = own ? own(text, at) : 0;
    const rule = length === 0 && o.charsmap ? o.charsmap.match(text, at) : null;
    let [from, begin, end] = [text, at, at];
    if (rule) {
      length = rule[0];
      [from, begin, end] = [o.charsmap!.texts, rule[1], rule[2]];
    } else {
      if (length === 0) length = lengthOf(text[at]!);
      end = at + length;
    }
    at += length;
    while (afterSpace && begin < end && from[begin] === 32) begin++;
    if (begin === end) continue;
    if (n + end - begin > out.length) {
      const more = new Uint8Array(2 * out.length + end - begin);
      more.set(out);
      out = more;
    }
    for (let i = begin; i < end; i++) out[n++] = from[i]!;
    afterSpace = o.removeExtraWhitespaces && from[end - 1] === 32;
  }
  return decoder.decode(out.subarray(0, n));
}
