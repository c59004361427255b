// The routes, on Hono: from a Request to a Response.
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Hono } from "hono";
import { chatOrder } from "./chatOrder.ts";
import { completionOrder } from "./completionOrder.ts";
import { embeddings } from "./embeddingOrder.ts";
import { answerStream, answerWhole } from "./exchange.ts";
import { asHttpError, HttpError } from "./httpError.ts";
import type { Gauge } from "./metrics.ts";
import type { Order } from "./order.ts";
import { type Service, TextService } from "./service.ts";
import { chatShape, completionShape, type Shape } from "./shapes.ts";

/** How requests are received. */
export interface AppOptions {
  /** Asked for as `Authorization: Bearer …`; null: everyone may. */
  readonly apiKey: string | null;
  /** Bytes of a request's body at most. */
  readonly maxBody: number;
  /** Answer only to requests that were sent to this machine by a name of its own? */
  readonly local: boolean;
}

/** What Node's adapter knows of a request. */
interface Env {
  Bindings: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };
}
const LOCAL = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i;
const ROUTES = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/health", "/metrics"];

/** The server without its socket. */
export function appOf(service: Service, options: AppOptions): Hono<Env> {
  const { scheduler, metrics } = service.parts;
  const app = new Hono<Env>();
  const card = { id: service.parts.name, object: "model", created: service.created, owned_by: "firebrand" };

  app.use(async (c, next) => {
    await next();
    // A label for each path that clients make up would never end.
    const { path } = c.req;
    const route = ROUTES.includes(path) ? path : path.startsWith("/v1/models/") ? "/v1/models" : "other";
    metrics.requests.add(1, { route, status: c.res.status });
    if (scheduler.closing) c.header("connection", "close");
  });
  app.use(async (c, next) => {
    // A page in a browser may be led here by a name of its own that resolves to this machine; it must not be answered.
    const host = c.req.header("host") ?? "";
    if (options.local && !LOCAL.test(host))
      throw new HttpError({
        status: 403,
        message: `This server answers to localhost only, not to ${JSON.stringify(host)}.`,
        code: "forbidden_host",
      });
    if (options.apiKey !== null && c.req.path !== "/health" && !sameKey(c.req.header("authorization"), options.apiKey))
      throw new HttpError({ status: 401, message: "Incorrect API key. Send it as Authorization: Bearer KEY.", code: "invalid_api_key" });
    await next();
  });
  app.onError((e, c) => {
    const refused = asHttpError(e);
    // A text that failed has told its error already.
    if (!(e instanceof HttpError)) metrics.failed(e);
    if (refused.retryAfter !== null) c.header("retry-after", String(refused.retryAfter));
    if (refused.status === 401) c.header("www-authenticate", "Bearer");
    return c.json(refused.body, refused.status);
  });
  app.notFound(() => {
    throw new HttpError({ status: 404, message: "There is no such path.", code: "not_found" });
  });

  app.get("/health", (c) => {
    const state = { model: service.parts.name, running: scheduler.running, waiting: scheduler.waiting };
    return scheduler.closing ? c.json({ status: "closing", ...state }, 503) : c.json({ status: "ok", ...state });
  });
  app.get("/metrics", (c) => c.body(metrics.text(gaugesOf(service)), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }));
  app.get("/v1/models", (c) => c.json({ object: "list", data: [card] }));
  app.get("/v1/models/:id{.+}", (c) => {
    if (c.req.param("id") !== card.id)
      throw new HttpError({
        status: 404,
        message: `The model ${JSON.stringify(c.req.param("id").slice(0, 80))} does not exist.`,
        param: "model",
        code: "model_not_found",
      });
    return c.json(card);
  });

  const text = (path: string, shape: Shape, read: (service: TextService, json: unknown) => Promise<Order>): void => {
    app.post(path, async (c) => {
      if (!(service instanceof TextService))
        throw new HttpError({
          status: 404,
          message: `${JSON.stringify(card.id)} is an encoder, which writes no text. Use /v1/embeddings.`,
          param: "model",
          code: "model_not_supported",
        });
      const order = await read(service, await jsonBody(c.env.incoming, options.maxBody));
      if (order.stream) return answerStream(service, order, shape, () => c.env.outgoing.destroy());
      return c.json(await answerWhole(service, order, shape, c.env.outgoing));
    });
  };
  text("/v1/chat/completions", chatShape, chatOrder);
  text("/v1/completions", completionShape, completionOrder);
  app.post("/v1/embeddings", async (c) =>
    c.json(await embeddings(service, await jsonBody(c.env.incoming, options.maxBody), c.env.outgoing)),
  );

  for (const path of ROUTES)
    app.all(path, (c) => {
      throw new HttpError({ status: 405, message: `${path} does not take ${c.req.method}.`, code: "method_not_allowed" });
    });
  return app;
}

// Compared in a time that tells nothing of where they differ.
function sameKey(header: string | undefined, key: string): boolean {
  const digest = (s: string): Buffer => createHash("sha256").update(s).digest();
  return timingSafeEqual(digest(/^Bearer +(.*)$/i.exec(header ?? "")?.[1] ?? ""), digest(key));
}

/**
 * A request's body as JSON. Read from Node's request: a Request of the web, with its streams and signals, is dozens of objects that grow old while
 * an answer is made. @throws HttpError 400, 413, 415
 */
async function jsonBody(incoming: IncomingMessage, most: number): Promise<unknown> {
  const { "content-type": type = "", "content-length": length = "0" } = incoming.headers;
  // Pages of other sites may send plain text unasked, but not JSON.
  if (!/^application\/json\b/i.test(type))
    throw new HttpError({
      status: 415,
      message: "The body must be JSON: send Content-Type: application/json.",
      code: "unsupported_media_type",
    });
  const bytes = await new Promise<Buffer>((done, refuse) => {
    const tooLarge = (): void =>
      refuse(
        new HttpError({ status: 413, message: `The body is larger than the ${most} bytes that are allowed.`, code: "body_too_large" }),
      );
    if (Number(length) > most) return tooLarge();
    let parts: Buffer[] = [];
    let size = 0;
    incoming.on("data", (part: Buffer) => {
      size += part.length;
      if (size <= most) return void parts.push(part);
      parts = [];
      tooLarge();
    });
    const left = (): void => refuse(new HttpError({ status: 400, message: "The client has left.", code: "client_closed" }));
    incoming.once("end", () => done(Buffer.concat(parts)));
    incoming.once("error", left);
    incoming.once("close", left);
  });
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    const message = `The body is no JSON: ${(cause as Error).message}.`;
    throw new HttpError({ status: 400, message, code: "invalid_json" }, { cause });
  }
}

const gaugesOf = (service: Service): Gauge[] => {
  const { scheduler } = service.parts;
  return [
    { name: "firebrand_running", help: "Texts that are worked on.", value: () => scheduler.running },
    { name: "firebrand_waiting", help: "Texts that wait.", value: () => scheduler.waiting },
    { name: "firebrand_cache_bytes", help: "Bytes of all caches of keys and values.", value: () => scheduler.cacheBytes },
    { name: "process_resident_memory_bytes", help: "Resident memory of the process.", value: () => process.memoryUsage.rss() },
    { name: "firebrand_uptime_seconds", help: "Seconds since the start.", value: () => process.uptime() },
  ];
};
