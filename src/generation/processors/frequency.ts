// The penalties of OpenAI's API: score - count · frequencyPenalty - (count > 0) · presencePenalty, over the generated tokens.
import type { Tensor } from "../../core/tensor.ts";
import { tensor } from "../../ops/create.ts";
import { changed, type LogitsProcessor, places, type Row } from "../processor.ts";
import { inRange } from "./range.ts";

/**
 * Lowers the score of a token by `frequencyPenalty` for each time that it was generated, and by `presencePenalty` once if it was at all.
 * The prompt does not count.
 * @throws ValueError for NaN and infinities
 * @example new FrequencyPenaltyLogitsProcessor(0.5, 1).process([{ ids: [2, 0, 0], promptLength: 1 }], tensor([[3.5, 1, 1]])) // => [[1.5, 1, 1]]
 */
export class FrequencyPenaltyLogitsProcessor implements LogitsProcessor {
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  constructor(frequencyPenalty: number, presencePenalty = 0) {
    const op = "FrequencyPenaltyLogitsProcessor";
    inRange(op, "frequencyPenalty", frequencyPenalty, "that is finite", Number.isFinite(frequencyPenalty));
    inRange(op, "presencePenalty", presencePenalty, "that is finite", Number.isFinite(presencePenalty));
    this.frequencyPenalty = frequencyPenalty;
    this.presencePenalty = presencePenalty;
  }
  process(rows: readonly Row[], scores: Tensor): Tensor {
    const vocabSize = scores.shape.at(-1)!;
    const counts = rows.map(({ ids, promptLength }) => {
      const count = new Map<number, number>();
      for (let i = promptLength; i < ids.length; i++)
        if (ids[i]! >= 0 && ids[i]! < vocabSize) count.set(ids[i]!, (count.get(ids[i]!) ?? 0) + 1);
      return count;
    });
    const at = places(
      counts.map((c) => c.keys()),
      vocabSize,
    );
    const less = counts.flatMap((c) => Array.from(c.values(), (n) => n * this.frequencyPenalty + this.presencePenalty));
    return changed(scores, at, (s) => s.sub(tensor(Float32Array.from(less), { device: s.device })));
  }
}
