// Nucleus sampling. Holtzman et al. 2020.
import type { Tensor } from "../../core/tensor.ts";
import type { LogitsProcessor, Row } from "../processor.ts";
import { inRange } from "./range.ts";

/**
 * Keeps the likeliest tokens of each row whose probabilities sum to `topP`, the one that reaches it included.
 * @param options.minTokensToKeep keep at least so many (default 1)
 * @throws ValueError unless 0 < topP <= 1
 * @example new TopPLogitsWarper(0.6).process([], tensor([[0.5, 0.3, 0.2]]).log()).exp() // => [[0.5, 0.3, 0]]
 */
export class TopPLogitsWarper implements LogitsProcessor {
  readonly topP: number;
  readonly minTokensToKeep: number;
  constructor(topP: number, options: { minTokensToKeep?: number } = {}) {
    inRange("TopPLogitsWarper", "topP", topP, "in (0, 1]", topP > 0 && topP <= 1);
    this.topP = topP;
    this.minTokensToKeep = options.minTokensToKeep ?? 1;
  }
  process(_rows: readonly Row[], scores: Tensor): Tensor {
    const n = scores.shape.at(-1)!;
    // From the least on: what sums to no more than 1 - topP goes.
    const { values, indices } = scores.sort(-1);
    const drop = values
      .softmax(-1)
      .cumsum(-1)
      .le(1 - this.topP);
    drop.narrow(-1, Math.max(0, n - this.minTokensToKeep), Math.min(n, this.minTokensToKeep)).fill_(0);
    return scores.maskedFill(drop.scatter(-1, indices, drop), Number.NEGATIVE_INFINITY);
  }
}
