// Tokens that may never come.
import type { Tensor } from "../../core/tensor.ts";
import { forbid, type LogitsProcessor, type Row } from "../processor.ts";
import { tokenIds } from "./tokens.ts";

/**
 * Forbids the tokens given.
 * @throws ArgumentError unless they are token ids
 * @example new SuppressTokensLogitsProcessor([0]).process([{ ids: [1], promptLength: 1 }], tensor([[1.5, 2]])) // => [[-Infinity, 2]]
 */
export class SuppressTokensLogitsProcessor implements LogitsProcessor {
  readonly #ids: readonly number[];
  constructor(suppressTokens: readonly number[]) {
    this.#ids = [...new Set(tokenIds("SuppressTokensLogitsProcessor", "suppressTokens", suppressTokens))];
  }
  process(_rows: readonly Row[], scores: Tensor): Tensor {
    return forbid(
      scores,
      Array.from({ length: scores.shape[0]! }, () => this.#ids),
    );
  }
}
