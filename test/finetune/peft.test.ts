// LoRA against PEFT (tools/record/finetune.py): the same first values, losses, files and results.
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as torch from "firebrand";
import { io, nn, optim, type Tensor } from "firebrand";
import { getPeftModel, LoraConfig, PeftModel } from "firebrand/finetune";
import type { CausalModel } from "firebrand/models";
import { worst } from "../models/support.ts";
import { base, batches, curves, folder, optionsOf } from "./recorded.ts";

const expectedOf = (run: string): Promise<Record<string, Tensor>> => io.loadSafetensors(join(folder, run, "expected.safetensors"));
const temporary = mkdtempSync(join(tmpdir(), "firebrand-peft-"));
after(() => rmSync(temporary, { recursive: true }));
const logits = (model: { forward(ids: Tensor): { logits: Tensor } }, ids: Tensor): Tensor => torch.noGrad(() => model.forward(ids).logits);
const adapter = async (run: string): Promise<PeftModel<CausalModel>> =>
  PeftModel.fromPretrained(await base(curves[run]!.model), join(folder, run));

for (const [name, run] of Object.entries(curves)) {
  test(`${name}: first values and 60 losses are PEFT's`, async () => {
    const model = await base(run.model);
    torch.manualSeed(7);
    const peft = getPeftModel(model, optionsOf(run));
    const expected = await expectedOf(name);
    for (const [key, t] of Object.entries(peft.adapterState()))
      if (key.includes("lora_A")) assert.equal(worst(t, expected[`initial.${key}`]!), 0, key);
    const { trainable, all } = peft.trainableParameters();
    assert.deepEqual([trainable, all], [run.trainable, run.total]);
    const trained = [...peft.parameters()].filter((p) => p.requiresGrad);
    const optimizer = new optim.AdamW(trained, { lr: 1e-2 });
    peft.train();
    const losses: number[] = [];
    for (const ids of batches(run.losses.length)) {
      const loss = peft.forward(ids, { labels: ids }).loss!;
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      losses.push(loss.itemSync());
    }
    const most = Math.max(...losses.map((x, i) => Math.abs(x - run.losses[i]!)));
    assert.ok(most < 1e-4, `the worst loss differs by ${most}`);
    assert.ok(worst(logits(peft.eval(), expected["ids"]!), expected["logits"]!) < 1e-2);
  });
  test(`${name}: PEFT's file loads, computes the same, and is written as it was`, async () => {
    const peft = await adapter(name);
    const expected = await expectedOf(name);
    assert.ok(worst(logits(peft, expected["ids"]!), expected["logits"]!) < 1e-4);
    assert.equal(peft.trainableParameters().trainable, 0);
    const bin = name === "stable";
    const to = join(temporary, name);
    await peft.savePretrained(to, { safeSerialization: !bin });
    const file = bin ? "adapter_model.bin" : "adapter_model.safetensors";
    assert.deepEqual(readdirSync(to).sort(), ["adapter_config.json", file]);
    const [ours, theirs] = [await torch.load(join(to, file)), await torch.load(join(folder, name, file))];
    // With `bias: "all"` PEFT also writes the biases inside its wrappers of whole modules, which nobody reads.
    const needed = Object.keys(theirs).filter((k) => !/original_module|modules_to_save/.test(k) && (name !== "whole" || k in ours));
    assert.deepEqual(Object.keys(ours).sort(), needed.sort());
    for (const [key, t] of needed.map((k) => [k, theirs[k]!] as const)) assert.equal(worst(ours[key] as Tensor, t as Tensor), 0, key);
    const json = (at: string): Record<string, unknown> =>
      JSON.parse(readFileSync(join(at, "adapter_config.json"), "utf8")) as Record<string, unknown>;
    const [a, b] = [json(to), json(join(folder, name))];
    for (const [key, value] of Object.entries(a)) {
      if (key === "base_model_name_or_path" || key === "init_lora_weights") continue;
      const plain = (x: unknown): unknown => (Array.isArray(x) ? [...x].sort() : x);
      assert.deepEqual(plain(value), plain(b[key] ?? (Array.isArray(value) ? value : null)), key);
    }
  });
}

