// The caches of keys and values of a server: lent to one sequence at a time, kept afterwards for what begins alike, never more than a budget.
import type { KeyValueCache } from "../models/index.ts";

/** A cache on loan. */
export interface Loan {
  readonly cache: KeyValueCache;
  /** Tokens of the prompt whose keys and values are there already. */
  readonly reused: number;
}
/** What makes caches. */
export interface CacheMaker {
  newCache(options: { batch: number; length: number }): KeyValueCache;
}
interface Kept {
  readonly cache: KeyValueCache;
  readonly ids: readonly number[];
}

// Lengths are rounded up to these steps, so that a cache fits the next request too.
const STEP = 64;
// What a shared beginning must be worth: with less, the cache had better stay for the conversation that it is of.
const WORTH = 8;

/** Caches of one row each. */
export class CachePool {
  readonly #model: CacheMaker;
  readonly #budget: number;
  readonly #most: number;
  readonly #bytesPerPosition: number;
  // Oldest first.
  #kept: Kept[] = [];
  #lent = 0;
  #bytes = 0;

  /** `budget`: bytes of all caches; one is always lent, whatever it takes. `most`: caches that are kept while nobody uses them. */
  constructor(model: CacheMaker, budget: number, most: number) {
    this.#model = model;
    this.#budget = budget;
    this.#most = most;
    this.#bytesPerPosition = model.newCache({ batch: 1, length: 1 }).nbytes;
  }

  /** Bytes of all caches, lent and kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A cache with room for `length` positions that may hold the beginning of `ids`, but never all of it; null until another is given back. */
  take(ids: readonly number[], length: number): Loan | null {
    let at = -1;
    let shared = WORTH - 1;
    this.#kept.forEach((k, i) => {
      const n = Math.min(common(k.ids, ids), ids.length - 1);
      if (n > shared) [at, shared] = [i, n];
    });
    const like = this.#kept[at];
    if (!like) return this.#fresh(length);
    // The same conversation goes on in its cache; of another, or of one that has grown out of its cache, the beginning is copied.
    if (like.cache.maxLength >= length && 2 * shared >= like.ids.length) return this.#lend(at, shared);
    const fresh = this.#fresh(length, like);
    if (!fresh) return null;
    fresh.cache.copyFrom(like.cache, shared);
    return { cache: fresh.cache, reused: shared };
  }

  // An empty cache: a new one, or when all is full one that was not used for long.
  #fresh(length: number, spare?: Kept): Loan | null {
    const rounded = Math.ceil(length / STEP) * STEP;
    const full = (): boolean => this.#bytes + rounded * this.#bytesPerPosition > this.#budget;
    while (this.#kept.length > 0 && (full() || this.#kept.length >= this.#most)) {
      const oldest = this.#kept[0] === spare && this.#kept.length > 1 ? 1 : 0;
      const size = this.#kept[oldest]!.cache.maxLength;
      if (size >= length && size <= 2 * rounded && this.#kept[oldest] !== spare) return this.#lend(oldest, 0);
      this.#bytes -= this.#kept.splice(oldest, 1)[0]!.cache.nbytes;
    }
    if (this.#lent > 0 && full()) return null;
    const cache = this.#model.newCache({ batch: 1, length: rounded });
    this.#bytes += cache.nbytes;
    this.#lent++;
    return { cache, reused: 0 };
  }

  /** Takes a cache back. `ids`: the tokens whose keys and values it holds; null: it is not to be used again. */
  release(loan: Loan, ids: readonly number[] | null): void {
    this.#lent--;
    if (ids === null) this.#bytes -= loan.cache.nbytes;
    else this.#kept.push({ cache: loan.cache, ids: ids.slice(0, loan.cache.length) });
    while (this.#kept.length > this.#most) this.#bytes -= this.#kept.shift()!.cache.nbytes;
  }

  #lend(at: number, reused: number): Loan {
    const [{ cache }] = this.#kept.splice(at, 1) as [Kept];
    cache.truncate(reused);
    this.#lent++;
    return { cache, reused };
  }
}

/** How many ids two sequences begin alike with. */
function common(a: readonly number[], b: readonly number[]): number {
  const end = Math.min(a.length, b.length);
  let n = 0;
  while (n < end && a[n] === b[n]) n++;
  return n;
}
