// The random numbers of PyTorch 2.15, recorded by tools/record/generator.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const recorded = JSON.parse(readFileSync(join(import.meta.dirname, "../../../test/core/rng.json"), "utf8")) as {
  seed: number;
  calls: { name: string; values: number[] }[];
}[];
const calls: Record<string, () => torch.Tensor> = {
  rand5: () => torch.rand(5),
  randn5: () => torch.randn(5),
  randn20: () => torch.randn(20),
  randn2: () => torch.randn(2),
  randint: () => torch.randint(0, 10, [6]),
  randintWide: () => torch.randint(0, 2 ** 40, [3]),
  randperm: () => torch.randperm(8),
  rand64: () => torch.rand(3, { dtype: "float64" }),
  randn64: () => torch.randn(17, { dtype: "float64" }),
  uniform: () => torch.empty(4).uniform_(-0.3, 0.7),
  normal: () => torch.empty(33).normal_(1, 2),
  bernoulli: () => torch.empty(20).bernoulli_(0.3),
  bernoulliEach: () => torch.bernoulli(torch.full([8], 0.3)),
  dropout: () => torch.nn.functional.dropout(torch.ones(10), 0.2),
  exponential64: () => torch.empty(4, { dtype: "float64" }).exponential_(2),
  linear: () => torch.cat([...new torch.nn.Linear(3, 2).parameters()].map((p) => p.detach().reshape([-1]))),
  conv: () => [...new torch.nn.Conv2d(2, 3, 3).parameters()][0]!.detach().reshape([-1]),
  embedding: () => new torch.nn.Embedding(5, 4).weight.detach().reshape([-1]),
  complex: () => torch.viewAsReal(torch.randn(9, { dtype: "complex64" })),
  complexRand: () => torch.viewAsReal(torch.rand(2, { dtype: "complex128" })),
  half: () => torch.rand(4, { dtype: "float16" }),
  halfNormal: () => torch.randn(37, { dtype: "float16" }),
  brainNormal: () => torch.empty(19, { dtype: "bfloat16" }).normal_(1, 2),
  brainUniform: () => torch.empty(400, { dtype: "bfloat16" }).uniform_(0.5, 1),
  bernoulliInt: () => torch.empty(40, { dtype: "int64" }).bernoulli_(0.7),
  random32: () => torch.empty(4, { dtype: "int32" }).random_(),
  random8: () => torch.empty(4, { dtype: "int8" }).random_(),
  randomTo: () => torch.empty(4).random_(3, 9),
  lstm: () => torch.cat([...new torch.nn.LSTM(2, 3).parameters()].map((p) => p.detach().reshape([-1]))),
  attention: () => torch.cat([...new torch.nn.MultiheadAttention(4, 2).parameters()].map((p) => p.detach().reshape([-1]))),
};
for (const { seed, calls: list } of recorded) {
  test(`seed ${seed}: the same numbers in the same order`, () => {
    torch.manualSeed(seed);
    for (const { name, values } of list) {
      const got = [...calls[name]!().to("float64").dataSync()].map(Number);
      assert.equal(got.length, values.length, name);
      got.forEach((v, i) =>
        assert.ok(Math.abs(v - values[i]!) <= 4e-7 * Math.max(1, Math.abs(values[i]!)), `${name}[${i}]: ${v}, PyTorch ${values[i]}`),
      );
    }
  });
}
test("a state continues where it was taken", () => {
  const g = new torch.Generator().manualSeed(3);
  torch.randn(5, { generator: g });
  const state = g.getState();
  const a = torch.randn(7, { generator: g });
  g.setState(state);
  assert.ok(torch.equal(a, torch.randn(7, { generator: g })));
});
test("bad seeds are refused", () => {
  assert.throws(() => torch.manualSeed(1.5), { name: "ValueError" });
});
