// safetensors and checkpoints: round trips, real files, damage, atomic writes.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const { io } = torch;
const folder = mkdtempSync(join(tmpdir(), "firebrand-"));
const all = [
  "bool",
  "uint8",
  "int8",
  "int16",
  "int32",
  "int64",
  "float16",
  "bfloat16",
  "float32",
  "float64",
  "complex64",
  "complex128",
] as const;
const sample = (): Record<string, torch.Tensor> =>
  Object.fromEntries(
    all.map((d) => [
      d,
      torch
        .tensor(
          [
            [0, 1, 2],
            [3, 4, 5],
          ],
          { dtype: "float32" },
        )
        .t()
        .to(d),
    ]),
  );

test("every dtype comes back, metadata too", async () => {
  const path = join(folder, "all.safetensors");
  await io.saveSafetensors({ ...sample(), scalar: torch.tensor(2.5), empty: torch.zeros(0, 3) }, path, { metadata: { hello: "wörld" } });
  const file = await io.openSafetensors(path);
  assert.deepEqual(file.metadata, { hello: "wörld" });
  for (const d of all) assert.ok(torch.equal(await file.get(d), sample()[d]!), d);
  assert.deepEqual([...(await file.get("empty")).shape], [0, 3]);
  await assert.rejects(file.get("nope"), { name: "ArgumentError" });
  await file.close();
});
test("real files", async (t) => {
  const path = join(import.meta.dirname, "../../../../shared/data/weights/burn-mnist/mnist.safetensors");
  if (!existsSync(path)) return t.skip("no shared/data folder beside the project");
  const tensors = await io.loadSafetensors(path);
  assert.ok(Object.keys(tensors).length > 0);
  for (const x of Object.values(tensors)) assert.ok(x.to("float32").isfinite().all().itemSync<boolean>());
});
test("checkpoints keep nesting and odd values", async () => {
  const path = join(folder, "c.safetensors");
  const value = { a: [torch.tensor([1.5, 2]), { b: null, n: Number.NaN, inf: -Infinity, z: -0, big: 12n, $x: 1 }], s: "text", t: true };
  await io.saveCheckpoint(value, path);
  const back = await io.loadCheckpoint<typeof value>(path);
  assert.ok(torch.equal(back.a[0] as torch.Tensor, value.a[0] as torch.Tensor));
  assert.deepEqual({ ...back, a: back.a[1] }, { ...value, a: value.a[1] });
});
test("a failed save leaves the old file and no litter", async () => {
  const path = join(folder, "keep.safetensors");
  await io.saveSafetensors({ x: torch.ones(2) }, path);
  await assert.rejects(io.saveSafetensors({ x: torch.ones(2), y: 5 as never }, path), { name: "ArgumentError" });
  assert.ok(torch.equal((await io.loadSafetensors(path))["x"]!, torch.ones(2)));
  assert.ok(!readdirSync(folder).some((f) => f.endsWith(".tmp")));
  await assert.rejects(io.saveSafetensors({ x: torch.ones(2) }, join(folder, "no", "such", "folder")), {
    name: "FileError",
    message: /ENOENT/,
  });
});
test("damaged files are refused by name and offset, never crash", async () => {
  const bytes = io.safetensorsBytes({ a: torch.randn(4, 4), b: torch.arange(5) }, { metadata: { k: "v" } });
  const path = join(folder, "bad.safetensors");
  for (const cut of [0, 3, 8, 20, bytes.length - 1]) {
    writeFileSync(path, bytes.subarray(0, cut));
    await assert.rejects(io.loadSafetensors(path), (e: Error) => e.name === "FormatError" && e.message.includes(path));
  }
  const g = new torch.Generator().manualSeed(7);
  for (let i = 0; i < 3000; i++) {
    const copy = bytes.slice();
    for (let k = 0; k <= i % 4; k++) copy[g.random32() % (i % 2 ? 200 : copy.length)] = g.random32() & 255;
    try {
      await io.loadSafetensors(copy);
    } catch (e) {
      assert.equal((e as Error).name, "FormatError", String(e));
    }
  }
  await assert.rejects(io.loadSafetensors(join(folder, "missing")), { name: "ArgumentError" });
  await assert.rejects(io.loadSafetensors(folder), { name: "ArgumentError" });
  assert.ok(readFileSync(join(folder, "keep.safetensors")).length > 0);
});
