// generate beside transformers' own on a tiny GPT-2 and a tiny LLaMA: greedy, drawn with the same seed, beams, batches with padding.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type GenerateOptions, generate, PrefixCache } from "../../src/generation/index.ts";
import * as torch from "../../src/index.ts";
import { GPT2LMHeadModel, LlamaForCausalLM } from "../../src/models/index.ts";
import { architectures, idsOf, letters, recorded, scripted, tiny } from "./support.ts";

interface Case {
  readonly name: string;
  readonly options: Record<string, unknown>;
  readonly padded: boolean;
  /** The new tokens of each row. */
  readonly sequences: number[][];
  readonly scores?: number[];
  readonly logprobs?: (number | null)[];
}
const int64 = (x: number[][]): torch.Tensor => torch.tensor(x, { dtype: "int64" });
const camel = (o: Record<string, unknown>): GenerateOptions =>
  Object.fromEntries(Object.entries(o).map(([k, v]) => [k.replace(/_(\w)/g, (_, c: string) => c.toUpperCase()), v]));
const prompt = [3, 14, 15, 9, 2, 6];
const prompts = [prompt, [0, 0, 0, 27, 18, 28], [31, 41, 59, 26, 53, 58]];
const mask = prompts.map((row) => row.map((id) => Number(id !== 0)));
const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-4 * Math.max(1, Math.abs(b));

for (const architecture of architectures) {
  const { logits, cases } = JSON.parse(readFileSync(recorded(`${architecture}.json`), "utf8")) as { logits: number[]; cases: Case[] };
  test(`${architecture}: logits as transformers'`, async () => {
    const got = (await tiny(architecture))
      .forward(int64([prompt]), { logitsToKeep: 1 })
      .logits.detach()
      .dataSync();
    logits.forEach((w, i) => assert.ok(near(got[i] as number, w), `${got[i]} ${w}`));
  });
  for (const c of cases)
    test(`${architecture}: ${c.name}, ${c.padded ? "a padded batch" : "one prompt"}, as transformers`, async () => {
      const model = await tiny(architecture);
      const given = c.padded ? { ids: prompts, attentionMask: int64(mask) } : { ids: [prompt], attentionMask: null };
      const out = await generate(model, int64(given.ids), {
        ...camel(c.options),
        attentionMask: given.attentionMask,
        seed: 7,
        outputScores: true,
      });
      assert.deepEqual(out.sequences.narrow(1, 6, out.sequences.shape[1]! - 6).toArraySync(), c.sequences);
      c.scores?.forEach((w, i) => assert.ok(near(out.sequencesScores![i]!, w), `${out.sequencesScores![i]} ${w}`));
      // Of the chosen tokens, under the scores that they were chosen by.
      const most = c.sequences[0]!.length;
      const logP = out.scores!.map((x) => x.logSoftmax(-1).toArraySync() as number[][]);
      c.logprobs?.forEach((w, i) => {
        const [row, step] = [Math.floor(i / most), i % most];
        const id = out.newIds[row]![step];
        // transformers counts padding as the row's text where it looks for n-grams; here a batch gives what its prompts give alone.
        if (row === 1 && /ngram/.test(c.name)) return;
        if (id !== undefined) assert.ok(near(logP[step]![row]![id]!, w!), `${logP[step]![row]![id]} ${w}`);
      });
    });
}

const model = await tiny();
const greedy = (await generate(model, [prompt], { maxNewTokens: 20 })).newIds[0]!;

test("greedy search does not look at the options of sampling", async () => {
  const out = await generate(model, [prompt], { temperature: 0, topP: 0, minP: 7, maxNewTokens: 5 });
  assert.deepEqual(out.newIds[0], greedy.slice(0, 5));
});

