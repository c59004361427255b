// The values of a chunked dataset as one row-major stream: bands of whole rows are put together from the chunks that meet them.
import { numelOf } from "../../core/layout.ts";
import { shown } from "../damage.ts";
import type { Pages } from "../pages.ts";
import type { Region } from "../region.ts";
import type { ByteSource } from "../source.ts";
import { type Chunk, type Chunking, chunksOf } from "./chunkIndex.ts";
import { type Filter, unfiltered } from "./filters.ts";

/** Bytes that a band has at least, where the dataset has them. */
const BAND = 1 << 20;

/** A chunked dataset with what its values need. */
export interface Chunked extends Chunking {
  /** Bytes of an element. */
  readonly element: number;
  readonly filters: readonly Filter[];
  /** The element that stands where no chunk was written; null for zeros. */
  readonly fill: Uint8Array | null;
}

/** The dataset's bytes. Where its chunks lie is read with the first of them. */
export function chunkedRegion(p: Pages, source: ByteSource, path: string, c: Chunked): Region {
  const size = numelOf(c.shape) * c.element;
  let bands: Promise<Map<number, Chunk[]>> | undefined;
  const row = size / c.shape[0]!;
  const rows = c.chunk[0]! * Math.max(1, Math.floor(BAND / (c.chunk[0]! * row)));
  return {
    name: `${source.name}: ${path}`,
    offset: c.index.at === Number.POSITIVE_INFINITY ? 0 : c.index.at,
    size,
    chunks: async function* (begin, length) {
      if (length === 0) return;
      bands ??= byBand(p, path, c, rows);
      bands.catch(() => {
        bands = undefined;
      });
      const end = begin + length;
      for (let top = Math.floor(begin / row / rows) * rows; top * row < end; top += rows) {
        const height = Math.min(rows, c.shape[0]! - top);
        const band = blank(height * row, c.fill);
        for (const chunk of (await bands).get(top) ?? []) place(await bytesOf(p, source, path, c, chunk), c, chunk.origin, band, top);
        yield band.subarray(Math.max(0, begin - top * row), Math.min(band.length, end - top * row));
      }
    },
  };
}

/** Chunks by the first row of their band, checked: each at its own place, none twice. */
async function byBand(p: Pages, path: string, c: Chunked, rows: number): Promise<Map<number, Chunk[]>> {
  const out = new Map<number, Chunk[]>();
  const seen = new Set<string>();
  for (const chunk of await chunksOf(p, c)) {
    const where = `chunk ${shown(chunk.origin)} of dataset ${shown(path)}`;
    const at = Math.max(0, Math.min(chunk.at, p.size));
    if (!chunk.origin.every((o, d) => o < c.shape[d]! && o % c.chunk[d]! === 0))
      throw p.fail(at, `${where} of shape ${shown(c.shape)}, expected a multiple of ${shown(c.chunk)} inside`);
    if (!c.filtered && chunk.size !== c.bytes) throw p.fail(at, `${where} has ${chunk.size} bytes, expected ${c.bytes}`);
    if (!(chunk.at + chunk.size <= p.size))
      throw p.fail(at, `${where} ends at byte ${chunk.at + chunk.size}, the file at ${p.size}`, { hint: "The file is truncated" });
    const key = chunk.origin.join();
    if (seen.has(key)) throw p.fail(at, `${where} stands twice`);
    seen.add(key);
    const top = Math.floor(chunk.origin[0]! / rows) * rows;
    const band = out.get(top) ?? [];
    band.push(chunk);
    out.set(top, band);
  }
  return out;
}

async function bytesOf(p: Pages, source: ByteSource, path: string, c: Chunked, chunk: Chunk): Promise<Uint8Array> {
  const edge = chunk.origin.some((o, d) => o + c.chunk[d]! > c.shape[d]!);
  const bytes = await source.read(chunk.at, chunk.size);
  return unfiltered(bytes, edge && c.index.plainEdges ? [] : c.filters, chunk.mask, c.bytes, (what, cause) =>
    p.fail(chunk.at, `chunk ${shown(chunk.origin)} of dataset ${shown(path)} ${what}`, { cause }),
  );
}

function blank(bytes: number, fill: Uint8Array | null): Uint8Array {
  const out = new Uint8Array(bytes);
  if (!fill) return out;
  out.set(fill);
  for (let done = fill.length; done < bytes; done *= 2) out.copyWithin(done, 0, Math.min(done, bytes - done));
  return out;
}

/** Copies what of a chunk is inside the dataset into the band whose first row is `top`. */
function place(from: Uint8Array, c: Chunked, origin: readonly number[], band: Uint8Array, top: number): void {
  const rank = c.shape.length;
  const extent = c.shape.map((n, d) => Math.min(c.chunk[d]!, n - origin[d]!));
  const strides = (sizes: readonly number[]): number[] => sizes.map((_, d) => numelOf(sizes.slice(d + 1)) * c.element);
  const [here, there] = [strides(c.chunk), strides(c.shape)];
  const begin = origin.reduce((n, o, d) => n + (d === 0 ? o - top : o) * there[d]!, 0);
  const copy = (d: number, at: number, to: number): void => {
    if (d === rank - 1) band.set(from.subarray(at, at + extent[d]! * c.element), to);
    else for (let i = 0; i < extent[d]!; i++) copy(d + 1, at + i * here[d]!, to + i * there[d]!);
  };
  copy(0, 0, begin);
}
