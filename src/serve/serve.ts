// `serve(model, tokenizer)`: a model behind an HTTP server that OpenAI's clients talk to.
import type { AddressInfo } from "node:net";
import { given } from "../core/arguments.ts";
import { ArgumentError, ValueError } from "../core/errors.ts";
import type { CausalLM } from "../generation/index.ts";
import type { CausalModel, SentenceTransformer } from "../models/index.ts";
import type { Tokenizer } from "../tokenizers/index.ts";
import { EncoderQueue } from "./encoderQueue.ts";
import { Metrics } from "./metrics.ts";
import { frameworks, listen, type ServeOptions, serveOptions } from "./options.ts";
import type { WorkQueue } from "./queue.ts";
import { Scheduler } from "./scheduler.ts";
import { EncoderService, type Service, type ServiceParts, TextService } from "./service.ts";

/** A server that runs. */
export interface ServerHandle {
  /** `http://127.0.0.1:8000`. */
  readonly url: string;
  readonly port: number;
  /** Refuses new requests, finishes those that it has, at the latest after `grace` seconds (default 30), and ends. */
  close(options?: { grace?: number }): Promise<void>;
}

// A text of several megabytes for a client that reads, and no more than that for one that does not.
const MIB = 2 ** 20;
const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);
const isEncoder = (model: CausalModel | SentenceTransformer | null): model is SentenceTransformer =>
  typeof (model as Partial<SentenceTransformer> | null)?.encode === "function" && "encoder" in model!;

/**
 * Serves a model over HTTP as OpenAI's API has it. A causal language model: /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models; a
 * `SentenceTransformer`: /v1/embeddings, /v1/models; both: /health, /metrics. Requests share the model: each gets a token in every pass, and joins or
 * leaves between two passes. docs/serve.md tells the errors.
 * @throws ArgumentError, ValueError for wrong arguments, UnsupportedError where Hono is not installed, DeviceError when the port cannot be had
 * @example
 * const config = { vocabSize: 8, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 1 };
 * const vocab = new TextEncoder().encode("[UNK]\nun\n##able\n");
 * const server = await serve(new LlamaForCausalLM(llamaConfig(config)), await AutoTokenizer.fromPretrained(memoryFiles({ "vocab.txt": vocab })), { port: 0 });
 * const { status } = await (await fetch(`${server.url}/health`)).json();
 * await server.close();
 * status // => "ok"
 */
export async function serve(model: CausalModel | SentenceTransformer, tokenizer: Tokenizer, options?: ServeOptions): Promise<ServerHandle> {
  const op = "serve";
  const o = serveOptions(options);
  const encoder = isEncoder(model);
  if (!encoder && (typeof (model as Partial<CausalModel> | null)?.base !== "function" || typeof model.newCache !== "function"))
    throw new ArgumentError({
      op,
      message: `the model is ${given(model)}`,
      hint: "Give a causal language model or a SentenceTransformer of firebrand/models",
    });
  if (typeof (tokenizer as Partial<Tokenizer> | null)?.applyChatTemplate !== "function")
    throw new ArgumentError({ op, message: `the tokenizer is ${given(tokenizer)}`, hint: "Give a tokenizer of firebrand/tokenizers" });
  const { vocabSize, positions } = encoder ? sizesOfEncoder(model) : sizesOf(model.config);
  if (tokenizer.vocabSize > vocabSize)
    throw new ValueError({
      op,
      message: `the tokenizer has ${tokenizer.vocabSize} tokens, the model ${vocabSize}`,
      hint: "Do tokenizer and model belong together?",
    });
  if (o.maxLength !== undefined && positions !== undefined && o.maxLength > positions)
    throw new ValueError({ op, message: `maxLength ${o.maxLength}, the model has ${positions} positions`, hint: "Lower maxLength" });

  const metrics = new Metrics(o.onError ?? ((e) => console.error("firebrand serve:", e)));
  const bounds = { maxBatch: o.maxBatch ?? 64, maxQueue: o.maxQueue ?? 256 };
  const parts = {
    tokenizer,
    metrics,
    vocabSize,
    maxLength: o.maxLength ?? Math.min(positions ?? 4096, 4096),
    maxChoices: o.maxChoices ?? 16,
    timeout: (o.timeout ?? 600) * 1000,
    maxUnread: o.maxUnread ?? MIB,
    chatTemplate: o.chatTemplate ?? null,
  } satisfies Partial<ServiceParts>;
  let service: Service;
  if (encoder) {
    const scheduler = new EncoderQueue(model.eval(), tokenizer.padTokenId ?? 0, bounds, metrics);
    service = new EncoderService(model, { ...parts, scheduler, name: o.name ?? model.encoder.config.modelType });
  } else {
    const limits = {
      ...bounds,
      prefillChunk: o.prefillChunk ?? 64,
      prefillSlice: 50,
      cacheBytes: o.cacheBytes ?? 1024 * MIB,
      keptCaches: o.keptCaches ?? 64,
    };
    const scheduler = new Scheduler(model.eval(), limits, metrics);
    service = new TextService(model, { ...parts, scheduler, name: o.name ?? model.config.modelType });
  }
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
  for (const event of ["connection", "request"]) server.on(event, () => service.parts.scheduler.arrive());
  await listen(server, o);
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | null = null;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    port,
    close: ({ grace = 30 } = {}) => (closing ??= closed(server, service.parts.scheduler, grace * 1000)),
  };
}

interface Sizes {
  readonly vocabSize: number;
  /** Positions at most, if there is a bound. */
  readonly positions: number | undefined;
}
const sizesOf = ({ vocabSize, nPositions, maxPositionEmbeddings = nPositions }: CausalLM["config"]): Sizes => ({
  vocabSize,
  positions: maxPositionEmbeddings,
});
const sizesOfEncoder = ({ encoder, maxSeqLength }: SentenceTransformer): Sizes => ({
  vocabSize: (encoder.config as { vocabSize?: number }).vocabSize ?? Number.POSITIVE_INFINITY,
  positions: maxSeqLength,
});

// While texts are finished new requests are told that there will be none; only then nobody listens any more.
async function closed(server: import("node:http").Server, scheduler: WorkQueue, grace: number): Promise<void> {
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
