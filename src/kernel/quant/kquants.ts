// K-quants: super-blocks of 256 values whose groups of 16 or 32 have scales (and minima) that are themselves quantised.
// Layouts are ggml's; the fits are in fit.ts.
import { type BlockType, extreme, f, half, nearest, putHalf, signed, toBits } from "./block.ts";
import { EPSILON, fitAffine, fitScale, refineScale, type Search } from "./fit.ts";

/** Two-bit quants: four values, 32 apart, to a byte. */
function putPairs(quants: Uint8Array, out: Uint8Array, at: number): void {
  for (let i = 0; i < 256; i++) out[at + 32 * (i >> 7) + (i & 31)]! |= (quants[i]! & 3) << (2 * ((i >> 5) & 3));
}

const Q2_K: BlockType = {
  name: "Q2_K",
  id: 10,
  size: 256,
  bytes: 84,
  decode: (src, at, out, to) => {
    const d = half(src, at + 80);
    const dmin = half(src, at + 82);
    for (let g = 0; g < 16; g++) {
      const scale = d * (src[at + g]! & 15);
      const min = dmin * (src[at + g]! >> 4);
      const q = at + 16 + 32 * (g >> 3) + 16 * (g & 1);
      const shift = g & 6;
      for (let j = 0; j < 16; j++) out[to + 16 * g + j] = scale * ((src[q + j]! >> shift) & 3) - min;
    }
  },
  encode: (x, from, out, at) => {
    const quants = new Uint8Array(256);
    const own = x.subarray(from, from + 256);
    const fits = Array.from({ length: 16 }, (_, g) => {
      const weights = own.slice(16 * g, 16 * g + 16).map(Math.abs);
      return fitAffine(own, 16 * g, weights, 3, quants, { start: -0.5, step: 0.1, count: 15, absolute: true });
    });
    const scale = Math.max(0, ...fits.map((v) => v.scale));
    const min = Math.max(0, ...fits.map((v) => v.min));
    const d = putHalf(out, at + 80, f(scale / 15));
    const dmin = putHalf(out, at + 82, f(min / 15));
    fits.forEach((v, g) => {
      const s = scale > 0 ? nearest(f(f(15 / scale) * v.scale)) & 255 : 0;
      out[at + g] = s | (min > 0 ? nearest(f(f(15 / min) * v.min)) << 4 : 0);
      const dg = f(d * (out[at + g]! & 15));
      const mg = f(dmin * (out[at + g]! >> 4));
      if (dg) for (let i = 16 * g; i < 16 * g + 16; i++) quants[i] = Math.max(0, Math.min(3, nearest(f(f(own[i]! + mg) / dg))));
    });
    putPairs(quants, out, at + 16);
  },
};

/** The six-bit scale of group g, from twelve bytes: low halves first, then the upper two bits. */
const scaleQ3 = (src: Uint8Array, at: number, g: number): number =>
  (((src[at + (g & 7)]! >> (4 * (g >> 3))) & 15) | (((src[at + 8 + (g & 3)]! >> (2 * (g >> 2))) & 3) << 4)) - 32;

const Q3_K: BlockType = {
  name: "Q3_K",
  id: 11,
  size: 256,
  bytes: 110,
  decode: (src, at, out, to) => {
    const d = half(src, at + 108);
    for (let g = 0; g < 16; g++) {
      const scale = d * scaleQ3(src, at + 96, g);
      const q = at + 32 + 32 * (g >> 3) + 16 * (g & 1);
      const high = at + 16 * (g & 1);
      const shift = g & 6;
      for (let j = 0; j < 16; j++)
        out[to + 16 * g + j] = scale * (((src[q + j]! >> shift) & 3) - ((src[high + j]! >> (g >> 1)) & 1 ? 0 : 4));
    }
  },
  encode: (x, from, out, at) => {
    const quants = new Uint8Array(256);
    const own = x.subarray(from, from + 256);
    const scales = Float32Array.from({ length: 16 }, (_, g) => refineScale(own, 16 * g, 16, 4, quants));
    const max = extreme(scales, 0, 16);
    const inverse = f(-32 / max);
    const d = putHalf(out, at + 108, max ? f(1 / inverse) : 0);
    for (let g = 0; g < 16; g++) {
      if (max) {
        const l = Math.max(-32, Math.min(31, signed(nearest(f(inverse * scales[g]!))))) + 32;
        out[at + 96 + (g & 7)]! |= (l & 15) << (4 * (g >> 3));
        out[at + 104 + (g & 3)]! |= (l >> 4) << (2 * (g >> 2));
      }
      const dg = f(d * scaleQ3(out, at + 96, g));
      if (dg) for (let i = 16 * g; i < 16 * g + 16; i++) quants[i] = Math.max(-4, Math.min(3, nearest(f(own[i]! / dg)))) + 4;
    }
    for (let i = 0; i < 256; i++) out[at + (i & 31)]! |= (quants[i]! >> 2) << (i >> 5);
    putPairs(quants, out, at + 32);
  },
};

