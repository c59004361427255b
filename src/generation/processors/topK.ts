// Top-k sampling. Fan, Lewis and Dauphin 2018.
import type { Tensor } from "../../core/tensor.ts";
import type { LogitsProcessor, Row } from "../processor.ts";
import { inRange } from "./range.ts";

/**
 * Keeps the `topK` greatest scores of each row, and those equal to the least of them.
 * @param options.minTokensToKeep keep at least so many (default 1)
 * @throws ValueError unless `topK` is a positive integer
 * @example new TopKLogitsWarper(2).process([], tensor([[1, 3.5, 2]])) // => [[-Infinity, 3.5, 2]]
 */
export class TopKLogitsWarper implements LogitsProcessor {
  readonly topK: number;
  constructor(topK: number, options: { minTokensToKeep?: number } = {}) {
    inRange("TopKLogitsWarper", "topK", topK, ">= 1 and whole", Number.isInteger(topK) && topK >= 1);
    this.topK = Math.max(topK, options.minTokensToKeep ?? 1);
  }
  process(_rows: readonly Row[], scores: Tensor): Tensor {
    const k = Math.min(this.topK, scores.shape.at(-1)!);
    const least = scores.topk(k).values.narrow(-1, k - 1, 1);
    return scores.maskedFill(scores.lt(least), Number.NEGATIVE_INFINITY);
  }
}
