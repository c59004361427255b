// TensorFlow's checkpoints, which SavedModels hold as variables/variables.index and .data-00000-of-00001: an index of
// BundleEntryProto messages in a sorted string table, and the values in data files beside it.
// Source: tensorflow/core/protobuf/tensor_bundle.proto and trackable_object_graph.proto
import { showShape } from "../../core/errors.ts";
import { numelOf } from "../../core/layout.ts";
import { crc32c } from "../crc32.ts";
import { type Fail, failing, shown } from "../damage.ts";
import { anyBool, type Element, elementOf } from "../elements.ts";
import { RangedTensor } from "../ranged.ts";
import { fileRegion, type Region } from "../region.ts";
import { openSibling } from "../siblings.ts";
import type { ByteSource } from "../source.ts";
import type { OpenFile, OpenOptions, StoredTensor } from "../stored.ts";
import { fields, fieldText, varint } from "./proto.ts";
import { readTable, unmask } from "./table.ts";

/** DataType of types.proto. */
const TYPES: ReadonlyMap<number, Element> = new Map(
  Object.entries({
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    8: "complex64",
    9: "int64",
    14: "bfloat16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    22: "uint32",
    23: "uint64",
  }).map(([code, name]) => [Number(code), elementOf(name)!] as const),
).set(10, anyBool);
const STRING = 7;
const MAX_SHARDS = 100_000;
const GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH";
const SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE";

/** What the index says of one tensor. */
interface BundleEntry {
  type: number;
  shape: number[];
  shard: number;
  offset: number;
  size: number;
  crc: number | null;
  sliced: boolean;
  at: number;
}
function entryOf(bytes: Uint8Array, at: number, fail: Fail): BundleEntry {
  const e: BundleEntry = { type: 0, shape: [], shard: 0, offset: 0, size: 0, crc: null, sliced: false, at };
  for (const { number, value } of fields(bytes, at, fail)) {
    if (number === 2 && typeof value !== "number") {
      for (const dim of fields(value, at, fail)) {
        if (dim.number === 3 && dim.value === 1) throw fail(at, "a tensor of unknown rank");
        if (dim.number !== 2 || typeof dim.value === "number") continue;
        let size = 0;
        for (const d of fields(dim.value, at, fail)) if (d.number === 1 && typeof d.value === "number") size = d.value;
        e.shape.push(size);
      }
    } else if (number === 7) e.sliced = true;
    else if (typeof value === "number") {
      if (number === 1) e.type = value;
      if (number === 3) e.shard = value;
      if (number === 4) e.offset = value;
      if (number === 5) e.size = value;
      if (number === 6) e.crc = value;
    }
  }
  if (e.shape.length > 64 || e.shape.some((n) => n < 0) || !Number.isSafeInteger(numelOf(e.shape) * 16))
    throw fail(at, `a tensor of shape ${showShape(e.shape)}`);
  if (e.offset < 0 || e.size < 0) throw fail(at, `a tensor at byte ${e.offset} of ${e.size} bytes`);
  return e;
}
function headerOf(bytes: Uint8Array, at: number, fail: Fail): number {
  let shards = 0;
  for (const { number, value } of fields(bytes, at, fail)) {
    if (number === 1 && typeof value === "number") shards = value;
    if (number === 2 && value === 1) throw fail(at, "the checkpoint is big-endian, expected little-endian");
  }
  if (shards < 1 || shards > MAX_SHARDS)
    throw fail(at, `${shards} data files, expected 1 to ${MAX_SHARDS}`, { hint: "The file is no checkpoint index of TensorFlow" });
  return shards;
}

/** Names of variables by checkpoint key, from the graph of objects that TensorFlow 2 saves beside them. */
async function fullNames(source: ByteSource, e: BundleEntry, fail: Fail): Promise<Map<string, string>> {
  const bytes = (await source.read(e.offset, e.size)).slice();
  // One string: its length, the checksum of the length, the text.
  const [length, begin] = varint(bytes, 0, e.offset, fail);
  if (begin + 4 + length !== bytes.length) throw fail(e.offset, `an object graph of ${length} bytes in ${bytes.length}`);
  // The tensor's checksum is over the length as 32 bits, then all that follows it.
  const width = new Uint8Array(4);
  new DataView(width.buffer).setUint32(0, length, true);
  const found = crc32c(bytes.subarray(begin), crc32c(width));
  if (e.crc !== null && found !== unmask(e.crc))
    throw fail(e.offset, `an object graph with CRC ${found.toString(16)}, expected ${unmask(e.crc).toString(16)}`);
  const out = new Map<string, string>();
  for (const node of fields(bytes.subarray(begin + 4), e.offset, fail)) {
    if (node.number !== 1 || typeof node.value === "number") continue;
    for (const attribute of fields(node.value, e.offset, fail)) {
      if (attribute.number !== 2 || typeof attribute.value === "number") continue;
      let [name, key] = ["", ""];
      for (const { number, value } of fields(attribute.value, e.offset, fail)) {
        if (number === 2) name = fieldText(value);
        if (number === 3) key = fieldText(value);
      }
      if (name !== "" && key !== "") out.set(key, name);
    }
  }
  return out;
}

