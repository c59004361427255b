// Models as GGUF files: what is read back from them computes what the model itself does.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { io, manualSeed, noGrad, randint } from "../../src/index.ts";
import { AutoModelForCausalLM, type CausalModel, ggufModel, LlamaForCausalLM } from "../../src/models/index.ts";
import { recordedFolder, worst } from "./support.ts";

// As files in memory: `fromPretrained` wants a path.
async function readBack(
  model: CausalModel,
  type: Parameters<typeof ggufModel>[1],
  dtype: "float32" | "auto" = "float32",
): Promise<CausalModel> {
  const { tensors, metadata } = ggufModel(model, type);
  const { mkdtempSync, rmSync } = await import("node:fs");
  const folder = mkdtempSync(join((await import("node:os")).tmpdir(), "firebrand-"));
  try {
    await io.saveGguf(tensors, join(folder, "model.gguf"), { metadata });
    return await AutoModelForCausalLM.fromPretrained(join(folder, "model.gguf"), { dtype });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const logits = (model: CausalModel, length = 40): ReturnType<CausalModel["head"]> => {
  manualSeed(0);
  const ids = randint(0, model.config.vocabSize, [2, length]);
  return noGrad(() => model.forward(ids)).logits;
};

for (const name of readdirSync(recordedFolder()))
  test(`${name} as GGUF and back`, async () => {
    // The recorded Gemma 3 has its layers in an order that no file can tell.
    const config = name === "gemma3" ? { layer_types: ["sliding_attention", "sliding_attention"] } : {};
    const model = await AutoModelForCausalLM.fromPretrained(join(recordedFolder(), name), { config });
    const back = await readBack(model, "F32");
    assert.equal(back.config.modelType, name === "mistral" ? "llama" : model.config.modelType);
    // Windows that a file cannot tell bound its context.
    const { maxPositionEmbeddings = 40 } = back.config as { maxPositionEmbeddings?: number };
    const length = Math.min(40, maxPositionEmbeddings);
    const error = worst(logits(back, length), logits(model, length));
    assert.ok(error < 1e-5, String(error));
  });

test("what a file cannot tell is refused", async () => {
  const gemma = await AutoModelForCausalLM.fromPretrained(join(recordedFolder(), "gemma3"));
  assert.throws(() => ggufModel(gemma, "F32"), { name: "UnsupportedError" });
  const small = new LlamaForCausalLM({ vocabSize: 32, hiddenSize: 32, intermediateSize: 32, numHiddenLayers: 1, numAttentionHeads: 2 });
  const kept = await readBack(small, "Q8_0", "auto");
  assert.throws(() => ggufModel(kept, "Q8_0"), { name: "UnsupportedError", message: /quantised already/ });
});

test("quantised: matrices in blocks, norms in float32, the head in more bits; 8 bits change little, 4 more", async () => {
  manualSeed(0);
  const sizes = { vocabSize: 96, hiddenSize: 256, intermediateSize: 256, numHiddenLayers: 2, numAttentionHeads: 4, numKeyValueHeads: 2 };
  const model = new LlamaForCausalLM(sizes);
  const { tensors } = ggufModel(model, "Q4_K");
  const type = (key: string): string =>
    (tensors[key] as { type?: string; dtype?: string }).type ?? (tensors[key] as { dtype: string }).dtype;
  assert.deepEqual(["blk.1.ffn_up.weight", "output.weight", "blk.0.attn_norm.weight", "output_norm.weight"].map(type), [
    "Q4_K",
    "Q6_K",
    "float32",
    "float32",
  ]);
  const error = async (t: "Q8_0" | "Q4_K" | "BF16"): Promise<number> => worst(logits(await readBack(model, t)), logits(model));
  const [eight, four, half] = [await error("Q8_0"), await error("Q4_K"), await error("BF16")];
  assert.ok(eight < 0.02 && half < 0.02, `${eight}, ${half}`);
  assert.ok(four > eight && four < 0.3, String(four));
});
