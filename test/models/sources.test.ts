// Where models come from: Hugging Face's folders, Meta's, GGUF files, nanoGPT's checkpoints; and what is wrong with some of them.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as torch from "firebrand";
import { nn, type Tensor } from "firebrand";
import {
  AutoConfig,
  AutoModel,
  AutoModelForCausalLM,
  Conv1D,
  ggufModel,
  givenFiles,
  GPT2LMHeadModel,
  LlamaForCausalLM,
  Qwen3ForCausalLM,
} from "firebrand/models";
import { needs, weightFile } from "../nets/support.ts";
import { recordedFolder, worst } from "./support.ts";

const here = join(process.cwd(), "test", "models");
const scratch = mkdtempSync(join(tmpdir(), "firebrand-"));
after(() => rmSync(scratch, { recursive: true }));
const copyOf = (name: string): string => {
  const to = mkdtempSync(join(scratch, "model-"));
  cpSync(join(recordedFolder(), name), to, { recursive: true });
  return to;
};
const refused = async (promise: Promise<unknown>, type: string, ...parts: readonly RegExp[]): Promise<void> => {
  const e = (await promise.then(
    () => assert.fail("it was taken"),
    (e: unknown) => e,
  )) as Error;
  assert.equal(e.name, type, e.message);
  for (const p of parts) assert.match(e.message, p);
};

test("Meta's layout: two files of slices, interleaved heads, bfloat16", async () => {
  const expected = await torch.io.loadSafetensors(join(here, "meta", "expected.safetensors"));
  const model = await AutoModelForCausalLM.fromPretrained(join(here, "meta"));
  assert.equal(model.dtype, "bfloat16");
  assert.ok(worst(model.float().forward(expected["ids"]!).logits, expected["logits"]!) < 1e-5);
});
test("nanoGPT's checkpoint", async () => {
  const expected = await torch.io.loadSafetensors(join(recordedFolder(), "gpt2", "expected.safetensors"));
  const model = await GPT2LMHeadModel.fromPretrained(join(here, "nanogpt.pt"));
  assert.ok(worst(model.forward(expected["ids"]!).logits, expected["logits"]!) < 1e-4);
  assert.equal(model.lm_head.weight, model.transformer.wte.weight);
});
const nano = weightFile("gpt-nano-sort/gpt-nano-sort-model.json");
test("minGPT's sorting model sorts", needs(nano), async () => {
  const json = JSON.parse(readFileSync(nano, "utf8")) as Record<string, { shape?: number[]; data?: string }>;
  const state = Object.entries(json).flatMap(([name, { shape, data }]): [string, Tensor][] =>
    shape && data ? [[name, torch.tensor(new Float32Array(Uint8Array.from(Buffer.from(data, "base64")).buffer)).view(shape)]] : [],
  );
  const file = join(scratch, "nano.pt");
  await torch.save(Object.fromEntries(state), file);
  await refused(AutoModelForCausalLM.fromPretrained(file), "FormatError", /how many heads/, /nHead/);
  const model = await AutoModelForCausalLM.fromPretrained(file, { config: { nHead: 3 } });
  let ids = torch.tensor([[2, 1, 0, 1, 2, 0]]);
  for (let i = 0; i < 6; i++) ids = torch.cat([ids, model.forward(ids, { logitsToKeep: 1 }).logits.select(1, -1).argmax(-1, true)], 1);
  assert.deepEqual(ids.toArraySync(), [[2, 1, 0, 1, 2, 0, 0, 0, 1, 1, 2, 2]]);
});

// As llama.cpp's converter writes it: queries and keys interleaved, names of its own.
const interleaved = (w: Tensor, heads: number): Tensor =>
  w
    .reshape([heads, 2, w.shape[0]! / heads / 2, -1])
    .transpose(1, 2)
    .reshape([...w.shape]);
