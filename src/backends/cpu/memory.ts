// Native memory without dispose. Every block has a count of references; a JavaScript handle is one reference, given back by
// a finalizer that runs inside the garbage collector, or by hand. When the cache has no block and enough was handed out since
// the last collection, a minor collection (0.3 ms) is run to get blocks back, a full one when live memory has outgrown its
// true peak. Live and cached memory together stay near that peak: what lies idle beyond it goes back to the system.
import type { Device, DeviceMemory, MemoryStats } from "../../core/device.ts";
import { OutOfMemoryError } from "../../core/errors.ts";
import { outOfMemory } from "../../core/snapshot.ts";
import { type Collector, collector } from "./collector.ts";
import { MappedFiles } from "./mapping.ts";
import type { Addon } from "./native.ts";
import { NativeStorage } from "./storage.ts";
import { freeMemory, totalMemory } from "./system.ts";
import { Table } from "./table.ts";

const MB = 1 << 20;
/** Bytes handed out between collections: few enough to stay in the last cache level and to be collected young. */
const BUDGET = 24 * MB;
/** Least reserve beyond the true peak. */
const SLACK = 64 * MB;
/** Tensors up to this size take slots in slabs that share one handle. */
const SMALL = 512;
const SLAB = 8192;
const HOLDER_SLOTS = 64;
/** Requests of this size and more are compared with what the system has. */
const LARGE = 64 * MB;
const HINT = "Use smaller batches or shorter sequences, or drop references to large tensors";

/** The allocator of one JavaScript thread. */
export class NativeMemory implements DeviceMemory {
  readonly #addon: Addon;
  readonly #ring: Float64Array;
  readonly #refs: Table;
  readonly #slots: Table;
  readonly #gc: Collector;
  /** Does a collection give blocks back at once? Tested at start. */
  readonly synchronous: boolean;
  readonly files: MappedFiles;
  #sinceMinor = 0;
  // What was really live after the last few full collections. Its maximum is the true peak of a loop: full collections are
  // asked for near peaks. More than a margin above it must be garbage that minor collections no longer see.
  readonly #trueLive: number[] = [0];
  // What was live after the last of them.
  #collected = 0;
  // How much may be live and cached together.
  #ceiling = SLACK;
  #share = 0.25;
  // Bytes since the share last changed.
  #handedOut = 0;
  #returned = 0;
  #limit = 0.9 * totalMemory();
  #slab: object | null = null;
  #slabBlock = 0;
  #slabPtr = 0;
  #slabEnd = 0;
  /** The holder that new claims go to. */
  holder: object | null = null;
  #holderId = 0;
  #holderNext = HOLDER_SLOTS;

  constructor(addon: Addon) {
    this.#addon = addon;
    this.#ring = new Float64Array(addon.ring);
    addon.tables();
    const [refs, slots] = this.#ring;
    this.#refs = new Table(addon, refs!);
    this.#slots = new Table(addon, slots!);
    this.#gc = collector();
    this.files = new MappedFiles(addon, this, this.#gc);
    this.synchronous = this.#selfTest();
  }

  #selfTest(): boolean {
    const before = this.stats().live;
    (() => {
      for (let i = 0; i < 4; i++) this.#take(SLAB * 4, SLACK);
    })();
    this.#gc({ type: "minor" });
    return this.stats().live <= before;
  }

