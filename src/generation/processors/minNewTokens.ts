// Not too short: the end may not come before so many tokens.
import type { Tensor } from "../../core/tensor.ts";
import { forbid, type LogitsProcessor, type Row } from "../processor.ts";
import { inRange } from "./range.ts";
import { tokenIds } from "./tokens.ts";

/**
 * Forbids the end-of-sequence tokens in rows with fewer than `minNewTokens` generated tokens.
 * @throws ValueError unless `minNewTokens` is an integer >= 0, ArgumentError for wrong ids
 * @example new MinNewTokensLengthLogitsProcessor(1, 0).process([{ ids: [1], promptLength: 1 }], tensor([[1.5, 2]])) // => [[-Infinity, 2]]
 */
export class MinNewTokensLengthLogitsProcessor implements LogitsProcessor {
  readonly minNewTokens: number;
  readonly #eos: readonly number[];
  constructor(minNewTokens: number, eosTokenId: number | readonly number[]) {
    const op = "MinNewTokensLengthLogitsProcessor";
    inRange(op, "minNewTokens", minNewTokens, ">= 0 and whole", Number.isInteger(minNewTokens) && minNewTokens >= 0);
    this.minNewTokens = minNewTokens;
    this.#eos = tokenIds(op, "eosTokenId", eosTokenId);
  }
  process(rows: readonly Row[], scores: Tensor): Tensor {
    return forbid(
      scores,
      rows.map((r) => (r.ids.length - r.promptLength < this.minNewTokens ? this.#eos : [])),
    );
  }
}
