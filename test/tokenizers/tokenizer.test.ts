// The tokenizer around its vocabulary: batches, added tokens, chat templates, streams, saving, GGUF files, and what it refuses.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { ggufBytes } from "../../src/io/gguf/index.ts";
import { AutoTokenizer, type ChatMessage, localFiles, type Tokenizer } from "../../src/tokenizers/index.ts";
import { readSpm } from "../../src/tokenizers/spmModel.ts";
import { bytesOf, file, files, fixture, needsData, recorded, vocabulary } from "./support.ts";

const small = (config: object = {}): Promise<Tokenizer> =>
  AutoTokenizer.fromPretrained(
    files({
      "tokenizer.json": fixture("small_bpe.json"),
      "tokenizer_config.json": file({ bos_token: "<|begin|>", eos_token: { content: "<|end|>" }, pad_token: "<|pad|>", ...config }),
    }),
  );
const WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", ",", ".", "'", "s", "don", "t", "do", "n", "not"];
const words = (more: Readonly<Record<string, Uint8Array>> = {}): Promise<Tokenizer> =>
  AutoTokenizer.fromPretrained(files({ "vocab.txt": file(`${WORDS.join("\n")}\n`), ...more }));

test("batches: padding, truncation, sides, types", async () => {
  const t = await words();
  const texts = ["the cat", "the cat sat, the cats."];
  const right = t.call(texts, { padding: true });
  assert.deepEqual(right.inputIds.toArraySync(), [
    [2, 5, 6, 3, 0, 0, 0, 0, 0, 0],
    [2, 5, 6, 7, 9, 5, 6, 8, 10, 3],
  ]);
  assert.deepEqual(right.attentionMask.toArraySync(), [
    [1, 1, 1, 1, 0, 0, 0, 0, 0, 0],
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
  ]);
  assert.equal(right.inputIds.dtype, "int64");
  assert.deepEqual(right.tokenTypeIds!.shape, [2, 10]);
  const left = t.call(texts, { padding: true, paddingSide: "left", truncation: true, maxLength: 6, returnTokenTypeIds: false });
  assert.deepEqual(left.inputIds.toArraySync(), [
    [0, 0, 2, 5, 6, 3],
    [2, 5, 6, 7, 9, 3],
  ]);
  assert.deepEqual(left.attentionMask.toArraySync(), [
    [0, 0, 1, 1, 1, 1],
    [1, 1, 1, 1, 1, 1],
  ]);
  assert.equal(left.tokenTypeIds, undefined);
  assert.deepEqual(t.call("the", { padding: "max_length", maxLength: 5 }).inputIds.toArraySync(), [[2, 5, 3, 0, 0]]);
  assert.deepEqual(t.call(texts, { padding: true, padToMultipleOf: 8 }).inputIds.shape, [2, 16]);
  assert.deepEqual(t.encode("the cat sat", { truncation: true, maxLength: 4, truncationSide: "left" }), [2, 6, 7, 3]);
  assert.deepEqual(t.call(["the", "cat"], { textPair: ["sat", "s"], padding: true }).tokenTypeIds!.toArraySync(), [
    [0, 0, 0, 1, 1],
    [0, 0, 0, 1, 1],
  ]);
  assert.throws(() => t.call(texts), /text 0 has 4 tokens and another 10: they make no tensor\. Give \{ padding: true \}/);
  assert.throws(() => t.call(texts, { textPair: "one" }), /2 texts and 1 in textPair/);
  assert.throws(() => t.call("the", { padding: "max_length" }), /no length is known/);
  assert.throws(() => t.encode("the", { truncation: true, maxLength: 1 }), /there is no room/);
  assert.throws(() => t.encode("the", { textPair: "cat sat", truncation: "only_first", maxLength: 5 }), {
    name: "ValueError",
    message: /only_first: 1 and 2 tokens/,
  });
});

test("special tokens: roles, ids, a padding token of one's own", async () => {
  const t = await small({ pad_token: undefined });
  assert.deepEqual(
    [t.bosToken, t.bosTokenId, t.eosToken, t.eosTokenId, t.padToken, t.padTokenId, t.unkToken],
    ["<|begin|>", 0, "<|end|>", 1, null, null, null],
  );
  assert.throws(() => t.call(["a", "b c d"], { padding: true }), /no padding token\. Set tokenizer\.padToken/);
  t.padToken = t.eosToken;
  assert.deepEqual(t.call(["a", "b c d"], { padding: true, paddingSide: "left" }).attentionMask.shape[0], 2);
  assert.throws(() => (t.padToken = "no such"), { name: "ArgumentError" });
  assert.deepEqual(t.allSpecialIds, [0, 1, 2, 3, 4]);
  assert.equal(t.vocabSize, 423);
  assert.deepEqual(t.convertTokensToIds(["<|user|>", "Ġthe"]), [2, t.encode(" the", { addSpecialTokens: false })[0]]);
  assert.deepEqual(t.encode("<|end|>", { addSpecialTokens: false }), [1]);
  assert.ok(t.encode("<|end|>", { addSpecialTokens: false, splitSpecialTokens: true }).length > 1);
  // A special token that no file gives an id gets the next.
  const more = await small({ pad_token: "<new>", additional_special_tokens: ["<other>"] });
  assert.deepEqual([more.padTokenId, more.encode("<other>", { addSpecialTokens: false }), more.vocabSize], [423, [424], 425]);
});

