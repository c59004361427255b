// What the server refuses, in the shape that OpenAI's clients read: { error: { message, type, param, code } }.
import { FirebrandError } from "../core/errors.ts";

/** The facts of a refusal. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 415 | 429 | 500 | 503 | 504;
  readonly message: string;
  readonly code: string;
  /** The field of the request that is at fault. */
  readonly param?: string;
  /** Seconds after which a client may try again. */
  readonly retryAfter?: number;
}

/** An error that becomes an HTTP response. */
export class HttpError extends Error {
  readonly status: Refusal["status"];
  readonly code: string;
  readonly param: string | null;
  readonly retryAfter: number | null;

  constructor(refusal: Refusal, options?: { cause?: unknown }) {
    super(refusal.message, options);
    this.name = "HttpError";
    this.status = refusal.status;
    this.code = refusal.code;
    this.param = refusal.param ?? null;
    this.retryAfter = refusal.retryAfter ?? null;
  }

  /** The body of the response. */
  get body(): { readonly error: { message: string; type: string; param: string | null; code: string } } {
    const type = this.status === 429 ? "rate_limit_error" : this.status >= 500 ? "server_error" : "invalid_request_error";
    return { error: { message: this.message, type, param: this.param, code: this.code } };
  }
}

/** A field that cannot be as it is: 400. */
export const invalid = (param: string, message: string, code = "invalid_value"): HttpError =>
  new HttpError({ status: 400, message, param, code });

/** What any error becomes. Those that are not the client's fault tell nothing of what is inside. */
export function asHttpError(e: unknown): HttpError {
  if (e instanceof HttpError) return e;
  return new HttpError({ status: 500, message: "The server failed at this request.", code: "internal_error" }, { cause: e });
}

/** Runs what a client's input may make fail: our own errors become 400 with their text. */
export async function clientsFault<T>(param: string, f: () => T | Promise<T>): Promise<T> {
  try {
    return await f();
  } catch (e) {
    // The stack ends in what is nested without end.
    if (e instanceof RangeError) throw invalid(param, `${param} is nested too deeply.`);
    if (e instanceof FirebrandError) throw new HttpError({ status: 400, message: e.message, param, code: "invalid_value" }, { cause: e });
    throw e;
  }
}
