// Language models of every architecture against what transformers computes with the same weights (tools/record/language-models.py).
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "firebrand";
import type { Tensor } from "firebrand";
import { AutoModelForCausalLM, CacheBatch, type CausalModel } from "firebrand/models";
import { recordedFolder, worst } from "./support.ts";

const folder = recordedFolder();
const greedy = (model: CausalModel, ids: Tensor, count: number, mask: Tensor | null, cached: boolean): Tensor =>
  torch.noGrad(() => {
    const cache = cached ? model.newCache({ batch: ids.shape[0]!, length: ids.shape[1]! + count }) : null;
    let [all, seen] = [ids, mask];
    for (let i = 0; i < count; i++) {
      const input = cache && i > 0 ? all.narrow(1, all.shape[1]! - 1, 1) : all;
      const { logits } = model.forward(input, { cache, attentionMask: seen, logitsToKeep: 1 });
      all = torch.cat([all, logits.select(1, -1).argmax(-1, true)], 1);
      if (seen) seen = torch.cat([seen, torch.ones(ids.shape[0]!, 1, { dtype: "int64" })], 1);
    }
    return all;
  });

for (const name of readdirSync(folder).filter((n) => AutoModelForCausalLM && n !== "README.md")) {
  const at = join(folder, name);
  test(`${name}: hidden states, logits, loss and every gradient`, async () => {
    const model = await AutoModelForCausalLM.fromPretrained(at);
    const expected = await torch.io.loadSafetensors(join(at, "expected.safetensors"));
    const out = model.forward(expected["ids"]!, { labels: expected["ids"]!, outputHiddenStates: true });
    assert.equal(out.logits.dtype, "float32");
    out.hiddenStates!.forEach((h, i) => assert.ok(worst(h, expected[`hidden.${i}`]!) < 1e-4, `hidden.${i}`));
    assert.ok(worst(out.logits, expected["logits"]!) < 1e-4);
    assert.ok(worst(out.loss!, expected["loss"]!) < 1e-5);
    out.loss!.backward();
    for (const [key, p] of model.namedParameters())
      assert.ok(worst(p.grad!, expected[`grad.${key}`]!) < 1e-4, `gradient of ${key}: ${worst(p.grad!, expected[`grad.${key}`]!)}`);
  });
  test(`${name}: 64 tokens, with and without cache; batched and padded as alone`, async () => {
    const model = await AutoModelForCausalLM.fromPretrained(at);
    const expected = await torch.io.loadSafetensors(join(at, "expected.safetensors"));
    const one = expected["ids"]!.narrow(0, 0, 1);
    const want = expected["greedy"]!.toArraySync();
    assert.deepEqual(greedy(model, one, 64, null, true).toArraySync(), want);
    assert.deepEqual(greedy(model, one, 64, null, false).toArraySync(), want);
    const [ids, mask] = [expected["padded.ids"]!, expected["padded.mask"]!];
    const both = greedy(model, ids, 16, mask, true);
    assert.deepEqual(both.toArraySync(), expected["padded.greedy"]!.toArraySync());
    const alone = greedy(model, ids.narrow(0, 1, 1).narrow(1, 5, 7), 16, null, true);
    assert.deepEqual(both.narrow(0, 1, 1).narrow(1, 5, 23).toArraySync(), alone.toArraySync());
  });
  test(`${name}: conversations of different lengths decode together as alone`, async () => {
    const model = await AutoModelForCausalLM.fromPretrained(at);
    const ids = (await torch.io.loadSafetensors(join(at, "expected.safetensors")))["ids"]!;
    torch.noGrad(() => {
      const prompts = [ids.narrow(0, 0, 1), ids.narrow(0, 1, 1).narrow(1, 0, 7), ids.narrow(0, 1, 1).narrow(1, 0, 3)];
      const rows = prompts.map((p) => {
        const cache = model.newCache({ batch: 1, length: 16 });
        model.forward(p, { cache });
        return cache;
      });
      const next = torch.tensor([[5], [6], [7]]);
      const { logits } = model.forward(next, { cache: new CacheBatch(rows) });
      prompts.forEach((p, i) => {
        const whole = model.forward(torch.cat([p, next.narrow(0, i, 1)], 1), { logitsToKeep: 1 }).logits;
        assert.ok(worst(logits.narrow(0, i, 1), whole) < 1e-4);
        assert.equal(rows[i]!.length, p.shape[1]! + 1);
      });
    });
  });
  test(`${name}: prompts of different lengths are fed together, part by part, as alone`, async () => {
    const model = await AutoModelForCausalLM.fromPretrained(at);
    const ids = (await torch.io.loadSafetensors(join(at, "expected.safetensors")))["ids"]!;
    torch.noGrad(() => {
      const prompts = [ids.narrow(0, 0, 1).narrow(1, 0, 3), ids.narrow(0, 1, 1), ids.narrow(0, 1, 1).narrow(1, 2, 7)];
      const rows = prompts.map(() => model.newCache({ batch: 1, length: 16 }));
      const parts = [
        [2, 9, 1],
        [1, prompts[1]!.shape[1]! - 9, 6],
      ] as const;
      for (const counts of parts) {
        const next = prompts.map((p, i) => p.narrow(1, rows[i]!.length, counts[i]!));
        const { logits } = model.forward(torch.cat(next, 1), { cache: new CacheBatch(rows, counts) });
        let end = 0;
        for (const [i, p] of prompts.entries()) {
          const alone = model.forward(p.narrow(1, 0, rows[i]!.length), { logitsToKeep: 1 }).logits;
          assert.ok(worst(logits.narrow(1, (end += counts[i]!) - 1, 1), alone) < 1e-4, `row ${i}`);
        }
      }
      assert.deepEqual(
        rows.map((r) => r.length),
        prompts.map((p) => p.shape[1]),
      );
    });
  });
  test(`${name}: what is saved loads again, the same`, async () => {
    const model = await AutoModelForCausalLM.fromPretrained(at);
    const to = mkdtempSync(join(tmpdir(), "firebrand-"));
    try {
      await model.savePretrained(to, { maxShardSize: 20000 });
      const again = await AutoModelForCausalLM.fromPretrained(to, { dtype: "float64" });
      assert.equal(again.dtype, "float64");
      for (const [key, t] of Object.entries(again.stateDict())) assert.equal(worst(t, model.stateDict()[key]!), 0, key);
      assert.deepEqual({ ...again.config, rest: null }, { ...model.config, rest: null });
    } finally {
      rmSync(to, { recursive: true });
    }
  });
}
