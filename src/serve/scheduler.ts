// Continuous batching (Yu et al. 2022, Orca): all running texts get their next token in one pass of the model, and texts join and leave the batch
// between two passes. Prompts are fed in parts between the passes, each in turn, so that a long one holds nobody up.
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { breathe } from "../generation/feed.ts";
import { explain } from "../generation/logprobs.ts";
import { idTensor } from "../generation/processor.ts";
import { processed } from "../generation/run.ts";
import { type CausalModel, CacheBatch, type KeyValueCache } from "../models/index.ts";
import { CachePool } from "./caches.ts";
import { asHttpError, HttpError } from "./httpError.ts";
import type { Metrics } from "./metrics.ts";
import { EmbeddingWork, Sequence, type Work } from "./work.ts";

/** Bounds of a scheduler. */
export interface SchedulerLimits {
  /** Texts that are worked on at once. */
  readonly maxBatch: number;
  /** Texts that may wait. */
  readonly maxQueue: number;
  /** Tokens of a prompt that are fed at a time. */
  readonly prefillChunk: number;
  /** Milliseconds between two passes that prompts may take at least, if others are running; as long as the pass before in any case. */
  readonly prefillSlice: number;
  /** Bytes of all caches. */
  readonly cacheBytes: number;
  /** Caches that are kept for prompts that begin alike. */
  readonly keptCaches: number;
}

/** Shares a model between texts. */
export class Scheduler {
  readonly #model: CausalModel;
  readonly #limits: SchedulerLimits;
  readonly #metrics: Metrics;
  readonly #pool: CachePool;
  #waiting: Work[] = [];
  // Prompts that are being fed, next first.
  #feeding: Work[] = [];
  #decoding: Sequence[] = [];
  // Milliseconds that the last pass took.
  #pass = 0;
  #loop: Promise<void> | null = null;
  #closing = false;

  constructor(model: CausalModel, limits: SchedulerLimits, metrics: Metrics) {
    this.#model = model;
    this.#limits = limits;
    this.#metrics = metrics;
    this.#pool = new CachePool(model, limits.cacheBytes, limits.keptCaches);
  }

  /** Texts that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }
  /** Texts that are worked on. */
  get running(): number {
    return this.#feeding.length + this.#decoding.length;
  }
  /** Bytes of all caches. */
  get cacheBytes(): number {
    return this.#pool.bytes;
  }
  /** Is it refusing new work? */
  get closing(): boolean {
    return this.#closing;
  }

  /** Takes the texts of a request, all or none. @throws HttpError 503 when it is closing, 429 when too many wait */
  submit(works: readonly Work[]): void {
    if (this.#closing) throw new HttpError({ status: 503, message: "The server is shutting down.", code: "shutting_down", retryAfter: 10 });
    const { maxQueue, maxBatch } = this.#limits;
    const free = Math.max(0, maxBatch - this.running);
    if (this.#waiting.length + works.length > maxQueue + free)
      throw new HttpError({
        status: 429,
        message: `The queue is full: ${this.#waiting.length} texts wait, ${maxQueue} may. Try again later.`,
        code: "queue_full",
        retryAfter: 1,
      });
    this.#waiting.push(...works);
    this.#loop ??= this.#run().finally(() => (this.#loop = null));
  }
  /** Gives texts up that nobody waits for any more. */
  cancel(works: readonly Work[]): void {
    for (const w of works) {
      if (!w.ended) this.#metrics.cancelled.add(1);
      w.ended = true;
    }
  }
  /** Takes no new work; resolves when all that was taken is done, at the latest after `grace` milliseconds. */
  async close(grace: number): Promise<void> {
    this.#closing = true;
    const timer = setTimeout(() => {
      const error = new HttpError({ status: 503, message: "The server has shut down.", code: "shutting_down" });
      for (const w of this.#all()) w.fail(error);
    }, grace);
    await this.#loop;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    while (this.#waiting.length + this.running > 0) {
      try {
        this.#sweep();
        this.#admit();
        await this.#feed();
        await this.#decode();
      } catch (e) {
        // A fault of this file's own must not leave clients waiting for ever.
        for (const w of this.#all()) this.#fail(w, e);
      }
      await breathe();
    }
  }

  #all(): Work[] {
    return [...this.#waiting, ...this.#feeding, ...this.#decoding];
  }
  // Takes out what has ended, and what is too late.
  #sweep(): void {
    const now = performance.now();
    const alive = <W extends Work>(list: W[]): W[] =>
      list.filter((w) => {
        if (!w.ended && now > w.deadline)
          w.fail(new HttpError({ status: 504, message: "The request took longer than the server allows.", code: "timeout" }));
        if (w.ended) this.#free(w, true);
        return !w.ended;
      });
    this.#waiting = alive(this.#waiting);
    this.#feeding = alive(this.#feeding);
    this.#decoding = alive(this.#decoding);
  }
  // What a pass that failed has written into a cache is not known: it is not kept.
  #free(w: Work, keep: boolean): void {
    if (w.loan) this.#pool.release(w.loan, keep ? w.ids : null);
    w.loan = null;
  }
  #fail(w: Work, e: unknown): void {
    this.#metrics.failed(e);
    this.#free(w, false);
    w.fail(asHttpError(e));
  }

