// Memory of the WebAssembly backend. Linear memory never shrinks and the garbage collector does not see it. Tensors that
// kernels use are resident in it; when too much is, what has died is found out by weak references after a collection, and
// where none can be forced (browsers) the oldest move to ArrayBuffers of their own, which the collector does see. So
// nothing needs to be freed by hand, synchronous loops included.
import type { Device } from "../../core/device.ts";
import { OutOfMemoryError } from "../../core/errors.ts";
import { Storage } from "../../core/storage.ts";
import type { WasmKernels } from "./module.ts";

const MB = 1 << 20;
/** Bytes and tensors that are resident before any is asked to leave. */
const RESIDENT = 256 * MB;
const ENTRIES = 8192;
/** Most of the 4 GB; the rest is for the kernels' scratch. */
const MOST = 3072 * MB;
/** Smaller tensors are not worth a weak reference: they are moved. */
const WEAK = 4096;

/** Where a storage's bytes are: in linear memory (`ptr`), away (`bytes`), or nowhere yet. */
class Place {
  ptr = 0;
  bytes: Uint8Array | null = null;
  readonly nbytes: number;
  /** The storage, as long as it lives; null for small ones. */
  owner: WeakRef<WasmStorage> | null = null;
  /** The call that used it last. */
  turn = 0;
  // The list of residents, the least recently used first.
  before: Place | null = null;
  after: Place | null = null;
  constructor(nbytes: number) {
    this.nbytes = nbytes;
  }
}

/** A storage of the WebAssembly backend. */
export class WasmStorage extends Storage {
  readonly place: Place;
  constructor(device: Device, nbytes: number) {
    super(device, nbytes);
    this.place = new Place(nbytes);
  }
  get block(): Place {
    return this.place;
  }
}

/** The residents of one linear memory. */
export class WasmMemory {
  readonly #kernels: WasmKernels;
  readonly #collect: (() => void) | null;
  #view: Uint8Array;
  #oldest: Place | null = null;
  #newest: Place | null = null;
  #entries = 0;
  #resident = 0;
  #limit = RESIDENT;
  #turn = 0;

  /** `collect` runs a full collection and lets weak references die, where the engine can. */
  constructor(kernels: WasmKernels, collect: (() => void) | null) {
    this.#kernels = kernels;
    this.#collect = collect;
    this.#view = new Uint8Array(kernels.memory.buffer);
  }
  /** Linear memory as it is now: growing replaces its buffer. */
  get view(): Uint8Array {
    if (this.#view.length === 0) this.#view = new Uint8Array(this.#kernels.memory.buffer);
    return this.#view;
  }
  /** Bytes of tensors in linear memory. */
  get resident(): number {
    return this.#resident;
  }

  alloc(device: Device, nbytes: number): WasmStorage {
    if (!(nbytes <= MOST))
      throw new OutOfMemoryError({ message: `${nbytes} bytes asked for`, hint: "WebAssembly memory ends at 4 GB: use the native kernels" });
    return new WasmStorage(device, nbytes);
  }

  /** Begins a call: what is admitted from here on stays until the next. */
  begin(): void {
    this.#turn++;
    if (this.#entries > ENTRIES) this.#evict(this.#resident, ENTRIES / 2);
    if (this.#resident > this.#limit) this.#relieve();
  }
  /** Brings a storage into linear memory. */
  admit(s: WasmStorage): void {
    const p = s.place;
    p.turn = this.#turn;
    if (p.ptr !== 0) {
      if (p !== this.#newest) {
        this.#unlink(p);
        this.#link(p);
      }
      return;
    }
    p.ptr = this.#allocate(p.nbytes);
    if (this.#collect && p.nbytes >= WEAK) p.owner ??= new WeakRef(s);
    this.#resident += p.nbytes;
    this.#entries++;
    this.#link(p);
    if (p.bytes) {
      this.view.set(p.bytes, p.ptr);
      p.bytes = null;
    }
  }

  #allocate(nbytes: number): number {
    const size = Math.max(nbytes, 64);
    let ptr = this.#kernels.alloc(size);
    if (ptr === 0) {
      this.#sweep();
      this.#evict(0, 0);
      ptr = this.#kernels.alloc(size);
    }
    if (ptr === 0)
      throw new OutOfMemoryError({
        message: `${(nbytes / MB).toFixed(1)} MB asked for, ${(this.#resident / MB).toFixed(1)} MB of WebAssembly memory in use by one call`,
        hint: "Use smaller batches, or the native kernels, which have no 4 GB limit",
        data: { requested: nbytes, live: this.#resident },
      });
    return ptr;
  }

  // Makes room: the dead leave first; if more than half are alive the limit grows, as far as it can.
  #relieve(): void {
    this.#sweep();
    this.#limit = Math.min(MOST / 2, Math.max(RESIDENT, 2 * this.#resident));
    if (this.#resident > this.#limit / 2) this.#evict(this.#limit / 2, ENTRIES);
  }
  #sweep(): void {
    if (!this.#collect) return;
    this.#collect();
    for (let p = this.#oldest; p; ) {
      const next: Place | null = p.after;
      if (p.owner && p.turn !== this.#turn && p.owner.deref() === undefined) this.#drop(p);
      p = next;
    }
  }
  // The oldest move out, but none that the present call uses.
  #evict(bytes: number, entries: number): void {
    for (let p = this.#oldest; p && (this.#resident > bytes || this.#entries > entries) && p.turn !== this.#turn; p = this.#oldest) {
      p.bytes = this.view.slice(p.ptr, p.ptr + p.nbytes);
      this.#drop(p);
    }
  }
  #drop(p: Place): void {
    this.#kernels.release(p.ptr);
    p.ptr = 0;
    this.#resident -= p.nbytes;
    this.#entries--;
    this.#unlink(p);
  }
  #link(p: Place): void {
    p.before = this.#newest;
    if (this.#newest) this.#newest.after = p;
    else this.#oldest = p;
    this.#newest = p;
  }
  #unlink(p: Place): void {
    if (p.before) p.before.after = p.after;
    else this.#oldest = p.after;
    if (p.after) p.after.before = p.before;
    else this.#newest = p.before;
    p.before = p.after = null;
  }

  write(s: WasmStorage, offset: number, src: Uint8Array): void {
    const p = s.place;
    if (p.ptr !== 0) this.view.set(src, p.ptr + offset);
    else {
      p.bytes ??= new Uint8Array(p.nbytes);
      p.bytes.set(src, offset);
    }
  }
  read(s: WasmStorage, offset: number, dst: Uint8Array): void {
    const p = s.place;
    if (p.ptr !== 0) dst.set(this.view.subarray(p.ptr + offset, p.ptr + offset + dst.length));
    else if (p.bytes) dst.set(p.bytes.subarray(offset, offset + dst.length));
    else dst.fill(0);
  }
}
