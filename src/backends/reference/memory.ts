// Plain buffers, and elements of any dtype as one of three kinds of value: number, bigint (integers and bool) or [re, im].
import {
  bf16ToNumber,
  type DType,
  f16ToNumber,
  isComplex,
  isFloating,
  numberToBf16,
  numberToF16,
  rawArray,
  type TypedArray,
} from "../../core/dtype.ts";
import type { Device, DeviceMemory, MemoryStats } from "../../core/device.ts";
import { DisposedError } from "../../core/errors.ts";
import { outOfMemory } from "../../core/snapshot.ts";
import { Storage } from "../../core/storage.ts";
import type { Lane, Operand } from "../../kernel/spec.ts";

/** A complex number. */
export type Complex = readonly [re: number, im: number];
/** A number of some lane. */
export type Value = number | bigint | Complex;

/** Memory that the collector owns. */
export class BufferStorage extends Storage {
  readonly #memory: BufferMemory;
  #buffer: ArrayBuffer | null;
  constructor(device: Device, nbytes: number, memory: BufferMemory) {
    super(device, nbytes);
    this.#memory = memory;
    this.#buffer = memory.take(nbytes);
    memory.watch(this, this.#buffer);
  }
  /** @throws DisposedError when it was given back. */
  get buffer(): ArrayBuffer {
    if (!this.#buffer)
      throw new DisposedError({ message: "memory that was given back is used", hint: "Dispose tensors after their last use" });
    return this.#buffer;
  }
  get block(): unknown {
    return this.#buffer;
  }
  protected override free(): void {
    if (this.#buffer) this.#memory.giveBack(this, this.#buffer);
    this.#buffer = null;
  }
}

/** Counts the buffers of one device. The collector reports what it took only when the event loop turns. */
export class BufferMemory implements DeviceMemory {
  readonly #name: string;
  readonly #collect: () => void;
  #live = 0;
  #peak = 0;
  #blocks = 0;
  readonly #registry = new FinalizationRegistry<number>((bytes) => this.#drop(bytes));
  limit: number;
  constructor(name: string, limit: number, collect: () => void) {
    this.#name = name;
    this.limit = limit;
    this.#collect = collect;
  }
  /** A zeroed buffer. @throws OutOfMemoryError */
  take(nbytes: number): ArrayBuffer {
    const size = (nbytes + 15) & ~15;
    try {
      if (nbytes <= this.limit) return new ArrayBuffer(nbytes < 2 ** 31 ? size : nbytes);
    } catch {
      // The engine's own words say neither how much nor for what.
    }
    throw outOfMemory(this.#name, nbytes, this.stats(), this.limit, "Use smaller batches, or drop references to large tensors");
  }
  watch(storage: BufferStorage, buffer: ArrayBuffer): void {
    this.#live += buffer.byteLength;
    this.#blocks++;
    this.#peak = Math.max(this.#peak, this.#live);
    this.#registry.register(storage, buffer.byteLength, storage);
  }
  giveBack(storage: BufferStorage, buffer: ArrayBuffer): void {
    this.#registry.unregister(storage);
    this.#drop(buffer.byteLength);
  }
  #drop(bytes: number): void {
    this.#live -= bytes;
    this.#blocks--;
  }
  stats(): MemoryStats {
    return { live: this.#live, cached: 0, peak: this.#peak, blocks: this.#blocks };
  }
  emptyCache(): void {
    this.#collect();
  }
  resetPeak(): void {
    this.#peak = this.#live;
  }
}

/** An operand's elements, by position on the storage. */
export interface Elements {
  load(at: number): Value;
  store(at: number, v: Value): void;
}

const toNumber = (v: Value): number => (typeof v === "number" ? v : typeof v === "bigint" ? Number(v) : v[0]);
const toBigInt = (v: Value): bigint => {
  if (typeof v === "bigint") return v;
  const x = Math.trunc(toNumber(v));
  return Number.isFinite(x) && Math.abs(x) < 2 ** 63 ? BigInt(x) : -(2n ** 63n);
};
const isTrue = (v: Value): boolean => (typeof v === "number" ? v !== 0 : typeof v === "bigint" ? v !== 0n : v[0] !== 0 || v[1] !== 0);

/** Converts a value to a lane. */
export function toLane(v: Value, lane: Lane): Value {
  if (lane === "i64") return toBigInt(v);
  if (lane === "c64" || lane === "c128") return typeof v === "object" ? v : [toNumber(v), 0];
  return toNumber(v);
}

/** Reads and writes an operand in its own dtype: bool from truth, integers wrap, 16-bit floats round to even. */
export function elements(o: Operand): Elements {
  const raw: TypedArray = rawArray(o.dtype, (o.storage as BufferStorage).buffer);
  const d: DType = o.dtype;
  if (isComplex(d)) {
    return {
      load: (at) => [raw[2 * at] as number, raw[2 * at + 1] as number],
      store: (at, v) => {
        const c = toLane(v, "c128") as Complex;
        raw[2 * at] = c[0];
        raw[2 * at + 1] = c[1];
      },
    };
  }
  if (d === "float16")
    return {
      load: (at) => f16ToNumber(raw[at] as number),
      store: (at, v) => {
        raw[at] = numberToF16(toNumber(v));
      },
    };
  if (d === "bfloat16")
    return {
      load: (at) => bf16ToNumber(raw[at] as number),
      store: (at, v) => {
        raw[at] = numberToBf16(toNumber(v));
      },
    };
  if (isFloating(d))
    return {
      load: (at) => raw[at] as number,
      store: (at, v) => {
        raw[at] = toNumber(v);
      },
    };
  if (d === "bool")
    return {
      load: (at) => (raw[at] ? 1n : 0n),
      store: (at, v) => {
        raw[at] = isTrue(v) ? 1 : 0;
      },
    };
  if (d === "int64")
    return {
      load: (at) => raw[at] as bigint,
      store: (at, v) => {
        raw[at] = BigInt.asIntN(64, toBigInt(v));
      },
    };
  // A fraction that int32 cannot hold gives its smallest number, as processors convert; integers wrap.
  const tooGreat = (v: Value): boolean => d === "int32" && typeof v !== "bigint" && !(Math.abs(toNumber(v) + 0.5) < 2 ** 31 + 0.5);
  return {
    load: (at) => BigInt(raw[at] as number),
    store: (at, v) => {
      raw[at] = tooGreat(v) ? -(2 ** 31) : Number(BigInt.asIntN(32, toBigInt(v)));
    },
  };
}

/** Calls `f` with the storage positions of all operands for every index of `shape`, in row-major order. */
export function walk(shape: readonly number[], operands: readonly Operand[], f: (at: number[], flat: number) => void): void {
  const index = shape.map(() => 0);
  const at = operands.map((o) => o.layout.offset);
  const count = shape.reduce((a, b) => a * b, 1);
  for (let flat = 0; flat < count; flat++) {
    f(at, flat);
    for (let d = shape.length - 1; d >= 0; d--) {
      index[d]!++;
      for (let k = 0; k < at.length; k++) at[k]! += operands[k]!.layout.strides[d]!;
      if (index[d]! < shape[d]!) break;
      for (let k = 0; k < at.length; k++) at[k]! -= operands[k]!.layout.strides[d]! * shape[d]!;
      index[d] = 0;
    }
  }
}
