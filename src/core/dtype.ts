// Element types: their names, sizes and PyTorch's promotion lattice. Nothing here knows a device.
import { DTypeError } from "./errors.ts";

const TABLE = {
  bool: { id: 0, size: 1, category: 0, rank: 0 },
  uint8: { id: 1, size: 1, category: 1, rank: 0 },
  int8: { id: 2, size: 1, category: 1, rank: 0 },
  int16: { id: 3, size: 2, category: 1, rank: 1 },
  int32: { id: 4, size: 4, category: 1, rank: 2 },
  int64: { id: 5, size: 8, category: 1, rank: 3 },
  float16: { id: 6, size: 2, category: 2, rank: 0 },
  bfloat16: { id: 7, size: 2, category: 2, rank: 0 },
  float32: { id: 8, size: 4, category: 2, rank: 1 },
  float64: { id: 9, size: 8, category: 2, rank: 2 },
  complex64: { id: 10, size: 8, category: 3, rank: 1 },
  complex128: { id: 11, size: 16, category: 3, rank: 2 },
} as const;

/** The name of an element type. `torch.float32` is the string `"float32"`. */
export type DType = keyof typeof TABLE;

/** Bytes of one element. */
export const itemSize = (d: DType): number => TABLE[d].size;
/** A small stable integer for tables and native code (see `native/abi.h`). */
export const dtypeId = (d: DType): number => TABLE[d].id;
/** bool 0, integer 1, floating 2, complex 3: promotion goes up. */
export const category = (d: DType): number => TABLE[d].category;
/** Is it float16, bfloat16, float32 or float64? */
export const isFloating = (d: DType): boolean => TABLE[d].category === 2;
/** Is it float16 or bfloat16? */
export const isHalf = (d: DType): boolean => TABLE[d].category === 2 && TABLE[d].size === 2;
/** Is it complex64 or complex128? */
export const isComplex = (d: DType): boolean => TABLE[d].category === 3;
/** Is it an integer type (bool is not)? */
export const isIntegral = (d: DType): boolean => TABLE[d].category === 1;
/** Can it carry a gradient? */
export const isDifferentiable = (d: DType): boolean => TABLE[d].category >= 2;
/** Is this string the name of a dtype? */
export const isDType = (x: unknown): x is DType => typeof x === "string" && Object.hasOwn(TABLE, x);
const unknown = (op: string, ...types: unknown[]): DTypeError =>
  new DTypeError({
    op,
    message: `${types.map((t) => (isDType(t) ? t : t === undefined ? "nothing" : typeof t)).join(" and ")} are not two dtypes`,
    hint: `Use ${DTYPES.join(", ")}`,
  });
/** All dtypes, in the order of their ids. */
export const DTYPES: readonly DType[] = Object.keys(TABLE) as DType[];

/** The real type of a complex one (`complex64` → `float32`); others are themselves. */
export const toReal = (d: DType): DType => (d === "complex64" ? "float32" : d === "complex128" ? "float64" : d);
/** The complex type over a real one (`float64` → `complex128`, all else → `complex64`). */
export const toComplex = (d: DType): DType => (isComplex(d) ? d : d === "float64" ? "complex128" : "complex64");

/** The common type of two tensors of equal priority, as in `torch.promote_types`. @example promoteTypes("int64", "float16") // => "float16" */
export function promoteTypes(a: DType, b: DType): DType {
  if (TABLE[a] === undefined || TABLE[b] === undefined) throw unknown("promoteTypes", a, b);
  if (a === b) return a;
  const ta = TABLE[a];
  const tb = TABLE[b];
  if (ta.category !== tb.category) {
    const [hi, lo] = ta.category > tb.category ? [a, b] : [b, a];
    if (hi === "complex64" && lo === "float64") return "complex128";
    return hi;
  }
  if (ta.category === 1 && (a === "uint8" || b === "uint8")) {
    const other = a === "uint8" ? b : a;
    return other === "int8" ? "int16" : other;
  }
  if (ta.category === 2 && ta.rank === 0 && tb.rank === 0) return "float32"; // float16 with bfloat16
  return ta.rank >= tb.rank ? a : b;
}

/**
 * May a result of type `from` be written into `to` (never down a category), as in `torch.can_cast`?
 * @example canCast("float32", "int64") // => false
 */
