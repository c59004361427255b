// Filters of HDF5's chunks: what compressed or rearranged them, undone. Source: HDF5 File Format Specification, section IV.A.2.l.
import type { Fail } from "../damage.ts";
import { inflated } from "../inflate.ts";
import { textOf } from "../pages.ts";

/** A filter of a dataset. */
export interface Filter {
  readonly id: number;
  readonly name: string;
  /** The filter's own numbers: of shuffle, the size of an element. */
  readonly values: readonly number[];
}

const NAMES: Readonly<Record<number, string>> = {
  1: "deflate",
  2: "shuffle",
  3: "fletcher32",
  4: "szip",
  5: "nbit",
  6: "scaleoffset",
  307: "bzip2",
  32000: "lzf",
  32001: "blosc",
  32004: "lz4",
  32008: "bitshuffle",
  32013: "zfp",
  32015: "zstd",
  32026: "blosc2",
};
const [DEFLATE, SHUFFLE, FLETCHER] = [1, 2, 3];

/** Reads a filter pipeline message, in the order of writing. @throws RangeError (of the view) when it is too short */
export function filtersOf(v: DataView): Filter[] {
  const version = v.getUint8(0);
  if (version < 1 || version > 2) throw new RangeError(`filters of version ${version}, expected 1 or 2`);
  const out: Filter[] = [];
  let at = version === 1 ? 8 : 2;
  for (let n = v.getUint8(1); n > 0; n--) {
    const id = v.getUint16(at, true);
    at += 2;
    const named = version === 1 || id >= 256;
    const nameLength = named ? v.getUint16(at, true) : 0;
    if (named) at += 2;
    const count = v.getUint16(at + 2, true);
    at += 4;
    const name = NAMES[id] ?? (nameLength > 0 ? textOf(v, at, nameLength) : `number ${id}`);
    at += version === 1 ? Math.ceil(nameLength / 8) * 8 : nameLength;
    const begin = at;
    out.push({ id, name, values: Array.from({ length: count }, (_, i) => v.getUint32(begin + 4 * i, true)) });
    at += 4 * count + (version === 1 && count % 2 === 1 ? 4 : 0);
  }
  return out;
}
/** The filters that cannot be undone here. */
export const unknownFilters = (filters: readonly Filter[]): Filter[] => filters.filter((f) => ![DEFLATE, SHUFFLE, FLETCHER].includes(f.id));

/** HDF5's checksum: sums of words of 16 bits, most significant byte first. */
function fletcher32(bytes: Uint8Array): number {
  let [a, b] = [0, 0];
  for (let i = 0; i < bytes.length; i += 2) {
    a = (a + ((bytes[i]! << 8) | (bytes[i + 1] ?? 0))) % 65535;
    b = (b + a) % 65535;
  }
  return ((b << 16) | a) >>> 0;
}
/** First bytes of all elements, then second ones, and so on: element by element again. What is left over is at the end. */
function unshuffle(bytes: Uint8Array, size: number): Uint8Array {
  const n = Math.floor(bytes.length / size);
  const out = bytes.slice();
  for (let k = 0; k < size; k++) for (let i = 0; i < n; i++) out[i * size + k] = bytes[k * n + i]!;
  return out;
}

/** A chunk's bytes as they were before the filters, of which `mask` says by bits which were left out. @throws FormatError */
export async function unfiltered(
  bytes: Uint8Array,
  filters: readonly Filter[],
  mask: number,
  size: number,
  refuse: (what: string, cause?: unknown) => ReturnType<Fail>,
): Promise<Uint8Array> {
  let out = bytes;
  for (const [i, f] of [...filters.entries()].reverse()) {
    if ((mask >>> i) & 1) continue;
    if (f.id === SHUFFLE) {
      const unit = f.values[0] ?? 0;
      if (unit < 1) throw refuse(`is shuffled by elements of ${unit} bytes`);
      if (unit > 1) out = unshuffle(out, unit);
    } else if (f.id === FLETCHER) {
      if (out.length < 4) throw refuse(`has ${out.length} bytes, expected a checksum of 4`);
      const body = out.subarray(0, -4);
      const found = fletcher32(body);
      const want = new DataView(out.buffer, out.byteOffset + body.length, 4).getUint32(0, true);
      if (found !== want) throw refuse(`has checksum ${found.toString(16)}, expected ${want.toString(16)}`);
      out = body;
    } else out = await inflate(out, size + 4 * filters.length, refuse);
  }
  if (out.length !== size) throw refuse(`has ${out.length} bytes, expected ${size}`);
  return out;
}

async function inflate(bytes: Uint8Array, limit: number, refuse: (what: string, cause?: unknown) => ReturnType<Fail>): Promise<Uint8Array> {
  const out = new Uint8Array(limit);
  let at = 0;
  const input = (async function* () {
    yield bytes;
  })();
  try {
    for await (const piece of inflated("deflate", input, limit, () => refuse(`inflates to more than ${limit} bytes`))) {
      out.set(piece, at);
      at += piece.length;
    }
  } catch (cause) {
    if ((cause as Error).name === "FormatError") throw cause;
    throw refuse(`cannot be inflated: ${(cause as Error).message}`, cause);
  }
  return out.subarray(0, at);
}
