// Encoders and their heads against what transformers computes with the same weights (tools/record/encoder-models.py).
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "firebrand";
import type { Tensor } from "firebrand";
import {
  AutoModel,
  AutoModelForMaskedLM,
  AutoModelForQuestionAnswering,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
  bertConfig,
  BertForMaskedLM,
  BertForSequenceClassification,
  BertModel,
  type EncoderOutput,
  givenFiles,
  type RobertaModel,
  XLMRobertaForMaskedLM,
} from "firebrand/models";
import { worst } from "./support.ts";

const folder = join(process.cwd(), "test", "models", "encoders");
type Recorded = Record<string, Tensor>;
const recorded = async (at: string): Promise<Recorded> => (await torch.io.loadSafetensors(join(at, "expected.safetensors"))) as Recorded;
const inputs = (e: Recorded): { attentionMask: Tensor; tokenTypeIds?: Tensor } => ({
  attentionMask: e["attention_mask"]!,
  ...(e["token_type_ids"] ? { tokenTypeIds: e["token_type_ids"] } : {}),
});
const graded = (e: Recorded, kind: string, model: torch.nn.Module, loss: Tensor): void => {
  assert.ok(worst(loss, e[`${kind}.loss`]!) < 1e-5, `loss of ${kind}`);
  loss.backward();
  let seen = 0;
  for (const [key, p] of model.namedParameters()) {
    const want = e[`${kind}.grad.${key}`];
    if (!want) continue; // a pooler that nothing reads
    seen++;
    assert.ok(worst(p.grad!, want) < 1e-4, `${kind}: gradient of ${key}: ${worst(p.grad!, want)}`);
  }
  assert.equal(seen, Object.keys(e).filter((k) => k.startsWith(`${kind}.grad.`)).length);
};

