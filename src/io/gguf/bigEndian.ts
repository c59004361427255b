// Quantised blocks of big-endian files: the scales in them are numbers of two or four bytes, the quants single bytes.
import type { BlockType } from "../../kernel/quant/block.ts";
import { CHUNK, fileRegion, type Region } from "../region.ts";
import { swapBytes } from "../elements.ts";
import { type ByteSource, damaged } from "../source.ts";
import type { Description } from "./header.ts";

/** Fields of more than one byte, as [first byte, bytes of a number, bytes in all]. Types of the codebook family store words of bits, of which no file is known. */
const FIELDS: Readonly<Record<string, readonly (readonly [at: number, unit: number, length: number])[]>> = {
  Q1_0: [[0, 2, 2]],
  Q2_0: [[0, 2, 2]],
  Q4_0: [[0, 2, 2]],
  Q4_1: [[0, 2, 4]],
  Q5_0: [[0, 2, 2]],
  Q5_1: [[0, 2, 4]],
  Q8_0: [[0, 2, 2]],
  Q8_1: [[0, 2, 4]],
  Q2_K: [[80, 2, 4]],
  Q3_K: [[108, 2, 2]],
  Q4_K: [[0, 2, 4]],
  Q5_K: [[0, 2, 4]],
  Q6_K: [[208, 2, 2]],
  Q8_K: [
    [0, 4, 4],
    [260, 2, 32],
  ],
  IQ4_NL: [[0, 2, 2]],
  IQ4_XS: [[0, 2, 4]],
  TQ1_0: [[52, 2, 2]],
  TQ2_0: [[64, 2, 2]],
  MXFP4: [],
  NVFP4: [],
};

/** The blocks of a big-endian tensor as a little-endian file has them. @throws FormatError for types whose order is not known */
export function swapped(source: ByteSource, begin: number, t: Description): Region {
  const type = t.type as BlockType;
  const fields = FIELDS[type.name];
  if (!fields)
    throw damaged(
      source.name,
      t.at,
      `tensor ${JSON.stringify(t.name)} is ${type.name} in big-endian order, expected one of ${Object.keys(FIELDS).join(", ")}`,
      "Quantise the model anew on a little-endian machine",
      undefined,
      "gguf",
    );
  const plain = fileRegion(source, begin, t.nbytes);
  const step = CHUNK - (CHUNK % type.bytes);
  return {
    name: plain.name,
    offset: begin,
    size: t.nbytes,
    chunks: async function* (from, length) {
      for (let at = 0; at < length; at += step)
        for await (const chunk of plain.chunks(from + at, Math.min(step, length - at))) {
          const bytes = chunk.slice();
          for (let block = 0; block < bytes.length; block += type.bytes)
            for (const [field, unit, n] of fields) swapBytes(bytes.subarray(block + field, block + field + n), unit);
          yield bytes;
        }
    },
  };
}
