// Data sets: things with a length and items by number, or things that can be iterated.
import { checkOptions, given, need } from "../core/arguments.ts";
import { ArgumentError, IndexError, ShapeError, ValueError } from "../core/errors.ts";
import type { Generator } from "../core/rng.ts";
import { dataSync } from "../ops/host.ts";
import { randperm } from "../ops/random.ts";
import type { Tensor } from "../core/tensor.ts";

/** Items by number. `get` may be asynchronous; then the loader is iterated with `for await`. */
export interface Dataset<T> {
  /** How many items there are. */
  readonly length: number;
  /** Item number `index`, from 0. */
  get(index: number): T | Promise<T>;
}
/** Items in an order of their own. */
export interface IterableDataset<T> {
  [Symbol.iterator]?(): Iterator<T>;
  [Symbol.asyncIterator]?(): AsyncIterator<T>;
}

const outside = (op: string, i: number, length: number): IndexError =>
  new IndexError({ op, message: `item ${given(i)} of ${length}`, hint: length ? `Use 0 to ${length - 1}` : "There are none" });
/** @internal Refuses what has no length. */
export function needDataset(op: string, x: { readonly length: number }, what = "data set"): void {
  if (typeof x === "object" && x !== null && Number.isSafeInteger(x.length) && x.length >= 0) return;
  throw new ArgumentError({ op, message: `the ${what} is ${given(x)}, needed something with a length`, hint: "Give { length, get(i) }" });
}

/** Rows of tensors that have the same first size. @throws ShapeError @example new data.TensorDataset(tensor([[1], [2]]), tensor([3, 4])).length // => 2 */
export class TensorDataset<T extends readonly Tensor[]> implements Dataset<Tensor[]> {
  readonly tensors: T;
  constructor(...tensors: T) {
    need("TensorDataset", "tensors", tensors);
    if (tensors.some((t) => t.ndim === 0 || t.shape[0] !== tensors[0]!.shape[0]))
      throw new ShapeError({
        op: "TensorDataset",
        message: `shapes ${tensors.map((t) => `[${t.shape.join(", ")}]`).join(", ")}`,
        hint: "All need the same first size",
      });
    this.tensors = tensors;
  }
  get length(): number {
    return this.tensors[0]!.shape[0]!;
  }
  get(i: number): Tensor[] {
    return this.tensors.map((t) => t.select(0, i));
  }
}
/** Some items of another data set. @example new data.Subset(new data.TensorDataset(tensor([5, 6, 7])), [2, 0]).get(0) // => [7] */
export class Subset<T> implements Dataset<T> {
  readonly dataset: Dataset<T>;
  readonly indices: readonly number[];
  constructor(dataset: Dataset<T>, indices: readonly number[]) {
    needDataset("Subset", dataset);
    need("Subset", "indices: list", indices);
    this.dataset = dataset;
    this.indices = indices;
  }
  get length(): number {
    return this.indices.length;
  }
  get(i: number): T | Promise<T> {
    const at = this.indices[i];
    if (at === undefined) throw outside("Subset", i, this.length);
    return this.dataset.get(at);
  }
}
/**
 * Data sets one after another.
 * @example new data.ConcatDataset([new data.TensorDataset(ones(2)), new data.TensorDataset(ones(3))]).length // => 5
 */
export class ConcatDataset<T> implements Dataset<T> {
  readonly datasets: readonly Dataset<T>[];
  constructor(datasets: readonly Dataset<T>[]) {
    need("ConcatDataset", "datasets: objects", datasets);
    for (const d of datasets) needDataset("ConcatDataset", d);
    this.datasets = datasets;
  }
  get length(): number {
    return this.datasets.reduce((n, d) => n + d.length, 0);
  }
  get(i: number): T | Promise<T> {
    let at = i < 0 ? i + this.length : i;
    for (const d of this.datasets) {
      if (at < d.length && at >= 0) return d.get(at);
      at -= d.length;
    }
    throw outside("ConcatDataset", i, this.length);
  }
}
/**
 * Cuts a data set at random into parts of these lengths (or shares that add up to 1); the same seed cuts as PyTorch does.
 * @throws ValueError
 * @example
 * manualSeed(0);
 * data.randomSplit(new data.TensorDataset(arange(5)), [3, 2])[0].indices // => [4, 0, 1]
 */
export function randomSplit<T>(dataset: Dataset<T>, lengths: readonly number[], options: { generator?: Generator } = {}): Subset<T>[] {
  needDataset("randomSplit", dataset);
  need("randomSplit", "lengths: shares", lengths);
  const { generator } = checkOptions("randomSplit", ["generator?"], options);
  let sizes = [...lengths];
  const total = lengths.reduce((a, b) => a + b, 0);
  if (Math.abs(total - 1) < 1e-9 && lengths.every((l) => l <= 1 && l >= 0)) {
    sizes = lengths.map((f) => Math.floor(dataset.length * f));
    const rest = dataset.length - sizes.reduce((a, b) => a + b, 0);
    for (let i = 0; i < rest; i++) sizes[i % sizes.length]!++;
  }
  if (!sizes.every(Number.isInteger) || sizes.reduce((a, b) => a + b, 0) !== dataset.length)
    throw new ValueError({
      op: "randomSplit",
      message: `lengths ${sizes.join(" + ")} are not ${dataset.length}`,
      hint: "They must add up to the length, or to 1",
    });
  const order = [...dataSync(randperm(dataset.length, { generator: generator ?? null }))].map(Number);
  let at = 0;
  return sizes.map((n) => new Subset(dataset, order.slice(at, (at += n))));
}
