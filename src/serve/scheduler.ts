// Continuous batching (Yu et al. 2022, Orca): all running texts get their next token in one pass of the model, and texts join and leave the batch
// between two passes. Prompts are fed in parts between the passes, each in turn, so that a long one holds nobody up; parts of several prompts go
// through the model together.
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { explain } from "../generation/logprobs.ts";
import { idTensor } from "../generation/processor.ts";
import { processed } from "../generation/run.ts";
import { type CausalModel, CacheBatch } from "../models/index.ts";
import { CachePool } from "./caches.ts";
import type { Metrics } from "./metrics.ts";
import { type QueueLimits, WorkQueue } from "./queue.ts";
import { EmbeddingWork, Sequence, type Work } from "./work.ts";

/** Tokens of a prompt that are fed next. */
interface Part {
  readonly work: Work;
  readonly count: number;
}
/** Bounds of a scheduler. */
export interface SchedulerLimits extends QueueLimits {
  /** Tokens of prompts that are fed at a time; more while that takes less than `prefillSlice`. */
  readonly prefillChunk: number;
  /** Milliseconds between two passes that prompts may take at least, if others are running; as long as the pass before in any case. */
  readonly prefillSlice: number;
  /** Bytes of all caches. */
  readonly cacheBytes: number;
  /** Caches that are kept for prompts that begin alike. */
  readonly keptCaches: number;
}

// However fast a model is: with more tokens at a time than so many chunks, the memory of a pass grows and its speed does not.
const MOST_CHUNKS = 8;

/** Shares a model between texts. */
export class Scheduler extends WorkQueue {
  readonly #model: CausalModel;
  readonly #limits: SchedulerLimits;
  readonly #pool: CachePool;
  // Prompts that are being fed, next first.
  #feeding: Work[] = [];
  #decoding: Sequence[] = [];
  // Milliseconds that the last pass took.
  #pass = 0;
  // Tokens of prompts that are fed at a time.
  #portion: number;

  constructor(model: CausalModel, limits: SchedulerLimits, metrics: Metrics) {
    super(limits, metrics);
    this.#model = model;
    this.#limits = limits;
    this.#portion = limits.prefillChunk;
    this.#pool = new CachePool(model, limits.cacheBytes, limits.keptCaches);
  }

  protected override get held(): readonly Work[] {
    return [...this.#feeding, ...this.#decoding];
  }
  /** Bytes of all caches. */
  override get cacheBytes(): number {
    return this.#pool.bytes;
  }
  protected override async step(): Promise<void> {
    this.#sweep();
    this.#admit();
    await this.#feed();
    await this.#decode();
  }
  // Takes out what has ended, and what is too late.
  #sweep(): void {
    this.#feeding = this.alive(this.#feeding);
    this.#decoding = this.alive(this.#decoding);
  }
  // What a pass that failed has written into a cache is not known: it is not kept.
  protected override free(w: Work, keep: boolean): void {
    if (w.loan) this.#pool.release(w.loan, keep ? w.ids : null);
    w.loan = null;
  }

