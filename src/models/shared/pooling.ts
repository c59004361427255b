// From the states of a text's tokens to one vector for the text. Reimers & Gurevych 2019, Sentence-BERT.
import { ShapeError, showShape, UnsupportedError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { arange, ones } from "../../ops/create.ts";

/** How states become one vector: the first token's, the mean, the largest of each feature, the sum over √length, the last token's. */
export type PoolingMode = "cls" | "mean" | "max" | "mean_sqrt_len_tokens" | "lasttoken";
/** All of them. */
export const POOLING_MODES: readonly PoolingMode[] = ["cls", "mean", "max", "mean_sqrt_len_tokens", "lasttoken"];

/**
 * Pools states [B, T, C] to [B, C]; `attentionMask` [B, T] is 0 where padding is, which does not count.
 * @throws ShapeError when they do not agree, UnsupportedError for a mode that is not known
 * @example pool(tensor([[[1, 5], [3, 4], [9, 9]]]), tensor([[1, 1, 0]]), "mean") // => [[2, 4.5]]
 */
export function pool(states: Tensor, attentionMask: Tensor | null, mode: PoolingMode): Tensor {
  const [b, t] = states.shape as [number, number];
  const mask = attentionMask ?? ones(b, t, { dtype: "int64", device: states.device });
  if (states.ndim !== 3 || mask.ndim !== 2 || mask.shape[0] !== b || mask.shape[1] !== t)
    throw new ShapeError({
      op: "pool",
      message: `states ${showShape(states.shape)}, attentionMask ${showShape(mask.shape)}`,
      hint: "[batch, tokens, features] and [batch, tokens]",
    });
  const seen = mask.ne(0).unsqueeze(-1); // [B, T, 1]
  const sum = (): Tensor => states.mul(seen.to(states.dtype)).sum(1); // [B, C]
  const count = (): Tensor => seen.to(states.dtype).sum(1).clamp(1e-9); // [B, 1]
  switch (mode) {
    case "cls":
      return states.select(1, 0);
    case "mean":
      return sum().div(count());
    case "mean_sqrt_len_tokens":
      return sum().div(count().sqrt());
    case "max":
      return states.maskedFill(seen.logicalNot(), Number.NEGATIVE_INFINITY).amax(1);
    case "lasttoken": {
      const last = mask
        .ne(0)
        .to("int64")
        .mul(arange(t, { device: states.device }))
        .amax(1); // [B]: the place of the last token
      return states.gather(1, last.reshape([b, 1, 1]).expand([b, 1, states.shape[2]!])).squeeze(1);
    }
    default:
      throw new UnsupportedError({ op: "pool", message: `no pooling ${JSON.stringify(mode)}`, hint: `Known: ${POOLING_MODES.join(", ")}` });
  }
}