for (const name of readdirSync(folder)) {
  const at = join(folder, name);
  test(`${name}: hidden states and pooler; padded as alone`, async () => {
    const [model, e] = [await AutoModel.fromPretrained(at), await recorded(at)];
    const run = (ids: Tensor, o: object): EncoderOutput => (model as BertModel).forward(ids, { ...o, outputHiddenStates: true });
    const out = run(e["input_ids"]!, inputs(e));
    out.hiddenStates!.forEach((h, i) => assert.ok(worst(h, e[`hidden.${i}`]!) < 1e-4, `hidden.${i}`));
    assert.equal(worst(out.lastHiddenState, out.hiddenStates!.at(-1)!), 0);
    if (e["pooled"]) assert.ok(worst(out.poolerOutput!, e["pooled"]) < 1e-4);
    const short = (x: Tensor): Tensor => x.narrow(0, 1, 1).narrow(1, 0, 7);
    const types = e["token_type_ids"] ? { tokenTypeIds: short(e["token_type_ids"]) } : {};
    assert.ok(worst(short(out.lastHiddenState), run(short(e["input_ids"]!), types).lastHiddenState) < 1e-5);
  });
  test(`${name}: masked tokens, with every gradient`, async () => {
    const [model, e] = [await AutoModelForMaskedLM.fromPretrained(at), await recorded(at)];
    const out = model.forward(e["input_ids"]!, { ...inputs(e), labels: e["mlm.labels"]! });
    assert.ok(worst(out.logits, e["mlm.logits"]!) < 1e-4);
    graded(e, "mlm", model, out.loss!);
  });
  test(`${name}: classes of texts, with every gradient; regression and several classes at once`, async () => {
    const [model, e] = [await AutoModelForSequenceClassification.fromPretrained(at), await recorded(at)];
    assert.deepEqual(model.config.id2label, { "0": "NEGATIVE", "1": "POSITIVE" });
    assert.deepEqual(model.config.label2id, { NEGATIVE: 0, POSITIVE: 1 });
    const out = model.forward(e["input_ids"]!, { ...inputs(e), labels: e["sequence.labels"]! });
    assert.ok(worst(out.logits, e["sequence.logits"]!) < 1e-4);
    graded(e, "sequence", model, out.loss!);
    for (const problemType of ["regression", "multi_label_classification"] as const) {
      const other = await AutoModelForSequenceClassification.fromPretrained(at, { config: { problemType } });
      const { loss } = other.forward(e["input_ids"]!, { ...inputs(e), labels: e[`${problemType}.labels`]! });
      assert.ok(worst(loss!, e[`${problemType}.loss`]!) < 1e-5, problemType);
    }
    // Without a problem type, floating labels of several classes are several truths at once.
    const { loss } = model.forward(e["input_ids"]!, { ...inputs(e), labels: e["multi_label_classification.labels"]! });
    assert.ok(worst(loss!, e["multi_label_classification.loss"]!) < 1e-5);
  });
  test(`${name}: classes of tokens, with every gradient`, async () => {
    const [model, e] = [await AutoModelForTokenClassification.fromPretrained(at), await recorded(at)];
    const out = model.forward(e["input_ids"]!, { ...inputs(e), labels: e["token.labels"]! });
    assert.ok(worst(out.logits, e["token.logits"]!) < 1e-4);
    graded(e, "token", model, out.loss!);
  });
  test(`${name}: answers, with every gradient`, async () => {
    const [model, e] = [await AutoModelForQuestionAnswering.fromPretrained(at), await recorded(at)];
    const positions = { startPositions: e["answer.start_positions"]!, endPositions: e["answer.end_positions"]! };
    const out = model.forward(e["input_ids"]!, { ...inputs(e), ...positions });
    assert.ok(worst(out.startLogits, e["answer.start_logits"]!) < 1e-4);
    assert.ok(worst(out.endLogits, e["answer.end_logits"]!) < 1e-4);
    graded(e, "answer", model, out.loss!);
  });
  test(`${name}: what is saved loads again, the same`, async () => {
    const to = mkdtempSync(join(tmpdir(), "firebrand-"));
    try {
      for (const auto of [AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoModelForQuestionAnswering]) {
        const model = await auto.fromPretrained(at);
        await model.savePretrained(to);
        const again = await auto.fromPretrained(to);
        assert.deepEqual(again.loadReport, { missingKeys: [], unexpectedKeys: [] });
        for (const [key, t] of Object.entries(again.stateDict())) assert.equal(worst(t, model.stateDict()[key]!), 0, key);
        assert.deepEqual({ ...again.config, rest: null }, { ...model.config, rest: null });
      }
    } finally {
      rmSync(to, { recursive: true });
    }
  });
}

