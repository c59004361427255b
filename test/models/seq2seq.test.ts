// Encoder-decoders against what transformers computes with the same weights (tools/record/encoder-models.py).
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "firebrand";
import type { Tensor } from "firebrand";
import { generate } from "firebrand/generation";
import {
  AutoModelForSeq2SeqLM,
  CacheBatch,
  relativeBucket,
  type Seq2SeqModel,
  T5EncoderModel,
  T5ForConditionalGeneration,
  T5Model,
} from "firebrand/models";
import { worst } from "./support.ts";

const folder = join(process.cwd(), "test", "models", "seq2seq");
type Recorded = Record<string, Tensor>;
const recorded = async (at: string): Promise<Recorded> => (await torch.io.loadSafetensors(join(at, "expected.safetensors"))) as Recorded;
const greedy = (model: Seq2SeqModel, ids: Tensor, attentionMask: Tensor | null, count: number, cached: boolean): Tensor =>
  torch.noGrad(() => {
    const rows = ids.shape[0]!;
    const encoderOutputs = model.encode(ids, { attentionMask });
    const cache = cached ? model.newCache({ batch: rows, length: count + 1 }) : null;
    let all = torch.zeros(rows, 1, { dtype: "int64" });
    for (let i = 0; i < count; i++) {
      const decoderInputIds = cache && i > 0 ? all.narrow(1, i, 1) : all;
      const { logits } = model.forward(null, { encoderOutputs, decoderInputIds, cache, logitsToKeep: 1 });
      all = torch.cat([all, logits.select(1, -1).argmax(-1, true)], 1);
    }
    return all;
  });