test("models of firebrand/models are given as they are", async () => {
  const gpt2 = new GPT2LMHeadModel({ vocabSize: 64, nPositions: 12, nEmbd: 8, nLayer: 1, nHead: 2 }).eval();
  const out = await generate(gpt2, [prompt], { maxNewTokens: 9, numBeams: 2 });
  assert.equal(out.newIds[0]!.length, 6); // its positions
  assert.equal(out.sequences.requiresGrad, false);
  const llama = new LlamaForCausalLM({ vocabSize: 64, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 }).to(
    "bfloat16",
  );
  assert.equal((await generate(llama, [prompt], { maxNewTokens: 3, outputLogits: true })).logits![0]!.dtype, "float32");
});

test("a batch gives what each prompt gives alone, of whatever length", async () => {
  const ragged = [prompt, [27, 18, 28], [5]];
  const together = await generate(model, ragged, { maxNewTokens: 12, padTokenId: 0, repetitionPenalty: 1.2, noRepeatNgramSize: 3 });
  for (const [i, ids] of ragged.entries()) {
    const alone = await generate(model, ids, { maxNewTokens: 12, repetitionPenalty: 1.2, noRepeatNgramSize: 3 });
    assert.deepEqual(together.newIds[i], alone.newIds[0]);
  }
  assert.deepEqual(together.sequences.shape, [3, 18]);
});

test("padding is told from padTokenId where no mask is given", async () => {
  const out = await generate(
    model,
    int64([
      [0, 0, 27],
      [1, 2, 3],
    ]),
    { padTokenId: 0, maxNewTokens: 5 },
  );
  assert.deepEqual(out.newIds[0], (await generate(model, [27], { maxNewTokens: 5 })).newIds[0]);
});

test("a prompt in parts gives the same, in passes of that size", async () => {
  const counted = await tiny();
  const out = await generate(counted, [prompt], { maxNewTokens: 3, prefillChunkSize: 4 });
  assert.deepEqual(out.newIds[0], greedy.slice(0, 3));
  assert.deepEqual(counted.passes, [4, 2, 1, 1]);
});

test("a cache goes on where it stopped", async () => {
  const counted = await tiny();
  const cache = counted.newCache({ batch: 1, length: 40 });
  const first = await generate(counted, [prompt], { maxNewTokens: 4, cache });
  assert.equal(cache.length, prompt.length + 3);
  const longer = [...prompt, ...first.newIds[0]!, 8, 9];
  const again = await generate(counted, [longer], { maxNewTokens: 4, cache });
  assert.deepEqual(counted.passes.slice(4), [3, 1, 1, 1]);
  assert.deepEqual(again.newIds, (await generate(model, [longer], { maxNewTokens: 4 })).newIds);
});

test("prefix caches keep what prompts share", async () => {
  const counted = await tiny();
  const prefixCache = new PrefixCache(counted, { length: 40, slots: 2 });
  const turn = async (ids: number[], reused: number): Promise<number[]> => {
    counted.passes.length = 0;
    const { newIds } = await generate(counted, [ids], { maxNewTokens: 3, prefixCache });
    assert.equal(counted.passes[0], ids.length - reused);
    assert.deepEqual(newIds, (await generate(model, [ids], { maxNewTokens: 3 })).newIds);
    return [...ids, ...newIds[0]!];
  };
  const one = await turn(prompt, 0);
  await turn([...one, 1, 2], prompt.length + 2); // the last token of an answer was never fed
  await turn([40, 41, 42], 0); // the other cache
  await turn([...prompt.slice(0, 4), 1], 4);
  await turn([40, 41, 42], 2); // one token is always computed
  await turn([...prompt.slice(0, 4), 1, 7], 5);
  await turn([40, 41, 42, 43], 3);
  await turn([prompt[0]!, 50, 51], 1); // little is shared: the older one goes
  await turn([40, 41, 42, 43, 1], 4);
  const loans = [prefixCache.take([1]), prefixCache.take([2])];
  assert.throws(
    () => prefixCache.take([3]),
    (e: Error) => e.name === "ValueError",
  );
  for (const l of loans) l.release([]);
});

