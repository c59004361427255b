// `serve(model, tokenizer)`: a model behind an HTTP server that OpenAI's clients talk to.
import type { AddressInfo } from "node:net";
import { checkOptions, given } from "../core/arguments.ts";
import { ArgumentError, DeviceError, UnsupportedError, ValueError } from "../core/errors.ts";
import type { CausalLM } from "../generation/index.ts";
import type { CausalModel } from "../models/index.ts";
import type { Tokenizer } from "../tokenizers/index.ts";
import { Metrics } from "./metrics.ts";
import { Scheduler } from "./scheduler.ts";
import { Service } from "./service.ts";

/** Options of `serve`. */
export interface ServeOptions {
  /** Where to listen. Default `127.0.0.1`: this machine alone can reach it. */
  readonly host?: string;
  /** Default 8000; 0 for any that is free. */
  readonly port?: number;
  /** What clients call the model. Default: its architecture. */
  readonly name?: string;
  /** Ask for this key as `Authorization: Bearer …`. Default: none. */
  readonly apiKey?: string;
  /** Tokens of a prompt and its answer at most. Default: what the model has positions for, and 4096 at most. */
  readonly maxLength?: number;
  /** Texts that are worked on at once. Default 64. */
  readonly maxBatch?: number;
  /** Texts that may wait; beyond them requests get 429. Default 256. */
  readonly maxQueue?: number;
  /** Answers that one request may ask for. Default 16. */
  readonly maxChoices?: number;
  /** Bytes of a request's body. Default 4 MiB. */
  readonly maxBody?: number;
  /** Bytes that may wait for a client that does not read; then it is cut off. Default 1 MiB. */
  readonly maxUnread?: number;
  /** Connections at once. Default 1024. */
  readonly maxConnections?: number;
  /** Seconds that a request may take, waiting included. Default 600. */
  readonly timeout?: number;
  /** Seconds that sending a request may take. Default 30. */
  readonly receiveTimeout?: number;
  /** Tokens of prompts that are fed at a time, of one or several; up to eight times as many where the model is fast. Default 64. */
  readonly prefillChunk?: number;
  /** Bytes that caches of keys and values may take. Default 1 GiB. */
  readonly cacheBytes?: number;
  /** Caches that are kept for prompts that begin like an earlier one. Default 64. */
  readonly keptCaches?: number;
  /** A Jinja chat template instead of the tokenizer's. */
  readonly chatTemplate?: string;
  /** Told of errors that are the server's own. Default: prints them. */
  readonly onError?: (error: unknown) => void;
}
/** A server that runs. */
export interface ServerHandle {
  /** `http://127.0.0.1:8000`. */
  readonly url: string;
  readonly port: number;
  /** Refuses new requests, finishes those that it has, at the latest after `grace` seconds (default 30), and ends. */
  close(options?: { grace?: number }): Promise<void>;
}

const OPTIONS = [
  "host?: text",
  "port?: count",
  "name?: text",
  "apiKey?: text",
  "maxLength?: positive",
  "maxBatch?: positive",
  "maxQueue?: count",
  "maxChoices?: positive",
  "maxBody?: positive",
  "maxUnread?: positive",
  "maxConnections?: positive",
  "timeout?: number",
  "receiveTimeout?: number",
  "prefillChunk?: positive",
  "cacheBytes?: positive",
  "keptCaches?: count",
  "chatTemplate?: text",
  "onError?: function",
];
// A text of several megabytes for a client that reads, and no more than that for one that does not.
const MIB = 2 ** 20;
const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);

/**
 * Serves a causal language model over HTTP as OpenAI's API has it: /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models; and /health, /metrics.
 * Requests share the model: each gets a token in every pass, and joins or leaves between two passes. docs/serve.md tells the errors.
 * @throws ArgumentError, ValueError for wrong arguments, UnsupportedError where Hono is not installed, DeviceError when the port cannot be had
 * @example
 * const config = { vocabSize: 8, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 1 };
 * const vocab = new TextEncoder().encode("[UNK]\nun\n##able\n");
 * const server = await serve(new LlamaForCausalLM(llamaConfig(config)), await AutoTokenizer.fromPretrained(memoryFiles({ "vocab.txt": vocab })), { port: 0 });
 * const { status } = await (await fetch(`${server.url}/health`)).json();
 * await server.close();
 * status // => "ok"
 */
