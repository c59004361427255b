// IQ1, IQ2 and IQ3: groups of eight (or four) values are entries of a codebook, with signs and a scale. They are only decoded:
// encoding them well takes an importance matrix and a search through the codebook's neighbours.
import { type BlockType, half } from "./block.ts";
import { type Grid, grid } from "./grids.ts";

const IQ2_LEVELS: readonly number[] = [8, 25, 43];
const iq2 = (name: "iq2xxs" | "iq2xs" | "iq2s"): Grid => grid(name, 8, IQ2_LEVELS);
const iq3xxs = (): Grid => grid("iq3xxs", 4, [4, 12, 20, 28, 36, 44, 52, 62]);
const iq3s = (): Grid => grid("iq3s", 4, [1, 3, 5, 7, 9, 11, 13, 15]);
const iq1 = (): Grid => grid("iq1", 8, [-1, 0, 1]);

const u16 = (src: Uint8Array, at: number): number => src[at]! | (src[at + 1]! << 8);
const u32 = (src: Uint8Array, at: number): number => (u16(src, at) | (u16(src, at + 2) << 16)) >>> 0;

/** Seven sign bits and the eighth that makes their number even. */
function evenSigns(seven: number): number {
  let parity = seven ^ (seven >> 4);
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return seven | ((parity & 1) << 7);
}
/** Writes one entry times `scale`, with bit j of `signs` turning value j. */
function put(g: Grid, entry: number, scale: number, signs: number, out: Float32Array, to: number): void {
  for (let j = 0; j < g.width; j++) {
    const v = scale * g.values[entry * g.width + j]!;
    out[to + j] = (signs >> j) & 1 ? -v : v;
  }
}

const IQ2_XXS: BlockType = {
  name: "IQ2_XXS",
  id: 16,
  size: 256,
  bytes: 66,
  decode: (src, at, out, to) => {
    const d = half(src, at);
    const g = iq2("iq2xxs");
    for (let b = 0; b < 8; b++) {
      const q = at + 2 + 8 * b;
      const word = u32(src, q + 4);
      const scale = d * (0.5 + (word >>> 28)) * 0.25;
      for (let l = 0; l < 4; l++) put(g, src[q + l]!, scale, evenSigns((word >>> (7 * l)) & 127), out, to + 32 * b + 8 * l);
    }
  },
};
const IQ2_XS: BlockType = {
  name: "IQ2_XS",
  id: 17,
  size: 256,
  bytes: 74,
  decode: (src, at, out, to) => {
    const d = half(src, at);
    const g = iq2("iq2xs");
    for (let i = 0; i < 32; i++) {
      const scale = d * (0.5 + ((src[at + 66 + (i >> 2)]! >> (4 * ((i >> 1) & 1))) & 15)) * 0.25;
      const q = u16(src, at + 2 + 2 * i);
      put(g, q & 511, scale, evenSigns(q >> 9), out, to + 8 * i);
    }
  },
};
const IQ2_S: BlockType = {
  name: "IQ2_S",
  id: 22,
  size: 256,
  bytes: 82,
  decode: (src, at, out, to) => {
    const d = half(src, at);
    const g = iq2("iq2s");
    for (let i = 0; i < 32; i++) {
      const scale = d * (0.5 + ((src[at + 74 + (i >> 2)]! >> (4 * ((i >> 1) & 1))) & 15)) * 0.25;
      const high = (src[at + 66 + (i >> 2)]! >> (2 * (i & 3))) & 3;
      put(g, src[at + 2 + i]! | (high << 8), scale, src[at + 34 + i]!, out, to + 8 * i);
    }
  },
};
const IQ3_XXS: BlockType = {
  name: "IQ3_XXS",
  id: 18,
  size: 256,
  bytes: 98,
  decode: (src, at, out, to) => {
    const d = half(src, at);
    const g = iq3xxs();
    for (let b = 0; b < 8; b++) {
      const word = u32(src, at + 66 + 4 * b);
      const scale = d * (0.5 + (word >>> 28)) * 0.5;
      for (let l = 0; l < 8; l++) {
        const signs = evenSigns((word >>> (7 * (l >> 1))) & 127) >> (4 * (l & 1));
        put(g, src[at + 2 + 8 * b + l]!, scale, signs, out, to + 32 * b + 4 * l);
      }
    }
  },
};
const IQ3_S: BlockType = {
  name: "IQ3_S",
  id: 21,
  size: 256,
  bytes: 110,
  decode: (src, at, out, to) => {
    const d = half(src, at);
    const g = iq3s();
    for (let i = 0; i < 64; i++) {
      const scale = d * (1 + 2 * ((src[at + 106 + (i >> 4)]! >> (4 * ((i >> 3) & 1))) & 15));
      const high = (src[at + 66 + (i >> 3)]! >> (i & 7)) & 1;
      put(g, src[at + 2 + i]! | (high << 8), scale, src[at + 74 + (i >> 1)]! >> (4 * (i & 1)), out, to + 4 * i);
    }
  },
};

/** Ternary entries are shifted by an eighth, up or down. */
function putShifted(entry: number, scale: number, down: number, out: Float32Array, to: number): void {
  const g = iq1();
  for (let j = 0; j < 8; j++) out[to + j] = scale * (g.values[entry * 8 + j]! + (down ? -0.125 : 0.125));
}
const IQ1_S: BlockType = {
  name: "IQ1_S",
  id: 19,
  size: 256,
  bytes: 50,
  decode: (src, at, out, to) => {
    const d = half(src, at);
    for (let i = 0; i < 32; i++) {
      const high = u16(src, at + 34 + 2 * (i >> 2));
      const scale = d * (2 * ((high >> 12) & 7) + 1);
      putShifted(src[at + 2 + i]! | (((high >> (3 * (i & 3))) & 7) << 8), scale, high & 0x8000, out, to + 8 * i);
    }
  },
};
/** Like IQ1_S with a scale for every sixteen values; the super-block's float16 lies in the top nibbles of four words. */
const IQ1_M: BlockType = {
  name: "IQ1_M",
  id: 29,
  size: 256,
  bytes: 56,
  decode: (src, at, out, to) => {
    const words = [0, 1, 2, 3].map((k) => u16(src, at + 48 + 2 * k));
    const bits = words.reduce((sum, w, k) => sum | ((w >> 12) << (4 * k)), 0);
    const d = half(Uint8Array.of(bits & 255, bits >> 8), 0);
    for (let i = 0; i < 32; i++) {
      const scale = d * (2 * ((words[i >> 3]! >> (3 * ((i >> 1) & 3))) & 7) + 1);
      const high = src[at + 32 + (i >> 1)]! >> (4 * (i & 1));
      putShifted(src[at + i]! | ((high & 7) << 8), scale, high & 8, out, to + 8 * i);
    }
  },
};

/** The types of this family. */
export const codebook: readonly BlockType[] = [IQ2_XXS, IQ2_XS, IQ3_XXS, IQ1_S, IQ3_S, IQ2_S, IQ1_M];
