// What training needs besides adapters: checkpointed gradients, packed rows, chats, accumulation, perplexity.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "firebrand";
import { type nn, type Tensor, utils } from "firebrand";
import { accumulateGradients, type ChatTokenizer, chatExample, getPeftModel, packSequences, perplexity } from "firebrand/finetune";
import { AutoModelForCausalLM, type CausalModel, LlamaForCausalLM } from "firebrand/models";
import { recordedFolder, worst } from "../models/support.ts";

const recorded = (name: string, config = {}): Promise<CausalModel> =>
  AutoModelForCausalLM.fromPretrained(join(recordedFolder(), name), { config });
const draw = (...shape: number[]): Tensor => torch.randint(3, 64, shape, { generator: new torch.Generator().manualSeed(5) });
const gradients = (m: nn.Module): Map<string, Tensor> =>
  new Map([...m.namedParameters()].flatMap(([k, p]) => (p.grad ? [[k, p.grad.clone()] as const] : [])));

for (const name of ["llama", "gemma2", "gemma3", "phi3", "gpt2"])
  test(`${name}: checkpointed losses and gradients are the plain ones, dropout included`, async () => {
    const model = (
      await recorded(name, name === "gpt2" ? { residPdrop: 0.1, embdPdrop: 0.1, attnPdrop: 0.1 } : { attentionDropout: 0.2 })
    ).train();
    const ids = draw(2, 12);
    const run = (): [loss: number, grads: Map<string, Tensor>, next: number] => {
      torch.manualSeed(3);
      model.zeroGrad();
      const { loss } = model.forward(ids, { labels: ids });
      const next = torch.rand(1).itemSync() as number;
      loss!.backward();
      assert.notEqual(torch.rand(1).itemSync(), next); // backward leaves the generator where it was
      return [loss!.itemSync() as number, gradients(model), next];
    };
    const plain = run();
    model.gradientCheckpointingEnable();
    const again = run();
    assert.equal(again[0], plain[0]);
    assert.equal(again[2], plain[2]);
    assert.equal(again[1].size, plain[1].size);
    for (const [k, g] of plain[1]) assert.equal(worst(again[1].get(k)!, g), 0, k);
    model.gradientCheckpointingDisable();
    assert.equal(run()[0], plain[0]);
  });

