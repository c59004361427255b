// NumPy's files: .npy, one array, and .npz, a zip archive of them. Read and written as np.load and np.savez do.
import { checkOptions, located, need } from "../../core/arguments.ts";
import { itemSize } from "../../core/dtype.ts";
import { ArgumentError, DTypeError } from "../../core/errors.ts";
import { numelOf } from "../../core/layout.ts";
import { isTensor, type Tensor } from "../../core/tensor.ts";
import { rawCopy } from "../../ops/copy.ts";
import { type Fail, failing, shown } from "../damage.ts";
import { checkName } from "../names.ts";
import { piecesOf, RangedTensor } from "../ranged.ts";
import { fileRegion, type Region } from "../region.ts";
import { type ByteSink, memorySink, replaceFile } from "../sink.ts";
import { type Format, StoredTensor } from "../stored.ts";
import { isZip, leadsOut, openZip } from "../zip.ts";
import { ZipWriter } from "../zipWriter.ts";
import { headerLength, isNpy, makeHeader, type NpyHeader, parseHeader } from "./header.ts";

const FIRST = 4096;

async function readHeader(region: Region, fail: Fail): Promise<NpyHeader> {
  // One chunk has the longest header that is allowed.
  const head = async (n: number): Promise<Uint8Array> => {
    for await (const chunk of region.chunks(0, Math.min(n, region.size))) return chunk.slice();
    return new Uint8Array(0);
  };
  let bytes = await head(FIRST);
  const length = headerLength(bytes, fail);
  if (length !== null && length > bytes.length) bytes = await head(length);
  if (length === null || length > bytes.length)
    throw fail(bytes.length, `the file ends in the header, expected ${length === null ? "one" : `${length} bytes of it`}`);
  return parseHeader(bytes.subarray(0, length), fail);
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

async function openArray(region: Region, fail: Fail): Promise<StoredTensor> {
  const { item, shape, fortran, data } = await readHeader(region, fail);
  const { size } = region;
  if ("refused" in item)
    return new Refused(item.descr, shape, size - data, () =>
      fail(data, `an array of ${item.refused}, expected numbers`, { hint: "Convert it to a numeric array in Python" }),
    );
  const bytes = numelOf(shape) * item.element.size;
  if (data + bytes !== size)
    throw fail(data, `${item.descr} of shape ${shown(shape)} takes ${bytes} bytes, the file has ${size - data} more`, {
      hint: size > data + bytes ? "Several arrays in one file are read from .npz only: use np.savez" : "The file is truncated",
    });
  return new RangedTensor(region, item.element, shape, { begin: data, swap: item.swap, columns: fortran });
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
    const value = await openArray(fileRegion(source, 0, source.size), fail);
    return { format: "npy", metadata: {}, value, close: () => source.close() };
  },
};

/** The .npz format of NumPy: arrays by name, from `np.savez` or `np.savez_compressed`. Checksums are always compared, as NumPy does. */
export const npz: Format = {
  name: "npz",
  detect: async (head, source) => {
    if (!isZip(head)) return false;
    const names = [...(await openZip(source)).entries.keys()].filter((name) => !name.endsWith("/"));
    return names.length > 0 && names.every((name) => name.endsWith(".npy"));
  },
  open: async (source) => {
    const zip = await openZip(source);
    const tensors: [string, StoredTensor][] = [];
    for (const e of zip.entries.values()) {
      if (e.name.endsWith("/")) continue;
      // Its offsets are those in the unpacked file.
      const fail = failing("npz", `${source.name}/${e.name}`, "a .npy file");
      if (e.name.endsWith(".npy")) tensors.push([e.name.slice(0, -4), await openArray(zip.region(e, true), fail)]);
      else tensors.push([e.name, new Refused("bytes", [], e.size, () => fail(0, "no .npy file, expected arrays only"))]);
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
  for (const b of piecesOf(tensor)) sink.write(b);
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
  const entries = Object.entries(tensors).map(([name, t]) => {
    if (name === "" || leadsOut(name))
      throw new ArgumentError({
        op,
        message: `an array cannot be named ${shown(name)}`,
        hint: "Names become names of files in the archive",
      });
    checkName(op, name);
    return { name: `${name}.npy`, ...prepare(op, t, name) };
  });
  const zip = new ZipWriter(sink);
  for (const { name, header, tensor } of entries)
    await zip.entry(
      name,
      header.length + tensor.layout.numel * itemSize(tensor.dtype),
      async (write) => {
        await write(header);
        for (const b of piecesOf(tensor)) await write(b);
      },
      compress,
    );
  zip.finish();
}
/** Saves tensors by name as .npz. The old file stays until the new one is whole and on disk. @throws DTypeError for bfloat16 */
export const saveNpz: (tensors: Readonly<Record<string, Tensor>>, path: string, options?: NpzOptions) => Promise<void> =
  /*@__PURE__*/ located(
    "saveNpz",
    "tensors, path, { compress }",
    (tensors: Readonly<Record<string, Tensor>>, path: string, options: NpzOptions = {}) =>
      replaceFile(path, (sink) => writeNpz(sink, tensors, options, "saveNpz")),
  );
/** The bytes of a .npz file. @throws DTypeError for bfloat16 @example (await npzBytes({ a: ones(2), b: zeros(3) })).length // => 612 */
export async function npzBytes(tensors: Readonly<Record<string, Tensor>>, options: NpzOptions = {}): Promise<Uint8Array> {
  const sink = memorySink();
  await writeNpz(sink, tensors, options, "npzBytes");
  return sink.bytes();
}
