// Zip archives: the table of contents, bounded inflation, and a writer. Sizes come from the central directory and must prove
// true; what an entry inflates to is never larger than it says, and never larger than deflate can make of its bytes.
// Source: PKWARE APPNOTE 6.3.10.
import { crc32 } from "./crc.ts";
import { type Fail, shown } from "./damage.ts";
import { CHUNK } from "./ranged.ts";
import type { ByteSink } from "./sink.ts";
import type { ByteSource } from "./source.ts";

/** One file of an archive. */
export interface Entry {
  readonly name: string;
  /** Bytes of the file itself. */
  readonly size: number;
  /** Bytes that it takes in the archive. */
  readonly compressed: number;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  readonly crc: number;
  /** Where its local header begins. */
  readonly offset: number;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_SIZE = 22;
const MAX_DIRECTORY = 256 << 20;
/** Deflate makes 258 bytes of two bits at best: 1032 to one. */
const MAX_RATIO = 1032;
const FULL32 = 0xffffffff;

const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.length);

/** Where the central directory is, from the record at the end. */
async function findDirectory(source: ByteSource, fail: Fail): Promise<{ at: number; size: number; count: number }> {
  const length = Math.min(source.size, END_SIZE + 0xffff);
  const base = source.size - length;
  const tail = (await source.read(base, length)).slice();
  const v = viewOf(tail);
  let end = length - END_SIZE;
  while (end >= 0 && !(v.getUint32(end, true) === END && end + END_SIZE + v.getUint16(end + 20, true) === length)) end--;
  if (end < 0)
    throw fail(source.size, "no end of central directory, expected one in the last 64 KB", {
      hint: "The file is truncated or no zip archive",
    });
  const at = { count: v.getUint16(end + 10, true), size: v.getUint32(end + 12, true), at: v.getUint32(end + 16, true) };
  if (v.getUint16(end + 4, true) !== 0 || v.getUint16(end + 8, true) !== at.count)
    throw fail(base + end, "the archive has several parts, expected one");
  if (end < 20 || v.getUint32(end - 20, true) !== LOCATOR64) return at;
  const record = Number(v.getBigUint64(end - 12, true));
  if (!Number.isSafeInteger(record) || record + 56 > source.size)
    throw fail(base + end - 12, `zip64 record at byte ${record}, the file has ${source.size}`);
  const r = viewOf(await source.read(record, 56));
  if (r.getUint32(0, true) !== END64) throw fail(record, "no zip64 end of central directory");
  return { count: Number(r.getBigUint64(32, true)), size: Number(r.getBigUint64(40, true)), at: Number(r.getBigUint64(48, true)) };
}

/** Sizes and offset, from the zip64 extra field where the 32 bits do not suffice. */
function wide(
  v: DataView,
  at: number,
  extra: number,
  extraEnd: number,
  fail: () => Error,
): [size: number, compressed: number, offset: number] {
  const values: [number, number, number] = [v.getUint32(at + 24, true), v.getUint32(at + 20, true), v.getUint32(at + 42, true)];
  if (!values.includes(FULL32)) return values;
  for (let e = extra; e + 4 <= extraEnd; e += 4 + v.getUint16(e + 2, true)) {
    if (v.getUint16(e, true) !== 1) continue;
    let from = e + 4;
    for (let i = 0; i < 3; i++) {
      if (values[i] !== FULL32) continue;
      if (from + 8 > Math.min(extraEnd, e + 4 + v.getUint16(e + 2, true))) throw fail();
      values[i] = Number(v.getBigUint64(from, true));
      from += 8;
    }
    return values;
  }
  return values;
}