/** The six-bit scale of group g, from twelve bytes that also hold the minima. */
const scaleQ4 = (src: Uint8Array, at: number, g: number): number =>
  g < 4 ? src[at + g]! & 63 : (src[at + g + 4]! & 15) | ((src[at + g - 4]! >> 6) << 4);
const minQ4 = (src: Uint8Array, at: number, g: number): number =>
  g < 4 ? src[at + g + 4]! & 63 : (src[at + g + 4]! >> 4) | ((src[at + g]! >> 6) << 4);

/** Eight groups of 32 with scale and minimum: scales of the super-block, then groups', then (of five bits) the fifth, then nibbles. */
function affine(name: string, id: number, bits: 4 | 5, search: Search): BlockType {
  const high = 16;
  const quantsAt = bits === 5 ? 48 : 16;
  const top = (1 << bits) - 1;
  return {
    name,
    id,
    size: 256,
    bytes: quantsAt + 128,
    decode: (src, at, out, to) => {
      const d = half(src, at);
      const dmin = half(src, at + 2);
      for (let g = 0; g < 8; g++) {
        const scale = d * scaleQ4(src, at + 4, g);
        const min = dmin * minQ4(src, at + 4, g);
        const q = at + quantsAt + 32 * (g >> 1);
        const shift = 4 * (g & 1);
        for (let j = 0; j < 32; j++) {
          let l = (src[q + j]! >> shift) & 15;
          if (bits === 5) l |= ((src[at + high + j]! >> g) & 1) << 4;
          out[to + 32 * g + j] = scale * l - min;
        }
      }
    },
    encode: (x, from, out, at) => {
      const quants = new Uint8Array(256);
      const own = x.subarray(from, from + 256);
      const fits = Array.from({ length: 8 }, (_, g) => {
        const group = own.subarray(32 * g, 32 * g + 32);
        const mean = f(Math.sqrt(f(group.reduce((sum, v) => f(sum + f(v * v)), 0) / 32)));
        const weights = group.map((v) => mean + Math.abs(v));
        return fitAffine(own, 32 * g, weights, top, quants, search);
      });
      const scale = Math.max(0, ...fits.map((v) => v.scale));
      const min = Math.max(0, ...fits.map((v) => v.min));
      const [inverseScale, inverseMin] = [scale > 0 ? f(63 / scale) : 0, min > 0 ? f(63 / min) : 0];
      fits.forEach((v, g) => {
        const s = Math.min(63, nearest(f(inverseScale * v.scale)) & 255);
        const m = Math.min(63, nearest(f(inverseMin * v.min)) & 255);
        const a = at + 4 + g;
        if (g < 4) {
          out[a] = s;
          out[a + 4] = m;
        } else {
          out[a + 4] = (s & 15) | ((m & 15) << 4);
          out[a - 4]! |= (s >> 4) << 6;
          out[a]! |= (m >> 4) << 6;
        }
      });
      const d = putHalf(out, at, f(scale / 63));
      const dmin = putHalf(out, at + 2, f(min / 63));
      for (let g = 0; g < 8; g++) {
        const dg = f(d * scaleQ4(out, at + 4, g));
        const mg = f(dmin * minQ4(out, at + 4, g));
        for (let i = 32 * g; i < 32 * g + 32; i++) {
          if (dg) quants[i] = Math.max(0, Math.min(top, nearest(f(f(own[i]! + mg) / dg))));
          out[at + quantsAt + 32 * (g >> 1) + (i & 31)]! |= (quants[i]! & 15) << (4 * (g & 1));
          if (bits === 5) out[at + high + (i & 31)]! |= (quants[i]! >> 4) << g;
        }
      }
    },
  };
}

