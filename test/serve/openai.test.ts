// The server as the official `openai` client sees it: what it answers is what the library gives for the same prompt, alone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { noGrad, tensor } from "../../src/index.ts";
import { generate, type GenerateOptions } from "../../src/generation/index.ts";
import type { CausalModel } from "../../src/models/index.ts";
import { serve, type ServerHandle } from "../../src/serve/index.ts";
import type { Tokenizer } from "../../src/tokenizers/index.ts";
import { tinyModel, tinyTokenizer } from "./support.ts";

let model: CausalModel;
let tokenizer: Tokenizer;
let server: ServerHandle;
let client: OpenAI;
before(async () => {
  [model, tokenizer] = [await tinyModel(), await tinyTokenizer()];
  server = await serve(model, tokenizer, { port: 0, name: "tiny", prefillChunk: 16 });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
});
after(() => server.close());

type Messages = OpenAI.ChatCompletionMessageParam[];
const user = (content: string): Messages => [{ role: "user", content }];
const ask = (body: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>): Promise<OpenAI.ChatCompletion> =>
  client.chat.completions.create({ model: "tiny", messages: user("hello"), max_tokens: 24, seed: 7, ...body });
async function alone(messages: Messages, options: GenerateOptions): Promise<{ text: string; reason: string; ids: readonly number[] }> {
  const prompt = await tokenizer.applyChatTemplate(messages as never, { addGenerationPrompt: true });
  const { texts, finishReasons, newIds } = await generate(model, prompt, { tokenizer, topK: 0, ...options });
  return { text: texts![0]!, reason: finishReasons[0]!, ids: newIds[0]! };
}

test("chat: greedy and drawn answers, penalties and stop texts are what generate gives", async () => {
  const cases: [Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>, GenerateOptions][] = [
    [{ temperature: 0 }, {}],
    [{}, { doSample: true, seed: 7 }],
    [
      { seed: -3, temperature: 0.7, top_p: 0.8 },
      { doSample: true, seed: 2n ** 64n - 3n, temperature: 0.7, topP: 0.8 },
    ],
    [
      { temperature: 0, frequency_penalty: 0.9, presence_penalty: 0.4 },
      { frequencyPenalty: 0.9, presencePenalty: 0.4 },
    ],
    [{ stop: ["{", "m"] }, { doSample: true, seed: 7, stopStrings: ["{", "m"] }],
    [
      { max_completion_tokens: 5, max_tokens: null },
      { doSample: true, seed: 7, maxNewTokens: 5 },
    ],
  ];
  for (const [body, options] of cases) {
    const got = await ask(body);
    const want = await alone(user("hello"), { maxNewTokens: 24, ...options });
    assert.equal(got.choices[0]!.message.content, want.text, JSON.stringify(body));
    assert.equal(got.choices[0]!.finish_reason, want.reason);
    assert.equal(got.usage!.completion_tokens, want.ids.length);
    assert.equal(got.object, "chat.completion");
  }
});

test("n: choices are those of the seeds that follow; a stream has them all", async () => {
  const { choices, usage } = await ask({ n: 3 });
  assert.deepEqual(
    choices.map((c) => c.index),
    [0, 1, 2],
  );
  for (const [i, c] of choices.entries()) assert.equal(c.message.content, (await ask({ seed: 7 + i })).choices[0]!.message.content);
  assert.equal(usage!.prompt_tokens, 23);
  const texts = ["", "", ""];
  for await (const chunk of await client.chat.completions.create({
    model: "tiny",
    messages: user("hello"),
    n: 3,
    seed: 7,
    max_tokens: 24,
    stream: true,
  }))
    for (const c of chunk.choices) texts[c.index] += c.delta.content ?? "";
  assert.deepEqual(
    texts,
    choices.map((c) => c.message.content),
  );
});

test("streams: roles, pieces, reason and usage; nothing of a character is split", async () => {
  const whole = await ask({ max_tokens: 200 });
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  const body = {
    model: "tiny",
    messages: user("hello"),
    seed: 7,
    max_tokens: 200,
    stream: true,
    stream_options: { include_usage: true },
  } as const;
  for await (const chunk of await client.chat.completions.create(body)) chunks.push(chunk);
  assert.equal(chunks[0]!.choices[0]!.delta.role, "assistant");
  assert.equal(chunks.map((c) => c.choices[0]?.delta.content ?? "").join(""), whole.choices[0]!.message.content);
  assert.equal(chunks.at(-2)!.choices[0]!.finish_reason, whole.choices[0]!.finish_reason);
  assert.deepEqual(chunks.at(-1)!.choices, []);
  assert.equal(chunks.at(-1)!.usage!.completion_tokens, whole.usage!.completion_tokens);
  assert.ok(chunks.slice(0, -1).every((c) => c.usage === null && c.id === chunks[0]!.id));
});

test("log-probabilities: of the tokens chosen and of the likeliest", async () => {
  const { choices } = await ask({ temperature: 0, logprobs: true, top_logprobs: 3 });
  const { content } = choices[0]!.logprobs!;
  for (const t of content!) {
    assert.equal(t.top_logprobs.length, 3);
    assert.equal(t.top_logprobs[0]!.logprob, t.logprob); // greedy
    assert.ok(t.logprob < 0);
  }
  // Tokens may be parts of characters: their bytes together are the text.
  const all = Buffer.from(content!.flatMap((t) => (t.token === "</s>" ? [] : t.bytes!)));
  assert.equal(new TextDecoder().decode(all), choices[0]!.message.content);
  const text = await client.completions.create({ model: "tiny", prompt: "once", temperature: 0, logprobs: 2, max_tokens: 12 });
  const { tokens, token_logprobs, text_offset, top_logprobs } = text.choices[0]!.logprobs!;
  assert.equal(tokens!.length, token_logprobs!.length);
  assert.equal(text_offset![0], 0);
  assert.equal(Object.keys(top_logprobs![0]!).length, 2);
});

