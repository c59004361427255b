// Native memory without dispose. Every block has a count of references; a JavaScript handle is one reference, given back by
// a finalizer that runs inside the garbage collector. When the cache has no block and enough was handed out since the last
// collection, a minor collection (0.3 ms) is run to get blocks back, a full one only when live memory really grew.
import type { Device } from "../../core/device.ts";
import { OutOfMemoryError } from "../../core/errors.ts";
import { type Retained, Storage, type Version } from "../../core/storage.ts";
import { type Collector, collector } from "./collector.ts";
import type { Addon } from "./native.ts";

const MB = 1 << 20;
/**
 * Bytes handed out between collections: few enough to stay in the last cache level and to be collected young. Of the GPT of
 * examples/gpt a step takes as much time with 24 MB as with 64, and 250 MB instead of 880.
 */
const BUDGET = 24 * MB;
/** Tensors up to this size take slots in slabs that share one handle. */
const SMALL = 512;
const SLAB = 8192;
const HOLDER_SLOTS = 64;

/** A storage in native memory: an address, the block's number, and the handle that keeps it. */
export class NativeStorage extends Storage {
  readonly ptr: number;
  readonly blockId: number;
  readonly handle: object;
  readonly memory: NativeMemory;
  readonly small: boolean;

  constructor(
    device: Device,
    nbytes: number,
    ptr: number,
    blockId: number,
    handle: object,
    memory: NativeMemory,
    small: boolean,
    version?: Version,
  ) {
    super(device, nbytes, version);
    this.ptr = ptr;
    this.blockId = blockId;
    this.handle = handle;
    this.memory = memory;
    this.small = small;
  }
  get block(): number {
    return this.ptr;
  }
  override retain(): Retained {
    return this.small ? super.retain() : new BlockClaim(this);
  }
}

// A graph node's claim: a count on the block, booked in a holder that gives it back should the node be collected unreleased.
class BlockClaim implements Retained {
  readonly #device: Device;
  readonly #nbytes: number;
  readonly #ptr: number;
  readonly #block: number;
  readonly #version: Version;
  readonly #memory: NativeMemory;
  readonly #holder: object | null;
  #slot: number;
  constructor(s: NativeStorage) {
    this.#device = s.device;
    this.#nbytes = s.nbytes;
    this.#ptr = s.ptr;
    this.#block = s.blockId;
    this.#version = s.version;
    this.#memory = s.memory;
    this.#slot = s.memory.claim(s.blockId);
    this.#holder = s.memory.holder;
  }
  restore(): Storage {
    return new NativeStorage(
      this.#device,
      this.#nbytes,
      this.#ptr,
      this.#block,
      this.#memory.rehandle(this.#block),
      this.#memory,
      false,
      this.#version,
    );
  }
  release(): void {
    if (this.#slot < 0) return;
    void this.#holder;
    this.#memory.unclaim(this.#slot, this.#block);
    this.#slot = -1;
  }
}

/** The allocator of one JavaScript thread. */
export class NativeMemory {
  readonly #addon: Addon;
  readonly #ring: Float64Array;
  readonly #refs: Int32Array;
  readonly #slots: Int32Array;
  readonly #gc: Collector;
  /** Does a collection give blocks back at once? Tested at start. */
  readonly synchronous: boolean;
  #sinceMinor = 0;
  // What was really live after the last few full collections. Its maximum is the true peak of a loop: full collections are
  // asked for near peaks. More than a margin above it must be garbage that minor collections no longer see.
  readonly #trueLive: number[] = [0];
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
    this.#refs = new Int32Array(addon.refs);
    this.#slots = new Int32Array(addon.slots);
    this.#gc = collector();
    this.synchronous = this.#selfTest();
  }

