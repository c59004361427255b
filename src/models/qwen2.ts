// Qwen 2 and 2.5: LLaMA with biases on queries, keys and values. Yang et al. 2024.
import { type CommonConfig, type ConfigReader, defineConfig, flag, list, size, token } from "./config.ts";
import { type DecoderConfig, decoderFields, DecoderForCausalLM, DecoderModel, type DecoderStyle } from "./shared/decoder.ts";
import { ropeParameters } from "./shared/rope.ts";

/** Which layers see a window only, as Qwen's files say it. */
export interface QwenWindows {
  readonly useSlidingWindow: boolean;
  readonly slidingWindow: number;
  /** Layers from this one on have the window, where `layerTypes` does not say it. */
  readonly maxWindowLayers: number;
  /** `full_attention` or `sliding_attention` a layer. */
  readonly layerTypes: readonly string[] | null;
}
/** Sizes and switches of a Qwen 2. */
export interface Qwen2Config extends DecoderConfig, QwenWindows {}
/** The window of a layer. */
export const qwenWindow =
  (c: QwenWindows): ((layer: number) => number | null) =>
  (layer) =>
    c.useSlidingWindow && (c.layerTypes ? c.layerTypes[layer] === "sliding_attention" : layer >= c.maxWindowLayers)
      ? c.slidingWindow
      : null;

/** A Qwen 2's configuration. @example qwen2Config().vocabSize // => 151936 */
export const qwen2Config: ConfigReader<Qwen2Config> = /*@__PURE__*/ defineConfig<Qwen2Config>("qwen2", {
  ...decoderFields,
  vocabSize: size(151936),
  intermediateSize: size(22016),
  maxPositionEmbeddings: size(32768),
  bosTokenId: token(null),
  eosTokenId: token(null),
  useSlidingWindow: flag(false),
  slidingWindow: size(4096),
  maxWindowLayers: size(28),
  layerTypes: list<string>((x) => typeof x === "string"),
});
const style = (c: Qwen2Config): DecoderStyle => ({ qkvBias: true, window: qwenWindow(c), ropes: { default: ropeParameters(c) } });

/**
 * Qwen 2 without a head: tokens [B, T] → hidden states [B, T, hiddenSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const sizes = { vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, numKeyValueHeads: 1 };
 * new Qwen2Model(sizes).forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class Qwen2Model extends DecoderModel<Qwen2Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = qwen2Config;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<Qwen2Config> = {}) {
    const c = qwen2Config(config);
    super(c, style(c));
  }
}
/**
 * Qwen 2 with its head: tokens [B, T] → logits [B, T, vocabSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const model = new Qwen2ForCausalLM({ vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 10]
 */
export class Qwen2ForCausalLM extends DecoderForCausalLM<Qwen2Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = qwen2Config;
  constructor(config: Partial<Qwen2Config> = {}) {
    super(new Qwen2Model(config));
  }
}