test("weighted sums and stacks are PEFT's", async () => {
  const peft = await PeftModel.fromPretrained(await base("llama"), join(folder, "linear"), { adapterName: "a" });
  const other = join(temporary, "b");
  await peft.savePretrained(temporary, { selectedAdapters: ["a"] });
  copyFileSync(join(folder, "b.safetensors"), join(temporary, "a", "adapter_model.safetensors"));
  const config = JSON.parse(readFileSync(join(temporary, "a", "adapter_config.json"), "utf8")) as object;
  writeFileSync(join(temporary, "a", "adapter_config.json"), JSON.stringify({ ...config, lora_alpha: 4 }));
  await peft.loadAdapter(join(temporary, "a"), "b");
  const expected = await io.loadSafetensors(join(folder, "weighted.safetensors"));
  for (const combinationType of ["linear", "cat"] as const) {
    peft.addWeightedAdapter(["a", "b"], [0.7, -0.4], combinationType, { combinationType });
    peft.setAdapter(combinationType);
    assert.ok(worst(logits(peft, expected["ids"]!), expected[combinationType]!) < 1e-4, combinationType);
  }
  peft.setAdapter(["a", "b"]);
  assert.ok(worst(logits(peft, expected["ids"]!), expected["stacked"]!) < 1e-4);
  await peft.savePretrained(other);
  assert.deepEqual(readdirSync(other).sort(), ["a", "b", "cat", "linear"]);
});

test("merged, unmerged, switched off and unloaded", async () => {
  for (const name of ["linear", "conv1d", "whole"]) {
    const peft = await adapter(name);
    const { ids, logits: want } = (await expectedOf(name)) as { ids: Tensor; logits: Tensor };
    const bare = logits(await base(curves[name]!.model), ids);
    const before = Object.entries(peft.stateDict()).map(([k, t]) => [k, t.clone()] as const);
    peft.mergeAdapter();
    assert.ok(worst(logits(peft, ids), want) < 1e-5 * 10, name);
    if (name === "linear") {
      assert.equal(
        worst(
          peft.disableAdapter(() => logits(peft, ids)),
          bare,
        ),
        0,
      );
      assert.equal(await peft.disableAdapter(async () => worst(logits(peft, ids), bare)), 0);
    }
    assert.throws(() => peft.setAdapter("default"), { name: "ValueError", message: /merged/ });
    peft.unmergeAdapter();
    for (const [k, t] of before) assert.equal(worst(peft.stateDict()[k]!, t), 0, k);
    const model = peft.mergeAndUnload();
    assert.ok(worst(logits(model, ids), want) < 1e-4, name);
    const plain = await base(curves[name]!.model);
    assert.deepEqual(Object.keys(model.stateDict()), Object.keys(plain.stateDict()));
  }
  const peft = await adapter("linear");
  const { ids } = (await expectedOf("linear")) as { ids: Tensor };
  assert.equal(worst(logits(peft.unload(), ids), logits(await base("llama"), ids)), 0);
});

test("merging rounds once: within 1e-5 in float32, for any layer", () => {
  torch.manualSeed(0);
  const peft = getPeftModel(new nn.Sequential(new nn.Linear(64, 64), new nn.Linear(64, 8)), {
    r: 4,
    targetModules: "all-linear",
    initLoraWeights: false,
  });
  const x = torch.randn(16, 64);
  const y = torch.noGrad(() => peft.forward(x));
  peft.mergeAdapter();
  assert.ok(
    worst(
      torch.noGrad(() => peft.forward(x)),
      y,
    ) < 1e-5,
  );
});

