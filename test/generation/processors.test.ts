// The logits processors beside transformers' on recorded scores, some of which are -Infinity; and what they refuse.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as g from "../../src/generation/index.ts";
import * as torch from "../../src/index.ts";
import { recorded } from "./support.ts";

interface Recorded {
  readonly ids: number[][];
  readonly scores: (number | null)[];
  readonly some: (number | null)[];
  readonly cases: Record<string, { all: (number | null)[]; some: (number | null)[] }>;
}
const want = JSON.parse(readFileSync(recorded("processors.json"), "utf8")) as Recorded;
const shape = [3, 40];
const scoresOf = (values: readonly (number | null)[]): torch.Tensor =>
  torch.tensor(Float32Array.from(values, (x) => x ?? Number.NEGATIVE_INFINITY)).view(shape);
const rows = (promptLength: number): g.Row[] => want.ids.map((ids) => ({ ids, promptLength }));

const made: Record<string, g.LogitsProcessor> = {
  temperature: new g.TemperatureLogitsWarper(0.7),
  topK: new g.TopKLogitsWarper(5),
  "topK keep": new g.TopKLogitsWarper(2, { minTokensToKeep: 3 }),
  topP: new g.TopPLogitsWarper(0.8),
  "topP low": new g.TopPLogitsWarper(0.05),
  "topP keep": new g.TopPLogitsWarper(0.05, { minTokensToKeep: 4 }),
  minP: new g.MinPLogitsWarper(0.1),
  "minP keep": new g.MinPLogitsWarper(0.9, { minTokensToKeep: 3 }),
  typical: new g.TypicalLogitsWarper(0.6),
  "typical keep": new g.TypicalLogitsWarper(0.1, { minTokensToKeep: 3 }),
  repetition: new g.RepetitionPenaltyLogitsProcessor(1.3),
  "repetition less": new g.RepetitionPenaltyLogitsProcessor(0.5),
  "ngram 1": new g.NoRepeatNGramLogitsProcessor(1),
  "ngram 3": new g.NoRepeatNGramLogitsProcessor(3),
  badWords: new g.NoBadWordsLogitsProcessor([[3], [7], [...want.ids[1]!.slice(-2), 9], [want.ids[2]!.at(-1)!, 0]], { eosTokenId: 7 }),
  suppress: new g.SuppressTokensLogitsProcessor([0, 39, 5]),
  minNewTokens: new g.MinNewTokensLengthLogitsProcessor(5, [2, 4]),
  "minNewTokens over": new g.MinNewTokensLengthLogitsProcessor(4, [2, 4]),
};

for (const [name, { all, some }] of Object.entries(want.cases))
  test(`${name} as transformers`, () => {
    const p = made[name]!;
    for (const [given, out] of [
      [want.scores, all],
      [want.some, some],
    ] as const) {
      const scores = scoresOf(given);
      const before = scores.clone();
      const got = p.process(rows(8), scores).dataSync();
      out.forEach((w, i) => {
        const v = got[i] as number;
        assert.ok(
          w === null ? v === Number.NEGATIVE_INFINITY : Math.abs(v - w) <= 1e-6 * Math.max(1, Math.abs(w)),
          `[${i}]: ${v}, recorded ${w}`,
        );
      });
      assert.ok(torch.equal(scores, before), "the given scores changed");
    }
  });

test("every recorded case has its processor", () => assert.deepEqual(Object.keys(want.cases).sort(), Object.keys(made).sort()));

test("frequency and presence penalties count the answer only", () => {
  const scores = torch.zeros(2, 4);
  const given = [
    { ids: [3, 1, 1, 2], promptLength: 1 },
    { ids: [0, 0, 0], promptLength: 3 },
  ];
  const out = new g.FrequencyPenaltyLogitsProcessor(0.5, 0.25).process(given, scores);
  assert.deepEqual(out.toArraySync(), [
    [0, -1.25, -0.75, 0],
    [0, 0, 0, 0],
  ]);
});

test("ids that the scores do not have are passed over", () => {
  const out = new g.RepetitionPenaltyLogitsProcessor(2).process([{ ids: [9, 1], promptLength: 1 }], torch.ones(1, 2));
  assert.deepEqual(out.toArraySync(), [[1, 0.5]]);
});

test("bad arguments are typed errors", () => {
  const bad: [() => unknown, string][] = [
    [() => new g.TemperatureLogitsWarper(0), "ValueError"],
    [() => new g.TemperatureLogitsWarper("hot" as never), "ArgumentError"],
    [() => new g.TopKLogitsWarper(0), "ValueError"],
    [() => new g.TopKLogitsWarper(1.5), "ValueError"],
    [() => new g.TopPLogitsWarper(0), "ValueError"],
    [() => new g.TopPLogitsWarper(1.1), "ValueError"],
    [() => new g.MinPLogitsWarper(-0.1), "ValueError"],
    [() => new g.TypicalLogitsWarper(1), "ValueError"],
    [() => new g.RepetitionPenaltyLogitsProcessor(Number.NaN), "ValueError"],
    [() => new g.FrequencyPenaltyLogitsProcessor(Number.POSITIVE_INFINITY), "ValueError"],
    [() => new g.NoRepeatNGramLogitsProcessor(-1), "ValueError"],
    [() => new g.NoBadWordsLogitsProcessor([]), "ArgumentError"],
    [() => new g.NoBadWordsLogitsProcessor([[]]), "ArgumentError"],
    [() => new g.NoBadWordsLogitsProcessor([["a"]] as never), "ArgumentError"],
    [() => new g.SuppressTokensLogitsProcessor([-1]), "ArgumentError"],
    [() => new g.MinNewTokensLengthLogitsProcessor(-1, 0), "ValueError"],
    [() => new g.MinNewTokensLengthLogitsProcessor(1, []), "ArgumentError"],
  ];
  for (const [f, name] of bad) assert.throws(f, (e: Error) => e.name === name, String(f));
});
