// What clients do wrong: each gets the documented error, and the server lives on.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { request } from "node:http";
import { after, before, test } from "node:test";
import "../../src/index.ts";
import { serve, type ServeOptions, type ServerHandle } from "../../src/serve/index.ts";
import type { CausalModel } from "../../src/models/index.ts";
import type { Tokenizer } from "../../src/tokenizers/index.ts";
import { figure, tinyModel, tinyTokenizer, until } from "./support.ts";

let model: CausalModel;
let tokenizer: Tokenizer;
let server: ServerHandle;
const start = (options: ServeOptions = {}): Promise<ServerHandle> => serve(model, tokenizer, { port: 0, name: "tiny", ...options });
before(async () => {
  [model, tokenizer] = [await tinyModel(), await tinyTokenizer()];
  server = await start({ maxBody: 20_000, maxLength: 512 });
});
after(() => server.close());

interface Refused {
  readonly status: number;
  readonly headers: Headers;
  readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string };
}
async function post(path: string, body: unknown, init: RequestInit = {}, to: ServerHandle = server): Promise<Refused> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(`${to.url}${path}`, {
    method: "POST",
    body: text,
    headers: { "content-type": "application/json" },
    ...init,
  });
  return { status: response.status, headers: response.headers, error: ((await response.json()) as Refused).error };
}
const chat = { model: "tiny", messages: [{ role: "user", content: "hi" }], max_tokens: 2 };
const text = { model: "tiny", prompt: "hi", max_tokens: 2 };
const lives = async (): Promise<void> => assert.equal((await post("/v1/chat/completions", chat)).status, 200);
// A request that would take very long.
const long = { model: "tiny", prompt: "hi", max_tokens: 2000, logit_bias: { 2: -100 } };

test("malformed and unknown things", async () => {
  const cases: [unknown, number, string][] = [
    ["{", 400, "invalid_json"],
    ["\ud800", 400, "invalid_json"],
    ["[]", 400, "invalid_type"],
    ["null", 400, "invalid_type"],
    [{ ...chat, model: undefined }, 400, "missing_field"],
    [{ ...chat, model: 7 }, 400, "invalid_type"],
    [{ ...chat, model: "gpt-5" }, 404, "model_not_found"],
    [{ ...chat, messages: undefined }, 400, "missing_field"],
    [{ ...chat, messages: "hi" }, 400, "invalid_type"],
    [{ ...chat, messages: [7] }, 400, "invalid_type"],
    [{ ...chat, messages: [{ role: "king", content: "hi" }] }, 400, "invalid_value"],
    [{ ...chat, messages: [{ role: "user", content: { a: 1 } }] }, 400, "invalid_type"],
    [{ ...chat, messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] }, 400, "unsupported_content"],
    [{ ...chat, messages: [{ role: "user", content: "x".repeat(2000) }] }, 400, "context_length_exceeded"],
    [{ ...chat, max_tokens: 511 }, 400, "context_length_exceeded"],
    [{ ...chat, max_tokens: 0 }, 400, "invalid_value"],
    [{ ...chat, max_tokens: "many" }, 400, "invalid_type"],
    [{ ...chat, temperature: -1 }, 400, "invalid_value"],
    [{ ...chat, top_p: 1.5 }, 400, "invalid_value"],
    [{ ...chat, n: 1.5 }, 400, "invalid_value"],
    [{ ...chat, n: 1000 }, 400, "invalid_value"],
    [{ ...chat, seed: 1e30 }, 400, "invalid_value"],
    [{ ...chat, stop: [""] }, 400, "invalid_value"],
    [{ ...chat, stop: 5 }, 400, "invalid_type"],
    [{ ...chat, stream: "yes" }, 400, "invalid_type"],
    [{ ...chat, stream_options: {} }, 400, "invalid_value"],
    [{ ...chat, top_logprobs: 3 }, 400, "invalid_value"],
    [{ ...chat, logit_bias: { x: 1 } }, 400, "invalid_value"],
    [{ ...chat, logit_bias: { 99: 1 } }, 400, "invalid_value"],
    [{ ...chat, logit_bias: { 9: "1" } }, 400, "invalid_value"],
    [{ ...chat, logit_bias: [] }, 400, "invalid_type"],
    [{ ...chat, tools: [{ type: "function" }] }, 400, "unsupported_parameter"],
    [{ ...chat, frobnicate: true }, 400, "unsupported_parameter"],
    [`{"model":"tiny","messages":${"[".repeat(5000)}${"]".repeat(5000)}}`, 400, "invalid_type"],
    [{ ...chat, messages: [{ role: "user", content: "" }], response_format: { type: "xml" } }, 400, "invalid_value"],
    [{ ...chat, response_format: { type: "json_schema" } }, 400, "invalid_value"],
    [{ ...chat, response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "nonsense" } } } }, 400, "invalid_value"],
  ];
  for (const [body, status, code] of cases) {
    const { status: got, error } = await post("/v1/chat/completions", body);
    assert.deepEqual([got, error.code], [status, code], `${JSON.stringify(body)}: ${error.message}`);
    assert.equal(error.type, "invalid_request_error");
  }
  const texts: [unknown, string][] = [
    [{ ...text, prompt: undefined }, "missing_field"],
    [{ ...text, prompt: [] }, "empty_prompt"],
    [{ ...text, prompt: "" }, "empty_prompt"],
    [{ ...text, prompt: [1, 2, 640] }, "invalid_value"],
    [{ ...text, prompt: [1.5] }, "invalid_value"],
    [{ ...text, prompt: { a: 1 } }, "invalid_type"],
    [{ ...text, prompt: Array(40).fill("hi") }, "invalid_value"],
    [{ ...text, suffix: "x" }, "unsupported_parameter"],
    [{ ...text, best_of: 3 }, "unsupported_parameter"],
  ];
  for (const [body, code] of texts) assert.equal((await post("/v1/completions", body)).error.code, code, JSON.stringify(body));
  assert.equal((await post("/v1/embeddings", { model: "tiny", input: "x".repeat(600) })).error.code, "context_length_exceeded");
  assert.equal((await post("/v1/embeddings", { model: "tiny", input: "x", dimensions: 3 })).error.code, "unsupported_parameter");
  await lives();
});

