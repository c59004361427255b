// The scheduler by itself: prompts that wait are fed together, in turn, and get the tokens that they get alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../src/index.ts";
import { generate } from "../../src/generation/index.ts";
import { settingsOf } from "../../src/generation/options.ts";
import { Metrics } from "../../src/serve/metrics.ts";
import { Scheduler } from "../../src/serve/scheduler.ts";
import { Sequence } from "../../src/serve/work.ts";
import { tinyModel } from "./support.ts";

test("prompts that wait are fed together, first come, first served; a long one holds nobody up", async () => {
  for (const name of ["llama", "mistral", "gemma2", "phi3"]) {
    const model = await tinyModel(name);
    const passes: number[] = [];
    const base = model.base.bind(model);
    model.base = (ids, options) => {
      passes.push(ids.shape[1]!);
      return base(ids, options);
    };
    const limits = { maxBatch: 64, maxQueue: 0, prefillChunk: 16, prefillSlice: 50, cacheBytes: 1e9, keptCaches: 0 };
    const failed: unknown[] = [];
    const scheduler = new Scheduler(model, limits, new Metrics((e) => failed.push(e)));
    const prompts = Array.from({ length: 24 }, (_, i) =>
      Array.from({ length: i === 0 ? 60 : 1 + (i % 9) }, (_, t) => 3 + ((7 * i + 5 * t) % 30)),
    );
    const order: number[] = [];
    const answers = await new Promise<readonly (readonly number[])[]>((done, fail) => {
      let open = prompts.length;
      const works = prompts.map((prompt, i) => {
        const work = new Sequence(prompt, settingsOf("test", model, { maxNewTokens: 4, eosTokenId: [] }), Number.POSITIVE_INFINITY);
        work.onToken = () => void (order.includes(i) || order.push(i));
        work.onError = fail;
        work.onDone = () => --open === 0 && done(works.map((w) => w.answer.newIds));
        return work;
      });
      scheduler.submit(works);
    });
    assert.deepEqual(failed, []);
    const fed = passes.filter((n) => n > 1);
    assert.ok(fed.length < prompts.length / 2, `${name}: fed in ${fed.length} passes of ${fed.join(", ")} tokens`);
    assert.ok(fed[0]! <= 16 && Math.max(...fed) <= 8 * 16);
    const short = order.filter((i) => i !== 0);
    assert.deepEqual(
      short,
      [...short].sort((a, b) => a - b),
      name,
    );
    assert.ok(order.indexOf(0) > 0, `${name}: the long one began before all others`);
    for (const [i, prompt] of prompts.entries())
      assert.deepEqual(answers[i], (await generate(model, prompt, { maxNewTokens: 4, eosTokenId: [] })).newIds[0], `${name}: prompt ${i}`);
  }
});
