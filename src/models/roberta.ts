// RoBERTa: BERT whose positions count from the padding token's number on, with other heads. Liu et al. 2019. XLM-R is the same with another
// vocabulary (Conneau et al. 2020).
import type { Tensor } from "../core/tensor.ts";
import { noGrad } from "../core/mode.ts";
import { zeros } from "../ops/create.ts";
import { dropout } from "../ops/sparse.ts";
import { Linear } from "../nn/linear.ts";
import { Module, Parameter } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { type BertConfig, bertFields, BertModel, classifierDropout } from "./bert.ts";
import { type CommonConfig, type ConfigReader, defineConfig, type FieldsOf, size, token } from "./config.ts";
import type { EncoderOutput } from "./encoder.ts";
import { activation } from "./shared/activation.ts";
import { labelled } from "./shared/labels.ts";
import { MaskedLanguageModel, QuestionAnswerer, SequenceClassifier, TokenClassifier } from "./tasks.ts";

/** Sizes and switches of a RoBERTa or XLM-R: those of BERT. `maxPositionEmbeddings` is padTokenId + 1 more than tokens. */
export type RobertaConfig = BertConfig;
const fields: FieldsOf<RobertaConfig> = {
  ...bertFields,
  vocabSize: size(50265),
  padTokenId: token(1),
  bosTokenId: token(0),
  eosTokenId: token(2),
};
/** A RoBERTa's configuration. @example robertaConfig().padTokenId // => 1 */
export const robertaConfig: ConfigReader<RobertaConfig> = /*@__PURE__*/ labelled(defineConfig<RobertaConfig>("roberta", fields));
/** An XLM-R's configuration. @example xlmRobertaConfig().modelType // => "xlm-roberta" */
export const xlmRobertaConfig: ConfigReader<RobertaConfig> = /*@__PURE__*/ labelled(
  defineConfig<RobertaConfig>("xlm-roberta", { ...fields, vocabSize: size(30522) }),
);

/**
 * RoBERTa without a head: tokens [B, T] → hidden states [B, T, C], and what the pooler makes of the first.
 * @example
 * const model = new RobertaModel({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class RobertaModel extends BertModel<RobertaConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = robertaConfig;
  static override readonly baseModelPrefix: string = "roberta";
  protected override get positionPadding(): number {
    return typeof this.config.padTokenId === "number" ? this.config.padTokenId : 1;
  }
  override get longest(): number {
    return this.config.maxPositionEmbeddings - this.positionPadding - 1;
  }
  /** Tokens count from padTokenId + 1; padding, told by its token, stays at padTokenId. */
  override positionsOf(inputIds: Tensor): Tensor {
    return noGrad(() => {
      const isToken = inputIds.ne(this.positionPadding).to("int64");
      return isToken.cumsum(1).mul(isToken).add(this.positionPadding);
    });
  }
}

class RobertaLMHead extends Module {
  bias: Parameter;
  dense: Linear;
  layer_norm: LayerNorm;
  decoder: Linear;
  constructor({ hiddenSize: C, vocabSize, layerNormEps: eps }: RobertaConfig) {
    super();
    this.bias = new Parameter(zeros(vocabSize));
    this.dense = new Linear(C, C);
    this.layer_norm = new LayerNorm(C, { eps });
    this.decoder = new Linear(C, vocabSize);
    this.decoder.bias = this.bias;
  }
  forward(x: Tensor): Tensor {
    return this.decoder.forward(this.layer_norm.forward(activation("gelu")(this.dense.forward(x)))); // [B, T, vocabSize]
  }
}
/**
 * RoBERTa that guesses masked tokens: tokens [B, T] → logits [B, T, vocabSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const model = new RobertaForMaskedLM({ vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[0, 5, 2]])).logits.shape // => [1, 3, 10]
 */
export class RobertaForMaskedLM extends MaskedLanguageModel<RobertaConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = robertaConfig;
  static override readonly baseModelPrefix = "roberta";
  roberta: RobertaModel;
  lm_head: RobertaLMHead;
  constructor(config: Partial<RobertaConfig> = {}) {
    super(new.target.configOf(config) as RobertaConfig);
    this.roberta = new RobertaModel(this.config, { addPoolingLayer: false });
    this.lm_head = new RobertaLMHead(this.config);
    this.initHead(this.lm_head);
    if (this.config.tieWordEmbeddings) this.lm_head.decoder.weight = this.roberta.embeddings.word_embeddings.weight;
  }
  override tiedKeys(): readonly (readonly [string, string])[] {
    const bias = ["lm_head.decoder.bias", "lm_head.bias"] as const;
    return this.config.tieWordEmbeddings ? [["lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"], bias] : [bias];
  }
  override head(encoded: EncoderOutput): Tensor {
    return this.lm_head.forward(encoded.lastHiddenState);
  }
}

