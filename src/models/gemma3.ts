// Gemma 3, the text model: five layers with a window for one without, each kind with its own rotary base. Gemma team 2025.
import { type CommonConfig, type ConfigReader, defineConfig, flag, list, maybe, real, size, token, word } from "./config.ts";
import { type DecoderConfig, decoderFields, DecoderForCausalLM, DecoderModel, type DecoderStyle } from "./shared/decoder.ts";
import { ropeParameters } from "./shared/rope.ts";

/** Sizes and switches of a Gemma 3. */
export interface Gemma3TextConfig extends DecoderConfig {
  readonly attentionBias: boolean;
  /** Scores are divided by its root. */
  readonly queryPreAttnScalar: number;
  readonly slidingWindow: number | null;
  /** `full_attention` or `sliding_attention` a layer; null: by `slidingWindowPattern`. */
  readonly layerTypes: readonly string[] | null;
  /** Every so many layers one sees everything. */
  readonly slidingWindowPattern: number;
  /** Rotary base of the layers with a window. */
  readonly ropeLocalBaseFreq: number;
  readonly finalLogitSoftcapping: number | null;
  readonly attnLogitSoftcapping: number | null;
}
/** A Gemma 3's configuration. @example gemma3TextConfig().slidingWindowPattern // => 6 */
export const gemma3TextConfig: ConfigReader<Gemma3TextConfig> = /*@__PURE__*/ defineConfig<Gemma3TextConfig>(
  "gemma3_text",
  {
    ...decoderFields,
    vocabSize: size(262208),
    hiddenSize: size(2304),
    intermediateSize: size(9216),
    numHiddenLayers: size(26),
    numAttentionHeads: size(8),
    numKeyValueHeads: size(4),
    headDim: size(256),
    hiddenAct: word("gelu_pytorch_tanh"),
    maxPositionEmbeddings: size(131072),
    tieWordEmbeddings: flag(true),
    padTokenId: token(0),
    eosTokenId: token(1),
    bosTokenId: token(2),
    ropeTheta: real(1e6),
    attentionBias: flag(false),
    queryPreAttnScalar: size(256),
    slidingWindow: { ...maybe(size(0)), fallback: 4096 },
    layerTypes: list<string>((x) => typeof x === "string"),
    slidingWindowPattern: size(6),
    ropeLocalBaseFreq: real(1e4),
    finalLogitSoftcapping: maybe(real(0)),
    attnLogitSoftcapping: maybe(real(0)),
  },
  { hidden_activation: "hiddenAct", hiddenActivation: "hiddenAct", _sliding_window_pattern: "slidingWindowPattern" },
);
function style(c: Gemma3TextConfig): DecoderStyle {
  const kind = (layer: number): string =>
    c.layerTypes?.[layer] ?? ((layer + 1) % c.slidingWindowPattern ? "sliding_attention" : "full_attention");
  return {
    qkvBias: c.attentionBias,
    outBias: c.attentionBias,
    qkNorm: true,
    normOffset: true,
    sandwich: true,
    scale: c.queryPreAttnScalar ** -0.5,
    attentionCap: c.attnLogitSoftcapping,
    logitCap: c.finalLogitSoftcapping,
    embeddingScale: Math.sqrt(c.hiddenSize),
    window: (layer) => (kind(layer) === "sliding_attention" ? c.slidingWindow : null),
    ropes: {
      full_attention: ropeParameters(c, "full_attention"),
      sliding_attention: ropeParameters(
        { ropeTheta: c.ropeLocalBaseFreq, ropeScaling: null, ropeParameters: c.ropeParameters },
        "sliding_attention",
      ),
    },
    ropeOf: kind,
  };
}

/**
 * Gemma 3 without a head: tokens [B, T] → hidden states [B, T, hiddenSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const sizes = { vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, numKeyValueHeads: 1, headDim: 4 };
 * new Gemma3TextModel(sizes).forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class Gemma3TextModel extends DecoderModel<Gemma3TextConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = gemma3TextConfig;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<Gemma3TextConfig> = {}) {
    const c = gemma3TextConfig(config);
    super(c, style(c));
  }
}
/**
 * Gemma 3 with its head: tokens [B, T] → logits [B, T, vocabSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const sizes = { vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, numKeyValueHeads: 1, headDim: 4 };
 * new Gemma3ForCausalLM(sizes).forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 10]
 */
export class Gemma3ForCausalLM extends DecoderForCausalLM<Gemma3TextConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = gemma3TextConfig;
  constructor(config: Partial<Gemma3TextConfig> = {}) {
    super(new Gemma3TextModel(config));
  }
}