test("adapters of 16-bit models are float32, results stay 16-bit", async () => {
  const model = await base("llama", { dtype: "bfloat16" });
  const peft = getPeftModel(model, { targetModules: ["q_proj"] });
  assert.ok(Object.values(peft.adapterState()).every((t) => t.dtype === "float32"));
  const out = peft.forward(torch.tensor([[1, 2, 3]]), { labels: torch.tensor([[1, 2, 3]]) });
  assert.equal(out.logits.dtype, "bfloat16");
  out.loss!.backward();
  assert.ok([...peft.parameters()].filter((p) => p.requiresGrad).every((p) => p.grad?.dtype === "float32"));
  peft.mergeAdapter();
  assert.equal(model.dtype, "bfloat16");
});

test("several adapters: names, switching, deleting, gradients of the active ones only", async () => {
  const peft = getPeftModel(await base("llama"), { targetModules: ["q_proj"], modulesToSave: ["lm_head"] }, "first");
  peft.addAdapter("second", { r: 2, targetModules: ["v_proj"] });
  const trained = (): string[] =>
    [
      ...new Set(
        [...peft.namedParameters()]
          .filter(([, p]) => p.requiresGrad)
          .map(([k]) => /(q|v)_proj\.lora_A\.\w+|lm_head\.\w+\.\w+/.exec(k)?.[0] ?? ""),
      ),
    ].filter(Boolean);
  assert.deepEqual(trained(), ["q_proj.lora_A.first", "lm_head.modules_to_save.first"]);
  peft.setAdapter("second");
  assert.deepEqual(trained(), ["v_proj.lora_A.second"]);
  peft.setAdapter(["first", "second"]);
  assert.equal(trained().length, 3);
  peft.deleteAdapter("first");
  assert.deepEqual(peft.activeAdapters, ["second"]);
  assert.ok(!Object.keys(peft.stateDict()).some((k) => k.includes(".first.")));
  assert.throws(() => peft.deleteAdapter("second"), { name: "ArgumentError", message: /only adapter/ });
});

test("what does not fit is refused, and the model stays as it was", async () => {
  const model = await base("llama");
  const keys = Object.keys(model.stateDict());
  const bad: [() => unknown, string, RegExp][] = [
    [() => getPeftModel(model, { targetModules: ["q_prj"] }), "ArgumentError", /"q_prj" match no layer.*Did you mean q_proj/],
    [() => getPeftModel(model, { targetModules: ["q_proj", "nope"] }), "ArgumentError", /"nope" match no layer/],
    [
      () => getPeftModel(model, { targetModules: /q_proj/ }),
      "ArgumentError",
      /\/q_proj\/ match no layer.*model\.layers\.0\.self_attn\.q_proj/,
    ],
    [() => getPeftModel(model, { targetModules: ["embed_tokens"] }), "UnsupportedError", /model\.embed_tokens, a Embedding/],
    [() => getPeftModel(model, { targetModules: "q_proj" as never }), "ArgumentError", /an array of names or a RegExp/],
    [() => getPeftModel(model, { targetModules: /Q_PROJ/i }), "ArgumentError", /flags/],
    [
      () => getPeftModel(model, { modulesToSave: ["head"], targetModules: ["q_proj"] }),
      "ArgumentError",
      /modulesToSave "head" match no module/,
    ],
    [() => getPeftModel(model, { r: 0 }), "ValueError", /r is 0, needed an integer >= 1/],
    [() => getPeftModel(model, { rankPattern: { q_proj: 1.5 } }), "ValueError", /rankPattern\.q_proj is 1\.5/],
    [() => getPeftModel(model, { loraDropout: 1 }), "ValueError", /loraDropout is 1/],
    [() => getPeftModel(model, { rank: 2 } as never), "ArgumentError", /unknown option rank/],
    [() => getPeftModel(new nn.Linear(2, 2), {}), "ArgumentError", /no targetModules/],
    [() => getPeftModel(model, {}, "a.b"), "ArgumentError", /"a\.b" cannot be the name/],
    [() => getPeftModel(null as never, {}), "ArgumentError", /model is missing/],
  ];
  for (const [call, name, message] of bad) assert.throws(call, { name, message }, String(call));
  assert.deepEqual(Object.keys(model.stateDict()), keys);
  assert.ok([...model.parameters()].every((p) => p.requiresGrad));
  const peft = getPeftModel(model, {});
  const worse: [() => unknown, RegExp][] = [
    [() => peft.setAdapter("x"), /no adapter "x". There are default/],
    [() => peft.setAdapter([]), /no adapter is named/],
    [() => peft.addAdapter("default", {}), /there is an adapter "default" already/],
    [() => peft.addWeightedAdapter(["default"], [], "sum"), /weights are \[\] for 1 adapters/],
    [() => peft.adapterState("x"), /no adapter "x"/],
    [() => peft.mergeAdapter(["x"]), /no adapter "x"/],
  ];
  for (const [call, message] of worse) assert.throws(call, { name: "ArgumentError", message }, String(call));
  assert.throws(() => getPeftModel(model, {}), { name: "ValueError", message: /has adapters already/ });
  peft.addAdapter("other", { r: 3 });
  assert.throws(() => peft.addWeightedAdapter(["default", "other"], [1, 1], "sum"), {
    name: "ValueError",
    message: /ranks .* needs equal/,
  });
});

