// BERT: learned positions and segments, norms after attention and MLP, every token sees every other. Devlin et al. 2019. MiniLM has its shape.
// In the comments, B rows of T tokens are C = hiddenSize wide, in H heads of D = C / H features.
import { ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { arange, zeros } from "../ops/create.ts";
import { dropout } from "../ops/sparse.ts";
import { ModuleList } from "../nn/container.ts";
import { Linear } from "../nn/linear.ts";
import { Module, Parameter } from "../nn/module.ts";
import { Embedding, LayerNorm } from "../nn/norm.ts";
import {
  type CommonConfig,
  type ConfigReader,
  defineConfig,
  type Field,
  type FieldsOf,
  flag,
  maybe,
  real,
  size,
  type Token,
  token,
  word,
} from "./config.ts";
import { checkEncoderInputs, EncoderModel, type EncoderOptions, type EncoderOutput } from "./encoder.ts";
import { MaskedLanguageModel, QuestionAnswerer, SequenceClassifier, TokenClassifier } from "./tasks.ts";
import { activation } from "./shared/activation.ts";
import { type LabelConfig, labelFields, labelled } from "./shared/labels.ts";
import { Sight } from "./shared/sight.ts";

/** Sizes and switches of a BERT. */
export interface BertConfig extends LabelConfig {
  readonly vocabSize: number;
  /** Features of a token. */
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  /** Features inside the MLP. */
  readonly intermediateSize: number;
  readonly hiddenAct: string;
  readonly hiddenDropoutProb: number;
  readonly attentionProbsDropoutProb: number;
  /** Longest text in tokens. */
  readonly maxPositionEmbeddings: number;
  /** How many texts an input may be of. */
  readonly typeVocabSize: number;
  readonly initializerRange: number;
  readonly layerNormEps: number;
  /** Dropout before a classifier; null: hiddenDropoutProb. */
  readonly classifierDropout: number | null;
  readonly tieWordEmbeddings: boolean;
  /** Decoders and relative positions are not here: files that ask for them are refused. */
  readonly isDecoder: boolean;
  readonly positionEmbeddingType: string;
  readonly padTokenId: Token;
  readonly bosTokenId: Token;
  readonly eosTokenId: Token;
}
const no: Field<boolean> = { needed: "false", is: (x) => x === false, fallback: false };
/** Their fields; RoBERTa has the same. */
export const bertFields: FieldsOf<BertConfig> = {
  ...labelFields,
  vocabSize: size(30522),
  hiddenSize: size(768),
  numHiddenLayers: size(12),
  numAttentionHeads: size(12),
  intermediateSize: size(3072),
  hiddenAct: word("gelu"),
  hiddenDropoutProb: real(0.1),
  attentionProbsDropoutProb: real(0.1),
  maxPositionEmbeddings: size(512),
  typeVocabSize: size(2),
  initializerRange: real(0.02),
  layerNormEps: real(1e-12),
  classifierDropout: maybe(real(0)),
  tieWordEmbeddings: flag(true),
  isDecoder: no,
  positionEmbeddingType: word("absolute", "absolute"),
  padTokenId: token(0),
  bosTokenId: token(null),
  eosTokenId: token(null),
};
/** A BERT's configuration; the defaults are those of bert-base-uncased. @example bertConfig({ numLabels: 3 }).id2label["2"] // => "LABEL_2" */
export const bertConfig: ConfigReader<BertConfig> = /*@__PURE__*/ labelled(defineConfig<BertConfig>("bert", bertFields));

class BertEmbeddings extends Module {
  readonly config: BertConfig;
  word_embeddings: Embedding;
  position_embeddings: Embedding;
  token_type_embeddings: Embedding;
  LayerNorm: LayerNorm;
  constructor(config: BertConfig, positionPadding: number | null) {
    super();
    const { vocabSize, hiddenSize: C, maxPositionEmbeddings, typeVocabSize, layerNormEps: eps, padTokenId } = config;
    this.config = config;
    this.word_embeddings = new Embedding(vocabSize, C, { paddingIdx: typeof padTokenId === "number" ? padTokenId : null });
    this.position_embeddings = new Embedding(maxPositionEmbeddings, C, { paddingIdx: positionPadding });
    this.token_type_embeddings = new Embedding(typeVocabSize, C);
    this.LayerNorm = new LayerNorm(C, { eps });
  }
  forward(inputIds: Tensor, positionIds: Tensor, tokenTypeIds: Tensor | null): Tensor {
    const type = tokenTypeIds ? this.token_type_embeddings.forward(tokenTypeIds) : this.token_type_embeddings.weight.narrow(0, 0, 1); // [B, T, C] or [1, C]
    const x = this.word_embeddings.forward(inputIds).add(type).add(this.position_embeddings.forward(positionIds));
    return dropout(this.LayerNorm.forward(x), this.config.hiddenDropoutProb, this.training); // [B, T, C]
  }
}

class BertSelfAttention extends Module {
  readonly config: BertConfig;
  query: Linear;
  key: Linear;
  value: Linear;
  constructor(config: BertConfig) {
    super();
    const { hiddenSize: C, numAttentionHeads: H } = config;
    if (C % H)
      throw new ValueError({
        op: `${config.modelType} config`,
        message: `${H} heads for hiddenSize ${C}`,
        hint: "hiddenSize is a multiple of numAttentionHeads",
      });
    this.config = config;
    this.query = new Linear(C, C);
    this.key = new Linear(C, C);
    this.value = new Linear(C, C);
  }
  forward(x: Tensor, sight: Sight): Tensor {
    const [B, T, C] = x.shape as [number, number, number];
    const { numAttentionHeads: H, attentionProbsDropoutProb } = this.config;
    const [q, k, v] = [this.query, this.key, this.value].map((m) =>
      m
        .forward(x)
        .view([B, T, H, C / H])
        .transpose(1, 2),
    ) as [Tensor, Tensor, Tensor]; // [B, H, T, D]
    const y = sight.attend(q, k, v, { scale: (C / H) ** -0.5, dropoutP: this.training ? attentionProbsDropoutProb : 0 }); // [B, H, T, D]
    return y.transpose(1, 2).reshape([B, T, C]);
  }
}
/** A projection, added to what came in, then a norm. */
class BertOutput extends Module {
  readonly config: BertConfig;
  dense: Linear;
  LayerNorm: LayerNorm;
  constructor(config: BertConfig, inFeatures: number) {
    super();
    this.config = config;
    this.dense = new Linear(inFeatures, config.hiddenSize);
    this.LayerNorm = new LayerNorm(config.hiddenSize, { eps: config.layerNormEps });
  }
  forward(h: Tensor, x: Tensor): Tensor {
    return this.LayerNorm.forward(dropout(this.dense.forward(h), this.config.hiddenDropoutProb, this.training).add(x)); // [B, T, C]
  }
}
class BertAttention extends Module {
  self: BertSelfAttention;
  output: BertOutput;
  constructor(config: BertConfig) {
    super();
    this.self = new BertSelfAttention(config);
    this.output = new BertOutput(config, config.hiddenSize);
  }
  forward(x: Tensor, sight: Sight): Tensor {
    return this.output.forward(this.self.forward(x, sight), x);
  }
}
/** A projection and an activation. */
class BertDense extends Module {
  readonly act: string;
  dense: Linear;
  constructor(inFeatures: number, outFeatures: number, act: string) {
    super();
    this.act = act;
    this.dense = new Linear(inFeatures, outFeatures);
  }
  forward(x: Tensor): Tensor {
    return activation(this.act)(this.dense.forward(x));
  }
}
class BertLayer extends Module {
  attention: BertAttention;
  intermediate: BertDense;
  output: BertOutput;
  constructor(config: BertConfig) {
    super();
    this.attention = new BertAttention(config);
    this.intermediate = new BertDense(config.hiddenSize, config.intermediateSize, config.hiddenAct);
    this.output = new BertOutput(config, config.intermediateSize);
  }
  forward(x: Tensor, sight: Sight): Tensor {
    const h = this.attention.forward(x, sight); // [B, T, C]
    return this.output.forward(this.intermediate.forward(h), h);
  }
}
class BertEncoder extends Module {
  layer: ModuleList<BertLayer>;
  constructor(config: BertConfig) {
    super();
    this.layer = new ModuleList(Array.from({ length: config.numHiddenLayers }, () => new BertLayer(config)));
  }
  /** The last states [B, T, C]; those before each layer go into `states`, where it is given. */
  forward(embedded: Tensor, sight: Sight, states: Tensor[] | null): Tensor {
    let x = embedded;
    for (const layer of this.layer) {
      states?.push(x);
      x = layer.forward(x, sight);
    }
    return x;
  }
}

/**
 * BERT without a head: tokens [B, T] → hidden states [B, T, C], and what the pooler makes of the first.
 * @example
 * const model = new BertModel({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class BertModel<C extends BertConfig = BertConfig> extends EncoderModel<C> {
  static override readonly configOf: ConfigReader<CommonConfig> = bertConfig;
  static override readonly baseModelPrefix: string = "bert";
  // Masked language models come without a pooler: it is made anew then, and `loadReport` says so.
  static override readonly newKeys: RegExp | null = /^pooler\./;
  embeddings: BertEmbeddings;
  encoder: BertEncoder;
  pooler: BertDense | null;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<C> = {}, { addPoolingLayer = true }: { addPoolingLayer?: boolean } = {}) {
    super(new.target.configOf(config) as C);
    this.embeddings = new BertEmbeddings(this.config, this.positionPadding);
    this.encoder = new BertEncoder(this.config);
    this.pooler = addPoolingLayer ? new BertDense(this.config.hiddenSize, this.config.hiddenSize, "tanh") : null;
    this.initWeights();
  }
  /** The position of padding, which learns nothing; null: there is none. */
  protected get positionPadding(): number | null {
    return null;
  }
  /** How many tokens there are positions for. */
  get longest(): number {
    return this.config.maxPositionEmbeddings;
  }
  /** Positions of tokens, [1 or B, T]. */
  positionsOf(inputIds: Tensor): Tensor {
    return arange(inputIds.shape[1]!, { device: inputIds.device }).unsqueeze(0);
  }
  forward(inputIds: Tensor, options?: EncoderOptions): EncoderOutput {
    const o = checkEncoderInputs(`${this.constructor.name}.forward`, inputIds, options, this.longest);
    const sight = new Sight(inputIds, null, o.attentionMask ?? null, { causal: false });
    const embedded = this.embeddings.forward(inputIds, o.positionIds ?? this.positionsOf(inputIds), o.tokenTypeIds ?? null);
    const states: Tensor[] | null = o.outputHiddenStates ? [] : null;
    const last = this.encoder.forward(embedded, sight, states);
    return {
      lastHiddenState: last,
      poolerOutput: this.pooler ? this.pooler.forward(last.select(1, 0)) : null, // [B, C]
      hiddenStates: states && [...states, last],
    };
  }
}

