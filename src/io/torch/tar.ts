// What `torch.save` wrote in PyTorch 0.1: a tar archive of three files. `storages` and `tensors` number what `pickle` refers to.
// Source: `legacy_load` in torch/serialization.py.
import { elementOf } from "../elements.ts";
import { fileRegion } from "../region.ts";
import { type ByteSource, checkRange, damaged } from "../source.ts";
import type { Format, OpenFile, OpenOptions } from "../stored.ts";
import { legacyElement } from "./globals.ts";
import { convert, countOf, storageElement, TorchHost } from "./host.ts";
import { Unpickler } from "./pickle.ts";
import { itemsOf, PyGlobal, textOf } from "./python.ts";
import { TorchStorage, TypedStorage } from "./storage.ts";
import { checked, drive, pickleBytes, type Steps } from "./stream.ts";
import { TorchTensor } from "./tensor.ts";

const BLOCK = 512;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replace(/\0[\s\S]*$/, "");

/** Is this the header of a tar entry? Its checksum says so. */
function isHeader(b: Uint8Array): boolean {
  if (b.length < BLOCK) return false;
  let sum = 256;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += b[i]!;
  return Number.parseInt(text(b.subarray(148, 156)).trim(), 8) === sum;
}

/** Where the entries are. */
function* entriesOf(name: string, size: number): Steps<Map<string, { offset: number; size: number }>> {
  const out = new Map<string, { offset: number; size: number }>();
  for (let at = 0; at + BLOCK <= size; ) {
    const head = yield { offset: at, length: BLOCK };
    if (head.every((b) => b === 0)) break;
    if (!isHeader(head)) throw damaged(name, at, "no header of a tar entry");
    const length = Number.parseInt(text(head.subarray(124, 136)).trim(), 8);
    if (!(at + BLOCK + length <= size)) throw damaged(name, at, `a tar entry of ${length} bytes`, "The file is truncated");
    const entry = text(head.subarray(0, 100)).replace(/^\.\//, "");
    const kind = head[156]!;
    if (kind === 0x30 || kind === 0) {
      if (out.has(entry)) throw damaged(name, at, `${JSON.stringify(entry)} is there twice`);
      out.set(entry, { offset: at + BLOCK, size: length });
    }
    at += BLOCK + Math.ceil(length / BLOCK) * BLOCK;
  }
  return out;
}

function* readTar(source: ByteSource, options: OpenOptions): Steps<unknown> {
  const where = { at: 0 };
  try {
    return yield* readEntries(source, options, where);
  } catch (e) {
    if (e instanceof RangeError) throw damaged(source.name, where.at, e.message, undefined, e);
    throw e;
  }
}
function* readEntries(source: ByteSource, options: OpenOptions, where: { at: number }): Steps<unknown> {
  const name = source.name;
  const entries = yield* entriesOf(name, source.size);
  const at = (entry: string): number => {
    const e = entries.get(entry);
    if (!e) throw damaged(name, 0, `the archive has no ${entry}, it has ${[...entries.keys()].slice(0, 8).join(", ")}`);
    return e.offset;
  };
  const objects = new Map<string, TypedStorage | TorchTensor>();
  const host = new TorchHost({
    safeGlobals: options.safeGlobals,
    persistent: (id) => {
      // Containers came with their source: (class, file, source).
      if (typeof id === "object") return itemsOf(id)[0];
      const found = objects.get(textOf(id));
      if (!found) throw new RangeError(`there is no storage or tensor ${textOf(id)}`);
      return found;
    },
  });
  function* next(): Steps<unknown> {
    const bytes = yield* pickleBytes(name, where.at);
    const value = new Unpickler(bytes, host, name, where.at).load();
    where.at += bytes.length;
    return value;
  }
  function* numbers(count: number): Steps<number[]> {
    const bytes = yield { offset: where.at, length: 8 * count };
    if (bytes.length < 8 * count)
      throw damaged(name, where.at, `${8 * count} bytes expected, ${bytes.length} there`, "The file is truncated");
    const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    where.at += 8 * count;
    return Array.from({ length: count }, (_, i) => Number(v.getBigInt64(8 * i, true)));
  }

  where.at = at("storages");
  for (let left = countOf(yield* next()); left > 0; left--) {
    const begin = where.at;
    const [key, , type] = checked(yield* next(), name, begin);
    const element = storageElement(type);
    const [count] = (yield* numbers(1)) as [number];
    const nbytes = countOf(count) * element.size;
    checkRange(source, where.at, nbytes);
    objects.set(textOf(key), new TypedStorage(new TorchStorage(textOf(key), nbytes, fileRegion(source, where.at, nbytes)), element));
    where.at += nbytes;
  }
  const viewsAt = where.at;
  for (const view of checked(yield* next(), name, viewsAt)) {
    const [key, rootKey, first, count] = itemsOf(view);
    const root = objects.get(textOf(rootKey));
    if (!(root instanceof TypedStorage)) throw new RangeError(`a view of a storage ${textOf(rootKey)} that is not there`);
    const size = root.element.size;
    const [begin, nbytes] = [countOf(first) * size, countOf(count) * size];
    if (begin + nbytes > root.nbytes) throw new RangeError(`a view of bytes ${begin} to ${begin + nbytes} of a storage of ${root.nbytes}`);
    objects.set(textOf(key), new TypedStorage(root.storage, root.element, begin, nbytes));
  }
  where.at = at("tensors");
  for (let left = countOf(yield* next()); left > 0; left--) {
    const begin = where.at;
    const [key, storageKey, type] = checked(yield* next(), name, begin);
    // The number of dimensions has four bytes and four that are not used.
    const head = yield { offset: where.at, length: 8 };
    if (head.length < 8) throw damaged(name, where.at, `8 bytes expected, ${head.length} there`, "The file is truncated");
    const rank = new DataView(head.buffer, head.byteOffset, 8).getInt32(0, true);
    where.at += 8;
    if (rank < 0 || rank > 64) throw damaged(name, where.at - 8, `a tensor of ${rank} dimensions`);
    const sizes = yield* numbers(rank);
    const strides = yield* numbers(rank);
    const [offset] = (yield* numbers(1)) as [number];
    const storage = objects.get(textOf(storageKey));
    const named = type instanceof PyGlobal ? legacyElement(type, "Tensor") : undefined;
    const element = storage instanceof TypedStorage ? storage.element : elementOf(named ?? "float32")!;
    const typed = storage instanceof TypedStorage ? storage : new TypedStorage(new TorchStorage("", 0, null), element);
    // A tensor without a storage is empty, whatever its sizes.
    objects.set(
      textOf(key),
      storage ? new TorchTensor(typed, element, offset, sizes, strides, false) : new TorchTensor(typed, element, 0, [0], [1], false),
    );
  }
  where.at = at("pickle");
  return yield* next();
}

/** The format of `torch.save` in PyTorch 0.1. */
export const torchTar: Format = {
  name: "torch tar",
  detect: isHeader,
  async open(source: ByteSource, options: OpenOptions): Promise<OpenFile> {
    const value = await drive(source, readTar(source, options));
    return { format: "torch tar", metadata: {}, value: convert(value, source.name), close: () => source.close() };
  },
};
