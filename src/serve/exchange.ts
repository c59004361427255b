// One request and its answer: hands texts to the scheduler, and what comes of them to the client, at the end or piece by piece.
import { randomUUID } from "node:crypto";
import { version } from "../core/version.ts";
import { HttpError } from "./httpError.ts";
import type { Order } from "./order.ts";
import { Outbox } from "./outbox.ts";
import type { Service, TextService } from "./service.ts";
import { type Shape, type TokenText, tokenText } from "./shapes.ts";
import type { Sequence, Work } from "./work.ts";

/** What an answer goes to: Node's ServerResponse. */
export interface Receiver {
  readonly destroyed: boolean;
  /** When the answer has been sent, or the client has left. */
  once(event: "close", f: () => void): unknown;
}

/** Waits for all texts; gives them up when one fails or the client leaves. @throws HttpError */
export async function completed(service: Service, works: readonly Work[], receiver: Receiver): Promise<void> {
  const { scheduler } = service.parts;
  const done = Promise.all(works.map(ended));
  const left = new Promise<never>((_, refuse) => {
    const leave = (): void => refuse(new HttpError({ status: 400, message: "The client has left.", code: "client_closed" }));
    if (receiver.destroyed) leave();
    else receiver.once("close", leave);
  });
  left.catch(() => {});
  scheduler.submit(works);
  try {
    await Promise.race([done, left]);
  } finally {
    scheduler.cancel(works.filter((w) => !w.ended));
  }
}
/** Resolves when a text has ended well. */
function ended(w: Work): Promise<void> {
  return new Promise((resolve, reject) => {
    w.onError = reject;
    w.onDone = resolve;
  });
}

/** What all objects of an answer begin with. */
const stamp = (service: Service, shape: Shape): { id: string; created: number; model: string; system_fingerprint: string } => ({
  id: shape.prefix + randomUUID().replaceAll("-", ""),
  created: Math.floor(Date.now() / 1000),
  model: service.parts.name,
  system_fingerprint: `firebrand-${version}`,
});
function usageOf(sequences: readonly Sequence[]): object {
  const prompts = new Set(sequences.map((s) => s.prompt));
  const prompt = [...prompts].reduce((n, p) => n + p.length, 0);
  const completion = sequences.reduce((n, s) => n + s.answer.ids.length - s.prompt.length, 0);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: Math.min(prompt, Math.max(0, ...sequences.map((s) => s.cached))) },
  };
}

/** Tells the times to the first token and to the end. */
function timed(service: Service): { readonly first: () => void; readonly end: () => void } {
  const begun = performance.now();
  const { firstToken, duration } = service.parts.metrics;
  let told = false;
  return {
    first: () => {
      if (!told) firstToken.observe((performance.now() - begun) / 1000);
      told = true;
    },
    end: () => duration.observe((performance.now() - begun) / 1000),
  };
}

/** The whole answer as one object. @throws HttpError */
export async function answerWhole(service: TextService, order: Order, shape: Shape, receiver: Receiver): Promise<object> {
  const { sequences, logprobs, echo } = order;
  const time = timed(service);
  const tokens = sequences.map((): TokenText[] => []);
  for (const [i, s] of sequences.entries())
    s.onToken = (piece) => {
      time.first();
      if (logprobs) tokens[i]!.push(tokenText(service, piece, s.answer.text.length - piece.text.length));
    };
  await completed(service, sequences, receiver);
  time.end();
  const choices = sequences.map((s, index) =>
    shape.whole({
      index,
      text: (echo?.[index] ?? "") + s.answer.text,
      tokens: logprobs ? tokens[index]! : null,
      finishReason: s.answer.finishReason!,
    }),
  );
  const { id, ...rest } = stamp(service, shape);
  return { id, object: shape.wholeObject, ...rest, choices, usage: usageOf(sequences) };
}

/** The answer as server-sent events. `cut`: cuts the connection of a client that does not read. @throws HttpError when it is refused before it begins */
export function answerStream(service: TextService, order: Order, shape: Shape, cut: () => void): Response {
  const { sequences, logprobs, echo } = order;
  const { scheduler, maxUnread } = service.parts;
  const time = timed(service);
  const outbox = new Outbox(maxUnread, (why) => {
    scheduler.cancel(sequences);
    if (why === "slow") cut();
  });
  const { id, ...rest } = stamp(service, shape);
  const event = (data: object): void => outbox.push(`data: ${JSON.stringify(data)}\n\n`);
  const usage = order.includeUsage ? { usage: null } : {};
  const chunk = (choice: object | null): void => {
    if (choice) event({ id, object: shape.chunkObject, ...rest, choices: [choice], ...usage });
  };
  let open = sequences.length;
  const close = (): void => {
    time.end();
    if (order.includeUsage) event({ id, object: shape.chunkObject, ...rest, choices: [], usage: usageOf(sequences) });
    outbox.push("data: [DONE]\n\n");
    outbox.end();
  };
  for (const [index, s] of sequences.entries()) {
    s.onToken = (piece) => {
      time.first();
      const { text, finishReason } = piece;
      const tokens = logprobs ? [tokenText(service, piece, s.answer.text.length - text.length)] : null;
      if (text !== "" || tokens) chunk(shape.piece(index, text, tokens));
      if (finishReason === null) return;
      chunk(shape.closing(index, finishReason));
      if (--open === 0) close();
    };
    // The status has been sent: clients read an error from an event too.
    s.onError = (e) => {
      event(e.body);
      outbox.end();
      scheduler.cancel(sequences);
    };
  }
  scheduler.submit(sequences);
  for (const [index] of sequences.entries()) chunk(shape.opening(index, echo?.[index] ?? ""));
  return new Response(outbox.stream, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no" },
  });
}
