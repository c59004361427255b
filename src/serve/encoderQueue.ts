// Texts for a model of sentences: those that wait go through it together, padded to the longest.
import { noGrad } from "../core/mode.ts";
import type { SentenceTransformer } from "../models/index.ts";
import { normalize } from "../ops/norm/index.ts";
import { pad } from "../tokenizers/batch.ts";
import type { Metrics } from "./metrics.ts";
import { type QueueLimits, WorkQueue } from "./queue.ts";
import { EmbeddingWork } from "./work.ts";

// Padding included: a pass of a model of 100 million parameters takes a second at most, and others wait no longer.
const TOKENS = 2048;

/** Shares a model of sentences between texts: first come, first served. */
export class EncoderQueue extends WorkQueue {
  readonly #model: SentenceTransformer;
  readonly #maxBatch: number;
  readonly #padTokenId: number;
  #encoding: EmbeddingWork[] = [];

  constructor(model: SentenceTransformer, padTokenId: number, limits: QueueLimits, metrics: Metrics) {
    super(limits, metrics);
    this.#model = model;
    this.#maxBatch = limits.maxBatch;
    this.#padTokenId = padTokenId;
  }
  protected override get held(): readonly EmbeddingWork[] {
    return this.#encoding;
  }

  protected override async step(): Promise<void> {
    let longest = 0;
    while (this.#encoding.length < this.#maxBatch && this.queue[0] instanceof EmbeddingWork) {
      longest = Math.max(longest, this.queue[0].prompt.length);
      if (this.#encoding.length > 0 && (this.#encoding.length + 1) * longest > TOKENS) break;
      this.#encoding.push(this.queue.shift() as EmbeddingWork);
    }
    const works = this.#encoding;
    if (works.length === 0) return;
    try {
      const vectors = await this.#vectors(works.map((w) => w.prompt));
      works.forEach((w, i) => w.give(vectors[i]!));
    } catch (e) {
      for (const w of works) this.fail(w, e);
    }
    this.#encoding = [];
  }
  async #vectors(rows: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const encoded = rows.map((ids) => ({ ids: [...ids], types: () => [] }));
    const batch = pad("serve", encoded, { to: "longest", multiple: 1, side: "right", id: this.#padTokenId, types: false });
    const { device } = this.#model.encoder;
    const [inputIds, attentionMask] = [batch.inputIds.to(device), batch.attentionMask.to(device)];
    this.metrics.promptTokens.add(rows.reduce((n, r) => n + r.length, 0));
    this.metrics.batch.observe(rows.length);
    const vectors = noGrad(() => normalize(this.#model.forward({ inputIds, attentionMask }).to("float32"))); // [B, C]
    const all = (await vectors.data()) as Float32Array;
    const width = all.length / rows.length;
    return rows.map((_, i) => all.slice(i * width, (i + 1) * width));
  }
}
