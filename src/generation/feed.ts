// A model and its cache while they are fed: keeps what attention may look at, and asks for no more logits than are read.
import { noGrad } from "../core/mode.ts";
import { ShapeError, showShape } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Cache, CausalLM } from "./model.ts";
import { idTensor } from "./processor.ts";
import { maskOf } from "./prompt.ts";

/** Lets other work of this thread run: requests, timers, the abort signal. */
export const breathe = (): Promise<void> =>
  new Promise((done) => (typeof setImmediate === "function" ? setImmediate(done) : setTimeout(done, 0)));

/** Feeds rows of tokens to a model. */
export class Feed {
  readonly model: CausalLM;
  readonly cache: Cache;
  readonly #mask: Tensor | null;

  /** `padding`: of each row, on the left. `length`: positions at most. */
  constructor(model: CausalLM, cache: Cache, padding: readonly number[], length: number) {
    this.model = model;
    this.cache = cache;
    this.#mask = maskOf(padding, length);
  }

  /** B rows of T tokens after those in the cache → the logits of the last `keep` of them, float32 [B, keep, vocabSize]. */
  forward(rows: readonly (readonly number[])[], keep = 1): Tensor {
    const [batch, count] = [rows.length, rows[0]!.length];
    const inputIds = idTensor(rows.length === 1 ? rows[0]! : rows.flat()).view([batch, count]);
    const attentionMask = this.#mask?.narrow(1, 0, this.cache.length + count) ?? null;
    const { vocabSize } = this.model.config;
    return noGrad(() => {
      const { logits } = this.model.forward(inputIds, { attentionMask, cache: this.cache, logitsToKeep: keep });
      if (logits.ndim !== 3 || logits.shape[0] !== batch || logits.shape[1]! < keep || logits.shape[2] !== vocabSize)
        throw new ShapeError({
          op: "generate",
          message: `the model gave logits ${showShape(logits.shape)}, needed ${showShape([batch, keep, vocabSize])}`,
          hint: "forward must return [B, logitsToKeep, config.vocabSize]",
        });
      return logits.narrow(1, logits.shape[1]! - keep, keep).to("float32");
    });
  }

  /** Feeds what the cache does not hold yet of the rows, in parts of `chunk` tokens → float32 [B, vocabSize]; null when aborted before its end. */
  async prefill(rows: readonly (readonly number[])[], chunk: number | null, signal: AbortSignal | null): Promise<Tensor | null> {
    const end = rows[0]!.length;
    for (let at = this.cache.length; ; ) {
      if (signal?.aborted) return null;
      const next = Math.min(end, at + (chunk ?? end));
      const logits = this.forward(rows.map((r) => r.slice(at, next)));
      if (next === end) return logits.select(1, 0);
      at = next;
      await breathe();
    }
  }
}
