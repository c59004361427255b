// DistilBERT: BERT with half the layers, without segments and pooler. Sanh et al. 2019.
// In the comments, B rows of T tokens are C = dim wide, in H = nHeads heads of D = C / H features.
import { ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { arange } from "../ops/create.ts";
import { dropout } from "../ops/sparse.ts";
import { ModuleList } from "../nn/container.ts";
import { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import { Embedding, LayerNorm } from "../nn/norm.ts";
import { type CommonConfig, type ConfigReader, defineConfig, flag, real, size, type Token, token, word } from "./config.ts";
import { checkEncoderInputs, EncoderModel, type EncoderOptions, type EncoderOutput } from "./encoder.ts";
import { MaskedLanguageModel, QuestionAnswerer, SequenceClassifier, TokenClassifier } from "./tasks.ts";
import { activation } from "./shared/activation.ts";
import { type LabelConfig, labelFields, labelled } from "./shared/labels.ts";
import { Sight } from "./shared/sight.ts";

/** Sizes and switches of a DistilBERT. */
export interface DistilBertConfig extends LabelConfig {
  readonly vocabSize: number;
  /** Longest text in tokens. */
  readonly maxPositionEmbeddings: number;
  /** Files hold the positions whether they are sines or learned: this says only how they were made. */
  readonly sinusoidalPosEmbds: boolean;
  readonly nLayers: number;
  readonly nHeads: number;
  /** Features of a token. */
  readonly dim: number;
  /** Features inside the MLP. */
  readonly hiddenDim: number;
  readonly dropout: number;
  readonly attentionDropout: number;
  readonly activation: string;
  readonly initializerRange: number;
  readonly qaDropout: number;
  readonly seqClassifDropout: number;
  readonly tieWordEmbeddings: boolean;
  readonly padTokenId: Token;
}
/** A DistilBERT's configuration; the defaults are those of distilbert-base-uncased. @example distilBertConfig().nLayers // => 6 */
export const distilBertConfig: ConfigReader<DistilBertConfig> = /*@__PURE__*/ labelled(
  defineConfig<DistilBertConfig>(
    "distilbert",
    {
      ...labelFields,
      vocabSize: size(30522),
      maxPositionEmbeddings: size(512),
      sinusoidalPosEmbds: flag(false),
      nLayers: size(6),
      nHeads: size(12),
      dim: size(768),
      hiddenDim: size(3072),
      dropout: real(0.1),
      attentionDropout: real(0.1),
      activation: word("gelu"),
      initializerRange: real(0.02),
      qaDropout: real(0.1),
      seqClassifDropout: real(0.2),
      tieWordEmbeddings: flag(true),
      padTokenId: token(0),
    },
    { hidden_size: "dim", num_attention_heads: "nHeads", num_hidden_layers: "nLayers" },
  ),
);
const EPS = 1e-12;

class Embeddings extends Module {
  readonly config: DistilBertConfig;
  word_embeddings: Embedding;
  position_embeddings: Embedding;
  LayerNorm: LayerNorm;
  constructor(config: DistilBertConfig) {
    super();
    const { vocabSize, maxPositionEmbeddings, dim, padTokenId } = config;
    this.config = config;
    this.word_embeddings = new Embedding(vocabSize, dim, { paddingIdx: typeof padTokenId === "number" ? padTokenId : null });
    this.position_embeddings = new Embedding(maxPositionEmbeddings, dim);
    this.LayerNorm = new LayerNorm(dim, { eps: EPS });
  }
  forward(inputIds: Tensor, positionIds: Tensor | null): Tensor {
    const at = positionIds ?? arange(inputIds.shape[1]!, { device: inputIds.device }).unsqueeze(0);
    const x = this.word_embeddings.forward(inputIds).add(this.position_embeddings.forward(at));
    return dropout(this.LayerNorm.forward(x), this.config.dropout, this.training); // [B, T, C]
  }
}

class SelfAttention extends Module {
  readonly config: DistilBertConfig;
  q_lin: Linear;
  k_lin: Linear;
  v_lin: Linear;
  out_lin: Linear;
  constructor(config: DistilBertConfig) {
    super();
    const { dim: C, nHeads: H } = config;
    if (C % H) throw new ValueError({ op: "distilbert config", message: `${H} heads for dim ${C}`, hint: "dim is a multiple of nHeads" });
    this.config = config;
    this.q_lin = new Linear(C, C);
    this.k_lin = new Linear(C, C);
    this.v_lin = new Linear(C, C);
    this.out_lin = new Linear(C, C);
  }
  forward(x: Tensor, sight: Sight): Tensor {
    const [B, T, C] = x.shape as [number, number, number];
    const { nHeads: H, attentionDropout } = this.config;
    const [q, k, v] = [this.q_lin, this.k_lin, this.v_lin].map((m) =>
      m
        .forward(x)
        .view([B, T, H, C / H])
        .transpose(1, 2),
    ) as [Tensor, Tensor, Tensor]; // [B, H, T, D]
    const y = sight.attend(q, k, v, { scale: (C / H) ** -0.5, dropoutP: this.training ? attentionDropout : 0 }); // [B, H, T, D]
    return this.out_lin.forward(y.transpose(1, 2).reshape([B, T, C]));
  }
}
class FFN extends Module {
  readonly config: DistilBertConfig;
  lin1: Linear;
  lin2: Linear;
  constructor(config: DistilBertConfig) {
    super();
    this.config = config;
    this.lin1 = new Linear(config.dim, config.hiddenDim);
    this.lin2 = new Linear(config.hiddenDim, config.dim);
  }
  forward(x: Tensor): Tensor {
    const h = activation(this.config.activation)(this.lin1.forward(x)); // [B, T, hiddenDim]
    return dropout(this.lin2.forward(h), this.config.dropout, this.training); // [B, T, C]
  }
}
class TransformerBlock extends Module {
  attention: SelfAttention;
  sa_layer_norm: LayerNorm;
  ffn: FFN;
  output_layer_norm: LayerNorm;
  constructor(config: DistilBertConfig) {
    super();
    this.attention = new SelfAttention(config);
    this.sa_layer_norm = new LayerNorm(config.dim, { eps: EPS });
    this.ffn = new FFN(config);
    this.output_layer_norm = new LayerNorm(config.dim, { eps: EPS });
  }
  forward(x: Tensor, sight: Sight): Tensor {
    const h = this.sa_layer_norm.forward(this.attention.forward(x, sight).add(x)); // [B, T, C]
    return this.output_layer_norm.forward(this.ffn.forward(h).add(h));
  }
}
class Transformer extends Module {
  layer: ModuleList<TransformerBlock>;
  constructor(config: DistilBertConfig) {
    super();
    this.layer = new ModuleList(Array.from({ length: config.nLayers }, () => new TransformerBlock(config)));
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
 * DistilBERT without a head: tokens [B, T] → hidden states [B, T, C]. It has no token types.
 * @example
 * const model = new DistilBertModel({ vocabSize: 10, dim: 8, hiddenDim: 8, nLayers: 1, nHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class DistilBertModel extends EncoderModel<DistilBertConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = distilBertConfig;
  static override readonly baseModelPrefix = "distilbert";
  embeddings: Embeddings;
  transformer: Transformer;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<DistilBertConfig> = {}) {
    super(distilBertConfig(config));
    this.embeddings = new Embeddings(this.config);
    this.transformer = new Transformer(this.config);
    this.initWeights();
  }
  forward(inputIds: Tensor, options?: EncoderOptions): EncoderOutput {
    const o = checkEncoderInputs("DistilBertModel.forward", inputIds, options, this.config.maxPositionEmbeddings);
    const sight = new Sight(inputIds, null, o.attentionMask ?? null, { causal: false });
    const states: Tensor[] | null = o.outputHiddenStates ? [] : null;
    const last = this.transformer.forward(this.embeddings.forward(inputIds, o.positionIds ?? null), sight, states);
    return { lastHiddenState: last, poolerOutput: null, hiddenStates: states && [...states, last] };
  }
}

/**
 * DistilBERT that guesses masked tokens: tokens [B, T] → logits [B, T, vocabSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const model = new DistilBertForMaskedLM({ vocabSize: 10, dim: 8, hiddenDim: 16, nLayers: 1, nHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 10]
 */
export class DistilBertForMaskedLM extends MaskedLanguageModel<DistilBertConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = distilBertConfig;
  static override readonly baseModelPrefix = "distilbert";
  distilbert: DistilBertModel;
  vocab_transform: Linear;
  vocab_layer_norm: LayerNorm;
  vocab_projector: Linear;
  constructor(config: Partial<DistilBertConfig> = {}) {
    super(distilBertConfig(config));
    const { dim: C, vocabSize, tieWordEmbeddings } = this.config;
    this.distilbert = new DistilBertModel(this.config);
    this.vocab_transform = new Linear(C, C);
    this.vocab_layer_norm = new LayerNorm(C, { eps: EPS });
    this.vocab_projector = new Linear(C, vocabSize);
    this.initHead(this.vocab_transform, this.vocab_layer_norm, this.vocab_projector);
    if (tieWordEmbeddings) this.vocab_projector.weight = this.distilbert.embeddings.word_embeddings.weight;
  }
  override tiedKeys(): readonly (readonly [string, string])[] {
    return this.config.tieWordEmbeddings ? [["vocab_projector.weight", "distilbert.embeddings.word_embeddings.weight"]] : [];
  }
  override head(encoded: EncoderOutput): Tensor {
    const h = activation(this.config.activation)(this.vocab_transform.forward(encoded.lastHiddenState)); // [B, T, C]
    return this.vocab_projector.forward(this.vocab_layer_norm.forward(h)); // [B, T, vocabSize]
  }
}

/**
 * DistilBERT that classifies texts by their first token: tokens [B, T] → logits [B, numLabels].
 * @example
 * const model = new DistilBertForSequenceClassification({ vocabSize: 10, dim: 8, hiddenDim: 8, nLayers: 1, nHeads: 2, numLabels: 3 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3]
 */
export class DistilBertForSequenceClassification extends SequenceClassifier<DistilBertConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = distilBertConfig;
  static override readonly baseModelPrefix = "distilbert";
  distilbert: DistilBertModel;
  pre_classifier: Linear;
  classifier: Linear;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<DistilBertConfig> = {}) {
    super(distilBertConfig(config));
    const { dim: C, numLabels } = this.config;
    this.distilbert = new DistilBertModel(this.config);
    this.pre_classifier = new Linear(C, C);
    this.classifier = new Linear(C, numLabels);
    this.initHead(this.pre_classifier, this.classifier);
  }
  override head(encoded: EncoderOutput): Tensor {
    const h = this.pre_classifier.forward(encoded.lastHiddenState.select(1, 0)).relu(); // [B, C]
    return this.classifier.forward(dropout(h, this.config.seqClassifDropout, this.training));
  }
}

/**
 * DistilBERT that classifies tokens: tokens [B, T] → logits [B, T, numLabels].
 * @example
 * const model = new DistilBertForTokenClassification({ vocabSize: 10, dim: 8, hiddenDim: 8, nLayers: 1, nHeads: 2, numLabels: 5 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 5]
 */
export class DistilBertForTokenClassification extends TokenClassifier<DistilBertConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = distilBertConfig;
  static override readonly baseModelPrefix = "distilbert";
  distilbert: DistilBertModel;
  classifier: Linear;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<DistilBertConfig> = {}) {
    super(distilBertConfig(config));
    this.distilbert = new DistilBertModel(this.config);
    this.classifier = new Linear(this.config.dim, this.config.numLabels);
    this.initHead(this.classifier);
  }
  override head(encoded: EncoderOutput): Tensor {
    return this.classifier.forward(dropout(encoded.lastHiddenState, this.config.dropout, this.training));
  }
}

/**
 * DistilBERT that finds answers in texts: tokens [B, T] → logits of their first and last token, [B, T] each.
 * @example
 * const model = new DistilBertForQuestionAnswering({ vocabSize: 10, dim: 8, hiddenDim: 8, nLayers: 1, nHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).startLogits.shape // => [1, 3]
 */
export class DistilBertForQuestionAnswering extends QuestionAnswerer<DistilBertConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = distilBertConfig;
  static override readonly baseModelPrefix = "distilbert";
  distilbert: DistilBertModel;
  qa_outputs: Linear;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<DistilBertConfig> = {}) {
    super(distilBertConfig(config));
    this.distilbert = new DistilBertModel(this.config);
    this.qa_outputs = new Linear(this.config.dim, 2);
    this.initHead(this.qa_outputs);
  }
  override head(encoded: EncoderOutput): Tensor {
    return this.qa_outputs.forward(dropout(encoded.lastHiddenState, this.config.qaDropout, this.training));
  }
}