function ggufOf(model: LlamaForCausalLM | Qwen3ForCausalLM, kind: string): Uint8Array {
  const c = model.config;
  const names: Record<string, string> = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    lm_head: "output",
    input_layernorm: "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    post_attention_layernorm: "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
  };
  const tensors = Object.entries(model.stateDict()).map(([key, t]): [string, Tensor] => {
    const [, layer, part] = /^(?:model\.layers\.(\d+)\.)?(.*)\.weight$/.exec(key)!;
    const heads = part === "self_attn.q_proj" ? c.numAttentionHeads : part === "self_attn.k_proj" ? c.numKeyValueHeads! : 0;
    return [`${layer === undefined ? "" : `blk.${layer}.`}${names[part!]}.weight`, heads && kind === "llama" ? interleaved(t, heads) : t];
  });
  const metadata = {
    "general.architecture": kind,
    [`${kind}.context_length`]: c.maxPositionEmbeddings,
    [`${kind}.embedding_length`]: c.hiddenSize,
    [`${kind}.block_count`]: c.numHiddenLayers,
    [`${kind}.feed_forward_length`]: c.intermediateSize,
    [`${kind}.attention.head_count`]: c.numAttentionHeads,
    [`${kind}.attention.head_count_kv`]: c.numKeyValueHeads!,
    [`${kind}.attention.key_length`]: c.headDim ?? c.hiddenSize / c.numAttentionHeads,
    [`${kind}.attention.layer_norm_rms_epsilon`]: { type: "float32", value: c.rmsNormEps },
    [`${kind}.rope.freq_base`]: { type: "float32", value: 10000 },
  } as const;
  return torch.io.ggufBytes(Object.fromEntries(tensors), { metadata: metadata as never });
}
for (const [kind, type] of [
  ["llama", LlamaForCausalLM],
  ["qwen3", Qwen3ForCausalLM],
] as const)
  test(`a GGUF file of ${kind}`, async () => {
    torch.manualSeed(0);
    const model = new type({
      vocabSize: 50,
      hiddenSize: 32,
      intermediateSize: 48,
      numHiddenLayers: 2,
      numAttentionHeads: 4,
      numKeyValueHeads: 2,
      headDim: 8,
      initializerRange: 0.3,
    });
    const file = join(scratch, `${kind}.gguf`);
    writeFileSync(file, ggufOf(model, kind));
    const again = await AutoModelForCausalLM.fromPretrained(file);
    assert.equal(again.constructor, type);
    const ids = torch.tensor([[1, 2, 3, 4, 5]]);
    assert.ok(worst(again.forward(ids).logits, model.forward(ids).logits) < 1e-6);
  });

