// Gradient accumulation: one step's batch in parts that fit into memory.
import { given, need } from "../core/arguments.ts";
import { ArgumentError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";

/** A part of a batch: tokens, labels, and whatever else the model's `forward` takes. */
export interface MicroBatch {
  /** int64 [B, T]. */
  readonly inputIds: Tensor;
  /** int64 [B, T]; -100 is left out (default: the tokens). */
  readonly labels?: Tensor;
  readonly segmentIds?: Tensor;
  readonly attentionMask?: Tensor;
}
/** What gives the mean loss of a batch. */
export interface LossModel {
  forward(
    inputIds: Tensor,
    options: { readonly labels: Tensor; readonly segmentIds?: Tensor; readonly attentionMask?: Tensor },
  ): { readonly loss: Tensor | null };
}

/**
 * Adds the gradients of the mean loss over all tokens of all parts, which are those of one large batch: parts with fewer labels count for less. Returns that
 * loss. Call `optimizer.zeroGrad()` before and `optimizer.step()` after.
 * @throws ArgumentError when there are no parts, or none has a label
 * @example
 * const w = zeros(1, 1, 8, { requiresGrad: true });
 * const model = { forward: (ids, { labels }) => ({ loss: nextTokenLoss(w.expand(1, ids.shape[1], 8), labels) }) };
 * accumulateGradients(model, [{ inputIds: tensor([[1, 2, 3]]) }, { inputIds: tensor([[1, 2]]) }]) // => 2.0794
 */
export function accumulateGradients(model: LossModel, parts: readonly MicroBatch[]): number {
  const op = "accumulateGradients";
  need(op, "parts: objects", parts);
  // The first position has no prediction.
  const counts = parts.map(
    ({ inputIds, labels = inputIds }) =>
      labels
        .narrow(1, 1, labels.shape[1]! - 1)
        .ne(-100)
        .sum()
        .itemSync() as number,
  );
  const total = counts.reduce((a, b) => a + b, 0);
  if (total === 0)
    throw new ArgumentError({
      op,
      message: `${parts.length} parts with ${given(counts)} labels`,
      hint: "One label at least must not be -100",
    });
  let mean = 0;
  parts.forEach(({ inputIds, labels = inputIds, ...rest }, i) => {
    if (counts[i] === 0) return;
    const loss = model.forward(inputIds, { labels, ...rest }).loss!.mul(counts[i]! / total);
    loss.backward();
    mean += loss.itemSync() as number;
  });
  return mean;
}
