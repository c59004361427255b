// A megabyte of hard text and fifty short strings through every real vocabulary: the reference libraries' ids, their text back, and
// the same text from a stream.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../src/index.ts";
import { AutoTokenizer, type Tokenizer, type TokenizerOptions, type TokenizerSource } from "../../src/tokenizers/index.ts";
import { SentencePiece } from "../../src/tokenizers/sentencepiece.ts";
import { readSpm } from "../../src/tokenizers/spmModel.ts";
import { bytesOf, file, files, hashIds, hashText, needsData, type Recorded, recorded, type Torture, vocabulary } from "./support.ts";
import { torture } from "./torture.ts";

const R = recorded<Torture>("torture.json");
const TEXT = torture(R.alphabet, 1_000_000);
const multilingual = (pattern: string): [string, TokenizerOptions] => [vocabulary("whisper_multilingual.tiktoken"), { pattern }];
const SOURCES: Readonly<Record<string, () => [TokenizerSource, TokenizerOptions?]>> = {
  bert: () => [files({ "vocab.txt": "bert_base_uncased_vocab.txt" })],
  cased: () => [files({ "vocab.txt": "bert_base_uncased_vocab.txt", "tokenizer_config.json": file({ do_lower_case: false }) })],
  clip: () => [files({ "vocab.json": "clip_encoder.json", "merges.txt": "clip_vocab.bpe" })],
  gpt2: () => [files({ "encoder.json": "gpt2_bpe_encoder.json", "vocab.bpe": "gpt2_bpe_vocab.bpe" })],
  llama2: () => [vocabulary("llama2_tokenizer.model")],
  spm_test: () => [vocabulary("sentencepiece_test_model.model")],
  spm_example: () => [vocabulary("spm_example.model")],
  t5: () => [vocabulary("t5_tokenizer_base.model")],
  whisper_gpt2: () => [vocabulary("whisper_gpt2.tiktoken")],
  whisper_multilingual: () => [vocabulary("whisper_multilingual.tiktoken")],
  cl100k: () => multilingual("cl100k"),
  qwen2: () => multilingual("qwen2"),
  o200k: () => multilingual("o200k"),
  tekken: () => multilingual("tekken"),
};
const MODELS: Readonly<Record<string, string>> = {
  spm_test: "sentencepiece_test_model.model",
  spm_example: "spm_example.model",
  t5: "t5_tokenizer_base.model",
};

test("the text is the recorded one", () => {
  assert.equal(Buffer.byteLength(TEXT), R.bytes);
  assert.equal(hashText(TEXT), R.sha256);
});

/** Ids without special tokens; the reference libraries of these take special tokens in text for text. */
const plain = (t: Tokenizer, text: string): number[] => t.encode(text, { addSpecialTokens: false, splitSpecialTokens: true });
/** What the reference library decodes: SentencePiece shows unknown pieces its own way, transformers as tokens. */
function decoderOf(name: string, t: Tokenizer): (ids: readonly number[]) => string {
  if (!MODELS[name]) return (ids) => t.decode(ids);
  const scheme = new SentencePiece(readSpm(bytesOf(MODELS[name]), MODELS[name]));
  return (ids) => {
    const d = scheme.decoder();
    return ids.map((id) => d.id(id)).join("") + d.end();
  };
}
function streamed(t: Tokenizer, ids: readonly number[]): string {
  const stream = t.decodeStream();
  const pieces = [...ids.map((id) => stream.push(id)), stream.end()];
  for (const p of pieces) assert.ok(!/[\ud800-\udbff]$|^[\udc00-\udfff]/.test(p), "a character is split");
  return pieces.join("");
}

