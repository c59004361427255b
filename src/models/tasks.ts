// Heads of encoders by task: what goes in, which loss is computed, what comes out. An architecture says how hidden states become logits.
import { checkOptions } from "../core/arguments.ts";
import { ShapeError, showShape } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { binaryCrossEntropyWithLogits, crossEntropy, mseLoss } from "../ops/loss.ts";
import type { CommonConfig } from "./config.ts";
import { ENCODER_OPTIONS, EncoderModel, type EncoderOptions, type EncoderOutput } from "./encoder.ts";
import type { LabelConfig } from "./shared/labels.ts";

/** Options of a model with a head. */
export interface TaskOptions extends EncoderOptions {
  /** What the logits are compared with; -100 is left out where labels are classes of tokens. */
  readonly labels?: Tensor | null;
}
/** What a model with a head gives. */
export interface TaskOutput {
  /** Masked tokens [B, T, vocabSize], sequences [B, numLabels], tokens [B, T, numLabels]. */
  readonly logits: Tensor;
  /** Of the task, with `labels`. */
  readonly loss: Tensor | null;
  /** layers + 1 of [B, T, C], with `outputHiddenStates`. */
  readonly hiddenStates: readonly Tensor[] | null;
}

/** An encoder, in the field that `baseModelPrefix` names, and a head upon it. */
abstract class HeadedEncoder<C extends CommonConfig> extends EncoderModel<C> {
  /** The model without its head. */
  base(inputIds: Tensor, options: EncoderOptions): EncoderOutput {
    const { baseModelPrefix } = this.constructor as typeof EncoderModel;
    return (this as unknown as Record<string, { forward(ids: Tensor, o: EncoderOptions): EncoderOutput }>)[baseModelPrefix]!.forward(
      inputIds,
      options,
    );
  }
  /** What the encoder gives → logits. */
  abstract head(encoded: EncoderOutput): Tensor;
}
/** A model with a head that gives logits. */
abstract class TaskModel<C extends CommonConfig> extends HeadedEncoder<C> {
  /** Logits against labels. */
  protected abstract lossOf(logits: Tensor, labels: Tensor): Tensor;
  /**
   * Logits of the task, and its loss with `labels`: int64 [B, T] in.
   * @throws ShapeError, DTypeError, ValueError for inputs that do not fit; IndexError for a token outside the vocabulary
   */
  forward(inputIds: Tensor, options?: TaskOptions): TaskOutput {
    const op = `${this.constructor.name}.forward`;
    const { labels, ...o } = checkOptions<TaskOptions>(op, [...ENCODER_OPTIONS, "labels?: tensor"], options);
    const encoded = this.base(inputIds, o);
    const logits = this.head(encoded);
    return { logits, loss: labels ? this.lossOf(logits, labels) : null, hiddenStates: encoded.hiddenStates };
  }
  /** Mean cross-entropy of the last dimension against classes of all others. */
  protected classLoss(logits: Tensor, labels: Tensor): Tensor {
    const lead = logits.shape.slice(0, -1);
    if (labels.layout.numel !== logits.layout.numel / logits.shape.at(-1)!)
      throw new ShapeError({
        op: `${this.constructor.name}.forward`,
        message: `labels ${showShape(labels.shape)} for logits ${showShape(logits.shape)}`,
        hint: `They must be ${showShape(lead)}`,
      });
    return crossEntropy(logits.reshape([-1, logits.shape.at(-1)!]).to("float32"), labels.reshape([-1]));
  }
}

/**
 * Predicts the tokens that are masked: logits [B, T, vocabSize].
 * @example
 * new BertForMaskedLM({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 }) instanceof MaskedLanguageModel // => true
 */
export abstract class MaskedLanguageModel<
  C extends CommonConfig & { readonly vocabSize: number } = CommonConfig & { readonly vocabSize: number },
> extends TaskModel<C> {
  protected override lossOf(logits: Tensor, labels: Tensor): Tensor {
    return this.classLoss(logits, labels);
  }
}

/**
 * Predicts a class of each token: logits [B, T, numLabels].
 * @example
 * new BertForTokenClassification({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 }) instanceof TokenClassifier // => true
 */
