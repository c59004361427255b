// Many clients at once: each gets what it would get alone, all advance alike, and nothing is left behind.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { memory } from "../../src/index.ts";
import { generate } from "../../src/generation/index.ts";
import type { CausalModel } from "../../src/models/index.ts";
import { serve, type ServerHandle } from "../../src/serve/index.ts";
import type { Tokenizer } from "../../src/tokenizers/index.ts";
import { figure, tinyModel, tinyTokenizer } from "./support.ts";

let model: CausalModel;
let tokenizer: Tokenizer;
let server: ServerHandle;
let client: OpenAI;
before(async () => {
  [model, tokenizer] = [await tinyModel(), await tinyTokenizer()];
  server = await serve(model, tokenizer, { port: 0, name: "tiny", maxBatch: 96, maxQueue: 200 });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
});
after(() => server.close());

test("200 streams at once: nothing lost or mixed up, and nobody left behind", async () => {
  const count = 200;
  // Half are greedy; prompts differ in content and length, and no answer ends early.
  const jobs = Array.from({ length: count }, (_, i) => ({
    prompt: `${"the sea is wide ".repeat(i % 5)}story ${i}`,
    temperature: i % 2 === 0 ? 0 : 0.9,
    seed: i,
    tokens: 12 + (i % 3),
  }));
  const begun = performance.now();
  const finished: number[] = [];
  const answers = await Promise.all(
    jobs.map(async ({ prompt, temperature, seed, tokens }) => {
      const stream = await client.completions.create({
        model: "tiny",
        prompt,
        temperature,
        seed,
        max_tokens: tokens,
        logit_bias: { 2: -100 },
        stream: true,
      });
      let text = "";
      for await (const chunk of stream) text += chunk.choices[0]!.text;
      finished.push(performance.now() - begun);
      return text;
    }),
  );
  for (const [i, { prompt, temperature, seed, tokens }] of jobs.entries()) {
    const want = await generate(model, tokenizer.encode(prompt), {
      tokenizer,
      maxNewTokens: tokens,
      suppressTokens: [2],
      topK: 0,
      ...(temperature > 0 && { doSample: true, temperature, seed }),
    });
    assert.equal(answers[i], want.texts![0], `stream ${i}`);
  }
  // Two batches of 96, then the rest: the last is done a few times later than the first, not two hundred times.
  const [first, last] = [Math.min(...finished), Math.max(...finished)];
  assert.ok(last < 20 * first, `first after ${first} ms, last after ${last}`);
  const together = (await figure(server, "firebrand_batch_size_sum")) / (await figure(server, "firebrand_batch_size_count"));
  assert.ok(together > 10, `${together} texts in a pass`);
});

test("memory is flat over 500 requests", async () => {
  const round = async (n: number): Promise<void> => {
    for (let i = 0; i < n; i += 10)
      await Promise.all(
        Array.from({ length: 10 }, (_, k) =>
          client.completions.create({ model: "tiny", prompt: `request ${i + k}`, max_tokens: 4, seed: i }),
        ),
      );
  };
  const live = (): number => {
    memory.emptyCache();
    return memory.stats().live;
  };
  await round(100);
  const before = [live(), await figure(server, "firebrand_cache_bytes")];
  await round(400);
  const after = [live(), await figure(server, "firebrand_cache_bytes")];
  assert.ok(after[0]! <= before[0]! + 100_000, `${before[0]} to ${after[0]} bytes of tensors`);
  assert.ok(after[1]! <= before[1]! + 100_000, `${before[1]} to ${after[1]} bytes of caches`);
  assert.equal(await figure(server, "firebrand_running"), 0);
});
