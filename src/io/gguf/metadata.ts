// Metadata of GGUF files: keys with typed values, read from bytes of either order and written to little-endian ones.
import { ArgumentError } from "../../core/errors.ts";
import { type Fail, shown } from "../damage.ts";

/** A value: 64-bit integers are numbers while they are exact, else bigints. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];
/** The types of single values. */
export type GgufScalarType =
  | "uint8"
  | "int8"
  | "uint16"
  | "int16"
  | "uint32"
  | "int32"
  | "float32"
  | "bool"
  | "string"
  | "uint64"
  | "int64"
  | "float64";
/** Types of values: arrays have `[]` behind, `string[]`, `int32[][]`. */
export type GgufType = GgufScalarType | `${GgufScalarType}[]` | `${GgufScalarType}[][]`;
/** A value with its type, which readers such as llama.cpp insist on. */
export interface GgufField {
  readonly type: GgufType;
  readonly value: GgufValue;
}

// The index is the number in files; 9 is an array.
const SCALARS: readonly (GgufScalarType | null)[] = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  null,
  "uint64",
  "int64",
  "float64",
];
const ARRAY = 9;
const SIZES: Record<GgufScalarType, number> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  string: 8,
  uint64: 8,
  int64: 8,
  float64: 8,
};

/** Thrown by a cursor that ran out of bytes; the reader fetches more and starts again. @internal */
export class More extends Error {
  readonly end: number;
  constructor(end: number) {
    super("more bytes needed");
    this.end = end;
  }
}

const text = new TextDecoder("utf-8", { fatal: true });