  // The ring gets [block, address] when a handle comes back.
  #take(nbytes: number, reserve: number): object | undefined {
    this.#ring[0] = nbytes;
    this.#ring[1] = reserve;
    return this.#addon.alloc();
  }

  #block(nbytes: number, lasting: boolean): object {
    // Within the budget a miss may grow the reserve; beyond it, what has died comes first.
    const handle = this.#take(nbytes, this.#sinceMinor + nbytes < BUDGET ? this.#ceiling : 0) ?? this.#collectAndTake(nbytes, lasting);
    this.#sinceMinor += nbytes;
    this.#handedOut += nbytes;
    return handle;
  }

  #collectAndTake(nbytes: number, lasting: boolean): object {
    this.#gc({ type: "minor" });
    this.#sinceMinor = 0;
    let handle = this.#take(nbytes, 0);
    if (handle) return handle;
    const peak = Math.max(...this.#trueLive);
    let { live } = this.stats();
    if (live + nbytes > peak + Math.max(SLACK / 2, peak / 8)) {
      // Of what lasts twice as much may come before it is looked through again.
      if (!lasting || live + nbytes > 2 * this.#collected + SLACK) {
        this.#gc();
        this.#collected = live = this.stats().live;
      }
      this.#trueLive.push(live + nbytes);
      if (this.#trueLive.length > 8) this.#trueLive.shift();
      this.#setCeiling();
    }
    if (this.#fits(nbytes) && (handle = this.#take(nbytes, this.#ceiling))) return handle;
    // Blocks of other sizes lie idle: the system gets them back before it is asked for more.
    this.#makeRoom(nbytes);
    if (this.#fits(nbytes) && (handle = this.#take(nbytes, this.#ceiling))) return handle;
    this.#gc();
    this.trim(0);
    if (this.#fits(nbytes) && (handle = this.#take(nbytes, this.#limit))) return handle;
    throw outOfMemory("cpu", nbytes, this.stats(), this.#limit, HINT);
  }

  // The reserve is the true peak and some more: how much depends on how many sizes there are. When blocks go back to the
  // system only to be asked for again, which costs page faults, it grows, to twice the peak at most.
  #setCeiling(): void {
    const peak = Math.max(...this.#trueLive);
    this.#ceiling = Math.min(this.#limit, peak + Math.max(SLACK, peak * this.#share));
  }
  #makeRoom(nbytes: number): void {
    const { live, cached } = this.stats();
    const keep = (): number => Math.max(0, this.#ceiling - live - 2 * nbytes);
    this.#returned += Math.max(0, cached - keep());
    if (this.#returned > 0.05 * this.#handedOut && this.#share < 1) {
      this.#share *= 1.5;
      this.#returned = this.#handedOut = 0;
      this.#setCeiling();
    }
    this.trim(keep());
  }

  // What the system cannot give is refused before it is touched: it might end the process instead of the request.
  #fits(nbytes: number): boolean {
    return nbytes <= this.#limit && (nbytes < LARGE || nbytes <= freeMemory());
  }
  get limit(): number {
    return this.#limit;
  }
  set limit(bytes: number) {
    this.#limit = bytes;
    this.#ceiling = Math.min(this.#ceiling, bytes);
    this.trim(Math.max(0, bytes - this.stats().live));
  }

  /** Looks for dead tensors if many were made since the last time. */
  settle(): void {
    if (this.#sinceMinor < BUDGET) return;
    this.#gc({ type: "minor" });
    this.#sinceMinor = 0;
  }
  /** Takes a handle's reference back before the collector does. */
  giveBack(handle: object, nbytes: number): void {
    this.#addon.dispose(handle);
    if (this.#ring[0] === 1) this.#sinceMinor -= nbytes;
  }

  /** Uninitialised memory for a tensor. */
  alloc(device: Device, nbytes: number, lasting = false): NativeStorage {
    if (nbytes <= SMALL && !this.#addon.guarded) {
      const size = nbytes < 64 ? 64 : (nbytes + 63) & ~63;
      if (this.#slabPtr + size > this.#slabEnd) {
        this.#slab = this.#block(SLAB, false);
        this.#slabBlock = this.#ring[0]!;
        this.#slabPtr = this.#ring[1]!;
        this.#slabEnd = this.#slabPtr + SLAB;
      }
      const ptr = this.#slabPtr;
      this.#slabPtr += size;
      return new NativeStorage(device, nbytes, ptr, this.#slabBlock, this.#slab!, this, "slot");
    }
    if (!(nbytes <= this.#limit)) throw outOfMemory("cpu", nbytes, this.stats(), this.#limit, "Check the sizes");
    const handle = this.#block(nbytes, lasting);
    return new NativeStorage(device, nbytes, this.#ring[1]!, this.#ring[0]!, handle, this, "block");
  }

  /** A second handle on a block. */
  rehandle(block: number): object {
    this.#ring[0] = block;
    return this.#addon.rehandle();
  }
  /** Counts a graph node's reference; returns its slot. */
  claim(block: number): number {
    if (this.#holderNext === HOLDER_SLOTS) {
      this.holder = this.#addon.holder() ?? this.#outOfHolders();
      this.#holderId = this.#ring[0]!;
      this.#holderNext = 0;
    }
    const slot = this.#holderId * HOLDER_SLOTS + this.#holderNext++;
    this.#slots.upTo(slot)[slot] = block;
    this.#refs.upTo(block)[block]!++;
    return slot;
  }
  #outOfHolders(): object {
    this.#gc();
    const holder = this.#addon.holder();
    if (!holder)
      throw new OutOfMemoryError({
        message: "more than four million tensors are saved for backward",
        hint: "Run backward, or compute inside noGrad",
      });
    return holder;
  }
  /** Gives a graph node's reference back. */
  unclaim(slot: number, block: number): void {
    this.#slots.shown[slot] = 0;
    if (--this.#refs.shown[block]! === 0) {
      this.#ring[0] = block;
      this.#addon.release();
    }
  }
  /** Lets the system have cached blocks beyond `keep` bytes. */
  trim(keep: number): void {
    this.#ring[0] = keep;
    this.#addon.trim();
  }
  /** Runs a full collection. */
  collect(): void {
    this.#gc();
    this.#sinceMinor = 0;
  }
  emptyCache(): void {
    this.collect();
    this.trim(0);
  }
  stats(): MemoryStats {
    this.#addon.stats();
    const r = this.#ring;
    return { live: r[0]!, cached: r[1]!, peak: r[2]!, blocks: r[3]!, mapped: r[4]! };
  }
  /** Reads a part of an open file into native memory, which the caller keeps; gives how many bytes were there, undefined where that cannot be. */
  readFile(fd: number, offset: number, address: number, nbytes: number): Promise<number> | undefined {
    this.#ring[0] = fd;
    this.#ring[1] = offset;
    this.#ring[2] = address;
    this.#ring[3] = nbytes;
    return this.#addon.readFile();
  }
  /** The CRC-32 of native memory. */
  checksum(address: number, nbytes: number): number {
    this.#ring[0] = address;
    this.#ring[1] = nbytes;
    this.#addon.checksum();
    return this.#ring[0];
  }
  /** The most that was ever live begins anew with what is live now. */
  resetPeak(): void {
    this.#addon.resetPeak();
  }
  /** Copies between a host array and native memory. @throws FormatError where that is a mapped file's and lost */
  transfer(ptr: number, array: Uint8Array, toNative: boolean): void {
    this.#ring[0] = ptr;
    this.#ring[1] = array.byteLength;
    this.#addon.transfer(array, toNative);
    if (this.#ring[0] !== 0) throw this.files.lossError();
  }
}
