// Caches kept between calls, so that what a new prompt shares with an earlier one is not computed again: the system prompt, the
// turns of a conversation.
import { ArgumentError, ValueError } from "../core/errors.ts";
import { need } from "../core/arguments.ts";
import type { Cache, CausalLM } from "./model.ts";

/** A cache on loan, with the ids whose keys and values it holds. */
export interface Loan {
  readonly cache: Cache;
  /** Tokens of the prompt that need not be computed. */
  readonly reused: number;
  /** Gives the cache back. `ids`: the tokens that it was fed, of which it may hold fewer. */
  release(ids: readonly number[]): void;
}

interface Slot {
  cache: Cache | null;
  ids: readonly number[];
  used: number;
  busy: boolean;
}

/**
 * Caches of a model for `slots` conversations of up to `length` tokens each; give it to `generate` or `stream` as `prefixCache`.
 * A call takes the free cache whose conversation its prompt continues, else the one unused for longest, and computes what they do not share.
 * @throws ArgumentError, ValueError for wrong arguments
 * @example
 * const caches = new PrefixCache({ newCache: () => ({ length: 0, maxLength: 8, truncate() {}, reorder() {} }) }, { length: 8 });
 * caches.take([1, 2]).reused // => 0
 */
export class PrefixCache {
  readonly length: number;
  readonly #model: Pick<CausalLM, "newCache">;
  readonly #slots: Slot[];
  #clock = 0;

  constructor(model: Pick<CausalLM, "newCache">, options: { length: number; slots?: number }) {
    if (typeof model?.newCache !== "function")
      throw new ArgumentError({ op: "PrefixCache", message: "the model has no newCache", hint: "Give a causal language model" });
    need("PrefixCache", "length: positive", options?.length);
    need("PrefixCache", "slots?: positive", options.slots);
    this.#model = model;
    this.length = options.length;
    this.#slots = Array.from({ length: options.slots ?? 1 }, () => ({ cache: null, ids: [], used: 0, busy: false }));
  }

  /**
   * Lends a cache for a prompt. All its tokens but the last may be reused: that one must be computed, for its logits.
   * @throws ValueError when all caches are on loan
   */
  take(ids: readonly number[]): Loan {
    const free = this.#slots.filter((s) => !s.busy);
    if (free.length === 0)
      throw new ValueError({ op: "PrefixCache", message: `all ${this.#slots.length} caches are in use`, hint: "Pass more slots, or wait" });
    // The conversation that this prompt continues, if most of it is shared; where only a system prompt is, that conversation
    // had better stay, and the one unused for longest goes.
    const shared = (s: Slot): number => common(s.ids, ids);
    const continued = free.filter((s) => 2 * shared(s) > s.ids.length);
    const slot =
      continued.length > 0 ? continued.reduce((a, b) => (shared(b) > shared(a) ? b : a)) : free.reduce((a, b) => (b.used < a.used ? b : a));
    slot.cache ??= this.#model.newCache({ batch: 1, length: this.length });
    const { cache } = slot;
    const reused = Math.min(shared(slot), cache.length, ids.length - 1);
    cache.truncate(reused);
    Object.assign(slot, { busy: true, ids: [], used: ++this.#clock });
    return {
      cache,
      reused,
      release: (fed) => Object.assign(slot, { busy: false, ids: fed.slice(0, cache.length), used: ++this.#clock }),
    };
  }
}

function common(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}
