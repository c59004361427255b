// `load` and `open`: any file of weights, told by its content, from wherever bytes can be had.
import { checkOptions, located } from "../core/arguments.ts";
import { type Device, getDevice } from "../core/device.ts";
import { ArgumentError } from "../core/errors.ts";
import type { Storage } from "../core/storage.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Module } from "../nn/module.ts";
import { withoutFolder } from "./folder.ts";
import { formatOf } from "./formats.ts";
import { type LoadReport, loadInto } from "./into.ts";
import { Mappings } from "./mapping.ts";
import { windowed } from "./region.ts";
import { type ByteSource, openSource, type SourceLike } from "./source.ts";
import { mapStored, type OpenFile, type OpenOptions, type ReadOptions, storedTensors, type StoredTensor } from "./stored.ts";

const OPEN = ["safeGlobals?: object", "verify?: flag", "files?: object"];

/** An open file with its tensors by name. */
export interface TensorFile extends OpenFile {
  /** The tensors by path: keys joined with dots, as in a state dict. What they are is known, what they hold is read when asked for. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Reads one tensor, or maps it (see `load`). @throws ArgumentError for an unknown name, FormatError when the file is damaged there */
  read(name: string, options?: { device?: string; mmap?: boolean }): Promise<Tensor>;
}

/** Options of `load`. */
export interface LoadOptions extends OpenOptions {
  /** Where the tensors go (default: the default device). */
  readonly device?: string;
  /** Map a local file instead of reading it (default: safetensors and GGUF files). */
  readonly mmap?: boolean;
}
/** Options of `load` into a module. */
export interface LoadIntoOptions extends OpenOptions {
  /** The module whose parameters and buffers are overwritten. */
  readonly into: Module;
  /** Must every key have its counterpart? Default true. */
  readonly strict?: boolean;
  /** Where in the file the state dict is, as a dotted path: `model`, `state_dict`. Needed only where that is not plain. */
  readonly key?: string;
}

/**
 * Opens a file, or the folder of a model, and reads everything but the tensors' values.
 * @throws FormatError that names file, offset and what was expected
 * @example
 * const file = await open(safetensorsBytes({ w: tensor([[1, 2]]) }));
 * [...file.tensors.keys()] // => ["w"]
 * file.tensors.get("w").shape // => [1, 2]
 * await file.read("w") // => [[1, 2]]
 */
export const open: (from: SourceLike, options?: OpenOptions) => Promise<TensorFile> = /*@__PURE__*/ located(
  "open",
  "from, options",
  openFile,
);
async function openFile(from: SourceLike, options: OpenOptions = {}): Promise<TensorFile> {
  const o = checkOptions("open", OPEN, options);
  const given = await openSource(await withoutFolder(from));
  // A source of the caller's stays the caller's to close.
  const source: ByteSource = windowed(given === from ? { ...bound(given), close: async () => {} } : given);
  try {
    const file = await (await formatOf(source)).open(source, o);
    const tensors = storedTensors(file.value);
    return {
      format: file.format,
      metadata: file.metadata,
      value: file.value,
      tensors,
      read: async (name, o: ReadOptions = {}) => {
        const t = tensors.get(name);
        if (!t)
          throw new ArgumentError({
            op: "open",
            message: `${source.name}: no tensor ${JSON.stringify(name)}`,
            hint: `It has ${[...tensors.keys()].slice(0, 8).join(", ")}${tensors.size > 8 ? ", …" : ""}`,
          });
        return (await t.read(checkOptions("read", ["device?", "mmap?: flag"], o))) as Tensor;
      },
      close: () => file.close(),
    };
  } catch (e) {
    await source.close();
    throw e;
  }
}

// The members of a source, whatever kind of object it is.
const bound = (s: ByteSource): ByteSource => ({
  name: s.name ?? "source",
  size: s.size,
  read: (offset, length) => s.read(offset, length),
  ...(s.readInto && { readInto: (offset: number, into: Uint8Array) => s.readInto!(offset, into) }),
  ...(s.readTo && {
    readTo: (offset: number, into: Storage, at: number, nbytes: number) => s.readTo!(offset, into, at, nbytes),
  }),
  ...(s.map && { map: (device: Device, begin: number, nbytes: number) => s.map!(device, begin, nbytes) }),
  ...(s.sibling && { sibling: (name: string) => s.sibling!(name) }),
  close: async () => s.close(),
});

/**
 * Loads a file of weights: `.pt` and `.pth` of any PyTorch, TorchScript archives, safetensors (single, or the index of several), GGUF, NumPy's,
 * Keras's and TensorFlow's files, pickles, and whatever `registerFormat` was given. The content decides, not the name. A folder is opened by the
 * file that stands for all of it: a SavedModel's graph, an index, or the only file of weights.
 *
 * Python's dicts come back as plain objects, or as Maps where keys are no strings or their order would be lost; lists and tuples as arrays;
 * sets as Sets; integers beyond 2^53 as bigints; objects of other classes as `{ $class, ...attributes }`. Tensors that share memory in the file
 * share it here. Nothing in a file is ever executed.
 *
 * With `mmap`, tensors of a local file lie in the file itself on the native CPU, as with PyTorch's `mmap=True`: nothing is read before it is used,
 * processes share what was read, and the system may take it back. Writing to them changes neither the file nor what others see. Whoever else writes to the
 * file in place changes the tensors; what replaces it, as `save` does, or removes it does not. Should the file shrink, or its disk
 * fail, the operation that needs the missing values throws a FormatError. As in the formats' own libraries the default is true for safetensors and GGUF,
 * false for all others. What cannot be mapped is read: compressed, misaligned, big-endian or small data, types that are read as wider ones, zip
 * archives with `verify`.
 *
 * With `into`, values go straight into a module's parameters and buffers, quantised ones as the numbers they stand for, and what could not be
 * matched is reported.
 * @throws FormatError that names file, offset and what was expected; UnsafeGlobalError for a pickle that wants a call that is not known to be harmless
 * @example
 * const state = await load(safetensorsBytes({ weight: tensor([[1, 2]]), bias: tensor([3]) }));
 * state.weight // => [[1, 2]]
 */
export const load: Load = /*@__PURE__*/ located("load", "from, options", loadFile);
interface Load {
  (from: SourceLike, options: LoadIntoOptions): Promise<LoadReport>;
  <T = Record<string, unknown>>(from: SourceLike, options?: LoadOptions): Promise<T>;
}
async function loadFile(from: SourceLike, options?: LoadOptions & Partial<LoadIntoOptions>): Promise<never> {
  const named = options?.into === undefined ? ["device?", "mmap?: flag"] : ["into?: module", "strict?: flag", "key?: text"];
  const { device, mmap, into, strict = true, key, ...opening } = checkOptions("load", [...OPEN, ...named], options);
  if (device !== undefined) getDevice(device, "load");
  const file = await openFile(from, opening);
  const mappings = new Mappings();
  try {
    const read: ReadOptions = {
      shared: new Map(),
      mappings,
      ...(device !== undefined && { device }),
      ...(mmap !== undefined && { mmap }),
    };
    if (into) return (await loadInto(file, { into, strict, ...(key !== undefined && { key }) }, read)) as never;
    return (await mapStored(file.value, (t) => t.read(read))) as never;
  } finally {
    await mappings.close();
    await file.close();
  }
}
