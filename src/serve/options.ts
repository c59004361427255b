// The options of `serve`, and what can be wrong with them whatever the model is.
import { createServer, type Server } from "node:net";
import { checkOptions } from "../core/arguments.ts";
import { DeviceError, UnsupportedError, ValueError } from "../core/errors.ts";

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

/** Checks kinds and ranges. @throws ArgumentError, ValueError */
export function serveOptions(options: ServeOptions | undefined): ServeOptions {
  const op = "serve";
  const o = checkOptions<ServeOptions>(op, OPTIONS, options);
  if (o.port !== undefined && o.port > 65535)
    throw new ValueError({ op, message: `port is ${o.port}`, hint: "Ports go up to 65535; 0 takes any that is free" });
  for (const name of ["timeout", "receiveTimeout"] as const)
    if (o[name] !== undefined && !(o[name] > 0))
      throw new ValueError({ op, message: `${name} is ${o[name]}`, hint: "Give seconds above 0" });
  if (o.apiKey === "") throw new ValueError({ op, message: "apiKey is empty", hint: "Leave it out, or give a key" });
  return o;
}

/** Listens where the options say. @throws DeviceError when the port cannot be had */
export function listen(server: Server, { host = "127.0.0.1", port = 8000 }: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new DeviceError({ op: "serve", message: `cannot listen on ${host}:${port}: ${cause.message}`, hint: "Give another port", cause }),
      ),
    );
    server.listen(port, host, resolve);
  });
}

/** The web framework. @throws UnsupportedError where it is not installed */
export async function frameworks(): Promise<[typeof import("@hono/node-server"), typeof import("./app.ts")]> {
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

/** Finds out what `serve` would throw for these options, before minutes are spent on loading a model. @throws what `serve` throws */
export async function checkServe(options?: ServeOptions): Promise<void> {
  const o = serveOptions(options);
  await frameworks();
  const trial = createServer();
  await listen(trial, o);
  await new Promise((closed) => trial.close(closed));
}
