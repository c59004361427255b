// The WebAssembly build of native/ that suits the engine: found beside the sources, instantiated once, with its threads.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../cpu/native.ts";
import { startWorker } from "./worker.ts";

/** Linear memory, shared among threads where there can be any. */
interface Memory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  grow(pages: number): number;
}
// The parts used of the engine's WebAssembly, whose types come only with a browser's.
interface Engine {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: unknown };
  Memory: new (options: { initial: number; maximum: number; shared: boolean }) => Memory;
  validate(bytes: Uint8Array): boolean;
}
const engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;

/** What native/wasm.cc exports. Addresses are byte offsets in `memory`. */
interface Exports {
  readonly __stack_pointer: { value: number };
  readonly __tls_size: { readonly value: number };
  _initialize(): void;
  ring(): number;
  ringLength(): number;
  call(): void;
  /** 0 when memory is out. */
  alloc(bytes: number): number;
  release(address: number): void;
  abandonJob(): void;
}
/** The started module. */
export interface WasmKernels extends Exports {
  readonly memory: Memory;
  /** After a trap: waits for the threads that work for the call that is no more, and gives its stack back. */
  recover(): void;
  /** Can there be threads? */
  readonly shared: boolean;
}

/** Bytes of a thread's stack: that of the main thread has as many (tools/build-wasm.mjs). */
const STACK = 131_072;
const PAGES = { first: 16, most: 65_536 };

/**
 * Without SharedArrayBuffer (old engines, pages that are not cross-origin isolated) the same module runs on plain memory: the
 * byte that says "shared" in its one memory import is cleared. Atomic instructions are allowed there.
 */
function unshare(bytes: Uint8Array): void {
  const name = Uint8Array.from("\x03env\x06memory\x02\x03", (c) => c.charCodeAt(0));
  const at = bytes.findIndex((_, i) => name.every((b, k) => bytes[i + k] === b));
  bytes[at + name.length - 1] = 1;
}

/** As much address space as there is: phones give less than 4 GB. */
function makeMemory(shared: boolean): Memory {
  for (let maximum = PAGES.most; ; maximum /= 2) {
    try {
      return new engine.Memory({ initial: PAGES.first, maximum, shared });
    } catch (e) {
      if (maximum <= PAGES.first) throw e;
    }
  }
}

/** Can this engine fuse multiplication and addition? A module of one function says so: (a, b, c) → f32x4.relaxed_madd(a, b, c). */
function hasRelaxedSimd(): boolean {
  const probe = "0061736d0100000001080160037b7b7b017b030201000a0d010b00200020012002fd85020b";
  return engine.validate(Buffer.from(probe, "hex"));
}

/**
 * Compiles and starts the module.
 * @throws Error when the file is missing or the engine lacks 128-bit SIMD.
 */
export function loadKernels(shared: boolean = typeof SharedArrayBuffer !== "undefined"): WasmKernels {
  const folder = join(packageRoot(), "native");
  const bytes = readFileSync(join(folder, "prebuilt", hasRelaxedSimd() ? "kernels-relaxed.wasm" : "kernels.wasm"));
  if (!shared) unshare(bytes);
  const module = new engine.Module(bytes);
  const memory = makeMemory(shared);
  let workers = 0;
  const startWorkers = (count: number): void => {
    while (workers < count) {
      const tls = kernels.alloc(kernels.__tls_size.value + STACK);
      if (tls === 0) return;
      const stack = tls + ((kernels.__tls_size.value + STACK) & ~63);
      startWorker(pathToFileURL(join(folder, "worker.mjs")), { module, memory, slot: ++workers, stack, tls });
    }
  };
  const kernels = new engine.Instance(module, { env: { memory, startWorkers } }).exports as Exports;
  kernels._initialize();
  const stack = kernels.__stack_pointer.value;
  const recover = (): void => {
    kernels.abandonJob();
    kernels.__stack_pointer.value = stack;
  };
  return { ...kernels, memory, shared, recover };
}
