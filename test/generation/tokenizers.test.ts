// With real tokenizers: the bytes of their tokens are those of the text, constrained output decodes to what fits, their streams serve.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Decoder, generate, JsonSchemaLogitsProcessor, stream, Vocabulary } from "../../src/generation/index.ts";
import * as torch from "../../src/index.ts";
import { AutoTokenizer } from "../../src/tokenizers/index.ts";
import { needsData, vocabulary } from "../tokenizers/support.ts";

const text = '{"name": "Zoë 日本 😀\\n", "tags": ["a", "second tag"], "n": -12.5}';
const schema = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 12 },
    tags: { type: "array", items: { enum: ["a", "second tag", "é"] }, maxItems: 3 },
    n: { type: "number" },
  },
  required: ["name", "tags", "n"],
};

for (const [name, file, lead] of [
  ["byte-level BPE", "whisper_gpt2.tiktoken", ""],
  ["SentencePiece", "llama2_tokenizer.model", " "],
] as const)
  test(`${name}`, needsData, async () => {
    const tokenizer = await AutoTokenizer.fromPretrained(vocabulary(file));
    const decoder: Decoder = tokenizer;
    const words = Vocabulary.of(tokenizer);
    assert.equal(words.size, tokenizer.vocabSize);
    const ids = tokenizer.encode(text, { addSpecialTokens: false });
    assert.equal(Buffer.concat(ids.map((id) => words.bytes(id))).toString(), lead + text);

    const eosTokenId = tokenizer.eosTokenId ?? words.size - 1;
    const vocabSize = words.size;
    // A model without opinion: what is drawn is told by the constraint alone.
    const model = {
      config: { vocabSize },
      newCache: ({ length }: { length: number }) => ({ length: 0, maxLength: length, truncate: () => {}, reorder: () => {} }),
      forward: () => ({ logits: torch.zeros(1, 1, vocabSize) }),
    };
    for (let seed = 0; seed < 4; seed++) {
      const options = {
        logitsProcessor: [new JsonSchemaLogitsProcessor(schema, words, { eosTokenId })],
        tokenizer: decoder,
        eosTokenId,
        doSample: true,
        topK: 0,
        maxNewTokens: 120,
        seed,
      };
      const { texts, finishReasons, newIds } = await generate(model, [5], options);
      if (finishReasons[0] === "stop") {
        const got = JSON.parse(texts![0]!) as { name: string; tags: string[]; n: number };
        assert.ok(Array.from(got.name).length <= 12 && got.tags.length <= 3 && typeof got.n === "number");
      }
      assert.equal(texts![0], tokenizer.decode(newIds[0]!, { skipSpecialTokens: true }));
      let streamed = "";
      for await (const piece of stream(model, [5], options)) streamed += piece.text;
      assert.equal(streamed, texts![0]);
    }
  });
