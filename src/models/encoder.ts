// What encoders have in common: every token sees every other, and the hidden states are what is wanted.
import { checkOptions } from "../core/arguments.ts";
import { ShapeError, showShape, ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { StoredTensor } from "../io/stored.ts";
import type { Module } from "../nn/module.ts";
import type { BaseOutput } from "./causal.ts";
import type { CommonConfig } from "./config.ts";
import { PreTrainedModel } from "./pretrained.ts";
import { checkIds } from "./shared/ids.ts";

/** Options of an encoder's `forward`. */
export interface EncoderOptions {
  /** int64 [B, T]: 1 where a token is, 0 where padding is. */
  readonly attentionMask?: Tensor | null;
  /** int64 [B, T]: 0 for the first text, 1 for the second. */
  readonly tokenTypeIds?: Tensor | null;
  /** int64 [B, T] (default: counted as the architecture does). */
  readonly positionIds?: Tensor | null;
  /** Return the hidden states before each layer and after the last? */
  readonly outputHiddenStates?: boolean;
}
/** What an encoder gives. */
export interface EncoderOutput extends BaseOutput {
  /** [B, C]: what the pooler makes of the first token; null where there is none. */
  readonly poolerOutput: Tensor | null;
}
/** For checks. @internal */
export const ENCODER_OPTIONS: readonly string[] = [
  "attentionMask?: tensor",
  "tokenTypeIds?: tensor",
  "positionIds?: tensor",
  "outputHiddenStates?: flag",
];

/** Checks what `forward` is given; `longest`: tokens that there are positions for. @throws ShapeError, DTypeError, ValueError */
export function checkEncoderInputs(op: string, inputIds: Tensor, options: EncoderOptions | undefined, longest: number): EncoderOptions {
  checkIds(op, "inputIds", inputIds);
  const o = checkOptions<EncoderOptions>(op, ENCODER_OPTIONS, options);
  const count = inputIds.shape[1]!;
  if (count > longest && !o.positionIds)
    throw new ValueError({
      op,
      message: `${count} tokens, the model has positions for ${longest}`,
      hint: "Truncate the texts: { truncation: true, maxLength }",
    });
  for (const name of ["tokenTypeIds", "positionIds"] as const) {
    const x = o[name];
    if (x && showShape(x.shape) !== showShape(inputIds.shape))
      throw new ShapeError({
        op,
        message: `${name} ${showShape(x.shape)} for inputs ${showShape(inputIds.shape)}`,
        hint: "They must agree",
      });
  }
  return o;
}

/**
 * A model around an encoder, with whatever head.
 * @example
 * new BertModel({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 }) instanceof EncoderModel // => true
 */
export abstract class EncoderModel<C extends CommonConfig = CommonConfig> extends PreTrainedModel<C> {
  // Positions were once kept in files; they are 0, 1, 2, …
  static override readonly ignoredKeys: RegExp | null = /(^|\.)position_ids$/;
  /** Files of the first BERTs call a norm's weight gamma and its bias beta, as TensorFlow does. */
  static override adapt(tensors: ReadonlyMap<string, StoredTensor>, _config: CommonConfig): ReadonlyMap<string, StoredTensor> {
    return new Map([...tensors].map(([key, t]) => [key.replace(/\.gamma$/, ".weight").replace(/\.beta$/, ".bias"), t]));
  }
  /** Draws the weights of a head alone: the model below it has drawn its own. */
  protected initHead(...modules: readonly Module[]): void {
    this.initWeights(new Set(modules.flatMap((m) => [...m.parameters()])));
  }
}
