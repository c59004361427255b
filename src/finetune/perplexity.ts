// How well a model foretells a text.
import { checkOptions, given, need } from "../core/arguments.ts";
import { ArgumentError, ValueError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { Module } from "../nn/module.ts";
import { tensor } from "../ops/create.ts";
import { crossEntropy } from "../ops/loss.ts";

/** What gives logits [B, T, V] for tokens [B, T]: a causal model, with or without adapters. */
export interface LogitsModel {
  forward(inputIds: Tensor, options?: { readonly logitsToKeep?: number }): { readonly logits: Tensor };
}
/** Options of `perplexity`. */
export interface PerplexityOptions {
  /** Tokens that the model sees at once. */
  readonly maxLength: number;
  /** Tokens from one window to the next (default: half of maxLength). Each token is judged once, with at least maxLength - stride before it. */
  readonly stride?: number;
  /** Cancels it. */
  readonly signal?: AbortSignal;
  /** Tokens judged so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}
/** How surprising a text is. */
export interface Perplexity {
  /** e to the loss: among how many equally likely tokens the model hesitates. */
  readonly perplexity: number;
  /** Mean negative log-likelihood of a token. */
  readonly loss: number;
  /** Tokens judged: all but the first. */
  readonly tokens: number;
}

/**
 * The perplexity of a text under a model, by windows that slide over it, in evaluation mode.
 * @throws ArgumentError for fewer than two tokens, ValueError for a stride that skips tokens
 * @example
 * const uniform = { forward: (ids) => ({ logits: zeros(1, ids.shape[1], 50) }) };
 * perplexity(uniform, [1, 2, 3, 4, 5], { maxLength: 3 }).perplexity // => 50
 */
export function perplexity(model: LogitsModel, tokens: readonly number[] | Tensor, options: PerplexityOptions): Perplexity {
  const op = "perplexity";
  need(op, "model: object", model);
  const o = checkOptions(op, ["maxLength: positive", "stride?: positive", "signal?: object", "onProgress?: function"], options);
  need(op, "maxLength: positive", o.maxLength);
  const { maxLength, stride = Math.max(1, Math.floor(maxLength / 2)) } = o;
  const ids = isTensor(tokens) ? tokens.reshape([-1]) : tensor([...tokens]);
  const n = ids.layout.numel;
  if (n < 2 || ids.dtype !== "int64")
    throw new ArgumentError({ op, message: `the tokens are ${given(ids)}`, hint: "Give two int64 tokens at least" });
  if (maxLength < 2 || stride >= maxLength)
    throw new ValueError({
      op,
      message: `maxLength ${maxLength} with stride ${stride}`,
      hint: "The stride is less than maxLength, so that each token has some before it",
    });
  const { sum, judged } = judge(model, ids, { ...o, maxLength, stride });
  const loss = sum / judged;
  return { perplexity: Math.exp(loss), loss, tokens: judged };
}

/**
 * Σ -log p of tokens [n] over windows that slide, in evaluation mode. Each token is judged once, in the first window that has tokens before it: where the
 * stride is a whole window, the first of each is not.
 */
export function judge(
  model: LogitsModel,
  ids: Tensor,
  o: PerplexityOptions & { readonly stride: number },
): { sum: number; judged: number; read: number } {
  const n = ids.layout.numel;
  const modes = model instanceof Module ? [...model.modules()].map((m) => [m, m.training] as const) : [];
  if (model instanceof Module) model.eval();
  // Tokens up to `told` are accounted for; nothing tells the first.
  let [sum, judged, read, told] = [0, 0, 0, 1];
  try {
    for (let begin = 0; told < n; begin += o.stride) {
      o.signal?.throwIfAborted();
      const end = Math.min(begin + o.maxLength, n);
      const fresh = end - Math.max(told, begin + 1); // tokens of this window that none before has judged
      told = end;
      if (fresh === 0) continue;
      const nll = noGrad(() => {
        const { logits } = model.forward(ids.narrow(0, begin, end - begin).unsqueeze(0), { logitsToKeep: fresh + 1 });
        const last = logits.narrow(1, logits.shape[1]! - fresh - 1, fresh).reshape([fresh, -1]);
        return crossEntropy(last.to("float32"), ids.narrow(0, end - fresh, fresh), { reduction: "sum" });
      });
      sum += nll.itemSync() as number;
      judged += fresh;
      read += end - begin;
      o.onProgress?.(told - 1, n - 1);
    }
  } finally {
    for (const [m, training] of modes) m.training = training;
  }
  return { sum, judged, read };
}
