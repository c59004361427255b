// Sentence embeddings: pooling and steps on a tiny BERT, and all-MiniLM-L6-v2 against PyTorch (tools/record/minilm.py) where its folder is.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "firebrand";
import type { Tensor } from "firebrand";
import { type BatchTokenizer, givenFiles, type ModelFiles, pool, SentenceTransformer, T5EncoderModel } from "firebrand/models";
import { AutoTokenizer } from "firebrand/tokenizers";
import { worst } from "./support.ts";

const models = join(process.cwd(), "test", "models");
const bytes = (text: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(text));
/** Numbers in a text are its tokens. */
const numbers: BatchTokenizer = {
  call: (texts, { maxLength }) => {
    const rows = texts.map((t) => t.split(" ").map(Number).slice(0, maxLength));
    const longest = Math.max(...rows.map((r) => r.length));
    const padded = (value: (r: number[], i: number) => number): Tensor =>
      torch.tensor(
        rows.map((r) => Array.from({ length: longest }, (_, i) => value(r, i))),
        { dtype: "int64" },
      );
    return { inputIds: padded((r, i) => r[i] ?? 0), attentionMask: padded((r, i) => (i < r.length ? 1 : 0)) };
  },
};
/** The tiny BERT as a folder that sentence-transformers made. */
function folder(pooling: Record<string, unknown>, after: readonly string[] = [], files: Record<string, Uint8Array> = {}): ModelFiles {
  const file = (name: string): Uint8Array => new Uint8Array(readFileSync(join(models, "encoders", "bert", name)));
  const types = ["Transformer", "Pooling", ...after];
  return givenFiles({
    "modules.json": bytes(
      types.map((type, i) => ({
        idx: i,
        name: `${i}`,
        path: i === 0 ? "0_Transformer" : `${i}_${type}`,
        type: `sentence_transformers.models.${type}`,
      })),
    ),
    "0_Transformer/config.json": file("config.json"),
    "0_Transformer/model.safetensors": file("model.safetensors"),
    "0_Transformer/sentence_bert_config.json": bytes({ max_seq_length: 6 }),
    "1_Pooling/config.json": bytes(pooling),
    "config_sentence_transformers.json": bytes({ prompts: { query: "7 8 " } }),
    ...files,
  });
}
const texts = ["5 6 7", "8 9 10 11 12", "13"];
const states = async (): Promise<number[][][]> => {
  const model = await SentenceTransformer.fromPretrained(folder({ pooling_mode_mean_tokens: true }));
  return texts.map((t) => {
    const ids = torch.tensor([t.split(" ").map(Number)], { dtype: "int64" });
    return (model.encoder.forward(ids, {}).lastHiddenState.toArraySync() as number[][][])[0]!;
  });
};
const column = (rows: number[][], f: (values: number[]) => number): number[] => rows[0]!.map((_, c) => f(rows.map((r) => r[c]!)));
const total = (v: number[]): number => v.reduce((a, b) => a + b, 0);