/** A quantised model gives nearly the logits of its dequantised twin, in a fifth of the memory, and it writes. */
async function computesAlike<M extends LlamaForCausalLM | GPT2LMHeadModel>(kept: M, twin: M): Promise<void> {
  const ids = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]]);
  const [a, b] = [kept.forward(ids).logits, twin.forward(ids).logits];
  // Activations are rounded to 8 bits on the way.
  assert.ok(a.sub(b).norm().div(b.norm()).itemSync<number>() < 0.03, String(a.sub(b).norm().div(b.norm()).itemSync()));
  const bytes = (m: nn.Module): number =>
    Object.values(m.stateDict()).reduce((n, t) => n + t.layout.numel * (t.dtype === "uint8" ? 1 : 4), 0);
  assert.ok(bytes(kept) < 0.2 * bytes(twin));
  assert.equal((await kept.generate([[1, 2, 3]], { maxNewTokens: 4, eosTokenId: null })).newIds[0]!.length, 4);
}
test("a quantised GGUF file stays quantised, and computes as its dequantised twin", async () => {
  torch.manualSeed(0);
  for (const tieWordEmbeddings of [false, true]) {
    const sizes = { vocabSize: 64, hiddenSize: 256, intermediateSize: 512, numHiddenLayers: 2, numAttentionHeads: 4, numKeyValueHeads: 2 };
    const model = new LlamaForCausalLM({ ...sizes, initializerRange: 0.05, tieWordEmbeddings });
    const plain = await torch.io.open(ggufOf(model, "llama"));
    const quantised: Record<string, Tensor | torch.io.QuantizedTensor> = {};
    for (const [name, stored] of plain.tensors) {
      if (tieWordEmbeddings && name === "output.weight") continue;
      const t = (await stored.read()) as Tensor;
      const type = name === "token_embd.weight" ? "Q6_K" : "Q4_K";
      quantised[name] = t.ndim === 2 ? torch.io.QuantizedTensor.quantize(t, type) : t;
    }
    const file = join(scratch, `quantised-${tieWordEmbeddings}.gguf`);
    await torch.io.saveGguf(quantised, file, { metadata: plain.metadata as never });
    const kept = (await AutoModelForCausalLM.fromPretrained(file)) as LlamaForCausalLM;
    const twin = await AutoModelForCausalLM.fromPretrained(file, { dtype: "float32" });
    assert.ok((kept.model.layers.at(0).self_attn.q_proj as unknown) instanceof nn.QuantizedLinear);
    assert.ok((kept.model.embed_tokens as unknown) instanceof nn.QuantizedEmbedding);
    assert.ok((kept.lm_head as unknown) instanceof nn.QuantizedLinear);
    await computesAlike(kept, twin as typeof kept);
  }
});
test("a quantised GGUF file of GPT-2 stays quantised, though its layers keep their weights the other way round", async () => {
  torch.manualSeed(0);
  const config = { vocabSize: 64, nPositions: 32, nEmbd: 256, nLayer: 2, nHead: 4, initializerRange: 0.05 };
  const { tensors, metadata } = ggufModel(new GPT2LMHeadModel(config), "Q4_K");
  const file = join(scratch, "gpt2.gguf");
  await torch.io.saveGguf(tensors, file, { metadata });
  const kept = (await AutoModelForCausalLM.fromPretrained(file)) as GPT2LMHeadModel;
  const twin = (await AutoModelForCausalLM.fromPretrained(file, { dtype: "float32" })) as GPT2LMHeadModel;
  const [block, plain] = [kept, twin].map((m) => m.transformer.h.at(1));
  for (const name of ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"]) {
    const [layer, conv] = [block!.getSubmodule(name), plain!.getSubmodule(name)];
    assert.ok(layer instanceof nn.QuantizedLinear && conv instanceof Conv1D, name);
    assert.equal(worst(layer.quantized.dequantize().t(), conv.weight.detach()), 0, name);
    assert.equal(worst(layer.bias!.detach(), conv.bias.detach()), 0, name);
  }
  assert.ok((kept.lm_head as unknown) instanceof nn.QuantizedLinear);
  await computesAlike(kept, twin);
});
test("generate takes its defaults from generation_config.json, and savePretrained keeps them", async () => {
  const folder = copyOf("llama");
  writeFileSync(
    join(folder, "generation_config.json"),
    JSON.stringify({ _from_model_config: true, eos_token_id: [2, 9], do_sample: true, top_k: 3, transformers_version: "5" }),
  );
  const model = await AutoModelForCausalLM.fromPretrained(folder);
  assert.deepEqual(model.generationConfig, { eosTokenId: [2, 9], doSample: true, topK: 3 });
  const to = mkdtempSync(join(scratch, "saved-"));
  await model.savePretrained(to);
  assert.deepEqual(JSON.parse(readFileSync(join(to, "generation_config.json"), "utf8")), {
    eos_token_id: [2, 9],
    do_sample: true,
    top_k: 3,
  });
  let ids: (number | null)[] = [];
  for await (const { id } of model.generate([5, 6, 7], { maxNewTokens: 6, seed: 1, eosTokenId: null })) ids = [...ids, id];
  assert.deepEqual(ids, [...(await model.generate([5, 6, 7], { maxNewTokens: 6, seed: 1, eosTokenId: null })).newIds[0]!]);
});

