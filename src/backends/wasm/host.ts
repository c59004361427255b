// Calls into the WebAssembly module: operands are brought into linear memory first, because that may move the ring.
import { type FirebrandError, OutOfMemoryError } from "../../core/errors.ts";
import type { Storage } from "../../core/storage.ts";
import type { Operand } from "../../kernel/spec.ts";
import { Host } from "../cpu/host.ts";
import type { WasmMemory, WasmStorage } from "./memory.ts";
import type { WasmKernels } from "./module.ts";

/** The host over linear memory. */
export class WasmHost extends Host {
  readonly #kernels: WasmKernels;
  readonly #memory: WasmMemory;
  #ring: Float64Array;

  constructor(kernels: WasmKernels, memory: WasmMemory) {
    super();
    this.#kernels = kernels;
    this.#memory = memory;
    this.#ring = this.#map();
  }
  #map(): Float64Array {
    return new Float64Array(this.#kernels.memory.buffer, this.#kernels.ring(), this.#kernels.ringLength());
  }
  get ring(): Float64Array {
    if (this.#ring.length === 0) this.#ring = this.#map();
    return this.#ring;
  }
  override hold(outs: readonly Operand[], ins: readonly Operand[]): void {
    super.hold(outs, ins);
    this.#memory.begin();
    for (const o of ins) this.#memory.admit(o.storage as WasmStorage);
    for (const o of outs) this.#memory.admit(o.storage as WasmStorage);
  }
  protected address(storage: Storage): number {
    return (storage as WasmStorage).place.ptr;
  }
  protected invoke(): void {
    try {
      this.#kernels.call();
    } catch (e) {
      // Kernels trap when their scratch memory cannot grow.
      this.#kernels.recover();
      throw trapped(e);
    }
  }
}

const trapped = (cause: unknown): FirebrandError =>
  new OutOfMemoryError({ message: `a WebAssembly kernel stopped: ${cause}`, hint: "Use smaller batches, or the native kernels", cause });
