// Storages in native memory, and the claims of graph nodes on them.
import type { Device } from "../../core/device.ts";
import { DisposedError } from "../../core/errors.ts";
import { type Retained, Storage, type Version } from "../../core/storage.ts";
import type { NativeMemory } from "./memory.ts";

const DISPOSED = "Dispose tensors after their last use, or leave them to the collector";

/** A storage in native memory: an address, the block's number, and the handle that keeps it. */
export class NativeStorage extends Storage {
  /** 0 once it was freed by hand. */
  ptr: number;
  readonly blockId: number;
  readonly handle: object;
  readonly memory: NativeMemory;
  /** Does it have its block for itself, or a slot of a slab, or a part of a mapped file (a handle of its own on the file's block)? */
  readonly kind: "block" | "slot" | "mapped";

  constructor(
    device: Device,
    nbytes: number,
    ptr: number,
    blockId: number,
    handle: object,
    memory: NativeMemory,
    kind: NativeStorage["kind"],
    version?: Version,
  ) {
    super(device, nbytes, version);
    this.ptr = ptr;
    this.blockId = blockId;
    this.handle = handle;
    this.memory = memory;
    this.kind = kind;
  }
  get block(): number {
    return this.ptr;
  }
  /** The address for a kernel. @throws DisposedError when the memory was given back. */
  get address(): number {
    if (this.ptr === 0) throw new DisposedError({ message: "memory that was given back is used", hint: DISPOSED });
    return this.ptr;
  }
  override get mapped(): boolean {
    return this.kind === "mapped";
  }
  override retain(): Retained {
    void this.address;
    return this.kind === "slot" ? super.retain() : new BlockClaim(this);
  }
  protected override free(): void {
    if (this.kind === "slot" || this.ptr === 0) return;
    this.ptr = 0;
    this.memory.giveBack(this.handle, this.nbytes);
  }
}

// A graph node's claim: a count on the block, booked in a holder that gives it back should the node be collected unreleased.
class BlockClaim implements Retained {
  readonly device: Device;
  readonly nbytes: number;
  readonly version: Version;
  readonly block: number;
  readonly mapped: boolean;
  readonly #blockId: number;
  readonly #memory: NativeMemory;
  readonly #holder: object | null;
  #slot: number;
  constructor(s: NativeStorage) {
    this.device = s.device;
    this.nbytes = s.nbytes;
    this.version = s.version;
    this.block = s.ptr;
    this.mapped = s.mapped;
    this.#blockId = s.blockId;
    this.#memory = s.memory;
    this.#slot = s.memory.claim(s.blockId);
    this.#holder = s.memory.holder;
  }
  restore(): Storage {
    const handle = this.#memory.rehandle(this.#blockId);
    const kind = this.mapped ? "mapped" : "block";
    return new NativeStorage(this.device, this.nbytes, this.block, this.#blockId, handle, this.#memory, kind, this.version);
  }
  release(): void {
    if (this.#slot < 0) return;
    void this.#holder;
    this.#memory.unclaim(this.#slot, this.#blockId);
    this.#slot = -1;
  }
}
