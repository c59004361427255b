// Who frees what: blocks come back inside synchronous loops, claims hold memory, and nothing alive is ever handed out again.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { OutOfMemoryError } from "../../../src/core/errors.ts";
import { cpu, get, put, skip } from "./harness.ts";

const MB = 1 << 20;
const child = fileURLToPath(new URL(`./child${import.meta.url.slice(-3)}`, import.meta.url));
interface Outcome {
  wrong: number;
  peakMB: number;
  liveMB: number;
  cachedMB: number;
}
function run(scenario: string, steps = 1): Outcome {
  const out = spawnSync(process.execPath, [child, scenario, String(steps)], { encoding: "utf8", timeout: 120_000 });
  assert.equal(out.status, 0, `${scenario}: ${out.signal ?? ""} ${out.stderr.slice(0, 500)}`);
  return JSON.parse(out.stdout) as Outcome;
}
const live = (): number => {
  cpu.memory.collect();
  cpu.memory.collect();
  return cpu.memory.stats().live;
};

suite("memory of the native CPU", { skip }, () => {
  test("collections give blocks back at once", () => {
    assert.ok(cpu.memory.synchronous);
    const before = live();
    (() => {
      for (let i = 0; i < 10; i++) cpu.alloc(MB);
    })();
    assert.ok(live() - before < MB);
  });
  // 64 tensors of 8 MB a step without an await: what is dropped must be reused, not piled up.
  test("a chain of dropped tensors runs in a fraction of its size", () => {
    const { wrong, peakMB } = run("chain", 20);
    assert.equal(wrong, 0);
    assert.ok(peakMB < 200, `${peakMB} MB`);
  });
  test("tensors held for a step need at most twice their size", () => {
    const { wrong, peakMB } = run("keep", 8);
    assert.equal(wrong, 0);
    assert.ok(peakMB < 1100, `${peakMB} MB`);
  });
  test("a graph's claims cost what they hold, and are given back by release", () => {
    const { wrong, peakMB } = run("save", 8);
    assert.equal(wrong, 0);
    assert.ok(peakMB < 750, `${peakMB} MB`);
  });
  test("claims of graphs that nobody ran backward are given back", () => {
    const { peakMB } = run("abandon", 8);
    assert.ok(peakMB < 1400, `${peakMB} MB`);
  });
  test("what is alive keeps its contents whatever is collected around it", () => {
    assert.equal(run("fuzz", 40).wrong, 0);
  });

  test("a claim alone keeps the memory and its version; release is idempotent", () => {
    const before = live();
    const claim = (() => {
      const t = put(new Float32Array(MB).fill(7));
      t.storage.version.value = 5;
      return t.storage.retain();
    })();
    assert.ok(live() - before >= 4 * MB, "held by the claim");
    const again = (() => {
      const s = claim.restore();
      assert.equal(s.version.value, 5);
      const other = claim.restore();
      assert.equal(other.block, s.block);
      assert.equal(other.version, s.version);
      return get({ storage: s, dtype: "float32", layout: { shape: [3], strides: [1], offset: MB - 3, numel: 3, contiguous: true } });
    })();
    assert.deepEqual(again, [7, 7, 7]);
    claim.release();
    claim.release();
    assert.ok(live() - before < MB, "given back");
  });
  test("a restored storage outlives its claim", () => {
    const restored = (() => {
      const claim = put(new Float32Array(MB).fill(3)).storage.retain();
      const s = claim.restore();
      claim.release();
      return s;
    })();
    live();
    put(new Float32Array(MB).fill(4));
    assert.deepEqual(
      get({ storage: restored, dtype: "float32", layout: { shape: [2], strides: [1], offset: 0, numel: 2, contiguous: true } }),
      [3, 3],
    );
  });
  test("small tensors share slabs and never overlap", () => {
    const all = Array.from({ length: 2000 }, (_, i) => put(new Array(1 + (i % 128)).fill(i)));
    live();
    all.forEach((t, i) => {
      if (get(t).some((v) => v !== i)) assert.fail(`tensor ${i}`);
    });
    const sorted = all.map((t) => t.storage.block as number).sort((a, b) => a - b);
    assert.equal(new Set(sorted).size, all.length);
    assert.ok(
      sorted.every((p) => p % 64 === 0),
      "aligned",
    );
  });
  test("blocks of every size are aligned and large enough", () => {
    for (const n of [513, 640, 1000, 4096, 5000, 65_537, MB - 1, MB, MB + 1, 3 * MB, 7 * MB + 5]) {
      const bytes = new Uint8Array(n).fill(n % 251);
      const a = cpu.alloc(n);
      const b = cpu.alloc(n);
      cpu.write(a, 0, bytes);
      cpu.write(b, 0, new Uint8Array(n));
      const back = new Uint8Array(n);
      cpu.readSync(a, 0, back);
      assert.deepEqual(Buffer.compare(back, bytes), 0, `${n}`);
      assert.equal((a.block as number) % 64, 0);
    }
  });
  test("a request that cannot be met says how much was asked for, and the next one works", () => {
    assert.throws(
      () => cpu.alloc(2 ** 46),
      (e) => e instanceof OutOfMemoryError && /64\.0 TB asked for/.test(e.message),
    );
    assert.throws(() => cpu.alloc(2 ** 60), OutOfMemoryError);
    assert.deepEqual(get(put([1, 2])), [1, 2]);
  });
});
