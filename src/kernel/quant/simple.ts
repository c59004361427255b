// Blocks of 32 values with one scale, or a scale and a minimum: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1; and of Q1_0 and Q2_0.
// Layouts and rounding are those of ggml's reference quantisers.
import { type BlockType, extreme, f, half, putHalf, round, signed } from "./block.ts";

const inverse = (d: number): number => (d ? f(1 / d) : 0);

function bounds(x: Float32Array, from: number): [min: number, max: number] {
  let min = x[from]!;
  let max = min;
  for (let i = from + 1; i < from + 32; i++) {
    if (x[i]! < min) min = x[i]!;
    if (x[i]! > max) max = x[i]!;
  }
  return [min, max];
}

/** `bits` is 4 or 5; values i and i + 16 share a byte, the fifth bits lie in a word before. `offset`: is there a minimum? */
function shared(name: string, id: number, bits: 4 | 5, offset: boolean): BlockType {
  const head = offset ? 4 : 2;
  const quants = bits === 5 ? head + 4 : head;
  const top = (1 << bits) - 1;
  const middle = offset ? 0 : 1 << (bits - 1);
  return {
    name,
    id,
    size: 32,
    bytes: quants + 16,
    decode: (src, at, out, to) => {
      const d = half(src, at);
      const m = offset ? half(src, at + 2) : 0;
      for (let j = 0; j < 16; j++) {
        const q = src[at + quants + j]!;
        let a = q & 15;
        let b = q >> 4;
        if (bits === 5) {
          a |= ((src[at + head + (j >> 3)]! >> (j & 7)) & 1) << 4;
          b |= ((src[at + head + 2 + (j >> 3)]! >> (j & 7)) & 1) << 4;
        }
        if (offset) {
          out[to + j] = a * d + m;
          out[to + j + 16] = b * d + m;
        } else {
          out[to + j] = (a - middle) * d;
          out[to + j + 16] = (b - middle) * d;
        }
      }
    },
    encode: (x, from, out, at) => {
      let d: number;
      let min = 0;
      let lift = middle + 0.5;
      if (offset) {
        const [low, high] = bounds(x, from);
        d = f(f(high - low) / top);
        min = low;
        lift = 0.5;
        putHalf(out, at + 2, min);
      } else d = f(extreme(x, from, 32) / -middle);
      const id = inverse(d);
      putHalf(out, at, d);
      for (let j = 0; j < 16; j++) {
        const a = Math.min(top, signed(f(f(f(x[from + j]! - min) * id) + lift) | 0));
        const b = Math.min(top, signed(f(f(f(x[from + j + 16]! - min) * id) + lift) | 0));
        out[at + quants + j] = (a & 15) | ((b & 15) << 4);
        if (bits === 5) {
          out[at + head + (j >> 3)]! |= (a >> 4) << (j & 7);
          out[at + head + 2 + (j >> 3)]! |= (b >> 4) << (j & 7);
        }
      }
    },
  };
}

/** Bytes; Q8_1 also keeps the scaled sum of the quants, which only dot products read. */
function bytes(name: string, id: number, sums: boolean): BlockType {
  const quants = sums ? 4 : 2;
  return {
    name,
    id,
    size: 32,
    bytes: quants + 32,
    decode: (src, at, out, to) => {
      const d = half(src, at);
      for (let j = 0; j < 32; j++) out[to + j] = signed(src[at + quants + j]!) * d;
    },
    encode: (x, from, out, at) => {
      const d = f(Math.abs(extreme(x, from, 32)) / 127);
      const id = inverse(d);
      putHalf(out, at, d);
      let sum = 0;
      for (let j = 0; j < 32; j++) {
        out[at + quants + j] = round(f(x[from + j]! * id));
        sum += signed(out[at + quants + j]!);
      }
      if (sums) putHalf(out, at + 2, f(sum * d));
    },
  };
}

/** Signs, times the mean magnitude. */
const Q1_0: BlockType = {
  name: "Q1_0",
  id: 41,
  size: 128,
  bytes: 18,
  decode: (src, at, out, to) => {
    const d = half(src, at);
    for (let j = 0; j < 128; j++) out[to + j] = (src[at + 2 + (j >> 3)]! >> (j & 7)) & 1 ? d : -d;
  },
  encode: (x, from, out, at) => {
    let sum = 0;
    for (let j = 0; j < 128; j++) sum = f(sum + Math.abs(x[from + j]!));
    putHalf(out, at, f(sum / 128));
    for (let j = 0; j < 128; j++) if (x[from + j]! >= 0) out[at + 2 + (j >> 3)]! |= 1 << (j & 7);
  },
};

/** -1, 0, 1 or 2 times the largest magnitude. */
const Q2_0: BlockType = {
  name: "Q2_0",
  id: 42,
  size: 64,
  bytes: 18,
  decode: (src, at, out, to) => {
    const d = half(src, at);
    for (let j = 0; j < 64; j++) out[to + j] = (((src[at + 2 + (j >> 2)]! >> (2 * (j & 3))) & 3) - 1) * d;
  },
  encode: (x, from, out, at) => {
    const d = Math.abs(extreme(x, from, 64));
    const id = inverse(d);
    putHalf(out, at, d);
    for (let j = 0; j < 64; j++) {
      const q = Math.max(0, Math.min(3, (round(f(x[from + j]! * id)) | 0) + 1));
      out[at + 2 + (j >> 2)]! |= q << (2 * (j & 3));
    }
  },
};

/** The types of this family. */
export const simple: readonly BlockType[] = [
  shared("Q4_0", 2, 4, false),
  shared("Q4_1", 3, 4, true),
  shared("Q5_0", 6, 5, false),
  shared("Q5_1", 7, 5, true),
  bytes("Q8_0", 8, false),
  bytes("Q8_1", 9, true),
  Q1_0,
  Q2_0,
];
