// Streaming: pieces of text that are never half a character, other work in between, an end at any time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type GenerateOptions, generate, type Piece, PrefixCache, stream } from "../../src/generation/index.ts";
import { TextStream } from "../../src/generation/text.ts";
import * as torch from "../../src/index.ts";
import { idsOf, letters, scripted, tiny } from "./support.ts";

const all = async (s: AsyncIterable<Piece>): Promise<Piece[]> => {
  const out: Piece[] = [];
  for await (const p of s) out.push(p);
  return out;
};
const say = (text: string): ReturnType<typeof scripted> => scripted(idsOf(text), 2);

test("pieces are what generate gives", async () => {
  const model = await tiny();
  for (const options of [{}, { doSample: true, seed: 3 }, { eosTokenId: 11, padTokenId: 0 }] as GenerateOptions[]) {
    const whole = await generate(model, [3, 14, 15], { ...options, tokenizer: letters, logprobs: true });
    const pieces = await all(stream(model, [3, 14, 15], { ...options, tokenizer: letters, logprobs: true }));
    assert.deepEqual(
      pieces.map((p) => p.id),
      whole.newIds[0],
    );
    assert.deepEqual(
      pieces.map((p) => p.logprob),
      whole.logprobs![0],
    );
    assert.equal(pieces.map((p) => p.text).join(""), whole.texts![0]);
    assert.deepEqual(
      pieces.map((p) => p.finishReason),
      [...Array(pieces.length - 1).fill(null), whole.finishReasons[0]],
    );
  }
});

test("stop strings are held back and never shown", async () => {
  const pieces = await all(stream(say("abcdabce"), [1, 2], { stopStrings: ["abce", "zz"], tokenizer: letters }));
  assert.deepEqual(
    pieces.map((p) => p.text),
    ["", "", "", "abcd", "", "", "", ""],
  );
  assert.equal(pieces.at(-1)!.finishReason, "stop");
  const cut = await all(stream(say("ab"), [1, 2], { stopStrings: ["abc"], tokenizer: letters, maxNewTokens: 2 }));
  assert.deepEqual(
    cut.map((p) => p.text),
    ["", "ab"],
  );
});

test("characters of several tokens come whole", () => {
  const t = new TextStream(letters);
  assert.deepEqual(
    [0, 60, 61, 60, 61, 1].map((id) => t.push(id)),
    ["a", "", "é", "", "é", "b"],
  );
  t.push(60);
  assert.equal(t.end(), "\ufffd");
  // A tokenizer whose first token loses its space, as SentencePiece's do.
  const words = {
    decode: (ids: readonly number[]) =>
      ids
        .map((id) => ["▁a", "▁b", "c"][id])
        .join("")
        .replaceAll("▁", " ")
        .replace(/^ /, ""),
  };
  const s = new TextStream(words, ["c b"]);
  assert.deepEqual(
    [0, 1, 2, 0].map((id) => s.push(id)),
    ["a", " b", "", "c a"],
  );
  assert.deepEqual(
    [2, 1].map((id) => s.push(id)),
    ["", ""],
  );
  assert.ok(s.stopped);
});

test("a tokenizer's own stream is used where it has one", () => {
  const decodeStream = (): { push: (id: number) => string; end: () => string } => ({ push: (id) => `<${id}>`, end: () => "." });
  const t = new TextStream({ decode: () => "", decodeStream }, ["2>"]);
  assert.deepEqual([t.push(1), t.push(2), t.push(3), t.end()], ["<1>", "<", "", ""]);
  const s = new TextStream({ decode: () => "", decodeStream });
  assert.deepEqual([s.push(1), s.end()], ["<1>", "."]);
});

test("the event loop runs between tokens", async () => {
  let turns = 0;
  let on = true;
  const tick = (): void => {
    turns++;
    if (on) setImmediate(tick);
  };
  setImmediate(tick);
  await generate(say("abcdefgh"), [1, 2], { maxNewTokens: 8 });
  on = false;
  assert.ok(turns >= 7, `${turns} turns`);
});