test("paths, methods, types and sizes of bodies", async () => {
  assert.equal((await post("/v1/nothing", chat)).error.code, "not_found");
  assert.equal((await post("/health", chat)).status, 405);
  assert.equal((await fetch(`${server.url}/v1/chat/completions`)).status, 405);
  assert.equal((await post("/v1/chat/completions", chat, { headers: { "content-type": "text/plain" } })).status, 415);
  const large = JSON.stringify({ ...chat, user: "x".repeat(30_000) });
  assert.equal((await post("/v1/chat/completions", large)).error.code, "body_too_large");
  // Nobody says beforehand how long it will be.
  const chunked = new ReadableStream({ pull: (c) => void c.enqueue(new TextEncoder().encode(" ".repeat(5000))) });
  assert.equal((await post("/v1/chat/completions", "", { body: chunked, duplex: "half" } as RequestInit)).status, 413);
  await lives();
});

test("a key, and names of this machine only", async () => {
  const locked = await start({ apiKey: "secret" });
  try {
    assert.equal((await post("/v1/chat/completions", chat, {}, locked)).error.code, "invalid_api_key");
    assert.equal((await fetch(`${locked.url}/v1/models`, { headers: { authorization: "Bearer wrong" } })).status, 401);
    assert.equal((await fetch(`${locked.url}/metrics`)).status, 401);
    assert.equal((await fetch(`${locked.url}/v1/models`, { headers: { authorization: "Bearer secret" } })).status, 200);
    assert.equal((await fetch(`${locked.url}/health`)).status, 200);
    const status = await new Promise((done) =>
      request({ port: locked.port, host: "127.0.0.1", path: "/health", headers: { host: "evil.example" } }, (r) =>
        done(r.resume().statusCode),
      ).end(),
    );
    assert.equal(status, 403);
  } finally {
    await locked.close();
  }
});