test("checkpoint: closures, several outputs, grad of grad, retained graphs, nesting, frozen arguments", () => {
  torch.manualSeed(0);
  const [x, w] = [torch.randn(4, 3, { requiresGrad: true }), torch.randn(3, 3, { requiresGrad: true })];
  const f = (x: Tensor): { a: Tensor; b: Tensor } => {
    const h = x.matmul(w).tanh();
    return { a: h.mul(h).exp(), b: h.sin() };
  };
  const value = (out: { a: Tensor; b: Tensor }): Tensor => out.a.sum().add(out.b.square().sum());
  const both = (out: () => { a: Tensor; b: Tensor }): Tensor[] => {
    const first = torch.autograd.grad(value(out()), [x, w], { createGraph: true });
    const second = torch.autograd.grad(first[0]!.square().sum(), [x, w]);
    return [...first, ...second];
  };
  const want = both(() => f(x));
  both(() => utils.checkpoint(f, x)).forEach((g, i) => assert.ok(worst(g, want[i]!) < 1e-6, `gradient ${i}`));
  both(() => utils.checkpoint(() => utils.checkpoint(f, x))).forEach((g, i) => assert.ok(worst(g, want[i]!) < 1e-6));
  // Nothing given requires a gradient, only what the function closes over.
  const frozen = x.detach();
  const [g] = torch.autograd.grad(value(utils.checkpoint(f, frozen)), [w]);
  assert.equal(worst(g!, want[1]!), 0);
  const loss = value(utils.checkpoint(f, x));
  for (let i = 0; i < 2; i++) torch.autograd.backward(loss, null, { retainGraph: true });
  assert.ok(worst(w.grad!, want[1]!.mul(2)) < 1e-6);
  loss.backward();
  assert.throws(() => loss.backward(), { name: "AutogradError", message: /freed/ });
  assert.equal(torch.noGrad(() => utils.checkpoint(f, x)).a.requiresGrad, false);
});
test("checkpoint: in scopes, under anomaly detection, with modules' hooks", async () => {
  const model = (await recorded("llama")).train();
  const ids = draw(2, 12);
  const run = (around: (step: () => number) => number): [number, Map<string, Tensor>] => {
    model.zeroGrad();
    const loss = around(() => {
      const { loss } = model.forward(ids, { labels: ids });
      loss!.backward();
      return loss!.itemSync() as number;
    });
    return [loss, gradients(model)];
  };
  const want = run((step) => step());
  model.gradientCheckpointingEnable();
  const seen: string[] = [];
  const remove = (model.getSubmodule("model.layers.1.mlp") as nn.Module).registerFullBackwardHook(
    (_, [g]) => void seen.push(String(g?.shape)),
  );
  for (const around of [torch.scope, torch.detectAnomaly] as const) {
    const [loss, grads] = run(around as (step: () => number) => number);
    assert.equal(loss, want[0]);
    for (const [k, g] of want[1]) assert.equal(worst(grads.get(k)!, g), 0, k);
  }
  remove();
  assert.deepEqual(seen, ["2,12,16", "2,12,16"]);
});
test("checkpoint: a function that computes something else the second time is found out, and so is a write to its arguments", () => {
  const x = torch.ones(3, { requiresGrad: true });
  let calls = 0;
  const fickle = (f: (t: Tensor, n: number) => Tensor): Tensor => {
    calls = 0;
    return utils.checkpoint((t: Tensor) => f(t, calls++), x).sum();
  };
  assert.throws(() => fickle((t, n) => (n ? t.narrow(0, 0, 2) : t).exp()).backward(), {
    name: "AutogradError",
    message: /checkpoint: .*another tensor in place of number 1/,
  });
  assert.throws(() => fickle((t, n) => (n ? t : t.exp().exp())).backward(), {
    name: "AutogradError",
    message: /saves 0 tensors, needed \d/,
  });
  assert.throws(() => utils.checkpoint(3 as never), { name: "ArgumentError", message: /fn is 3, needed a function/ });
  const y = torch.ones(3);
  const loss = utils.checkpoint(() => x.mul(y).exp().sum());
  y.add_(1);
  assert.throws(() => loss.backward(), { name: "AutogradError", message: /in-place/ });
});
test("checkpointing keeps little: peak memory of a deep model", () => {
  const peak = (on: boolean): number => {
    const out = spawnSync(process.execPath, [join(import.meta.dirname, "memory.js"), String(on)], { encoding: "utf8" });
    assert.equal(out.status, 0, out.stderr);
    return Number(out.stdout);
  };
  const [plain, checkpointed] = [peak(false), peak(true)];
  assert.ok(checkpointed < 0.5 * plain, `${checkpointed} MB with, ${plain} MB without`);
});