test("a signal ends it cleanly", async () => {
  const c = new AbortController();
  const seen: Piece[] = [];
  for await (const p of stream(say("abcabcabc"), [1, 2], { signal: c.signal, tokenizer: letters, stopStrings: ["abcabcabcabc"] })) {
    seen.push(p);
    if (seen.length === 4) c.abort();
  }
  assert.deepEqual(
    seen.slice(3).map(({ id, text, finishReason }) => [id, text, finishReason]),
    [
      [0, "", null],
      [null, "abca", "aborted"],
    ],
  );
  const out = await generate(say("abc"), [1, 2], { signal: AbortSignal.abort() });
  assert.deepEqual([out.newIds, out.finishReasons], [[[]], ["aborted"]]);
  const parts = say("abc");
  const signal = AbortSignal.timeout(1);
  await new Promise((done) => setTimeout(done, 5));
  assert.deepEqual(
    (await all(stream(parts, Array(10).fill(1), { signal, prefillChunkSize: 2 }))).map((p) => p.finishReason),
    ["aborted"],
  );
  assert.deepEqual(parts.passes, []);
  const model = await tiny();
  const later = new AbortController();
  const beams = generate(model, [3, 4], { numBeams: 2, maxNewTokens: 40, signal: later.signal });
  setImmediate(() => setImmediate(() => later.abort()));
  const cut = await beams;
  assert.equal(cut.finishReasons[0], "aborted");
  assert.ok(cut.newIds[0]!.length < 40);
});

test("leaving the loop gives the cache back in order", async () => {
  const model = await tiny();
  const draft = await tiny("gpt2", 0.05);
  for (const assistantModel of [null, draft]) {
    const prefixCache = new PrefixCache(model, { length: 40 });
    for (let count = 1; count < 8; count++) {
      const ids = [3, 14, 15, count];
      const got: number[] = [...ids];
      for await (const { id } of stream(model, ids, { prefixCache, assistantModel })) if (got.push(id!) === ids.length + count) break;
      const next = await generate(model, [[...got, 5]], { prefixCache, maxNewTokens: 4, assistantModel });
      assert.deepEqual(next.newIds, (await generate(model, [[...got, 5]], { maxNewTokens: 4 })).newIds);
    }
  }
});

test("a model that fails gives its error, and the cache back empty", async () => {
  const model = await tiny();
  let calls = 0;
  const failing = {
    ...model,
    forward: (...args: Parameters<typeof model.forward>) => {
      if (++calls === 3) throw new Error("broken");
      return model.forward(...args);
    },
  };
  const prefixCache = new PrefixCache(model, { length: 40 });
  await assert.rejects(all(stream(failing, [1, 2, 3], { prefixCache })), /broken/);
  assert.equal(prefixCache.take([1, 2, 3]).reused, 0);
});

test("what cannot be streamed is an error at once", () => {
  const model = say("a");
  const refused: [GenerateOptions, string, number[] | number[][]][] = [
    [{ numBeams: 2 }, "ArgumentError", [1]],
    [{ numReturnSequences: 2, doSample: true }, "ArgumentError", [1]],
    [{}, "ValueError", [[1], [2]]],
    [{}, "ValueError", []],
    [{ topP: 3, doSample: true }, "ValueError", [1]],
  ];
  for (const [options, name, ids] of refused)
    assert.throws(
      () => stream(model, ids, options),
      (e: Error) => e.name === name,
    );
});

test("constrained output streams, alone, with a draft, in batches and beams", async () => {
  const { RegexLogitsProcessor, Vocabulary } = await import("../../src/generation/index.ts");
  const model = await tiny();
  const draft = await tiny("gpt2", 0.05);
  const vocabulary = new Vocabulary(
    Array.from({ length: 64 }, (_, id) => (id === 63 || id === 60 || id === 61 ? null : letters.decode([id]))),
  );
  const pattern = /^[a-f]{3}(gh)+[A-C]{2,4}$/;
  const options = (): GenerateOptions => ({
    logitsProcessor: [new RegexLogitsProcessor(pattern, vocabulary, { eosTokenId: 63 })],
    eosTokenId: 63,
    tokenizer: letters,
    maxNewTokens: 36,
  });
  const plain = await generate(model, [3, 14, 15], options());
  const drafted = await generate(model, [3, 14, 15], { ...options(), assistantModel: draft });
  assert.deepEqual(drafted.newIds, plain.newIds);
  const ended: string[] = [];
  for (const more of [
    {},
    { doSample: true, numReturnSequences: 4, seed: 1 },
    { numBeams: 3, numReturnSequences: 3 },
    { doSample: true, seed: 2, topK: 0, topP: 0.9 },
    { doSample: true, seed: 4, assistantModel: draft },
  ]) {
    const out = await generate(model, [[3, 14, 15]], { ...options(), ...more });
    out.texts!.forEach((text, i) => {
      if (out.finishReasons[i] !== "stop") return;
      ended.push(text);
      assert.match(text, pattern);
    });
  }
  assert.ok(ended.length >= 5, ended.join());
  assert.ok(torch.isTensor(plain.sequences));
});