test("pooling over tokens, not padding, in any batches", async () => {
  const s = await states();
  const by: Record<string, (rows: number[][]) => number[]> = {
    pooling_mode_cls_token: (r) => r[0]!,
    pooling_mode_mean_tokens: (r) => column(r, (v) => total(v) / v.length),
    pooling_mode_max_tokens: (r) => column(r, (v) => Math.max(...v)),
    pooling_mode_mean_sqrt_len_tokens: (r) => column(r, (v) => total(v) / Math.sqrt(v.length)),
    pooling_mode_lasttoken: (r) => r.at(-1)!,
  };
  for (const [key, f] of Object.entries(by)) {
    const model = await SentenceTransformer.fromPretrained(folder({ [key]: true }), { tokenizer: numbers });
    for (const batchSize of [1, 2, 3]) assert.ok(worst(model.encode(texts, { batchSize }), torch.tensor(s.map(f))) < 1e-5, key);
  }
  const both = await SentenceTransformer.fromPretrained(folder({ pooling_mode_cls_token: true, pooling_mode_max_tokens: true }), {
    tokenizer: numbers,
  });
  assert.deepEqual(both.encode(texts).shape, [3, 16]);
  const newer = await SentenceTransformer.fromPretrained(folder({ pooling_mode: "max" }), { tokenizer: numbers });
  assert.ok(worst(newer.encode(texts[0]!), torch.tensor(by["pooling_mode_max_tokens"]!(s[0]!))) < 1e-5);
});
test("Dense, Normalize, prompts, truncation", async () => {
  const w = torch.arange(24, { dtype: "float32" }).reshape([3, 8]).div(24);
  const dense = {
    "2_Dense/config.json": bytes({ in_features: 8, out_features: 3, bias: false, activation_function: "torch.nn.modules.activation.Tanh" }),
    "2_Dense/model.safetensors": torch.io.safetensorsBytes({ "linear.weight": w }),
  };
  const model = await SentenceTransformer.fromPretrained(folder({ pooling_mode_cls_token: true }, ["Dense", "Normalize"], dense), {
    tokenizer: numbers,
  });
  const cls = torch.tensor((await states()).map((r) => r[0]!));
  const raw = cls.matmul(w.t()).tanh();
  assert.ok(worst(model.encode(texts), raw.div(raw.square().sum(1, { keepdim: true }).sqrt())) < 1e-5);
  const plain = await SentenceTransformer.fromPretrained(folder({ pooling_mode_mean_tokens: true }), { tokenizer: numbers });
  assert.ok(Math.abs((plain.encode("5 6", { normalize: true }).norm().itemSync() as number) - 1) < 1e-6);
  assert.equal(worst(plain.encode("5", { promptName: "query" }), plain.encode("7 8 5")), 0);
  assert.equal(worst(plain.encode("5 6 7 8 9 10 11"), plain.encode("5 6 7 8 9 10")), 0);
  assert.equal(worst(plain.encode(["5", "6"]).select(0, 1), plain.encode("6")), 0);
});
test("T5's encoder as a sentence encoder; a folder of transformers alone", async () => {
  const encoder = new T5EncoderModel({ vocabSize: 20, dModel: 8, dKv: 4, dFf: 8, numLayers: 1, numHeads: 2 }).eval();
  assert.deepEqual(new SentenceTransformer({ encoder, tokenizer: numbers }).encode(texts).shape, [3, 8]);
  const alone = await SentenceTransformer.fromPretrained(join(models, "encoders", "distilbert"), { tokenizer: numbers });
  assert.deepEqual(alone.pooling, ["mean"]);
  assert.deepEqual(alone.encode(texts).shape, [3, 8]);
});
test("a folder that sentence-transformers 6 wrote", async () => {
  const at = join(models, "sentences");
  const want = JSON.parse(readFileSync(join(at, "expected.json"), "utf8"));
  const model = await SentenceTransformer.fromPretrained(at, { tokenizer: await AutoTokenizer.fromPretrained(at) });
  assert.equal(model.maxSeqLength, 12);
  for (const batchSize of [1, 2, 32]) assert.ok(worst(model.encode(want.texts, { batchSize }), torch.tensor(want.embeddings)) < 1e-5);
  assert.ok(worst(model.encode(want.texts, { promptName: "query" }), torch.tensor(want.prompted)) < 1e-5);
});
test("bad input", async () => {
  const model = await SentenceTransformer.fromPretrained(folder({ pooling_mode_mean_tokens: true }), { tokenizer: numbers });
  assert.throws(() => model.encode([]), /no texts/);
  assert.throws(() => model.encode(["5"], { batchsize: 3 } as object), /batchSize/);
  assert.throws(() => model.encode("5", { promptName: "document" }), /no prompt "document".*query/s);
  assert.throws(() => new SentenceTransformer({ encoder: model.encoder }).encode("5"), /there is no tokenizer/);
  await assert.rejects(
    SentenceTransformer.fromPretrained(folder({ pooling_mode_weightedmean_tokens: true })),
    /pooling "pooling_mode_weightedmean_tokens"/,
  );
  await assert.rejects(SentenceTransformer.fromPretrained(folder({ pooling_mode_mean_tokens: true }, ["LSTM"])), /a module of type "LSTM"/);
  await assert.rejects(
    SentenceTransformer.fromPretrained(folder({ pooling_mode: "mean", include_prompt: false })),
    /pooling "without the prompt"/,
  );
  const dense = {
    "2_Dense/config.json": bytes({ in_features: 8, out_features: 3 }),
    "2_Dense/model.safetensors": torch.io.safetensorsBytes({ "linear.weight": torch.zeros(3, 7) }),
  };
  await assert.rejects(
    SentenceTransformer.fromPretrained(folder({ pooling_mode_mean_tokens: true }, ["Dense"], dense)),
    /linear.weight is \[3, 7\], needed \[3, 8\]/,
  );
  assert.throws(() => pool(torch.zeros(2, 3, 4), torch.zeros(2, 2), "mean"), /states \[2, 3, 4\], attentionMask \[2, 2\]/);
});

const minilm = process.env["FIREBRAND_MINILM"] ?? "";
const absent = existsSync(minilm)
  ? false
  : "FIREBRAND_MINILM is not set to the folder of all-MiniLM-L6-v2 (tools/record/minilm.py says where to get it)";
test("all-MiniLM-L6-v2: embeddings and ranking are PyTorch's", { skip: absent }, async () => {
  const want = JSON.parse(readFileSync(join(process.cwd(), "test", "models", "minilm.json"), "utf8"));
  const tokenizer = await AutoTokenizer.fromPretrained(minilm);
  const model = await SentenceTransformer.fromPretrained(minilm, { tokenizer });
  assert.equal(model.maxSeqLength, 256);
  const all = model.encode([...want.texts, ...want.queries]);
  const difference = all.sub(torch.tensor(want.embeddings)).abs().max().itemSync() as number;
  console.log(`largest difference of an embedding's number: ${difference.toExponential(2)}`);
  assert.ok(difference < 1e-4);
  const n = want.texts.length;
  const similarity = all.narrow(0, n, want.queries.length).matmul(all.narrow(0, 0, n).t());
  assert.ok(worst(similarity, torch.tensor(want.similarity)) < 1e-4);
  assert.deepEqual(similarity.argsort(1, { descending: true }).toArraySync(), want.ranking);
});