for (const name of ["llama", "llama-yarn", "mistral", "gemma2", "gemma3", "gpt2", "qwen2", "phi3"])
  test(`${name}: packed documents give the loss and gradients of each alone`, async () => {
    const model = await recorded(name);
    const all = draw(1, 40).toArraySync() as number[][];
    const documents = [12, 7, 3, 9, 1].map((n, i) => ({ inputIds: all[0]!.slice(i * 7, i * 7 + n) }));
    const { inputIds, segmentIds, labels } = packSequences(documents, { length: 16 });
    assert.equal(inputIds.shape[0], 2);
    const packed = model.forward(inputIds, { segmentIds, labels });
    packed.loss!.backward();
    const got = gradients(model);
    model.zeroGrad();
    const parts = documents.filter((d) => d.inputIds.length > 1).map((d) => ({ inputIds: torch.tensor([d.inputIds]) }));
    const loss = accumulateGradients(model, parts);
    assert.ok(Math.abs(loss - (packed.loss!.itemSync() as number)) < 1e-5);
    for (const [k, g] of gradients(model)) assert.ok(worst(got.get(k)!, g) < 1e-4, k);
    // And the logits of a document that is not the first of its row.
    const rows = segmentIds.toArraySync() as number[][];
    const [r, s] = rows[1]!.includes(2) ? [1, 2] : [0, 2];
    const [from, count] = [rows[r]!.indexOf(s), rows[r]!.filter((x) => x === s).length];
    const alone = model.forward(inputIds.narrow(0, r, 1).narrow(1, from, count)).logits;
    assert.ok(worst(packed.logits.narrow(0, r, 1).narrow(1, from, count), alone) < 1e-4);
  });

test("accumulated gradients are those of the whole batch, whatever each part's labels are", async () => {
  const model = await recorded("llama");
  const ids = draw(6, 10);
  const labels = ids.clone();
  labels.narrow(0, 0, 1).fill_(-100);
  labels.narrow(0, 2, 2).narrow(1, 0, 7).fill_(-100);
  const whole = model.forward(ids, { labels }).loss!;
  whole.backward();
  const want = gradients(model);
  model.zeroGrad();
  const parts = [0, 1, 2, 4].map((from, i) => [from, [1, 1, 2, 2][i]!] as const);
  const loss = accumulateGradients(
    model,
    parts.map(([from, n]) => ({ inputIds: ids.narrow(0, from, n), labels: labels.narrow(0, from, n) })),
  );
  assert.ok(Math.abs(loss - (whole.itemSync() as number)) < 1e-5);
  for (const [k, g] of gradients(model)) assert.ok(worst(g, want.get(k)!) < 1e-5, k);
  const none = torch.full([1, 4], -100, { dtype: "int64" });
  assert.throws(() => accumulateGradients(model, [{ inputIds: draw(1, 4), labels: none }]), {
    name: "ArgumentError",
    message: /with \[0\] labels/,
  });
});

test("perplexity: every token once, windows as in the definition, modes restored", async () => {
  const model = (await recorded("llama")).train();
  const ids = draw(1, 23);
  const list = (ids.toArraySync() as number[][])[0]!;
  const nll = (from: number, to: number, first: number): number => {
    const logp = torch.noGrad(() => model.forward(ids.narrow(1, from, to - from)).logits.logSoftmax(-1)).toArraySync() as number[][][];
    let sum = 0;
    for (let t = first; t < to; t++) sum -= logp[0]![t - from - 1]![list[t]!]!;
    return sum;
  };
  const whole = perplexity(model, list, { maxLength: 64 });
  assert.ok(Math.abs(whole.loss - nll(0, 23, 1) / 22) < 1e-5);
  assert.equal(whole.tokens, 22);
  // Windows of 8, 3 apart: [0, 8), [3, 11), … each judges what is new in it.
  let sum = nll(0, 8, 1);
  for (let begin = 3, done = 8; done < 23; begin += 3) {
    const end = Math.min(begin + 8, 23);
    sum += nll(begin, end, done);
    done = end;
  }
  const slid = perplexity(model, ids, { maxLength: 8, stride: 3 });
  assert.ok(Math.abs(slid.loss - sum / 22) < 1e-5, `${slid.loss} ${sum / 22}`);
  assert.ok(Math.abs(slid.perplexity - Math.exp(sum / 22)) < 1e-3);
  assert.ok(model.training);
  assert.throws(() => perplexity(model, [1], { maxLength: 8 }), { name: "ArgumentError" });
  assert.throws(() => perplexity(model, [1, 2], { maxLength: 8, stride: 8 }), { name: "ValueError", message: /stride 8/ });
});

