// The native CPU backend: the addon's memory and the drivers over it.
import type { FileMapping } from "../../core/device.ts";
import type { DType } from "../../core/dtype.ts";
import type { Storage } from "../../core/storage.ts";
import type { Backend } from "../../kernel/backend.ts";
import type { KernelSpec, Operand } from "../../kernel/spec.ts";
import { Drivers } from "./drivers.ts";
import { NativeMemory } from "./memory.ts";
import { type Addon, NativeHost } from "./native.ts";
import type { NativeStorage } from "./storage.ts";
import { followThreads, type Threaded } from "./threads.ts";

/** The native CPU. */
export class CpuBackend implements Backend, Threaded {
  readonly name: string = "cpu";
  /** The allocator, for `memory` statistics and tests. */
  readonly memory: NativeMemory;
  readonly #drivers: Drivers;
  #threads = 1;

  constructor(addon: Addon) {
    this.memory = new NativeMemory(addon);
    this.#drivers = new Drivers(new NativeHost(addon, () => this.memory.files.lossError()));
    followThreads(this);
  }
  get numThreads(): number {
    return this.#threads;
  }
  setNumThreads(n: number): void {
    this.#drivers.setNumThreads((this.#threads = n));
  }
  supports(): boolean {
    return true;
  }
  has(spec: KernelSpec, dtype: DType): boolean {
    return this.#drivers.has(spec, dtype);
  }
  alloc(nbytes: number, lasting?: boolean): Storage {
    return this.memory.alloc(this, nbytes, lasting);
  }
  write(s: Storage, byteOffset: number, src: Uint8Array): void {
    this.memory.transfer((s as NativeStorage).address + byteOffset, src, true);
  }
  readSync(s: Storage, byteOffset: number, dst: Uint8Array): void {
    this.memory.transfer((s as NativeStorage).address + byteOffset, dst, false);
  }
  mapFile(file: { fd: number; name: string }, begin: number, nbytes: number): FileMapping | undefined {
    return this.memory.files.map(this, file, begin, nbytes);
  }
  readFile(file: { fd: number }, offset: number, into: Storage, at: number, nbytes: number): Promise<number> | undefined {
    const s = into as NativeStorage;
    // The system would fail to write to a page of a mapped file that is gone, where we get a signal.
    return s.kind === "mapped" ? undefined : this.memory.readFile(file.fd, offset, s.address + at, nbytes);
  }
  checksum(s: Storage, at: number, nbytes: number): number {
    return this.memory.checksum((s as NativeStorage).address + at, nbytes);
  }
  async read(s: Storage, byteOffset: number, dst: Uint8Array): Promise<void> {
    this.readSync(s, byteOffset, dst);
  }
  settle(): void {
    this.memory.settle();
  }
  run(spec: KernelSpec, outs: readonly Operand[], ins: readonly Operand[], params: readonly number[]): void {
    this.#drivers.run(spec, outs, ins, params);
  }
}