test("decoding: spaces before punctuation, streams, tensors", async () => {
  const t = await words();
  const ids = t.encode("the cat's, don't. sat", { addSpecialTokens: false });
  const raw = t.decode(ids);
  assert.equal(raw, "the cat's, don't. sat".replace("cat's", "cat ' s").replace("don't", "don ' t").replaceAll(" '", " '"));
  for (const cleanUpTokenizationSpaces of [false, true]) {
    const all = t.decode(ids, { cleanUpTokenizationSpaces });
    const stream = t.decodeStream({ cleanUpTokenizationSpaces });
    assert.equal(ids.map((id) => stream.push(id)).join("") + stream.end(), all);
    if (cleanUpTokenizationSpaces) assert.equal(all, "the cat's, don't. sat");
  }
  assert.equal(t.decode(torch.tensor(ids, { dtype: "int64" })), raw);
  assert.deepEqual(
    t.batchDecode(
      torch.tensor(
        [
          [5, 6],
          [6, 7],
        ],
        { dtype: "int64" },
      ),
    ),
    ["the cat", "cat sat"],
  );
  const b = await small();
  const emoji = b.encode("👨‍👩‍👧 é", { addSpecialTokens: false });
  const stream = b.decodeStream();
  const pieces = emoji.map((id) => stream.push(id));
  assert.equal(pieces.join("") + stream.end(), "👨‍👩‍👧 é");
  assert.ok(pieces.every((p) => !/\p{Surrogate}/u.test(p)));
  // An unfinished character is shown when nothing more comes.
  const cut = b.decodeStream();
  assert.equal(
    emoji
      .slice(0, 1)
      .map((id) => cut.push(id))
      .join(""),
    "",
  );
  assert.equal(cut.end(), "\ufffd");
});

test("chat templates render as transformers renders them", needsData, async () => {
  const { chats } = recorded<{
    chats: {
      templates: Record<string, string>;
      messages: ChatMessage[];
      tools: object[];
      rendered: [string, Record<string, unknown>, string][];
    };
  }>("files.json");
  const t = await AutoTokenizer.fromPretrained(
    files({
      "encoder.json": "gpt2_bpe_encoder.json",
      "vocab.bpe": "gpt2_bpe_vocab.bpe",
      "chat_template.jinja": file(chats.templates["chatml"]!),
    }),
  );
  for (const [name, o, want] of chats.rendered) {
    const { add_generation_prompt, continue_final_message, tools, ...variables } = o;
    const options = {
      chatTemplate: chats.templates[name]!,
      addGenerationPrompt: add_generation_prompt === true,
      continueFinalMessage: continue_final_message === true,
      variables,
      ...(tools ? { tools: chats.tools } : {}),
    };
    const messages = continue_final_message ? chats.messages.slice(0, 3) : chats.messages;
    const text = await t.applyChatTemplate(messages, { ...options, tokenize: false });
    assert.equal(text, want, `${name} ${JSON.stringify(o)}`);
    assert.deepEqual(await t.applyChatTemplate(messages, options), t.encode(want, { addSpecialTokens: false }));
  }
  assert.match(await t.applyChatTemplate(chats.messages, { tokenize: false }), /^<\|im_start\|>system/);
  await assert.rejects(t.applyChatTemplate([{ role: "assistant", content: "a" }], { chatTemplate: chats.templates["llama2"]! }), {
    name: "ArgumentError",
    message: /must alternate/,
  });
  await assert.rejects(t.applyChatTemplate(chats.messages, { chatTemplate: "{% for %}" }), { name: "FormatError" });
  await assert.rejects(t.applyChatTemplate([]), { name: "ValueError" });
  await assert.rejects((await words()).applyChatTemplate(chats.messages), /the tokenizer has no chat template\. Give \{ chatTemplate \}/);
});

