// Sorted string tables: keys and values in blocks, as LevelDB and TensorFlow's checkpoint indices store them.
// Source: https://github.com/google/leveldb/blob/main/doc/table_format.md
import { crc32c } from "../crc32.ts";
import type { Fail } from "../damage.ts";
import type { ByteSource } from "../source.ts";
import { FOOTER, isTable } from "./magic.ts";
import { varint } from "./proto.ts";

const MAX_BLOCK = 64 << 20;

/** Checksums are stored turned and shifted, so that those of data with checksums in them are sound. */
export const unmask = (crc: number): number => {
  const x = (crc - 0xa282ead8) >>> 0;
  return ((x >>> 17) | (x << 15)) >>> 0;
};
/** An entry of a table and where its block begins, for messages. */
export interface TableEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly at: number;
}

async function block(source: ByteSource, at: number, size: number, fail: Fail): Promise<TableEntry[]> {
  if (!(at >= 0 && size >= 4 && size <= MAX_BLOCK && at + size + 5 <= source.size))
    throw fail(Math.max(0, Math.min(at, source.size)), `a block of ${size} bytes at byte ${at}, the file has ${source.size}`);
  const bytes = (await source.read(at, size + 5)).slice();
  const v = new DataView(bytes.buffer);
  const found = crc32c(bytes.subarray(0, size + 1));
  const want = unmask(v.getUint32(size + 1, true));
  if (found !== want) throw fail(at, `a block with CRC ${found.toString(16)}, expected ${want.toString(16)}`);
  if (bytes[size] !== 0)
    throw fail(at + size, "a compressed block, expected a plain one", { hint: "Save the checkpoint anew with TensorFlow 1.2 or later" });
  const restarts = v.getUint32(size - 4, true);
  const end = size - 4 - 4 * restarts;
  if (end < 0) throw fail(at + size - 4, `${restarts} restarts in a block of ${size} bytes`);
  const out: TableEntry[] = [];
  let before: Uint8Array = new Uint8Array(0);
  const data = bytes.subarray(0, end);
  for (let i = 0; i < end; ) {
    const start = at + i;
    let [shared, unshared, length] = [0, 0, 0];
    [shared, i] = varint(data, i, at, fail);
    [unshared, i] = varint(data, i, at, fail);
    [length, i] = varint(data, i, at, fail);
    if (!(shared >= 0 && shared <= before.length && unshared >= 0 && length >= 0 && i + unshared + length <= end))
      throw fail(start, `an entry of ${unshared} and ${length} bytes, its block has ${end - i} more`);
    const key = new Uint8Array(shared + unshared);
    key.set(before.subarray(0, shared));
    key.set(data.subarray(i, i + unshared), shared);
    i += unshared;
    out.push({ key, value: data.subarray(i, i + length), at: at + i });
    i += length;
    before = key;
  }
  return out;
}

/** All entries of a table, in order. @throws FormatError for damage, compression and wrong checksums */
export async function readTable(source: ByteSource, fail: Fail): Promise<TableEntry[]> {
  if (!(await isTable(source))) throw fail(Math.max(0, source.size - 8), "no table magic at the end");
  const base = source.size - FOOTER;
  const footer = (await source.read(base, FOOTER)).slice();
  let at = 0;
  const next = (): number => {
    let value: number;
    [value, at] = varint(footer, at, base, fail);
    return value;
  };
  next();
  next();
  const index = await block(source, next(), next(), fail);
  const out: TableEntry[] = [];
  // Blocks lie one after the other: an index that names one twice would make a small file large.
  let end = 0;
  for (const e of index) {
    const [offset, from] = varint(e.value, 0, e.at, fail);
    const [size] = varint(e.value, from, e.at, fail);
    if (offset < end) throw fail(e.at, `a block at byte ${offset}, expected one after byte ${end}`);
    end = offset + size;
    out.push(...(await block(source, offset, size, fail)));
  }
  return out;
}
