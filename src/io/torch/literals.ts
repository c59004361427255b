// Numbers and strings as pickles write them. All throw RangeError for what is none.

const utf8 = /*@__PURE__*/ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new RangeError("the text is not UTF-8");
  }
}

/** Text as Python writes it: UTF-8, in which single surrogates may stand. */
export function text(bytes: Uint8Array): string {
  const surrogate = (i: number): boolean => bytes[i] === 0xed && bytes[i + 1]! >= 0xa0 && (bytes[i + 2]! & 0xc0) === 0x80;
  let out = "";
  let from = 0;
  for (let i = bytes.indexOf(0xed); i >= 0; i = bytes.indexOf(0xed, i + 1)) {
    if (!surrogate(i)) continue;
    out += decode(bytes.subarray(from, i)) + String.fromCharCode(0xd000 | ((bytes[i + 1]! & 0x3f) << 6) | (bytes[i + 2]! & 0x3f));
    from = i + 3;
  }
  return out + decode(bytes.subarray(from));
}
/** A string of Python 2: text where it is UTF-8, else bytes. */
export function oldString(bytes: Uint8Array): string | Uint8Array {
  try {
    return utf8.decode(bytes);
  } catch {
    return bytes.slice();
  }
}
/** The bytes of which each character of `s` is one; null where one is none. */
export function latin1(s: string): Uint8Array {
  const out = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c > 255) throw new RangeError("a character of the bytes is above 255");
    out[i] = c;
  }
  return out;
}
/** `\\u0041` is `A`. */
export const unicode = (line: string): string =>
  line.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, a?: string, b?: string) =>
    String.fromCodePoint(Number.parseInt(a ?? b!, 16)),
  );

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", a: "\x07", b: "\b", f: "\f", v: "\v" };
/** The bytes of a string in quotes, as Python 2 prints them. */
export function unquoted(line: string): Uint8Array {
  const quoted = /^(['"])([\s\S]*)\1$/.exec(line.trim());
  if (!quoted) throw new RangeError("the string has no quotes");
  const plain = quoted[2]!.replace(/\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|([\s\S]))/g, (_, hex?: string, octal?: string, c?: string) =>
    hex
      ? String.fromCharCode(Number.parseInt(hex, 16))
      : octal
        ? String.fromCharCode(Number.parseInt(octal, 8) & 255)
        : (ESCAPES[c!] ?? c!),
  );
  return latin1(plain);
}

const small = (n: bigint): number | bigint => (n >= -(2n ** 53n) && n <= 2n ** 53n ? Number(n) : n);
/** A two's complement integer, least significant byte first. */
export function long(bytes: Uint8Array): number | bigint {
  if (bytes.length === 0) return 0;
  if (bytes.length > 1 << 20) throw new RangeError(`an integer of ${bytes.length} bytes`);
  let hex = "";
  for (let i = bytes.length - 1; i >= 0; i--) hex += bytes[i]!.toString(16).padStart(2, "0");
  const n = BigInt(`0x${hex}`);
  return small(bytes[bytes.length - 1]! & 0x80 ? n - (1n << BigInt(8 * bytes.length)) : n);
}
/** A decimal integer; Python itself reads no more than 4300 digits. */
export function integer(line: string): number | bigint {
  if (!/^[+-]?\d{1,4300}L?$/.test(line)) throw new RangeError(`${JSON.stringify(line.slice(0, 40))} is no integer`);
  return small(BigInt(line.replace(/^\+|L$/g, "")));
}
/** A decimal number. */
export function float(line: string): number {
  const named: Readonly<Record<string, number>> = { inf: Infinity, "-inf": -Infinity, nan: Number.NaN };
  const t = line.trim();
  if (Object.hasOwn(named, t)) return named[t]!;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(t)) throw new RangeError(`${JSON.stringify(t.slice(0, 40))} is no number`);
  return Number(t);
}
