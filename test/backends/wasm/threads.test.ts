// Threads of the WebAssembly backend: the same results with any number of them, none where there cannot be any, and no job that
// waits for a thread that is not there.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import type { Threaded } from "../../../src/backends/cpu/threads.ts";
import { makeWasm } from "../../../src/backends/wasm/index.ts";
import { loadKernels } from "../../../src/backends/wasm/module.ts";
import { type DType, itemSize, rawArray } from "../../../src/core/dtype.ts";
import { OutOfMemoryError } from "../../../src/core/errors.ts";
import { denseLayout } from "../../../src/core/layout.ts";
import type { Backend } from "../../../src/kernel/backend.ts";
import type { Operand } from "../../../src/kernel/spec.ts";

type Wasm = Backend & Threaded;
const PRODUCT = { kind: "matmul", accumulate: false, bias: false } as const;

function operand(backend: Backend, dtype: DType, shape: readonly number[], value?: (i: number) => number): Operand {
  const layout = denseLayout(shape);
  const bytes = new Uint8Array(layout.numel * itemSize(dtype));
  const storage = backend.alloc(bytes.length);
  if (value) {
    const values = rawArray(dtype, bytes.buffer) as Float32Array;
    for (let i = 0; i < layout.numel; i++) values[i] = value(i);
    backend.write(storage, 0, bytes);
  }
  return { storage, layout, dtype };
}
function read(backend: Backend, o: Operand): Float32Array {
  const bytes = new Uint8Array(o.layout.numel * itemSize(o.dtype));
  backend.readSync(o.storage, 0, bytes);
  return new Float32Array(bytes.buffer);
}
/** A product large enough for threads, in fresh memory every time. */
function product(backend: Backend, n = 192): Float32Array {
  const a = operand(backend, "float32", [1, n, n], (i) => Math.sin(i));
  const b = operand(backend, "float32", [1, n, n], (i) => Math.cos(i));
  const c = operand(backend, "float32", [1, n, n]);
  backend.run(PRODUCT, [c], [a, b], []);
  return read(backend, c);
}
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
function near(got: Float32Array, want: Float32Array): void {
  got.forEach((x, i) => assert.ok(Math.abs(x - want[i]!) <= 1e-4, `${x} at ${i}, want ${want[i]}`));
}

const one = makeWasm("wasm");
one.setNumThreads(1);
const want = product(one);

test("any number of threads gives the same product, while memory grows", async () => {
  const backend: Wasm = makeWasm("wasm");
  for (const n of [2, 4, 1, 3]) {
    backend.setNumThreads(n);
    assert.equal(backend.numThreads, n);
    near(product(backend), want);
    await pause(200); // the threads have come up
    for (let i = 0; i < 40; i++) near(product(backend), want);
  }
});

test("plain memory: one thread", () => {
  const backend: Wasm = makeWasm("wasm", loadKernels(false));
  backend.setNumThreads(4);
  assert.equal(backend.numThreads, 1);
  assert.deepEqual(product(backend), want);
});

test("workers that do not start", () => {
  const Failing = class {
    constructor() {
      throw new Error("no workers here");
    }
  };
  const Silent = class {
    postMessage(): void {}
  };
  for (const Worker of [Failing, Silent]) {
    Object.assign(globalThis, { Worker });
    try {
      const backend: Wasm = makeWasm("wasm");
      backend.setNumThreads(4);
      near(product(backend), want);
    } finally {
      Reflect.deleteProperty(globalThis, "Worker");
    }
  }
});

test("a kernel that runs out of memory in any thread is an error, and the next call works", async () => {
  const kernels = loadKernels();
  const backend: Wasm = makeWasm("wasm", kernels);
  backend.setNumThreads(3);
  product(backend);
  await pause(300);
  // Integers are multiplied row by row, with scratch memory in every thread.
  const [m, k] = [64, 20_000];
  const a = operand(backend, "int64", [1, m, k]);
  const b = operand(backend, "int64", [1, k, 1]);
  const c = operand(backend, "int64", [1, m, 1]);
  backend.run(PRODUCT, [c], [a, b], []);
  const taken: number[] = [];
  for (let size = 2 ** 31; size >= 65_536; ) {
    const at = kernels.alloc(size);
    if (at === 0) size /= 2;
    else taken.push(at);
  }
  for (let i = 0; i < 50; i++) assert.throws(() => backend.run(PRODUCT, [c], [a, b], []), OutOfMemoryError);
  taken.forEach(kernels.release);
  backend.run(PRODUCT, [c], [a, b], []);
  near(product(backend), want);
});

test("threads do not keep a process alive, asleep or awake", () => {
  for (const wait of [0, 500]) {
    const code = `import * as torch from "firebrand";
      torch.setNumThreads(2);
      const x = torch.ones(512, 512);
      const sum = () => x.matmul(x).sum().itemSync();
      sum();
      setTimeout(() => console.log(sum()), ${wait});`;
    const out = spawnSync(process.execPath, ["--conditions=firebrand-source", "--input-type=module", "-e", code], {
      encoding: "utf8",
      timeout: 30_000,
      env: { ...process.env, FIREBRAND_KERNELS: "wasm" },
    });
    assert.equal(out.stdout.trim(), String(512 ** 3), out.stderr);
    assert.equal(out.status, 0);
  }
});
