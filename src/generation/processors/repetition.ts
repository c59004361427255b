// Repetition penalty. Keskar et al. 2019 (CTRL), section 4.1.
import type { Tensor } from "../../core/tensor.ts";
import { changed, type LogitsProcessor, places, type Row } from "../processor.ts";
import { inRange } from "./range.ts";

/**
 * Makes every token of the row, prompt included, less likely by `penalty`: positive scores are divided by it, negative ones multiplied.
 * @throws ValueError unless `penalty` > 0
 * @example new RepetitionPenaltyLogitsProcessor(2).process([{ ids: [0, 1], promptLength: 1 }], tensor([[4, -1, 3.5]])) // => [[2, -2, 3.5]]
 */
export class RepetitionPenaltyLogitsProcessor implements LogitsProcessor {
  readonly penalty: number;
  constructor(penalty: number) {
    inRange("RepetitionPenaltyLogitsProcessor", "penalty", penalty, "> 0", penalty > 0);
    this.penalty = penalty;
  }
  process(rows: readonly Row[], scores: Tensor): Tensor {
    const seen = rows.map((r) => new Set(r.ids));
    return changed(scores, places(seen, scores.shape.at(-1)!), (s) => s.mul(this.penalty).where(s.lt(0), s.div(this.penalty)));
  }
}
