// The order in which items are drawn. All iterate over numbers anew each time.
import { checkOptions, need } from "../core/arguments.ts";
import { ValueError } from "../core/errors.ts";
import { defaultGenerator, Generator, permutation } from "../core/rng.ts";
import { tensor } from "../ops/create.ts";
import { dataSync } from "../ops/host.ts";
import { needDataset } from "./dataset.ts";
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
    needDataset("SequentialSampler", source);
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
    needDataset("RandomSampler", source);
    const o = checkOptions("RandomSampler", ["replacement?", "numSamples?", "generator?"], options);
    this.#n = source.length;
    this.#replacement = o.replacement ?? false;
    this.#generator = o.generator ?? null;
    this.length = o.numSamples ?? source.length;
    if (this.length > 0 && this.#n === 0)
      throw new ValueError({
        op: "RandomSampler",
        message: `numSamples is ${this.length}, of 0 items`,
        hint: "Give a data set that is not empty",
      });
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
    need("SubsetRandomSampler", "indices: list", indices);
    this.indices = indices;
    this.#generator = checkOptions("SubsetRandomSampler", ["generator?"], options).generator ?? null;
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
    need("WeightedRandomSampler", "weights: shares", weights);
    need("WeightedRandomSampler", "numSamples: positive", numSamples);
    const o = checkOptions("WeightedRandomSampler", ["replacement?", "generator?"], options);
    this.length = numSamples;
    this.#weights = weights;
    this.#options = { replacement: o.replacement ?? true, ...(o.generator && { generator: o.generator }) };
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
    need("BatchSampler", "sampler: iterable", sampler);
    need("BatchSampler", "batchSize: positive", batchSize);
    need("BatchSampler", "dropLast: flag", dropLast);
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