for (const name of readdirSync(folder)) {
  const at = join(folder, name);
  test(`${name}: hidden states, logits, loss and every gradient`, async () => {
    const [model, e] = [await AutoModelForSeq2SeqLM.fromPretrained(at), await recorded(at)];
    const out = model.forward(e["input_ids"]!, { attentionMask: e["attention_mask"]!, labels: e["labels"]!, outputHiddenStates: true });
    out.encoderOutputs.hiddenStates!.forEach((h, i) => assert.ok(worst(h, e[`encoder.${i}`]!) < 1e-4, `encoder.${i}`));
    out.decoderHiddenStates!.forEach((h, i) => assert.ok(worst(h, e[`decoder.${i}`]!) < 1e-4, `decoder.${i}`));
    assert.ok(worst(out.logits, e["logits"]!) < 1e-4);
    assert.ok(worst(out.loss!, e["lm.loss"]!) < 1e-5);
    out.loss!.backward();
    const parameters = [...model.namedParameters()];
    assert.equal(parameters.length, Object.keys(e).filter((k) => k.startsWith("lm.grad.")).length);
    for (const [key, p] of parameters)
      assert.ok(worst(p.grad!, e[`lm.grad.${key}`]!) < 1e-4, `gradient of ${key}: ${worst(p.grad!, e[`lm.grad.${key}`]!)}`);
  });
  test(`${name}: 64 tokens, with and without cache; batched and padded as alone`, async () => {
    const [model, e] = [await AutoModelForSeq2SeqLM.fromPretrained(at), await recorded(at)];
    const [ids, mask] = [e["input_ids"]!, e["attention_mask"]!];
    const one = ids.narrow(0, 0, 1);
    for (const cached of [true, false]) assert.deepEqual(greedy(model, one, null, 64, cached).toArraySync(), e["greedy"]!.toArraySync());
    const both = greedy(model, ids, mask, 16, true).toArraySync() as number[][];
    assert.deepEqual(both, e["padded.greedy"]!.toArraySync());
    assert.deepEqual([both[1]], greedy(model, ids.narrow(0, 1, 1).narrow(1, 0, 9), null, 16, true).toArraySync());
  });
  test(`${name}: generate, greedy and with beams`, async () => {
    const [model, e] = [await AutoModelForSeq2SeqLM.fromPretrained(at), await recorded(at)];
    const given = model.conditioned(e["input_ids"]!, { attentionMask: e["attention_mask"]! });
    const plain = await generate(given, given.prompts, { maxNewTokens: 16, eosTokenId: [] });
    assert.deepEqual(plain.sequences.toArraySync(), e["padded.greedy"]!.toArraySync());
    const own = await model.generate(e["input_ids"]!, { attentionMask: e["attention_mask"]!, maxNewTokens: 16, eosTokenId: [] });
    assert.deepEqual(own.sequences.toArraySync(), plain.sequences.toArraySync());
    const pieces: (number | null)[] = [];
    for await (const { id } of model.generate(e["input_ids"]!.narrow(0, 0, 1), { maxNewTokens: 8, eosTokenId: [] })) pieces.push(id);
    assert.deepEqual([0, ...pieces], (e["greedy"]!.toArraySync() as number[][])[0]!.slice(0, 9));
    const beams = await generate(given, given.prompts, { maxNewTokens: 16, numBeams: 3, numReturnSequences: 2, eosTokenId: 1 });
    assert.deepEqual(beams.sequences.toArraySync(), e["beams"]!.toArraySync());
  });
  test(`${name}: rows that share a text see it as if each had its own`, async () => {
    const [model, e] = [await AutoModelForSeq2SeqLM.fromPretrained(at), await recorded(at)];
    torch.noGrad(() => {
      const { forward } = model.conditioned(e["input_ids"]!, { attentionMask: e["attention_mask"]! });
      const decoderInputIds = torch.tensor([
        [0, 3, 4],
        [0, 5, 6],
        [0, 7, 8],
        [0, 9, 10],
      ]);
      const twice = (x: Tensor): Tensor => x.repeatInterleave(2, 0);
      const apart = model.forward(twice(e["input_ids"]!), { attentionMask: twice(e["attention_mask"]!), decoderInputIds });
      assert.ok(worst(forward(decoderInputIds).logits, apart.logits) < 1e-5);
    });
  });
  test(`${name}: base, encoder alone, and what is saved`, async () => {
    const [model, e] = [await T5ForConditionalGeneration.fromPretrained(at), await recorded(at)];
    const o = { attentionMask: e["attention_mask"]! };
    const encoder = await T5EncoderModel.fromPretrained(at);
    assert.deepEqual(encoder.loadReport, { missingKeys: [], unexpectedKeys: [] });
    const { lastHiddenState } = encoder.forward(e["input_ids"]!, o);
    const layers = model.config.numLayers;
    assert.ok(worst(lastHiddenState, e[`encoder.${layers}`]!) < 1e-4);
    const base = await T5Model.fromPretrained(at);
    const whole = base.forward(e["input_ids"]!, {
      ...o,
      decoderInputIds: torch.tensor([
        [0, 3],
        [0, 4],
      ]),
    });
    assert.deepEqual(whole.lastHiddenState.shape, [2, 2, 12]);
    assert.ok(worst(whole.encoderOutputs.lastHiddenState, e[`encoder.${layers}`]!) < 1e-4);
    const to = mkdtempSync(join(tmpdir(), "firebrand-"));
    try {
      await model.savePretrained(to, { maxShardSize: 10000 });
      const again = await T5ForConditionalGeneration.fromPretrained(to);
      assert.deepEqual(again.loadReport, { missingKeys: [], unexpectedKeys: [] });
      for (const [key, t] of Object.entries(again.stateDict())) assert.equal(worst(t, model.stateDict()[key]!), 0, key);
      assert.deepEqual({ ...again.config, rest: null }, { ...model.config, rest: null });
    } finally {
      rmSync(to, { recursive: true });
    }
  });
}
test("dropout while training; half precision", async () => {
  const at = join(folder, "t5");
  const [model, e] = [await AutoModelForSeq2SeqLM.fromPretrained(at), await recorded(at)];
  const o = { attentionMask: e["attention_mask"]!, labels: e["labels"]! };
  const loss = (): Tensor => model.train().forward(e["input_ids"]!, o).loss!;
  const [one, two] = [loss(), loss()];
  assert.notEqual(one.itemSync(), two.itemSync());
  one.backward();
  for (const [key, p] of model.namedParameters()) assert.ok(Number.isFinite(p.grad!.abs().max().itemSync() as number), key);
  for (const [dtype, tolerance] of [
    ["bfloat16", 0.1],
    ["float16", 0.02],
  ] as const) {
    const half = await AutoModelForSeq2SeqLM.fromPretrained(at, { dtype });
    assert.ok(worst(half.forward(e["input_ids"]!, o).logits, e["logits"]!) < tolerance, dtype);
  }
});
test("buckets of distances are those of transformers", async () => {
  const e = await recorded(join(folder, "t5"));
  const distances = Array.from({ length: 601 }, (_, i) => i - 300);
  for (const key of Object.keys(e).filter((k) => k.startsWith("buckets."))) {
    const [, bidirectional, buckets, maxDistance] = key.split(".");
    const how = { bidirectional: bidirectional === "True", buckets: Number(buckets), maxDistance: Number(maxDistance) };
    assert.deepEqual(
      distances.map((d) => relativeBucket(d, how)),
      e[key]!.toArraySync(),
      key,
    );
  }
});
test("a head of its own is kept although the configuration says it is the embedding", async () => {
  const model = await T5ForConditionalGeneration.fromPretrained(join(folder, "t5-v1.1"));
  assert.notEqual(model.lm_head.weight, model.shared.weight);
  assert.equal(model.config.scaleDecoderOutputs, false);
});
test("bad input", async () => {
  const model = await T5ForConditionalGeneration.fromPretrained(join(folder, "t5"));
  const ids = torch.tensor([
    [5, 6, 7],
    [8, 9, 10],
  ]);
  assert.throws(() => model.forward(null, { decoderInputIds: ids }), /neither inputIds nor encoderOutputs/);
  assert.throws(() => model.forward(ids), /no decoderInputIds or labels/);
  assert.throws(() => model.forward(ids, { decoderInputIds: ids.narrow(0, 0, 1) }), /decoderInputIds \[1, 3\] for 2 encoded texts/);
  assert.throws(
    () => model.forward(ids, { decoderInputIds: ids, labels: torch.tensor([[1, 2]]) }),
    /labels \[1, 2\] for logits \[2, 3, 40\]/,
  );
  assert.throws(() => model.forward(ids, { decoderInputIds: ids, attentionMask: torch.ones(2, 5) }), /attentionMask \[2, 5\]/);
  const cache = new CacheBatch([model.newCache({ batch: 1, length: 4 })]);
  assert.throws(() => model.forward(ids.narrow(0, 0, 1), { decoderInputIds: torch.tensor([[0]]), cache }), /rows that differ in length/);
  assert.throws(() => new T5Model({ feedForwardProj: "gated-" }), /feedForwardProj is "gated-"/);
  assert.throws(() => new T5Model({ feedForwardProj: "nice" }).forward(ids, { decoderInputIds: ids }), /no activation "nice"/);
});