/** The entries of an archive, folders left out. @throws FormatError for damage, encryption, overlaps, names given twice or with `..` in them */
export async function readArchive(source: ByteSource, fail: Fail): Promise<Entry[]> {
  const directory = await findDirectory(source, fail);
  const { at: begin, size, count } = directory;
  if (!(size <= MAX_DIRECTORY && begin + size <= source.size && count * 46 <= size))
    throw fail(
      source.size - END_SIZE,
      `a central directory of ${count} entries in ${size} bytes at byte ${begin}, the file has ${source.size}`,
    );
  const bytes = (await source.read(begin, size)).slice();
  const v = viewOf(bytes);
  const text = new TextDecoder("utf-8", { fatal: true });
  const entries = new Map<string, Entry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    const here = begin + at;
    if (at + 46 > size || v.getUint32(at, true) !== CENTRAL) throw fail(here, `no entry ${i} in the central directory, expected ${count}`);
    const nameEnd = at + 46 + v.getUint16(at + 28, true);
    const extraEnd = nameEnd + v.getUint16(at + 30, true);
    const next = extraEnd + v.getUint16(at + 32, true);
    if (next > size) throw fail(here, `entry ${i} goes past the end of the central directory`);
    let name: string;
    try {
      name = text.decode(bytes.subarray(at + 46, nameEnd));
    } catch (cause) {
      throw fail(here, `the name of entry ${i} is not UTF-8`, { cause });
    }
    const where = `entry ${shown(name)}`;
    if (name === "" || name.includes("\0") || name.split(/[\\/]/).includes(".."))
      throw fail(here, `${where} has a name that no file should have`);
    if (entries.has(name)) throw fail(here, `${where} stands twice`);
    if (v.getUint16(at + 8, true) & 1) throw fail(here, `${where} is encrypted`, { hint: "Decrypt the archive first" });
    const method = v.getUint16(at + 10, true);
    if (method !== 0 && method !== 8) throw fail(here, `${where} has compression method ${method}, expected 0 (stored) or 8 (deflate)`);
    const [plain, compressed, offset] = wide(v, at, nameEnd, extraEnd, () => fail(here, `${where} has a zip64 field that is too short`));
    if (!(offset + 30 + compressed <= begin)) throw fail(here, `${where} of ${compressed} bytes at byte ${offset} goes past byte ${begin}`);
    if (method === 0 ? plain !== compressed : !(plain <= compressed * MAX_RATIO))
      throw fail(here, `${where} says that ${compressed} bytes become ${plain}, which cannot be`);
    entries.set(name, { name, size: plain, compressed, method, crc: v.getUint32(at + 16, true), offset });
    at = next;
  }
  let end = 0;
  for (const e of [...entries.values()].sort((a, b) => a.offset - b.offset)) {
    if (e.offset < end) throw fail(e.offset, `entry ${shown(e.name)} overlaps the one before it`);
    end = e.offset + 30 + e.compressed;
  }
  return [...entries.values()].filter((e) => !e.name.endsWith("/"));
}

async function* stored(source: ByteSource, at: number, length: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < length; i += CHUNK) yield await source.read(at + i, Math.min(CHUNK, length - i));
}
async function* inflated(source: ByteSource, e: Entry, at: number, fail: Fail): AsyncGenerator<Uint8Array> {
  const stream = new DecompressionStream("deflate-raw");
  const input = stored(source, at, e.compressed);
  const writer = stream.writable.getWriter();
  // The reader below is told of every error; here they would only be unhandled.
  const feeding = (async () => {
    for await (const chunk of input) await writer.write(chunk.slice());
    await writer.close();
  })().catch(() => {});
  const reader = stream.readable.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield value as Uint8Array;
    }
  } catch (cause) {
    throw fail(at, `entry ${shown(e.name)} is not deflated data: ${(cause as Error).message}`, { cause });
  } finally {
    await reader.cancel().catch(() => {});
    await writer.abort().catch(() => {});
    await feeding;
  }
}

/** The bytes of an entry in pieces; `found` learns where they begin in the archive. @throws FormatError when they are more, fewer or others than the directory says */
export async function* entryChunks(source: ByteSource, e: Entry, fail: Fail, found?: (begin: number) => void): AsyncGenerator<Uint8Array> {
  const head = viewOf(await source.read(e.offset, 30));
  const where = `entry ${shown(e.name)}`;
  if (head.getUint32(0, true) !== LOCAL) throw fail(e.offset, `no local header of ${where}`);
  const at = e.offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  if (at + e.compressed > source.size)
    throw fail(at, `${where} needs ${e.compressed} bytes, the file has ${Math.max(0, source.size - at)} more`);
  found?.(at);
  let size = 0;
  let crc = 0;
  for await (const chunk of e.method === 0 ? stored(source, at, e.compressed) : inflated(source, e, at, fail)) {
    size += chunk.length;
    if (size > e.size) throw fail(at, `${where} inflates to more than the ${e.size} bytes that it says`);
    crc = crc32(chunk, crc);
    yield chunk;
  }
  if (size !== e.size) throw fail(at, `${where} has ${size} bytes, expected ${e.size}`);
  if (crc !== e.crc) throw fail(at, `${where} has CRC ${crc.toString(16)}, expected ${e.crc.toString(16)}`);
}
/** All bytes of an entry. @throws FormatError also when they are more than `limit` */
export async function entryBytes(source: ByteSource, e: Entry, fail: Fail, limit: number): Promise<Uint8Array> {
  if (e.size > limit) throw fail(e.offset, `entry ${shown(e.name)} has ${e.size} bytes, expected ${limit} at most`);
  const out = new Uint8Array(e.size);
  let at = 0;
  for await (const chunk of entryChunks(source, e, fail)) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

/** A file to be written: its bytes are asked for twice when it is stored, for the check and for the archive. */
export interface NewEntry {
  readonly name: string;
  readonly size: number;
  readonly compress: boolean;
  readonly write: (take: (bytes: Uint8Array) => void) => void;
}

async function deflate(e: NewEntry): Promise<Uint8Array[]> {
  const stream = new CompressionStream("deflate-raw");
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  const out: Uint8Array[] = [];
  const reading = (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      out.push(value as Uint8Array);
    }
  })();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  e.write((b) => parts.push(b.slice()));
  for (const part of parts) await writer.write(part);
  await writer.close();
  await reading;
  return out;
}

