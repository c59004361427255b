// Objects of HDF5 files: headers as lists of messages, datatypes, dataspaces, attributes.
// Source: HDF5 File Format Specification, version 3.0, section IV.
import type { DType } from "../../core/dtype.ts";
import { type Pages, textOf, u64 } from "../pages.ts";

/** One message of an object header. */
export interface Message {
  readonly type: number;
  readonly data: DataView;
  /** Where its data begin in the file. */
  readonly at: number;
}
/** Message types. */
export const MESSAGE = {
  dataspace: 1,
  linkInfo: 2,
  datatype: 3,
  link: 6,
  oldFill: 4,
  fill: 5,
  layout: 8,
  filters: 11,
  attribute: 12,
  continuation: 16,
  symbols: 17,
} as const;
const MAX_MESSAGES = 1 << 16;
const SHARED = 2;

/** The messages of the object header at `at`. @throws FormatError */
export async function readObject(p: Pages, at: number): Promise<Message[]> {
  const start = await p.bytes(at, 16, "object header");
  const version2 = textOf(start, 0, 4) === "OHDR";
  const version = start.getUint8(version2 ? 4 : 0);
  if (version !== (version2 ? 2 : 1)) throw p.fail(at, `an object header of version ${version}, expected 1 or 2`);
  const flags = version2 ? start.getUint8(5) : 0;
  let first: [number, number];
  if (version2) {
    const sizeAt = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
    const width = 1 << (flags & 3);
    const v = await p.bytes(at, sizeAt + width, "object header");
    const size =
      width === 8 ? u64(v, sizeAt) : width === 4 ? v.getUint32(sizeAt, true) : width === 2 ? v.getUint16(sizeAt, true) : v.getUint8(sizeAt);
    first = [at + sizeAt + width, size];
  } else first = [at + 16, start.getUint32(8, true)];

  const messages: Message[] = [];
  const blocks = [first];
  const seen = new Set([first[0]]);
  for (let b = 0; b < blocks.length; b++) {
    const [begin, size] = blocks[b]!;
    const v = await p.bytes(begin, size, "messages of an object header");
    const head = version2 ? (flags & 4 ? 6 : 4) : 8;
    for (let i = 0; i + head <= size; ) {
      const type = version2 ? v.getUint8(i) : v.getUint16(i, true);
      const length = v.getUint16(i + (version2 ? 1 : 2), true);
      const shared = v.getUint8(i + (version2 ? 3 : 4)) & SHARED;
      i += head;
      if (i + length > size) throw p.fail(begin + i, `a message of ${length} bytes, its block has ${size - i} more`);
      if (messages.length >= MAX_MESSAGES) throw p.fail(begin + i, `more than ${MAX_MESSAGES} messages in an object header`);
      if (type === MESSAGE.continuation && length >= 16) {
        let [next, bytes] = [u64(v, i), u64(v, i + 8)];
        if (version2) {
          await p.signed(next, 4, "OCHK");
          [next, bytes] = [next + 4, bytes - 8];
        }
        if (seen.has(next)) throw p.fail(begin + i, "an object header goes on in a block that it already has");
        seen.add(next);
        blocks.push([next, bytes]);
      } else if (!shared) messages.push({ type, data: new DataView(v.buffer, i, length), at: begin + i });
      i += length;
    }
  }
  return messages;
}

/** The type of stored values. */
export type HdfType =
  | { readonly kind: "number"; readonly dtype: DType; readonly size: number; readonly big: boolean; readonly unsigned: boolean }
  | { readonly kind: "text"; readonly size: number }
  | { readonly kind: "variable text"; readonly size: 16 }
  | { readonly kind: "other"; readonly name: string; readonly size: number };

