// The keys and values of the positions seen so far, so that a new token costs one position and not all of them.
import { given } from "../../core/arguments.ts";
import { ShapeError, showShape, UnsupportedError, ValueError } from "../../core/errors.ts";
import type { DType } from "../../core/dtype.ts";
import { noGrad } from "../../core/mode.ts";
import type { Tensor } from "../../core/tensor.ts";
import { empty, tensor } from "../../ops/create.ts";
import { cat } from "../../ops/join.ts";

/** What attention asks of a cache. */
export interface Keys {
  /** Positions filled before this forward pass: of every row, or of the longest. */
  readonly length: number;
  /** Adds k, v [B, H, T, D] of a layer and calls `see` with all keys and values so far: once, or once a row where rows differ in length. */
  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, see: (q: Tensor, k: Tensor, v: Tensor) => Tensor): Tensor;
  /** All layers have added the positions of tokens [B, T]. */
  advance(inputIds: Tensor): void;
  /** The tokens so far and then `inputIds`, [B, length + T]; the cache is empty after it. For models whose early keys change as a text grows. */
  restart(inputIds: Tensor): Tensor;
}

/** Sizes of a cache. */
export interface CacheSizes {
  readonly layers: number;
  readonly batch: number;
  /** Heads of keys and values. */
  readonly heads: number;
  readonly headDim: number;
  /** Positions that it can hold. */
  readonly length: number;
  readonly dtype: DType;
  readonly device: string;
}

/**
 * A cache of fixed size: [B, heads, length, D] keys and values a layer, allocated at once. Gradients do not pass it.
 * @throws ValueError for sizes that are no integers >= 1
 * @example new KeyValueCache({ layers: 1, batch: 1, heads: 2, headDim: 4, length: 8, dtype: "float32", device: "cpu" }).nbytes // => 512
 */
export class KeyValueCache implements Keys {
  readonly #layers: readonly (readonly [k: Tensor, v: Tensor])[];
  readonly #ids: Tensor;
  readonly #sizes: CacheSizes;
  #length = 0;

  constructor(sizes: CacheSizes) {
    for (const name of ["layers", "batch", "heads", "headDim", "length"] as const)
      if (!Number.isSafeInteger(sizes[name]) || sizes[name] < 1)
        throw new ValueError({
          op: "KeyValueCache",
          message: `${name} is ${given(sizes[name])}, needed an integer >= 1`,
          hint: "Check the sizes",
        });
    const { layers, batch, heads, length, headDim, dtype, device } = sizes;
    const block = (): Tensor => empty([batch, heads, length, headDim], { dtype, device });
    this.#sizes = sizes;
    this.#ids = empty([batch, length], { dtype: "int64", device });
    this.#layers = noGrad(() => Array.from({ length: layers }, () => [block(), block()] as const));
  }

  /** Positions filled. */
  get length(): number {
    return this.#length;
  }
  /** Positions that there is room for. */
  get maxLength(): number {
    return this.#sizes.length;
  }
  /** Rows. */
  get batch(): number {
    return this.#sizes.batch;
  }
  /** Bytes that it takes. */
  get nbytes(): number {
    return this.#layers.reduce((n, [k, v]) => n + k.storage.nbytes + v.storage.nbytes, 0);
  }

