// Files mapped into native memory (native/map.h). A file is a block like others, and every tensor of it has a handle on that block:
// when the last is gone it is unmapped. A mapping costs no memory that the collector or the allocator would know of, so what
// is dead is looked for when mapped bytes have doubled since the last time.
import type { Device, FileMapping } from "../../core/device.ts";
import { FormatError } from "../../core/errors.ts";
import type { Collector } from "./collector.ts";
import type { NativeMemory } from "./memory.ts";
import type { Addon } from "./native.ts";
import { NativeStorage } from "./storage.ts";

const MB = 1 << 20;
/** What may be mapped before dead mappings are looked for; small files count as a megabyte. */
const SLACK = 256 * MB;

/** The mapped files of one JavaScript thread. */
export class MappedFiles {
  readonly #addon: Addon;
  readonly #ring: Float64Array;
  readonly #memory: NativeMemory;
  readonly #gc: Collector;
  /** Names by region, and where in the file it begins. Regions are numbered from 0 and used again. */
  readonly #names: { readonly name: string; readonly begin: number }[] = [];
  // What was alive after the last full collection.
  #alive = 0;

  constructor(addon: Addon, memory: NativeMemory, gc: Collector) {
    this.#addon = addon;
    this.#ring = new Float64Array(addon.ring);
    this.#memory = memory;
    this.#gc = gc;
  }

  #mapped(): number {
    this.#addon.stats();
    return this.#ring[4]! + this.#ring[5]! * MB;
  }
  #collect(more: number): void {
    const much = (): boolean => {
      const now = this.#mapped();
      return now > 0 && now + more > 2 * this.#alive + SLACK;
    };
    if (much()) this.#gc({ type: "minor" });
    if (!much()) return;
    this.#gc();
    this.#alive = this.#mapped();
  }

  /** Maps a part of a file; undefined where that cannot be. */
  map(device: Device, file: { readonly fd: number; readonly name: string }, begin: number, nbytes: number): FileMapping | undefined {
    this.#collect(nbytes);
    this.#ring[0] = file.fd;
    this.#ring[1] = begin;
    this.#ring[2] = nbytes;
    const handle = this.#addon.map();
    if (!handle) return undefined;
    const [block, address, region] = this.#ring as unknown as [number, number, number];
    this.#names[region] = { name: file.name, begin };
    const memory = this.#memory;
    return {
      storage: (at, n) => new NativeStorage(device, n, address + at - begin, block, memory.rehandle(block), memory, "mapped"),
      close: () => memory.giveBack(handle, nbytes),
    };
  }

  /** The error for a call that met pages that are gone; the ring says where. */
  lossError(): FormatError {
    const [, region, position] = this.#ring as unknown as [number, number, number];
    const file = this.#names[region];
    const offset = (file?.begin ?? 0) + position;
    return new FormatError({
      message: `${file?.name ?? "a file"}: at byte ${offset}: the file is shorter than when it was mapped into memory, or its disk cannot be read`,
      hint: "What was computed from it is wrong: load it again, with { mmap: false } if files are written over in place here",
      data: { file: file?.name, offset },
    });
  }
}
