// The memory namespace, limits, and processes that must stay small without ever freeing by hand.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as torch from "../../src/index.ts";
import { memory, OutOfMemoryError, type Tensor, ValueError } from "../../src/index.ts";

const MB = 1 << 20;
const child = fileURLToPath(new URL(`./child${import.meta.url.slice(-3)}`, import.meta.url));
interface Outcome {
  readonly peak: number;
  readonly marks: readonly number[];
  readonly errors: readonly ({ name: string; message: string } | null)[];
  readonly error: { name: string; message: string } | null;
  readonly after: number;
  readonly most: number;
  readonly again: number;
  readonly live: number;
}
function run(scenario: string, device = "cpu", env: Record<string, string> = {}): Outcome {
  const out = spawnSync(process.execPath, [child, scenario, device], {
    encoding: "utf8",
    timeout: 240_000,
    env: { ...process.env, ...env },
  });
  assert.equal(out.status, 0, `${scenario} on ${device}: ${out.signal ?? ""} ${out.stderr.slice(0, 800)}`);
  return JSON.parse(out.stdout.trim().split("\n").at(-1)!) as Outcome;
}
const native = memory.stats("cpu").cached >= 0 && torch.deviceNames().includes("cpu") && process.env["FIREBRAND_KERNELS"] === undefined;

suite("memory.*", () => {
  for (const device of ["cpu", "wasm", "reference"]) {
    test(`stats on ${device}`, () => {
      memory.emptyCache(device);
      memory.resetPeak(device);
      const before = memory.stats(device);
      assert.equal(before.peak, before.live);
      const held = Array.from({ length: 4 }, () => torch.ones(MB / 4, { device }));
      const during = memory.stats(device);
      assert.ok(during.live - before.live >= 4 * MB && during.live - before.live < 5.5 * MB, `${during.live - before.live}`);
      assert.ok(during.blocks - before.blocks >= 4, `${during.blocks} blocks`);
      for (const t of held) t[Symbol.dispose]();
      const after = memory.stats(device);
      assert.ok(after.live - before.live < MB, `${after.live - before.live}`);
      assert.ok(after.peak >= during.live);
      memory.emptyCache(device);
      if (device === "cpu") assert.equal(memory.stats(device).cached, 0);
      memory.resetPeak(device);
      assert.ok(memory.stats(device).peak <= after.live);
    });
  }
  test("stats of the default device; meta has none; an unknown device throws", () => {
    const { mapped = 0, ...all } = memory.stats(); // the first only where files can be mapped
    assert.deepEqual(Object.keys(all), ["live", "cached", "peak", "blocks"]);
    assert.ok(mapped >= 0);
    torch.zeros(1e12, { device: "meta" });
    assert.deepEqual(memory.stats("meta"), { live: 0, cached: 0, peak: 0, blocks: 0 });
    assert.throws(() => memory.stats("abacus"), torch.DeviceError);
    assert.throws(() => memory.snapshot("abacus"), torch.DeviceError);
  });

  const find = (device: string, what: string): memory.SnapshotGroup | undefined => memory.snapshot(device).find((g) => g.what === what);
  for (const device of ["cpu", "wasm", "reference", "meta"]) {
    test(`a snapshot of ${device} groups by dtype and shape`, () => {
      const held = [1, 2, 3].map(() => torch.ones(7, 1000, { device }));
      let view: Tensor | null = held[0]!.view([-1]);
      const g = find(device, "float32 [7, 1000]")!;
      assert.deepEqual([g.count, g.bytes, g.device, g.site, g.stack], [3, 84_000, device, null, null]);
      held.length = 0;
      assert.equal(find(device, "float32 [7, 1000]")!.count, 1); // a view knows its base
      assert.equal(view.numel(), 7000);
      view = null;
      assert.equal(find(device, "float32 [7, 1000]"), undefined);
    });
  }
  test("what a graph keeps shows as such", () => {
    const w = torch.ones(11, 1000).requiresGrad_();
    const y = (() => w.mul(2).exp().sum())();
    assert.equal(find("cpu", "float32 [11, 1000], kept for backward")!.count, 1);
    y.backward();
    assert.equal(find("cpu", "float32 [11, 1000], kept for backward"), undefined);
    assert.equal(find("cpu", "float32 [11, 1000]")!.count, 2); // w and its gradient
  });
  test("groups come largest first", () => {
    const held = [torch.ones(13, 1000), torch.ones(13, 3000)];
    const bytes = memory.snapshot().map((g) => g.bytes);
    assert.deepEqual(
      bytes,
      bytes.toSorted((a, b) => b - a),
    );
    assert.equal(held.length, 2);
  });
  test("recorded creation sites", () => {
    assert.equal(memory.record(true), false);
    let held: Tensor[];
    function maker(n: number): Tensor {
      return torch.ones(n, 1000).add(1);
    }
    try {
      held = [maker(17), maker(17), maker(18)];
    } finally {
      assert.equal(memory.record(false), true);
    }
    const g = memory.snapshot("cpu").find((x) => x.site?.startsWith("maker"))!;
    assert.match(g.site!, /memory\.test\.[jt]s:\d+:\d+/);
    assert.ok(g.stack!.split("\n").length > 1);
    assert.deepEqual([g.count, g.bytes, g.what], [3, 52_000 * 4, "float32 [18, 1000] and others"]);
    held.length = 0;
    assert.equal(
      memory.snapshot("cpu").find((x) => x.site?.startsWith("maker")),
      undefined,
    );
  });
  test("a request beyond the limit says what holds the memory, and harms nothing", () => {
    const usual = memory.limit();
    const held = torch.ones(19, 100_000);
    memory.setLimit(memory.stats().live + 20 * MB);
    try {
      assert.throws(
        () => torch.zeros(MB, 8),
        (e) => {
          assert.ok(e instanceof OutOfMemoryError);
          assert.match(e.message, /^zeros: 32\.0 MB asked for on cpu; [\d.]+ MB of [\d.]+ MB are in use\. /);
          assert.match(e.message, /Most of the memory is held by:\n(.*\n)*.*7\.2 MB {2}1 x float32 \[19, 100000\]/);
          assert.match(e.message, /memory\.record\(true\)/);
          assert.equal(e.data["requested"], 32 * MB);
          return true;
        },
      );
      assert.equal(torch.zeros(MB, 2).sum().itemSync(), 0);
    } finally {
      memory.setLimit(usual);
    }
    assert.equal(held.numel(), 1_900_000);
    assert.equal(torch.zeros(MB, 8).numel(), 8 * MB);
  });
  test("limits must be positive", () => {
    for (const bad of [0, -1, Number.NaN]) assert.throws(() => memory.setLimit(bad), ValueError);
  });
});

