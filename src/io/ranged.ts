// Tensors that lie in one piece in a source of bytes.
import { getDefaultDevice, getDevice } from "../core/device.ts";
import { type DType, itemSize } from "../core/dtype.ts";
import { numelOf } from "../core/layout.ts";
import type { Tensor } from "../core/tensor.ts";
import { allocate } from "../ops/launch.ts";
import type { ByteSource } from "./source.ts";
import { type ReadOptions, StoredTensor } from "./stored.ts";

/** Bytes that are in memory at a time while a tensor is read or written. */
export const CHUNK: number = 4 << 20;

/** Reads a range piece by piece. @throws FormatError when the source ends early. */
export async function readPieces(
  source: ByteSource,
  begin: number,
  length: number,
  take: (bytes: Uint8Array, at: number) => void,
): Promise<void> {
  for (let at = 0; at < length; at += CHUNK) take(await source.read(begin + at, Math.min(CHUNK, length - at)), at);
}

/** Turns bytes of a file, a whole number of its items, into those of the tensor's dtype; `index` is that of the first item. */
export type Convert = (bytes: Uint8Array, index: number) => Uint8Array;

/** How a tensor is read where its bytes are not simply those of its dtype. */
export interface RangedOptions {
  /** Bytes of an item in the file, and what turns them into the dtype's. */
  readonly convert?: { readonly itemSize: number; readonly convert: Convert } | undefined;
  /** Told of all bytes in order, then once without any: throws when a checksum is wrong. */
  readonly check?: () => (bytes: Uint8Array | null) => void;
}

/** A row-major tensor at an offset of a source. */
export class RangedTensor extends StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly nbytes: number;
  readonly #source: ByteSource;
  readonly #begin: number;
  readonly #options: RangedOptions;

  constructor(source: ByteSource, begin: number, dtype: DType, shape: readonly number[], options: RangedOptions = {}) {
    super();
    this.dtype = dtype;
    this.shape = shape;
    this.nbytes = numelOf(shape) * (options.convert?.itemSize ?? itemSize(dtype));
    this.#source = source;
    this.#begin = begin;
    this.#options = options;
  }

  async read(options: ReadOptions = {}): Promise<Tensor> {
    const out = allocate(this.shape, this.dtype, getDevice(options.device ?? getDefaultDevice()));
    const { storage, dtype } = out;
    const { convert: own } = this.#options;
    const check = this.#options.check?.();
    await readPieces(this.#source, this.#begin, this.nbytes, (bytes, at) => {
      check?.(bytes);
      if (own) storage.device.write(storage, (at / own.itemSize) * itemSize(dtype), own.convert(bytes, at / own.itemSize));
      else storage.device.write(storage, at, bytes);
    });
    check?.(null);
    return out;
  }
}

/** Writes a tensor's bytes, row-major, piece by piece. */
export function writePieces(write: (bytes: Uint8Array) => void, t: Tensor): void {
  const bytes = t.layout.numel * itemSize(t.dtype);
  const start = t.layout.offset * itemSize(t.dtype);
  const chunk = new Uint8Array(Math.min(CHUNK, bytes));
  for (let i = 0; i < bytes; i += CHUNK) {
    const part = chunk.subarray(0, Math.min(CHUNK, bytes - i));
    t.storage.device.readSync(t.storage, start + i, part);
    write(part);
  }
}
