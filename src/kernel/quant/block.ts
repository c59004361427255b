// What a quantised type is, and the float arithmetic that its codecs share. Every family of types has a table file of its own.
import { f16ToNumber, numberToF16 } from "../../core/dtype.ts";

/** A quantised type: rows are cut into blocks of `size` values, each stored in `bytes` bytes. */
export interface BlockType {
  readonly name: string;
  /** Its number in files. */
  readonly id: number;
  readonly size: number;
  readonly bytes: number;
  /** Writes the values of the block at `src[at]` to `out[to]`, rounded once from exact products, as float32 arithmetic would. */
  readonly decode: (src: Uint8Array, at: number, out: Float32Array, to: number) => void;
  /** Writes the block for the finite values at `x[from]` to `out[at]`, which is zero before. Absent where an importance matrix is needed. */
  readonly encode?: (x: Float32Array, from: number, out: Uint8Array, at: number) => void;
}

/** Rounds to float32. Products of block scales and quants are exact in double, so one rounding gives what float32 steps give. */
export const f: (x: number) => number = Math.fround;

let halves: Float32Array | undefined;
/** The float16 at `src[at]`. */
export function half(src: Uint8Array, at: number): number {
  halves ??= Float32Array.from({ length: 65536 }, (_, i) => f16ToNumber(i));
  return halves[src[at]! | (src[at + 1]! << 8)]!;
}
/** Stores `x` as a float16 and gives what was stored. */
export function putHalf(out: Uint8Array, at: number, x: number): number {
  const bits = numberToF16(x);
  out[at] = bits & 255;
  out[at + 1] = bits >> 8;
  return f16ToNumber(bits);
}
/** A byte as a signed number. */
export const signed = (byte: number): number => (byte << 24) >> 24;

const one = new Float32Array(1);
const bits = new Uint32Array(one.buffer);
/** The float32 with these bits. */
export function fromBits(word: number): number {
  bits[0] = word;
  return one[0]!;
}
/** The bits of `x` as a float32. */
export function toBits(x: number): number {
  one[0] = x;
  return bits[0]!;
}
/** Nearest integer, ties to even, by adding 1.5 * 2^23: beyond 2^22 the bits wrap, as the reference's do. */
export function nearest(x: number): number {
  const y = f(x + 12582912) - 12582912;
  return y >= -0x400000 && y <= 0x3fffff ? y : (toBits(x + 12582912) & 0x7fffff) - 0x400000;
}
/** Nearest integer, ties away from zero. */
export const round = (x: number): number => (x < 0 ? -Math.floor(0.5 - x) : Math.floor(x + 0.5));
/** The value of largest magnitude (the first of equals), with its sign. */
export function extreme(x: Float32Array, from: number, n: number): number {
  let max = 0;
  for (let i = from; i < from + n; i++) if (Math.abs(x[i]!) > Math.abs(max)) max = x[i]!;
  return max;
}
