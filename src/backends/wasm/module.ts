// The WebAssembly build of native/: found beside the sources, instantiated once.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../cpu/native.ts";

// The parts used of the engine's WebAssembly, whose types come only with a browser's.
interface Engine {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: unknown };
}
const engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;

/** What native/wasm.cc exports. Addresses are byte offsets in `memory`. */
export interface WasmKernels {
  readonly memory: { readonly buffer: ArrayBuffer };
  _initialize(): void;
  ring(): number;
  ringLength(): number;
  call(): void;
  /** 0 when memory is out. */
  alloc(bytes: number): number;
  release(address: number): void;
}

/** Compiles and starts the module. @throws Error when the file is missing or the engine lacks 128-bit SIMD. */
export function loadKernels(): WasmKernels {
  const module = new engine.Module(readFileSync(join(packageRoot(), "native", "prebuilt", "kernels.wasm")));
  const kernels = new engine.Instance(module, {}).exports as WasmKernels;
  kernels._initialize();
  return kernels;
}
