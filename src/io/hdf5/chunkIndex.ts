// Where the chunks of a dataset lie: the B-tree of old files, and of new ones a single chunk, all chunks in order, and the fixed and the extensible
// array. Source: HDF5 File Format Specification, sections III.A, IV.A.2.i, VII.B and VII.C.
import type { Pages } from "../pages.ts";
import { u64 } from "../pages.ts";

/** A chunk as it lies in the file. */
export interface Chunk {
  /** The first element, in every dimension. */
  readonly origin: readonly number[];
  readonly at: number;
  /** Bytes in the file. */
  readonly size: number;
  /** Bits of the filters that were left out. */
  readonly mask: number;
}
/** A chunked dataset. */
export interface Chunking {
  readonly shape: readonly number[];
  /** The most that a dimension can grow to; Infinity without limit. */
  readonly most: readonly number[];
  /** Elements of a chunk, in every dimension. */
  readonly chunk: readonly number[];
  /** Bytes of a chunk without filters. */
  readonly bytes: number;
  readonly filtered: boolean;
  readonly index: ChunkIndex;
}
/** The index of a layout message. */
export interface ChunkIndex {
  readonly kind: "tree" | "single" | "implicit" | "fixed" | "extensible" | "tree 2";
  readonly at: number;
  /** A single chunk's bytes in the file and filters left out. */
  readonly single?: { readonly size: number; readonly mask: number };
  /** Are chunks that reach over the edge stored without filters? */
  readonly plainEdges: boolean;
}
/** What a layout message says: the sizes of a chunk, the last of which is an element's, and where the others are found. */
export interface ChunkLayout {
  readonly sizes: readonly number[];
  readonly index: ChunkIndex;
}

/** Reads the layout message of a chunked dataset. @throws RangeError (of the view) when it is too short */
export function chunkLayoutOf(v: DataView): ChunkLayout {
  const version = v.getUint8(0);
  if (version <= 3) {
    const [dims, address, sizes] = version === 3 ? [v.getUint8(2), 3, 11] : [v.getUint8(1), 8, 16];
    return {
      sizes: Array.from({ length: dims }, (_, i) => v.getUint32(sizes + 4 * i, true)),
      index: { kind: "tree", at: u64(v, address), plainEdges: false },
    };
  }
  const [flags, dims, width] = [v.getUint8(2), v.getUint8(3), v.getUint8(4)];
  if (width < 1 || width > 8) throw new RangeError(`sizes of ${width} bytes`);
  let at = 5;
  const sizes = Array.from({ length: dims }, (_, i) => uint(v, at + width * i, width));
  at += width * dims;
  const kind = (["single", "implicit", "fixed", "extensible", "tree 2"] as const)[v.getUint8(at++) - 1];
  if (!kind) throw new RangeError(`a chunk index of type ${v.getUint8(at - 1)}, expected 1 to 5`);
  const single = kind === "single" && flags & 2 ? { size: u64(v, at), mask: v.getUint32(at + 8, true) } : undefined;
  at += { single: single ? 12 : 0, implicit: 0, fixed: 1, extensible: 5, "tree 2": 6 }[kind];
  return { sizes, index: { kind, at: u64(v, at), plainEdges: (flags & 1) !== 0, ...(single && { single }) } };
}
/** A little-endian number of up to eight bytes. */
function uint(v: DataView, at: number, width: number): number {
  let out = 0;
  for (let i = width - 1; i >= 0; i--) out = out * 256 + v.getUint8(at + i);
  return out;
}

const MAX_DEPTH = 64;