/** The dropout before classifiers. */
export const classifierDropout = (c: BertConfig): number => c.classifierDropout ?? c.hiddenDropoutProb;

class BertTransform extends Module {
  readonly act: string;
  dense: Linear;
  LayerNorm: LayerNorm;
  constructor({ hiddenSize: C, hiddenAct, layerNormEps: eps }: BertConfig) {
    super();
    this.act = hiddenAct;
    this.dense = new Linear(C, C);
    this.LayerNorm = new LayerNorm(C, { eps });
  }
  forward(x: Tensor): Tensor {
    return this.LayerNorm.forward(activation(this.act)(this.dense.forward(x)));
  }
}
class BertPredictions extends Module {
  bias: Parameter;
  transform: BertTransform;
  decoder: Linear;
  constructor(config: BertConfig) {
    super();
    this.bias = new Parameter(zeros(config.vocabSize));
    this.transform = new BertTransform(config);
    this.decoder = new Linear(config.hiddenSize, config.vocabSize);
    this.decoder.bias = this.bias;
  }
  forward(x: Tensor): Tensor {
    return this.decoder.forward(this.transform.forward(x)); // [B, T, vocabSize]
  }
}
class BertMLMHead extends Module {
  predictions: BertPredictions;
  constructor(config: BertConfig) {
    super();
    this.predictions = new BertPredictions(config);
  }
  forward(x: Tensor): Tensor {
    return this.predictions.forward(x);
  }
}
/**
 * BERT that guesses masked tokens: tokens [B, T] → logits [B, T, vocabSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const model = new BertForMaskedLM({ vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 10]
 */