const INTEGERS: Readonly<Record<string, DType>> = {
  "true 1": "int8",
  "true 2": "int16",
  "true 4": "int32",
  "true 8": "int64",
  "false 1": "uint8",
  "false 2": "int32",
  "false 4": "int64",
  "false 8": "int64",
};
// By size, place and width of exponent and mantissa.
const FLOATS: Readonly<Record<string, DType>> = {
  "2 10 5 0 10": "float16",
  "2 7 8 0 7": "bfloat16",
  "4 23 8 0 23": "float32",
  "8 52 11 0 52": "float64",
};
const CLASSES = [
  "integers",
  "floats",
  "times",
  "text",
  "bit fields",
  "opaque bytes",
  "records",
  "references",
  "enumerations",
  "sequences",
  "arrays",
];

/** Reads a datatype message. @throws RangeError (of the view) when it is too short */
export function datatypeOf(v: DataView, at = 0): HdfType {
  const kind = v.getUint8(at) & 15;
  const bits = v.getUint8(at + 1);
  const size = v.getUint32(at + 4, true);
  const big = (bits & 1) === 1;
  if (kind === 0) {
    const isSigned = (bits & 8) !== 0;
    const dtype = INTEGERS[`${isSigned} ${size}`];
    if (dtype && v.getUint16(at + 10, true) === 8 * size) return { kind: "number", dtype, size, big, unsigned: !isSigned && size > 1 };
  }
  if (kind === 1 && (bits & 64) === 0) {
    const dtype = FLOATS[`${size} ${[12, 13, 14, 15].map((i) => v.getUint8(at + i)).join(" ")}`];
    if (dtype) return { kind: "number", dtype, size, big, unsigned: false };
  }
  if (kind === 3 && size > 0) return { kind: "text", size };
  if (kind === 9 && (bits & 15) === 1 && size === 16) return { kind: "variable text", size };
  if (kind === 8 && size === 1 && v.getUint16(at + 1, true) === 2) {
    // How h5py stores bools: an enumeration of FALSE and TRUE over bytes.
    const names = new TextDecoder("latin1").decode(new Uint8Array(v.buffer, v.byteOffset + at, Math.min(v.byteLength - at, 64)));
    if (names.includes("FALSE") && names.includes("TRUE")) return { kind: "number", dtype: "bool", size, big, unsigned: false };
  }
  return { kind: "other", name: `${CLASSES[kind] ?? `values of class ${kind}`} of ${size} bytes`, size };
}
/** Reads a dataspace message: the sizes, or null for a dataset that holds nothing. */
export function dataspaceOf(v: DataView, at = 0): number[] | null {
  const version = v.getUint8(at);
  const dims = v.getUint8(at + 1);
  if (version === 2 && v.getUint8(at + 3) === 2) return null;
  const from = at + (version === 2 ? 4 : 8);
  return Array.from({ length: dims }, (_, i) => u64(v, from + 8 * i));
}

/** The most that dimensions of a dataspace message can grow to: Infinity without limit. */
export function mostOf(v: DataView): number[] {
  const shape = dataspaceOf(v) ?? [];
  if ((v.getUint8(2) & 1) === 0) return shape;
  const from = (v.getUint8(0) === 2 ? 4 : 8) + 8 * shape.length;
  return shape.map((_, i) => u64(v, from + 8 * i));
}
/** The value that a fill value message gives; null for zeros. @throws RangeError (of the view) when it is too short */
export function fillOf(m: Message): Uint8Array | null {
  const v = m.data;
  const version = m.type === MESSAGE.oldFill ? 0 : v.getUint8(0);
  const defined = version === 0 || version === 1 || (version === 2 ? v.getUint8(3) === 1 : (v.getUint8(1) & 32) !== 0);
  if (!defined) return null;
  const at = [0, 4, 4, 2][version] ?? 0;
  const size = v.getUint32(at, true);
  return size === 0 ? null : new Uint8Array(v.buffer, v.byteOffset + at + 4, size).slice();
}

/** Objects of a global heap: where they begin and their sizes, by index. */
type Heap = ReadonlyMap<number, readonly [at: number, size: number]>;