test("chats: the assistant's tokens only, every turn or the last", async () => {
  // <|role|> content <|end|>, one token a character.
  const text = (messages: readonly { role: string; content: string }[], prompt: boolean): string =>
    messages.map((m) => `<${m.role[0]}>${m.content}.`).join("") + (prompt ? "<a>" : "");
  const tokenizer: ChatTokenizer = {
    applyChatTemplate: async (messages, o) => [...text(messages as never, o?.addGenerationPrompt ?? false)].map((c) => c.charCodeAt(0)),
  };
  const chat = [
    { role: "system", content: "be kind" },
    { role: "user", content: "hi" },
    { role: "assistant", content: "hello" },
    { role: "user", content: "bye" },
    { role: "assistant", content: "so long" },
  ];
  const learnt = ({ labels }: { labels: readonly number[] }): string =>
    labels.map((t) => (t === -100 ? "_" : String.fromCharCode(t))).join("");
  const blank = (t: string): string => "_".repeat(t.length);
  assert.equal(learnt(await chatExample(tokenizer, chat)), `${blank("<s>be kind.<u>hi.<a>")}hello.${blank("<u>bye.<a>")}so long.`);
  assert.equal(learnt(await chatExample(tokenizer, chat, { lastOnly: true })).replaceAll("_", ""), "so long.");
  await assert.rejects(chatExample(tokenizer, chat.slice(0, 2)), {
    name: "ArgumentError",
    message: /no message is of "assistant".*system, user/,
  });
  const forgetful: ChatTokenizer = { applyChatTemplate: (m, o) => tokenizer.applyChatTemplate(m.slice(-2) as never[], o) };
  await assert.rejects(chatExample(forgetful, chat), { name: "UnsupportedError", message: /message 2 otherwise/ });
});
test("what cannot be packed is refused", () => {
  const cases: [() => unknown, string, RegExp][] = [
    [() => packSequences([], { length: 4 }), "ArgumentError", /no documents/],
    [() => packSequences([{ inputIds: [1, 2, 3] }], { length: 2 }), "ValueError", /3 tokens, a row 2/],
    [() => packSequences([{ inputIds: [] }], { length: 2 }), "ArgumentError", /document 0 are \[\]/],
    [() => packSequences([{ inputIds: [1], labels: [1, 2] }], { length: 2 }), "ValueError", /1 tokens and 2 labels/],
    [() => packSequences([{ inputIds: [1] }], { length: 0 }), "ValueError", /length is 0/],
  ];
  for (const [call, name, message] of cases) assert.throws(call, { name, message });
  const model = new LlamaForCausalLM({ vocabSize: 8, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 });
  const ids = torch.tensor([[1, 2, 3]]);
  assert.throws(() => model.forward(ids, { segmentIds: torch.tensor([[1, 1]]) }), {
    name: "ShapeError",
    message: /segmentIds \[1, 2\] for inputs \[1, 3\]/,
  });
  assert.throws(() => model.forward(ids, { segmentIds: ids, cache: model.newCache({ batch: 1, length: 4 }) }), {
    name: "ValueError",
    message: /with a cache/,
  });
});
test("LoRA with checkpointing: adapters get the same gradients although nothing before them trains", async () => {
  const grads = async (on: boolean): Promise<Map<string, Tensor>> => {
    torch.manualSeed(1);
    const peft = getPeftModel((await recorded("llama")).train(), { targetModules: "all-linear", loraDropout: 0.1, initLoraWeights: false });
    if (on) peft.getBaseModel().gradientCheckpointingEnable();
    const ids = draw(2, 12);
    peft.forward(ids, { labels: ids }).loss!.backward();
    return gradients(peft);
  };
  const [plain, on] = [await grads(false), await grads(true)];
  assert.equal(on.size, 28);
  for (const [k, g] of plain) assert.equal(worst(on.get(k)!, g), 0, k);
});