export class BertForMaskedLM extends MaskedLanguageModel<BertConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = bertConfig;
  static override readonly baseModelPrefix = "bert";
  bert: BertModel;
  cls: BertMLMHead;
  constructor(config: Partial<BertConfig> = {}) {
    super(bertConfig(config));
    this.bert = new BertModel(this.config, { addPoolingLayer: false });
    this.cls = new BertMLMHead(this.config);
    this.initHead(this.cls);
    if (this.config.tieWordEmbeddings) this.cls.predictions.decoder.weight = this.bert.embeddings.word_embeddings.weight;
  }
  override tiedKeys(): readonly (readonly [string, string])[] {
    const bias = ["cls.predictions.decoder.bias", "cls.predictions.bias"] as const;
    return this.config.tieWordEmbeddings ? [["cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"], bias] : [bias];
  }
  override head(encoded: EncoderOutput): Tensor {
    return this.cls.forward(encoded.lastHiddenState);
  }
}

/**
 * BERT that classifies texts by what the pooler makes of the first token: tokens [B, T] → logits [B, numLabels].
 * @example
 * const model = new BertForSequenceClassification({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2, numLabels: 3 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3]
 */
export class BertForSequenceClassification extends SequenceClassifier<BertConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = bertConfig;
  static override readonly baseModelPrefix = "bert";
  bert: BertModel;
  classifier: Linear;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<BertConfig> = {}) {
    super(bertConfig(config));
    this.bert = new BertModel(this.config);
    this.classifier = new Linear(this.config.hiddenSize, this.config.numLabels);
    this.initHead(this.classifier);
  }
  override head(encoded: EncoderOutput): Tensor {
    return this.classifier.forward(dropout(encoded.poolerOutput!, classifierDropout(this.config), this.training));
  }
}

