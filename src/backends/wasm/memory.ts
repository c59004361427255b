// Memory of the WebAssembly backend. Linear memory never shrinks and the garbage collector does not see it. Tensors that
// kernels use are resident in it; when too much is, what has died is found out by weak references after a collection, and
// where none can be forced (browsers) the oldest move to ArrayBuffers of their own, which the collector does see. So
// nothing needs to be freed by hand, synchronous loops included.
import type { Device, DeviceMemory, MemoryStats } from "../../core/device.ts";
import { DisposedError, type OutOfMemoryError } from "../../core/errors.ts";
import { outOfMemory } from "../../core/snapshot.ts";
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
  /** Was it given back by hand? */
  gone = false;
  /** The storage, as long as it lives; null for small ones. */
  owner: WeakRef<WasmStorage> | null = null;
  /** Its entry in the list of those that are away. */
  away: Away | null = null;
  /** The call that used it last. */
  turn = 0;
  // The list of residents, the least recently used first.
  before: Place | null = null;
  after: Place | null = null;
  constructor(nbytes: number) {
    this.nbytes = nbytes;
  }
}

/** Counts a large tensor that is away. Holds neither it nor its bytes: they are the collector's. */
interface Away {
  readonly owner: WeakRef<WasmStorage>;
  readonly nbytes: number;
}

/** A storage of the WebAssembly backend. */
export class WasmStorage extends Storage {
  readonly place: Place;
  readonly #memory: WasmMemory;
  constructor(device: Device, nbytes: number, memory: WasmMemory) {
    super(device, nbytes);
    this.place = new Place(nbytes);
    this.#memory = memory;
  }
  get block(): Place {
    return this.place;
  }
  protected override free(): void {
    this.#memory.giveBack(this.place);
  }
}

/** The residents of one linear memory, and the large tensors that are away. */
export class WasmMemory implements DeviceMemory {
  readonly #kernels: WasmKernels;
  readonly #collect: (() => void) | null;
  #view: Uint8Array;
  #oldest: Place | null = null;
  #newest: Place | null = null;
  #entries = 0;
  #resident = 0;
  #limit = RESIDENT;
  #turn = 0;
  readonly #away = new Set<Away>();
  #awayBytes = 0;
  #awayLimit = ENTRIES;
  #peak = 0;
  limit: number;

  /** `collect` runs a full collection and lets weak references die, where the engine can. */
  constructor(kernels: WasmKernels, collect: (() => void) | null, limit: number = Number.POSITIVE_INFINITY) {
    this.#kernels = kernels;
    this.limit = limit;
    this.#collect = collect;
    this.#view = new Uint8Array(kernels.memory.buffer);
  }
  /** A piece of linear memory. Growing replaces its buffer; of what another thread grew, this one learns by growing by nothing. */
  #at(ptr: number, nbytes: number): Uint8Array {
    if (this.#view.length < ptr + nbytes) {
      this.#kernels.memory.grow(0);
      this.#view = new Uint8Array(this.#kernels.memory.buffer);
    }
    return this.#view.subarray(ptr, ptr + nbytes);
  }
  /** Bytes of tensors in linear memory. */
  get resident(): number {
    return this.#resident;
  }

  alloc(device: Device, nbytes: number): WasmStorage {
    if (!(nbytes <= Math.min(MOST, this.limit)))
      throw this.#outOfMemory(nbytes, nbytes > MOST ? "WebAssembly memory ends at 4 GB: use the native kernels" : "Check the sizes");
    return new WasmStorage(device, nbytes, this);
  }

  /** Begins a call: what is admitted from here on stays until the next. */
  begin(): void {
    this.#turn++;
    if (this.#entries > ENTRIES) this.#evict(this.#resident, ENTRIES / 2);
    if (this.#resident > this.#limit) this.#relieve();
    if (this.#away.size > this.#awayLimit) this.#sweep();
  }
  /** Brings a storage into linear memory. */
  admit(s: WasmStorage): void {
    const p = s.place;
    if (p.gone) throw new DisposedError({ message: "memory that was given back is used", hint: "Dispose tensors after their last use" });
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
      this.#at(p.ptr, p.nbytes).set(p.bytes);
      this.#comeBack(p);
    }
    this.#peak = Math.max(this.#peak, this.#resident + this.#awayBytes);
  }
  #comeBack(p: Place): void {
    p.bytes = null;
    if (p.away) this.#forget(p.away);
    p.away = null;
  }
  #forget(a: Away): void {
    if (this.#away.delete(a)) this.#awayBytes -= a.nbytes;
  }
  /** Frees a place for good. */
  giveBack(p: Place): void {
    if (p.ptr !== 0) this.#drop(p);
    this.#comeBack(p);
    p.gone = true;
  }

  #allocate(nbytes: number): number {
    const size = Math.max(nbytes, 64);
    const full = (): boolean => this.#resident + this.#awayBytes + nbytes > this.limit;
    if (full()) this.#sweep();
    let ptr = full() ? 0 : this.#kernels.alloc(size);
    if (ptr === 0 && !full()) {
      this.#sweep();
      this.#evict(0, 0);
      ptr = this.#kernels.alloc(size);
    }
    if (ptr === 0) throw this.#outOfMemory(nbytes, "Use smaller batches, or the native kernels, which have no 4 GB limit");
    return ptr;
  }
  #outOfMemory(nbytes: number, hint: string): OutOfMemoryError {
    return outOfMemory("wasm", nbytes, this.stats(), Math.min(MOST, this.limit), hint);
  }

  stats(): MemoryStats {
    const live = this.#resident + this.#awayBytes;
    return {
      live,
      cached: this.#kernels.memory.buffer.byteLength - this.#resident,
      peak: this.#peak,
      blocks: this.#entries + this.#away.size,
    };
  }
  /** Finds out what is dead. Linear memory itself never shrinks. */
  emptyCache(): void {
    this.#turn++;
    this.#sweep();
  }
  resetPeak(): void {
    this.#peak = this.#resident + this.#awayBytes;
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
    for (const a of this.#away) if (a.owner.deref() === undefined) this.#forget(a);
    this.#awayLimit = Math.max(ENTRIES, 2 * this.#away.size);
  }
  // The oldest move out, but none that the present call uses.
  #evict(bytes: number, entries: number): void {
    for (let p = this.#oldest; p && (this.#resident > bytes || this.#entries > entries) && p.turn !== this.#turn; p = this.#oldest) {
      p.bytes = this.#at(p.ptr, p.nbytes).slice();
      this.#drop(p);
      if (p.owner) {
        this.#away.add((p.away = { owner: p.owner, nbytes: p.nbytes }));
        this.#awayBytes += p.nbytes;
      }
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
    if (p.ptr !== 0) this.#at(p.ptr + offset, src.length).set(src);
    else {
      p.bytes ??= new Uint8Array(p.nbytes);
      p.bytes.set(src, offset);
    }
  }
  read(s: WasmStorage, offset: number, dst: Uint8Array): void {
    const p = s.place;
    if (p.ptr !== 0) dst.set(this.#at(p.ptr + offset, dst.length));
    else if (p.bytes) dst.set(p.bytes.subarray(offset, offset + dst.length));
    else dst.fill(0);
  }
}
