// Pipelines against those of transformers, with random models and real vocabularies (tools/record/pipelines.py).
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "firebrand";
import {
  BertForMaskedLM,
  BertForQuestionAnswering,
  BertForSequenceClassification,
  BertForTokenClassification,
  BertModel,
  GPT2LMHeadModel,
  type PreTrainedModel,
  T5EncoderModel,
  T5ForConditionalGeneration,
} from "firebrand/models";
import { pipeline } from "firebrand/pipeline";
import { AutoTokenizer, memoryFiles, type Tokenizer } from "firebrand/tokenizers";
import { dataFile, needs } from "../nets/support.ts";

const path = (name: string): string => dataFile(`tokenizers/${name}`);
const [vocab, gpt2Vocab, gpt2Merges, t5Model] = [
  "bert_base_uncased_vocab.txt",
  "gpt2_bpe_encoder.json",
  "gpt2_bpe_vocab.bpe",
  "t5_tokenizer_base.model",
].map(path) as [string, string, string, string];
const here = needs(vocab, gpt2Vocab, gpt2Merges, t5Model);
const want = JSON.parse(readFileSync(join(process.cwd(), "test", "pipeline", "expected.json"), "utf8"));
const { texts, context } = want as { texts: string[]; context: string };

/** Draws all weights as the recording script did. */
function drawn<M extends PreTrainedModel>(model: M, seed: number, scale: number): M {
  torch.manualSeed(seed);
  const named = [...model.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1));
  torch.noGrad(() => {
    for (const [, p] of named) p.copy_(torch.randn(p.shape).mul(scale));
  });
  return model.eval() as M;
}
const sizes = { hiddenSize: 16, intermediateSize: 24, numHiddenLayers: 2, numAttentionHeads: 2, maxPositionEmbeddings: 64 };
const bytes = (file: string): Uint8Array => new Uint8Array(readFileSync(file));
const bertTokenizer = async (): Promise<Tokenizer> =>
  AutoTokenizer.fromPretrained(
    memoryFiles({
      "vocab.txt": bytes(vocab),
      "tokenizer_config.json": new TextEncoder().encode('{"tokenizer_class": "BertTokenizer", "model_max_length": 64}'),
    }),
  );
const camel = (key: string): string => key.replace(/_(\w)/g, (_, c: string) => c.toUpperCase());
/** Equal in everything, numbers within 1e-5; recorded names are Python's. */
function same(got: unknown, expected: unknown, at = ""): void {
  if (typeof expected === "number")
    assert.ok(Math.abs((got as number) - expected) < 1e-5 * Math.max(1, Math.abs(expected)), `${at}: ${got}, needed ${expected}`);
  else if (Array.isArray(expected)) {
    assert.ok(Array.isArray(got), `${at}: ${JSON.stringify(got)}`);
    assert.equal(got.length, expected.length, `length of ${at}: ${JSON.stringify(got).slice(0, 300)}`);
    expected.forEach((x, i) => same((got as unknown[])[i], x, `${at}[${i}]`));
  } else if (typeof expected === "object" && expected !== null) {
    assert.deepEqual(Object.keys(got as object).sort(), Object.keys(expected).map(camel).sort(), at);
    for (const [k, x] of Object.entries(expected)) same((got as Record<string, unknown>)[camel(k)], x, `${at}.${k}`);
  } else assert.equal(got, expected, at);
}
// Python counts characters, JavaScript UTF-16 units: none of the texts has one of two units, so that they agree.

