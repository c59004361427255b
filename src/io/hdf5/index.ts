// HDF5 files, as far as h5py writes them for Keras: groups, attributes, datasets. Read by ranges: values stay in the file until
// they are asked for. Every walk is bounded by what the file can hold, so that damage cannot make it hang.
import { type Fail, shown } from "../damage.ts";
import type { ByteSource } from "../source.ts";
import type { StoredTensor } from "../stored.ts";
import { isHdf5 } from "../tensorflow/magic.ts";
import { datasetOf } from "./dataset.ts";
import { attributesOf, type HdfAttribute, type Message, MESSAGE, readObject } from "./object.ts";
import { Pages, textOf, u64 } from "../pages.ts";

export type { HdfAttribute } from "./object.ts";

const MAX_DEPTH = 64;

/** A group or a dataset. */
export interface HdfObject {
  readonly attributes: ReadonlyMap<string, HdfAttribute>;
  /** Members of a group, in the order of their names. */
  readonly members: ReadonlyMap<string, HdfObject>;
  /** The values of a dataset. */
  readonly tensor: StoredTensor | null;
}

/** Where the root group's header is. @throws FormatError */
async function rootAddress(p: Pages): Promise<number> {
  const v = await p.bytes(0, Math.min(96, p.size), "superblock");
  if (v.byteLength < 48 || !isHdf5(new Uint8Array(v.buffer))) throw p.fail(0, "no HDF5 signature");
  const version = v.getUint8(8);
  if (version > 3) throw p.fail(8, `a superblock of version ${version}, expected 0 to 3`);
  const at = version < 2 ? 13 : 9;
  if (v.getUint8(at) !== 8 || v.getUint8(at + 1) !== 8)
    throw p.fail(at, `addresses of ${v.getUint8(at)} and lengths of ${v.getUint8(at + 1)} bytes, expected 8`);
  if (version >= 2) return u64(v, 36);
  const base = version === 0 ? 24 : 28;
  if (v.byteLength < base + 48) throw p.fail(v.byteLength, "the file ends in the superblock");
  if (u64(v, base) !== 0) throw p.fail(base, `base address ${u64(v, base)}, expected 0`);
  return u64(v, base + 40);
}

/** Names and header addresses from a symbol table: a B-tree over lists of entries, names in a heap. */
async function symbolTable(p: Pages, tree: number, heapAt: number): Promise<Map<string, number>> {
  const heap = await p.signed(heapAt, 32, "HEAP");
  const [heapSize, heapData] = [u64(heap, 8), u64(heap, 24)];
  const names = await p.bytes(heapData, heapSize, "names of a group");
  const out = new Map<string, number>();
  const seen = new Set<number>();
  const visit = async (at: number, depth: number): Promise<void> => {
    if (seen.has(at) || depth > MAX_DEPTH) throw p.fail(at, "a B-tree that meets itself");
    seen.add(at);
    const node = await p.signed(at, 24, "TREE");
    if (node.getUint8(4) !== 0) throw p.fail(at, `a B-tree of type ${node.getUint8(4)}, expected 0`);
    const [level, count] = [node.getUint8(5), node.getUint16(6, true)];
    const children = await p.bytes(at + 24, 16 * count + 8, "B-tree node");
    for (let i = 0; i < count; i++) {
      const child = u64(children, 16 * i + 8);
      if (level > 0) await visit(child, depth + 1);
      else await entries(child);
    }
  };
  const entries = async (at: number): Promise<void> => {
    if (seen.has(at)) throw p.fail(at, "a list of symbols that stands twice");
    seen.add(at);
    const count = (await p.signed(at, 8, "SNOD")).getUint16(6, true);
    const v = await p.bytes(at + 8, 40 * count, "symbols of a group");
    for (let i = 0; i < count; i++) {
      const name = u64(v, 40 * i);
      if (!(name < heapSize)) throw p.fail(at + 8 + 40 * i, `a name at byte ${name} of a heap of ${heapSize}`);
      const soft = v.getUint32(40 * i + 16, true) === 2;
      if (!soft) out.set(textOf(names, name, heapSize - name), u64(v, 40 * i + 8));
    }
  };
  await visit(tree, 0);
  return out;
}
/** A link message: the name and the header's address; null for links that are not hard. */
function linkOf(m: Message, fail: Fail): [string, number] | null {
  const v = m.data;
  try {
    const flags = v.getUint8(1);
    let at = 2;
    const type = flags & 8 ? v.getUint8(at++) : 0;
    if (flags & 4) at += 8;
    if (flags & 16) at += 1;
    const width = 1 << (flags & 3);
    const length = width === 1 ? v.getUint8(at) : width === 2 ? v.getUint16(at, true) : v.getUint32(at, true);
    at += width;
    if (at + length > v.byteLength) throw new RangeError("a name too long");
    return type === 0 ? [textOf(v, at, length), u64(v, at + length)] : null;
  } catch (cause) {
    throw fail(m.at, "a damaged link", { cause });
  }
}