test("pytorch_model.bin in shards, with and without the base model's prefix", async () => {
  const folder = copyOf("gpt2");
  const state = await torch.io.loadSafetensors(join(folder, "model.safetensors"));
  rmSync(join(folder, "model.safetensors"));
  const bare = Object.entries(state).map(([k, t]): [string, Tensor] => [k.replace(/^transformer\./, ""), t]);
  const map: Record<string, string> = {};
  for (const [i, part] of [bare.slice(0, 9), bare.slice(9)].entries()) {
    const file = `pytorch_model-0000${i + 1}-of-00002.bin`;
    await torch.save(Object.fromEntries(part), join(folder, file), { format: "torch" });
    for (const [k] of part) map[k] = file;
  }
  writeFileSync(join(folder, "pytorch_model.bin.index.json"), JSON.stringify({ metadata: {}, weight_map: map }));
  const expected = await torch.io.loadSafetensors(join(folder, "expected.safetensors"));
  const model = await AutoModelForCausalLM.fromPretrained(folder);
  assert.ok(worst(model.forward(expected["ids"]!).logits, expected["logits"]!) < 1e-4);
  const base = await AutoModel.fromPretrained(join(recordedFolder(), "gpt2"));
  assert.equal(Object.keys(base.stateDict()).length, Object.keys(model.stateDict()).length - 1);
});
test("dtypes, a module's copy, and progress", async () => {
  const at = join(recordedFolder(), "llama");
  const seen: number[] = [];
  const model = await AutoModelForCausalLM.fromPretrained(at, {
    dtype: "bfloat16",
    onProgress: ({ done, total }) => seen.push(done / total),
  });
  assert.equal(seen.at(-1), 1);
  const ids = torch.tensor([[1, 2, 3]]);
  assert.equal(model.forward(ids).logits.dtype, "bfloat16");
  const copy = nn.cloneModule(model);
  assert.equal(worst(copy.forward(ids).logits, model.forward(ids).logits), 0);
  const aborted = AutoModelForCausalLM.fromPretrained(at, { signal: AbortSignal.abort() });
  await assert.rejects(aborted, { name: "AbortError" });
});

