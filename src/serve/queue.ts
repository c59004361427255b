// What every way of sharing a model does alike: texts wait in a bounded queue, are worked on in a loop, and end when they are done, too late, given
// up, or when the server closes.
import { breathe } from "../generation/feed.ts";
import { asHttpError, HttpError } from "./httpError.ts";
import type { Metrics } from "./metrics.ts";
import type { Work } from "./work.ts";

/** Bounds of a queue. */
export interface QueueLimits {
  /** Texts that are worked on at once. */
  readonly maxBatch: number;
  /** Texts that may wait. */
  readonly maxQueue: number;
}

// Turns of Node's loop without anything new after which work goes on, and milliseconds after which it does in any case.
const QUIET_TURNS = 4;
const LONGEST_PAUSE = 50;

/** Texts that wait for a model, and the loop that works on them. */
export abstract class WorkQueue {
  readonly #bounds: QueueLimits;
  protected readonly metrics: Metrics;
  /** Texts that wait, first come first. */
  protected queue: Work[] = [];
  #loop: Promise<void> | null = null;
  #closing = false;
  #arrived = 0;

  constructor(bounds: QueueLimits, metrics: Metrics) {
    this.#bounds = bounds;
    this.metrics = metrics;
  }

  /** Texts that are worked on. */
  protected abstract get held(): readonly Work[];
  /** Works on them for a moment. Texts that fail are failed by it. */
  protected abstract step(): Promise<void>;
  /** Takes back what a text holds; `keep`: it may be of use to others. */
  protected free(_work: Work, _keep: boolean): void {}

  /** Texts that wait. */
  get waiting(): number {
    return this.queue.length;
  }
  /** Texts that are worked on. */
  get running(): number {
    return this.held.length;
  }
  /** Bytes of all caches. */
  get cacheBytes(): number {
    return 0;
  }
  /** Is it refusing new work? */
  get closing(): boolean {
    return this.#closing;
  }

  /** Takes the texts of a request, all or none. @throws HttpError 503 when it is closing, 429 when too many wait */
  submit(works: readonly Work[]): void {
    if (this.#closing) throw new HttpError({ status: 503, message: "The server is shutting down.", code: "shutting_down", retryAfter: 10 });
    const { maxQueue, maxBatch } = this.#bounds;
    const free = Math.max(0, maxBatch - this.running);
    if (this.queue.length + works.length > maxQueue + free)
      throw new HttpError({
        status: 429,
        message: `The queue is full: ${this.queue.length} texts wait, ${maxQueue} may. Try again later.`,
        code: "queue_full",
        retryAfter: 1,
      });
    this.queue.push(...works);
    this.arrive();
    this.#loop ??= this.#run();
  }
  /** Something has come that may become a request. */
  arrive(): void {
    this.#arrived++;
  }
  /** Gives texts up that nobody waits for any more. */
  cancel(works: readonly Work[]): void {
    for (const w of works) {
      if (!w.ended) this.metrics.cancelled.add(1);
      w.ended = true;
    }
  }
  /** Takes no new work; resolves when all that was taken is done, at the latest after `grace` milliseconds. */
  async close(grace: number): Promise<void> {
    this.#closing = true;
    const timer = setTimeout(() => {
      const error = new HttpError({ status: 503, message: "The server has shut down.", code: "shutting_down" });
      for (const w of [...this.queue, ...this.held]) w.fail(error);
    }, grace);
    await this.#loop;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    while (this.queue.length + this.running > 0) {
      try {
        this.queue = this.alive(this.queue);
        await this.step();
      } catch (e) {
        // A fault of this library's own must not leave clients waiting for ever.
        for (const w of [...this.queue, ...this.held]) this.fail(w, e);
      }
      await this.#pause();
    }
    this.#loop = null;
  }
  // Node takes one connection a turn of its loop, and a request takes a few turns: with one turn a pass, 200 clients would wait for 200 passes.
  async #pause(): Promise<void> {
    const end = performance.now() + LONGEST_PAUSE;
    for (let quiet = 0; quiet < QUIET_TURNS && performance.now() < end; ) {
      const before = this.#arrived;
      await breathe();
      quiet = this.#arrived === before ? quiet + 1 : 0;
    }
  }

  /** Those of some texts that have not ended, and for which it is not too late. */
  protected alive<W extends Work>(works: readonly W[]): W[] {
    const now = performance.now();
    return works.filter((w) => {
      if (!w.ended && now > w.deadline)
        w.fail(new HttpError({ status: 504, message: "The request took longer than the server allows.", code: "timeout" }));
      if (w.ended) this.free(w, true);
      return !w.ended;
    });
  }
  /** Ends a text for a reason that is not its client's; one that has ended is left alone. */
  protected fail(w: Work, e: unknown): void {
    if (!w.ended) this.metrics.failed(e);
    this.free(w, false);
    w.fail(asHttpError(e));
  }
}