  /** @internal */
  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, see: (q: Tensor, k: Tensor, v: Tensor) => Tensor): Tensor {
    const [b, , t] = k.shape as [number, number, number];
    const { batch, length } = this.#sizes;
    if (b !== batch)
      throw new ShapeError({
        op: "cache",
        message: `keys ${showShape(k.shape)} for a cache of ${batch} rows`,
        hint: "Make the cache for this batch",
      });
    if (this.#length + t > length)
      throw new ShapeError({
        op: "cache",
        message: `${this.#length} + ${t} positions, there is room for ${length}`,
        hint: "Make the cache longer, or truncate it",
        data: { length: this.#length, added: t, maxLength: length },
      });
    const [keys, values] = this.#layers[layer]!.map((all, i) => {
      noGrad(() => all.narrow(2, this.#length, t).copy_(i === 0 ? k : v));
      return all.narrow(2, 0, this.#length + t);
    }) as [Tensor, Tensor];
    return see(q, keys, values);
  }
  /** @internal */
  advance(inputIds: Tensor): void {
    const t = inputIds.shape[1]!;
    this.#ids.narrow(1, this.#length, t).copy_(inputIds);
    this.#length += t;
  }
  /** @internal */
  restart(inputIds: Tensor): Tensor {
    const all = cat([this.tokens, inputIds.to("int64")], 1);
    this.#length = 0;
    return all;
  }
  /** The tokens whose positions are filled: int64 [B, length]. */
  get tokens(): Tensor {
    return this.#ids.narrow(1, 0, this.#length);
  }

  /** Forgets the positions from `length` on. @throws ValueError when there are fewer */
  truncate(length: number): void {
    if (!Number.isSafeInteger(length) || length < 0 || length > this.#length)
      throw new ValueError({
        op: "cache.truncate",
        message: `length ${given(length)} of ${this.#length} positions`,
        hint: "It lies between 0 and cache.length",
      });
    this.#length = length;
  }
  /** Begins with the first `length` positions of another cache of the same model and batch; its own are forgotten. @throws ValueError when they do not fit */
  copyFrom(other: KeyValueCache, length: number): void {
    const { layers, batch, heads, headDim, length: room } = this.#sizes;
    const o = other.#sizes;
    const alike = o.layers === layers && o.batch === batch && o.heads === heads && o.headDim === headDim;
    if (!alike || !Number.isSafeInteger(length) || length < 0 || length > Math.min(other.#length, room))
      throw new ValueError({
        op: "cache.copyFrom",
        message: `${given(length)} positions of a cache with ${other.#length}, there is room for ${room}`,
        hint: "Give a cache of the same model, and a length that both have",
      });
    this.#length = length;
    if (length === 0 || other === this) return;
    noGrad(() => {
      this.#ids.narrow(1, 0, length).copy_(other.#ids.narrow(1, 0, length));
      for (const [i, pair] of this.#layers.entries())
        for (const [j, all] of pair.entries()) all.narrow(2, 0, length).copy_(other.#layers[i]![j]!.narrow(2, 0, length));
    });
  }
  /** Row i becomes what row `rows[i]` was, as beam search wants it. @throws ValueError for rows that are not there */
  reorder(rows: readonly number[]): void {
    const { batch, device } = this.#sizes;
    if (rows.length !== batch || rows.some((r) => !Number.isSafeInteger(r) || r < 0 || r >= batch))
      throw new ValueError({ op: "cache.reorder", message: `rows ${given(rows)} of ${batch}`, hint: "Give one row of the cache for each" });
    if (this.#length === 0 || rows.every((r, i) => r === i)) return;
    const at = tensor([...rows], { dtype: "int64", device });
    noGrad(() => {
      for (const all of [...this.#layers.flat(), this.#ids]) {
        const used = all.narrow(all.ndim === 2 ? 1 : 2, 0, this.#length);
        used.copy_(used.indexSelect(0, at));
      }
    });
  }
}

/**
 * Several caches of one row each, of different lengths, as one batch: what a server that serves many conversations feeds a model with.
 * Products run over all tokens together, attention over each row alone. The tokens are [B, 1], one a row; with `counts` they are [1, Σ counts], so
 * many of each row, one row after another: prompts of different lengths without padding.
 * @example
 * const model = new GPT2LMHeadModel({ vocabSize: 10, nPositions: 8, nEmbd: 4, nLayer: 1, nHead: 2 }).eval();
 * const rows = [3, 1].map(() => model.newCache({ batch: 1, length: 8 }));
 * model.forward(tensor([[1, 2, 3, 4]]), { cache: new CacheBatch(rows, [3, 1]) }).logits.shape // => [1, 4, 10]
 * model.forward(tensor([[5], [6]]), { cache: new CacheBatch(rows) }).logits.shape // => [2, 1, 10]
 * rows.map((r) => r.length) // => [4, 2]
 */
export class CacheBatch implements Keys {
  readonly rows: readonly KeyValueCache[];
  /** New tokens of each row. */
  readonly counts: readonly number[];
  readonly #inOneRow: boolean;
  /** @throws ValueError for caches of several rows, or none; for counts that are no integers >= 1, one for each */
  constructor(rows: readonly KeyValueCache[], counts?: readonly number[]) {
    if (rows.length === 0 || rows.some((r) => r.batch !== 1))
      throw new ValueError({
        op: "CacheBatch",
        message: `caches of ${given(rows.map((r) => r.batch))} rows`,
        hint: "Give caches of one row each",
      });
    if (counts && (counts.length !== rows.length || counts.some((n) => !Number.isSafeInteger(n) || n < 1)))
      throw new ValueError({
        op: "CacheBatch",
        message: `counts ${given(counts)} for ${rows.length} caches`,
        hint: "Give the number of new tokens of each",
      });
    this.rows = rows;
    this.counts = counts ?? rows.map(() => 1);
    this.#inOneRow = counts !== undefined;
  }
  /** Positions filled in the longest. */
  get length(): number {
    return Math.max(...this.lengths);
  }
  /** Positions filled in each. */
  get lengths(): readonly number[] {
    return this.rows.map((r) => r.length);
  }
  /** The rows' parts of something whose dimension `dim` is that of tokens. @internal */
  split(x: Tensor, dim: number): readonly Tensor[] {
    return this.#inOneRow ? x.split([...this.counts], dim) : x.split(1, 0);
  }
  /** The inverse of `split`. @internal */
  join(parts: readonly Tensor[], dim: number): Tensor {
    return cat(parts, this.#inOneRow ? dim : 0);
  }
  /** @internal */
  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, see: (q: Tensor, k: Tensor, v: Tensor) => Tensor): Tensor {
    const total = this.counts.reduce((a, b) => a + b, 0);
    const [b, t] = this.#inOneRow ? [1, total] : [total, 1];
    if (q.shape[0] !== b || q.shape[2] !== t)
      throw new ShapeError({
        op: "CacheBatch",
        message: `queries ${showShape(q.shape)} for ${this.rows.length} caches, ${total} new tokens`,
        hint: `The tokens must be ${showShape([b, t])}`,
      });
    const [qs, ks, vs] = [q, k, v].map((x) => this.split(x, 2)) as [readonly Tensor[], readonly Tensor[], readonly Tensor[]];
    return this.join(
      this.rows.map((cache, i) => cache.attend(layer, qs[i]!, ks[i]!, vs[i]!, see)),
      2,
    );
  }
  /** @internal */
  advance(inputIds: Tensor): void {
    for (const [i, ids] of this.split(inputIds, 1).entries()) this.rows[i]!.advance(ids);
  }
  /** @internal */
  restart(inputIds: Tensor): Tensor {
    throw new UnsupportedError({
      op: "CacheBatch",
      message: `rows differ in length, inputs ${showShape(inputIds.shape)}`,
      hint: "Restart each row",
    });
  }
}
