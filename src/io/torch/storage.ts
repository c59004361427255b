// Storages of PyTorch files: runs of bytes that several tensors may show.
import type { Device } from "../../core/device.ts";
import { itemSize } from "../../core/dtype.ts";
import { denseLayout } from "../../core/layout.ts";
import { Tensor } from "../../core/tensor.ts";
import { type Element, elementOf } from "../elements.ts";
import { type Region, readElements } from "../region.ts";
import type { ReadOptions } from "../stored.ts";

/** PyTorch's names of storage and tensor types (`FloatStorage`, `FloatTensor`) and the element types that they mean. */
export const LEGACY_TYPES: Readonly<Record<string, string>> = {
  Double: "float64",
  Float: "float32",
  Half: "float16",
  BFloat16: "bfloat16",
  Long: "int64",
  Int: "int32",
  Short: "int16",
  Char: "int8",
  Byte: "uint8",
  Bool: "bool",
  ComplexDouble: "complex128",
  ComplexFloat: "complex64",
  QInt8: "qint8",
  QUInt8: "quint8",
  QInt32: "qint32",
  QUInt4x2: "bits4x2",
  QUInt2x4: "bits2x4",
  Untyped: "uint8",
  _Untyped: "uint8",
};

/** What memory that tensors of any type may share must be aligned to. */
const ALIGN = 8;

/** The bytes of one storage of a file. */
export class TorchStorage {
  readonly key: string;
  readonly nbytes: number;
  /** Where the bytes are; of the older formats it is known only after the pickle. */
  region: Region | null;
  /** Are they in the other byte order? */
  readonly swap: boolean;
  // The bytes that tensors show: nothing else is read.
  #from: number;
  #to = 0;
  // What this load has read: a key of its map for each way of reading.
  readonly #keys = new Map<string, object>();

  constructor(key: string, nbytes: number, region: Region | null, swap = false) {
    this.key = key;
    this.nbytes = nbytes;
    this.region = region;
    this.swap = swap;
    this.#from = nbytes;
  }

  /** Says that a tensor shows these bytes. */
  use(from: number, to: number): void {
    // Whole elements of every type, so that one read serves tensors of all types.
    this.#from = Math.min(this.#from, from - (from % 16));
    this.#to = Math.max(this.#to, to);
  }

  /**
   * Elements from byte `from` to byte `to`, as a tensor of one dimension and the position of its first element in the storage. With `shared`, all
   * that any tensor shows is read at once and kept there.
   */
  async read(element: Element, from: number, to: number, device: Device, options: ReadOptions): Promise<{ tensor: Tensor; first: number }> {
    const { shared } = options;
    const asIs = !element.widen && (!this.swap || element.unit === 1);
    const begin = shared ? this.#from : from - (from % element.size);
    const end = shared ? Math.max(this.#to, this.#from) : to;
    const first = begin / element.size;
    const way = `${asIs ? "" : element.name}@${device.name}`;
    let key = this.#keys.get(way);
    if (!key) this.#keys.set(way, (key = {}));
    const known = shared?.get(key);
    if (known) return { tensor: known, first };
    const length = end - begin;
    const storage = asIs
      ? await readElements(this.region!, begin, length, elementOf("uint8")!, false, device, {
          ...options,
          align: shared ? ALIGN : element.unit,
        })
      : await readElements(this.region!, begin, Math.floor(length / element.size), element, this.swap, device);
    const tensor = new Tensor(
      storage,
      denseLayout([storage.nbytes / itemSize(asIs ? "uint8" : element.dtype)]),
      asIs ? "uint8" : element.dtype,
    );
    shared?.set(key, tensor);
    return { tensor, first };
  }
}

/** A storage, or a part of one, with a type: what a pickle's persistent id stands for. */
export class TypedStorage {
  readonly storage: TorchStorage;
  readonly element: Element;
  /** First byte in the storage. */
  readonly begin: number;
  readonly nbytes: number;
  constructor(storage: TorchStorage, element: Element, begin = 0, nbytes: number = storage.nbytes) {
    this.storage = storage;
    this.element = element;
    this.begin = begin;
    this.nbytes = nbytes;
  }
}