test("LLaMA 2 and T5: special tokens around texts and in them, sentinels", needsData, async () => {
  const llama = await AutoTokenizer.fromPretrained(vocabulary("llama2_tokenizer.model"));
  assert.deepEqual(llama.encode("Hello this is a test"), [1, 15043, 445, 338, 263, 1243]); // transformers' docstring of LlamaTokenizer
  assert.deepEqual(llama.encode("<s>Hello"), [1, 1, 10994]); // only the beginning of the text gets the dummy space
  assert.equal(llama.decode(llama.encode(" Hello  world"), { skipSpecialTokens: true }), " Hello  world");
  assert.equal(llama.decode([1, 15043, 2]), "<s> Hello</s>");
  const t5 = await AutoTokenizer.fromPretrained(
    files({ "spiece.model": "t5_tokenizer_base.model", "tokenizer_config.json": file({ tokenizer_class: "T5Tokenizer" }) }),
  );
  assert.deepEqual(
    [t5.vocabSize, ...t5.convertTokensToIds(["<extra_id_0>", "<extra_id_99>", "<pad>", "</s>"])],
    [32100, 32099, 32000, 0, 1],
  );
  assert.deepEqual(t5.encode("The <extra_id_0> walks"), [37, 32099, 10681, 1]);
  assert.deepEqual(t5.encode("a", { textPair: "b" }).filter((id) => id === 1).length, 2);
});

test("a rank file of LLaMA 3's size gets LLaMA 3's special tokens", async () => {
  // Meta's folder: tokenizer.model is a rank file there. All pairs of bytes, then triples until there are 128,000.
  const lines: string[] = [];
  const put = (...bytes: number[]): void => void lines.push(`${Buffer.from(bytes).toString("base64")} ${lines.length}`);
  for (let a = 0; a < 256; a++) put(a);
  for (let a = 0; a < 256; a++) for (let b = 0; b < 256; b++) put(a, b);
  for (let i = 0; lines.length < 128000; i++) put(i >> 16, (i >> 8) & 255, i & 255);
  const t = await AutoTokenizer.fromPretrained(
    files({ "tokenizer.model": file(`${lines.join("\n")}\n`), "params.json": file({ dim: 8 }) }),
  );
  assert.deepEqual([t.vocabSize, t.bosTokenId, t.eosTokenId, t.padTokenId], [128256, 128000, 128001, 128004]);
  assert.deepEqual(
    t.convertTokensToIds(["<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|reserved_special_token_247|>"]),
    [128006, 128007, 128008, 128009, 128255],
  );
  assert.deepEqual(t.encode("ab<|eot_id|>"), [128000, 256 + 97 * 256 + 98, 128009]);
  assert.equal(t.decode(t.encode("IT'S 1234 é"), { skipSpecialTokens: true }), "IT'S 1234 é");
});