suite("requests that cannot be met", () => {
  for (const device of ["cpu", "wasm", "reference"]) {
    test(`far too large on ${device}: a typed error at once`, () => {
      const { errors, after, peak } = run("huge", device);
      for (const e of errors) assert.equal(e?.name, "OutOfMemoryError", JSON.stringify(errors));
      assert.deepEqual(
        errors.map((e) => e!.message.split(":")[0]),
        ["zeros", "empty", "mul", "eye", "arange", "randn"],
      );
      assert.equal(after, 3);
      assert.ok(peak < 1500, `${peak} MB`);
    });
  }
  for (const device of ["cpu", "wasm"]) {
    test(`many that add up, on ${device}`, () => {
      const { error, most, again, live } = run("limit", device);
      assert.equal(error?.name, "OutOfMemoryError");
      assert.match(error!.message, /zeros: .*held by:\n.* x float32 \[2097152\]/s);
      assert.ok(most >= 18 && most <= 25, `${most} tensors of 8 MB in 200 MB`);
      assert.equal(again, 2 * MB);
      assert.ok(live <= 200, `${live} MB`);
    });
  }
  test("creation sites in the error, turned on by the environment", () => {
    const { error } = run("limit", "cpu", { FIREBRAND_MEMORY_TRACE: "1" });
    assert.match(error!.message, /made by .*child\.[jt]s:\d+:\d+/);
  });
});

// Generous bounds: the runtime itself takes 70 to 120 MB, its young generation grows to 32 MB.
suite("synchronous loops that never free by hand", () => {
  const flat = ({ marks: [early, late] }: Outcome, slack: number): void =>
    assert.ok(late! <= early! + slack, `${early} MB, then ${late} MB`);
  const cases: [scenario: string, device: string, most: number, slack: number][] = [
    ["small", "cpu", 200, 50],
    ["large", "cpu", 400, 60],
    ["chain", "cpu", 220, 40],
    ["held", "cpu", 850, 200],
    ["graph", "cpu", 850, 120],
    ["scoped", "cpu", 350, 40],
    ["small", "wasm", 300, 80],
    ["chain", "wasm", 700, 100],
    ["held", "wasm", 1700, 400],
    ["scoped", "wasm", 700, 100],
  ];
  for (const [scenario, device, most, slack] of cases)
    test(`${scenario} on ${device}`, { skip: device === "cpu" && !native && "no native kernels" }, () => {
      const out = run(scenario, device);
      flat(out, slack);
      assert.ok(out.peak < most, `${out.peak} MB`);
    });
});