test("log-probabilities are the model's own, whatever the draw", async () => {
  const options = {
    maxNewTokens: 4,
    doSample: true,
    seed: 1,
    topK: 5,
    temperature: 2,
    topLogprobs: 3,
    outputScores: true,
    outputLogits: true,
  };
  const out = await generate(model, [prompt], options);
  for (const [step, id] of out.newIds[0]!.entries()) {
    const logP = out.logits![step]!.logSoftmax(-1);
    assert.ok(near(out.logprobs![0]![step]!, logP.select(1, id).itemSync() as number));
    const top = out.topLogprobs![0]![step]!;
    assert.deepEqual(
      top.map((t) => t.id),
      logP.topk(3).indices.squeeze(0).toArraySync(),
    );
    assert.deepEqual(out.scores![step]!.shape, [1, 64]);
  }
});

test("a seed repeats a draw, a generator goes on", async () => {
  const draw = async (o: GenerateOptions): Promise<readonly number[]> =>
    (await generate(model, [prompt], { doSample: true, maxNewTokens: 8, ...o })).newIds[0]!;
  assert.deepEqual(await draw({ seed: 5 }), await draw({ seed: 5n }));
  const generator = new torch.Generator().manualSeed(5);
  assert.deepEqual(await draw({ generator }), await draw({ seed: 5 }));
  assert.notDeepEqual(await draw({ generator }), await draw({ seed: 5 }));
});

test("stop strings and ends", async () => {
  const say = (text: string): ReturnType<typeof scripted> => scripted(idsOf(text), 2);
  const stop = { stopStrings: ["def", "x"], tokenizer: letters, maxNewTokens: 9 };
  const out = await generate(say("abcdefgh"), [1, 2], stop);
  assert.deepEqual([out.newIds[0], out.texts, out.finishReasons], [idsOf("abcdef"), ["abc"], ["stop"]]);
  const beams = await generate(model, [prompt], { numBeams: 3, maxNewTokens: 6, stopStrings: letters.decode([33]), tokenizer: letters });
  assert.ok(!beams.texts![0]!.includes(letters.decode([33])));
  const end = await generate(say("abcdefgh"), [1, 2], { eosTokenId: [2, 9], maxNewTokens: 9 });
  assert.deepEqual([end.newIds[0], end.finishReasons, end.texts], [idsOf("abc"), ["stop"], null]);
  assert.deepEqual((await generate(say("abcdefgh"), [1, 2], { maxLength: 5 })).finishReasons, ["length"]);
  assert.deepEqual((await generate(say("abcdefgh"), [1, 2])).newIds[0]!.length, 20);
});

test("custom processors run, after those of the options", async () => {
  const seen: number[] = [];
  const only = {
    process: (rows: readonly { ids: readonly number[]; promptLength: number }[], scores: torch.Tensor) => {
      seen.push(rows[0]!.ids.length - rows[0]!.promptLength);
      return scores.mul(0).add(torch.nn.functional.oneHot(torch.tensor([9], { dtype: "int64" }), 64));
    },
  };
  assert.deepEqual((await generate(model, [prompt], { maxNewTokens: 3, logitsProcessor: [only] })).newIds, [[9, 9, 9]]);
  assert.deepEqual(seen, [0, 1, 2]);
});

test("generation stops where the model has no more positions", async () => {
  const long = Array.from({ length: 45 }, (_, i) => i);
  const out = await generate(model, [long], { maxNewTokens: 30 });
  assert.deepEqual([out.newIds[0]!.length, out.finishReasons[0]], [3, "length"]);
  const full = await generate(model, [Array.from({ length: 48 }, () => 1)], { maxNewTokens: 30 });
  assert.deepEqual([full.newIds, full.finishReasons], [[[]], ["length"]]);
});

test("the model's generationConfig gives defaults, the call overrides them", async () => {
  const set = { ...model, generationConfig: { maxNewTokens: 3, eosTokenId: greedy[1]! } };
  assert.deepEqual((await generate(set, [prompt])).newIds, [greedy.slice(0, 2)]);
  assert.equal((await generate(set, [prompt], { eosTokenId: [], maxLength: 11 })).newIds[0]!.length, 5);
});