/** Numbers come in their own order: `vars/2` before `vars/10`. */
const byName = ([a]: [string, number], [b]: [string, number]): number => (/^\d+$/.test(a) && /^\d+$/.test(b) ? Number(a) - Number(b) : 0);

/** Reads all headers of a file. @throws FormatError that names file, offset and what was expected */
export async function readHdf5(source: ByteSource, fail: Fail): Promise<HdfObject> {
  const p = new Pages(source, fail);
  // Every object takes at least a header of 16 bytes; links to the same one are read anew, but not without end.
  let left = Math.ceil(source.size / 16) + 16;
  const read = async (at: number, path: string, above: readonly number[]): Promise<HdfObject> => {
    if (above.includes(at)) throw fail(at, `group ${shown(path)} is in itself`);
    if (above.length > MAX_DEPTH) throw fail(at, `group ${shown(path)} is more than ${MAX_DEPTH} levels deep`);
    if (left-- <= 0) throw fail(at, "more objects than the file has room for");
    const messages = await readObject(p, at);
    const tensor = datasetOf(p, source, messages, path);
    const links = new Map<string, number>();
    for (const m of messages) {
      if (m.type === MESSAGE.symbols) {
        if (m.data.byteLength < 16) throw fail(m.at, "a damaged symbol table message");
        for (const [k, a] of await symbolTable(p, u64(m.data, 0), u64(m.data, 8))) links.set(k, a);
      } else if (m.type === MESSAGE.link) {
        const link = linkOf(m, fail);
        if (link) links.set(...link);
      } else if (m.type === MESSAGE.linkInfo) {
        const heap = 2 + (m.data.byteLength > 1 && m.data.getUint8(1) & 1 ? 8 : 0);
        if (m.data.byteLength < heap + 8) throw fail(m.at, "a damaged link info message");
        if (u64(m.data, heap) !== Number.POSITIVE_INFINITY)
          throw fail(m.at, `group ${shown(path)} has its links in a heap, expected a symbol table`, {
            hint: 'Write the file with h5py\'s default libver="earliest"',
          });
      }
    }
    const members = new Map<string, HdfObject>();
    for (const [name, address] of [...links].sort(byName))
      members.set(name, await read(address, path === "" ? name : `${path}/${name}`, [...above, at]));
    return { attributes: await attributesOf(p, messages), members, tensor };
  };
  return read(await rootAddress(p), "", []);
}

/** All datasets by path. */
export function datasetsOf(o: HdfObject, path = ""): Map<string, StoredTensor> {
  const out = new Map<string, StoredTensor>();
  if (o.tensor) out.set(path, o.tensor);
  for (const [name, m] of o.members) for (const [k, t] of datasetsOf(m, path === "" ? name : `${path}/${name}`)) out.set(k, t);
  return out;
}
