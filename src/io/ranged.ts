// Tensors that lie in one piece in a file, and the pieces that a tensor is written in.
import { getDefaultDevice, getDevice } from "../core/device.ts";
import { type DType, itemSize } from "../core/dtype.ts";
import { contiguousStrides, layoutOf, numelOf } from "../core/layout.ts";
import { Tensor } from "../core/tensor.ts";
import type { Element } from "./elements.ts";
import { CHUNK, checkSupport, type Region, readElements, transfer } from "./region.ts";
import { type ReadOptions, StoredTensor } from "./stored.ts";

/** How elements lie, where they are not little-endian and row-major from the region's first byte on. */
export interface RangedOptions {
  /** First byte in the region. */
  readonly begin?: number;
  /** Are they in the other byte order? */
  readonly swap?: boolean;
  /** Are they in Fortran's order? Then the tensor is the transpose of a row-major one. */
  readonly columns?: boolean;
  /** Are they mapped unless the reader wants otherwise? */
  readonly mmap?: boolean;
  /** Of which number of bytes their place must be a multiple to be mapped (default: what an element needs). */
  readonly align?: number;
}

/** A tensor whose elements lie one after the other. */
export class RangedTensor extends StoredTensor {
  readonly shape: readonly number[];
  readonly nbytes: number;
  readonly #region: Region;
  readonly #element: Element;
  readonly #options: RangedOptions;

  constructor(region: Region, element: Element, shape: readonly number[], options: RangedOptions = {}) {
    super();
    this.shape = shape;
    this.nbytes = numelOf(shape) * element.size;
    this.#region = region;
    this.#element = element;
    this.#options = options;
  }
  get dtype(): DType | (string & {}) {
    return this.#element.name;
  }

  override async read(options: ReadOptions = {}): Promise<Tensor> {
    const device = getDevice(options.device ?? getDefaultDevice());
    const { begin = 0, swap = false, columns, mmap = false, align } = this.#options;
    const e = this.#element;
    checkSupport(device, e.dtype);
    const storage = await readElements(this.#region, begin, numelOf(this.shape), e, swap, device, {
      mmap,
      ...options,
      ...(align !== undefined && { align }),
    });
    const strides = columns ? contiguousStrides(this.shape.toReversed()).toReversed() : contiguousStrides(this.shape);
    return new Tensor(storage, layoutOf(this.shape, strides, 0), e.dtype);
  }

  override async readInto(target: Tensor): Promise<boolean> {
    const { begin = 0, swap = false, columns } = this.#options;
    const e = this.#element;
    if (columns || e.widen || e.dtype !== target.dtype || !target.layout.contiguous) return false;
    await transfer(this.#region, begin, this.nbytes, e, swap, target.storage, target.layout.offset * e.size);
    return true;
  }
}

/** A row-major tensor's bytes, each piece valid until the next. */
export function* piecesOf(t: Tensor): Generator<Uint8Array> {
  const bytes = t.layout.numel * itemSize(t.dtype);
  const start = t.layout.offset * itemSize(t.dtype);
  const chunk = new Uint8Array(Math.min(CHUNK, bytes));
  for (let at = 0; at < bytes; at += CHUNK) {
    const part = chunk.subarray(0, Math.min(CHUNK, bytes - at));
    t.storage.device.readSync(t.storage, start + at, part);
    yield part;
  }
}
