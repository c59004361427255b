// generate beside transformers' own on a tiny GPT-2: greedy, sampled with the same seed, beams; padded batches; caches.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type GenerateOptions, generate } from "../../src/generation/index.ts";
import * as torch from "../../src/index.ts";
import { recorded, tinyModel } from "./tiny.ts";

interface Case {
  readonly name: string;
  readonly options: Record<string, unknown>;
  readonly ids: number[][];
  readonly mask: number[][];
  readonly sequences: number[][];
  readonly scores?: number[];
  readonly logprobs?: (number | null)[][];
}
const { logits, cases } = JSON.parse(readFileSync(recorded("generations.json"), "utf8")) as { logits: number[]; cases: Case[] };
const model = await tinyModel();
const int64 = (x: number[][]): torch.Tensor => torch.tensor(x, { dtype: "int64" });
const camel = (o: Record<string, unknown>): GenerateOptions =>
  Object.fromEntries(Object.entries(o).map(([k, v]) => [k.replace(/_(\w)/g, (_, c: string) => c.toUpperCase()), v]));
const prompt = [3, 14, 15, 9, 2, 6];
const near = (a: number, b: number, tolerance: number): boolean => Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b));

test("the tiny model is transformers' GPT-2", () => {
  const got = model.forward(int64([prompt]), { logitsToKeep: 1 }).logits.dataSync();
  logits.forEach((w, i) => assert.ok(near(got[i] as number, w, 1e-4), `${got[i]} ${w}`));
});

for (const c of cases)
  test(`${c.name}, ${c.ids.length === 1 ? "one prompt" : "a padded batch"}, as transformers`, async () => {
    const out = await generate(model, int64(c.ids), { ...camel(c.options), attentionMask: int64(c.mask), seed: 7, outputScores: true });
    assert.deepEqual(out.sequences.toArraySync(), c.sequences);
    c.scores?.forEach((w, i) => assert.ok(near(out.sequencesScores![i]!, w, 1e-4), `${out.sequencesScores![i]} ${w}`));
  });
