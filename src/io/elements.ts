// Element types as files have them: Firebrand's own, and those that it reads as a wider type because no kernel computes with them.
import { bf16ToNumber, type DType, DTYPES, f16ToNumber, isComplex, itemSize, rawArray, type TypedArray } from "../core/dtype.ts";

/** How elements lie in a file and what they become. */
export interface Element {
  /** The name in the file, PyTorch's: `float32`, `uint16`, `float8_e4m3fn`. */
  readonly name: string;
  /** Bytes of one element in the file. */
  readonly size: number;
  /** The dtype that it is read as: every value of the type is one of this. */
  readonly dtype: DType;
  /** Bytes whose order is reversed in a file of the other byte order: half an element for complex numbers. */
  readonly unit: number;
  /** Elements of the file as elements of `dtype`; null where the bytes are the same. @throws RangeError for a value that does not fit. */
  readonly widen: ((bytes: Uint8Array) => TypedArray) | null;
}

const table = new Map<string, Element>();
const add = (name: string, size: number, dtype: DType, unit: number, widen: Element["widen"]): void => {
  table.set(name, { name, size, dtype, unit, widen });
};
for (const d of DTYPES) add(d, itemSize(d), d, isComplex(d) ? itemSize(d) / 2 : itemSize(d), null);

const view = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);
/** `n` numbers of `size` bytes each, read one by one into `out`. */
function each<T extends TypedArray>(bytes: Uint8Array, size: number, out: T, get: (v: DataView, at: number) => number | bigint): T {
  const v = view(bytes);
  for (let i = 0; i < out.length; i++) out[i] = get(v, i * size) as never;
  return out;
}
const integers = (n: number): Int32Array => new Int32Array(n);
const halves = (convert: (bits: number) => number) => (b: Uint8Array) =>
  each(b, 2, new Float32Array(b.length / 2), (v, at) => convert(v.getUint16(at, true)));

add("uint16", 2, "int32", 2, (b) => each(b, 2, integers(b.length / 2), (v, at) => v.getUint16(at, true)));
add("uint32", 4, "int64", 4, (b) => each(b, 4, new BigInt64Array(b.length / 4), (v, at) => BigInt(v.getUint32(at, true))));
add("uint64", 8, "int64", 8, (b) =>
  each(b, 8, new BigInt64Array(b.length / 8), (v, at) => {
    const x = v.getBigUint64(at, true);
    if (x >= 1n << 63n) throw new RangeError(`${x} does not fit int64`);
    return x;
  }),
);
add("complex32", 4, "complex64", 2, halves(f16ToNumber));
add("bcomplex32", 4, "complex64", 2, halves(bf16ToNumber));
add("bits16", 2, "int32", 2, table.get("uint16")!.widen);
for (const packed of ["bits8", "bits1x8", "bits2x4", "bits4x2", "float4_e2m1fn_x2"]) add(packed, 1, "uint8", 1, null);
// The integers of quantised tensors; scale and zero point are the tensor's business.
add("qint8", 1, "int8", 1, null);
add("quint8", 1, "uint8", 1, null);
add("qint32", 4, "int32", 4, null);

/**
 * The values of an 8-bit float with `mantissa` bits: OCP's formats end in one NaN (`fn`), infinities (`ieee`), or have no
 * negative zero, whose code is NaN (`fnuz`). Source: OCP 8-bit Floating Point Specification 1.0; arXiv 2206.02915 for fnuz.
 */
function float8(mantissa: number, bias: number, kind: "fn" | "ieee" | "fnuz"): Float32Array {
  const out = new Float32Array(256);
  const ones = (1 << mantissa) - 1;
  const top = (1 << (7 - mantissa)) - 1;
  for (let code = 0; code < 256; code++) {
    const sign = code & 128 ? -1 : 1;
    const e = (code & 127) >> mantissa;
    const m = code & ones;
    let x = e === 0 ? (m / (ones + 1)) * 2 ** (1 - bias) : (1 + m / (ones + 1)) * 2 ** (e - bias);
    if (kind === "fn" && e === top && m === ones) x = Number.NaN;
    if (kind === "ieee" && e === top) x = m === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
    if (kind === "fnuz" && code === 128) x = Number.NaN;
    out[code] = sign * x;
  }
  return out;
}
const lookup = (name: string, values: () => Float32Array): void => {
  let known: Float32Array | null = null;
  add(name, 1, "float32", 1, (b) => {
    known ??= values();
    const out = new Float32Array(b.length);
    for (let i = 0; i < b.length; i++) out[i] = known[b[i]!]!;
    return out;
  });
};
lookup("float8_e4m3fn", () => float8(3, 7, "fn"));
lookup("float8_e5m2", () => float8(2, 15, "ieee"));
lookup("float8_e4m3fnuz", () => float8(3, 8, "fnuz"));
lookup("float8_e5m2fnuz", () => float8(2, 16, "fnuz"));
lookup("float8_e8m0fnu", () => Float32Array.from({ length: 256 }, (_, e) => (e === 255 ? Number.NaN : 2 ** (e - 127))));

/** bool where any byte but 0 is true, as numpy, HDF5 and TensorFlow have it. */
export const anyBool: Element = { name: "bool", size: 1, dtype: "bool", unit: 1, widen: (b) => b.map((x) => Number(x !== 0)) };

/** The element type of that name, or undefined. */
export const elementOf = (name: string): Element | undefined => table.get(name);

/** Reverses the bytes of every unit, in place. */
export function swapBytes(bytes: Uint8Array, unit: number): Uint8Array {
  if (unit === 1) return bytes;
  for (let at = 0; at + unit <= bytes.length; at += unit) bytes.subarray(at, at + unit).reverse();
  return bytes;
}

/** The bytes of a typed array. */
export const bytesOf = (a: TypedArray): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);

/** `n` elements over bytes of a file as Firebrand's typed array of that dtype. */
export const typed = (dtype: DType, bytes: Uint8Array): TypedArray => {
  const own = bytes.byteOffset % 16 === 0 ? bytes : bytes.slice();
  return rawArray(dtype, own.buffer, own.byteOffset, own.byteLength / itemSize(dtype));
};