test("the same vocabularies from GGUF metadata", needsData, async () => {
  const folder = mkdtempSync(join(tmpdir(), "firebrand-tokenizers-"));
  try {
    const texts = ["Hello world", "It's 12345 naïve 👍🏽\n\n  x", "日本語 \u0001", ""];
    const agree = (a: Tokenizer, b: Tokenizer): void => {
      for (const s of texts) assert.deepEqual(a.encode(s), b.encode(s), s);
      for (const s of texts) assert.equal(a.decode(a.encode(s)), b.decode(b.encode(s)));
    };
    // Written once as a file, which is found by its path, in its folder and when it is open.
    const inFile = async (metadata: Record<string, unknown>): Promise<Tokenizer> => {
      const path = join(folder, "x.gguf");
      writeFileSync(path, ggufBytes({ w: torch.ones(2, 2) }, { metadata: metadata as never }));
      const opened = await torch.io.open(path);
      const all = [
        await AutoTokenizer.fromPretrained(path),
        await AutoTokenizer.fromPretrained(folder),
        await AutoTokenizer.fromPretrained(opened),
      ];
      await opened.close();
      for (const t of all) assert.deepEqual(t.encode("Hello, w 12"), all[0]!.encode("Hello, w 12"));
      return all[0]!;
    };
    const open = async (fields: Record<string, unknown>): Promise<Tokenizer> =>
      AutoTokenizer.fromPretrained({
        metadata: Object.fromEntries(Object.entries(fields).map(([k, v]) => [k, (v as { value?: unknown }).value ?? v])),
      });
    const { pieces } = readSpm(bytesOf("llama2_tokenizer.model"), "llama2");
    const llama = await inFile({
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.tokens": pieces.map((p) => p.piece),
      "tokenizer.ggml.scores": { type: "float32[]", value: pieces.map((p) => p.score) },
      "tokenizer.ggml.token_type": { type: "int32[]", value: pieces.map((p) => p.type) },
      "tokenizer.ggml.bos_token_id": 1,
      "tokenizer.ggml.eos_token_id": 2,
      "tokenizer.ggml.unknown_token_id": 0,
      "tokenizer.chat_template": "{{ bos_token }}{{ messages[0].content }}",
    });
    agree(llama, await AutoTokenizer.fromPretrained(vocabulary("llama2_tokenizer.model")));
    assert.equal(await llama.applyChatTemplate([{ role: "user", content: "x" }], { tokenize: false }), "<s>x");
    await assert.rejects(llama.savePretrained(folder), { name: "UnsupportedError" });

    const vocab = Object.entries(JSON.parse(new TextDecoder().decode(bytesOf("gpt2_bpe_encoder.json"))) as Record<string, number>).sort(
      (a, b) => a[1] - b[1],
    );
    const gpt2 = {
      "tokenizer.ggml.model": "gpt2",
      "tokenizer.ggml.tokens": vocab.map(([t]) => t),
      "tokenizer.ggml.token_type": { type: "int32[]", value: vocab.map(([t]) => (t === "<|endoftext|>" ? 3 : 1)) },
      "tokenizer.ggml.merges": new TextDecoder().decode(bytesOf("gpt2_bpe_vocab.bpe")).split("\n").slice(1, -1),
      "tokenizer.ggml.bos_token_id": 50256,
      "tokenizer.ggml.eos_token_id": 50256,
    };
    agree(
      await open({ ...gpt2, "tokenizer.ggml.pre": "gpt-2" }),
      await AutoTokenizer.fromPretrained(files({ "encoder.json": "gpt2_bpe_encoder.json", "vocab.bpe": "gpt2_bpe_vocab.bpe" })),
    );
    const digits = await open({ ...gpt2, "tokenizer.ggml.pre": "smollm" });
    assert.deepEqual(digits.tokenize("in 2024"), ["in", "Ġ", "2", "0", "2", "4"]);
    const started = await open({ ...gpt2, "tokenizer.ggml.pre": "llama-bpe" });
    assert.deepEqual(started.encode("a"), [50256, 64]);
    await assert.rejects(open({ ...gpt2, "tokenizer.ggml.pre": "no-such" }), {
      name: "UnsupportedError",
      message: /"no-such".*known are gpt-2/,
    });

    const list = new TextDecoder().decode(bytesOf("bert_base_uncased_vocab.txt")).trimEnd().split("\n");
    const bert = await open({
      "tokenizer.ggml.model": "bert",
      "tokenizer.ggml.tokens": list.map((t) => (/^\[.*\]$/.test(t) ? t : t.startsWith("##") ? t.slice(2) : `\u2581${t}`)),
      "tokenizer.ggml.token_type": { type: "int32[]", value: list.map((t) => (/^\[.*\]$/.test(t) ? 3 : 1)) },
      "tokenizer.ggml.cls_token_id": 101,
      "tokenizer.ggml.seperator_token_id": 102,
      "tokenizer.ggml.unknown_token_id": 100,
    });
    agree(bert, await AutoTokenizer.fromPretrained(vocabulary("bert_base_uncased_vocab.txt").replace(/$/, "")));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("savePretrained writes the files as they were read", async () => {
  const folder = mkdtempSync(join(tmpdir(), "firebrand-tokenizers-"));
  try {
    const t = await small({ chat_template: "{{ messages }}" });
    await t.savePretrained(join(folder, "a", "b"));
    assert.deepEqual(new Uint8Array(readFileSync(join(folder, "a", "b", "tokenizer.json"))), fixture("small_bpe.json"));
    const again = await AutoTokenizer.fromPretrained(join(folder, "a", "b"));
    assert.deepEqual(
      [again.encode("Hello <mask> x"), again.bosToken, again.chatTemplates],
      [t.encode("Hello <mask> x"), t.bosToken, t.chatTemplates],
    );
    assert.deepEqual([...(await localFiles(join(folder, "a", "b")).list!())].sort(), ["tokenizer.json", "tokenizer_config.json"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("merges alone make CLIP's vocabulary", needsData, async () => {
  const a = await AutoTokenizer.fromPretrained(files({ "vocab.bpe": "clip_vocab.bpe" }));
  const b = await AutoTokenizer.fromPretrained(files({ "vocab.json": "clip_encoder.json", "merges.txt": "clip_vocab.bpe" }));
  assert.equal(a.vocabSize, b.vocabSize);
  for (const s of ["a photo of a cat!", "ΣΑΣ naïve 12"]) assert.deepEqual(a.encode(s), b.encode(s));
});
