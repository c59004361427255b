// What a file format gives: a tree of plain values whose tensors lie in the file until they are asked for.
import type { DType } from "../core/dtype.ts";
import { FormatError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { setField } from "./dict.ts";
import type { Mappings } from "./mapping.ts";
import type { ByteSource, SourceLike } from "./source.ts";

/** How stored tensors become tensors. */
export interface ReadOptions {
  /** Where to (default: the default device). */
  readonly device?: string;
  /** Storages already read in this load, so that tensors that share memory in the file share it here. */
  readonly shared?: Map<unknown, Tensor>;
  /**
   * Map what lies in a local file as it is needed, instead of reading it (see `load`; default: tensors of safetensors and GGUF files). What
   * cannot be mapped is read.
   */
  readonly mmap?: boolean;
  /** Files already mapped in this load, so that all tensors of one lie in one mapping. @internal */
  readonly mappings?: Mappings;
}

const BRAND = Symbol.for("firebrand.stored");

/** A tensor that lies in a file: its type and shape are known, its values are read when asked for. */
export abstract class StoredTensor {
  /** A dtype of Firebrand's, or the file's name of a type that is read as another or stays quantised: `uint16`, `Q4_K`. */
  abstract readonly dtype: DType | (string & {});
  abstract readonly shape: readonly number[];
  /** Bytes that it takes in the file. */
  abstract readonly nbytes: number;
  /** Reads the values. @throws FormatError when the file is damaged there. */
  abstract read(options?: ReadOptions): Promise<unknown>;
  /**
   * Reads the values straight into the memory of a tensor of the same shape and says true, or says false where that cannot be: the dtypes
   * differ, or one of the two is not contiguous.
   */
  async readInto(_target: Tensor): Promise<boolean> {
    return false;
  }
}
Object.defineProperty(StoredTensor.prototype, BRAND, { value: true });
/** Is it a tensor that still lies in a file? */
export const isStored = (x: unknown): x is StoredTensor =>
  typeof x === "object" && x !== null && (x as Record<symbol, unknown>)[BRAND] === true;

/** An open file: everything but the tensors' values. Close it when done. */
export interface OpenFile {
  /** The format's name: `safetensors`, `torch zip`, `gguf`, … */
  readonly format: string;
  /** What the file says of itself. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The value, with `StoredTensor` where a tensor will be. */
  readonly value: unknown;
  close(): Promise<void>;
}

/** Options that formats may heed. */
export interface OpenOptions {
  /** What the pickle reader may build besides PyTorch's own, by `module.name`: a function of the arguments that Python's would get. */
  readonly safeGlobals?: Readonly<Record<string, (...args: unknown[]) => unknown>>;
  /** Compare checksums where the format has them (zip archives) while tensors are read. */
  readonly verify?: boolean;
  /** The other files of a format of several, by name, where they are not found beside it: `File`s that a user chose, for one. */
  readonly files?: Readonly<Record<string, SourceLike>>;
}

/** One kind of file. Formats are told apart by content alone. */
export interface Format {
  readonly name: string;
  /** Does the file begin (or, for archives, end) like one of this kind? `head` is its first 512 bytes at most. */
  detect(head: Uint8Array, source: ByteSource): boolean | Promise<boolean>;
  /** @throws FormatError that names file, offset and what was expected. */
  open(source: ByteSource, options: OpenOptions): Promise<OpenFile>;
}

// The parts of a container, and how one is replaced. Other objects than these are leaves.
function parts(x: object): [key: unknown, value: unknown, put: (v: unknown) => void][] | null {
  if (Array.isArray(x))
    return x.map((v, i) => [
      i,
      v,
      (w) => {
        x[i] = w;
      },
    ]);
  if (x instanceof Map) return [...x].map(([k, v]) => [k, v, (w) => x.set(k, w)]);
  // Everything is taken out and put in again, so that the order stays.
  if (x instanceof Set)
    return [...x].map((v) => [
      v,
      v,
      (w) => {
        x.delete(v);
        x.add(w);
      },
    ]);
  const proto: unknown = Object.getPrototypeOf(x);
  if (proto !== Object.prototype && proto !== null) return null;
  const o = x as Record<string, unknown>;
  return Object.keys(o).map((k) => [k, o[k], (w) => setField(o, k, w)]);
}

/** Walks a value's tree and replaces its stored tensors; shared and cyclic parts stay so. */
export async function mapStored(value: unknown, read: (t: StoredTensor) => Promise<unknown>): Promise<unknown> {
  const done = new Map<StoredTensor, unknown>();
  const seen = new Set<object>();
  const root = [value];
  const stack: object[] = [root];
  for (let x = stack.pop(); x; x = stack.pop()) {
    const inner: object[] = [];
    for (const [, v, put] of parts(x) ?? []) {
      if (typeof v !== "object" || v === null) {
        if (x instanceof Set) put(v);
      } else if (isStored(v)) {
        if (!done.has(v)) done.set(v, await read(v));
        put(done.get(v));
      } else {
        if (x instanceof Set) put(v);
        if (!seen.has(v)) inner.push(v);
        seen.add(v);
      }
    }
    stack.push(...inner.reverse());
  }
  return root[0];
}

// A key in a path. Of keys that are tuples only the simple parts are spelled: nested ones can have a text of any length.
const keyText = (k: unknown): string =>
  Array.isArray(k)
    ? `(${k.slice(0, 8).map((v: unknown) => (typeof v === "object" ? "…" : String(v)))})`
    : typeof k === "object" && k !== null
      ? "…"
      : String(k);
/** Characters that all paths together may have: a long key above many tensors would fill the memory. */
const LONGEST = 256 << 20;

/** The stored tensors of a value by path: keys joined with dots. @throws FormatError when the paths are absurdly long */
export function storedTensors(value: unknown): Map<string, StoredTensor> {
  const out = new Map<string, StoredTensor>();
  let length = 0;
  const seen = new Set<object>();
  const stack: [path: string, value: unknown][] = [["", value]];
  for (let top = stack.pop(); top; top = stack.pop()) {
    const [path, x] = top;
    if (typeof x !== "object" || x === null) continue;
    if (isStored(x)) {
      length += path.length;
      if (length > LONGEST)
        throw new FormatError({
          op: "open",
          message: `the names of ${out.size} tensors have ${length} characters`,
          hint: "The file is damaged",
        });
      out.set(path, x);
      continue;
    }
    if (seen.has(x)) continue;
    seen.add(x);
    const inner = (parts(x) ?? []).map(([k, v], i): [string, unknown] => {
      const key = x instanceof Set ? String(i) : keyText(k);
      return [path === "" ? key : `${path}.${key}`, v];
    });
    stack.push(...inner.reverse());
  }
  return out;
}
