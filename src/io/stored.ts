// What a file format gives: a tree of plain values whose tensors lie in the file until they are asked for.
import type { DType } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import type { ByteSource } from "./source.ts";

/** How stored tensors become tensors. */
export interface ReadOptions {
  /** Where to (default: the default device). */
  readonly device?: string;
  /** Storages already read in this load, so that tensors that share memory in the file share it here. */
  readonly shared?: Map<unknown, Tensor>;
}

const BRAND = Symbol.for("firebrand.stored");

/** A tensor that lies in a file: its type and shape are known, its values are read when asked for. */
export abstract class StoredTensor {
  /** A dtype of Firebrand's, or the name of the format's quantised type: `Q4_K`. */
  abstract readonly dtype: DType | (string & {});
  abstract readonly shape: readonly number[];
  /** Bytes that it takes in the file. */
  abstract readonly nbytes: number;
  /** Reads the values. @throws FormatError when the file is damaged there. */
  abstract read(options?: ReadOptions): Promise<unknown>;
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
  /** Classes that the pickle reader may build besides PyTorch's own, by `module.name`. */
  readonly safeGlobals?: Readonly<Record<string, (...args: unknown[]) => unknown>>;
}

/** One kind of file. Formats are told apart by content alone. */
export interface Format {
  readonly name: string;
  /** Does the file begin (or, for archives, end) like one of this kind? `head` is its first 512 bytes at most. */
  detect(head: Uint8Array, source: ByteSource): boolean | Promise<boolean>;
  /** @throws FormatError that names file, offset and what was expected. */
  open(source: ByteSource, options: OpenOptions): Promise<OpenFile>;
}

/** Walks a value's tree and replaces its stored tensors; shared and cyclic parts stay so. */
export async function mapStored(value: unknown, read: (t: StoredTensor) => Promise<unknown>): Promise<unknown> {
  const done = new Map<object, unknown>();
  const visit = async (x: unknown): Promise<unknown> => {
    if (typeof x !== "object" || x === null) return x;
    if (done.has(x)) return done.get(x);
    if (isStored(x)) {
      const t = await read(x);
      done.set(x, t);
      return t;
    }
    if (Array.isArray(x)) {
      done.set(x, x);
      for (let i = 0; i < x.length; i++) x[i] = await visit(x[i]);
    } else if (x instanceof Map) {
      done.set(x, x);
      for (const [k, v] of x) x.set(k, await visit(v));
    } else if (Object.getPrototypeOf(x) === Object.prototype || Object.getPrototypeOf(x) === null) {
      done.set(x, x);
      const o = x as Record<string, unknown>;
      for (const k of Object.keys(o)) o[k] = await visit(o[k]);
    }
    return x;
  };
  return visit(value);
}

/** The stored tensors of a value by path: keys joined with dots. */
export function storedTensors(value: unknown): Map<string, StoredTensor> {
  const out = new Map<string, StoredTensor>();
  const seen = new Set<object>();
  const visit = (x: unknown, path: string): void => {
    if (typeof x !== "object" || x === null) return;
    if (isStored(x)) {
      out.set(path, x);
      return;
    }
    if (seen.has(x)) return;
    seen.add(x);
    const entries = x instanceof Map ? [...x] : Object.entries(x);
    for (const [k, v] of entries) visit(v, path === "" ? String(k) : `${path}.${String(k)}`);
  };
  visit(value, "");
  return out;
}
