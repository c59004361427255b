// The header of .npy files: a Python dict literal with the dtype, the order and the shape.
// Source: NEP 1 and numpy.lib.format, versions 1.0 to 3.0.
import type { DType } from "../../core/dtype.ts";
import { type Fail, shown } from "../damage.ts";
import { anyBool, type Element, elementOf } from "../elements.ts";

/** Values of Python literals that headers may have: tuples and lists are arrays. */
export type Literal = string | number | boolean | null | readonly Literal[] | { readonly [key: string]: Literal };

/** Parses a Python literal. @throws SyntaxError with the place as `at` characters from the start */
export function parseLiteral(text: string): Literal {
  let at = 0;
  const fail = (): SyntaxError =>
    new SyntaxError(`unexpected ${at < text.length ? shown(text.slice(at, at + 12)) : "end"} at character ${at}`);
  const space = (): void => {
    while (at < text.length && /\s/.test(text[at]!)) at++;
  };
  const eat = (s: string): boolean => {
    space();
    if (!text.startsWith(s, at)) return false;
    at += s.length;
    return true;
  };
  const sequence = (close: string, depth: number): Literal[] => {
    const out: Literal[] = [];
    while (!eat(close)) {
      out.push(value(depth));
      if (eat(",")) continue;
      if (!eat(close)) throw fail();
      break;
    }
    return out;
  };
  const value = (depth: number): Literal => {
    if (depth > 16) throw fail();
    space();
    const quote = /^[ub]?(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)")/.exec(text.slice(at, at + 65536));
    if (quote) {
      at += quote[0].length;
      return (quote[1] ?? quote[2]!).replace(/\\(.)/g, "$1");
    }
    const number = /^-?\d+L?(?![\w.])/.exec(text.slice(at, at + 32));
    if (number) {
      at += number[0].length;
      return Number.parseInt(number[0], 10);
    }
    for (const [word, v] of [
      ["True", true],
      ["False", false],
      ["None", null],
    ] as const)
      if (eat(word)) return v;
    if (eat("[")) return sequence("]", depth + 1);
    if (eat("(")) {
      const items = sequence(")", depth + 1);
      return items.length === 1 && !/,\s*\)$/.test(text.slice(0, at)) ? items[0]! : items;
    }
    if (!eat("{")) throw fail();
    const entries: [string, Literal][] = [];
    while (!eat("}")) {
      const key = value(depth + 1);
      if (typeof key !== "string" || !eat(":")) throw fail();
      entries.push([key, value(depth + 1)]);
      if (eat(",")) continue;
      if (!eat("}")) throw fail();
      break;
    }
    return Object.fromEntries(entries);
  };
  const out = value(0);
  space();
  if (at < text.length) throw fail();
  return out;
}

/** How items lie in a file. */
export interface NpyItem {
  readonly descr: string;
  readonly element: Element;
  /** Are they big-endian? */
  readonly swap: boolean;
}
/** What a header says. */
export interface NpyHeader {
  /** The type, or why it cannot be read. */
  readonly item: NpyItem | { readonly descr: string; readonly refused: string };
  readonly shape: readonly number[];
  readonly fortran: boolean;
  /** Where the data begin. */
  readonly data: number;
}

const TYPES: Readonly<Record<string, Element>> = {
  b1: anyBool,
  i1: elementOf("int8")!,
  i2: elementOf("int16")!,
  i4: elementOf("int32")!,
  i8: elementOf("int64")!,
  u1: elementOf("uint8")!,
  u2: elementOf("uint16")!,
  u4: elementOf("uint32")!,
  u8: elementOf("uint64")!,
  f2: elementOf("float16")!,
  f4: elementOf("float32")!,
  f8: elementOf("float64")!,
  c8: elementOf("complex64")!,
  c16: elementOf("complex128")!,
};
const REFUSED: Readonly<Record<string, string>> = {
  O: "Python objects (pickled), which are never read",
  S: "byte strings",
  a: "byte strings",
  U: "strings",
  M: "dates",
  m: "time spans",
  V: "raw bytes",
  f16: "extended-precision floats",
  c32: "extended-precision complex numbers",
};

