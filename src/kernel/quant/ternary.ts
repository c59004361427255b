// Super-blocks of 256 values that are -1, 0 or 1 times one scale: TQ1_0 (five to a byte) and TQ2_0 (four to a byte).
import { type BlockType, extreme, f, half, putHalf, round } from "./block.ts";

/** Digits of the values at x[from]: 0, 1, 2. */
const trits = (x: Float32Array, from: number): { scale: number; trit: (i: number) => number } => {
  const scale = Math.abs(extreme(x, from, 256));
  const inverse = scale ? f(1 / scale) : 0;
  return { scale, trit: (i) => round(f(x[from + i]! * inverse)) + 1 };
};

// Runs of bytes that each hold `digits` values, `width` apart: [first byte, bytes, digits, first value].
const RUNS: readonly (readonly [number, number, number, number])[] = [
  [0, 32, 5, 0],
  [32, 16, 5, 160],
  [48, 4, 4, 240],
];
const POWERS: readonly number[] = [1, 3, 9, 27, 81];

const TQ1_0: BlockType = {
  name: "TQ1_0",
  id: 34,
  size: 256,
  bytes: 54,
  decode: (src, at, out, to) => {
    const d = half(src, at + 52);
    for (const [first, width, digits, value] of RUNS)
      for (let n = 0; n < digits; n++)
        for (let m = 0; m < width; m++) {
          // A byte is a fraction of 256 in base 3: times three, its next digit moves above the point.
          const fraction = (src[at + first + m]! * POWERS[n]!) & 255;
          out[to + value + n * width + m] = (((fraction * 3) >> 8) - 1) * d;
        }
  },
  encode: (x, from, out, at) => {
    const { scale, trit } = trits(x, from);
    putHalf(out, at + 52, scale);
    for (const [first, width, digits, value] of RUNS)
      for (let m = 0; m < width; m++) {
        let q = 0;
        for (let n = 0; n < 5; n++) q = 3 * q + (n < digits ? trit(value + n * width + m) : 0);
        out[at + first + m] = (q * 256 + 242) / 243;
      }
  },
};

const TQ2_0: BlockType = {
  name: "TQ2_0",
  id: 35,
  size: 256,
  bytes: 66,
  decode: (src, at, out, to) => {
    const d = half(src, at + 64);
    for (let i = 0; i < 256; i++) {
      const byte = src[at + 32 * (i >> 7) + (i & 31)]!;
      out[to + i] = (((byte >> (2 * ((i >> 5) & 3))) & 3) - 1) * d;
    }
  },
  encode: (x, from, out, at) => {
    const { scale, trit } = trits(x, from);
    putHalf(out, at + 64, scale);
    for (let i = 0; i < 256; i++) out[at + 32 * (i >> 7) + (i & 31)]! |= (trit(i) & 3) << (2 * ((i >> 5) & 3));
  },
};

/** The types of this family. */
export const ternary: readonly BlockType[] = [TQ1_0, TQ2_0];
