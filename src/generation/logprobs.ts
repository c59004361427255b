// Log-probabilities of chosen tokens under the model's own distribution: before penalties, temperature and masks.
import type { Tensor } from "../core/tensor.ts";
import { hostValues } from "../ops/host.ts";
import { idTensor } from "./processor.ts";

/** A token and its log-probability. */
export interface TokenLogprob {
  readonly id: number;
  readonly logprob: number;
}
/** What was chosen, and what was likeliest. */
export interface Explained {
  readonly logprob: number;
  /** The likeliest first; null unless asked for. */
  readonly topLogprobs: readonly TokenLogprob[] | null;
}

/** For logits [B, vocabSize] and the id chosen in each row. */
export function explain(logits: Tensor, chosen: readonly number[], top: number): Explained[] {
  const logP = logits.logSoftmax(-1);
  const own = hostValues(logP.gather(1, idTensor(chosen, logits.device).unsqueeze(1)));
  const k = Math.min(top, logits.shape[1]!);
  if (k === 0) return chosen.map((_, r) => ({ logprob: own[r]!, topLogprobs: null }));
  const { values, indices } = logP.topk(k);
  const [v, i] = [hostValues(values), hostValues(indices)];
  return chosen.map((_, r) => ({
    logprob: own[r]!,
    topLogprobs: Array.from({ length: k }, (_x, j) => ({ id: i[r * k + j]!, logprob: v[r * k + j]! })),
  }));
}