/**
 * BERT that classifies tokens: tokens [B, T] → logits [B, T, numLabels].
 * @example
 * const model = new BertForTokenClassification({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2, numLabels: 5 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 5]
 */
export class BertForTokenClassification extends TokenClassifier<BertConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = bertConfig;
  static override readonly baseModelPrefix = "bert";
  bert: BertModel;
  classifier: Linear;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<BertConfig> = {}) {
    super(bertConfig(config));
    this.bert = new BertModel(this.config, { addPoolingLayer: false });
    this.classifier = new Linear(this.config.hiddenSize, this.config.numLabels);
    this.initHead(this.classifier);
  }
  override head(encoded: EncoderOutput): Tensor {
    return this.classifier.forward(dropout(encoded.lastHiddenState, classifierDropout(this.config), this.training));
  }
}

/**
 * BERT that finds answers in texts: tokens [B, T] → logits of their first and last token, [B, T] each.
 * @example
 * const model = new BertForQuestionAnswering({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).startLogits.shape // => [1, 3]
 */
export class BertForQuestionAnswering extends QuestionAnswerer<BertConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = bertConfig;
  static override readonly baseModelPrefix = "bert";
  bert: BertModel;
  qa_outputs: Linear;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<BertConfig> = {}) {
    super(bertConfig(config));
    this.bert = new BertModel(this.config, { addPoolingLayer: false });
    this.qa_outputs = new Linear(this.config.hiddenSize, 2);
    this.initHead(this.qa_outputs);
  }
  override head(encoded: EncoderOutput): Tensor {
    return this.qa_outputs.forward(encoded.lastHiddenState);
  }
}