const Q6_K: BlockType = {
  name: "Q6_K",
  id: 14,
  size: 256,
  bytes: 210,
  decode: (src, at, out, to) => {
    const d = half(src, at + 208);
    for (let g = 0; g < 16; g++) {
      const scale = d * signed(src[at + 192 + g]!);
      // Groups 0..3 of a half lie in the low nibbles, 4..7 in the high ones; two groups make 32 neighbours.
      const low = at + 64 * (g >> 3) + 32 * ((g >> 1) & 1) + 16 * (g & 1);
      const nibble = g & 4;
      const high = at + 128 + 32 * (g >> 3) + 16 * (g & 1);
      const shift = g & 6;
      for (let j = 0; j < 16; j++)
        out[to + 16 * g + j] = scale * ((((src[low + j]! >> nibble) & 15) | (((src[high + j]! >> shift) & 3) << 4)) - 32);
    }
  },
  encode: (x, from, out, at) => {
    const quants = new Uint8Array(256);
    const own = x.subarray(from, from + 256);
    const scales = Float32Array.from({ length: 16 }, (_, g) => fitScale(own, 16 * g, 16, 32, quants));
    const max = extreme(scales, 0, 16);
    if (Math.abs(max) < EPSILON) return;
    const inverse = f(-128 / max);
    const d = putHalf(out, at + 208, f(1 / inverse));
    for (let g = 0; g < 16; g++) {
      out[at + 192 + g] = Math.min(127, nearest(f(inverse * scales[g]!)));
      const dg = f(d * signed(out[at + 192 + g]!));
      if (dg) for (let i = 16 * g; i < 16 * g + 16; i++) quants[i] = Math.max(-32, Math.min(31, nearest(f(own[i]! / dg)))) + 32;
    }
    for (let i = 0; i < 256; i++) {
      out[at + 64 * (i >> 7) + (i & 63)]! |= (quants[i]! & 15) << (4 * ((i >> 6) & 1));
      out[at + 128 + 32 * (i >> 7) + (i & 31)]! |= (quants[i]! >> 4) << (2 * ((i >> 5) & 3));
    }
  },
};

/** One float32 scale, bytes, and the sums of sixteen: an intermediate of dot products. */
const Q8_K: BlockType = {
  name: "Q8_K",
  id: 15,
  size: 256,
  bytes: 292,
  decode: (src, at, out, to) => {
    const d = new DataView(src.buffer, src.byteOffset + at, 4).getFloat32(0, true);
    for (let i = 0; i < 256; i++) out[to + i] = d * signed(src[at + 4 + i]!);
  },
  encode: (x, from, out, at) => {
    const max = extreme(x, from, 256);
    if (!max) return;
    const inverse = f(-127 / max);
    const view = new DataView(out.buffer, out.byteOffset + at, 292);
    view.setUint32(0, toBits(f(1 / inverse)), true);
    for (let i = 0; i < 256; i++) {
      const l = Math.min(127, nearest(f(inverse * x[from + i]!)));
      view.setInt8(4 + i, l);
      const sum = 260 + 2 * (i >> 4);
      view.setInt16(sum, view.getInt16(sum, true) + l, true);
    }
  },
};

/** The types of this family. */
export const kquants: readonly BlockType[] = [
  Q2_K,
  Q3_K,
  affine("Q4_K", 12, 4, { start: -1, step: 0.1, count: 20, absolute: false }),
  affine("Q5_K", 13, 5, { start: -0.5, step: 0.1, count: 15, absolute: false }),
  Q6_K,
  Q8_K,
];
