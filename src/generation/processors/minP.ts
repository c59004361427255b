// Min-p sampling. Nguyen et al. 2024.
import type { Tensor } from "../../core/tensor.ts";
import type { LogitsProcessor, Row } from "../processor.ts";
import { inRange } from "./range.ts";

/**
 * Keeps the tokens at least `minP` times as likely as the likeliest one of the row.
 * @param options.minTokensToKeep keep at least so many (default 1)
 * @throws ValueError unless 0 <= minP <= 1
 * @example new MinPLogitsWarper(0.5).process([], tensor([[0.5, 0.3, 0.2]]).log()).exp() // => [[0.5, 0.3, 0]]
 */
export class MinPLogitsWarper implements LogitsProcessor {
  readonly minP: number;
  readonly minTokensToKeep: number;
  constructor(minP: number, options: { minTokensToKeep?: number } = {}) {
    inRange("MinPLogitsWarper", "minP", minP, "in [0, 1]", minP >= 0 && minP <= 1);
    this.minP = minP;
    this.minTokensToKeep = options.minTokensToKeep ?? 1;
  }
  process(_rows: readonly Row[], scores: Tensor): Tensor {
    const p = scores.softmax(-1);
    const drop = p.lt(p.amax(-1, { keepdim: true }).mul(this.minP));
    const { indices } = p.topk(Math.min(this.minTokensToKeep, p.shape.at(-1)!));
    return scores.maskedFill(drop.scatter(-1, indices, false), Number.NEGATIVE_INFINITY);
  }
}