export async function serve(model: CausalModel, tokenizer: Tokenizer, options?: ServeOptions): Promise<ServerHandle> {
  const op = "serve";
  const o = checkOptions(op, OPTIONS, options);
  if (typeof (model as Partial<CausalModel> | null)?.base !== "function" || typeof model.newCache !== "function")
    throw new ArgumentError({ op, message: `the model is ${given(model)}`, hint: "Give a causal language model of firebrand/models" });
  if (typeof (tokenizer as Partial<Tokenizer> | null)?.applyChatTemplate !== "function")
    throw new ArgumentError({ op, message: `the tokenizer is ${given(tokenizer)}`, hint: "Give a tokenizer of firebrand/tokenizers" });
  const { vocabSize, nPositions, maxPositionEmbeddings: positions = nPositions }: CausalLM["config"] = model.config;
  if (tokenizer.vocabSize > vocabSize)
    throw new ValueError({
      op,
      message: `the tokenizer has ${tokenizer.vocabSize} tokens, the model ${vocabSize}`,
      hint: "Do tokenizer and model belong together?",
    });
  if (o.maxLength !== undefined && positions !== undefined && o.maxLength > positions)
    throw new ValueError({ op, message: `maxLength ${o.maxLength}, the model has ${positions} positions`, hint: "Lower maxLength" });
  for (const name of ["timeout", "receiveTimeout"] as const)
    if (o[name] !== undefined && !(o[name] > 0))
      throw new ValueError({ op, message: `${name} is ${o[name]}`, hint: "Give seconds above 0" });
  if (o.apiKey === "") throw new ValueError({ op, message: "apiKey is empty", hint: "Leave it out, or give a key" });

  const metrics = new Metrics(o.onError ?? ((e) => console.error("firebrand serve:", e)));
  const scheduler = new Scheduler(
    model.eval(),
    {
      maxBatch: o.maxBatch ?? 64,
      maxQueue: o.maxQueue ?? 256,
      prefillChunk: o.prefillChunk ?? 64,
      prefillSlice: 50,
      cacheBytes: o.cacheBytes ?? 1024 * MIB,
      keptCaches: o.keptCaches ?? 64,
    },
    metrics,
  );
  const service = new Service({
    model,
    tokenizer,
    scheduler,
    metrics,
    name: o.name ?? model.config.modelType,
    maxLength: o.maxLength ?? Math.min(positions ?? 4096, 4096),
    maxChoices: o.maxChoices ?? 16,
    timeout: (o.timeout ?? 600) * 1000,
    maxUnread: o.maxUnread ?? MIB,
    chatTemplate: o.chatTemplate ?? null,
  });
  const host = o.host ?? "127.0.0.1";
  const [{ createAdaptorServer }, { appOf }] = await frameworks();
  const app = appOf(service, { apiKey: o.apiKey ?? null, maxBody: o.maxBody ?? 4 * MIB, local: isLoopback(host) });
  const receive = (o.receiveTimeout ?? 30) * 1000;
  const server = createAdaptorServer({
    fetch: app.fetch,
    hostname: host,
    // A library leaves the program's own Request and Response alone.
    overrideGlobalObjects: false,
    serverOptions: { requestTimeout: receive, headersTimeout: receive, connectionsCheckingInterval: Math.min(receive, 5000) },
  }) as import("node:http").Server;
  server.maxConnections = o.maxConnections ?? 1024;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new DeviceError({ op, message: `cannot listen on ${host}:${o.port ?? 8000}: ${cause.message}`, hint: "Give another port", cause }),
      ),
    );
    server.listen(o.port ?? 8000, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | null = null;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    port,
    close: ({ grace = 30 } = {}) => (closing ??= closed(server, scheduler, grace * 1000)),
  };
}

async function frameworks(): Promise<[typeof import("@hono/node-server"), typeof import("./app.ts")]> {
  try {
    return [await import("@hono/node-server"), await import("./app.ts")];
  } catch (cause) {
    throw new UnsupportedError({
      op: "serve",
      message: "hono or @hono/node-server is not installed",
      hint: "npm install hono @hono/node-server",
      cause,
    });
  }
}

// While texts are finished new requests are told that there will be none; only then nobody listens any more.
async function closed(server: import("node:http").Server, scheduler: Scheduler, grace: number): Promise<void> {
  const begun = performance.now();
  await scheduler.close(grace);
  const ended = new Promise<void>((done) => server.close(() => done()));
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  // Answers may still be on their way to clients that read slowly.
  const last = setTimeout(() => server.closeAllConnections(), Math.max(1000, grace - (performance.now() - begun)));
  server.closeIdleConnections();
  await ended;
  clearInterval(idle);
  clearTimeout(last);
}