export const canCast = (from: DType, to: DType): boolean => {
  if (TABLE[from] === undefined || TABLE[to] === undefined) throw unknown("canCast", from, to);
  const a = TABLE[from].category;
  const b = TABLE[to].category;
  return a <= b && !(a === 1 && b === 0);
};

let defaultFloat: DType = "float32";
/** The floating type of new tensors and of integer → float promotion. @example getDefaultDtype() // => "float32" */
export const getDefaultDtype = (): DType => defaultFloat;
/**
 * Sets the floating type of new tensors.
 * @throws DTypeError when `dtype` is not floating.
 * @example
 * setDefaultDtype("float64");
 * tensor([0.5]).dtype // => "float64"
 * setDefaultDtype("float32");
 */
export function setDefaultDtype(dtype: DType): void {
  if (!isDType(dtype) || !isFloating(dtype)) {
    throw new DTypeError({
      op: "setDefaultDtype",
      message: `${typeof dtype === "string" ? dtype : dtype === undefined ? "nothing" : typeof dtype} is not a floating type`,
      hint: "Use float32 or float64",
    });
  }
  defaultFloat = dtype;
}
/** The complex type that goes with the default floating type. */
export const defaultComplex = (): DType => toComplex(defaultFloat);

/** A typed array that holds elements of some dtype (16-bit floats and complex have none of their own). */
export type TypedArray = Float64Array | Float32Array | Int32Array | Int16Array | Int8Array | Uint8Array | Uint16Array | BigInt64Array;

/** The typed array over raw storage bytes: 16-bit floats as Uint16Array, complex interleaved, bool as Uint8Array. */
export function rawArray(dtype: DType, buffer: ArrayBufferLike, byteOffset = 0, elements?: number): TypedArray {
  const n = elements === undefined ? undefined : isComplex(dtype) ? elements * 2 : elements;
  switch (dtype) {
    case "float64":
    case "complex128":
      return new Float64Array(buffer, byteOffset, n);
    case "float32":
    case "complex64":
      return new Float32Array(buffer, byteOffset, n);
    case "int64":
      return new BigInt64Array(buffer, byteOffset, n);
    case "int32":
      return new Int32Array(buffer, byteOffset, n);
    case "int16":
      return new Int16Array(buffer, byteOffset, n);
    case "int8":
      return new Int8Array(buffer, byteOffset, n);
    case "float16":
    case "bfloat16":
      return new Uint16Array(buffer, byteOffset, n);
    default:
      return new Uint8Array(buffer, byteOffset, n);
  }
}

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** A bfloat16 bit pattern as a number. */
export function bf16ToNumber(bits: number): number {
  u32[0] = bits << 16;
  return f32[0]!;
}
/** The nearest bfloat16 bit pattern (ties to even, NaN kept). */
export function numberToBf16(x: number): number {
  f32[0] = x;
  const u = u32[0]!;
  if ((u & 0x7fffffff) > 0x7f800000) return ((u >>> 16) | 0x40) & 0xffff;
  return ((u + 0x7fff + ((u >>> 16) & 1)) >>> 16) & 0xffff;
}
/** A float16 bit pattern as a number. */
export function f16ToNumber(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const e = (h >> 10) & 31;
  const m = h & 1023;
  if (e === 0) return sign * m * 2 ** -24;
  if (e === 31) return m ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + m / 1024) * 2 ** (e - 15);
}
/** The nearest float16 bit pattern (ties to even, overflow to infinity, NaN kept), rounded once from double. */
export function numberToF16(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const a = Math.abs(x);
  if (Number.isNaN(x)) return 0x7e00;
  if (a >= 65520) return sign | 0x7c00;
  if (a < 2 ** -14) return sign | roundEven(a * 2 ** 24);
  const e = Math.min(15, Math.floor(Math.log2(a)));
  const scale = a / 2 ** e < 1 ? e - 1 : a / 2 ** e >= 2 ? e + 1 : e;
  const m = roundEven((a / 2 ** scale) * 1024); // 1024..2048; 2048 carries into the exponent by addition
  return sign | (((scale + 15) << 10) + (m - 1024));
}
/** Round half to even. */
export function roundEven(x: number): number {
  const f = Math.floor(x);
  const d = x - f;
  if (d < 0.5) return f;
  if (d > 0.5) return f + 1;
  return f % 2 === 0 ? f : f + 1;
}
