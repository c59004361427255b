// What `torch.save` wrote before PyTorch 1.6: pickles one after the other, then the bytes of every storage. It is read by requests for ranges,
// so that the same steps serve files (asynchronously) and streams inside pickles (at once).
import { fileRegion, memoryRegion, type Region } from "../region.ts";
import { type ByteSource, checkRange, damaged } from "../source.ts";
import type { Format, OpenFile, OpenOptions } from "../stored.ts";
import { convert, countOf, storageElement, TorchHost } from "./host.ts";
import { pickleEnd } from "./opcodes.ts";
import { Unpickler } from "./pickle.ts";
import { itemsOf, PyDict, PyTuple, shortly, textOf } from "./python.ts";
import { TorchStorage, TypedStorage } from "./storage.ts";

/** Asks for a range; the answer may be shorter only where the file ends. */
export type Steps<T> = Generator<{ offset: number; length: number }, T, Uint8Array>;

/** Answers the requests from a source. */
export async function drive<T>(source: ByteSource, steps: Steps<T>): Promise<T> {
  let step = steps.next();
  while (!step.done) {
    const { offset, length } = step.value;
    step = steps.next(await source.read(offset, Math.max(0, Math.min(length, source.size - offset))));
  }
  return step.value;
}
/** Answers them from bytes in memory. */
export function driveSync<T>(bytes: Uint8Array, steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) step = steps.next(bytes.subarray(step.value.offset, step.value.offset + step.value.length));
  return step.value;
}

const FIRST = 64 << 10;
const LARGEST = 1 << 30;

/** The bytes of the pickle at `offset`. @throws FormatError when it has no end */
export function* pickleBytes(name: string, offset: number): Steps<Uint8Array> {
  let at = 0;
  for (let length = FIRST; ; length *= 4) {
    const bytes = yield { offset, length };
    let found: ReturnType<typeof pickleEnd>;
    try {
      found = pickleEnd(bytes, at);
    } catch (e) {
      throw damaged(name, offset, (e as Error).message, "The file is damaged or of another format", e);
    }
    if ("end" in found) return bytes.slice(0, found.end);
    if (bytes.length < length || length > LARGEST)
      throw damaged(name, offset + found.at, "the pickle does not end", "The file is truncated");
    at = found.at;
  }
}

// Every such file begins with the pickle of a magic number. Protocol 2 is what PyTorch uses; from 4 on, a frame comes before the number.
const MAGIC = 0x1950a86a20f9469cfc6cn;
const MAGIC_HEAD = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/** Does a file begin like one? */
export const isStream = (head: Uint8Array): boolean =>
  head[0] === 0x80 && [2, 11].some((at) => MAGIC_HEAD.every((b, i) => head[at + i] === b));

/** Makes the region of a storage that lies at `offset`. */
type RegionAt = (offset: number, size: number) => Region;

