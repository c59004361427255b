// The sampler's short ways choose what the long way does: warpers on all scores, then multinomial, with the same seed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cutOf } from "../../src/generation/cut.ts";
import { Sampler, type SamplerSettings } from "../../src/generation/sampler.ts";
import * as torch from "../../src/index.ts";

const vocabSize = 6000;
const settings: Record<string, Partial<SamplerSettings>> = {
  all: {},
  topK: { topK: 50 },
  "topK of one": { topK: 1 },
  "topK and the others": { topK: 40, topP: 0.8, minP: 0.01, typicalP: 0.9, temperature: 0.8 },
  topP: { topP: 0.9 },
  "topP hot": { topP: 0.95, temperature: 1.5 },
  minP: { minP: 0.05 },
  "minP of all": { minP: 0 },
  typical: { typicalP: 0.7 },
  "topP and typical": { topP: 0.9, typicalP: 0.8 },
};
torch.manualSeed(0);
const random = torch.randn(3, vocabSize);
const forbidden = torch.rand(3, vocabSize).lt(0.999);
const scores: Record<string, torch.Tensor> = {
  sharp: random.mul(5),
  usual: random.mul(2.5),
  flat: random,
  "few allowed": random.maskedFill(forbidden, Number.NEGATIVE_INFINITY),
  ties: random.mul(2).round(),
  "nearly even": random.mul(1e-3),
  even: random.mul(0),
};

for (const [name, given] of Object.entries(settings))
  test(`${name}: the draws of multinomial`, async () => {
    for (const [kind, x] of Object.entries(scores)) {
      const [ours, theirs] = [3, 3].map((seed) => new torch.Generator().manualSeed(seed)) as [torch.Generator, torch.Generator];
      const base = { doSample: true, temperature: 1, topK: 0, topP: 1, minP: null, typicalP: 1 };
      const sampler = new Sampler({ ...base, ...given, generator: ours });
      for (let i = 0; i < 4; i++) {
        const want = torch.multinomial(sampler.warp(x).softmax(-1), 1, { generator: theirs }).squeeze(1).toArraySync();
        assert.deepEqual(await sampler.choose(x), want, kind);
      }
      assert.deepEqual(ours.getState(), theirs.getState());
    }
  });

test("the cut of topP and minP leaves what the warpers leave", () => {
  for (const [kind, x] of Object.entries(scores))
    for (const size of [100, vocabSize])
      for (const topP of [0.01, 0.3, 0.5, 0.9, 0.999, 1])
        for (const minP of [null, 0.02, 1]) {
          const row = x.select(0, 0).narrow(0, 0, size);
          if (row.amax().itemSync() === Number.NEGATIVE_INFINITY) continue;
          const none = { doSample: true, temperature: 1, topK: 0, typicalP: 1, generator: new torch.Generator() };
          const p = row.softmax(0);
          const { least, dropped } = cutOf(p, topP, minP);
          let equal = 0;
          const left = (p.toArraySync() as number[]).map((q) => q > least || (q === least && equal++ >= dropped));
          const want = new Sampler({ ...none, topP, minP })
            .warp(row.unsqueeze(0))
            .gt(Number.NEGATIVE_INFINITY)
            .toArraySync() as boolean[][];
          // What never had a probability cannot be drawn, cut off or not.
          const wrong = want[0]!.flatMap((w, i) => (w === left[i] || row.select(0, i).itemSync() === Number.NEGATIVE_INFINITY ? [] : [i]));
          assert.deepEqual(wrong, [], `${kind}, ${size} tokens, topP ${topP}, minP ${minP}`);
        }
});

test("nothing to draw is a typed error", async () => {
  const base = { doSample: true, temperature: 1, topK: 5, topP: 1, minP: null, typicalP: 1, generator: new torch.Generator() };
  const none = torch.full([1, vocabSize], Number.NEGATIVE_INFINITY);
  for (const x of [none, none.mul(0)]) await assert.rejects(new Sampler(base).choose(x), (e: Error) => e.name === "ValueError");
});
