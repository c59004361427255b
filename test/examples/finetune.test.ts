// LoRA on a text, tiny, end to end: what it writes, that a run in parts equals one in a piece, and that bad calls are told.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { PeftModel } from "../../src/finetune/index.ts";
import { LlamaForCausalLM } from "../../src/models/index.ts";
import { type Outcome, root, run, temporaryFolder } from "./run.ts";

const folder = temporaryFolder();
const data = join(folder, "text.txt");
writeFileSync(data, readFileSync(join(root, "CONTRIBUTING.md"), "utf8"));
const model = join(folder, "model");
torch.manualSeed(0);
const sizes = { hiddenSize: 32, intermediateSize: 64, numHiddenLayers: 2, numAttentionHeads: 4, initializerRange: 0.1 };
await new LlamaForCausalLM({ vocabSize: 256, ...sizes }).savePretrained(model);

const STEPS = 120;
const small = [
  "--block-size",
  "16",
  "--batch-size",
  "2",
  "--accumulate",
  "2",
  "--eval-every",
  "20",
  "--eval-tokens",
  "256",
  "--lr",
  "0.01",
];
const tune = (out: string, more: readonly string[] = [], watch?: (out: string, child: ChildProcess) => void): Promise<Outcome> =>
  run("finetune", ["--model", model, "--data", data, "--out", join(folder, out), "--steps", String(STEPS), ...small, ...more], watch);
/** The newest checkpoint of the adapters, its tensors as bytes. */
function state(out: string): { values: unknown; tensors: Buffer } {
  const at = join(folder, out, "lora");
  const path = join(
    at,
    readdirSync(at)
      .filter((f) => f.startsWith("step-"))
      .sort()
      .at(-1)!,
  );
  const { values } = JSON.parse(readFileSync(join(path, "state.json"), "utf8")) as { values: unknown };
  return { values, tensors: readFileSync(join(path, "rank-0.safetensors")) };
}
const whole = tune("whole", ["--sample", "20"]);

test("a run lowers the perplexity of what was held back, and writes an adapter that loads", async () => {
  const { code, out, err } = await whole;
  assert.deepEqual([code, err], [0, ""]);
  const [, before, after] = /perplexity of what was held back, a byte: ([\d.]+) before, ([\d.]+) after/.exec(out)!;
  assert.ok(Number(after) < 0.5 * Number(before), `${before} before, ${after} after`);
  assert.match(out, /20\/120 \| loss \d\.\d{3} \| val \d\.\d{3}/);
  assert.match(out, /┤[\s\S]*a sample:\n./);
  assert.match(readFileSync(join(folder, "whole", "lora", "loss.svg"), "utf8"), /cross-entropy per byte/);
  const peft = await PeftModel.fromPretrained(await LlamaForCausalLM.fromPretrained(model), join(folder, "whole", "adapter"));
  assert.equal(peft.peftConfig.get("default")!.baseModelNameOrPath, model);
  // The checkpoints hold the adapters, not the model.
  assert.ok(
    Object.keys(peft.adapterState()).length * 3 ===
      Object.keys(await torch.load(join(folder, "whole", "lora", "step-00000120", "rank-0.safetensors"))).length,
  );
});
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGKILL", null],
] as const)
  test(`ended by ${signal} and run again, it gives the losses and adapters of a run in a piece`, async () => {
    let sent = false;
    const first = await tune(signal, ["--sample", "0"], (out, child) => {
      if (!sent && out.includes("\n40/120")) sent = child.kill(signal);
    });
    assert.equal(first.code, code, first.err);
    const second = await tune(signal, ["--sample", "0"]);
    assert.deepEqual([second.code, second.err], [0, ""]);
    assert.match(second.out, /going on from .*step-0*\d+\n/);
    await whole;
    assert.deepEqual(state(signal), state("whole"));
  });
test("checkpointing gives the same adapters", async () => {
  const { code, err } = await tune("checkpointing", ["--sample", "0", "--checkpointing"]);
  assert.deepEqual([code, err], [0, ""]);
  await whole;
  assert.deepEqual(state("checkpointing"), state("whole"));
});
test("with a tokenizer, tokens are its", async () => {
  const words = ["[UNK]", ..."abcdefghijklmnopqrstuvwxyz".split("").flatMap((c) => [c, `##${c}`]), "the", "##ing"];
  writeFileSync(join(folder, "vocab.txt"), `${words.join("\n")}\n`);
  const { code, out, err } = await tune("tokens", ["--tokenizer", join(folder, "vocab.txt"), "--steps", "20", "--sample", "5"]);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /perplexity of what was held back, a token: /);
});
test("QLoRA: the same over a quantised model", async () => {
  const { code, out, err } = await tune("quantised", ["--sample", "0", "--quantize", "Q4_0"]);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /14 layers are now Q4_0/);
  const after = (text: string): number => Number(/before, ([\d.]+) after/.exec(text)![1]);
  assert.ok(after(out) < 1.05 * after((await whole).out), `${after(out)}, without quantisation ${after((await whole).out)}`);
});
test("without a model it trains one first, once", async () => {
  const call = ["--data", data, "--out", join(folder, "scratch"), "--base-steps", "2", "--steps", "2", ...small, "--sample", "0"];
  const first = await run("finetune", call);
  assert.deepEqual([first.code, first.err], [0, ""]);
  assert.match(first.out, /a LLaMA of [\d,]+ parameters learns/);
  assert.ok(existsSync(join(folder, "scratch", "base", "model", "model.safetensors")));
  const second = await run("finetune", call);
  assert.equal(second.code, 0);
  assert.doesNotMatch(second.out, /a LLaMA of/);
});
test("bad calls give one line and a code", async () => {
  writeFileSync(join(folder, "short.txt"), "too short");
  await whole;
  const cases: [string, string[], RegExp][] = [
    ["none", ["--lora-r", "0"], /--lora-r is "0"/],
    ["none", ["--target", "q_prj"], /"q_prj" match no layer of the model. Did you mean q_proj/],
    ["none", ["--data", join(folder, "short.txt")], /has 9 characters, needed at least 640/],
    ["none", ["--model", join(folder, "missing")], /there is no .*missing/],
    [
      "none",
      ["--model", join(root, "test", "models", "recorded", "llama")],
      /has a vocabulary of 64, the tokens 256: they do not belong together/,
    ],
    ["none", ["--tokenizer", join(folder, "missing")], /missing/],
    ["none", ["--device", "nowhere"], /--device nowhere cannot be used/],
    ["whole", ["--lora-r", "4"], /--lora-r 4 \(was 8\)\. --fresh begins anew/],
    ["none", ["--quantize", "Q9"], /no quantised type "Q9"/],
    ["whole", ["--seed", "2"], /--seed 2 \(was 1337\)/],
  ];
  for (const [out, args, message] of cases) {
    const { code, err } = await tune(out, args);
    assert.ok(code === 1 || code === 2, `${args.join(" ")}: code ${code}`);
    assert.match(err, message);
    assert.match(err, /^error: [^\n]+\n$/);
  }
});
