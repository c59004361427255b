// The ranges of number types, torch.finfo and torch.iinfo.
import { need } from "./arguments.ts";
import { type DType, getDefaultDtype, isFloating, isIntegral, itemSize, toReal } from "./dtype.ts";
import { DTypeError } from "./errors.ts";

/** The range and precision of a floating type. */
export interface FloatInfo {
  readonly dtype: DType;
  /** Width in bits. */
  readonly bits: number;
  /** The distance from 1 to the next number. */
  readonly eps: number;
  /** The greatest finite number. */
  readonly max: number;
  /** The least finite number, `-max`. */
  readonly min: number;
  /** The least positive number of full precision. */
  readonly smallestNormal: number;
  /** `smallestNormal` under its older name. */
  readonly tiny: number;
  /** The power of ten to which decimals are exact. */
  readonly resolution: number;
}
/** The range of an integer type; bigints for int64, whose ends are no safe numbers. */
export interface IntInfo {
  readonly dtype: DType;
  /** Width in bits. */
  readonly bits: number;
  readonly max: number | bigint;
  readonly min: number | bigint;
}

// Bits of precision (the hidden one included) and the exponent of the greatest power of two.
const FORMATS: Readonly<Record<string, readonly [precision: number, exponent: number]>> = {
  float16: [11, 15],
  bfloat16: [8, 127],
  float32: [24, 127],
  float64: [53, 1023],
};

/**
 * Range and precision of a floating type (default: the default one); of a complex type, those of its parts.
 * @throws DTypeError for integers and bool
 * @example finfo("float16").max // => 65504
 */
export function finfo(dtype: DType = getDefaultDtype()): FloatInfo {
  need("finfo", "dtype", dtype);
  const real = toReal(dtype);
  if (!isFloating(real)) throw new DTypeError({ op: "finfo", message: `${dtype} is no floating type`, hint: "Use iinfo" });
  const [precision, exponent] = FORMATS[real]!;
  const eps = 2 ** (1 - precision);
  const max = (2 - eps) * 2 ** exponent;
  const smallestNormal = 2 ** (1 - exponent);
  const resolution = 10 ** -Math.floor((precision - 1) * Math.log10(2));
  return { dtype: real, bits: 8 * itemSize(real), eps, max, min: -max, smallestNormal, tiny: smallestNormal, resolution };
}

/**
 * Range of an integer type.
 * @throws DTypeError for other types
 * @example iinfo("int8").min // => -128
 */
export function iinfo(dtype: DType): IntInfo {
  need("iinfo", "dtype", dtype);
  if (!isIntegral(dtype)) throw new DTypeError({ op: "iinfo", message: `${dtype} is no integer type`, hint: "Use finfo" });
  const bits = 8 * itemSize(dtype);
  if (bits === 64) return { dtype, bits, max: 2n ** 63n - 1n, min: -(2n ** 63n) };
  return dtype === "uint8" ? { dtype, bits, max: 255, min: 0 } : { dtype, bits, max: 2 ** (bits - 1) - 1, min: -(2 ** (bits - 1)) };
}
