// Memory as everyone above a backend sees it: some bytes on a device, with a version that every write moves.
import type { Device } from "./device.ts";
import { noteSite, recording } from "./site.ts";

/** Shared by all storages over one block, so that a write through any of them is seen by all. */
export interface Version {
  value: number;
}

/** A claim on a storage's memory that does not keep its JavaScript object alive (see `Storage.retain`). */
export interface Retained {
  readonly device: Device;
  readonly nbytes: number;
  readonly version: Version;
  /** As of the storage. */
  readonly block: unknown;
  /** As of the storage; absent where that is false. */
  readonly mapped?: boolean;
  /** The memory as a storage again. Throws nothing; must not be called after `release`. */
  restore(): Storage;
  /** Gives the claim back; idempotent. */
  release(): void;
}

let count = 0;

/**
 * Bytes on a device. Tensors are windows on storages; views share one.
 * Nobody frees a storage: its memory goes back when the last object and the last claim on it are gone.
 */
export abstract class Storage {
  /** Creation order, to tell storages made during a backward pass from older ones. */
  readonly id: number = ++count;
  readonly device: Device;
  readonly nbytes: number;
  readonly version: Version;
  /** @internal Tensors and claims that were not given up by hand. Those that the collector took are still counted. */
  users = 0;

  constructor(device: Device, nbytes: number, version?: Version) {
    this.device = device;
    this.nbytes = nbytes;
    this.version = version ?? { value: 0 };
    if (recording && version === undefined) noteSite(this.version);
  }

  /** A token that is equal for two storages over the same memory. */
  abstract get block(): unknown;
  /** Is it a part of a file, that the system reads and takes back as it likes? */
  get mapped(): boolean {
    return false;
  }

  /**
   * A claim for a graph node. Backends that count references natively keep the memory without keeping this object,
   * so that it can die young; the default simply holds it.
   */
  retain(): Retained {
    return new StrongRetained(this);
  }
  /** @internal A user is gone for good; with the last one the memory goes back at once. */
  leave(): void {
    if (--this.users === 0) this.free();
  }
  /** Gives the memory back although the object lives on; using it afterwards throws. Idempotent. */
  protected free(): void {}
}

class StrongRetained implements Retained {
  readonly device: Device;
  readonly nbytes: number;
  readonly version: Version;
  readonly block: unknown;
  #storage: Storage | null;
  constructor(storage: Storage) {
    this.#storage = storage;
    this.device = storage.device;
    this.nbytes = storage.nbytes;
    this.version = storage.version;
    this.block = storage.block;
    storage.users++;
  }
  restore(): Storage {
    return this.#storage!;
  }
  release(): void {
    this.#storage?.leave();
    this.#storage = null;
  }
}

/** The id of the newest storage: later ones are greater. */
export const storageCount = (): number => count;