/** A place in the first bytes of a file. @internal */
export class Cursor {
  at = 0;
  /** The byte order. */
  little = true;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #size: number;
  readonly fail: Fail;
  /** `size` is that of the whole file, of which `bytes` are the first. */
  constructor(bytes: Uint8Array, size: number, fail: Fail) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#size = size;
    this.fail = fail;
  }
  /** Moves on by n bytes and says where they begin. */
  take(n: number, what: string): number {
    const at = this.at;
    if (n > this.#size - at) throw this.fail(at, `${what} of ${n} bytes expected, the file has ${this.#size - at} more`);
    if (at + n > this.#bytes.length) throw new More(at + n);
    this.at = at + n;
    return at;
  }
  u32(what: string): number {
    return this.#view.getUint32(this.take(4, what), this.little);
  }
  /** A count or an offset. */
  size(what: string): number {
    const at = this.take(8, what);
    const n = this.#view.getBigUint64(at, this.little);
    if (n > BigInt(Number.MAX_SAFE_INTEGER)) throw this.fail(at, `${what} is ${n}`);
    return Number(n);
  }
  /** Checks that `n` things of at least `each` bytes can follow at all. */
  room(n: number, each: number, what: string): void {
    if (n * each > this.#size - this.at)
      throw this.fail(this.at, `${n} ${what} cannot be in the ${this.#size - this.at} bytes that follow`);
  }
  string(what: string): string {
    const n = this.size(`length of ${what}`);
    const at = this.take(n, what);
    try {
      return text.decode(this.#bytes.subarray(at, at + n));
    } catch (cause) {
      throw this.fail(at, `${what} is not UTF-8`, { cause });
    }
  }
  #scalar(type: GgufScalarType, what: string): GgufValue {
    if (type === "string") return this.string(what);
    const v = this.#view;
    const at = this.take(SIZES[type], what);
    const exact = (n: bigint): number | bigint => (BigInt.asIntN(54, n) === n ? Number(n) : n);
    switch (type) {
      case "uint8":
        return v.getUint8(at);
      case "int8":
        return v.getInt8(at);
      case "uint16":
        return v.getUint16(at, this.little);
      case "int16":
        return v.getInt16(at, this.little);
      case "uint32":
        return v.getUint32(at, this.little);
      case "int32":
        return v.getInt32(at, this.little);
      case "float32":
        return v.getFloat32(at, this.little);
      case "float64":
        return v.getFloat64(at, this.little);
      case "uint64":
        return exact(v.getBigUint64(at, this.little));
      case "int64":
        return exact(v.getBigInt64(at, this.little));
      default:
        if (v.getUint8(at) > 1) throw this.fail(at, `${what} is ${v.getUint8(at)}, expected a bool of 0 or 1`);
        return v.getUint8(at) === 1;
    }
  }
  #typed(id: number, at: number, what: string, depth: number): GgufField {
    const type = SCALARS[id];
    if (type) return { type, value: this.#scalar(type, what) };
    if (id !== ARRAY) throw this.fail(at, `${what} has value type ${id}, expected 0 to 12`);
    if (depth === 2) throw this.fail(at, `${what} is an array of arrays of arrays, expected two levels at most`);
    const inner = this.u32(`element type of ${what}`);
    const count = this.size(`length of ${what}`);
    const element = SCALARS[inner];
    this.room(count, element ? SIZES[element] : 12, `elements of ${what}`);
    const values: GgufValue[] = [];
    let of: GgufType | undefined = element ?? undefined;
    for (let i = 0; i < count; i++) {
      const start = this.at;
      const field = this.#typed(inner, start, what, depth + 1);
      of ??= field.type;
      if (field.type !== of) throw this.fail(start, `${what} holds ${of} and ${field.type}, expected one type`);
      values.push(field.value);
    }
    return { type: `${of ?? "uint8[]"}[]` as GgufType, value: values };
  }
  /** A type and a value of it. */
  field(what: string): GgufField {
    const at = this.at;
    return this.#typed(this.u32(`type of ${what}`), at, what, 0);
  }
}

/** The type that a plain value gets when it is written: whole numbers are uint32, int32, uint64 or int64, others float32. @internal */
export function guessType(key: string, value: unknown): GgufType {
  const refuse = (): ArgumentError =>
    new ArgumentError({
      op: "gguf",
      message: `metadata ${shown(key)} is ${shown(value)}`,
      hint: "Give numbers, booleans, strings or arrays of one of them",
    });
  const whole = (v: readonly (number | bigint)[]): GgufScalarType => {
    const [low, high] = v.reduce(([a, b], x) => [x < a ? x : a, x > b ? x : b], [v[0] ?? 0, v[0] ?? 0]);
    if (low >= 0) return high < 2 ** 32 ? "uint32" : "uint64";
    return low >= -(2 ** 31) && high < 2 ** 31 ? "int32" : "int64";
  };
  const of = (values: readonly unknown[]): GgufScalarType => {
    if (values.every((v) => typeof v === "string")) return "string";
    if (values.every((v) => typeof v === "boolean")) return "bool";
    if (values.every((v) => typeof v === "bigint" || Number.isSafeInteger(v))) return whole(values as (number | bigint)[]);
    if (values.every((v) => typeof v === "number")) return "float32";
    throw refuse();
  };
  if (!Array.isArray(value)) return of([value]);
  return value.length > 0 && value.every(Array.isArray) ? `${of(value.flat())}[][]` : `${of(value)}[]`;
}

/** Collects little-endian values. @internal */
export class Writer {
  readonly #parts: Uint8Array[] = [];
  length = 0;
  bytes(part: Uint8Array): void {
    this.#parts.push(part);
    this.length += part.length;
  }
  u32(x: number): void {
    this.#put(4, (v) => v.setUint32(0, x, true));
  }
  u64(x: number | bigint): void {
    this.#put(8, (v) => v.setBigUint64(0, BigInt(x), true));
  }
  string(s: string): void {
    const bytes = new TextEncoder().encode(s);
    this.u64(bytes.length);
    this.bytes(bytes);
  }
  /** Zeros up to a multiple of n. */
  pad(n: number): void {
    this.bytes(new Uint8Array((n - (this.length % n)) % n));
  }
  parts(): readonly Uint8Array[] {
    return this.#parts;
  }
  #put(n: number, set: (v: DataView) => void): void {
    const bytes = new Uint8Array(n);
    set(new DataView(bytes.buffer));
    this.bytes(bytes);
  }
  #scalar(type: GgufScalarType, x: unknown, key: string): void {
    const refuse = (): ArgumentError =>
      new ArgumentError({ op: "gguf", message: `metadata ${shown(key)}: ${shown(x)} is no ${type}`, hint: "Give a value in its range" });
    if (type === "string") {
      if (typeof x !== "string") throw refuse();
      return this.string(x);
    }
    if (type === "bool") {
      if (typeof x !== "boolean") throw refuse();
      return this.bytes(Uint8Array.of(Number(x)));
    }
    if (type === "float32" || type === "float64") {
      if (typeof x !== "number") throw refuse();
      return this.#put(SIZES[type], (v) => (type === "float32" ? v.setFloat32(0, x, true) : v.setFloat64(0, x, true)));
    }
    const bits = SIZES[type] * 8;
    if (typeof x !== "bigint" && !Number.isSafeInteger(x)) throw refuse();
    const n = BigInt(x as number);
    if ((type.startsWith("u") ? BigInt.asUintN(bits, n) : BigInt.asIntN(bits, n)) !== n) throw refuse();
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, n), true);
    this.bytes(bytes.subarray(0, SIZES[type]));
  }
  #value(type: GgufType, value: unknown, key: string): void {
    if (!type.endsWith("[]")) return this.#scalar(type as GgufScalarType, value, key);
    const inner = type.slice(0, -2) as GgufType;
    if (!Array.isArray(value))
      throw new ArgumentError({ op: "gguf", message: `metadata ${shown(key)} is no array`, hint: `Its type is ${type}` });
    this.#type(inner);
    this.u64(value.length);
    for (const v of value) {
      if (inner.endsWith("[]")) this.#value(inner, v, key);
      else this.#scalar(inner as GgufScalarType, v, key);
    }
  }
  #type(type: GgufType): void {
    this.u32(type.endsWith("[]") ? ARRAY : SCALARS.indexOf(type as GgufScalarType));
  }
  /** A type and a value of it. @throws ArgumentError when the value is not of the type. */
  field(key: string, { type, value }: GgufField): void {
    if (!SCALARS.includes(type.replace(/(\[\])*$/, "") as GgufScalarType))
      throw new ArgumentError({
        op: "gguf",
        message: `metadata ${shown(key)} has type ${shown(type)}`,
        hint: "Use uint32, float32, string, bool, string[], …",
      });
    this.#type(type);
    this.#value(type, value, key);
  }
}
