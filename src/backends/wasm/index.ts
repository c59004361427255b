// The WebAssembly backend: the drivers of the CPU backend over linear memory. 128-bit SIMD, threads where memory can be shared,
// no compiler needed.
import type { DType } from "../../core/dtype.ts";
import type { Storage } from "../../core/storage.ts";
import type { Backend } from "../../kernel/backend.ts";
import type { KernelSpec } from "../../kernel/spec.ts";
import { weakCollector } from "../cpu/collector.ts";
import { totalMemory } from "../cpu/system.ts";
import { Drivers } from "../cpu/drivers.ts";
import { followThreads, type Threaded } from "../cpu/threads.ts";
import { WasmHost } from "./host.ts";
import { WasmMemory, type WasmStorage } from "./memory.ts";
import { loadKernels, type WasmKernels } from "./module.ts";

/** Makes the WebAssembly backend, under another name where it stands in for that device. */
export function makeWasm(name = "wasm", kernels: WasmKernels = loadKernels()): Backend & Threaded {
  const memory = new WasmMemory(kernels, weakCollector(), 0.9 * totalMemory());
  const drivers = new Drivers(new WasmHost(kernels, memory));
  let threads = 1;
  const backend = {
    name,
    memory,
    alloc: (nbytes: number): Storage => memory.alloc(backend, nbytes),
    write: (s: Storage, offset: number, src: Uint8Array): void => memory.write(s as WasmStorage, offset, src),
    readSync: (s: Storage, offset: number, dst: Uint8Array): void => memory.read(s as WasmStorage, offset, dst),
    read: async (s: Storage, offset: number, dst: Uint8Array): Promise<void> => memory.read(s as WasmStorage, offset, dst),
    supports: (): boolean => true,
    has: (spec: KernelSpec, dtype: DType): boolean => drivers.has(spec, dtype),
    run: drivers.run.bind(drivers),
    get numThreads(): number {
      return threads;
    },
    setNumThreads: (n: number): void => {
      if (kernels.shared) drivers.setNumThreads((threads = n));
    },
  } satisfies Backend & Threaded;
  followThreads(backend);
  return backend;
}
