// T5: an encoder and a decoder whose positions are a learned bias of the attention scores. Raffel et al. 2020; 1.1 has gated MLPs (Shazeer 2020).
// In the comments, B rows of T tokens are C = dModel wide, in H = numHeads heads of D = dKv features; S keys.
import { checkOptions } from "../core/arguments.ts";
import { UnsupportedError, ValueError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { dropout } from "../ops/sparse.ts";
import type { StoredTensor } from "../io/stored.ts";
import { ModuleList } from "../nn/container.ts";
import { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import { Embedding } from "../nn/norm.ts";
import type { BaseOutput, CacheShape } from "./causal.ts";
import { type CommonConfig, type ConfigReader, defineConfig, type Field, flag, maybe, real, size, token, word } from "./config.ts";
import { checkIds } from "./shared/ids.ts";
import { PreTrainedModel } from "./pretrained.ts";
import {
  decoderIdsOf,
  Encoded,
  encodedOf,
  type DecoderOptions,
  SEQ2SEQ_OPTIONS,
  type Seq2SeqConfig,
  Seq2SeqModel,
  type Seq2SeqOptions,
} from "./seq2seq.ts";
import { activation } from "./shared/activation.ts";
import { CacheBatch, type Keys } from "./shared/cache.ts";
import { RMSNorm } from "./shared/decoder.ts";
import { T5Attention } from "./shared/relative.ts";
import { Sight } from "./shared/sight.ts";

/** Sizes and switches of a T5. */
export interface T5Config extends Seq2SeqConfig {
  /** Features of a token. */
  readonly dModel: number;
  /** Features of a head. */
  readonly dKv: number;
  /** Features inside the MLP. */
  readonly dFf: number;
  /** Layers of the encoder. */
  readonly numLayers: number;
  /** Layers of the decoder; null: as many. */
  readonly numDecoderLayers: number | null;
  readonly numHeads: number;
  /** How many distances are told apart… */
  readonly relativeAttentionNumBuckets: number;
  /** …and from where on they are one. */
  readonly relativeAttentionMaxDistance: number;
  readonly dropoutRate: number;
  readonly layerNormEpsilon: number;
  readonly initializerFactor: number;
  /** `relu`, or `gated-gelu` and the like: an activation, gated or not. */
  readonly feedForwardProj: string;
  /** Is the head the embedding? */
  readonly tieWordEmbeddings: boolean;
  /** Are hidden states divided by √dModel before the head? Default: when it is the embedding. */
  readonly scaleDecoderOutputs: boolean;
  readonly isEncoderDecoder: boolean;
}
const read: ConfigReader<T5Config> = /*@__PURE__*/ defineConfig<T5Config>("t5", {
  vocabSize: size(32128),
  dModel: size(512),
  dKv: size(64),
  dFf: size(2048),
  numLayers: size(6),
  numDecoderLayers: maybe(size(0)),
  numHeads: size(8),
  relativeAttentionNumBuckets: size(32),
  relativeAttentionMaxDistance: size(128),
  dropoutRate: real(0.1),
  layerNormEpsilon: real(1e-6),
  initializerFactor: real(1),
  feedForwardProj: word("relu"),
  tieWordEmbeddings: flag(true),
  scaleDecoderOutputs: maybe(flag(false)) as Field<boolean>,
  isEncoderDecoder: flag(true),
  decoderStartTokenId: token(null),
  padTokenId: token(0),
  eosTokenId: token(1),
});
/** A T5's configuration; the defaults are those of t5-small. @example t5Config({ tieWordEmbeddings: false }).scaleDecoderOutputs // => false */
export const t5Config: ConfigReader<T5Config> = (given, file) => {
  const c = read(given, file);
  const { scaleDecoderOutputs: scale = null, decoderStartTokenId: start } = c;
  return { ...c, scaleDecoderOutputs: scale ?? c.tieWordEmbeddings, decoderStartTokenId: start ?? c.padTokenId };
};

/** `wo(act(wi(x)))`, or gated `wo(act(wi_0(x)) · wi_1(x))`. */
class T5Dense extends Module {
  readonly config: T5Config;
  readonly act: string;
  wi?: Linear;
  wi_0?: Linear;
  wi_1?: Linear;
  wo: Linear;
  constructor(config: T5Config) {
    super();
    const { dModel, dFf, feedForwardProj } = config;
    const [, gated, act] = /^(gated-)?(\w+)$/.exec(feedForwardProj) ?? [];
    if (act === undefined)
      throw new ValueError({
        op: "t5 config",
        message: `feedForwardProj is ${JSON.stringify(feedForwardProj)}`,
        hint: 'Give "relu", "gated-gelu" or the like',
      });
    this.config = config;
    // T5 1.1 says gelu and means its approximation.
    this.act = gated && act === "gelu" ? "gelu_new" : act;
    const into = (): Linear => new Linear(dModel, dFf, { bias: false });
    if (gated) {
      this.wi_0 = into();
      this.wi_1 = into();
    } else this.wi = into();
    this.wo = new Linear(dFf, dModel, { bias: false });
  }
  forward(x: Tensor): Tensor {
    const inner = activation(this.act)((this.wi ?? this.wi_0!).forward(x)); // [B, T, dFf]
    const h = this.wi_1 ? inner.mul(this.wi_1.forward(x)) : inner;
    return this.wo.forward(dropout(h, this.config.dropoutRate, this.training)); // [B, T, C]
  }
}

/** What all blocks of a forward pass share. */
interface T5Pass {
  readonly sight: Sight;
  /** [B or 1, H, T, S]: the positions' bias, and what is hidden. */
  readonly mask: Tensor;
  readonly cache: Keys | null;
  readonly encoded: Encoded | null;
  readonly crossSight: Sight | null;
}
/** `x + inner(norm(x))` */
abstract class T5Layer extends Module {
  readonly config: T5Config;
  layer_norm: RMSNorm;
  constructor(config: T5Config) {
    super();
    this.config = config;
    this.layer_norm = new RMSNorm(config.dModel, config.layerNormEpsilon);
  }
  protected abstract inner(x: Tensor, pass: T5Pass, block: number): Tensor;
  forward(x: Tensor, pass: T5Pass, block: number): Tensor {
    const y = this.inner(this.layer_norm.forward(x), pass, block);
    return x.add(dropout(y, this.config.dropoutRate, this.training)); // [B, T, C]
  }
}
class T5LayerSelfAttention extends T5Layer {
  SelfAttention: T5Attention;
  constructor(config: T5Config, isDecoder: boolean, hasBias: boolean) {
    super(config);
    this.SelfAttention = new T5Attention(config, !isDecoder, hasBias);
  }
  protected override inner(x: Tensor, { sight, mask, cache }: T5Pass, block: number): Tensor {
    return this.SelfAttention.forward(x, sight, mask, block, cache);
  }
}
class T5LayerCrossAttention extends T5Layer {
  EncDecAttention: T5Attention;
  constructor(config: T5Config) {
    super(config);
    this.EncDecAttention = new T5Attention(config, true, false);
  }
  protected override inner(x: Tensor, { encoded, crossSight }: T5Pass, block: number): Tensor {
    return this.EncDecAttention.across(x, encoded!, crossSight!, block);
  }
}
class T5LayerFF extends T5Layer {
  DenseReluDense: T5Dense;
  constructor(config: T5Config) {
    super(config);
    this.DenseReluDense = new T5Dense(config);
  }
  protected override inner(x: Tensor): Tensor {
    return this.DenseReluDense.forward(x);
  }
}
class T5Block extends Module {
  layer: ModuleList<T5Layer>;
  constructor(config: T5Config, isDecoder: boolean, hasBias: boolean) {
    super();
    const self = new T5LayerSelfAttention(config, isDecoder, hasBias);
    const dense = new T5LayerFF(config);
    this.layer = new ModuleList<T5Layer>(isDecoder ? [self, new T5LayerCrossAttention(config), dense] : [self, dense]);
  }
  forward(x: Tensor, pass: T5Pass, index: number): Tensor {
    let h = x;
    for (const layer of this.layer) h = layer.forward(h, pass, index);
    return h; // [B, T, C]
  }
}

/** Encoder or decoder. */
class T5Stack extends Module {
  readonly config: T5Config;
  readonly isDecoder: boolean;
  embed_tokens: Embedding;
  block: ModuleList<T5Block>;
  final_layer_norm: RMSNorm;
  constructor(config: T5Config, shared: Embedding, isDecoder: boolean) {
    super();
    this.config = config;
    this.isDecoder = isDecoder;
    this.embed_tokens = shared;
    const length = isDecoder ? (config.numDecoderLayers ?? config.numLayers) : config.numLayers;
    // The first block's bias serves all.
    this.block = new ModuleList(Array.from({ length }, (_, i) => new T5Block(config, isDecoder, i === 0)));
    this.final_layer_norm = new RMSNorm(config.dModel, config.layerNormEpsilon);
  }
  forward(
    inputIds: Tensor,
    padding: Tensor | null,
    o: { cache?: Keys | null; encoded?: Encoded; outputHiddenStates?: boolean },
  ): BaseOutput {
    const drop = (x: Tensor): Tensor => dropout(x, this.config.dropoutRate, this.training);
    const { cache = null, encoded = null } = o;
    const sight = new Sight(inputIds, cache, padding, { causal: this.isDecoder });
    if (cache instanceof CacheBatch)
      throw new UnsupportedError({
        op: "T5.forward",
        message: "a cache of rows that differ in length",
        hint: "Positions are a bias that all rows share: decode each row with a cache of its own",
      });
    const first = this.block.at(0).layer.at(0) as T5LayerSelfAttention;
    const [P, S] = encoded ? encoded.lastHiddenState.shape : [1, 1];
    const pass: T5Pass = {
      sight,
      mask: sight.biased(first.SelfAttention.bias(cache?.length ?? 0, inputIds.shape[1]!)),
      cache,
      encoded,
      crossSight: encoded && new Sight(inputIds.reshape([P!, -1]), null, encoded.attentionMask, { causal: false, keys: S! }),
    };
    let x = drop(this.embed_tokens.forward(inputIds)); // [B, T, C]
    const states: Tensor[] | null = o.outputHiddenStates ? [] : null;
    let i = 0;
    for (const block of this.block) {
      states?.push(x);
      x = block.forward(x, pass, i++);
    }
    const last = drop(this.final_layer_norm.forward(x));
    cache?.advance(inputIds);
    return { lastHiddenState: last, hiddenStates: states && [...states, last] };
  }
}

// A bias that decoders of the first files have and nothing reads.
const ignoredKeys = /^decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight$/;
/** Draws weights as T5's authors did: by the width that goes in. */
function initT5(model: Module, { initializerFactor: factor, dModel, dKv, dFf, numHeads }: T5Config, only?: ReadonlySet<Tensor>): void {
  const std = (name: string): number => {
    if (/(^shared|embed_tokens|lm_head)\.weight$/.test(name)) return 1;
    if (/\.q\.weight$/.test(name)) return (dModel * dKv) ** -0.5;
    if (/\.o\.weight$/.test(name)) return (numHeads * dKv) ** -0.5;
    return /\.wo\.weight$/.test(name) ? dFf ** -0.5 : dModel ** -0.5;
  };
  noGrad(() => {
    for (const [name, p] of model.namedParameters()) {
      if (only && !only.has(p)) continue;
      if (p.ndim === 1) p.fill_(factor);
      else p.normal_(0, factor * std(name));
    }
  });
}
/** Options of `T5Model.forward`. */
export type T5ModelOptions = Omit<Seq2SeqOptions, "labels" | "logitsToKeep">;
/** What a T5 without head gives. */
export interface T5ModelOutput extends BaseOutput {
  readonly encoderOutputs: Encoded;
}

/**
 * T5 without a head: tokens [B, S] for the encoder and [B, T] for the decoder → the decoder's hidden states [B, T, C].
 * @example
 * const model = new T5Model({ vocabSize: 10, dModel: 8, dKv: 4, dFf: 8, numLayers: 1, numHeads: 2 });
 * model.forward(tensor([[3, 4, 1]]), { decoderInputIds: tensor([[0, 5]]) }).lastHiddenState.shape // => [1, 2, 8]
 */
export class T5Model extends PreTrainedModel<T5Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = t5Config;
  static override readonly ignoredKeys: RegExp = ignoredKeys;
  shared: Embedding;
  encoder: T5Stack;
  decoder: T5Stack;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for values that do not fit */
  constructor(config: Partial<T5Config> = {}) {
    super(t5Config(config));
    this.shared = new Embedding(this.config.vocabSize, this.config.dModel);
    this.encoder = new T5Stack(this.config, this.shared, false);
    this.decoder = new T5Stack(this.config, this.shared, true);
    this.initWeights();
  }
  override tiedKeys(): readonly (readonly [string, string])[] {
    return TIED;
  }
  override initWeights(only?: ReadonlySet<Tensor>): void {
    initT5(this, this.config, only);
  }
  /** Encodes texts, int64 [B, S]. @throws ShapeError, DTypeError */
  encode(inputIds: Tensor, options: { attentionMask?: Tensor | null; outputHiddenStates?: boolean } = {}): Encoded {
    checkIds("T5Model.encode", "inputIds", inputIds);
    return new Encoded(this.encoder.forward(inputIds, options.attentionMask ?? null, options), options.attentionMask ?? null);
  }
  forward(inputIds: Tensor | null, options?: T5ModelOptions): T5ModelOutput {
    const o = checkOptions<T5ModelOptions>("T5Model.forward", SEQ2SEQ_OPTIONS, options);
    const encoded = encodedOf("T5Model.forward", this, inputIds, o);
    const ids = decoderIdsOf("T5Model.forward", encoded, o.decoderInputIds ?? null);
    return { ...this.decoder.forward(ids, o.decoderAttentionMask ?? null, { ...o, encoded }), encoderOutputs: encoded };
  }
}
const TIED = [
  ["encoder.embed_tokens.weight", "shared.weight"],
  ["decoder.embed_tokens.weight", "shared.weight"],
] as const;

/**
 * T5's encoder alone: tokens [B, S] → hidden states [B, S, C].
 * @example
 * const model = new T5EncoderModel({ vocabSize: 10, dModel: 8, dKv: 4, dFf: 8, numLayers: 1, numHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class T5EncoderModel extends PreTrainedModel<T5Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = t5Config;
  // What else a whole T5 has.
  static override readonly ignoredKeys: RegExp = /^(decoder\.|lm_head\.)/;
  shared: Embedding;
  encoder: T5Stack;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for values that do not fit */
  constructor(config: Partial<T5Config> = {}) {
    super(t5Config(config));
    this.shared = new Embedding(this.config.vocabSize, this.config.dModel);
    this.encoder = new T5Stack(this.config, this.shared, false);
    this.initWeights();
  }
  override tiedKeys(): readonly (readonly [string, string])[] {
    return TIED.slice(0, 1);
  }
  override initWeights(only?: ReadonlySet<Tensor>): void {
    initT5(this, this.config, only);
  }
  forward(inputIds: Tensor, options?: { attentionMask?: Tensor | null; outputHiddenStates?: boolean }): BaseOutput {
    checkIds("T5EncoderModel.forward", "inputIds", inputIds);
    const o = checkOptions("T5EncoderModel.forward", ["attentionMask?: tensor", "outputHiddenStates?: flag"], options);
    return this.encoder.forward(inputIds, o.attentionMask ?? null, o);
  }
}