  #selfTest(): boolean {
    const before = this.stats().live;
    (() => {
      for (let i = 0; i < 4; i++) this.#take(SLAB * 4, true);
    })();
    this.#gc({ type: "minor" });
    return this.stats().live <= before;
  }

  // The ring gets [block, address] when a handle comes back.
  #take(nbytes: number, fresh: boolean): object | undefined {
    this.#ring[0] = nbytes;
    this.#ring[1] = fresh ? 1 : 0;
    return this.#addon.alloc();
  }

  #block(nbytes: number): object {
    const fresh = this.#sinceMinor + nbytes < BUDGET;
    let handle = this.#take(nbytes, fresh);
    if (!handle) handle = this.#collectAndTake(nbytes);
    this.#sinceMinor += nbytes;
    return handle;
  }

  #collectAndTake(nbytes: number): object {
    this.#gc({ type: "minor" });
    this.#sinceMinor = 0;
    let handle = this.#take(nbytes, false);
    if (handle) return handle;
    const { live, cached } = this.stats();
    const peak = Math.max(...this.#trueLive);
    if (live + nbytes > peak + Math.max(BUDGET, peak * 0.15)) {
      this.#gc();
      this.#trueLive.push(this.stats().live);
      if (this.#trueLive.length > 8) this.#trueLive.shift();
      handle = this.#take(nbytes, false);
      if (handle) return handle;
    }
    // Blocks of other sizes lie idle: let the system have most of them before asking for more.
    if (cached > Math.max(BUDGET, live / 2)) this.trim(Math.max(BUDGET / 2, live / 4));
    handle = this.#take(nbytes, true);
    if (handle) return handle;
    this.#gc();
    this.trim(0);
    handle = this.#take(nbytes, true);
    if (handle) return handle;
    const now = this.stats();
    throw new OutOfMemoryError({
      message: `${(nbytes / MB).toFixed(1)} MB asked for, ${(now.live / MB).toFixed(1)} MB in use by live tensors`,
      hint: "Use smaller batches or shorter sequences, or drop references to large tensors",
      data: { requested: nbytes, live: now.live },
    });
  }

  /** Uninitialised memory for a tensor. */
  alloc(device: Device, nbytes: number): NativeStorage {
    if (nbytes <= SMALL && !this.#addon.guarded) {
      const size = nbytes < 64 ? 64 : (nbytes + 63) & ~63;
      if (this.#slabPtr + size > this.#slabEnd) {
        this.#slab = this.#block(SLAB);
        this.#slabBlock = this.#ring[0]!;
        this.#slabPtr = this.#ring[1]!;
        this.#slabEnd = this.#slabPtr + SLAB;
      }
      const ptr = this.#slabPtr;
      this.#slabPtr += size;
      return new NativeStorage(device, nbytes, ptr, this.#slabBlock, this.#slab!, this, true);
    }
    if (!(nbytes <= Number.MAX_SAFE_INTEGER)) throw new OutOfMemoryError({ message: `${nbytes} bytes asked for`, hint: "Check the sizes" });
    const handle = this.#block(nbytes);
    return new NativeStorage(device, nbytes, this.#ring[1]!, this.#ring[0]!, handle, this, false);
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
    this.#slots[slot] = block;
    this.#refs[block]!++;
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
    this.#slots[slot] = 0;
    if (--this.#refs[block]! === 0) {
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
  }
  /** Bytes in live blocks, in the cache, and the most that was ever live. */
  stats(): { live: number; cached: number; peak: number; blocks: number } {
    this.#addon.stats();
    return { live: this.#ring[0]!, cached: this.#ring[1]!, peak: this.#ring[2]!, blocks: this.#ring[3]! };
  }
  /** Native memory as a host array, until `close`; undefined where the engine has no such arrays. Whoever writes it keeps the storage alive. */
  view(ptr: number, nbytes: number): { bytes: Uint8Array; close(): void } | undefined {
    this.#ring[0] = ptr;
    this.#ring[1] = nbytes;
    const buffer = this.#addon.view();
    return buffer && { bytes: new Uint8Array(buffer), close: () => this.#addon.detach(buffer) };
  }
  /** Copies between a host array and native memory. */
  transfer(ptr: number, array: Uint8Array, toNative: boolean): void {
    this.#ring[0] = ptr;
    this.#ring[1] = array.byteLength;
    this.#addon.transfer(array, toNative);
  }
}
