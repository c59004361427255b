// Zip archives by ranges: the central directory is read and checked, entries when they are asked for. Source: PKWARE APPNOTE 6.3.
import type { Storage } from "../core/storage.ts";
import { crc32, joinedCrc32 } from "./crc32.ts";
import { inflated } from "./inflate.ts";
import { mapPart, type MapRequest } from "./mapping.ts";
import { type Check, CHUNK, fileRegion, type Region, regionBytes } from "./region.ts";
import { type ByteSource, damaged } from "./source.ts";

/** A file in an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes, inflated. */
  readonly size: number;
  /** Bytes in the archive. */
  readonly compressed: number;
  readonly deflated: boolean;
  readonly crc: number;
  /** Where its local header begins, and before which byte it must end. */
  readonly header: number;
  readonly end: number;
}

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
/** Deflate makes at most 1032 bytes of one. */
const RATIO = 1032;
/** More than two million entries take. */
const LARGEST_DIRECTORY = 256 << 20;

const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/** An open archive. */
export class ZipFile {
  readonly source: ByteSource;
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly #data = new Map<ZipEntry, number>();
  constructor(source: ByteSource, entries: ReadonlyMap<string, ZipEntry>) {
    this.source = source;
    this.entries = entries;
  }

  #fail(at: number, message: string, hint = "The archive is damaged", cause?: unknown): ReturnType<typeof damaged> {
    return damaged(this.source.name, at, message, hint, cause);
  }
  /** Where the bytes of an entry begin. @throws FormatError when its local header does not fit the directory */
  async begin(e: ZipEntry): Promise<number> {
    const known = this.#data.get(e);
    if (known !== undefined) return known;
    const v = viewOf(await this.source.read(e.header, 30));
    if (v.getUint32(0, true) !== LOCAL) throw this.#fail(e.header, `no local header of ${e.name}`);
    if (v.getUint16(8, true) !== (e.deflated ? 8 : 0))
      throw this.#fail(e.header, `${e.name} is compressed otherwise than the directory says`);
    const nameLength = v.getUint16(26, true);
    const begin = e.header + 30 + nameLength + v.getUint16(28, true);
    if (begin + e.compressed > e.end)
      throw this.#fail(e.header, `${e.name} reaches byte ${begin + e.compressed}, where other data begin at ${e.end}`);
    const name = new TextDecoder().decode(await this.source.read(e.header + 30, nameLength));
    if (name !== e.name)
      throw this.#fail(e.header, `the entry is called ${JSON.stringify(name)} here and ${JSON.stringify(e.name)} in the directory`);
    this.#data.set(e, begin);
    return begin;
  }

  /** An entry's bytes, inflated. With `verify` all of it is read whatever part is asked for, and its checksum compared. */
  region(e: ZipEntry, verify = false): Region {
    const name = `${this.source.name}: ${e.name}`;
    const all = (): AsyncIterable<Uint8Array> => (e.deflated ? this.#inflate(e) : this.#stored(e, 0, e.size));
    return {
      name,
      offset: e.header,
      size: e.size,
      chunks: (begin, length) =>
        verify ? part(this.#verified(e, all()), begin, length) : e.deflated ? part(all(), begin, length) : this.#stored(e, begin, length),
      ...(this.source.readInto &&
        !e.deflated && { read: async (begin: number, into: Uint8Array) => this.source.readInto!((await this.begin(e)) + begin, into) }),
      ...(this.source.readTo &&
        !e.deflated && {
          readTo: async (begin: number, into: Storage, at: number, nbytes: number) =>
            this.source.readTo!((await this.begin(e)) + begin, into, at, nbytes),
        }),
      ...(!e.deflated &&
        !verify && {
          map: async (begin: number, length: number, to: MapRequest) => mapPart(this.source, (await this.begin(e)) + begin, length, to),
        }),
      ...(verify && { check: (begin: number, length: number) => this.#check(e, begin, length) }),
    };
  }
  /** Compares the checksum of a stored entry of which `length` bytes from `begin` on are read elsewhere; the others are read here. */
  #check(e: ZipEntry, begin: number, length: number): Check {
    const parts: { readonly begin: number; readonly length: number; readonly crc: number }[] = [];
    return {
      seen: (begin, length, crc) => void parts.push({ begin, length, crc }),
      end: async () => {
        for (const [from, n] of [
          [0, begin],
          [begin + length, e.size - begin - length],
        ] as const) {
          let at = from;
          for await (const chunk of this.#stored(e, from, n)) {
            parts.push({ begin: at, length: chunk.length, crc: crc32(chunk, 0) });
            at += chunk.length;
          }
        }
        this.#compare(
          e,
          parts.sort((a, b) => a.begin - b.begin).reduce((crc, p) => joinedCrc32(crc, p.crc, p.length), 0),
        );
      },
    };
  }
  /** All bytes of an entry. @throws FormatError also when there are more than `limit` */
  async bytes(e: ZipEntry, options: { verify?: boolean; limit?: number } = {}): Promise<Uint8Array> {
    const limit = options.limit ?? 1 << 30;
    if (e.size > limit) throw this.#fail(e.header, `${e.name} has ${e.size} bytes, expected at most ${limit}`);
    return regionBytes(this.region(e, options.verify));
  }

  async *#stored(e: ZipEntry, begin: number, length: number): AsyncGenerator<Uint8Array> {
    yield* fileRegion(this.source, await this.begin(e), e.size).chunks(begin, length);
  }
  async *#verified(e: ZipEntry, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let crc = 0;
    for await (const chunk of chunks) {
      crc = crc32(chunk, crc);
      yield chunk;
    }
    this.#compare(e, crc);
  }
  #compare(e: ZipEntry, crc: number): void {
    if (crc !== e.crc) throw this.#fail(e.header, `${e.name} has checksum ${crc.toString(16)}, the directory says ${e.crc.toString(16)}`);
  }
  // Never more than the directory says.
  async *#inflate(e: ZipEntry): AsyncGenerator<Uint8Array> {
    const begin = await this.begin(e);
    const tooMany = (): Error => this.#fail(begin, `${e.name} inflates to more than the ${e.size} bytes that the directory says`);
    let total = 0;
    try {
      for await (const piece of inflated(
        "deflate-raw",
        fileRegion(this.source, begin, e.compressed).chunks(0, e.compressed),
        e.size,
        tooMany,
      )) {
        total += piece.length;
        yield piece;
      }
    } catch (error) {
      if ((error as Error).name === "FormatError") throw error;
      throw this.#fail(begin, `${e.name} cannot be inflated: ${(error as Error).message}`, undefined, error);
    }
    if (total !== e.size) throw this.#fail(begin, `${e.name} inflates to ${total} bytes, the directory says ${e.size}`);
  }
}

