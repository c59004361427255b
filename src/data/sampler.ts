// The order in which items are drawn. All iterate over numbers anew each time.
import { ValueError } from "../core/errors.ts";
import { defaultGenerator, Generator, permutation } from "../core/rng.ts";
import { tensor } from "../ops/create.ts";
import { dataSync } from "../ops/host.ts";
import { multinomial } from "../ops/random.ts";

/** Gives item numbers. */
export interface Sampler extends Iterable<number> {
  readonly length: number;
}
/** @internal PyTorch's way to a seed: 63 bits of the default generator. */
export const drawSeed = (g: Generator = defaultGenerator): bigint => g.random64() % (1n << 63n);

/** 0, 1, 2, … @example [...new data.SequentialSampler([7, 8, 9])] // => [0, 1, 2] */
export class SequentialSampler implements Sampler {
  readonly length: number;
  constructor(source: { readonly length: number }) {
    this.length = source.length;
  }
  *[Symbol.iterator](): IterableIterator<number> {
    for (let i = 0; i < this.length; i++) yield i;
  }
}
/**
 * A random order; with replacement, `numSamples` independent draws.
 * @example (manualSeed(0), [...new data.RandomSampler([7, 8, 9])]) // => [0, 1, 2]
 */
export class RandomSampler implements Sampler {
  readonly length: number;
  readonly #n: number;
  readonly #replacement: boolean;
  readonly #generator: Generator | null;
  constructor(
    source: { readonly length: number },
    options: { replacement?: boolean; numSamples?: number; generator?: Generator | null } = {},
  ) {
    this.#n = source.length;
    this.#replacement = options.replacement ?? false;
    this.#generator = options.generator ?? null;
    this.length = options.numSamples ?? source.length;
    if (!(Number.isInteger(this.length) && this.length >= 0))
      throw new ValueError({ op: "RandomSampler", message: `numSamples is ${this.length}`, hint: "It must be an integer >= 0" });
  }
  *[Symbol.iterator](): IterableIterator<number> {
    const g = this.#generator ?? new Generator().manualSeed(drawSeed());
    if (this.#replacement) for (let i = 0; i < this.length; i++) yield g.random32() % this.#n;
    else for (let left = this.length; left > 0; left -= this.#n) yield* permutation(g, this.#n).subarray(0, Math.min(left, this.#n));
  }
}
/** These items in a random order. @example (manualSeed(0), [...new data.SubsetRandomSampler([7, 8, 9])]) // => [9, 7, 8] */
export class SubsetRandomSampler implements Sampler {
  readonly indices: readonly number[];
  readonly #generator: Generator | null;
  constructor(indices: readonly number[], options: { generator?: Generator | null } = {}) {
    this.indices = indices;
    this.#generator = options.generator ?? null;
  }
  get length(): number {
    return this.indices.length;
  }
  *[Symbol.iterator](): IterableIterator<number> {
    for (const i of permutation(this.#generator ?? defaultGenerator, this.indices.length)) yield this.indices[i]!;
  }
}
/** Items drawn in proportion to their weights. @example [...new data.WeightedRandomSampler([0, 1, 0], 2)] // => [1, 1] */
export class WeightedRandomSampler implements Sampler {
  readonly length: number;
  readonly #weights: readonly number[];
  readonly #options: { replacement: boolean; generator?: Generator };
  constructor(weights: readonly number[], numSamples: number, options: { replacement?: boolean; generator?: Generator } = {}) {
    if (!(Number.isInteger(numSamples) && numSamples > 0))
      throw new ValueError({ op: "WeightedRandomSampler", message: `numSamples is ${numSamples}`, hint: "It must be a positive integer" });
    this.length = numSamples;
    this.#weights = weights;
    this.#options = { replacement: options.replacement ?? true, ...(options.generator && { generator: options.generator }) };
  }
  *[Symbol.iterator](): IterableIterator<number> {
    for (const i of dataSync(multinomial(tensor(this.#weights as number[], { dtype: "float64" }), this.length, this.#options)))
      yield Number(i);
  }
}
/** Groups of item numbers. @example [...new data.BatchSampler(new data.SequentialSampler([7, 8, 9]), 2, false)] // => [[0, 1], [2]] */
export class BatchSampler implements Iterable<number[]> {
  readonly sampler: Sampler;
  readonly batchSize: number;
  readonly dropLast: boolean;
  constructor(sampler: Sampler, batchSize: number, dropLast: boolean) {
    if (!(Number.isInteger(batchSize) && batchSize > 0))
      throw new ValueError({ op: "BatchSampler", message: `batchSize is ${batchSize}`, hint: "It must be a positive integer" });
    this.sampler = sampler;
    this.batchSize = batchSize;
    this.dropLast = dropLast;
  }
  get length(): number {
    return this.dropLast ? Math.floor(this.sampler.length / this.batchSize) : Math.ceil(this.sampler.length / this.batchSize);
  }
  *[Symbol.iterator](): IterableIterator<number[]> {
    let batch: number[] = [];
    for (const i of this.sampler) {
      batch.push(i);
      if (batch.length === this.batchSize) {
        yield batch;
        batch = [];
      }
    }
    if (batch.length > 0 && !this.dropLast) yield batch;
  }
}
