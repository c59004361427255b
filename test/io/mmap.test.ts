// Mapped files: the same values as read ones from every container, private to the process, given back by the collector, and a file
// that shrinks costs an error, not the process.
import assert from "node:assert/strict";
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { scope } from "../../src/core/lifetime.ts";
import { FormatError } from "../../src/core/errors.ts";
import * as torch from "../../src/index.ts";
import { damage } from "./fuzz.ts";
import { valueBytes } from "./recorded.ts";

const { io, nn } = torch;
type Dict = Record<string, torch.Tensor>;
const folder = mkdtempSync(join(tmpdir(), "firebrand-mmap-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const MB = 1 << 20;
const mapped = (): number => torch.memory.stats("cpu").mapped ?? 0;
/** Bytes in mapped files that are alive. */
const alive = (): number => {
  torch.memory.emptyCache("cpu");
  return mapped();
};
const skip = torch.memory.stats("cpu").mapped === undefined || process.platform === "win32" ? "no files can be mapped here" : false;

const numbers = (...shape: number[]): torch.Tensor => torch.randn(shape);
const weights = (): Dict => ({
  weight: numbers(256, 1024),
  half: numbers(300, 500).to("float16"),
  brain: numbers(7, 11).to("bfloat16"),
  counts: torch.arange(100_000),
  flags: torch.arange(1001).remainder(2).to("bool"),
  empty: torch.zeros(0, 3),
  one: torch.tensor(2.5),
});
const same = (a: torch.Tensor, b: torch.Tensor, name: string): void => {
  assert.equal(a.dtype, b.dtype, name);
  assert.deepEqual(a.shape, b.shape, name);
  assert.equal(Buffer.compare(valueBytes(a), valueBytes(b)), 0, name);
};
type Loaded = torch.Tensor | Record<string, torch.Tensor | torch.io.QuantizedTensor>;
/** A single tensor by no name, quantised ones as their blocks. */
const plain = (x: Loaded): Dict =>
  torch.isTensor(x) ? { "": x } : Object.fromEntries(Object.entries(x).map(([k, v]) => [k, v instanceof io.QuantizedTensor ? v.bytes : v]));
/** Loads a file both ways, compares, and says how many bytes of it were mapped. */
async function both(path: string): Promise<number> {
  const read = await io.load<Loaded>(path, { mmap: false });
  const before = alive();
  const state = await io.load<Loaded>(path, { mmap: true });
  const [a, b] = [plain(state), plain(read)];
  assert.deepEqual(Object.keys(a), Object.keys(b));
  for (const [k, t] of Object.entries(a)) same(t, b[k]!, k);
  return mapped() - before;
}
const size = (path: string): number => readFileSync(path).length;

suite("mapped files", { skip }, () => {
  test("every container gives the values that reading gives", async () => {
    const at = (name: string): string => join(folder, name);
    await io.save(weights(), at("a.safetensors"));
    assert.ok((await both(at("a.safetensors"))) >= size(at("a.safetensors")));
    await io.save(weights(), at("sharded.safetensors"), { maxShardSize: 1.2 * MB });
    const index = readdirSync(folder).find((f) => /^sharded.*index\.json$/.test(f))!;
    assert.ok((await both(at(index))) >= 2 * MB);
    await io.save(weights(), at("a.pt"));
    assert.ok((await both(at("a.pt"))) >= 2 * MB);
    await io.saveNpy(numbers(300, 400), at("a.npy"));
    assert.ok((await both(at("a.npy"))) >= size(at("a.npy")));
    const { flags: _, one: __, ...ggml } = weights();
    const blocks = io.QuantizedTensor.quantize(numbers(64, 2048), "Q4_0");
    await io.saveGguf({ ...ggml, blocks }, at("a.gguf"));
    assert.ok((await both(at("a.gguf"))) >= size(at("a.gguf")));
    assert.deepEqual((await io.load<{ blocks: torch.io.QuantizedTensor }>(at("a.gguf"))).blocks.dequantize().shape, [64, 2048]);
  });
  test("what cannot be mapped is read: checksums, small files, other devices, bytes", async () => {
    const state = { a: numbers(300, 400), b: numbers(300, 400) };
    await io.save(state, join(folder, "a.npz"));
    assert.equal(await both(join(folder, "a.npz")), 0, "npz compares checksums");
    await io.save({ a: numbers(10) }, join(folder, "small.safetensors"));
    assert.equal(await both(join(folder, "small.safetensors")), 0);
    const path = join(folder, "kinds.safetensors");
    await io.save(state, path);
    const before = alive();
    for (const from of [readFileSync(path), new Blob([readFileSync(path)])])
      same((await io.load<Dict>(from, { mmap: true }))["a"]!, state.a, "bytes");
    for (const device of ["reference", "wasm"]) {
      const t = (await io.load<Dict>(path, { mmap: true, device }))["b"]!;
      assert.equal(t.device, device);
      same(t, state.b, device);
    }
    const pt = join(folder, "verified.pt");
    await io.save(state, pt);
    same((await io.load<Dict>(pt, { mmap: true, verify: true }))["a"]!, state.a, "verified");
    assert.equal(alive(), before);
    await assert.rejects(io.load(path, { mmap: 1 } as never), { name: "ArgumentError" });
    await assert.rejects(io.load(path, { into: new nn.Linear(2, 2), mmap: true } as never), { name: "ArgumentError" });
  });
  test("safetensors and GGUF are mapped unless one says no, others only if one says so", async () => {
    const t = numbers(300, 400);
    for (const [name, mmap] of [
      ["d.safetensors", true],
      ["d.gguf", true],
      ["d.pt", false],
      ["d.npy", false],
    ] as const) {
      const path = join(folder, name);
      if (name.endsWith("gguf")) await io.saveGguf({ t }, path);
      else if (name.endsWith("npy")) await io.saveNpy(t, path);
      else await io.save({ t }, path);
      for (const [options, is] of [
        [{}, mmap],
        [{ mmap: true }, true],
        [{ mmap: false }, false],
      ] as const) {
        const state = await io.load<Dict | torch.Tensor>(path, options);
        const file = await io.open(path);
        const own = await file.read([...file.tensors.keys()][0]!, options);
        await file.close();
        for (const x of [own, torch.isTensor(state) ? state : state["t"]!]) {
          same(x, t, name);
          assert.equal(x.storage.mapped, is, `${name} ${JSON.stringify(options)}`);
        }
      }
    }
    const path = join(folder, "d.safetensors");
    assert.equal((await io.loadSafetensors(path))["t"]!.storage.mapped, true);
    assert.equal((await io.loadSafetensors(path, { mmap: false }))["t"]!.storage.mapped, false);
  });
  test("a damaged file is refused as when it is read, or gives the same (FUZZ=N: N files)", { timeout: 3_600_000 }, async () => {
    const state = { w: numbers(200, 200), half: numbers(77).to("float16"), ids: torch.arange(1001) };
    const blocks = io.QuantizedTensor.quantize(numbers(16, 256), "Q4_K");
    const files = [io.safetensorsBytes(state), io.ggufBytes({ ...state, blocks })];
    assert.ok(
      files.every((f) => f.length > 150_000),
      "files that are mapped",
    );
    const paths = [join(folder, "damaged.safetensors"), join(folder, "damaged.gguf")];
    let refused = 0;
    let whole = 0;
    const runs = Number(process.env["FUZZ"] ?? 200);
    for (let seed = 1; seed <= runs; seed++) {
      const path = paths[seed % 2]!;
      writeFileSync(path, damage(files[seed % 2]!, seed));
      // What is mapped goes at the end of each turn: the next one writes over the file.
      await scope(async () => {
        const outcome = (mmap: boolean): Promise<Loaded | FormatError> =>
          io.load<Loaded>(path, { mmap }).catch((e: unknown) => {
            if (e instanceof FormatError) return e;
            throw new Error(`seed ${seed}, mmap ${mmap}`, { cause: e });
          });
        const [read, mapping] = [await outcome(false), await outcome(true)];
        if (read instanceof FormatError) assert.equal(String(mapping), String(read), `seed ${seed}`);
        else if (mapping instanceof FormatError) assert.fail(`seed ${seed}: ${mapping.message}`);
        else for (const [k, t] of Object.entries(plain(mapping))) same(t, plain(read)[k]!, `seed ${seed}, ${k}`);
        read instanceof FormatError ? refused++ : whole++;
      });
      unlinkSync(path);
    }
    assert.ok(refused > runs / 5 && whole > runs / 5, `${refused} refused, ${whole} not`);
  });
  test("a tensor that is not aligned for its type is read", async () => {
    // A header whose length is no multiple of four.
    const data = numbers(300, 400);
    const bytes = io.safetensorsBytes({ data });
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes.subarray(0, 8 + length));
    shifted[8 + length] = 0x20;
    shifted.set(bytes.subarray(8 + length), 9 + length);
    new DataView(shifted.buffer).setBigUint64(0, BigInt(length + 1), true);
    const path = join(folder, "odd.safetensors");
    writeFileSync(path, shifted);
    const t = (await io.load<Dict>(path, { mmap: true }))["data"]!;
    assert.equal(t.storage.mapped, false);
    same(t, data, "data");
  });
  test("writing stays private: the file, other loads and other reads do not change", async () => {
    for (const end of ["safetensors", "pt"]) {
      const path = join(folder, `private.${end}`);
      await io.save({ w: numbers(300, 400) }, path);
      const bytes = readFileSync(path);
      const file = await io.open(path);
      const [a, b] = [await file.read("w", { mmap: true }), await file.read("w", { mmap: true })];
      const c = (await io.load<Dict>(path, { mmap: true }))["w"]!;
      assert.ok(a.storage.mapped && c.storage.mapped);
      const old = b.clone();
      a.add_(1);
      c.zero_();
      same(b, old, end);
      same(a, old.add(1), end);
      assert.equal(c.abs().sum().itemSync(), 0);
      await file.close();
      assert.ok(bytes.equals(readFileSync(path)));
    }
  });
  test("training mapped weights gives what training read ones gives", async () => {
    const path = join(folder, "train.safetensors");
    await io.save({ w: numbers(256, 512) }, path);
    const x = numbers(8, 256);
    const train = async (mmap: boolean): Promise<torch.Tensor> => {
      const w = (await io.load<Dict>(path, { mmap }))["w"]!.requiresGrad_();
      assert.equal(w.storage.mapped, mmap);
      const optimizer = new torch.optim.AdamW([w], { lr: 0.01 });
      for (let i = 0; i < 3; i++) {
        optimizer.zeroGrad();
        x.matmul(w).square().mean().backward();
        optimizer.step();
      }
      return w.detach();
    };
    same(await train(true), await train(false), "w");
  });
  test("a graph keeps a mapped weight that nobody else has", async () => {
    const path = join(folder, "graph.safetensors");
    await io.save({ w: torch.full([512, 512], 2, { dtype: "float32" }) }, path);
    const x = torch.ones(4, 512).requiresGrad_();
    const y = x.matmul((await io.load<Dict>(path))["w"]!);
    assert.ok(alive() > 0);
    y.sum().backward();
    assert.ok(torch.equal(x.grad!, torch.full([4, 512], 1024)));
  });
  test("tensors that share memory in the file share it here", async () => {
    const path = join(folder, "tied.pt");
    const w = numbers(300, 400);
    await io.save({ embedding: w, head: w, row: w.select(0, 7), turned: w.t() }, path);
    const s = await io.load<Dict>(path, { mmap: true });
    assert.ok(s["head"]!.storage.mapped);
    s["embedding"]!.fill_(3);
    for (const name of ["head", "row", "turned"]) assert.ok(s[name]!.eq(3).all().itemSync(), name);
  });
  test("a file that was removed, or replaced by save, stays what it was", async () => {
    const path = join(folder, "gone.safetensors");
    const first = { w: numbers(300, 400) };
    await io.save(first, path);
    const old = await io.load<Dict>(path);
    await io.save({ w: old["w"]!.add(1), more: numbers(4) }, path);
    same(old["w"]!, first.w, "replaced");
    const next = await io.load<Dict>(path);
    same(next["w"]!, first.w.add(1), "new");
    unlinkSync(path);
    same(next["w"]!, first.w.add(1), "removed");
    await io.save(next, path); // and onto its own name
    same((await io.load<Dict>(path))["w"]!, first.w.add(1), "again");
  });
  test("a thousand loads leave neither mappings nor descriptors behind", { skip: process.platform !== "linux" }, async () => {
    const path = join(folder, "many.safetensors");
    await io.save({ w: numbers(256, 1024), b: numbers(5) }, path);
    const lines = (): number => readFileSync("/proc/self/maps", "latin1").split("many.safetensors").length - 1;
    const files = (): number => readdirSync("/proc/self/fd").length;
    await io.load(path);
    const held = alive();
    const before = files();
    let most = 0;
    for (let i = 0; i < 1000; i++) {
      const s = await io.load<Dict>(path);
      if (i % 50 === 0) assert.ok(s["w"]!.storage.mapped);
      most = Math.max(most, lines());
    }
    assert.ok(most < 300, `${most} mappings at a time`);
    assert.ok(files() <= before + 1, `${files()} descriptors, ${before} before`);
    assert.ok(alive() <= held, "all but what was held before");
  });
  test("scope gives a mapping back at once; limits and snapshots do not count it", async () => {
    const path = join(folder, "scope.safetensors");
    await io.save({ w: numbers(1024, 1024), v: numbers(1024) }, path);
    const before = alive();
    await scope(async () => {
      const s = await io.load<Dict>(path);
      assert.ok(mapped() >= before + 4 * MB);
      assert.equal(torch.memory.snapshot("cpu").filter((g) => g.what.includes("[1024, 1024]")).length, 0);
      return s["v"]!.sum().itemSync();
    });
    assert.equal(mapped(), before);
    const limit = torch.memory.limit("cpu");
    torch.memory.setLimit(torch.memory.stats("cpu").live + 2 * MB, "cpu");
    try {
      assert.ok((await io.load<Dict>(path))["w"]);
      await assert.rejects(io.load(path, { mmap: false }), { name: "OutOfMemoryError" });
    } finally {
      torch.memory.setLimit(limit, "cpu");
    }
  });
});

suite("mapped files that shrink", { skip: skip || (process.platform === "darwin" && "untried here") }, () => {
  const lost = (path: string) => (e: unknown) =>
    e instanceof FormatError && e.message.includes(path) && e.data["file"] === path && typeof e.data["offset"] === "number";
  const make = async (name: string): Promise<{ path: string; state: Dict }> => {
    const path = join(folder, name);
    await io.save({ a: torch.ones(1024, 1024), b: torch.ones(1024, 1024).mul(2), c: torch.ones(512, 1024) }, path);
    return { path, state: await io.load<Dict>(path, { mmap: true }) };
  };
  test("the op that meets the hole says so, and all else goes on", async () => {
    const { path, state } = await make("shrinks.safetensors");
    const other = await make("stays.safetensors");
    truncateSync(path, 3 * MB + 5);
    assert.throws(() => state["b"]!.sum(), lost(path));
    assert.throws(() => state["a"]!.matmul(state["a"]!), lost(path));
    assert.equal(other.state["b"]!.sum().itemSync(), 2 * MB);
    assert.equal(torch.ones(3).sum().itemSync(), 3);
    assert.throws(() => state["c"]!.add_(1), lost(path), "writing");
    for (let i = 0; i < 2; i++) assert.throws(() => state["b"]!.toArraySync(), lost(path), "again and again");
    assert.throws(() => state["b"]!.index(0, 0).itemSync(), lost(path));
    await assert.rejects(state["c"]!.data(), lost(path));
    await assert.rejects(io.save(state, join(folder, "never.safetensors")), lost(path));
  });
  test("reading back is enough to notice", async () => {
    for (const end of ["safetensors", "pt"]) {
      const { path, state } = await make(`back.${end}`);
      truncateSync(path, 0);
      await assert.rejects(state["c"]!.toArray(), lost(path));
    }
  });
  test("loading into mapped memory that is gone is an error of ours", async () => {
    const { path, state } = await make("into.safetensors");
    const good = join(folder, "good.safetensors");
    await io.save({ weight: torch.ones(1024, 1024) }, good);
    const m = new nn.Linear(1024, 1024, { bias: false });
    m.weight = new nn.Parameter(state["b"]!);
    truncateSync(path, 0);
    await assert.rejects(io.load(good, { into: m }), lost(path));
  });
  test("a file that changes between opening and mapping is refused", async () => {
    const path = join(folder, "changes.safetensors");
    await io.save({ w: numbers(300, 400) }, path);
    for (const change of [
      () => appendFileSync(path, "more"),
      () => truncateSync(path, 1000),
      () => utimesSync(path, new Date(0), new Date(0)),
    ]) {
      const copy = join(folder, "changes.copy");
      copyFileSync(path, copy);
      const file = await io.open(path);
      change();
      await assert.rejects(file.read("w"), lost(path));
      await file.close();
      copyFileSync(copy, path);
    }
  });
  test("what is no loss of a mapped file still ends the process, and handlers from before still get their due", async () => {
    const { run } = await import("./mmapChild.ts");
    const killed = run("kill");
    // A sanitizer (npm run sanitize) gets the signal and reports it in its own way.
    if (process.env["LD_PRELOAD"] === undefined) assert.equal(killed.signal, "SIGBUS");
    else assert.match(killed.stderr, /Sanitizer/);
    for (const scenario of ["two", "worker", "storm"]) {
      const { status, signal: by, stderr } = run(scenario);
      assert.equal(status, 0, `${scenario} ${by}: ${stderr}`);
    }
  });
});