  // First come, first served, while there is room in the batch and in memory.
  #admit(): void {
    while (this.queue.length > 0 && this.running < this.#limits.maxBatch) {
      const w = this.queue[0]!;
      try {
        w.loan = this.#pool.take(w.prompt, w.length);
      } catch (e) {
        this.queue.shift();
        this.fail(w, e);
        continue;
      }
      if (w.loan === null) return;
      this.queue.shift();
      // An embedding needs the states of all positions, not only their keys.
      if (w instanceof EmbeddingWork) w.loan.cache.truncate(0);
      else if (w instanceof Sequence) {
        w.cached = w.loan.reused;
        this.metrics.cachedTokens.add(w.cached);
      }
      this.#feeding.push(w);
    }
  }

  // Feeds prompts part by part, in turn, until their time is up.
  async #feed(): Promise<void> {
    const { prefillSlice, prefillChunk } = this.#limits;
    const slice = Math.max(prefillSlice, this.#pass);
    const begun = performance.now();
    do {
      const parts = this.#parts();
      if (parts.length === 0) return;
      const [before, tokens] = [performance.now(), parts.reduce((n, p) => n + p.count, 0)];
      await this.#feedParts(parts);
      const fitting = Math.floor((tokens * slice) / (performance.now() - before));
      this.#portion = Math.min(Math.max(fitting, prefillChunk), MOST_CHUNKS * prefillChunk);
    } while (this.#decoding.length > 0 && performance.now() < begun + slice);
  }
  // The next parts of the first prompts that wait. The last is cut short only if it would not come whole the next time either.
  #parts(): Part[] {
    this.#feeding = this.alive(this.#feeding);
    const parts: Part[] = [];
    const share = Math.max(this.#limits.prefillChunk, Math.floor(this.#portion / Math.max(1, this.#feeding.length)));
    for (let room = this.#portion; room > 0; room -= parts.at(-1)!.count) {
      const work = this.#feeding[0];
      if (!work) break;
      const rest = work.prompt.length - work.loan!.cache.length;
      if (parts.length > 0 && rest > room && rest <= share) break;
      parts.push({ work, count: Math.min(rest, share, room) });
      this.#feeding.shift();
    }
    return parts;
  }
  async #feedParts(parts: readonly Part[]): Promise<void> {
    try {
      const hidden = this.#statesOf(parts); // [1, Σ counts, C]
      const begun: Sequence[] = [];
      const embedded: EmbeddingWork[] = [];
      const last: number[] = [];
      let end = 0;
      for (const { work, count } of parts) {
        end += count;
        if (work instanceof EmbeddingWork) work.add(hidden.narrow(1, end - count, count));
        // What is not fed to its end waits behind the others.
        if (work.loan!.cache.length < work.prompt.length) this.#feeding.push(work);
        else if (work instanceof EmbeddingWork) embedded.push(work);
        else if (work instanceof Sequence) {
          begun.push(work);
          last.push(end - 1);
        }
      }
      this.#decoding.push(...begun);
      for (const work of embedded) {
        await work.finish();
        this.free(work, true);
      }
      if (begun.length === 0) return;
      const logits = noGrad(() => this.#model.head(hidden.indexSelect(1, idTensor(last)))).select(0, 0); // [texts, vocabSize]
      await this.#choose(begun, logits.to("float32"));
    } catch (e) {
      for (const { work } of parts) this.fail(work, e);
    }
  }
  // The last hidden states of parts of prompts, one after another.
  #statesOf(parts: readonly Part[]): Tensor {
    const caches = parts.map((p) => p.work.loan!.cache);
    const counts = parts.map((p) => p.count);
    const ids = parts.flatMap(({ work, count }, i) => work.prompt.slice(caches[i]!.length, caches[i]!.length + count));
    this.metrics.promptTokens.add(ids.length);
    const cache = caches.length === 1 ? caches[0]! : new CacheBatch(caches, counts);
    return noGrad(() => this.#model.base(idTensor(ids).view([1, ids.length]), { cache })).lastHiddenState;
  }

  // One token for every running text.
  async #decode(): Promise<void> {
    const rows = this.#decoding.filter((s) => !s.ended);
    if (rows.length === 0) return;
    const begun = performance.now();
    this.metrics.batch.observe(rows.length);
    const caches = rows.map((s) => s.loan!.cache);
    try {
      const inputIds = idTensor(rows.map((s) => s.ids.at(-1)!)).view([rows.length, 1]);
      const cache = caches.length === 1 ? caches[0]! : new CacheBatch(caches);
      const logits = noGrad(() => this.#model.forward(inputIds, { cache }).logits.select(1, 0).to("float32")); // [B, vocabSize]
      await this.#choose(rows, logits);
    } catch (e) {
      for (const s of rows) this.fail(s, e);
    }
    this.#pass = performance.now() - begun;
    this.#sweep();
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
        this.metrics.newTokens.add(1);
        s.push(id, explained);
      } catch (e) {
        this.fail(s, e);
      }
    }
  }
}