async function readHeap(p: Pages, at: number): Promise<Heap> {
  const size = u64(await p.signed(at, 16, "GCOL"), 8);
  const out = new Map<number, [number, number]>();
  for (let o = 16; o + 16 <= size; ) {
    const head = await p.bytes(at + o, 16, "object of a global heap");
    const index = head.getUint16(0, true);
    const bytes = u64(head, 8);
    if (index === 0) break;
    out.set(index, [at + o + 16, bytes]);
    o += 16 + Math.ceil(bytes / 8) * 8;
  }
  return out;
}
/** Text of variable length lies in a heap for the whole file. */
async function heapText(p: Pages, v: DataView, at: number, heaps: Map<number, Heap>): Promise<string> {
  const length = v.getUint32(at, true);
  if (length === 0) return "";
  const heapAt = u64(v, at + 4);
  const index = v.getUint32(at + 12, true);
  const heap = heaps.get(heapAt) ?? (await readHeap(p, heapAt));
  heaps.set(heapAt, heap);
  const [begin, size] = heap.get(index) ?? [0, -1];
  if (size < length)
    throw p.fail(heapAt, `object ${index} of a global heap ${size < 0 ? "is not there" : `has ${size} bytes`}, expected ${length}`);
  return textOf(await p.bytes(begin, length, "text in a global heap"), 0, length);
}

/** Values that attributes may have here. */
export type HdfAttribute = string | number | readonly string[] | readonly number[];

/** The attributes of an object that are text or numbers, by name. @throws FormatError */
export async function attributesOf(p: Pages, messages: readonly Message[]): Promise<Map<string, HdfAttribute>> {
  const out = new Map<string, HdfAttribute>();
  const heaps = new Map<number, Heap>();
  for (const m of messages) {
    if (m.type !== MESSAGE.attribute) continue;
    const { data: v } = m;
    const short = (what: string): Error => p.fail(m.at, `an attribute message too short for its ${what}`);
    if (v.byteLength < 8) throw short("sizes");
    const version = v.getUint8(0);
    if (version < 1 || version > 3) throw p.fail(m.at, `an attribute message of version ${version}, expected 1 to 3`);
    const padded = (n: number): number => (version === 1 ? Math.ceil(n / 8) * 8 : n);
    const [nameSize, typeSize, spaceSize] = [2, 4, 6].map((i) => v.getUint16(i, true)) as [number, number, number];
    const nameAt = version === 3 ? 9 : 8;
    const typeAt = nameAt + padded(nameSize);
    const spaceAt = typeAt + padded(typeSize);
    const dataAt = spaceAt + padded(spaceSize);
    if (dataAt > v.byteLength) throw short("name and type");
    let type: HdfType;
    let shape: number[] | null;
    try {
      type = datatypeOf(v, typeAt);
      shape = dataspaceOf(v, spaceAt);
    } catch (cause) {
      throw p.fail(m.at, "an attribute with a damaged type", { cause });
    }
    const count = shape === null ? 0 : shape.reduce((a, b) => a * b, 1);
    if (type.kind === "other") continue;
    if (!(count * type.size <= v.byteLength - dataAt)) throw short(`${count} values of ${type.size} bytes`);
    const values: (string | number)[] = [];
    for (let i = 0; i < count; i++) {
      const at = dataAt + i * type.size;
      if (type.kind === "text") values.push(textOf(v, at, type.size));
      else if (type.kind === "variable text") values.push(await heapText(p, v, at, heaps));
      else values.push(numberAt(v, at, type));
    }
    out.set(textOf(v, nameAt, nameSize), shape?.length === 0 ? (values[0] as string | number) : (values as string[] | number[]));
  }
  return out;
}
function numberAt(v: DataView, at: number, t: HdfType & { kind: "number" }): number {
  const little = !t.big;
  if (t.dtype === "float64") return v.getFloat64(at, little);
  if (t.dtype === "float32") return v.getFloat32(at, little);
  if (t.size === 8) return Number(t.unsigned ? v.getBigUint64(at, little) : v.getBigInt64(at, little));
  if (t.size === 4) return t.unsigned ? v.getUint32(at, little) : v.getInt32(at, little);
  if (t.size === 2) return t.unsigned ? v.getUint16(at, little) : v.getInt16(at, little);
  return t.dtype === "uint8" || t.dtype === "bool" ? v.getUint8(at) : v.getInt8(at);
}