interface Generated {
  readonly model: string;
  readonly config: { readonly eos_token_id: number | readonly number[]; readonly [key: string]: unknown };
  readonly sequences: readonly (readonly number[])[];
  readonly bounded: readonly (readonly number[])[];
}
const generated = JSON.parse(readFileSync(join(folder, "..", "seq2seq-generation.json"), "utf8")) as Record<string, Generated>;
for (const [label, { model: name, config, sequences, bounded }] of Object.entries(generated))
  test(`generation_config.json: ${label}`, async () => {
    const to = mkdtempSync(join(tmpdir(), "firebrand-"));
    try {
      cpSync(join(folder, name), to, { recursive: true });
      writeFileSync(join(to, "generation_config.json"), JSON.stringify({ ...config, transformers_version: "5.24.0" }));
      const model = (await AutoModelForSeq2SeqLM.fromPretrained(to)) as T5ForConditionalGeneration;
      const e = await recorded(join(folder, name));
      // What stands behind the end of a text is filler.
      const ends = [config.eos_token_id].flat();
      const texts = (rows: readonly (readonly number[])[]): number[][] =>
        rows.map((r) => {
          const end = r.findIndex((id, i) => i > 0 && ends.includes(id));
          return r.slice(0, end < 0 ? r.length : end + 1);
        });
      const ask = async (options = {}): Promise<number[][]> =>
        texts(
          (
            await model.generate(e["input_ids"]!, { attentionMask: e["attention_mask"]!, ...options })
          ).sequences.toArraySync() as number[][],
        );
      assert.deepEqual(await ask(), texts(sequences));
      assert.deepEqual(await ask({ maxNewTokens: 3, numBeams: 1 }), texts(bounded));
      // It is kept.
      await model.savePretrained(join(to, "saved"));
      const again = await T5ForConditionalGeneration.fromPretrained(join(to, "saved"));
      assert.deepEqual(again.generationConfig, model.generationConfig);
    } finally {
      rmSync(to, { recursive: true });
    }
  });
