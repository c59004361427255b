// Scenarios of test/io/mmap.test.ts that need a process of their own: `node mmapChild.js SCENARIO`.
import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMainThread, Worker, workerData } from "node:worker_threads";

/** Runs a scenario. */
export const run = (scenario: string): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, [import.meta.filename, scenario], { encoding: "utf8", timeout: 60_000, cwd: tmpdir() });

const MB = 1 << 20;
type Cpu = import("../../src/backends/cpu/index.ts").CpuBackend;
/** A backend over a copy of the addon, which has handlers and tables of its own. */
async function backend(folder: string, name: string): Promise<Cpu> {
  const { CpuBackend } = await import("../../src/backends/cpu/index.ts");
  const { loadAddon, packageRoot } = await import("../../src/backends/cpu/native.ts");
  const { createRequire } = await import("node:module");
  const { readdirSync, statSync } = await import("node:fs");
  if ("reason" in loadAddon()) throw new Error("no addon");
  const built = join(packageRoot(), "build", "native");
  const newest = (process.env["FIREBRAND_ADDON"] ? [process.env["FIREBRAND_ADDON"]] : readdirSync(built).map((f) => join(built, f)))
    .filter((f) => f.endsWith(".node"))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0]!;
  const copy = join(folder, name);
  copyFileSync(newest, copy);
  return new CpuBackend(createRequire(import.meta.url)(copy));
}
/** A mapped file of ones that is then emptied. */
function emptied(cpu: Cpu, path: string): () => void {
  writeFileSync(path, new Uint8Array(MB).fill(1));
  const mapping = cpu.mapFile({ fd: openSync(path, "r"), name: path }, 0, MB)!;
  const storage = mapping.storage(0, MB);
  truncateSync(path, 0);
  return () => assert.throws(() => cpu.readSync(storage, 0, new Uint8Array(MB)), { name: "FormatError" });
}

const SCENARIOS: Record<string, (folder: string) => Promise<void>> = {
  // A signal that somebody sends is not ours to keep.
  kill: async (folder) => {
    emptied(await backend(folder, "a.node"), join(folder, "a"))();
    process.kill(process.pid, "SIGBUS");
    await new Promise((done) => setTimeout(done, 1000));
  },
  // Two handlers, one on top of the other: each takes what is its own.
  two: async (folder) => {
    const [a, b] = [await backend(folder, "a.node"), await backend(folder, "b.node")];
    const checks = [emptied(a, join(folder, "a")), emptied(b, join(folder, "b"))];
    for (const check of checks) check();
  },
  // Another JavaScript thread has losses of its own, and the handler outlives it.
  worker: async (folder) => {
    const cpu = await backend(folder, "a.node");
    const check = emptied(cpu, join(folder, "a"));
    const worker = new Worker(import.meta.filename, { workerData: { folder }, argv: ["thread"] });
    const code = await new Promise((done, fail) => worker.on("exit", done).on("error", fail));
    assert.equal(code, 0);
    cpu.readSync(cpu.alloc(64), 0, new Uint8Array(64)); // what the other thread lost does not count here
    check();
  },
  // A file that another thread cuts and writes anew all the time: no error but ours, and no end of the process.
  storm: async (folder) => {
    const torch = await import("../../src/index.ts");
    const path = join(folder, "storm.safetensors");
    await torch.save({ w: torch.ones(1024, 1024) }, path);
    const worker = new Worker(import.meta.filename, { workerData: { folder }, argv: ["cutter"] });
    const cutting = new Promise((done) => worker.on("exit", done));
    let over = false;
    void cutting.then(() => (over = true));
    const seen = { good: 0, refused: 0, lost: 0 };
    while (!over) {
      let loaded = false;
      try {
        const { w } = await torch.load<{ w: import("../../src/index.ts").Tensor }>(path, { mmap: true });
        loaded = true;
        for (let i = 0; i < 3; i++) w!.add_(1);
        w!.matmul(w!);
        seen.good++;
      } catch (e) {
        if (!(e instanceof torch.FormatError)) throw e;
        seen[loaded ? "lost" : "refused"]++;
      }
      await new Promise(setImmediate);
    }
    assert.ok(seen.good + seen.lost > 0, JSON.stringify(seen));
  },
  cutter: async (folder) => {
    const path = join(folder, "storm.safetensors");
    const bytes = readFileSync(path);
    for (const end = Date.now() + 1000; Date.now() < end; ) {
      writeFileSync(path, bytes);
      await new Promise((done) => setTimeout(done, 12 * Math.random()));
      truncateSync(path, Math.floor(bytes.length * Math.random()));
    }
  },
  thread: async (folder) => {
    emptied(await backend(folder, "a2.node"), join(folder, "b"))();
    const { loadAddon } = await import("../../src/backends/cpu/native.ts");
    const { CpuBackend } = await import("../../src/backends/cpu/index.ts");
    const loaded = loadAddon();
    if ("addon" in loaded) emptied(new CpuBackend(loaded.addon), join(folder, "c"))();
  },
};

const scenario = process.argv[2];
if (import.meta.filename === process.argv[1] || !isMainThread) {
  const folder = (workerData as { folder?: string } | null)?.folder ?? mkdtempSync(join(tmpdir(), "firebrand-mmap-"));
  try {
    await SCENARIOS[scenario!]!(folder);
  } finally {
    if (isMainThread) rmSync(folder, { recursive: true, force: true });
  }
}
