// What changes the scores of the next token before one is chosen, and the few ways of changing them that all share.
import { tensor } from "../ops/create.ts";
import type { Tensor } from "../core/tensor.ts";

/** One sequence as a processor sees it: padding on the left is not part of it. */
export interface Row {
  /** Token ids of the prompt and of what has been generated. */
  readonly ids: readonly number[];
  /** How many of them are the prompt's. */
  readonly promptLength: number;
}

/**
 * Changes the scores of the next token: give your own as `logitsProcessor` of `generate` and `stream`.
 * `scores` [rows, vocabSize] float32 must be left as they are; the result may be -Infinity where a token is forbidden.
 * It must depend on nothing but its arguments: with a draft model a row may go back by some tokens.
 */
export interface LogitsProcessor {
  process(rows: readonly Row[], scores: Tensor): Tensor;
}

/** int64 [n] of token ids. */
export const idTensor = (ids: ArrayLike<number>, device?: string): Tensor => {
  const out = new BigInt64Array(ids.length);
  for (let i = 0; i < out.length; i++) out[i] = BigInt(ids[i]!);
  return tensor(out, device === undefined ? {} : { device });
};

/** Positions in the flattened scores of the ids of each row; ids that the scores do not have are left out. */
export function places(rows: readonly Iterable<number>[], vocabSize: number): number[] {
  const out: number[] = [];
  rows.forEach((ids, r) => {
    for (const id of ids) if (id >= 0 && id < vocabSize) out.push(r * vocabSize + id);
  });
  return out;
}

/** The scores with those at `at` (of the flattened scores, each once) replaced by what `change` makes of them. */
export function changed(scores: Tensor, at: readonly number[], change: (old: Tensor) => Tensor | number): Tensor {
  if (at.length === 0) return scores;
  const flat = scores.reshape([-1]);
  const index = idTensor(at, scores.device);
  const value = change(flat.gather(0, index));
  return flat.scatter(0, index, value).view(scores.shape);
}

/** The scores with -Infinity at the ids that each row may not take. */
export const forbid = (scores: Tensor, rows: readonly Iterable<number>[]): Tensor =>
  changed(scores, places(rows, scores.shape.at(-1)!), () => Number.NEGATIVE_INFINITY);
