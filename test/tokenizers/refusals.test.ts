// What tokenizers refuse, by name: missing files, damage, parts that do not fit, ids and arguments out of range.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../src/index.ts";
import { AutoTokenizer, type Tokenizer } from "../../src/tokenizers/index.ts";
import { damage } from "../io/fuzz.ts";
import { bytesOf, file, files, fixture, needsData } from "./support.ts";

const open = (of: Record<string, string | Uint8Array>): Promise<Tokenizer> => AutoTokenizer.fromPretrained(files(of));
const refuses = (of: Record<string, string | Uint8Array>, name: string, message: RegExp): Promise<void> =>
  assert.rejects(open(of), { name, message });
const json = (more: object): Uint8Array =>
  file({ ...(JSON.parse(new TextDecoder().decode(fixture("small_bpe.json"))) as object), ...more });
const model = (more: object): Uint8Array =>
  json({ model: { ...(JSON.parse(new TextDecoder().decode(fixture("small_bpe.json"))) as { model: object }).model, ...more } });

test("files that are not there, or of no tokenizer", async () => {
  await refuses({}, "ArgumentError", /files has no tokenizer: no tokenizer\.json/);
  await refuses({ "vocab.json": file({ a: 0 }) }, "FormatError", /vocab\.json: a vocabulary without merges in files, expected merges\.txt/);
  await assert.rejects(AutoTokenizer.fromPretrained("no/such/folder"), { name: "ArgumentError", message: /there is no no\/such\/folder/ });
  await assert.rejects(AutoTokenizer.fromPretrained(7 as never), { name: "ArgumentError", message: /7 is no source of a tokenizer/ });
  await assert.rejects(AutoTokenizer.fromPretrained("x", { patern: "gpt-2" } as never), {
    name: "ArgumentError",
    message: /patern.*Did you mean pattern/,
  });
});

test("JSON that is none, or says what it cannot mean", async () => {
  await refuses({ "tokenizer.json": file("{") }, "FormatError", /tokenizer\.json: no JSON/);
  await refuses({ "tokenizer.json": Uint8Array.of(0xff, 0xfe) }, "FormatError", /tokenizer\.json: not UTF-8/);
  await refuses({ "tokenizer.json": file([]) }, "FormatError", /tokenizer\.json: \[\], expected an object/);
  await refuses({ "tokenizer.json": file({}) }, "FormatError", /tokenizer\.json: model is undefined, expected an object/);
  await refuses(
    { "tokenizer.json": model({ vocab: { a: -1 } }) },
    "FormatError",
    /model\.vocab\["a"\] is -1, expected an integer from 0 on/,
  );
  await refuses({ "tokenizer.json": model({ vocab: { a: 1, b: 1 } }) }, "FormatError", /model\.vocab has id 1 twice/);
  await refuses(
    { "tokenizer.json": model({ merges: [["a", "qqq"]] }) },
    "FormatError",
    /merge 1 is "a qqq", but the vocabulary of \d+ tokens has no "qqq"/,
  );
  await refuses(
    { "tokenizer.json": json({ added_tokens: [{ id: 3, content: "x", special: true }] }) },
    "FormatError",
    /added token "x" has id 3, which is "<\|assistant\|>"/,
  );
  await refuses(
    {
      "tokenizer.json": json({
        post_processor: { type: "TemplateProcessing", single: [{ SpecialToken: { id: "<q>", type_id: 0 } }], pair: [], special_tokens: {} },
      }),
    },
    "FormatError",
    /names "<q>", which its special_tokens lack/,
  );
  await refuses(
    { "tokenizer.json": json({ decoder: { type: "CTC" }, pre_tokenizer: null }) },
    "UnsupportedError",
    /the decoder "CTC" is not known/,
  );
  const config = (c: object): Record<string, Uint8Array> => ({
    "tokenizer.json": fixture("small_bpe.json"),
    "tokenizer_config.json": file(c),
  });
  await refuses(
    config({ padding_side: "top" }),
    "FormatError",
    /tokenizer_config\.json: padding_side is "top", expected "left" or "right"/,
  );
  await refuses(config({ bos_token: 5 }), "FormatError", /bos_token is 5, expected a token/);
  await refuses(config({ added_tokens_decoder: { x: { content: "a" } } }), "FormatError", /the id of "added_tokens_decoder\[x\]"/);
  await refuses(config({ chat_template: 7 }), "FormatError", /chat_template is 7/);
});

