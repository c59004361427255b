// Quantised types against llama.cpp: every bit of what blocks decode to and of what values are quantised to.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { blockType } from "../../src/kernel/quant/types.ts";

interface Recorded {
  readonly id: number;
  readonly size: number;
  readonly bytes: number;
  readonly exponents: readonly number[];
  readonly decoded: string;
  readonly first: readonly number[];
  readonly values?: string;
  readonly encoded?: readonly string[];
  readonly all?: string;
}
const recorded = JSON.parse(readFileSync(join(import.meta.dirname, "../../../test/io/fixtures/gguf_quants.json"), "utf8")) as Record<
  string,
  Recorded
>;
const BLOCKS = 64;
const sha = (x: Float32Array | Uint8Array): string =>
  createHash("sha256")
    .update(new Uint8Array(x.buffer, x.byteOffset, x.byteLength))
    .digest("hex");

// The generators of tools/record/gguf_quants.py.
function* numbers(seed: number): Generator<number, never> {
  for (let x = seed; ; ) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    yield x >>> 0;
  }
}
function blocks(r: Recorded): Uint8Array {
  const g = numbers(r.id + 1);
  const out = Uint8Array.from({ length: BLOCKS * r.bytes }, () => g.next().value >>> 13);
  for (let i = 0; i < BLOCKS; i++) for (const e of r.exponents) out[i * r.bytes + e]! &= 0xbf;
  return out;
}
function values(r: Recorded): Float32Array {
  const g = numbers(r.id + 1001);
  const out = new Float32Array(BLOCKS * r.size);
  for (let i = 0; i < BLOCKS; i++) {
    const x = out.subarray(i * r.size, (i + 1) * r.size);
    const u = Array.from({ length: r.size }, () => [0, 0, 0].map(() => g.next().value / 2 ** 32) as [number, number, number]);
    u.forEach(([a, b, c], j) => {
      x[j] = a + b + c - 1.5;
    });
    const k = i % 8;
    if (k === 1) x.forEach((v, j) => (x[j] = -Math.abs(v)));
    if (k === 2) x.forEach((v, j) => (x[j] = Math.abs(v) + 0.25));
    if (k === 3) x.fill(x[0]!);
    if (k === 4) x.fill(0);
    if (k === 5) x.forEach((v, j) => (x[j] = v * 2 ** -12));
    if (k === 6) x.forEach((v, j) => (x[j] = v * 2 ** 9));
    if (k === 7) x.forEach((_, j) => u[j]![0] < 0.8 && (x[j] = 0));
  }
  return out;
}

test("every type is known by the name, number and size that llama.cpp gives it", () => {
  assert.deepEqual([...torch.io.QUANT_TYPES].sort(), Object.keys(recorded).sort());
  for (const [name, r] of Object.entries(recorded)) {
    const t = blockType(name)!;
    assert.deepEqual([t.id, t.size, t.bytes], [r.id, r.size, r.bytes], name);
  }
});
for (const [name, r] of Object.entries(recorded)) {
  const type = name as torch.io.QuantType;
  test(`${name} decodes to llama.cpp's bits`, async () => {
    const bytes = blocks(r);
    const q = new torch.io.QuantizedTensor(type, [BLOCKS, r.size], torch.tensor(Array.from(bytes), { dtype: "uint8" }));
    const y = (await q.dequantize().data()) as Float32Array;
    assert.deepEqual([...y.slice(0, 4)], r.first);
    assert.equal(sha(y), r.decoded);
  });
  if (r.all === undefined)
    test(`${name} is not made without an importance matrix`, () => {
      assert.throws(() => torch.io.QuantizedTensor.quantize(torch.zeros(r.size), type), { name: "ArgumentError" });
    });
  else
    test(`${name} quantises to llama.cpp's bytes`, async () => {
      const x = values(r);
      assert.equal(sha(x), r.values);
      const q = torch.io.QuantizedTensor.quantize(torch.tensor(Array.from(x)).view(BLOCKS, r.size), type);
      const y = (await q.bytes.data()) as Uint8Array;
      const first = r.encoded!.map((_, i) => sha(y.slice(i * r.bytes, (i + 1) * r.bytes)).slice(0, 12));
      assert.deepEqual(first, r.encoded);
      assert.equal(sha(y), r.all);
    });
}
