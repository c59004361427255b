// Qwen 3: queries and keys are normalised head by head. Yang et al. 2025.
import { type CommonConfig, type ConfigReader, defineConfig, flag, list, size, token } from "./config.ts";
import { type QwenWindows, qwenWindow } from "./qwen2.ts";
import { type DecoderConfig, decoderFields, DecoderForCausalLM, DecoderModel, type DecoderStyle } from "./shared/decoder.ts";
import { ropeParameters } from "./shared/rope.ts";

/** Sizes and switches of a Qwen 3. */
export interface Qwen3Config extends DecoderConfig, QwenWindows {
  readonly attentionBias: boolean;
}
/** A Qwen 3's configuration. @example qwen3Config().headDim // => 128 */
export const qwen3Config: ConfigReader<Qwen3Config> = /*@__PURE__*/ defineConfig<Qwen3Config>("qwen3", {
  ...decoderFields,
  vocabSize: size(151936),
  intermediateSize: size(22016),
  headDim: size(128),
  maxPositionEmbeddings: size(32768),
  bosTokenId: token(null),
  eosTokenId: token(null),
  attentionBias: flag(false),
  useSlidingWindow: flag(false),
  slidingWindow: size(4096),
  maxWindowLayers: size(28),
  layerTypes: list<string>((x) => typeof x === "string"),
});
const style = (c: Qwen3Config): DecoderStyle => ({
  qkvBias: c.attentionBias,
  outBias: c.attentionBias,
  qkNorm: true,
  window: qwenWindow(c),
  ropes: { default: ropeParameters(c) },
});

/**
 * Qwen 3 without a head: tokens [B, T] → hidden states [B, T, hiddenSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const sizes = { vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, numKeyValueHeads: 1, headDim: 4 };
 * new Qwen3Model(sizes).forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class Qwen3Model extends DecoderModel<Qwen3Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = qwen3Config;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<Qwen3Config> = {}) {
    const c = qwen3Config(config);
    super(c, style(c));
  }
}
/**
 * Qwen 3 with its head: tokens [B, T] → logits [B, T, vocabSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const sizes = { vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, headDim: 4 };
 * new Qwen3ForCausalLM(sizes).forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 10]
 */
export class Qwen3ForCausalLM extends DecoderForCausalLM<Qwen3Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = qwen3Config;
  constructor(config: Partial<Qwen3Config> = {}) {
    super(new Qwen3Model(config));
  }
}