/** All chunks that were ever written. @throws FormatError */
export async function chunksOf(p: Pages, c: Chunking): Promise<Chunk[]> {
  const { index } = c;
  if (index.at === Number.POSITIVE_INFINITY) return [];
  if (index.kind === "tree") return treeChunks(p, index.at, c.shape.length);
  if (index.kind === "tree 2")
    throw p.fail(index.at, "chunks in a B-tree of version 2, expected one of version 1 or an array", {
      hint: 'Write the file with h5py\'s default libver="earliest", or with one growing dimension at most',
    });
  const plain = (at: number, i: number, single = index.single): Chunk => ({
    origin: originOf(c, i),
    at,
    size: single?.size ?? c.bytes,
    mask: single?.mask ?? 0,
  });
  if (index.kind === "single") return [plain(index.at, 0)];
  const out: Chunk[] = [];
  if (index.kind === "implicit") {
    const count = c.most.reduce((n, m, d) => n * Math.ceil(m / c.chunk[d]!), 1);
    if (!(index.at + count * c.bytes <= p.size)) throw p.fail(index.at, `${count} chunks of ${c.bytes} bytes, the file has ${p.size}`);
    for (let i = 0; i < count; i++) out.push(plain(index.at + i * c.bytes, i));
  } else {
    const array = index.kind === "fixed" ? fixedArray(p, index.at) : extensibleArray(p, index.at);
    for await (const { i, v, at, width, filtered } of array) {
      if (filtered !== c.filtered) throw p.fail(index.at, `an index of ${filtered ? "filtered" : "plain"} chunks, expected the other kind`);
      const address = u64(v, at);
      if (address === Number.POSITIVE_INFINITY) continue;
      out.push(plain(address, i, filtered ? { size: uint(v, at + 8, width - 12), mask: v.getUint32(at + width - 4, true) } : undefined));
    }
  }
  return out.filter((k) => k.origin.every((o, d) => o < c.shape[d]!));
}

/** The first element of the i-th chunk: row by row over all that the dataset can grow to, a dimension without limit first. */
function originOf(c: Chunking, i: number): number[] {
  const free = c.index.kind === "extensible" ? c.most.indexOf(Number.POSITIVE_INFINITY) : -1;
  const order = [...c.shape.keys()].filter((d) => d !== free);
  if (free >= 0) order.unshift(free);
  const origin = c.shape.map(() => 0);
  let rest = i;
  for (const d of order.slice(1).reverse()) {
    const n = Math.max(1, Math.ceil(c.most[d]! / c.chunk[d]!));
    origin[d] = (rest % n) * c.chunk[d]!;
    rest = Math.floor(rest / n);
  }
  origin[order[0]!] = rest * c.chunk[order[0]!]!;
  return origin;
}

async function treeChunks(p: Pages, root: number, rank: number): Promise<Chunk[]> {
  const out: Chunk[] = [];
  const seen = new Set<number>();
  const key = 8 + 8 * (rank + 1);
  const visit = async (at: number, depth: number): Promise<void> => {
    if (seen.has(at) || depth > MAX_DEPTH) throw p.fail(at, "a B-tree that meets itself");
    seen.add(at);
    const node = await p.signed(at, 24, "TREE");
    if (node.getUint8(4) !== 1) throw p.fail(at, `a B-tree of type ${node.getUint8(4)}, expected 1`);
    const [level, count] = [node.getUint8(5), node.getUint16(6, true)];
    const v = await p.bytes(at + 24, count * (key + 8) + key, "B-tree node");
    for (let i = 0; i < count; i++) {
      const from = i * (key + 8);
      const child = u64(v, from + key);
      if (level > 0) await visit(child, depth + 1);
      else
        out.push({
          origin: Array.from({ length: rank }, (_, d) => u64(v, from + 8 + 8 * d)),
          at: child,
          size: v.getUint32(from, true),
          mask: v.getUint32(from + 4, true),
        });
    }
  };
  await visit(root, 0);
  return out;
}

/** An entry of an array: the i-th is at byte `at` of `v`, `width` bytes wide. */
interface Entry {
  readonly i: number;
  readonly v: DataView;
  readonly at: number;
  readonly width: number;
  readonly filtered: boolean;
}
interface Kind {
  readonly width: number;
  readonly filtered: boolean;
}
function kindOf(p: Pages, at: number, client: number, width: number): Kind {
  if (client > 1 || (client === 0 ? width !== 8 : width < 13 || width > 20))
    throw p.fail(at, `an array of kind ${client} with entries of ${width} bytes, expected chunks`);
  return { width, filtered: client === 1 };
}
async function* entriesAt(p: Pages, at: number, first: number, count: number, kind: Kind): AsyncGenerator<Entry> {
  const v = await p.bytes(at, count * kind.width, "entries of a chunk index");
  for (let i = 0; i < count; i++) yield { i: first + i, v, at: i * kind.width, ...kind };
}
/** Pages of entries, each with a checksum behind; `used` says by bits, from bit `bit` on, which were ever written. */
async function* pagesAt(
  p: Pages,
  at: number,
  first: number,
  count: number,
  page: number,
  kind: Kind,
  used: DataView,
  bit = 0,
): AsyncGenerator<Entry> {
  if (bit + Math.ceil(count / page) > 8 * used.byteLength) throw p.fail(at, `pages of ${count} entries in a block that has none`);
  for (let k = 0; k * page < count; k++)
    if (used.getUint8((bit + k) >> 3) & (128 >> ((bit + k) & 7)))
      yield* entriesAt(p, at + k * (page * kind.width + 4), first + k * page, Math.min(page, count - k * page), kind);
}