test("files that do not fit are refused, and the model stays as it was", async () => {
  const model = await base("llama");
  const keys = Object.keys(model.stateDict());
  const from = (json: object, weights = join(folder, "linear", "adapter_model.safetensors")) => {
    const own = JSON.parse(readFileSync(join(folder, "linear", "adapter_config.json"), "utf8")) as object;
    const at = mkdtempSync(join(temporary, "bad-"));
    writeFileSync(join(at, "adapter_config.json"), JSON.stringify({ ...own, ...json }));
    if (weights) copyFileSync(weights, join(at, "adapter_model.safetensors"));
    return PeftModel.fromPretrained(model, at);
  };
  const cases: [() => Promise<unknown>, string, RegExp][] = [
    [() => PeftModel.fromPretrained(model, join(temporary, "missing")), "ArgumentError", /has no adapter_config\.json/],
    [() => from({}, ""), "FormatError", /has no weights/],
    [() => from({ r: 2 }), "ShapeError", /q_proj\.lora_A\.weight \(found \[4, 16\], expected \[2, 16\]\)/],
    [() => from({ target_modules: ["q_proj"] }), "FirebrandError", /unexpected keys: .*k_proj\.lora_A/],
    [
      () => from({ bias: "all", target_modules: ["lm_head"] }),
      "FirebrandError",
      /missing keys: base_model\.model\.lm_head\.lora_A\.weight/,
    ],
    [() => from({ peft_type: "IA3" }), "UnsupportedError", /peft_type is "IA3"/],
    [() => from({ use_dora: true }), "UnsupportedError", /use_dora is true/],
    [() => from({ init_lora_weights: "pissa" }), "UnsupportedError", /changes the base model/],
    [() => from({ r: -1 }), "FormatError", /r is -1/],
    [() => from({ target_modules: "(?P<x>a" }), "FormatError", /expression/],
    [() => from({ target_modules: ["nothing"] }), "ArgumentError", /match no layer/],
  ];
  for (const [call, name, message] of cases) await assert.rejects(call(), { name, message });
  assert.deepEqual(Object.keys(model.stateDict()), keys);
  assert.deepEqual(new LoraConfig().toJson({ targets: [], fanInFanOut: false })["r"], 8);
});

test("an adapter of a head that shares its weight works, but is not merged", async () => {
  const peft = getPeftModel(await base("llama-linear"), { targetModules: ["lm_head"], initLoraWeights: false });
  const ids = torch.tensor([[1, 2, 3]]);
  assert.ok(
    worst(
      logits(peft, ids),
      peft.disableAdapter(() => logits(peft, ids)),
    ) > 1e-3,
  );
  assert.throws(() => peft.mergeAdapter(), { name: "UnsupportedError", message: /lm_head is another module's too/ });
});