test("text-classification", here, async () => {
  const model = drawn(new BertForSequenceClassification({ ...sizes, numLabels: 3 }), 1, 1);
  const classify = await pipeline("text-classification", { model, tokenizer: await bertTokenizer() });
  const e = want["text-classification"];
  same(await classify(texts[0]!), e.one, "one");
  for (const batchSize of [1, 2, 8]) same(await classify(texts, { batchSize }), e.several, "several");
  same(await classify(texts, { topK: 2 }), e.top, "top");
  same(await classify(texts[0]!, { topK: null }), e.all, "all");
  same(await classify(texts, { topK: null, functionToApply: "sigmoid" }), e.sigmoid, "sigmoid");
  same(await classify(texts[1]!, { functionToApply: "none" }), e.raw, "raw");
  same(await classify(texts[1]!, { textPair: texts[2]! }), e.pair, "pair");
  await assert.rejects(classify(texts, { textPair: "one" }), /3 texts and 1 in textPair/);
  await assert.rejects(classify(["a", 3 as unknown as string]), /text 1 is 3/);
  await assert.rejects(classify([]), /no texts/);
  await assert.rejects(classify("a", { topK: 0 }), /topK is 0/);
  await assert.rejects(classify("a", { topk: 1 } as object), /topK/);
});
test("token-classification", here, async () => {
  const id2label = { 0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC" };
  const model = drawn(new BertForTokenClassification({ ...sizes, id2label }), 2, 0.8);
  // Tokens decide, not biases.
  torch.noGrad(() => {
    for (const [name, p] of model.namedParameters()) if (p.ndim === 1) p.fill_(name.endsWith("LayerNorm.weight") ? 1 : 0);
  });
  const tag = await pipeline("ner", { model, tokenizer: await bertTokenizer() });
  const e = want["token-classification"];
  for (const aggregationStrategy of ["none", "simple", "first"] as const) {
    same(await tag(texts, { aggregationStrategy }), e[aggregationStrategy], aggregationStrategy);
    same(await tag(texts[2]!, { aggregationStrategy }), e[aggregationStrategy][2], aggregationStrategy);
  }
  const [first] = await tag(texts[0]!);
  assert.equal(texts[0]!.slice(first!.start, first!.end).toLowerCase(), first!.word);
  await assert.rejects(tag("a", { aggregationStrategy: "mean" as "none" }), /aggregationStrategy/);
});
test("fill-mask", here, async () => {
  const fill = await pipeline("fill-mask", { model: drawn(new BertForMaskedLM(sizes), 3, 0.4), tokenizer: await bertTokenizer() });
  const [one, two] = ["Paris is the [MASK] of France.", "The [MASK] sat on the [MASK]."];
  const e = want["fill-mask"];
  same(await fill(one), e.one, "one");
  same(await fill(two, { topK: 2 }), e.two, "two");
  same(await fill([one, two], { topK: 3 }), e.several, "several");
  same(await fill(one, { targets: ["capital", "city", "unbelievably"] }), e.targets, "targets");
  await assert.rejects(fill("Nothing is missing."), /a text without \[MASK\]/);
});
test("feature-extraction", here, async () => {
  const features = await pipeline("feature-extraction", { model: drawn(new BertModel(sizes), 4, 0.4), tokenizer: await bertTokenizer() });
  const all = await features(texts.slice(0, 2));
  same(
    all.map((x) => x[0]),
    want["feature-extraction"].several,
    "several",
  );
  assert.deepEqual((await features(texts[0]!, { returnTensors: true })).shape, [1, all[0]![0]!.length, 16]);
  const t5 = new T5ForConditionalGeneration({ vocabSize: 10, dModel: 8, dKv: 4, dFf: 8, numLayers: 1, numHeads: 2 });
  const tokenizer = await bertTokenizer();
  await assert.rejects(pipeline("feature-extraction", { model: t5, tokenizer }), /features of two texts/);
  const encoder = new T5EncoderModel({ vocabSize: 40000, dModel: 8, dKv: 4, dFf: 8, numLayers: 1, numHeads: 2 }).eval();
  assert.equal((await (await pipeline("feature-extraction", { model: encoder, tokenizer }))("hello"))[0]!.length, 3);
});
test("question-answering", here, async () => {
  const model = drawn(new BertForQuestionAnswering(sizes), 5, 1);
  const answer = await pipeline("question-answering", { model, tokenizer: await bertTokenizer() });
  const question = "Who was Ada's father?";
  const short = context.slice(0, 120);
  const e = want["question-answering"];
  same(await answer({ question, context: short }), e.short, "short");
  same(await answer({ question, context }, { maxSeqLen: 40, docStride: 10 }), e.windows, "windows");
  same(await answer({ question, context }, { topK: 4 }), e.top, "top");
  same(await answer({ question, context }, { topK: 3, alignToWords: false, maxAnswerLen: 4 }), e.parts, "parts");
  same(await answer({ question, context: short }, { topK: 3, handleImpossibleAnswer: true }), e.impossible, "impossible");
  const both = await answer(
    [
      { question, context: short },
      { question, context },
    ],
    { batchSize: 1 },
  );
  same(both[0], e.short, "of two");
  assert.equal(context.slice(both[1]!.start, both[1]!.end), both[1]!.answer);
  await assert.rejects(answer({ question, context: " " }), /a question is/);
  await assert.rejects(answer({ question, context }, { maxSeqLen: 16, docStride: 10 }), /windows of .* overlap by 10/);
});
test("text-generation", here, async () => {
  const model = drawn(new GPT2LMHeadModel({ nEmbd: 16, nLayer: 2, nHead: 2, nPositions: 64 }), 6, 0.3);
  const tokenizer = await AutoTokenizer.fromPretrained(memoryFiles({ "vocab.json": bytes(gpt2Vocab), "merges.txt": bytes(gpt2Merges) }));
  const write = await pipeline("text-generation", { model, tokenizer });
  const e = want["text-generation"];
  const prompts = ["Once upon a time", "Hello — naïve 東京"];
  same(await write(prompts[0]!, { maxNewTokens: 10 }), e.one, "one");
  same(await write(prompts[0]!, { maxNewTokens: 10, returnFullText: false }), e.new, "new");
  same(await write(prompts, { maxNewTokens: 10 }), e.several, "several");
  assert.equal((await write(prompts[0]!, { maxNewTokens: 4, numReturnSequences: 3, doSample: true, seed: 1 })).length, 3);
  await assert.rejects(write(3 as unknown as string), /the input is 3/);
});
test("text-generation of conversations", here, async () => {
  const model = drawn(new GPT2LMHeadModel({ nEmbd: 16, nLayer: 2, nHead: 2, nPositions: 64 }), 6, 0.3);
  const template =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% if not loop.last %}|{% endif %}{% endfor %}{% if add_generation_prompt %}|<assistant>{% endif %}";
  const config = new TextEncoder().encode(`{"chat_template": "${template}"}`);
  const tokenizer = await AutoTokenizer.fromPretrained(
    memoryFiles({ "vocab.json": bytes(gpt2Vocab), "merges.txt": bytes(gpt2Merges), "tokenizer_config.json": config }),
  );
  const write = await pipeline("text-generation", { model, tokenizer });
  const chat = [{ role: "user", content: "Hello" }];
  const o = { maxNewTokens: 6 };
  const [plain] = await write("<user>Hello|<assistant>", { ...o, returnFullText: false });
  same(await write(chat, o), [{ generatedText: [...chat, { role: "assistant", content: plain!.generatedText }] }]);
  const begun = [...chat, { role: "assistant", content: "Well" }];
  const [more] = await write("<user>Hello|<assistant>Well", { ...o, returnFullText: false });
  same((await write([chat, begun], o))[1], [{ generatedText: [...chat, { role: "assistant", content: `Well${more!.generatedText}` }] }]);
});
test("summarization and translation", here, async () => {
  const model = drawn(new T5ForConditionalGeneration({ dModel: 16, dKv: 8, dFf: 24, numLayers: 2, numHeads: 2 }), 7, 0.5);
  const tokenizer = await AutoTokenizer.fromPretrained(
    memoryFiles({
      "spiece.model": bytes(t5Model),
      "tokenizer_config.json": new TextEncoder().encode('{"tokenizer_class": "T5Tokenizer"}'),
    }),
  );
  const e = want["text-to-text"];
  const summarize = await pipeline("summarization", { model, tokenizer });
  same(await summarize(context.slice(0, 100), { prefix: "summarize: ", maxNewTokens: 10 }), e.summary, "summary");
  same(await summarize([context.slice(0, 100), texts[1]!], { maxNewTokens: 10, numBeams: 3 }), e.beams, "beams");
  const translate = await pipeline("translation_en_to_de", { model, tokenizer });
  same(await translate(["How old are you?", texts[0]!], { maxNewTokens: 10 }), e.translation, "translation");
});
test("places of tokens", here, async () => {
  const { offsetsOf } = await import("../../src/pipeline/offsets.ts");
  const gpt2 = await AutoTokenizer.fromPretrained(memoryFiles({ "vocab.json": bytes(gpt2Vocab), "merges.txt": bytes(gpt2Merges) }));
  for (const [name, tokenizer] of [["bert", await bertTokenizer()] as const, ["gpt2", gpt2] as const])
    want.offsets.texts.forEach((text: string, i: number) => {
      // Recorded places count characters.
      const units = [0];
      for (const c of text) units.push(units.at(-1)! + c.length);
      const ids = tokenizer.encode(text, { addSpecialTokens: false });
      const spans = offsetsOf(text, ids, tokenizer).map((s) => text.slice(s.start, s.end));
      const expected = (want.offsets[name][i] as [number, number][]).map(([a, b]) => text.slice(units[a], units[b]));
      assert.deepEqual(
        spans.map((s) => s.trim()),
        expected.map((s) => s.trim()),
        `${name} ${i}`,
      );
    });
});
test("places of pieces, which their vocabulary does not tell", here, async () => {
  const { offsetsOf } = await import("../../src/pipeline/offsets.ts");
  const tokenizer = await AutoTokenizer.fromPretrained(memoryFiles({ "spiece.model": bytes(t5Model) }));
  for (const text of [...(want.offsets.texts as string[]).slice(0, 2), "The ﬁne ＷＩＤＥ café,  東京 is  far\t away."]) {
    const ids = tokenizer.encode(text, { addSpecialTokens: false });
    const spans = offsetsOf(text, ids, tokenizer);
    ids.forEach((id, i) => {
      const [piece, here] = [tokenizer.decode([id]).trim(), text.slice(spans[i]!.start, spans[i]!.end)];
      if (id === tokenizer.unkTokenId) assert.ok(["東京", "Å"].includes(here), here);
      else assert.equal(here.normalize("NFKC"), piece);
    });
  }
});
test("what pipelines are made of", here, async () => {
  const tokenizer = await bertTokenizer();
  const to = mkdtempSync(join(tmpdir(), "firebrand-"));
  try {
    const model = drawn(new BertForMaskedLM(sizes), 3, 0.4);
    await model.savePretrained(to);
    await tokenizer.savePretrained(to);
    const [text, given] = ["Paris is the [MASK] of France.", await pipeline("fill-mask", { model, tokenizer })];
    assert.deepEqual(await (await pipeline("fill-mask", to))(text), await given(text));
    await assert.rejects(pipeline("text-generation", to), /model_type is "bert".*Known architectures: gpt2/s);
  } finally {
    rmSync(to, { recursive: true });
  }
  await assert.rejects(pipeline("poetry" as "ner", "folder"), /no task "poetry".*text-generation/s);
  await assert.rejects(pipeline("ner", { model: {} as PreTrainedModel, tokenizer }), /model is/);
  await assert.rejects(pipeline("ner", "no/such/folder/here"), /no\/such\/folder/);
});
