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
  // Caches that hold nothing any more, for the next texts. They have lived long and would be collected late: at a few hundred requests a second,
  // making new ones instead lets dead ones take more than the budget.
  #spare: KeyValueCache[] = [];
  #lent = 0;
  #mostLent = 0;
  #bytes = 0;

  /** `budget`: bytes of all caches; one is always lent, whatever it takes. `most`: prompts whose caches are kept. */
  constructor(model: CacheMaker, budget: number, most: number) {
    this.#model = model;
    this.#budget = budget;
    this.#most = most;
    this.#bytesPerPosition = model.newCache({ batch: 1, length: 1 }).nbytes;
  }

  /** Bytes of all caches, lent or not. */
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
    if (like.cache.maxLength >= length && 2 * shared >= like.ids.length) return this.#lend(this.#kept.splice(at, 1)[0]!.cache, shared);
    const fresh = this.#fresh(length, like);
    if (!fresh) return null;
    fresh.cache.copyFrom(like.cache, shared);
    return { cache: fresh.cache, reused: shared };
  }

  // An empty cache: a spare one, a new one, or when all is full the one that was not used for longest. `like` is needed a moment longer.
  #fresh(length: number, like?: Kept): Loan | null {
    const rounded = Math.ceil(length / STEP) * STEP;
    const fits = (c: KeyValueCache): boolean => c.maxLength >= length && c.maxLength <= 2 * rounded;
    const full = (): boolean => this.#bytes + rounded * this.#bytesPerPosition > this.#budget;
    const spare = this.#spare.findIndex(fits);
    if (spare >= 0) return this.#lend(this.#spare.splice(spare, 1)[0]!, 0);
    while (full() && this.#spare.length > 0) this.#bytes -= this.#spare.shift()!.nbytes;
    while (full() && this.#kept.length > 0) {
      const oldest = this.#kept[0] === like && this.#kept.length > 1 ? 1 : 0;
      const [gone] = this.#kept.splice(oldest, 1) as [Kept];
      if (gone !== like && fits(gone.cache)) return this.#lend(gone.cache, 0);
      this.#bytes -= gone.cache.nbytes;
    }
    if (this.#lent > 0 && full()) return null;
    const cache = this.#model.newCache({ batch: 1, length: rounded });
    this.#bytes += cache.nbytes;
    return this.#lend(cache, 0);
  }

  /** Takes a cache back. `ids`: the tokens whose keys and values it holds; null: it is not to be used again. */
  release(loan: Loan, ids: readonly number[] | null): void {
    this.#lent--;
    if (ids === null) this.#bytes -= loan.cache.nbytes;
    else this.#kept.push({ cache: loan.cache, ids: ids.slice(0, loan.cache.length) });
    while (this.#kept.length > this.#most) this.#spare.push(this.#kept.shift()!.cache);
    while (this.#spare.length > this.#mostLent) this.#bytes -= this.#spare.shift()!.nbytes;
  }

  #lend(cache: KeyValueCache, reused: number): Loan {
    cache.truncate(reused);
    this.#mostLent = Math.max(this.#mostLent, ++this.#lent);
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