for (const [name, source] of Object.entries(SOURCES))
  test(`${name}: ids and text of the reference`, needsData, async () => {
    const want = R.vocabularies[name] as Recorded;
    const t = await AutoTokenizer.fromPretrained(...source());
    const decode = decoderOf(name, t);
    R.strings.forEach((s, i) => {
      assert.deepEqual(plain(t, s), want.strings[i], JSON.stringify(s));
      assert.equal(decode(want.strings[i]!), want.texts[i] ?? s, JSON.stringify(s));
      assert.equal(streamed(t, want.strings[i]!), t.decode(want.strings[i]!));
    });
    const ids = plain(t, TEXT);
    assert.equal(ids.length, want.count);
    assert.equal(hashIds(ids), want.sha256);
    for (const [text, lone] of want.lone ?? []) assert.deepEqual(plain(t, text), lone, JSON.stringify(text));
    // Decoding knows no pattern: one of those that share a vocabulary is enough.
    if (/100k|qwen|200k|tekken/.test(name)) return;
    const text = decode(ids);
    assert.equal(hashText(text), want.decoded);
    // What says every byte, or has bytes to fall back on, gives the text back; U+2581 is SentencePiece's space.
    if (/gpt2|whisper|llama/.test(name))
      assert.ok(text === (name === "llama2" ? TEXT.replaceAll("\u2581", " ") : TEXT), "decode(encode(x)) = x");
  });

for (const name of ["bert", "cased", "clip", "gpt2"])
  test(`${name}: special tokens, pairs and truncation of the reference`, needsData, async () => {
    const want = R.vocabularies[name] as Recorded;
    const t = await AutoTokenizer.fromPretrained(...SOURCES[name]!());
    want.special!.forEach((ids, i) => assert.deepEqual(t.encode(R.strings[i]!), ids));
    for (const [a, b, o, ids, types] of want.pairs!) {
      const options = {
        textPair: b,
        ...(o.truncation ? { truncation: o.truncation } : {}),
        ...(o.max_length ? { maxLength: o.max_length } : {}),
      };
      const batch = t.call(a, { ...options, returnTokenTypeIds: true });
      assert.deepEqual(batch.inputIds.toArraySync(), [ids], JSON.stringify([a, b, o]));
      assert.deepEqual(batch.tokenTypeIds!.toArraySync(), [types]);
      assert.deepEqual(t.encode(a, options), ids);
    }
  });

for (const name of ["bert", "cased", "gpt2"])
  test(`${name}: places of tokens in the text`, needsData, async () => {
    const t = await AutoTokenizer.fromPretrained(...SOURCES[name]!());
    R.strings.forEach((s, i) =>
      assert.deepEqual(t.call(s, { returnOffsetsMapping: true }).offsetMapping![0], R.vocabularies[name]!.offsets![i], JSON.stringify(s)),
    );
    if (name !== "bert") return;
    const question = "Where is it?";
    const context = "The Café is in PARIS.";
    const e = t.call([question, question], {
      textPair: [context, "In"],
      padding: true,
      returnOffsetsMapping: true,
      truncation: "only_second",
      maxLength: 11,
    });
    const of = (row: number, sequence: 0 | 1): string[] =>
      e
        .offsetMapping![row]!.filter((_, i) => e.sequenceIds![row]![i] === sequence)
        .map(([a, b]) => (sequence === 0 ? question : row === 0 ? context : "In").slice(a, b));
    assert.deepEqual([of(0, 0), of(0, 1), of(1, 1)], [["Where", "is", "it", "?"], ["The", "Café", "is", "in"], ["In"]]);
    assert.deepEqual(e.sequenceIds![1]!.slice(0, 1), [null]);
  });

test("special tokens in text are found by a rank file's tokenizer", needsData, async () => {
  const t = await AutoTokenizer.fromPretrained(vocabulary("whisper_gpt2.tiktoken"));
  for (const [text, ids] of R.vocabularies["whisper_gpt2"]!.special as readonly (readonly [string, readonly number[]])[])
    assert.deepEqual(t.encode(text), ids);
});

test("a megabyte without spaces takes no square of time", needsData, async () => {
  for (const name of ["gpt2", "llama2", "t5"]) {
    const t = await AutoTokenizer.fromPretrained(...SOURCES[name]!());
    const text = "abcde".repeat(200_000);
    const begin = process.cpuUsage();
    const ids = plain(t, text);
    const { user, system } = process.cpuUsage(begin);
    assert.ok(user + system < 8e6, `${name}: ${(user + system) / 1e6} s`);
    assert.equal(t.decode(ids), text);
  }
});
