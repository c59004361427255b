// LoRA on real text, over a floating and over a quantised base: both foretell what was held back better, and about as well.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import * as torch from "firebrand";
import { nn, optim, type Tensor } from "firebrand";
import { getPeftModel, type PeftModel, perplexity, quantizeModel } from "firebrand/finetune";
import { AutoModelForCausalLM, LlamaForCausalLM } from "firebrand/models";
import { recordedFolder, worst } from "../models/support.ts";

const LENGTH = 64;
const sizes = { vocabSize: 128, hiddenSize: 64, intermediateSize: 160, numHiddenLayers: 2, numAttentionHeads: 4, numKeyValueHeads: 2 };
const bytesOf = (file: string): number[] => [...readFileSync(join(process.cwd(), file))].map((b) => b % 128);
// The base model learns code, the adapters English.
const [code, english] = [bytesOf("src/nn/module.ts"), bytesOf("docs/decisions.md")];
const held = english.slice(-3000);

function train(
  model: { forward(ids: Tensor, o: { labels: Tensor }): { loss: Tensor | null } },
  parameters: Tensor[],
  data: number[],
  steps: number,
  lr: number,
): void {
  const optimizer = new optim.AdamW(parameters, { lr });
  const order = new torch.Generator().manualSeed(1);
  for (let i = 0; i < steps; i++) {
    const starts = torch.randint(0, data.length - LENGTH + 1, [8], { generator: order }).toArraySync() as number[];
    const ids = torch.tensor(starts.map((s) => data.slice(s, s + LENGTH)));
    optimizer.zeroGrad();
    model.forward(ids, { labels: ids }).loss!.backward();
    nn.utils.clipGradNorm_(parameters, 1);
    optimizer.step();
  }
}
let state: nn.StateDict;
const base = (): LlamaForCausalLM => {
  const model = new LlamaForCausalLM(sizes);
  model.loadStateDict(state);
  return model;
};
const judge = (m: LlamaForCausalLM | PeftModel<LlamaForCausalLM>): number => perplexity(m, held, { maxLength: LENGTH }).perplexity;
const tune = (model: LlamaForCausalLM): PeftModel<LlamaForCausalLM> => {
  torch.manualSeed(2);
  const peft = getPeftModel(model, { r: 8, loraAlpha: 16, targetModules: "all-linear" }).train();
  train(
    peft,
    [...peft.parameters()].filter((p) => p.requiresGrad),
    english.slice(0, -3000),
    60,
    5e-3,
  );
  return peft;
};
let [bare, tuned] = [0, 0];
before(() => {
  torch.manualSeed(0);
  const model = new LlamaForCausalLM(sizes).train();
  train(model, [...model.parameters()], code, 100, 3e-3);
  state = model.stateDict();
  bare = judge(base());
  tuned = judge(tune(base()));
});

test("LoRA lowers the perplexity of held-out text", () => {
  assert.ok(tuned < 0.8 * bare, `${bare} before, ${tuned} after`);
});
for (const type of ["Q4_0", "Q4_K", "Q8_0"] as const)
  test(`QLoRA over ${type} comes within 5 % of it, merges, and its adapter is a plain one`, async () => {
    const model = base();
    const types = quantizeModel(model, type);
    assert.equal(Object.keys(types).length, 14);
    assert.ok(Object.values(types).every((t) => t === (type === "Q4_K" ? "Q5_0" : type)));
    const peft = tune(model);
    const got = judge(peft);
    assert.ok(got < 1.05 * tuned, `${got}, without quantisation ${tuned}`);
    const { trainable, all } = peft.trainableParameters();
    assert.deepEqual([trainable, all], Object.values(tune(base()).trainableParameters()).slice(0, 2));
    // Nothing of the base has changed, and nothing of it trains.
    for (const [k, t] of peft.getBaseModel().namedBuffers()) if (t.dtype === "uint8") assert.ok(!t.requiresGrad, k);
    assert.throws(() => peft.mergeAdapter(), { name: "UnsupportedError", message: /is quantised/ });
    const ids = torch.tensor([held.slice(0, 32)]);
    const logits = (m: { forward(ids: Tensor): { logits: Tensor } }): Tensor => torch.noGrad(() => m.forward(ids).logits);
    const want = logits(peft.eval());
    const adapter = peft.adapterState();
    assert.ok(!Object.keys(adapter).some((k) => k.includes("base_layer")));
    const merged = peft.mergeAndUnload();
    assert.deepEqual(Object.keys(merged.stateDict()), Object.keys(state));
    // The quantised product rounds its inputs, the merged one does not.
    assert.ok(worst(logits(merged), want) < 0.05, `${worst(logits(merged), want)}`);
  });