test("what is missing or does not fit is named", async () => {
  await refused(AutoModelForCausalLM.fromPretrained(`${scratch}/nowhere/`), "ArgumentError", /nowhere/);
  const empty = mkdtempSync(join(scratch, "empty-"));
  await refused(AutoModelForCausalLM.fromPretrained(empty), "ArgumentError", /config\.json/);
  writeFileSync(join(empty, "config.json"), "{");
  await refused(AutoModelForCausalLM.fromPretrained(empty), "FormatError", /config\.json/);
  writeFileSync(join(empty, "config.json"), '{"model_type": "mamba"}');
  await refused(AutoModelForCausalLM.fromPretrained(empty), "FormatError", /"mamba"/, /llama/);
  writeFileSync(join(empty, "config.json"), '{"model_type": "llama"}');
  await refused(AutoModelForCausalLM.fromPretrained(empty), "FirebrandError", /no weights/, /model\.safetensors/);
  writeFileSync(join(empty, "config.json"), '{"model_type": "llama", "hidden_size": "wide"}');
  writeFileSync(join(empty, "model.safetensors"), torch.io.safetensorsBytes({ w: torch.ones(1) }));
  await refused(AutoModelForCausalLM.fromPretrained(empty), "FormatError", /hidden_size is "wide"/, /integer/);
  await refused(LlamaForCausalLM.fromPretrained(join(recordedFolder(), "gpt2")), "FormatError", /model_type is "gpt2"/, /"llama"/);

  const folder = copyOf("llama");
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, unknown>;
  const write = (change: Record<string, unknown>): void =>
    writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, ...change }));
  write({ vocab_size: 65 });
  await refused(
    AutoModelForCausalLM.fromPretrained(folder),
    "ShapeError",
    /model\.embed_tokens\.weight \(found \[64, 16\], expected \[65, 16\]\)/,
    /lm_head\.weight/,
  );
  write({ num_hidden_layers: 3 });
  await refused(AutoModelForCausalLM.fromPretrained(folder), "FirebrandError", /missing keys: model\.layers\.2\.self_attn\.q_proj\.weight/);
  assert.equal((await AutoModelForCausalLM.fromPretrained(folder, { initializeMissing: true })).loadReport.missingKeys.length, 9);
  write({ num_attention_heads: 3 });
  await refused(AutoModelForCausalLM.fromPretrained(folder), "ValueError", /3 heads/);
  write({ rope_parameters: { rope_type: "spiral" } });
  await refused(AutoModelForCausalLM.fromPretrained(folder), "ValueError", /"spiral"/, /yarn/);
  write({ rope_parameters: { rope_type: "linear" } });
  await refused(AutoModelForCausalLM.fromPretrained(folder), "ValueError", /factor is nothing/);
  write({ hidden_act: "sin" });
  await refused(
    AutoModelForCausalLM.fromPretrained(folder).then((m) => m.forward(torch.tensor([[1]]))),
    "ValueError",
    /"sin"/,
  );
  write({});
  const bytes = readFileSync(join(folder, "model.safetensors"));
  writeFileSync(join(folder, "model.safetensors"), bytes.subarray(0, bytes.length - 100));
  await refused(AutoModelForCausalLM.fromPretrained(folder), "FormatError", /model\.safetensors/);

  const index = JSON.stringify({ weight_map: { x: "../../secret.safetensors" } });
  const files = givenFiles({ "config.json": Buffer.from(JSON.stringify(config)), "model.safetensors.index.json": Buffer.from(index) });
  await refused(AutoModelForCausalLM.fromPretrained(files), "FormatError", /secret/);
  await refused(AutoConfig.fromPretrained(givenFiles({})), "ArgumentError", /config\.json/);
});
test("forward refuses what is no batch of tokens", async () => {
  const model = await AutoModelForCausalLM.fromPretrained(join(recordedFolder(), "llama"));
  const forward =
    (...args: unknown[]) =>
    (): unknown =>
      (model.forward as (...a: unknown[]) => unknown).call(model, ...args);
  const ids = torch.tensor([[1, 2]]);
  assert.throws(forward([1, 2]), { name: "ArgumentError" });
  assert.throws(forward(torch.tensor([1, 2])), { name: "ShapeError", message: /\[2\]/ });
  assert.throws(forward(torch.ones(1, 2)), { name: "DTypeError", message: /float32/ });
  assert.throws(forward(torch.tensor([[64]])), { name: "IndexError", message: /64/ });
  assert.throws(forward(ids, { mask: 1 }), { name: "ArgumentError", message: /mask/ });
  assert.throws(forward(ids, { attentionMask: torch.tensor([[1]]) }), { name: "ShapeError", message: /\[1, 2\]/ });
  assert.throws(forward(ids, { labels: torch.tensor([[1]]) }), { name: "ShapeError", message: /labels \[1, 1\]/ });
  const cache = model.newCache({ batch: 1, length: 3 });
  model.forward(ids, { cache });
  assert.throws(forward(ids, { cache }), { name: "ShapeError", message: /2 \+ 2 positions, there is room for 3/ });
  assert.throws(() => cache.truncate(3), { name: "ValueError" });
  assert.throws(() => cache.reorder([1]), { name: "ValueError" });
  assert.throws(() => model.newCache({ batch: 0, length: 3 }), { name: "ValueError" });
  assert.throws(() => new LlamaForCausalLM({ hidden: 3 } as never), { name: "ArgumentError", message: /hidden/ });
});
