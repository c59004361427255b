// What generation needs to know of a model and of its cache; the architectures of firebrand/models offer it.
import type { Tensor } from "../core/tensor.ts";
import type { GenerateOptions } from "./options.ts";

/** Keys and values of the positions seen so far, in memory that is taken once for `maxLength` positions. */
export interface Cache {
  /** Positions filled. */
  readonly length: number;
  /** Positions that fit. */
  readonly maxLength: number;
  /** Forgets the positions from `length` on: what speculative decoding guessed wrong, what the next turn does not share. */
  truncate(length: number): void;
  /** For beam search: row i becomes what row `rows[i]` was. */
  reorder(rows: readonly number[]): void;
}

/** What a forward pass of a causal language model may be told. */
export interface ForwardOptions {
  /** int64 [B, S], S = cache.length + T: 0 where padding stands on the left, else 1. */
  attentionMask?: Tensor | null;
  /** What `newCache` made: read before, and extended by, the T new positions. */
  cache?: object | null;
  /** Compute the logits of so many last positions only; all T where absent. */
  logitsToKeep?: number;
}

/** What every causal language model offers to generation. */
export interface CausalLM {
  readonly config: {
    readonly vocabSize: number;
    readonly maxPositionEmbeddings?: number | undefined;
    /** GPT-2's name for it. */
    readonly nPositions?: number | undefined;
    readonly eosTokenId?: number | readonly number[] | null | undefined;
    readonly padTokenId?: number | readonly number[] | null | undefined;
  };
  /** What `generation_config.json` beside the weights says: defaults that the options of a call override. */
  readonly generationConfig?: GenerateOptions | undefined;
  /** inputIds int64 [B, T] → logits [B, T or logitsToKeep, vocabSize]. */
  forward(inputIds: Tensor, options?: ForwardOptions): { readonly logits: Tensor };
  /** An empty cache for `batch` rows of up to `length` positions. */
  newCache(options: { batch: number; length: number }): Cache;
}
