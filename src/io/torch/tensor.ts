// Tensors of PyTorch files that have not been read yet.
import { getDefaultDevice, getDevice } from "../../core/device.ts";
import { type DType, isDifferentiable } from "../../core/dtype.ts";
import { showShape } from "../../core/errors.ts";
import { denseLayout, layoutOf, numelOf } from "../../core/layout.ts";
import { noGrad } from "../../core/mode.ts";
import { Tensor } from "../../core/tensor.ts";
import { Parameter } from "../../nn/module.ts";
import { rawCopy } from "../../ops/copy.ts";
import { conj } from "../../ops/extra.ts";
import { neg, sub } from "../../ops/pointwise/index.ts";
import type { Element } from "../elements.ts";
import { checkSupport, transfer } from "../region.ts";
import { type ReadOptions, StoredTensor } from "../stored.ts";
import type { TypedStorage } from "./storage.ts";

/** How the integers of a quantised tensor stand for numbers: `(q - zeroPoint) · scale`, per tensor or along an axis. */
export interface Quantizer {
  readonly scale: number | StoredTensor;
  readonly zeroPoint: number | StoredTensor;
  readonly axis: number | null;
}

/** A tensor of a PyTorch file. Sizes and strides have been checked against its storage. */
export class TorchTensor extends StoredTensor {
  #storage: TypedStorage | null;
  #element: Element;
  // Element position in the whole storage.
  #offset: number;
  #strides: readonly number[];
  shape: readonly number[];
  requiresGrad: boolean;
  /** Is it an `nn.Parameter`? */
  isParameter = false;
  /** Python attributes that were set on it. */
  attributes: unknown = null;
  /** @internal Lazy conjugation and negation, which Firebrand carries out on reading. */
  conj = false;
  /** @internal */
  neg = false;
  /** Of quantised tensors. */
  quantizer: Quantizer | null = null;

  constructor(
    storage: TypedStorage,
    element: Element,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
    requiresGrad: boolean,
  ) {
    super();
    this.#storage = storage;
    this.#element = element;
    this.#offset = 0;
    this.#strides = strides;
    this.shape = shape;
    this.requiresGrad = requiresGrad && isDifferentiable(element.dtype);
    this.set(storage, element, offset, shape, strides);
  }

  /** Shows other memory, as `Tensor.set_` does. @throws RangeError when the storage is too small for it */
  set(storage: TypedStorage, element: Element, offset: number, shape: readonly number[], strides: readonly number[]): void {
    const natural = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0;
    if (shape.length > 64 || strides.length !== shape.length || ![...shape, ...strides, offset].every(natural))
      throw new RangeError(`sizes ${showShape(shape).slice(0, 80)}, strides ${showShape(strides).slice(0, 80)}, offset ${offset}`);
    const numel = numelOf(shape);
    if (!Number.isSafeInteger(numel)) throw new RangeError(`sizes ${showShape(shape).slice(0, 80)}: ${numel} elements`);
    const last = numel === 0 ? offset - 1 : shape.reduce((at, n, d) => at + (n - 1) * strides[d]!, offset);
    const from = storage.begin + offset * element.size;
    const to = storage.begin + (last + 1) * element.size;
    if (from % element.size) throw new RangeError(`the storage begins at byte ${storage.begin} of its root, which is no ${element.name}`);
    if (!(to <= storage.begin + storage.nbytes))
      throw new RangeError(
        `a tensor of ${element.name} ${showShape(shape)} with strides ${showShape(strides)} at ${offset} ends at byte ${to - storage.begin} of a storage of ${storage.nbytes}`,
      );
    if (numel > 0) storage.storage.use(from, to);
    this.#storage = storage;
    this.#element = element;
    this.#offset = from / element.size;
    this.#strides = strides;
    this.shape = shape;
  }
  /** @internal Another tensor object over the same memory. */
  again(): TorchTensor {
    const t = new TorchTensor(this.#storage!, this.#element, 0, [0], [1], this.requiresGrad);
    t.#offset = this.#offset;
    t.#strides = this.#strides;
    return Object.assign(t, { shape: this.shape, conj: this.conj, neg: this.neg, quantizer: this.quantizer });
  }

  get dtype(): DType | (string & {}) {
    return this.#element.name;
  }
  get strides(): readonly number[] {
    return this.#strides;
  }
  get nbytes(): number {
    return numelOf(this.shape) * this.#element.size;
  }
  /** The storage that it shows, the same object for tensors that share one. */
  get storage(): unknown {
    return this.#storage!.storage;
  }

  override async read(options: ReadOptions = {}): Promise<Tensor> {
    const device = getDevice(options.device ?? getDefaultDevice());
    const e = this.#element;
    checkSupport(device, e.dtype);
    const numel = numelOf(this.shape);
    let t: Tensor;
    if (numel === 0) t = new Tensor(device.alloc(0), denseLayout(this.shape), e.dtype);
    else {
      const last = this.shape.reduce((at, n, d) => at + (n - 1) * this.#strides[d]!, this.#offset);
      const storage = this.#storage!.storage;
      const { tensor, first } = await storage.read(e, this.#offset * e.size, (last + 1) * e.size, device, options);
      t = new Tensor(tensor.storage, layoutOf(this.shape, this.#strides, this.#offset - first), e.dtype);
    }
    if (this.conj || this.neg || this.quantizer) t = await this.#resolve(t, options);
    if (this.isParameter) return new Parameter(t, this.requiresGrad);
    t.leafRequiresGrad = this.requiresGrad;
    return t;
  }

  override async readInto(target: Tensor): Promise<boolean> {
    const e = this.#element;
    const plain = !this.conj && !this.neg && !this.quantizer && !e.widen && e.dtype === target.dtype;
    if (!plain || !target.layout.contiguous || !layoutOf(this.shape, this.#strides, 0).contiguous) return false;
    const { region, swap } = this.#storage!.storage;
    await transfer(region!, this.#offset * e.size, this.nbytes, e, swap, target.storage, target.layout.offset * e.size);
    return true;
  }

  async #resolve(t: Tensor, options: ReadOptions): Promise<Tensor> {
    const q = this.quantizer;
    // Scales along an axis are one-dimensional: seen with the other dimensions of size 1 they broadcast.
    const along = async (x: number | StoredTensor): Promise<number | Tensor> => {
      if (typeof x === "number") return x;
      const v = (await x.read(options)) as Tensor;
      const ones = this.shape.map(() => 1);
      const shape = ones.with(q!.axis!, this.shape[q!.axis!]!);
      return new Tensor(v.storage, layoutOf(shape, ones.map(() => 0).with(q!.axis!, v.layout.strides[0]!), v.layout.offset), v.dtype);
    };
    const scale = q && (await along(q.scale));
    const zeroPoint = q && (await along(q.zeroPoint));
    return noGrad(() => {
      if (q) return sub(rawCopy(t, "float64"), zeroPoint!).mul(scale!).to("float32");
      const x = this.conj ? conj(t) : t;
      return this.neg ? neg(x) : x;
    });
  }
}

/** A tensor of PyTorch's `meta` device: it has a shape and no values. */
export class MetaTensor extends StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly nbytes = 0;
  readonly #strides: readonly number[];
  constructor(dtype: DType, shape: readonly number[], strides: readonly number[]) {
    super();
    this.dtype = dtype;
    this.shape = shape;
    this.#strides = strides;
  }
  override async read(): Promise<Tensor> {
    return new Tensor(getDevice("meta").alloc(0), layoutOf(this.shape, this.#strides, 0), this.dtype);
  }
}