async function* fixedArray(p: Pages, at: number): AsyncGenerator<Entry> {
  const head = await p.signed(at, 28, "FAHD");
  const kind = kindOf(p, at, head.getUint8(5), head.getUint8(6));
  const [count, block] = [u64(head, 8), u64(head, 16)];
  const page = 2 ** head.getUint8(7);
  if (block === Number.POSITIVE_INFINITY) return;
  await p.signed(block, 14, "FADB");
  if (count <= page) return yield* entriesAt(p, block + 14, 0, count, kind);
  const bits = Math.ceil(Math.ceil(count / page) / 8);
  yield* pagesAt(p, block + 14 + bits + 4, 0, count, page, kind, await p.bytes(block + 14, bits, "pages of a chunk index"));
}

/** Entries in the index itself, then in data blocks that the index names, then in those that blocks of the second level name; ever larger ones. */
async function* extensibleArray(p: Pages, at: number): AsyncGenerator<Entry> {
  const head = await p.signed(at, 72, "EAHD");
  const kind = kindOf(p, at, head.getUint8(5), head.getUint8(6));
  const [bits, inIndex, least, leastBlocks, pageBits] = [7, 8, 9, 10, 11].map((i) => head.getUint8(i)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const power = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;
  if (bits > 64 || pageBits > bits || !power(least) || !power(leastBlocks))
    throw p.fail(at, `an extensible array of 2^${bits} entries in blocks of ${least} and ${leastBlocks}, expected powers of two`);
  const index = u64(head, 60);
  const end = u64(head, 44); // one more than the largest place in use
  if (index === Number.POSITIVE_INFINITY) return;
  await p.signed(index, 14, "EAIB");
  yield* entriesAt(p, index + 14, 0, inIndex, kind);

  const offsetBytes = Math.ceil(bits / 8);
  const page = 2 ** pageBits;
  const dataBlock = async function* (address: number, first: number, count: number, used: DataView, bit: number): AsyncGenerator<Entry> {
    if (address === Number.POSITIVE_INFINITY) return;
    await p.signed(address, 14 + offsetBytes, "EADB");
    if (count <= page) yield* entriesAt(p, address + 14 + offsetBytes, first, count, kind);
    else yield* pagesAt(p, address + 14 + offsetBytes + 4, first, count, page, kind, used, bit);
  };
  let first = inIndex;
  let next = index + 14 + inIndex * kind.width;
  // Groups of blocks: the u-th has 2^(u / 2) of them, each of 2^((u + 1) / 2) times the least size.
  const inline = 2 * Math.log2(leastBlocks);
  for (let u = 0; u <= bits - Math.log2(least) && first < end; u++) {
    const blocks = 2 ** Math.floor(u / 2);
    const size = 2 ** Math.floor((u + 1) / 2) * least;
    let addresses = next;
    let used: DataView = new DataView(new ArrayBuffer(0));
    if (u < inline) next += 8 * blocks;
    else {
      const second = u64(await p.bytes(next, 8, "address of a block of a chunk index"), 0);
      next += 8;
      if (second === Number.POSITIVE_INFINITY) {
        first += blocks * size;
        continue;
      }
      await p.signed(second, 14 + offsetBytes, "EASB");
      used = await p.bytes(second + 14 + offsetBytes, size > page ? blocks * Math.ceil(size / page / 8) : 0, "pages of a chunk index");
      addresses = second + 14 + offsetBytes + used.byteLength;
    }
    const v = await p.bytes(addresses, 8 * blocks, "addresses of blocks of a chunk index");
    for (let b = 0; b < blocks; b++, first += size) yield* dataBlock(u64(v, 8 * b), first, size, used, (b * size) / page);
  }
}
