// DataLoader: batches of a data set, synchronously with `for`, or with `for await` and items fetched ahead.
import { checkOptions, given, isOptions, need } from "../core/arguments.ts";
import { ArgumentError, ValueError } from "../core/errors.ts";
import { defaultGenerator, type Generator } from "../core/rng.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { tensor } from "../ops/create.ts";
import { stack } from "../ops/join.ts";
import { type Dataset, type IterableDataset, needDataset } from "./dataset.ts";
import { BatchSampler, drawSeed, RandomSampler, type Sampler, SequentialSampler } from "./sampler.ts";

/**
 * Stacks tensors, makes tensors of numbers, and goes into arrays and objects.
 * @throws ArgumentError for items it does not know.
 * @example data.defaultCollate([[tensor(1), 4], [tensor(2), 5]]) // => [[1, 2], [4, 5]]
 */
export function defaultCollate(items: readonly unknown[]): unknown {
  need("defaultCollate", "items: any", items);
  const first = items[0];
  const alike = (x: unknown): boolean =>
    typeof x === typeof first && (x === null) === (first === null) && Array.isArray(x) === Array.isArray(first);
  if (!Array.isArray(items) || items.length === 0 || !items.every(alike))
    throw new ArgumentError({
      op: "defaultCollate",
      message: `the items are ${given(items)}`,
      hint: "All must be of one kind; or give a collateFn",
    });
  if (isTensor(first)) return stack(items as Tensor[]);
  if (typeof first === "number") return tensor(items as number[], items.every(Number.isInteger) ? {} : { dtype: "float64" });
  if (typeof first === "boolean" || typeof first === "bigint") return tensor(items as boolean[]);
  if (typeof first === "string" || first === null) return [...items];
  if (ArrayBuffer.isView(first)) return stack(items.map((x) => tensor(x as Float32Array)));
  if (Array.isArray(first)) {
    if (items.some((x) => (x as unknown[]).length !== first.length))
      throw new ArgumentError({ op: "defaultCollate", message: "items have different lengths", hint: "Give a collateFn" });
    return first.map((_, k) => defaultCollate(items.map((x) => (x as unknown[])[k])));
  }
  if (typeof first === "object")
    return Object.fromEntries(Object.keys(first).map((k) => [k, defaultCollate(items.map((x) => (x as Record<string, unknown>)[k]))]));
  throw new ArgumentError({ op: "defaultCollate", message: `cannot batch a ${typeof first}`, hint: "Give a collateFn" });
}

/** Options of DataLoader. */
export interface DataLoaderOptions<T, B> {
  /** Items in a batch (default 1); null gives items one by one, uncollated. */
  batchSize?: number | null;
  /** A new random order for every epoch? Default false. */
  shuffle?: boolean;
  /** Gives the order of items, instead of `shuffle`. */
  sampler?: Sampler;
  /** Gives whole batches of item numbers, instead of all options above. */
  batchSampler?: Iterable<number[]> & { readonly length: number };
  /** Leave out a last batch that is not full? Default false. */
  dropLast?: boolean;
  /** Makes a batch of items (default `defaultCollate`). */
  collateFn?: (items: T[]) => B;
  /** Source of the random order; the default generator where absent. */
  generator?: Generator;
  /** Batches fetched ahead in `for await` (default 2). */
  prefetch?: number;
}
const OPTIONS = [
  "batchSize?: positive",
  "shuffle?: flag",
  "sampler?: iterable",
  "batchSampler?: iterable",
  "dropLast?: flag",
  "collateFn?: function",
  "generator?",
  "prefetch?: count",
];
type Collated<T> = T extends Tensor
  ? Tensor
  : T extends number | boolean | bigint
    ? Tensor
    : T extends (infer E)[]
      ? Collated<E>[]
      : T extends object
        ? { [K in keyof T]: Collated<T[K]> }
        : T[];

/** Where an epoch stands, for exact resume. */
export interface LoaderState {
  readonly batches: number[][];
  readonly next: number;
}

/**
 * Batches of a data set. The same seed shuffles as PyTorch does.
 * @throws ValueError, ArgumentError for options that exclude each other
 * @example [...new data.DataLoader(new data.TensorDataset(arange(5)), { batchSize: 2 })].length // => 3
 */
export class DataLoader<T, B = Collated<T>> implements Iterable<B>, AsyncIterable<B> {
  readonly dataset: Dataset<T> | IterableDataset<T>;
  readonly #o: DataLoaderOptions<T, B>;
  readonly #batches: (Iterable<number[]> & { readonly length: number }) | null;
  #epoch: { batches: number[][]; next: number } | null = null;
  #restored = false;

