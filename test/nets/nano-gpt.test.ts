// minGPT's sorting model: every intermediate tensor of the recorded pass, and whether it sorts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as torch from "firebrand";
import type { Tensor } from "firebrand";
import { nanoGpt, sort } from "./nano-gpt.ts";
import { assertClose, needs, weightFile } from "./support.ts";

const [modelFile, partialsFile] = [
  weightFile("gpt-nano-sort/gpt-nano-sort-model.json"),
  weightFile("gpt-nano-sort/gpt-nano-sort-t0-partials.json"),
];
interface Packed {
  readonly shape: readonly number[];
  readonly data: string;
}
/** Tensors of a json file: little-endian float32 in base64; entries without a shape are settings. */
function tensors(path: string): Record<string, Tensor> {
  const json = JSON.parse(readFileSync(path, "utf8")) as Record<string, Partial<Packed>>;
  const unpack = ({ shape, data }: Packed): Tensor =>
    torch.tensor(new Float32Array(Uint8Array.from(Buffer.from(data, "base64")).buffer)).view(shape);
  return Object.fromEntries(Object.entries(json).flatMap(([name, p]) => (p.shape && p.data ? [[name, unpack(p as Packed)]] : [])));
}
const load = (): ReturnType<typeof nanoGpt> => {
  const model = nanoGpt();
  assert.deepEqual(model.loadStateDict(tensors(modelFile)), { missingKeys: [], unexpectedKeys: [] });
  return model;
};

test("gpt-nano: all intermediate tensors are PyTorch's", needs(modelFile, partialsFile), (t) => {
  const model = load();
  const { idx, ...expected } = tensors(partialsFile);
  const seen = new Map<string, Tensor>();
  torch.noGrad(() => model.forward(idx!.to("int64"), (name, value) => seen.set(name.replace(/^h\.0\./, ""), value)));
  assert.equal(Object.keys(expected).length, 24);
  let worst = 0;
  for (const [name, e] of Object.entries(expected)) {
    const a = seen.get(name);
    assert.ok(a, `no tensor ${name}`);
    assert.deepEqual([...a.shape], [...e.shape], name);
    const off = assertClose(a.reshape([-1]).dataSync() as Float32Array, e.view([-1]).dataSync() as Float32Array, 1e-5, name);
    worst = Math.max(worst, off);
  }
  t.diagnostic(`largest difference ${worst}`);
});

test("gpt-nano: sorts all 729 words of six letters", needs(modelFile), () => {
  const words = Array.from({ length: 729 }, (_, n) => Array.from({ length: 6 }, (_, i) => Math.floor(n / 3 ** i) % 3));
  const sorted = torch.noGrad(() => sort(load(), torch.tensor(words))).toArraySync() as number[][];
  const right = sorted.filter((row, n) => row.join() === [...words[n]!].sort().join()).length;
  assert.equal(right, 729);
});
