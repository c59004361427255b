// No n-gram twice. Paulus, Xiong and Socher 2017, section 2.5.
import type { Tensor } from "../../core/tensor.ts";
import { forbid, type LogitsProcessor, type Row } from "../processor.ts";
import { inRange } from "./range.ts";

/**
 * Forbids what would complete a run of `ngramSize` tokens that the row, prompt included, already has.
 * @throws ValueError unless `ngramSize` is a positive integer
 * @example new NoRepeatNGramLogitsProcessor(2).process([{ ids: [0, 1, 0], promptLength: 1 }], tensor([[1.5, 2, 3]])) // => [[1.5, -Infinity, 3]]
 */
export class NoRepeatNGramLogitsProcessor implements LogitsProcessor {
  readonly ngramSize: number;
  constructor(ngramSize: number) {
    inRange("NoRepeatNGramLogitsProcessor", "ngramSize", ngramSize, ">= 1 and whole", Number.isInteger(ngramSize) && ngramSize >= 1);
    this.ngramSize = ngramSize;
  }
  process(rows: readonly Row[], scores: Tensor): Tensor {
    const banned = rows.map(({ ids }) => {
      const out = new Set<number>();
      const before = this.ngramSize - 1;
      const start = ids.length - before;
      for (let i = 0; i < start; i++) {
        let k = 0;
        while (k < before && ids[i + k] === ids[start + k]) k++;
        if (k === before) out.add(ids[i + k]!);
      }
      return out;
    });
    return forbid(scores, banned);
  }
}
