// NumPy's files: .npy, one array, and .npz, a zip archive of them. Read and written as np.load and np.savez do.
import { getDefaultDevice, getDevice } from "../../core/device.ts";
import { checkOptions, located, need } from "../../core/arguments.ts";
import { type DType, itemSize } from "../../core/dtype.ts";
import { ArgumentError, DTypeError } from "../../core/errors.ts";
import { numelOf } from "../../core/layout.ts";
import { isTensor, type Tensor } from "../../core/tensor.ts";
import { rawCopy } from "../../ops/copy.ts";
import { allocate } from "../../ops/launch.ts";
import { type Entry, entryChunks, type NewEntry, readArchive, writeArchive } from "../archive.ts";
import { type Fail, failing, shown } from "../damage.ts";
import { CHUNK, writePieces } from "../ranged.ts";
import { type ByteSink, memorySink, replaceFile } from "../sink.ts";
import type { ByteSource } from "../source.ts";
import { type Format, type ReadOptions, StoredTensor } from "../stored.ts";
import { converter } from "../widen.ts";
import { headerLength, isNpy, makeHeader, type NpyHeader, type NpyItem, parseHeader } from "./header.ts";

/** Bytes in order, from the start, as often as asked for. */
type Stream = () => AsyncIterable<Uint8Array>;

async function* sourceChunks(source: ByteSource): AsyncGenerator<Uint8Array> {
  // The header alone is often all that is wanted.
  for (let at = 0, n = 4096; at < source.size; at += n, n = CHUNK) {
    n = Math.min(n, source.size - at);
    yield await source.read(at, n);
  }
}

async function readHeader(stream: Stream, fail: Fail): Promise<NpyHeader> {
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of stream()) {
    const more = new Uint8Array(head.length + chunk.length);
    more.set(head);
    more.set(chunk, head.length);
    head = more;
    const length = headerLength(head, fail);
    if (length !== null && head.length >= length) return parseHeader(head.subarray(0, length), fail);
  }
  const length = headerLength(head, fail);
  throw fail(head.length, `the file ends in the header, expected ${length === null ? "one" : `${length} bytes of it`}`);
}

/** Pieces of whole items, `skip` bytes left out before them. */
async function* items(chunks: AsyncIterable<Uint8Array>, skip: number, size: number): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) {
    const part = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - part.length;
    const all = new Uint8Array(rest.length + part.length);
    all.set(rest);
    all.set(part, rest.length);
    const whole = all.length - (all.length % size);
    rest = all.subarray(whole);
    if (whole > 0) yield all.subarray(0, whole);
  }
  if (rest.length > 0) yield rest;
}

class NpyTensor extends StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly nbytes: number;
  readonly #stream: Stream;
  readonly #header: NpyHeader;
  readonly #item: NpyItem;
  readonly #fail: Fail;
  constructor(stream: Stream, header: NpyHeader, item: NpyItem, fail: Fail) {
    super();
    this.dtype = item.dtype;
    this.shape = header.shape;
    this.nbytes = numelOf(header.shape) * item.size;
    this.#stream = stream;
    this.#header = header;
    this.#item = item;
    this.#fail = fail;
  }
  async read(options: ReadOptions = {}): Promise<Tensor> {
    const { data, shape, fortran } = this.#header;
    // A column-major array is the transpose of a row-major one: the same memory, seen the other way round.
    const out = allocate(fortran ? [...shape].reverse() : shape, this.dtype, getDevice(options.device ?? getDefaultDevice()));
    const size = itemSize(this.dtype);
    const own = converter(this.#item, data, this.#fail)?.convert;
    let index = 0;
    for await (const part of items(this.#stream(), data, this.#item.size)) {
      out.storage.device.write(out.storage, index * size, own ? own(part, index) : part);
      index += part.length / this.#item.size;
    }
    return fortran && shape.length > 1 ? out.permute(shape.map((_, i) => shape.length - 1 - i)) : out;
  }
}
/** An array of a type that Firebrand has not: it can be listed, not read. */
class Refused extends StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly nbytes: number;
  readonly #why: () => Error;
  constructor(dtype: string, shape: readonly number[], nbytes: number, why: () => Error) {
    super();
    this.dtype = dtype;
    this.shape = shape;
    this.nbytes = nbytes;
    this.#why = why;
  }
  async read(): Promise<never> {
    throw this.#why();
  }
}

async function openStream(stream: Stream, size: number, fail: Fail): Promise<StoredTensor> {
  const header = await readHeader(stream, fail);
  const { item, shape, data } = header;
  if ("refused" in item)
    return new Refused(item.descr, shape, size - data, () =>
      fail(data, `an array of ${item.refused}, expected numbers`, { hint: "Convert it to a numeric array in Python" }),
    );
  const bytes = numelOf(shape) * item.size;
  if (data + bytes !== size)
    throw fail(data, `${item.descr} of shape ${shown(shape)} takes ${bytes} bytes, the file has ${size - data} more`, {
      hint: size > data + bytes ? "Several arrays in one file are read from .npz only: use np.savez" : "The file is truncated",
    });
  return new NpyTensor(stream, header, item, fail);
}

/**
 * The .npy format of NumPy: one array. uint16 is read as int32, uint32 and uint64 as int64; big-endian and column-major arrays are
 * read as they are; strings, dates, records and Python objects are refused.
 * @example (await npy.open(bytesSource(npyBytes(ones(2, 3))), {})).value.shape // => [2, 3]
 */