  // First come, first served, while there is room in the batch and in memory.
  #admit(): void {
    while (this.#waiting.length > 0 && this.running < this.#limits.maxBatch) {
      const w = this.#waiting[0]!;
      try {
        w.loan = this.#pool.take(w.prompt, w.length);
      } catch (e) {
        this.#waiting.shift();
        this.#fail(w, e);
        continue;
      }
      if (w.loan === null) return;
      this.#waiting.shift();
      // An embedding needs the states of all positions, not only their keys.
      if (w instanceof EmbeddingWork) w.loan.cache.truncate(0);
      else if (w instanceof Sequence) {
        w.cached = w.loan.reused;
        this.#metrics.cachedTokens.add(w.cached);
      }
      this.#feeding.push(w);
    }
  }

  // Feeds prompts part by part, in turn, until their time is up.
  async #feed(): Promise<void> {
    const end = performance.now() + (this.#decoding.length > 0 ? Math.max(this.#limits.prefillSlice, this.#pass) : 0);
    do {
      const w = this.#feeding.shift();
      if (!w) return;
      if (w.ended) {
        this.#free(w, true);
        continue;
      }
      try {
        if (!(await this.#feedPart(w))) this.#feeding.push(w);
        else if (w instanceof Sequence && !w.ended) this.#decoding.push(w);
        else this.#free(w, true);
      } catch (e) {
        this.#fail(w, e);
      }
    } while (performance.now() < end);
  }
  // True when the prompt is fed.
  async #feedPart(w: Work): Promise<boolean> {
    const { cache } = w.loan!;
    const next = w.prompt.slice(cache.length, cache.length + this.#limits.prefillChunk);
    const inputIds = idTensor(next).view([1, next.length]);
    const done = cache.length + next.length === w.prompt.length;
    this.#metrics.promptTokens.add(next.length);
    if (w instanceof EmbeddingWork) {
      w.add(noGrad(() => this.#model.base(inputIds, { cache })).lastHiddenState);
      if (done) await w.finish();
    } else {
      const logits = this.#logits(inputIds, cache);
      if (done) await this.#choose([w as Sequence], logits);
    }
    return done;
  }

  // One token for every running text.
  async #decode(): Promise<void> {
    const rows = this.#decoding.filter((s) => !s.ended);
    if (rows.length === 0) return;
    const begun = performance.now();
    this.#metrics.batch.observe(rows.length);
    const caches = rows.map((s) => s.loan!.cache);
    try {
      const logits = this.#logits(idTensor(rows.map((s) => s.ids.at(-1)!)).view([rows.length, 1]), caches);
      await this.#choose(rows, logits);
    } catch (e) {
      for (const s of rows) this.#fail(s, e);
    }
    this.#pass = performance.now() - begun;
    this.#sweep();
  }
  // Logits of the next token: float32 [B, vocabSize].
  #logits(inputIds: Tensor, cache: KeyValueCache | readonly KeyValueCache[]): Tensor {
    const keys =
      "length" in cache && Array.isArray(cache) ? (cache.length === 1 ? cache[0]! : new CacheBatch(cache)) : (cache as KeyValueCache);
    return noGrad(() => this.#model.forward(inputIds, { cache: keys, logitsToKeep: 1 }).logits.select(1, 0).to("float32"));
  }
  // The likeliest are found for all rows at once; every other choice is a row's own, and so are its failures.
  async #choose(rows: readonly Sequence[], logits: Tensor): Promise<void> {
    const greedy = rows.some((s) => s.plain) ? ((await logits.argmax(-1).data()) as BigInt64Array) : null;
    for (const [i, s] of rows.entries()) {
      if (s.ended) continue;
      try {
        const own = logits.narrow(0, i, 1);
        const id = s.plain ? Number(greedy![i]) : (await s.sampler.choose(processed(s.processors, [s.answer], own)))[0]!;
        const explained = s.settings.logprobs ? explain(own, [id], s.settings.topLogprobs)[0]! : null;
        this.#metrics.newTokens.add(1);
        s.push(id, explained);
      } catch (e) {
        this.#fail(s, e);
      }
    }
  }
}
