// Gemma 2: norms before and after each part, a window in every other layer, bounded scores and logits. Gemma team 2024.
import { type CommonConfig, type ConfigReader, defineConfig, flag, list, maybe, real, size, token, word } from "./config.ts";
import { type DecoderConfig, decoderFields, DecoderForCausalLM, DecoderModel, type DecoderStyle } from "./shared/decoder.ts";
import { ropeParameters } from "./shared/rope.ts";

/** Sizes and switches of a Gemma 2. */
export interface Gemma2Config extends DecoderConfig {
  readonly attentionBias: boolean;
  /** Scores are divided by its root. */
  readonly queryPreAttnScalar: number;
  readonly slidingWindow: number | null;
  /** `full_attention` or `sliding_attention` a layer; null: a window in every other, from the first. */
  readonly layerTypes: readonly string[] | null;
  readonly finalLogitSoftcapping: number | null;
  readonly attnLogitSoftcapping: number | null;
}
/** A Gemma 2's configuration; the defaults are those of the 2 B model. @example gemma2Config().headDim // => 256 */
export const gemma2Config: ConfigReader<Gemma2Config> = /*@__PURE__*/ defineConfig<Gemma2Config>(
  "gemma2",
  {
    ...decoderFields,
    vocabSize: size(256000),
    hiddenSize: size(2304),
    intermediateSize: size(9216),
    numHiddenLayers: size(26),
    numAttentionHeads: size(8),
    numKeyValueHeads: size(4),
    headDim: size(256),
    hiddenAct: word("gelu_pytorch_tanh"),
    maxPositionEmbeddings: size(8192),
    tieWordEmbeddings: flag(true),
    padTokenId: token(0),
    eosTokenId: token(1),
    bosTokenId: token(2),
    attentionBias: flag(false),
    queryPreAttnScalar: size(256),
    slidingWindow: { ...maybe(size(0)), fallback: 4096 },
    layerTypes: list<string>((x) => typeof x === "string"),
    finalLogitSoftcapping: { ...maybe(real(0)), fallback: 30 },
    attnLogitSoftcapping: { ...maybe(real(0)), fallback: 50 },
  },
  { hidden_activation: "hiddenAct", hiddenActivation: "hiddenAct" },
);
const style = (c: Gemma2Config): DecoderStyle => ({
  qkvBias: c.attentionBias,
  outBias: c.attentionBias,
  normOffset: true,
  sandwich: true,
  scale: c.queryPreAttnScalar ** -0.5,
  attentionCap: c.attnLogitSoftcapping,
  logitCap: c.finalLogitSoftcapping,
  embeddingScale: Math.sqrt(c.hiddenSize),
  window: (layer) => ((c.layerTypes ? c.layerTypes[layer] === "sliding_attention" : layer % 2 === 0) ? c.slidingWindow : null),
  ropes: { default: ropeParameters(c) },
});

/**
 * Gemma 2 without a head: tokens [B, T] → hidden states [B, T, hiddenSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const sizes = { vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, numKeyValueHeads: 1, headDim: 4 };
 * new Gemma2Model(sizes).forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class Gemma2Model extends DecoderModel<Gemma2Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = gemma2Config;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<Gemma2Config> = {}) {
    const c = gemma2Config(config);
    super(c, style(c));
  }
}
/**
 * Gemma 2 with its head: tokens [B, T] → logits [B, T, vocabSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const sizes = { vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, numKeyValueHeads: 1, headDim: 4 };
 * new Gemma2ForCausalLM(sizes).forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 10]
 */
export class Gemma2ForCausalLM extends DecoderForCausalLM<Gemma2Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = gemma2Config;
  constructor(config: Partial<Gemma2Config> = {}) {
    super(new Gemma2Model(config));
  }
}