test("what cannot be is a typed error at the door", async () => {
  const bad: [GenerateOptions | string, string, unknown?][] = [
    [{}, "ValueError", []],
    [{}, "ValueError", [[]]],
    [{}, "ValueError", [[1], []]],
    [{}, "ArgumentError", "hello"],
    [{}, "ArgumentError", [["a"]]],
    [{}, "IndexError", [64]],
    [{}, "IndexError", [-1]],
    [{}, "IndexError", [1.5]],
    [{}, "DTypeError", torch.ones(1, 3)],
    [{}, "ShapeError", torch.ones(1, 3, 1).to("int64")],
    [{}, "ValueError", torch.zeros(1, 0, { dtype: "int64" })],
    [{}, "ValueError", Array(49).fill(1)],
    [{}, "ValueError", [[1, 2], [3]]],
    [{ doSample: true, temperature: 0 }, "ValueError"],
    [{ doSample: true, temperature: -1 }, "ValueError"],
    [{ doSample: true, topP: 0 }, "ValueError"],
    [{ doSample: true, topP: 1.2 }, "ValueError"],
    [{ doSample: true, minP: 2 }, "ValueError"],
    [{ topK: -1 }, "ValueError"],
    [{ maxNewTokens: 0 }, "ValueError"],
    [{ maxNewTokens: 2, maxLength: 9 }, "ArgumentError"],
    [{ maxLength: 6 }, "ValueError"],
    [{ seed: 1, generator: new torch.Generator() }, "ArgumentError"],
    [{ seed: 1.5 }, "ValueError"],
    [{ numReturnSequences: 2 }, "ArgumentError"],
    [{ numBeams: 2, numReturnSequences: 3 }, "ArgumentError"],
    [{ stopStrings: "x" }, "ArgumentError"],
    [{ stopStrings: "", tokenizer: letters }, "ArgumentError"],
    [{ attentionMask: torch.ones(1, 3).to("int64") }, "ShapeError"],
    [{ attentionMask: torch.ones(1, 6) }, "DTypeError"],
    [{ attentionMask: int64([[1, 1, 1, 1, 0, 0]]) }, "ValueError"],
    [{ attentionMask: int64([[0, 0, 0, 0, 0, 0]]) }, "ValueError"],
    [{ temprature: 1 } as GenerateOptions, "ArgumentError"],
    [{ eosTokenId: -1 }, "ValueError"],
    [{ repetitionPenalty: 0 }, "ValueError"],
    [{ assistantModel: {} as never }, "ArgumentError"],
    [{ assistantModel: { ...model, config: { vocabSize: 9 } } }, "ValueError"],
    [{ assistantModel: model, numBeams: 2 }, "ArgumentError"],
    [{ logitsProcessor: [{} as never] }, "ArgumentError"],
    [{ cache: model.newCache({ batch: 1, length: 8 }) }, "ValueError"],
    [{ numBeams: 2, topLogprobs: 1 }, "ArgumentError"],
    ["greedy", "ArgumentError"],
    [{ assistantModel: model }, "ValueError", [[1], [2]]],
    [{ prefixCache: new PrefixCache(model, { length: 9 }) }, "ValueError", [[1], [2]]],
  ];
  for (const [options, name, ids] of bad)
    await assert.rejects(
      generate(model, (ids ?? [prompt]) as number[][], options as GenerateOptions),
      (e: Error) => e.name === name,
      `${name} for ${Object.keys(options).join()} ${String(ids)}`,
    );
  await assert.rejects(generate({} as never, [1]), (e: Error) => e.name === "ArgumentError");
  await assert.rejects(
    generate({ ...model, forward: () => ({ logits: torch.zeros(1, 1, 9) }) }, [1]),
    (e: Error) => e.name === "ShapeError",
  );
});