export abstract class TokenClassifier<C extends LabelConfig = LabelConfig> extends TaskModel<C> {
  protected override lossOf(logits: Tensor, labels: Tensor): Tensor {
    return this.classLoss(logits, labels);
  }
}

/**
 * Predicts classes of whole texts, or numbers: logits [B, numLabels]. The loss is the configuration's `problemType`; without one, one label is a
 * regression, integer labels [B] are classes, and floating ones [B, numLabels] say of each class whether it holds.
 * @example
 * const model = new BertForSequenceClassification({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2, numLabels: 1 });
 * model.forward(tensor([[1, 2]]), { labels: tensor([0.5]) }).loss.shape // => []
 */
export abstract class SequenceClassifier<C extends LabelConfig = LabelConfig> extends TaskModel<C> {
  protected override lossOf(logits: Tensor, labels: Tensor): Tensor {
    const whole = labels.dtype === "int64" || labels.dtype === "int32";
    const { numLabels, problemType } = this.config;
    const problem = problemType ?? (numLabels === 1 ? "regression" : whole ? "single_label_classification" : "multi_label_classification");
    if (problem === "single_label_classification") return this.classLoss(logits, labels);
    const wide = logits.to("float32");
    const [x, y] = numLabels === 1 ? [wide.reshape([-1]), labels.reshape([-1])] : [wide, labels];
    if (showShape(x.shape) !== showShape(y.shape))
      throw new ShapeError({
        op: `${this.constructor.name}.forward`,
        message: `labels ${showShape(labels.shape)} for logits ${showShape(logits.shape)} and ${problem}`,
        hint: "They must have the same shape",
      });
    return (problem === "regression" ? mseLoss : binaryCrossEntropyWithLogits)(x, y.to("float32"));
  }
}

/** Options of a model that finds answers. */
export interface AnswerOptions extends EncoderOptions {
  /** int64 [B]: the first token of each answer… */
  readonly startPositions?: Tensor | null;
  /** …and the last. What lies outside the text is left out of the loss. */
  readonly endPositions?: Tensor | null;
}
/** What a model that finds answers gives. */
export interface AnswerOutput {
  /** [B, T]: that the answer begins here… */
  readonly startLogits: Tensor;
  /** …and that it ends here. */
  readonly endLogits: Tensor;
  /** The mean of both cross-entropies, with `startPositions` and `endPositions`. */
  readonly loss: Tensor | null;
  readonly hiddenStates: readonly Tensor[] | null;
}
/**
 * Finds where in a text the answer to a question stands.
 * @example
 * const model = new BertForQuestionAnswering({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[1, 2]]), { startPositions: tensor([0]), endPositions: tensor([1]) }).loss.shape // => []
 */
export abstract class QuestionAnswerer<C extends LabelConfig = LabelConfig> extends HeadedEncoder<C> {
  /**
   * Logits of an answer's first and last token: int64 [B, T] in.
   * @throws ShapeError, DTypeError, ValueError for inputs that do not fit; IndexError for a token outside the vocabulary
   */
  forward(inputIds: Tensor, options?: AnswerOptions): AnswerOutput {
    const op = `${this.constructor.name}.forward`;
    const declared = [...ENCODER_OPTIONS, "startPositions?: tensor", "endPositions?: tensor"];
    const { startPositions, endPositions, ...o } = checkOptions<AnswerOptions>(op, declared, options);
    const encoded = this.base(inputIds, o);
    const [startLogits, endLogits] = this.head(encoded).unbind(-1) as [Tensor, Tensor]; // [B, T] each
    const outside = startLogits.shape[1]!;
    const loss = (logits: Tensor, at: Tensor): Tensor =>
      crossEntropy(logits.to("float32"), at.reshape([-1]).clamp(0, outside), { ignoreIndex: outside });
    return {
      startLogits,
      endLogits,
      loss: startPositions && endPositions ? loss(startLogits, startPositions).add(loss(endLogits, endPositions)).div(2) : null,
      hiddenStates: encoded.hiddenStates,
    };
  }
}
