// `pipeline("feature-extraction")`: the hidden states of texts.
import { ArgumentError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { BaseOutput, PreTrainedModel } from "../models/index.ts";
import { encoded, inBatches, optionsOf, type Parts, type PerText, perText, textsOf } from "./parts.ts";

/** Options of a call. */
export interface FeatureExtractionOptions<R extends boolean = false> {
  /** Give tensors [1, T, C] instead of arrays? Default false. */
  readonly returnTensors?: R;
  /** Texts at once. Default 8. */
  readonly batchSize?: number;
}
/** A text → its tokens' features, [1, T, C]; several texts → an array of them, each as long as its text. */
export type FeatureExtraction = <I extends string | readonly string[], R extends boolean = false>(
  input: I,
  options?: FeatureExtractionOptions<R>,
) => Promise<PerText<I, R extends true ? Tensor : number[][][]>>;

/** Makes the pipeline. */
export function featureExtraction(parts: Parts): FeatureExtraction {
  const op = "feature-extraction";
  const model = parts.model as PreTrainedModel & { forward(inputIds: Tensor, options: object): BaseOutput };
  if ("decoder" in model)
    throw new ArgumentError({
      op,
      message: `${model.constructor.name} has features of two texts`,
      hint: "Give an encoder: T5EncoderModel",
    });
  return (async (input: string | readonly string[], options: FeatureExtractionOptions<boolean> = {}) => {
    const o = optionsOf(op, ["returnTensors?: flag"], options);
    const all = inBatches(textsOf(op, input), o.batchSize, (part) => {
      const { inputIds, attentionMask, tokenTypeIds } = encoded(parts, part);
      const { lastHiddenState } = model.forward(inputIds, { attentionMask, ...(tokenTypeIds ? { tokenTypeIds } : {}) });
      const lengths = attentionMask.sum(1).toArraySync() as number[];
      const left = parts.tokenizer.paddingSide === "left";
      return lengths.map((n, i) => {
        const states = lastHiddenState.narrow(0, i, 1).narrow(1, left ? inputIds.shape[1]! - n : 0, n);
        return o.returnTensors ? states.clone() : (states.to("float32").toArraySync() as number[][][]);
      });
    });
    return perText(input, all);
  }) as FeatureExtraction;
}