test("completions: texts, ids, several prompts, echo", async () => {
  const one = await client.completions.create({ model: "tiny", prompt: "once", temperature: 0 });
  assert.ok(one.usage!.completion_tokens <= 16);
  const ids = tokenizer.encode("once");
  const several = await client.completions.create({ model: "tiny", prompt: ["once", "upon"], temperature: 0, echo: true });
  assert.equal(several.choices[0]!.text, `once${one.choices[0]!.text}`);
  assert.ok(several.choices[1]!.text.startsWith("upon"));
  const same = await client.completions.create({ model: "tiny", prompt: ids, temperature: 0 });
  assert.equal(same.choices[0]!.text, one.choices[0]!.text);
});

test("logit_bias: forces and forbids tokens", async () => {
  const a = tokenizer.encode("a")[0]!;
  const forced = await ask({ logit_bias: { [a]: 100 }, max_tokens: 6, temperature: 0 });
  assert.equal(forced.choices[0]!.message.content, "aaaaaa");
  const never = await ask({ logit_bias: { 2: -100 }, max_tokens: 300 });
  assert.equal(never.choices[0]!.finish_reason, "length");
});

test("response_format: JSON, and JSON after a schema", async () => {
  const schema = {
    type: "object",
    properties: { age: { type: "integer", minimum: 0, maximum: 99 }, kind: { enum: ["cat", "dog"] } },
    required: ["age", "kind"],
    additionalProperties: false,
  };
  for (const seed of [1, 2, 3]) {
    const answer = await ask({
      seed,
      max_tokens: 200,
      response_format: { type: "json_schema", json_schema: { name: "pet", schema, strict: true } },
    });
    assert.equal(answer.choices[0]!.finish_reason, "stop");
    const pet = JSON.parse(answer.choices[0]!.message.content!) as { age: number; kind: string };
    assert.ok(Number.isInteger(pet.age) && pet.age >= 0 && pet.age <= 99 && ["cat", "dog"].includes(pet.kind), JSON.stringify(pet));
  }
  const any = await ask({ max_tokens: 1500, seed: 5, response_format: { type: "json_object" } });
  if (any.choices[0]!.finish_reason === "stop") assert.equal(typeof JSON.parse(any.choices[0]!.message.content!), "object");
  await assert.rejects(
    ask({ response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "string", pattern: "(?=a)" } } } }),
    OpenAI.BadRequestError,
  );
});

test("a conversation's turns reuse what was computed, and answer the same", async () => {
  const first = await ask({ temperature: 0, max_tokens: 8, messages: user("tell me more about the sea") });
  const messages: Messages = [
    ...user("tell me more about the sea"),
    { role: "assistant", content: first.choices[0]!.message.content },
    ...user("and then"),
  ];
  const second = await ask({ temperature: 0, messages });
  assert.ok(second.usage!.prompt_tokens_details!.cached_tokens! >= 30, JSON.stringify(second.usage));
  assert.equal(second.choices[0]!.message.content, (await alone(messages, { maxNewTokens: 24 })).text);
  const parts = [
    {
      role: "user",
      content: [
        { type: "text", text: "he" },
        { type: "text", text: "llo" },
      ],
    },
  ] as Messages;
  assert.equal((await ask({ messages: parts })).choices[0]!.message.content, (await ask({})).choices[0]!.message.content);
});

test("embeddings: the mean of the last hidden states, of length 1", async () => {
  const texts = ["once upon a time there was a very long sentence", "b"];
  const { data, usage } = await client.embeddings.create({ model: "tiny", input: texts });
  for (const [i, text] of texts.entries()) {
    const hidden = noGrad(() => model.base(tensor([tokenizer.encode(text)], { dtype: "int64" }), {})).lastHiddenState.mean([0, 1]);
    const want = hidden.div(hidden.norm()).toArraySync() as number[];
    const got = data[i]!.embedding;
    assert.equal(got.length, want.length);
    want.forEach((x, k) => assert.ok(Math.abs(x - got[k]!) < 1e-5));
  }
  assert.equal(usage.prompt_tokens, texts.join("").length);
  const plain = await client.embeddings.create({ model: "tiny", input: tokenizer.encode("b"), encoding_format: "float" });
  assert.deepEqual(plain.data[0]!.embedding, data[1]!.embedding);
});

test("models, and errors by their classes", async () => {
  assert.deepEqual(
    (await client.models.list()).data.map((m) => m.id),
    ["tiny"],
  );
  assert.equal((await client.models.retrieve("tiny")).owned_by, "firebrand");
  await assert.rejects(client.models.retrieve("other"), OpenAI.NotFoundError);
  await assert.rejects(ask({ model: "other" }), (e) => e instanceof OpenAI.NotFoundError && e.code === "model_not_found");
  await assert.rejects(ask({ temperature: 9 }), (e) => e instanceof OpenAI.BadRequestError && e.param === "temperature");
  await assert.rejects(
    ask({ messages: user("x".repeat(3000)) }),
    (e) => e instanceof OpenAI.BadRequestError && e.code === "context_length_exceeded",
  );
  await assert.rejects(ask({ messages: [{ role: "tool", content: "x", tool_call_id: "1" }] }), OpenAI.BadRequestError);
});