/**
 * T5 with its head: tokens [B, S] for the encoder and [B, T] for the decoder → logits [B, T, vocabSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for values that do not fit
 * @example
 * const model = new T5ForConditionalGeneration({ vocabSize: 10, dModel: 8, dKv: 4, dFf: 16, numLayers: 1, numHeads: 2 });
 * model.forward(tensor([[3, 4, 5, 1]]), { labels: tensor([[6, 1]]) }).logits.shape // => [1, 2, 10]
 */
export class T5ForConditionalGeneration extends Seq2SeqModel<T5Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = t5Config;
  static override readonly ignoredKeys: RegExp = ignoredKeys;
  // Files of T5 1.1 that newer transformers wrote say that the head is the embedding, and hold another: what they hold counts.
  static override fitConfig(config: CommonConfig, tensors: ReadonlyMap<string, StoredTensor>): CommonConfig {
    const { scaleDecoderOutputs, tieWordEmbeddings } = config as T5Config;
    const apart = tieWordEmbeddings && !scaleDecoderOutputs && tensors.has("lm_head.weight");
    return apart ? ({ ...config, tieWordEmbeddings: false } as T5Config) : config;
  }
  shared: Embedding;
  encoder: T5Stack;
  decoder: T5Stack;
  lm_head: Linear;
  constructor(config: Partial<T5Config> = {}) {
    super(t5Config(config));
    this.shared = new Embedding(this.config.vocabSize, this.config.dModel);
    this.encoder = new T5Stack(this.config, this.shared, false);
    this.decoder = new T5Stack(this.config, this.shared, true);
    this.lm_head = new Linear(this.config.dModel, this.config.vocabSize, { bias: false });
    if (this.config.tieWordEmbeddings) this.lm_head.weight = this.shared.weight;
    this.initWeights();
  }
  override tiedKeys(): readonly (readonly [string, string])[] {
    return this.config.tieWordEmbeddings ? [...TIED, ["lm_head.weight", "shared.weight"]] : TIED;
  }
  override initWeights(only?: ReadonlySet<Tensor>): void {
    initT5(this, this.config, only);
  }
  override cacheShape(): CacheShape {
    const { numLayers, numDecoderLayers, numHeads, dKv } = this.config;
    return { layers: numDecoderLayers ?? numLayers, heads: numHeads, headDim: dKv };
  }
  protected override encoding(inputIds: Tensor, o: { attentionMask?: Tensor | null; outputHiddenStates?: boolean }): BaseOutput {
    return this.encoder.forward(inputIds, o.attentionMask ?? null, o);
  }
  protected override decoding(inputIds: Tensor, encoded: Encoded, o: DecoderOptions): BaseOutput {
    return this.decoder.forward(inputIds, o.decoderAttentionMask ?? null, { ...o, encoded });
  }
  override head(hidden: Tensor): Tensor {
    return this.lm_head.forward(this.config.scaleDecoderOutputs ? hidden.mul(this.config.dModel ** -0.5) : hidden);
  }
}