const bert = join(folder, "bert");
/** The BERT's files with other names of tensors and another configuration. */
async function altered(
  rename: (key: string) => string | null,
  config: Record<string, unknown> = {},
): Promise<ReturnType<typeof givenFiles>> {
  const tensors = (await torch.io.loadSafetensors(join(bert, "model.safetensors"))) as Recorded;
  const renamed = Object.entries(tensors).flatMap(([k, t]) => (rename(k) === null ? [] : [[rename(k), t]]));
  const at = mkdtempSync(join(tmpdir(), "firebrand-"));
  try {
    await torch.io.save(Object.fromEntries(renamed), join(at, "model.safetensors"));
    const json = { ...JSON.parse(readFileSync(join(bert, "config.json"), "utf8")), ...config };
    writeFileSync(join(at, "config.json"), JSON.stringify(json));
    return givenFiles(Object.fromEntries(["config.json", "model.safetensors"].map((f) => [f, new Uint8Array(readFileSync(join(at, f)))])));
  } finally {
    rmSync(at, { recursive: true });
  }
}
test("old files: gamma and beta, position_ids, with and without prefix", async () => {
  const e = await recorded(bert);
  const old = (k: string): string => k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
  for (const rename of [
    old,
    (k: string) => old(k).replace(/^bert\./, ""),
    (k: string) => k.replace("bert.pooler.dense.bias", "bert.embeddings.position_ids") && k,
  ]) {
    const model = (await AutoModel.fromPretrained(await altered(rename))) as BertModel;
    assert.ok(worst(model.forward(e["input_ids"]!, inputs(e)).lastHiddenState, e["hidden.2"]!) < 1e-4);
  }
  const headed = await BertForMaskedLM.fromPretrained(await altered(old));
  assert.ok(worst(headed.forward(e["input_ids"]!, inputs(e)).logits, e["mlm.logits"]!) < 1e-4);
});
test("a file without pooler loads, and the report says so; one without classifier is refused unless asked for", async () => {
  const files = await altered((k) => (/pooler|classifier/.test(k) ? null : k));
  const model = await BertModel.fromPretrained(files);
  assert.deepEqual(model.loadReport.missingKeys, ["pooler.dense.weight", "pooler.dense.bias"]);
  await assert.rejects(
    BertForSequenceClassification.fromPretrained(files),
    /missing keys: bert\.pooler\.dense\.weight.*classifier\.weight/s,
  );
  const fresh = await BertForSequenceClassification.fromPretrained(files, { initializeMissing: true, config: { numLabels: 3 } });
  assert.equal(fresh.config.id2label["2"], "LABEL_2");
  assert.deepEqual(fresh.classifier.weight.shape, [3, 8]);
});
test("XLM-R is RoBERTa under another name", async () => {
  const at = join(folder, "roberta");
  const json = { ...JSON.parse(readFileSync(join(at, "config.json"), "utf8")), model_type: "xlm-roberta" };
  const files = givenFiles({
    "config.json": new TextEncoder().encode(JSON.stringify(json)),
    "model.safetensors": new Uint8Array(readFileSync(join(at, "model.safetensors"))),
  });
  const [model, e] = [await AutoModelForMaskedLM.fromPretrained(files), await recorded(at)];
  assert.ok(model instanceof XLMRobertaForMaskedLM);
  assert.equal(new XLMRobertaForMaskedLM({ ...model.config }).config.modelType, "xlm-roberta");
  assert.ok(worst(model.forward(e["input_ids"]!, inputs(e)).logits, e["mlm.logits"]!) < 1e-4);
});
test("regression with one label compares [B, 1] with [B]", () => {
  const model = new BertForSequenceClassification({
    vocabSize: 9,
    hiddenSize: 4,
    intermediateSize: 4,
    numHiddenLayers: 1,
    numAttentionHeads: 1,
    numLabels: 1,
  }).eval();
  const { logits, loss } = model.forward(
    torch.tensor([
      [1, 2],
      [3, 4],
    ]),
    { labels: torch.tensor([0.5, -1]) },
  );
  const [a, b] = logits.reshape([-1]).toArraySync() as [number, number];
  assert.ok(Math.abs((loss!.itemSync() as number) - ((a - 0.5) ** 2 + (b + 1) ** 2) / 2) < 1e-6);
});
test("floats are written as floats, and what is null by default not at all", async () => {
  const to = mkdtempSync(join(tmpdir(), "firebrand-"));
  try {
    await new BertModel({
      vocabSize: 9,
      hiddenSize: 4,
      intermediateSize: 4,
      numHiddenLayers: 1,
      numAttentionHeads: 1,
      hiddenDropoutProb: 1,
    }).savePretrained(to);
    const text = readFileSync(join(to, "config.json"), "utf8");
    assert.match(text, /"hidden_dropout_prob": 1\.0,\n {2}"/);
    assert.match(text, /"hidden_size": 4,/);
    assert.doesNotMatch(text, /classifier_dropout|problem_type|num_labels/);
    assert.deepEqual(JSON.parse(text).id2label, { "0": "LABEL_0", "1": "LABEL_1" });
  } finally {
    rmSync(to, { recursive: true });
  }
});
test("dropout while training; weights drawn anew; half precision", async () => {
  const e = await recorded(bert);
  const model = await AutoModelForMaskedLM.fromPretrained(bert);
  const loss = (): number => model.forward(e["input_ids"]!, { ...inputs(e), labels: e["mlm.labels"]! }).loss!.itemSync() as number;
  const calm = loss();
  model.train();
  const [one, two] = [loss(), loss()];
  assert.ok(one !== two && Number.isFinite(one) && Math.abs(one - calm) < 3);
  model.eval();
  assert.equal(loss(), calm);
  const fresh = new BertModel({
    vocabSize: 50,
    hiddenSize: 32,
    intermediateSize: 8,
    numHiddenLayers: 1,
    numAttentionHeads: 2,
    initializerRange: 0.5,
  });
  const words = fresh.embeddings.word_embeddings.weight;
  assert.equal(words.select(0, 0).abs().sum().itemSync(), 0); // padding
  assert.ok(Math.abs((words.narrow(0, 1, 49).std().itemSync() as number) - 0.5) < 0.05);
  const half = await AutoModelForMaskedLM.fromPretrained(bert, { dtype: "bfloat16" });
  assert.equal(half.dtype, "bfloat16");
  assert.ok(worst(half.forward(e["input_ids"]!, inputs(e)).logits, e["mlm.logits"]!) < 0.05);
});
test("labels of configurations", () => {
  assert.equal(bertConfig().numLabels, 2);
  assert.equal(bertConfig({ id2label: { 0: "a", 1: "b", 2: "c" } }).numLabels, 3);
  assert.deepEqual(bertConfig({ id2label: { 0: "a", 1: "b" } }).label2id, { a: 0, b: 1 });
  assert.equal(bertConfig({ ...bertConfig({ numLabels: 5 }) }).numLabels, 5);
  assert.throws(() => bertConfig({ problemType: "ranking" as "regression" }), /problemType is "ranking", needed "regression"/);
});
test("bad input", async () => {
  const model = (await AutoModel.fromPretrained(bert)) as BertModel;
  const ids = torch.tensor([[5, 6, 7]]);
  assert.throws(() => model.forward(torch.tensor([5, 6])), /BertModel.forward: inputIds \[2\].*\[batch, tokens\]/s);
  assert.throws(() => model.forward(torch.tensor([[0.5]])), /inputIds are float32/);
  assert.throws(() => model.forward(torch.zeros(1, 25, { dtype: "int64" })), /25 tokens, the model has positions for 24.*truncation/s);
  assert.throws(() => model.forward(ids, { attentionMask: torch.ones(1, 2) }), /attentionMask \[1, 2\].*must be \[1, 3\]/s);
  assert.throws(
    () => model.forward(ids, { tokenTypeIds: torch.zeros(1, 2, { dtype: "int64" }) }),
    /tokenTypeIds \[1, 2\] for inputs \[1, 3\]/,
  );
  assert.throws(() => model.forward(ids, { attentionMsk: ids } as object), /attentionMask/);
  assert.throws(() => model.forward(torch.tensor([[99]])), /IndexError|index 99|99/);
  const roberta = (await AutoModel.fromPretrained(join(folder, "roberta"))) as RobertaModel;
  assert.throws(() => roberta.forward(torch.zeros(1, 23, { dtype: "int64" })), /positions for 22/);
  const classifier = await AutoModelForSequenceClassification.fromPretrained(bert);
  assert.throws(() => classifier.forward(ids, { labels: torch.tensor([1, 0]) }), /labels \[2\] for logits \[1, 2\]/);
  assert.throws(() => classifier.forward(ids, { labels: torch.tensor([[1.5, 1, 1]]) }), /must have the same shape/);
  assert.throws(() => new BertModel({ hiddenSize: 10, numAttentionHeads: 3 }), /3 heads for hiddenSize 10/);
  await assert.rejects(AutoModel.fromPretrained(await altered((k) => k, { is_decoder: true })), /is_decoder is true, needed false/);
  await assert.rejects(AutoModel.fromPretrained(await altered((k) => k, { position_embedding_type: "relative_key" })), /needed "absolute"/);
  await assert.rejects(AutoModel.fromPretrained(await altered((k) => k, { hidden_size: 16 })), /found \[40, 8\], expected \[40, 16\]/);
});