  constructor(dataset: Dataset<T> | IterableDataset<T>, options: DataLoaderOptions<T, B> = {}) {
    const o = checkOptions("DataLoader", OPTIONS, options);
    const one = isOptions(options) && options.batchSize === null;
    this.dataset = dataset;
    this.#o = one ? { ...o, batchSize: null } : o;
    const { batchSize = 1, shuffle = false, sampler, batchSampler, dropLast = false } = o;
    need("DataLoader", "dataset: any", dataset);
    const indexed = typeof (dataset as Dataset<T>).get === "function";
    if (indexed) needDataset("DataLoader", dataset as Dataset<T>);
    else if (typeof dataset !== "object" || !(Symbol.iterator in dataset || Symbol.asyncIterator in dataset))
      throw new ArgumentError({
        op: "DataLoader",
        message: `the data set is ${given(dataset)}`,
        hint: "Give { length, get(i) }, or something iterable",
      });
    if (!indexed && (shuffle || sampler || batchSampler))
      throw new ValueError({ op: "DataLoader", message: "an iterable data set has its own order", hint: "Leave out shuffle and samplers" });
    if (sampler && shuffle)
      throw new ValueError({ op: "DataLoader", message: "both sampler and shuffle are given", hint: "Leave one out" });
    if (batchSampler && (o.batchSize !== undefined || one || shuffle || sampler || dropLast))
      throw new ValueError({
        op: "DataLoader",
        message: "batchSampler excludes batchSize, shuffle, sampler and dropLast",
        hint: "Leave those out",
      });
    if (!indexed) this.#batches = null;
    else if (batchSampler) this.#batches = batchSampler;
    else
      this.#batches = new BatchSampler(
        sampler ??
          (shuffle
            ? new RandomSampler(dataset as Dataset<T>, { generator: o.generator ?? null })
            : new SequentialSampler(dataset as Dataset<T>)),
        batchSize ?? 1,
        dropLast,
      );
  }
  /** Batches an epoch. @throws ArgumentError for iterable data sets. */
  get length(): number {
    if (!this.#batches)
      throw new ArgumentError({ op: "DataLoader", message: "an iterable data set has no length", hint: "Count while iterating" });
    return this.#batches.length;
  }
  #collate(items: T[]): B {
    if (this.#o.batchSize === null) return items[0] as unknown as B;
    return this.#o.collateFn ? this.#o.collateFn(items) : (defaultCollate(items) as B);
  }
  // The batches of this epoch: a restored one goes on, else a new one is drawn.
  #start(): { batches: number[][]; next: number } {
    if (this.#restored && this.#epoch) {
      this.#restored = false;
      return this.#epoch;
    }
    drawSeed(this.#o.generator ?? defaultGenerator); // PyTorch draws a seed for workers here, with or without workers
    return (this.#epoch = { batches: [...this.#batches!], next: 0 });
  }
  /** The place in the running epoch, null between epochs; `restore` continues there. */
  state(): LoaderState | null {
    return this.#epoch && { batches: this.#epoch.batches.map((b) => [...b]), next: this.#epoch.next };
  }
  restore(state: LoaderState): void {
    const fits = Array.isArray(state?.batches) && state.batches.every((b) => Array.isArray(b) && b.every(Number.isInteger));
    if (!fits || !(Number.isInteger(state.next) && state.next >= 0))
      throw new ArgumentError({ op: "DataLoader.restore", message: `the state is ${given(state)}`, hint: "Pass what state() gave" });
    this.#epoch = { batches: state.batches.map((b) => [...b]), next: state.next };
    this.#restored = true;
  }

  *[Symbol.iterator](): IterableIterator<B> {
    if (!this.#batches) {
      const iterate = (this.dataset as IterableDataset<T>)[Symbol.iterator];
      if (!iterate) throw new ArgumentError({ op: "DataLoader", message: "the data set is asynchronous", hint: "Use for await" });
      yield* this.#grouped({ [Symbol.iterator]: () => iterate.call(this.dataset) });
      return;
    }
    const epoch = this.#start();
    while (epoch.next < epoch.batches.length) {
      const items = epoch.batches[epoch.next]!.map((i) => (this.dataset as Dataset<T>).get(i));
      if (items.some((x) => x instanceof Promise))
        throw new ArgumentError({ op: "DataLoader", message: "the data set is asynchronous", hint: "Use for await" });
      epoch.next++;
      yield this.#collate(items as T[]);
    }
    if (this.#epoch === epoch) this.#epoch = null;
  }
  *#grouped(source: Iterable<T>): IterableIterator<B> {
    let items: T[] = [];
    for (const x of source) {
      items.push(x);
      if (items.length === (this.#o.batchSize ?? 1)) {
        yield this.#collate(items);
        items = [];
      }
    }
    if (items.length && !this.#o.dropLast) yield this.#collate(items);
  }
  async *[Symbol.asyncIterator](): AsyncIterableIterator<B> {
    if (!this.#batches) {
      let items: T[] = [];
      const source = this.dataset as IterableDataset<T>;
      for await (const x of (source[Symbol.asyncIterator]
        ? source
        : { [Symbol.iterator]: () => source[Symbol.iterator]!() }) as AsyncIterable<T>) {
        items.push(x);
        if (items.length === (this.#o.batchSize ?? 1)) {
          yield this.#collate(items);
          items = [];
        }
      }
      if (items.length && !this.#o.dropLast) yield this.#collate(items);
      return;
    }
    const epoch = this.#start();
    const ahead: Promise<T[]>[] = [];
    const fetch = (k: number): Promise<T[]> => {
      const p = Promise.all(epoch.batches[k]!.map(async (i) => (this.dataset as Dataset<T>).get(i)));
      p.catch(() => {}); // reported when its turn comes
      return p;
    };
    for (let k = epoch.next; k < epoch.batches.length; k++) {
      while (ahead.length <= (this.#o.prefetch ?? 2) && k + ahead.length < epoch.batches.length) ahead.push(fetch(k + ahead.length));
      const items = await ahead.shift()!;
      epoch.next = k + 1;
      yield this.#collate(items);
    }
    if (this.#epoch === epoch) this.#epoch = null;
  }
}
