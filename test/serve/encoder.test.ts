// A model of sentences behind the server, as the official `openai` client sees it: vectors are those of sentence-transformers.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import "../../src/index.ts";
import { SentenceTransformer } from "../../src/models/index.ts";
import { serve, type ServerHandle } from "../../src/serve/index.ts";
import { EncoderQueue } from "../../src/serve/encoderQueue.ts";
import { Metrics } from "../../src/serve/metrics.ts";
import { EmbeddingWork } from "../../src/serve/work.ts";
import { AutoTokenizer, type Tokenizer } from "../../src/tokenizers/index.ts";
import { figure } from "./support.ts";

// Recorded with sentence-transformers: BERT, pooling, a projection, vectors of length 1; texts of 12 tokens at most.
const folder = join(process.cwd(), "test", "models", "sentences");
const recorded = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as { texts: string[]; embeddings: number[][] };
let model: SentenceTransformer;
let tokenizer: Tokenizer;
let server: ServerHandle;
let client: OpenAI;
before(async () => {
  tokenizer = await AutoTokenizer.fromPretrained(folder);
  model = await SentenceTransformer.fromPretrained(folder, { tokenizer });
  server = await serve(model, tokenizer, { port: 0, name: "tiny", maxBatch: 8, maxQueue: 40 });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
});
after(() => server.close());
const close = (a: readonly number[], b: readonly number[], within = 1e-5): void => {
  assert.equal(a.length, b.length);
  a.forEach((x, i) => assert.ok(Math.abs(x - b[i]!) < within, `${x}, ${b[i]}`));
};

test("texts of different lengths in one request, as floats and as base64, and as token ids", async () => {
  const fitting = recorded.texts.map((text, i) => ({ text, want: recorded.embeddings[i]! })).filter((_, i) => i !== 2);
  for (const encoding_format of ["float", "base64", undefined] as const) {
    const body = { model: "tiny", input: fitting.map((f) => f.text), ...(encoding_format && { encoding_format }) };
    const { data, usage, object } = await client.embeddings.create(body);
    assert.equal(object, "list");
    for (const [i, { want }] of fitting.entries()) {
      assert.equal(data[i]!.index, i);
      const got = data[i]!.embedding as number[] | string;
      close(typeof got === "string" ? [...new Float32Array(Uint8Array.from(Buffer.from(got, "base64")).buffer)] : got, want);
    }
    assert.equal(
      usage.prompt_tokens,
      fitting.reduce((n, f) => n + tokenizer.encode(f.text).length, 0),
    );
  }
  const ids = fitting.map((f) => tokenizer.encode(f.text));
  const { data } = await client.embeddings.create({ model: "tiny", input: ids });
  for (const [i, { want }] of fitting.entries()) close(data[i]!.embedding, want);
});

test("many clients at once: everyone gets the vector of their own text", async () => {
  const words = ["cat", "dog", "mat", "tree", "the", "red", "big", "ran"];
  const texts = Array.from({ length: 40 }, (_, i) => Array.from({ length: 1 + (i % 7) }, (_, k) => words[(i + k) % 8]).join(" "));
  const all = await Promise.all(texts.map((input) => client.embeddings.create({ model: "tiny", input })));
  const want = model.encode(texts, { normalize: true }).toArraySync() as number[][];
  all.forEach(({ data }, i) => close(data[0]!.embedding, want[i]!));
  assert.ok(
    (await figure(server, "firebrand_batch_size_sum")) > (await figure(server, "firebrand_batch_size_count")),
    "texts shared no pass",
  );
  assert.equal(await figure(server, "firebrand_running"), 0);
});

test("what an encoder cannot do, by the classes of the client's errors", async () => {
  const create = (input: unknown, more = {}): Promise<unknown> => client.embeddings.create({ model: "tiny", input, ...more } as never);
  const refused = (code: string, param: string | null) => (e: unknown) =>
    e instanceof OpenAI.APIError && e.code === code && e.param === param;
  await assert.rejects(create(recorded.texts[2]!.repeat(2)), refused("context_length_exceeded", "input"));
  await assert.rejects(create(""), refused("empty_prompt", "input"));
  await assert.rejects(create(["a", ""]), refused("empty_prompt", "input"));
  await assert.rejects(create([]), refused("empty_prompt", "input"));
  await assert.rejects(create(undefined), refused("missing_field", "input"));
  await assert.rejects(create({ a: 1 }), refused("invalid_type", "input"));
  await assert.rejects(create([[1, 9999]]), refused("invalid_value", "input"));
  await assert.rejects(create(Array(2049).fill("a")), refused("invalid_value", "input"));
  await assert.rejects(create(Array(60).fill("a")), (e) => e instanceof OpenAI.RateLimitError && e.code === "queue_full");
  await assert.rejects(create("a", { dimensions: 2 }), refused("unsupported_parameter", "dimensions"));
  await assert.rejects(create("a", { model: "other" }), (e) => e instanceof OpenAI.NotFoundError && e.code === "model_not_found");
  const writing = (e: unknown): boolean => e instanceof OpenAI.NotFoundError && e.code === "model_not_supported" && e.param === "model";
  await assert.rejects(client.chat.completions.create({ model: "tiny", messages: [{ role: "user", content: "a" }] }), writing);
  await assert.rejects(client.completions.create({ model: "tiny", prompt: "a" }), writing);
  close((await client.embeddings.create({ model: "tiny", input: "a dog" })).data[0]!.embedding, recorded.embeddings[1]!);
});

test("a model of sentences that fails, and one that closes", async (t) => {
  const failing = await SentenceTransformer.fromPretrained(folder, { tokenizer });
  const errors: unknown[] = [];
  const other = await serve(failing, tokenizer, { port: 0, name: "tiny", onError: (e) => errors.push(e) });
  t.after(() => other.close());
  const to = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: "none", maxRetries: 0 });
  const forward = failing.forward.bind(failing);
  failing.forward = () => {
    throw new Error("out of order");
  };
  await assert.rejects(to.embeddings.create({ model: "tiny", input: ["a dog", "the"] }), OpenAI.InternalServerError);
  assert.equal(errors.length, 2);
  failing.forward = forward;
  assert.equal((await to.embeddings.create({ model: "tiny", input: "a dog" })).data.length, 1);
  await other.close();
  await assert.rejects(to.embeddings.create({ model: "tiny", input: "a dog" }), OpenAI.APIConnectionError);
});

test("texts that nobody waits for, or that are too late, are not embedded", async () => {
  const failed: unknown[] = [];
  const queue = new EncoderQueue(model, 0, { maxBatch: 4, maxQueue: 8 }, new Metrics((e) => failed.push(e)));
  const [left, late, good] = [Number.POSITIVE_INFINITY, 0, Number.POSITIVE_INFINITY].map((deadline) => new EmbeddingWork([1, 2], deadline));
  const told: string[] = [];
  for (const [name, work] of Object.entries({ left, late, good })) {
    work!.onVector = () => told.push(`${name} vector`);
    work!.onError = (e) => told.push(`${name} ${e.status}`);
  }
  queue.submit([left!]);
  queue.cancel([left!]);
  queue.submit([late!, good!]);
  await queue.close(1000);
  assert.deepEqual([told, failed], [["late 504", "good vector"], []]);
});