class RobertaClassificationHead extends Module {
  readonly config: RobertaConfig;
  dense: Linear;
  out_proj: Linear;
  constructor(config: RobertaConfig) {
    super();
    this.config = config;
    this.dense = new Linear(config.hiddenSize, config.hiddenSize);
    this.out_proj = new Linear(config.hiddenSize, config.numLabels);
  }
  forward(hidden: Tensor): Tensor {
    const drop = (x: Tensor): Tensor => dropout(x, classifierDropout(this.config), this.training);
    return this.out_proj.forward(drop(this.dense.forward(drop(hidden.select(1, 0))).tanh())); // [B, numLabels]
  }
}
/**
 * RoBERTa that classifies texts by their first token: tokens [B, T] → logits [B, numLabels].
 * @example
 * const model = new RobertaForSequenceClassification({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2, numLabels: 3 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3]
 */
export class RobertaForSequenceClassification extends SequenceClassifier<RobertaConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = robertaConfig;
  static override readonly baseModelPrefix = "roberta";
  roberta: RobertaModel;
  classifier: RobertaClassificationHead;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<RobertaConfig> = {}) {
    super(new.target.configOf(config) as RobertaConfig);
    this.roberta = new RobertaModel(this.config, { addPoolingLayer: false });
    this.classifier = new RobertaClassificationHead(this.config);
    this.initHead(this.classifier);
  }
  override head(encoded: EncoderOutput): Tensor {
    return this.classifier.forward(encoded.lastHiddenState);
  }
}

/**
 * RoBERTa that classifies tokens: tokens [B, T] → logits [B, T, numLabels].
 * @example
 * const model = new RobertaForTokenClassification({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2, numLabels: 5 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 5]
 */
export class RobertaForTokenClassification extends TokenClassifier<RobertaConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = robertaConfig;
  static override readonly baseModelPrefix = "roberta";
  roberta: RobertaModel;
  classifier: Linear;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<RobertaConfig> = {}) {
    super(new.target.configOf(config) as RobertaConfig);
    this.roberta = new RobertaModel(this.config, { addPoolingLayer: false });
    this.classifier = new Linear(this.config.hiddenSize, this.config.numLabels);
    this.initHead(this.classifier);
  }
  override head(encoded: EncoderOutput): Tensor {
    return this.classifier.forward(dropout(encoded.lastHiddenState, classifierDropout(this.config), this.training));
  }
}

/**
 * RoBERTa that finds answers in texts: tokens [B, T] → logits of their first and last token, [B, T] each.
 * @example
 * const model = new RobertaForQuestionAnswering({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).startLogits.shape // => [1, 3]
 */
export class RobertaForQuestionAnswering extends QuestionAnswerer<RobertaConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = robertaConfig;
  static override readonly baseModelPrefix = "roberta";
  roberta: RobertaModel;
  qa_outputs: Linear;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<RobertaConfig> = {}) {
    super(new.target.configOf(config) as RobertaConfig);
    this.roberta = new RobertaModel(this.config, { addPoolingLayer: false });
    this.qa_outputs = new Linear(this.config.hiddenSize, 2);
    this.initHead(this.qa_outputs);
  }
  override head(encoded: EncoderOutput): Tensor {
    return this.qa_outputs.forward(encoded.lastHiddenState);
  }
}

/**
 * XLM-R without a head, as `RobertaModel`.
 * @example
 * const model = new XLMRobertaModel({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class XLMRobertaModel extends RobertaModel {
  static override readonly configOf: ConfigReader<CommonConfig> = xlmRobertaConfig;
}
/**
 * XLM-R that guesses masked tokens, as `RobertaForMaskedLM`.
 * @example
 * const model = new XLMRobertaForMaskedLM({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 10]
 */
export class XLMRobertaForMaskedLM extends RobertaForMaskedLM {
  static override readonly configOf: ConfigReader<CommonConfig> = xlmRobertaConfig;
}
/**
 * XLM-R that classifies texts, as `RobertaForSequenceClassification`.
 * @example
 * const model = new XLMRobertaForSequenceClassification({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2, numLabels: 3 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3]
 */
export class XLMRobertaForSequenceClassification extends RobertaForSequenceClassification {
  static override readonly configOf: ConfigReader<CommonConfig> = xlmRobertaConfig;
}
/**
 * XLM-R that classifies tokens, as `RobertaForTokenClassification`.
 * @example
 * const model = new XLMRobertaForTokenClassification({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2, numLabels: 5 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 5]
 */
export class XLMRobertaForTokenClassification extends RobertaForTokenClassification {
  static override readonly configOf: ConfigReader<CommonConfig> = xlmRobertaConfig;
}
/**
 * XLM-R that finds answers, as `RobertaForQuestionAnswering`.
 * @example
 * const model = new XLMRobertaForQuestionAnswering({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).startLogits.shape // => [1, 3]
 */
export class XLMRobertaForQuestionAnswering extends RobertaForQuestionAnswering {
  static override readonly configOf: ConfigReader<CommonConfig> = xlmRobertaConfig;
}