test("quantised rows of 256 take K-types; GPT-2's layers are quantised the other way round", async () => {
  const wide = new nn.Sequential(new nn.Linear(256, 32), new nn.Linear(32, 256), new nn.Linear(7, 2));
  assert.deepEqual(quantizeModel(wide, "Q4_K"), { 0: "Q4_K", 1: "Q5_0" });
  const gpt2 = await AutoModelForCausalLM.fromPretrained(join(recordedFolder(), "gpt2"));
  const ids = torch.tensor([[1, 2, 3, 4]]);
  const want = torch.noGrad(() => gpt2.forward(ids).logits);
  const types = quantizeModel(gpt2, "Q8_0");
  assert.deepEqual(Object.keys(types), ["transformer.h.0.mlp.c_proj", "transformer.h.1.mlp.c_proj"]); // 16 wide: the others are none
  assert.ok(
    worst(
      torch.noGrad(() => gpt2.forward(ids).logits),
      want,
    ) < 0.05,
  );
  const peft = getPeftModel(gpt2, { targetModules: ["c_proj"], initLoraWeights: false });
  assert.equal(peft.forward(ids).logits.shape[2], 64);
});
test("gradients of adapters over a quantised layer are those over its numbers", () => {
  torch.manualSeed(0);
  const plain = new nn.Sequential(new nn.Linear(64, 64), new nn.Linear(64, 32));
  const quantised = nn.cloneModule(plain);
  quantizeModel(quantised, "Q8_0");
  for (const [i, l] of [...quantised.children()].entries()) {
    const layer = [...plain.children()][i] as nn.Linear;
    torch.noGrad(() => layer.weight.copy_((l as nn.QuantizedLinear).quantized.dequantize()));
  }
  const x = torch.randn(40, 64);
  const grads = [plain, quantised].map((m) => {
    torch.manualSeed(1);
    const peft = getPeftModel(m, { r: 4, targetModules: "all-linear", initLoraWeights: false });
    peft.forward(x).square().mean().backward();
    return Object.fromEntries([...peft.namedParameters()].flatMap(([k, p]) => (p.grad ? [[k, p.grad]] : [])));
  }) as [Record<string, Tensor>, Record<string, Tensor>];
  assert.equal(Object.keys(grads[1]).length, 4);
  for (const [k, g] of Object.entries(grads[1])) {
    const w = grads[0][k]!;
    assert.ok((g.sub(w).norm().itemSync() as number) < 0.02 * (w.norm().itemSync() as number), k);
  }
});
test("what cannot be quantised is refused", async () => {
  const model = new nn.Sequential(new nn.Linear(7, 2));
  assert.throws(() => quantizeModel(model, "Q8_0"), { name: "ArgumentError", message: /no layer could be made "Q8_0"/ });
  assert.throws(() => quantizeModel(base(), "Q9" as never), { name: "ArgumentError", message: /no quantised type "Q9"/ });
  const peft = getPeftModel(base(), { targetModules: ["q_proj"] });
  assert.throws(() => quantizeModel(peft, "Q8_0"), { name: "ArgumentError", message: /has adapters already/ });
});