/** Variables by the names that TensorFlow gave them, where these are known and mean one thing; else by their place in the checkpoint. */
function namedEntries(entries: ReadonlyMap<string, BundleEntry>, full: ReadonlyMap<string, string>): Map<string, string> {
  const short = (key: string): string => (key.endsWith(SUFFIX) ? key.slice(0, -SUFFIX.length) : key);
  // An exported model lists variables twice, with the same values: those are one.
  const same = (a: BundleEntry, b: BundleEntry): boolean =>
    a.crc !== null && a.crc === b.crc && a.size === b.size && a.type === b.type && a.shape.join() === b.shape.join();
  const byName = new Map<string, string[]>();
  for (const key of entries.keys()) {
    const name = full.get(key) ?? short(key);
    const keys = byName.get(name) ?? [];
    keys.push(key);
    byName.set(name, keys);
  }
  const out = new Map<string, string>();
  for (const [name, keys] of byName) {
    if (keys.every((k) => same(entries.get(k)!, entries.get(keys[0]!)!) || keys.length === 1)) out.set(name, keys[0]!);
    else for (const k of keys) out.set(short(k), k);
  }
  return out;
}

function storedOf(name: string, e: BundleEntry, shard: ByteSource, fail: Fail, inShard: Fail): StoredTensor {
  const where = `variable ${shown(name)}`;
  if (e.sliced) throw fail(e.at, `${where} is saved in slices, expected one piece`, { hint: "Save the model anew on one device" });
  const t = TYPES.get(e.type);
  if (!t) throw fail(e.at, `${where} has type ${e.type}, expected numbers`);
  const bytes = numelOf(e.shape) * t.size;
  if (bytes !== e.size) throw fail(e.at, `${where} of ${t.name} ${showShape(e.shape)} takes ${bytes} bytes, the index says ${e.size}`);
  if (e.offset + e.size > shard.size)
    throw inShard(e.offset, `${where} of ${e.size} bytes, the file has ${shard.size}`, { hint: "The file is truncated" });
  const plain = fileRegion(shard, e.offset, e.size);
  const region: Region = {
    name: plain.name,
    offset: plain.offset,
    size: plain.size,
    chunks: async function* (begin, length) {
      let crc = 0;
      for await (const chunk of plain.chunks(begin, length)) {
        crc = crc32c(chunk, crc);
        yield chunk;
      }
      if (e.crc !== null && length === e.size && crc !== unmask(e.crc))
        throw inShard(e.offset, `${where} has CRC ${crc.toString(16)}, expected ${unmask(e.crc).toString(16)}`);
    },
  };
  return new RangedTensor(region, t, e.shape);
}

/** Opens the index of a checkpoint. @throws FormatError */
export async function openCheckpoint(source: ByteSource, options: OpenOptions): Promise<OpenFile> {
  const fail = failing("tensorflow", source.name, "a checkpoint index of TensorFlow");
  const inFile = (s: ByteSource): Fail => failing("tensorflow", s.name, "a data file of this checkpoint");
  const entries = new Map<string, BundleEntry>();
  let graph: BundleEntry | null = null;
  let shardCount = 0;
  for (const { key, value, at } of await readTable(source, fail)) {
    if (key.length === 0) shardCount = headerOf(value, at, fail);
    else {
      const name = new TextDecoder().decode(key);
      const entry = entryOf(value, at, fail);
      if (entries.has(name)) throw fail(at, `variable ${shown(name)} stands twice`);
      if (name === GRAPH) graph = entry;
      else if (entry.type !== STRING) entries.set(name, entry);
    }
  }
  if (shardCount === 0) throw fail(0, "no header in the index", { hint: "The file is no checkpoint index of TensorFlow" });
  const all = [...entries.values(), ...(graph ? [graph] : [])];
  const used = new Set(all.map((e) => e.shard));
  const shards = new Map<number, ByteSource>();
  const close = async (): Promise<void> => {
    for (const s of shards.values()) await s.close();
  };
  try {
    for (const i of used) {
      if (i < 0 || i >= shardCount) throw fail(0, `data file ${i} of ${shardCount}`);
      const prefix = source.name.replace(/^.*[/\\]/, "").replace(/\.index$/, "");
      const digits = (n: number): string => String(n).padStart(5, "0");
      shards.set(i, await openSibling(source, `${prefix}.data-${digits(i)}-of-${digits(shardCount)}`, fail, options.files));
    }
    const full = graph ? await fullNames(shards.get(graph.shard)!, graph, inFile(shards.get(graph.shard)!)) : new Map<string, string>();
    const names = namedEntries(entries, full);
    const tensors = [...names].map(([name, key]): [string, StoredTensor] => {
      const e = entries.get(key)!;
      const shard = shards.get(e.shard)!;
      return [name, storedOf(name, e, shard, fail, inFile(shard))];
    });
    return {
      format: "tensorflow",
      metadata: { keys: Object.fromEntries(names) },
      value: Object.fromEntries(tensors),
      close: async () => {
        await close();
        await source.close();
      },
    };
  } catch (e) {
    await close();
    throw e;
  }
}

/** Opens the variables of a SavedModel by its saved_model.pb. @throws FormatError */
export async function openSavedModel(source: ByteSource, options: OpenOptions): Promise<OpenFile> {
  const fail = failing("tensorflow", source.name, "the saved_model.pb of a SavedModel");
  const index = await openSibling(source, "variables/variables.index", fail, options.files);
  try {
    const file = await openCheckpoint(index, options);
    return {
      ...file,
      format: "saved model",
      close: async () => {
        await file.close();
        await source.close();
      },
    };
  } catch (e) {
    await index.close();
    throw e;
  }
}