export const npy: Format = {
  name: "npy",
  detect: isNpy,
  open: async (source) => {
    const fail = failing("npy", source.name, "a .npy file");
    const value = await openStream(() => sourceChunks(source), source.size, fail);
    return { format: "npy", metadata: {}, value, close: () => source.close() };
  },
};

/** The `Fail` of an entry: its offsets are those in the unpacked file. */
const failingIn = (source: ByteSource, e: Entry): Fail => failing("npz", `${source.name}/${e.name}`, "a .npy file");

/** The .npz format of NumPy: arrays by name, from `np.savez` or `np.savez_compressed`. */
export const npz: Format = {
  name: "npz",
  detect: async (head, source) => {
    if (!(head[0] === 0x50 && head[1] === 0x4b)) return false;
    const entries = await readArchive(source, failing("npz", source.name, "a .npz file")).catch(() => []);
    return entries.length > 0 && entries.every((e) => e.name.endsWith(".npy"));
  },
  open: async (source) => {
    const fail = failing("npz", source.name, "a .npz file");
    const tensors: [string, StoredTensor][] = [];
    for (const e of await readArchive(source, fail)) {
      const inside = failingIn(source, e);
      if (e.name.endsWith(".npy"))
        tensors.push([e.name.slice(0, -4), await openStream(() => entryChunks(source, e, fail), e.size, inside)]);
      else tensors.push([e.name, new Refused("bytes", [], e.size, () => inside(0, "no .npy file, expected arrays only"))]);
    }
    return { format: "npz", metadata: {}, value: Object.fromEntries(tensors), close: () => source.close() };
  },
};

/** The tensor row-major, and its header. @throws DTypeError for bfloat16, which numpy lacks */
function prepare(op: string, t: Tensor, name?: string): { header: Uint8Array; tensor: Tensor } {
  const which = name === undefined ? "the value" : shown(name);
  if (!isTensor(t)) throw new ArgumentError({ op, message: `${which} is no Tensor`, hint: "Give tensors" });
  const header = makeHeader(t.dtype, t.shape);
  if (!header) throw new DTypeError({ op, message: `${which} is ${t.dtype}, which NumPy lacks`, hint: 'Convert it: to("float32")' });
  return { header, tensor: t.layout.contiguous ? t : rawCopy(t) };
}
function writeNpy(sink: ByteSink, t: Tensor, op: string): void {
  const { header, tensor } = prepare(op, t);
  sink.write(header);
  writePieces((b) => sink.write(b), tensor);
}
/** Saves a tensor as .npy. The old file stays until the new one is whole and on disk. @throws DTypeError for bfloat16 */
export const saveNpy: (t: Tensor, path: string) => Promise<void> = /*@__PURE__*/ located("saveNpy", "t, path", (t: Tensor, path: string) =>
  replaceFile(path, (sink) => writeNpy(sink, t, "saveNpy")),
);
/** The bytes of a .npy file. @throws DTypeError for bfloat16 @example npyBytes(ones(2)).length // => 136 */
export function npyBytes(t: Tensor): Uint8Array {
  const sink = memorySink();
  writeNpy(sink, t, "npyBytes");
  return sink.bytes();
}

/** How .npz files are written. */
export interface NpzOptions {
  /** Deflate the arrays, as `np.savez_compressed` does. */
  readonly compress?: boolean;
}
/** Writes tensors by name as .npz. @throws DTypeError for bfloat16 */
export async function writeNpz(sink: ByteSink, tensors: Readonly<Record<string, Tensor>>, options: NpzOptions, op: string): Promise<void> {
  need(op, "tensors: object", tensors);
  const { compress = false } = checkOptions(op, ["compress?: flag"], options);
  const entries = Object.entries(tensors).map(([name, t]): NewEntry => {
    if (name === "" || name.includes("\0") || name.split(/[\\/]/).includes(".."))
      throw new ArgumentError({
        op,
        message: `an array cannot be named ${shown(name)}`,
        hint: "Names become names of files in the archive",
      });
    const { header, tensor } = prepare(op, t, name);
    const write: NewEntry["write"] = (take) => {
      take(header);
      writePieces(take, tensor);
    };
    return {
      name: `${name}.npy`,
      size: header.length + tensor.layout.numel * itemSize(t.dtype),
      compress,
      write,
    };
  });
  await writeArchive(sink, entries);
}
/** Saves tensors by name as .npz. The old file stays until the new one is whole and on disk. @throws DTypeError for bfloat16 */
export const saveNpz: (tensors: Readonly<Record<string, Tensor>>, path: string, options?: NpzOptions) => Promise<void> =
  /*@__PURE__*/ located(
    "saveNpz",
    "tensors, path, { compress }",
    (tensors: Readonly<Record<string, Tensor>>, path: string, options: NpzOptions = {}) =>
      replaceFile(path, (sink) => writeNpz(sink, tensors, options, "saveNpz")),
  );
/** The bytes of a .npz file. @throws DTypeError for bfloat16 @example (await npzBytes({ a: ones(2), b: zeros(3) })).length // => 470 */
export async function npzBytes(tensors: Readonly<Record<string, Tensor>>, options: NpzOptions = {}): Promise<Uint8Array> {
  const sink = memorySink();
  await writeNpz(sink, tensors, options, "npzBytes");
  return sink.bytes();
}