/** Bytes `begin` to `begin + length` of a stream of pieces of any sizes, as chunks of the usual size. The stream is read to its end. */
async function* part(stream: AsyncIterable<Uint8Array>, begin: number, length: number): AsyncGenerator<Uint8Array> {
  let at = 0;
  let left = length;
  let chunk = new Uint8Array(Math.min(CHUNK, left));
  let filled = 0;
  for await (const piece of stream) {
    for (let from = Math.max(begin - at, 0); from < piece.length && left > 0; ) {
      const n = Math.min(piece.length - from, chunk.length - filled);
      chunk.set(piece.subarray(from, from + n), filled);
      from += n;
      filled += n;
      left -= n;
      if (filled === chunk.length) {
        yield chunk;
        chunk = new Uint8Array(Math.min(CHUNK, left));
        filled = 0;
      }
    }
    at += piece.length;
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

const known = new WeakMap<ByteSource, Promise<ZipFile>>();
/** The archive in a source; asked again, the same. @throws FormatError */
export function openZip(source: ByteSource): Promise<ZipFile> {
  let zip = known.get(source);
  if (!zip) known.set(source, (zip = readDirectory(source)));
  return zip;
}
/** Does a file begin like a zip archive? */
export const isZip = (head: Uint8Array): boolean =>
  head[0] === 0x50 && head[1] === 0x4b && ((head[2] === 3 && head[3] === 4) || (head[2] === 5 && head[3] === 6));

/** Is a name a path that leads out of the folder that an archive is unpacked to? */
export const leadsOut = (name: string): boolean => /^\/|^[A-Za-z]:\/|\\|\0|(^|\/)\.\.(\/|$)/.test(name);

async function readDirectory(source: ByteSource): Promise<ZipFile> {
  const fail = (at: number, message: string): Error => damaged(source.name, at, message, "The archive is damaged or truncated");
  const { count, offset, size } = await findDirectory(source, fail);
  if (size > LARGEST_DIRECTORY) throw fail(offset, `a directory of ${size} bytes`);
  if (count * 46 > size) throw fail(offset, `a directory of ${count} entries in ${size} bytes`);
  const bytes = size > 0 ? (await source.read(offset, size)).slice() : new Uint8Array(0);
  const v = viewOf(bytes);
  const text = new TextDecoder();
  const found: (Omit<ZipEntry, "end"> & { readonly nameLength: number })[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const here = offset + at;
    if (at + 46 > size || v.getUint32(at, true) !== CENTRAL) throw fail(here, `entry ${i} of ${count} of the directory is missing`);
    const flags = v.getUint16(at + 8, true);
    const method = v.getUint16(at + 10, true);
    const nameLength = v.getUint16(at + 28, true);
    const extraLength = v.getUint16(at + 30, true);
    const next = at + 46 + nameLength + extraLength + v.getUint16(at + 32, true);
    if (next > size) throw fail(here, `entry ${i} ends after the directory`);
    const name = text.decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const [sizeOf, compressed, header] = wide(v, at, 46 + nameLength, extraLength, () =>
      fail(here, `${JSON.stringify(name)} has a 64-bit field that is too short`),
    );
    if (flags & 1) throw fail(here, `${JSON.stringify(name)} is encrypted`);
    if (method !== 0 && method !== 8)
      throw fail(here, `${JSON.stringify(name)} is compressed by method ${method}, expected 0 (stored) or 8 (deflated)`);
    if (leadsOut(name)) throw fail(here, `${JSON.stringify(name)} is a path that leads out of the archive`);
    const deflated = method === 8;
    if (!deflated && compressed !== sizeOf) throw fail(here, `${JSON.stringify(name)} is stored with ${compressed} bytes of ${sizeOf}`);
    if (deflated && sizeOf > compressed * RATIO + RATIO)
      throw fail(here, `${JSON.stringify(name)}: ${compressed} bytes cannot inflate to ${sizeOf}`);
    if (!(header + 30 + nameLength + compressed <= offset)) throw fail(here, `${JSON.stringify(name)} reaches into the directory`);
    found.push({ name, size: sizeOf, compressed, deflated, crc: v.getUint32(at + 16, true), header, nameLength });
    at = next;
  }
  const order = found.toSorted((a, b) => a.header - b.header);
  const entries = new Map<string, ZipEntry>();
  const ends = new Map(order.map((e, i) => [e, order[i + 1]?.header ?? offset]));
  for (const e of found) {
    const { nameLength, ...entry } = e;
    const end = ends.get(e)!;
    if (e.header + 30 + nameLength + e.compressed > end) throw fail(e.header, `${JSON.stringify(e.name)} overlaps the entry after it`);
    if (entries.has(e.name)) throw fail(e.header, `${JSON.stringify(e.name)} is there twice`);
    entries.set(e.name, { ...entry, end });
  }
  return new ZipFile(source, entries);
}

/** Sizes and header offset of a directory entry: in its fields, or, from 4 GB on, in an extra field. */
function wide(
  v: DataView,
  at: number,
  nameEnd: number,
  extraLength: number,
  fail: () => Error,
): [size: number, compressed: number, header: number] {
  const fields = [v.getUint32(at + 24, true), v.getUint32(at + 20, true), v.getUint32(at + 42, true)] as [number, number, number];
  for (let x = at + nameEnd, end = x + extraLength; x + 4 <= end; ) {
    const length = v.getUint16(x + 2, true);
    if (v.getUint16(x, true) === 1)
      for (let k = 0, p = x + 4; k < 3; k++) {
        if (fields[k] !== 0xffffffff) continue;
        if (p + 8 > Math.min(x + 4 + length, end)) throw fail();
        fields[k] = Number(v.getBigUint64(p, true));
        p += 8;
      }
    x += 4 + length;
  }
  return fields;
}

/** Where the directory is: in the record at the end, behind a comment perhaps, or in the 64-bit record before that. */
async function findDirectory(
  source: ByteSource,
  fail: (at: number, message: string) => Error,
): Promise<{ count: number; offset: number; size: number }> {
  const length = Math.min(source.size, 22 + 65535);
  const base = source.size - length;
  const tail = (await source.read(base, length)).slice();
  const v = viewOf(tail);
  let at = length - 22;
  while (at >= 0 && !(v.getUint32(at, true) === END && at + 22 + v.getUint16(at + 20, true) === length)) at--;
  if (at < 0) throw fail(source.size, "no end of the zip directory");
  let count = v.getUint16(at + 10, true);
  let size = v.getUint32(at + 12, true);
  let offset = v.getUint32(at + 16, true);
  const disk = v.getUint16(at + 4, true);
  if ((disk !== 0 && disk !== 0xffff) || v.getUint16(at + 8, true) !== count) throw fail(base + at, "an archive of several files");
  let limit = base + at;
  if (limit >= 20) {
    const l = viewOf(await source.read(limit - 20, 20));
    if (l.getUint32(0, true) === LOCATOR64) {
      const where = Number(l.getBigUint64(8, true));
      if (!(where + 56 <= limit - 20)) throw fail(limit - 20, `the 64-bit end of the directory is said to be at byte ${where}`);
      const r = viewOf(await source.read(where, 56));
      if (r.getUint32(0, true) !== END64) throw fail(where, "no 64-bit end of the directory");
      count = Number(r.getBigUint64(32, true));
      size = Number(r.getBigUint64(40, true));
      offset = Number(r.getBigUint64(48, true));
      limit = where;
    }
  }
  if (!(offset + size <= limit)) throw fail(base + at, `a directory of ${size} bytes at byte ${offset}, before byte ${limit}`);
  return { count, offset, size };
}