test("a full queue: 429 with Retry-After; what is in it is answered", async () => {
  const small = await start({ maxBatch: 1, maxQueue: 1 });
  try {
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => post("/v1/completions", { ...text, max_tokens: 60, seed: 1 }, {}, small)),
    );
    assert.deepEqual(answers.map((a) => a.status).sort(), [200, 200, 429, 429]);
    const refused = answers.find((a) => a.status === 429)!;
    assert.deepEqual([refused.error.type, refused.error.code, refused.headers.get("retry-after")], ["rate_limit_error", "queue_full", "1"]);
  } finally {
    await small.close();
  }
});

test("too slow: 504, or an error event in a stream", async () => {
  const hasty = await start({ timeout: 0.05 });
  try {
    assert.equal((await post("/v1/completions", long, {}, hasty)).error.code, "timeout");
    const body = JSON.stringify({ ...long, stream: true });
    const response = await fetch(`${hasty.url}/v1/completions`, { method: "POST", body, headers: { "content-type": "application/json" } });
    const events = (await response.text()).trim().split("\n\n");
    assert.match(events.at(-1)!, /"code":"timeout"/);
  } finally {
    await hasty.close();
  }
});

test("clients that vanish: their texts are given up, streamed or not", async () => {
  for (const stream of [true, false]) {
    const before = await figure(server, "firebrand_cancelled_total");
    const body = JSON.stringify({ ...long, max_tokens: 500, stream });
    const socket = connect(server.port, "127.0.0.1");
    socket.write(
      `POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await until(async () => (await figure(server, "firebrand_running")) === 1, "running");
    socket.destroy();
    await until(async () => (await figure(server, "firebrand_running")) === 0, "given up");
    assert.equal((await figure(server, "firebrand_cancelled_total")) - before, 1);
  }
  // Half a request, and silence.
  const patient = await start({ receiveTimeout: 0.1 });
  const silent = connect(patient.port, "127.0.0.1");
  silent.write("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{");
  assert.match(String(await new Promise((done) => silent.once("data", done))), /^HTTP\/1.1 408 /);
  silent.destroy();
  await patient.close();
  // Half a request, and gone.
  const half = connect(server.port, "127.0.0.1");
  half.write("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{");
  await new Promise((done) => setTimeout(done, 20));
  half.destroy();
  await lives();
});

test("shutdown: what runs is finished, new requests get 503, and the port is free afterwards", async () => {
  const leaving = await start();
  const running = post("/v1/completions", { ...long, max_tokens: 100 }, {}, leaving);
  await until(async () => (await figure(leaving, "firebrand_running")) === 1, "running");
  const closed = leaving.close();
  const refused = await post("/v1/completions", text, {}, leaving);
  assert.deepEqual([refused.status, refused.error.code], [503, "shutting_down"]);
  assert.equal((await fetch(`${leaving.url}/health`)).status, 503);
  assert.equal((await running).status, 200);
  await closed;
  await assert.rejects(fetch(`${leaving.url}/health`));
  const impatient = await start();
  const cut = post("/v1/completions", long, {}, impatient);
  await until(async () => (await figure(impatient, "firebrand_running")) === 1, "running");
  await impatient.close({ grace: 0.01 });
  assert.equal((await cut).error.code, "shutting_down");
});

test("wrong arguments of serve", async () => {
  const refused = async (call: () => Promise<unknown>, name: string): Promise<void> => assert.rejects(call, { name });
  await refused(() => start({ port: server.port }), "DeviceError");
  await refused(() => start({ maxLength: 1e6 }), "ValueError");
  await refused(() => start({ timeout: 0 }), "ValueError");
  await refused(() => start({ apiKey: "" }), "ValueError");
  await refused(() => start({ batch: 3 } as never), "ArgumentError");
  await refused(() => serve({} as never, tokenizer), "ArgumentError");
  await refused(() => serve(model, {} as never), "ArgumentError");
});
