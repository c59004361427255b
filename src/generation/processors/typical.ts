// Locally typical sampling. Meister et al. 2022.
import type { Tensor } from "../../core/tensor.ts";
import type { LogitsProcessor, Row } from "../processor.ts";
import { inRange } from "./range.ts";

/**
 * Keeps the tokens whose information -log p is nearest to the entropy of the row, until their probabilities sum to `typicalP`.
 * @param options.minTokensToKeep keep at least so many (default 1)
 * @throws ValueError unless 0 < typicalP < 1
 * @example new TypicalLogitsWarper(0.4).process([], tensor([[0.7, 0.2, 0.1]]).log()).exp() // => [[0.7, 0, 0]]
 */
export class TypicalLogitsWarper implements LogitsProcessor {
  readonly typicalP: number;
  readonly minTokensToKeep: number;
  constructor(typicalP: number, options: { minTokensToKeep?: number } = {}) {
    inRange("TypicalLogitsWarper", "typicalP", typicalP, "in (0, 1)", typicalP > 0 && typicalP < 1);
    this.typicalP = typicalP;
    this.minTokensToKeep = options.minTokensToKeep ?? 1;
  }
  process(_rows: readonly Row[], scores: Tensor): Tensor {
    const n = scores.shape.at(-1)!;
    const logP = scores.logSoftmax(-1);
    // 0 · -Infinity counts as nothing.
    const entropy = logP.mul(logP.exp()).nanToNum(0).sum(-1, { keepdim: true }).neg();
    const { values, indices } = logP.neg().sub(entropy).abs().sort(-1);
    const mass = scores.gather(-1, indices).softmax(-1).cumsum(-1);
    const last = mass
      .lt(this.typicalP)
      .sum(-1, { keepdim: true })
      .clamp(0, n - 1);
    const drop = values.gt(values.gather(-1, last));
    drop.narrow(-1, 0, Math.min(n, this.minTokensToKeep)).fill_(0);
    return scores.maskedFill(drop.scatter(-1, indices, drop), Number.NEGATIVE_INFINITY);
  }
}