test("vocabularies of other kinds", needsData, async () => {
  await refuses(
    { "vocab.json": file({ a: 0, b: 1 }), "merges.txt": file("#version\na b\n") },
    "FormatError",
    /merges\.txt: merge 1 is "a b", but the vocabulary of 2 tokens has no "ab"/,
  );
  await refuses({ "vocab.json": file({ a: 0 }), "merges.txt": file("a b c\n") }, "FormatError", /line 1 is "a b c", expected two tokens/);
  await refuses({ "vocab.txt": file("a\nb\n") }, "FormatError", /vocab\.txt: 2 tokens, none of them "\[UNK\]"/);
  await refuses({ "vocab.txt": file("") }, "FormatError", /vocab\.txt: no tokens/);
  await refuses({ "tokenizer.model": file("YQ== 0\nYg== 0\n") }, "FormatError", /line 2 has rank 0, as a line before/);
  await refuses({ "tokenizer.model": file("YQ== 0\n!! 1\n") }, "FormatError", /line 2 begins with "!!", expected base64/);
  await refuses({ "tokenizer.model": file("YQ== 0\n") }, "FormatError", /1 tokens, none for the byte 0/);
  await refuses(
    { "tokenizer.model": bytesOf("llama2_tokenizer.model").subarray(0, 100_000) },
    "FormatError",
    /tokenizer\.model: at byte \d+/,
  );
  await refuses(
    { "spiece.model": "t5_tokenizer_base.model", "tokenizer_config.json": file({ tokenizer_class: "XLMRobertaTokenizer" }) },
    "UnsupportedError",
    /XLMRoberta model, whose ids are not those of the file/,
  );
  await assert.rejects(AutoTokenizer.fromPretrained({ metadata: {} }), { name: "FormatError", message: /no tokenizer\.ggml\.model/ });
  await assert.rejects(
    AutoTokenizer.fromPretrained({
      metadata: { "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": ["a"], "tokenizer.ggml.scores": [] },
    }),
    { name: "FormatError", message: /scores has 0 values, expected 1/ },
  );
  await assert.rejects(
    AutoTokenizer.fromPretrained({
      metadata: { "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": ["a"], "tokenizer.ggml.bos_token_id": 9 },
    }),
    { name: "FormatError", message: /bos_token_id is 9, expected one of the 1 tokens/ },
  );
  await assert.rejects(AutoTokenizer.fromPretrained({ metadata: { "tokenizer.ggml.model": "rwkv", "tokenizer.ggml.tokens": ["a"] } }), {
    name: "UnsupportedError",
    message: /"rwkv", known are/,
  });
});

test("ids and arguments out of range", async () => {
  const t = await open({ "tokenizer.json": fixture("small_bpe.json") });
  assert.throws(() => t.decode([5, 999]), { name: "IndexError", message: /id 999 names no token, the vocabulary has ids 0 to 422/ });
  assert.throws(() => t.decode([-1]), { name: "IndexError" });
  assert.throws(() => t.decode([1.5]), { name: "IndexError" });
  assert.throws(() => t.decode(["1"] as never), { name: "ArgumentError", message: /an id is "1", needed an integer/ });
  assert.throws(() => t.decode("abc" as never), { name: "ArgumentError" });
  assert.throws(() => t.convertIdsToTokens([1000]), { name: "IndexError" });
  assert.throws(() => t.convertTokensToIds(["no such token"]), {
    name: "ArgumentError",
    message: /"no such token" is none of the 423 tokens/,
  });
  assert.throws(() => t.encode(5 as never), { name: "ArgumentError", message: /the text is 5, needed a string/ });
  assert.throws(() => t.encode("a", { adSpecialTokens: true } as never), {
    name: "ArgumentError",
    message: /Did you mean addSpecialTokens/,
  });
  assert.throws(() => t.encode("a", { truncation: "middle" } as never), { name: "ArgumentError" });
  assert.throws(() => t.call(["a", 1] as never), { name: "ArgumentError" });
  await assert.rejects(t.applyChatTemplate("hi" as never), { name: "ArgumentError" });
});

// Damaged files are read or refused with an error of ours, and what is read encodes and decodes.
const RUNS = Number(process.env["FUZZ"] ?? 2000) / 20;
for (const [name, as] of [
  ["sentencepiece_test_model.model", "tokenizer.model"],
  ["whisper_gpt2.tiktoken", "tokenizer.model"],
  ["bert_base_uncased_vocab.txt", "vocab.txt"],
] as const)
  test(`damage to ${name}`, needsData, async () => {
    const whole = bytesOf(name);
    // The rank file is cut short but for its bytes: reading it whole many times takes long.
    const bytes = name.endsWith(".tiktoken") ? whole.subarray(0, whole.indexOf(10, 8000) + 1) : whole;
    let read = 0;
    for (let seed = 1; seed <= RUNS; seed++)
      try {
        const t = await open({ [as]: damage(bytes, seed) });
        t.decode(t.encode("Hello, wörld 👍 \u0000 12"));
        read++;
      } catch (e) {
        assert.match((e as Error).name, /^(FormatError|UnsupportedError)$/, `seed ${seed}: ${(e as Error).stack}`);
      }
    assert.ok(read < RUNS);
  });
for (const name of ["small_bpe.json", "small_unigram.json"])
  test(`damage to ${name}`, async () => {
    const text = new TextDecoder().decode(fixture(name));
    for (let seed = 1; seed <= RUNS * 2; seed++)
      try {
        // Structure is damaged, not only spelling: one value of the JSON becomes another.
        const values = [...text.matchAll(/(?<=[:[,])(?:\d+|"[^"\\]*"|null|true|false)(?=[,}\]])/g)];
        const at = values[(seed * 7919) % values.length]!;
        const other = ["null", "-1", "1e9", '""', '"Ġ"', "[]", "{}", "true"][seed % 8]!;
        const t = await open({ "tokenizer.json": file(text.slice(0, at.index) + other + text.slice(at.index + at[0].length)) });
        t.decode(t.encode("Hello, wörld 👍 \u0000 12"));
      } catch (e) {
        assert.match((e as Error).name, /^(FormatError|UnsupportedError)$/, `seed ${seed}: ${(e as Error).stack}`);
      }
  });
