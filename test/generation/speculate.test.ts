// Speculative decoding: the same tokens as without a draft where the choice is the likeliest, the same distribution where it is drawn.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type GenerateOptions, generate, stream } from "../../src/generation/index.ts";
import * as torch from "../../src/index.ts";
import { architectures, letters, scripted, tiny } from "./support.ts";

for (const architecture of architectures)
  test(`${architecture}: greedy output does not change with a draft`, async () => {
    const model = await tiny(architecture);
    for (const noise of [0, 0.05, 2]) {
      const draft = await tiny(architecture, noise);
      for (const options of [
        {},
        { repetitionPenalty: 1.4 },
        { noRepeatNgramSize: 2, badWordsIds: [[27]] },
        { eosTokenId: [40, 2] },
      ] as GenerateOptions[])
        for (const numAssistantTokens of [1, 6]) {
          const o = { maxNewTokens: 18, logprobs: true, ...options };
          const plain = await generate(model, [3, 14, 15], o);
          model.passes.length = 0;
          const got = await generate(model, [3, 14, 15], { ...o, assistantModel: draft, numAssistantTokens });
          assert.deepEqual([got.newIds, got.finishReasons], [plain.newIds, plain.finishReasons]);
          got.logprobs![0]!.forEach((x, i) => assert.ok(Math.abs(x - plain.logprobs![0]![i]!) < 1e-4));
          if (noise === 0 && numAssistantTokens > 1)
            assert.ok(model.passes.length <= 1 + Math.ceil(got.newIds[0]!.length / 2), `${model.passes}`);
        }
    }
  });

test("a draft that is always right saves passes; stop strings and positions bind", async () => {
  const ids = Array.from({ length: 30 }, (_, i) => i);
  const [model, draft] = [scripted(ids, 2), scripted(ids, 2)];
  const out = await generate(model, [1, 2], { assistantModel: draft, numAssistantTokens: 4, maxNewTokens: 16 });
  assert.deepEqual(out.newIds[0], ids.slice(0, 16));
  assert.deepEqual(model.passes, [2, 5, 5, 5]);
  const stopped = await generate(model, [1, 2], { assistantModel: draft, tokenizer: letters, stopStrings: "gh" });
  assert.deepEqual([stopped.texts, stopped.newIds[0]], [["abcdef"], ids.slice(0, 8)]);
  const short = { ...draft, config: { vocabSize: 64, maxPositionEmbeddings: 6 } };
  assert.deepEqual((await generate(model, [1, 2], { assistantModel: short, maxNewTokens: 16 })).newIds[0], ids.slice(0, 16));
});

test("draws with a draft have the model's distribution", async () => {
  // The second and third tokens, told by what a model alone gives: a chi-squared test at 1e-4.
  const model = await tiny();
  const draft = await tiny("gpt2", 0.15);
  const prompt = [3, 14, 15];
  const options = { doSample: true, topK: 6, temperature: 0.9, maxNewTokens: 2, outputScores: true } as const;
  const { newIds } = await generate(model, [prompt], { maxNewTokens: 1 });
  const start = [...prompt, newIds[0]![0]!];
  const { scores } = await generate(model, [start], { ...options, maxNewTokens: 1, seed: 0 });
  const top = scores![0]!.topk(6);
  const p = new Map(
    (top.indices.toArraySync() as number[][])[0]!.map((id, i) => [id, (top.values.softmax(-1).toArraySync() as number[][])[0]![i]!]),
  );
  // The first token is drawn from the model alone, so that the second is the first with a guess: count it where the first was the likeliest.
  const generator = new torch.Generator().manualSeed(11);
  const force = {
    process: (rows: readonly { ids: readonly number[] }[], x: torch.Tensor) =>
      rows[0]!.ids.length > prompt.length
        ? x
        : torch.nn.functional
            .oneHot(torch.tensor([newIds[0]![0]!], { dtype: "int64" }), 64)
            .mul(1e4)
            .to("float32"),
  };
  const counts = new Map<number, number>();
  const n = 800;
  for (let i = 0; i < n; i++) {
    const got: number[] = [];
    for await (const { id } of stream(model, prompt, {
      ...options,
      outputScores: false,
      maxNewTokens: 3,
      generator,
      assistantModel: draft,
      numAssistantTokens: 2,
      logitsProcessor: [force],
    })) {
      got.push(id!);
      if (got.length === 2) break;
    }
    counts.set(got[1]!, (counts.get(got[1]!) ?? 0) + 1);
  }
  let chi = 0;
  for (const [id, share] of p) chi += ((counts.get(id) ?? 0) - n * share) ** 2 / (n * share);
  assert.equal(
    [...counts.keys()].every((id) => p.has(id)),
    true,
  );
  assert.ok(chi < 25.7, `chi² ${chi} with 5 degrees of freedom`);
});