/** The steps of reading such a file; `region` makes what its storages are read from later. */
export function* readStream(name: string, region: RegionAt, options: OpenOptions, nested = 0): Steps<{ value: unknown; info: unknown }> {
  let at = 0;
  const storages = new Map<string, TypedStorage>();
  const order = new Map<string, TypedStorage>();
  const persistent = (id: unknown): unknown => {
    const [kind, type, key, , count, view] = itemsOf(id);
    // Classes came with their source, which does not matter here.
    if (kind === "module") return type;
    if (kind !== "storage") throw new RangeError(`a persistent id of kind ${shortly(kind)}, expected a storage`);
    const element = storageElement(type);
    let root = order.get(textOf(key));
    if (!root) {
      const nbytes = countOf(count) * element.size;
      root = new TypedStorage(new TorchStorage(textOf(key), nbytes, null), element, 0, nbytes);
      order.set(textOf(key), root);
    }
    if (view === null || view === undefined) {
      const nbytes = countOf(count) * element.size;
      if (nbytes > root.nbytes) throw new RangeError(`storage ${textOf(key)} has ${root.nbytes} bytes here and ${nbytes} there`);
      return new TypedStorage(root.storage, element, 0, nbytes);
    }
    const [viewKey, first, length] = itemsOf(view);
    let part = storages.get(textOf(viewKey));
    if (!part) {
      part = new TypedStorage(root.storage, element, countOf(first) * element.size, countOf(length) * element.size);
      if (part.begin + part.nbytes > root.nbytes)
        throw new RangeError(`a view of ${textOf(length)} elements from ${textOf(first)} on of a storage of ${root.nbytes} bytes`);
      storages.set(textOf(viewKey), part);
    }
    return part;
  };
  const host = new TorchHost({
    persistent,
    safeGlobals: options.safeGlobals,
    load: nested > 0 ? undefined : (bytes) => loadBytes(bytes, name, options),
  });
  function* next(): Steps<unknown> {
    const bytes = yield* pickleBytes(name, at);
    const value = new Unpickler(bytes, host, name, at).load();
    at += bytes.length;
    return value;
  }
  const magic = yield* next();
  if (magic !== MAGIC) throw damaged(name, 0, `magic number ${shortly(magic)}, expected ${MAGIC}`);
  const version = yield* next();
  if (version !== 1001) throw damaged(name, at, `protocol version ${shortly(version)}, expected 1001`);
  const info = yield* next();
  const value = yield* next();
  const beforeKeys = at;
  const keys = itemsOf(checked(yield* next(), name, beforeKeys));
  for (const key of keys) {
    const known = order.get(textOf(key));
    if (!known || known.storage.region)
      throw damaged(name, beforeKeys, `the list of storages names ${textOf(key)}, which the pickle does not or the list twice`);
    const head = yield { offset: at, length: 8 };
    if (head.length < 8) throw damaged(name, at, `8 bytes expected, ${head.length} there`, "The file is truncated");
    const count = Number(new DataView(head.buffer, head.byteOffset, 8).getBigInt64(0, true));
    if (count * known.element.size !== known.storage.nbytes)
      throw damaged(
        name,
        at,
        `storage ${textOf(key)} has ${count} elements here, ${known.storage.nbytes / known.element.size} in the pickle`,
      );
    known.storage.region = region(at + 8, known.storage.nbytes);
    at += 8 + known.storage.nbytes;
  }
  for (const [key, s] of order) if (!s.storage.region) throw damaged(name, beforeKeys, `storage ${key} is missing`);
  return { value, info };
}

/** What such a file inside a pickle holds, in Python's terms. */
export const loadBytes = (bytes: Uint8Array, name: string, options: OpenOptions): unknown =>
  driveSync(
    bytes,
    readStream(
      name,
      (offset, size) => {
        checkRange({ name, size: bytes.length }, offset, size);
        return memoryRegion(bytes.subarray(offset, offset + size), name);
      },
      options,
      1,
    ),
  ).value;

/** A list, or a FormatError. */
export function checked(x: unknown, name: string, offset: number): readonly unknown[] {
  if (!Array.isArray(x) && !(x instanceof PyTuple)) throw damaged(name, offset, "a list expected");
  return Array.isArray(x) ? x : x.items;
}

/** The format of `torch.save` before PyTorch 1.6. */
export const torchStream: Format = {
  name: "torch stream",
  detect: isStream,
  async open(source: ByteSource, options: OpenOptions): Promise<OpenFile> {
    const region: RegionAt = (offset, size) => {
      checkRange(source, offset, size);
      return fileRegion(source, offset, size);
    };
    const { value, info } = await drive(source, readStream(source.name, region, options));
    const little = info instanceof PyDict ? info.map.get("little_endian") : undefined;
    return {
      format: "torch stream",
      metadata: { byteorder: little === false ? "big" : "little" },
      value: convert(value, source.name),
      close: () => source.close(),
    };
  },
};