/** Header fields after the signatures: `central` ones have more. */
function header(e: NewEntry, crc: number, compressed: number, offset: number, central: boolean): Uint8Array {
  const name = new TextEncoder().encode(e.name);
  const big = e.size >= FULL32 || compressed >= FULL32 || offset >= FULL32;
  const extra = big ? (central ? 28 : 20) : 0;
  const fixed = central ? 46 : 30;
  const out = new Uint8Array(fixed + name.length + extra);
  const v = viewOf(out);
  let at = 0;
  const u16 = (x: number): void => {
    v.setUint16(at, x, true);
    at += 2;
  };
  const u32 = (x: number): void => {
    v.setUint32(at, x, true);
    at += 4;
  };
  const u64 = (x: number): void => {
    v.setBigUint64(at, BigInt(x), true);
    at += 8;
  };
  u32(central ? CENTRAL : LOCAL);
  if (central) u16(0x0300 | 45); // made on Unix
  u16(big ? 45 : 20);
  u16(0x800); // names are UTF-8
  u16(e.compress ? 8 : 0);
  u16(0);
  u16(0x21); // 1 January 1980: the same tensors give the same bytes
  u32(crc);
  u32(big ? FULL32 : compressed);
  u32(big ? FULL32 : e.size);
  u16(name.length);
  u16(extra);
  if (central) {
    at += 6;
    u32(0o100644 << 16);
    u32(big ? FULL32 : offset);
  }
  out.set(name, at);
  at += name.length;
  if (big) {
    u16(1);
    u16(extra - 4);
    u64(e.size);
    u64(compressed);
    if (central) u64(offset);
  }
  return out;
}

/** Writes an archive to a sink. */
export async function writeArchive(sink: ByteSink, entries: readonly NewEntry[]): Promise<void> {
  const directory: Uint8Array[] = [];
  let at = 0;
  const put = (b: Uint8Array): void => {
    sink.write(b);
    at += b.length;
  };
  for (const e of entries) {
    let crc = 0;
    e.write((b) => {
      crc = crc32(b, crc);
    });
    const deflated = e.compress ? await deflate(e) : null;
    const compressed = deflated ? deflated.reduce((n, p) => n + p.length, 0) : e.size;
    directory.push(header(e, crc, compressed, at, true));
    put(header(e, crc, compressed, 0, false));
    if (deflated) deflated.forEach(put);
    else e.write(put);
  }
  const begin = at;
  directory.forEach(put);
  const size = at - begin;
  const big = begin >= FULL32 || entries.length >= 0xffff;
  if (big) {
    const record = viewOf(new Uint8Array(56 + 20));
    record.setUint32(0, END64, true);
    record.setBigUint64(4, 44n, true);
    record.setUint16(12, 45, true);
    record.setUint16(14, 45, true);
    record.setBigUint64(24, BigInt(entries.length), true);
    record.setBigUint64(32, BigInt(entries.length), true);
    record.setBigUint64(40, BigInt(size), true);
    record.setBigUint64(48, BigInt(begin), true);
    record.setUint32(56, LOCATOR64, true);
    record.setBigUint64(64, BigInt(at), true);
    record.setUint32(72, 1, true);
    put(new Uint8Array(record.buffer));
  }
  const end = viewOf(new Uint8Array(END_SIZE));
  end.setUint32(0, END, true);
  end.setUint16(8, Math.min(entries.length, 0xffff), true);
  end.setUint16(10, Math.min(entries.length, 0xffff), true);
  end.setUint32(12, Math.min(size, FULL32), true);
  end.setUint32(16, big ? FULL32 : begin, true);
  put(new Uint8Array(end.buffer));
}
