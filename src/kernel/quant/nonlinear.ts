// Quants that are indices of sixteen unevenly spaced values: IQ4_NL, IQ4_XS; and of the values of a 4-bit float: MXFP4, NVFP4
// (OCP Microscaling Formats 1.0: E2M1 values with an E8M0 or UE4M3 scale).
import { type BlockType, extreme, f, fromBits, half, nearest, putHalf, toBits } from "./block.ts";

const LEVELS: readonly number[] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/** Twice the values of E2M1; scales are halved. */
const E2M1: readonly number[] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
const EPSILON = f(1e-15);

/** Index of the nearest level; between two, the lower only when strictly nearer. */
function level(x: number): number {
  if (x <= -127) return 0;
  if (x >= 113) return 15;
  let low = 0;
  let high = 15;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x < LEVELS[middle]!) high = middle;
    else low = middle;
  }
  return f(x - LEVELS[low]!) < f(LEVELS[high]! - x) ? low : high;
}
/** The scale for 32 values that loses least, weighted by the values' squares: 15 starting points around the extreme value's. */
function bestScale(x: Float32Array, from: number): number {
  const max = extreme(x, from, 32);
  if (Math.abs(max) < EPSILON) return 0;
  let d = 0;
  let best = 0;
  for (let t = -8; t <= 7; t++) {
    const id = t === -8 ? f(1 / f(-max / LEVELS[0]!)) : f((t + LEVELS[0]!) / max);
    let sumqx = 0;
    let sumq2 = 0;
    for (let j = from; j < from + 32; j++) {
      const q = LEVELS[level(f(id * x[j]!))]!;
      const wq = f(f(x[j]! * x[j]!) * q);
      sumqx = f(sumqx + f(wq * x[j]!));
      sumq2 = f(sumq2 + f(wq * q));
    }
    if (t === -8 || (sumq2 > 0 && f(sumqx * sumqx) > f(best * sumq2))) {
      d = sumq2 > 0 ? f(sumqx / sumq2) : 0;
      best = f(d * sumqx);
    }
  }
  return d;
}
function putLevels(x: Float32Array, from: number, inverse: number, out: Uint8Array, at: number): void {
  for (let j = 0; j < 16; j++) out[at + j] = level(f(inverse * x[from + j]!)) | (level(f(inverse * x[from + j + 16]!)) << 4);
}

const IQ4_NL: BlockType = {
  name: "IQ4_NL",
  id: 20,
  size: 32,
  bytes: 18,
  decode: (src, at, out, to) => {
    const d = half(src, at);
    for (let j = 0; j < 16; j++) {
      const q = src[at + 2 + j]!;
      out[to + j] = d * LEVELS[q & 15]!;
      out[to + j + 16] = d * LEVELS[q >> 4]!;
    }
  },
  encode: (x, from, out, at) => {
    const d = bestScale(x, from);
    putHalf(out, at, d);
    putLevels(x, from, d ? f(1 / d) : 0, out, at + 2);
  },
};

const IQ4_XS: BlockType = {
  name: "IQ4_XS",
  id: 23,
  size: 256,
  bytes: 136,
  decode: (src, at, out, to) => {
    const d = half(src, at);
    const high = src[at + 2]! | (src[at + 3]! << 8);
    for (let b = 0; b < 8; b++) {
      const low = (src[at + 4 + (b >> 1)]! >> (4 * (b & 1))) & 15;
      const dl = d * ((low | (((high >> (2 * b)) & 3) << 4)) - 32);
      for (let j = 0; j < 16; j++) {
        const q = src[at + 8 + 16 * b + j]!;
        out[to + 32 * b + j] = dl * LEVELS[q & 15]!;
        out[to + 32 * b + j + 16] = dl * LEVELS[q >> 4]!;
      }
    }
  },
  encode: (x, from, out, at) => {
    const scales = Float32Array.from({ length: 8 }, (_, b) => bestScale(x, from + 32 * b));
    const d = f(-extreme(scales, 0, 8) / 32);
    const id = d ? f(1 / d) : 0;
    putHalf(out, at, d);
    for (let b = 0; b < 8; b++) {
      const l = Math.max(-32, Math.min(31, nearest(f(id * scales[b]!))));
      const dl = f(d * l);
      putLevels(x, from + 32 * b, dl ? f(1 / dl) : 0, out, at + 8 + 16 * b);
      out[at + 4 + (b >> 1)]! |= ((l + 32) & 15) << (4 * (b & 1));
      out[at + 2 + (b >> 2)]! |= ((l + 32) >> 4) << (2 * (b & 3));
    }
  },
};

/** Index of the E2M1 value that is nearest in units of `d`, the first of equals. */
function nearestE2M1(x: number, d: number): number {
  let index = 0;
  let error = Math.abs(f(f(E2M1[0]! * d) - x));
  for (let i = 1; i < 16; i++) {
    const e = Math.abs(f(f(E2M1[i]! * d) - x));
    if (e < error) {
      index = i;
      error = e;
    }
  }
  return index;
}
/** Half of the power of two that an E8M0 byte stands for. */
const halfE8M0 = (e: number): number => fromBits(e < 2 ? 0x200000 << e : (e - 1) << 23);
/** Half of what an unsigned E4M3 byte stands for. */
function halfUE4M3(byte: number): number {
  if (byte === 0 || byte === 0x7f) return 0;
  const exponent = (byte >> 3) & 15;
  const mantissa = byte & 7;
  return (exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7)) / 2;
}
function toUE4M3(x: number): number {
  if (!(x > 0)) return 0;
  const word = toBits(Math.min(x, 448));
  const exponent = (word >>> 23) - 127 + 7;
  if (exponent <= 0) return Math.min(7, f(f(x * 512) + 0.5) | 0);
  const rounded = (exponent << 3) + ((word >> 20) & 7) + ((word >> 19) & 1);
  return exponent >= 15 || rounded >> 3 >= 15 ? 0x7e : rounded;
}

/** `groups` scales of one byte, then the nibbles of `groups` * `width` values: j and j + width / 2 share a byte. */
function float4(
  name: string,
  id: number,
  groups: number,
  width: number,
  scale: (b: number) => number,
  pick: (amax: number) => number,
): BlockType {
  const h = width / 2;
  return {
    name,
    id,
    size: groups * width,
    bytes: groups + groups * h,
    decode: (src, at, out, to) => {
      for (let g = 0; g < groups; g++) {
        const d = scale(src[at + g]!);
        for (let j = 0; j < h; j++) {
          const q = src[at + groups + g * h + j]!;
          out[to + g * width + j] = d * E2M1[q & 15]!;
          out[to + g * width + j + h] = d * E2M1[q >> 4]!;
        }
      }
    },
    encode: (x, from, out, at) => {
      for (let g = 0; g < groups; g++) {
        const byte = pick(Math.abs(extreme(x, from + g * width, width)));
        const d = scale(byte);
        out[at + g] = byte;
        for (let j = 0; j < h; j++) {
          const i = from + g * width + j;
          out[at + groups + g * h + j] = nearestE2M1(x[i]!, d) | (nearestE2M1(x[i + h]!, d) << 4);
        }
      }
    },
  };
}

/** The types of this family. */
export const nonlinear: readonly BlockType[] = [
  IQ4_NL,
  IQ4_XS,
  float4("MXFP4", 39, 1, 32, halfE8M0, (amax) => (amax > 0 ? (Math.floor(f(Math.log2(amax))) - 2 + 127) & 255 : 0)),
  float4("NVFP4", 40, 4, 16, halfUE4M3, (amax) => toUE4M3(f(amax / 6))),
];