function itemOf(descr: Literal): NpyHeader["item"] | null {
  if (Array.isArray(descr)) return { descr: shown(descr), refused: `structured records ${shown(descr)}` };
  const m = typeof descr === "string" ? /^([<>|=]?)([a-zA-Z])(\d*)/.exec(descr) : null;
  if (!m) return null;
  const [, order, kind, digits] = m as unknown as [string, string, string, string];
  const known = Object.hasOwn(TYPES, kind + digits) && m[0] === descr ? TYPES[kind + digits]! : null;
  if (known) return { descr: m[0], element: known, swap: order === ">" };
  const refused = REFUSED[kind + digits] ?? REFUSED[kind];
  return refused ? { descr: descr as string, refused: `${refused} (${shown(descr)})` } : null;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const MAX_HEADER = 1 << 20;

/** Does it begin like a .npy file? */
export const isNpy = (head: Uint8Array): boolean => head.length >= 8 && MAGIC.every((b, i) => head[i] === b);

/** How many bytes the header takes, from its first twelve: null when there are fewer. */
export function headerLength(bytes: Uint8Array, fail: Fail): number | null {
  if (bytes.length < 12) return null;
  if (!isNpy(bytes)) throw fail(0, "no NUMPY magic");
  const [major, minor] = [bytes[6]!, bytes[7]!];
  if (major < 1 || major > 3 || minor !== 0) throw fail(6, `version ${major}.${minor}, expected 1.0, 2.0 or 3.0`);
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const total = major === 1 ? 10 + v.getUint16(8, true) : 12 + v.getUint32(8, true);
  if (total > MAX_HEADER) throw fail(8, `a header of ${total} bytes, expected ${MAX_HEADER} at most`);
  return total;
}

/** Parses a whole header. @throws FormatError */
export function parseHeader(bytes: Uint8Array, fail: Fail): NpyHeader {
  const version = bytes[6]!;
  const start = version === 1 ? 10 : 12;
  let header: Literal;
  try {
    const text = new TextDecoder(version === 3 ? "utf-8" : "latin1", { fatal: true }).decode(bytes.subarray(start));
    header = parseLiteral(text);
  } catch (cause) {
    throw fail(start, `the header is no Python literal: ${(cause as Error).message}`, { cause });
  }
  const h = (typeof header === "object" && header !== null && !Array.isArray(header) ? header : {}) as Record<string, Literal>;
  if (Object.keys(h).sort().join() !== "descr,fortran_order,shape")
    throw fail(start, `the header is ${shown(header)}, expected a dict with descr, fortran_order and shape`);
  const { descr, fortran_order: fortran, shape } = h;
  if (typeof fortran !== "boolean") throw fail(start, `fortran_order is ${shown(fortran)}, expected True or False`);
  if (!Array.isArray(shape) || shape.length > 64 || !shape.every((n) => Number.isSafeInteger(n) && n >= 0))
    throw fail(start, `shape is ${shown(shape)}, expected a tuple of sizes`);
  const item = itemOf(descr!);
  if (!item) throw fail(start, `descr is ${shown(descr)}, expected a type such as "<f4"`);
  const size = "refused" in item ? 1 : item.element.size;
  if (!Number.isSafeInteger((shape as number[]).reduce((a, b) => a * b, size)))
    throw fail(start, `shape is ${shown(shape)}, more than a file can hold`);
  return { item, shape: shape as number[], fortran, data: bytes.length };
}

const DESCR: Partial<Record<DType, string>> = {
  bool: "|b1",
  uint8: "|u1",
  int8: "|i1",
  int16: "<i2",
  int32: "<i4",
  int64: "<i8",
  float16: "<f2",
  float32: "<f4",
  float64: "<f8",
  complex64: "<c8",
  complex128: "<c16",
};

/** The header for a row-major array, byte for byte what numpy writes; undefined for a dtype that numpy lacks. */
export function makeHeader(dtype: DType, shape: readonly number[]): Uint8Array | undefined {
  const descr = DESCR[dtype];
  if (descr === undefined) return undefined;
  const sizes = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  // Room for the first size to grow to any 64-bit number, which numpy leaves so that files can be appended to.
  const room = shape.length > 0 ? " ".repeat(21 - String(shape[0]).length) : "";
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${sizes}, }${room}`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64;
  const out = new Uint8Array(length);
  out.set([...MAGIC, 1, 0, (length - 10) & 255, (length - 10) >> 8]);
  out.set(new TextEncoder().encode(text.padEnd(length - 11) + "\n"), 10);
  return out;
}
