// Mistral: LLaMA with a window of attention. Jiang et al. 2023.
import { type CommonConfig, type ConfigReader, defineConfig, maybe, size } from "./config.ts";
import { type DecoderConfig, decoderFields, DecoderForCausalLM, DecoderModel, type DecoderStyle } from "./shared/decoder.ts";
import { ropeParameters } from "./shared/rope.ts";

/** Sizes and switches of a Mistral. */
export interface MistralConfig extends DecoderConfig {
  /** How many positions back a token sees; null: all. */
  readonly slidingWindow: number | null;
}
/** A Mistral's configuration; the defaults are those of the 7 B model. @example mistralConfig().slidingWindow // => 4096 */
export const mistralConfig: ConfigReader<MistralConfig> = /*@__PURE__*/ defineConfig<MistralConfig>("mistral", {
  ...decoderFields,
  intermediateSize: size(14336),
  numKeyValueHeads: size(8),
  maxPositionEmbeddings: size(131072),
  slidingWindow: { ...maybe(size(0)), fallback: 4096 },
});
const style = (c: MistralConfig): DecoderStyle => ({ window: () => c.slidingWindow, ropes: { default: ropeParameters(c) } });

/**
 * Mistral without a head: tokens [B, T] → hidden states [B, T, hiddenSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const sizes = { vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, numKeyValueHeads: 1 };
 * new MistralModel(sizes).forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class MistralModel extends DecoderModel<MistralConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = mistralConfig;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<MistralConfig> = {}) {
    const c = mistralConfig(config);
    super(c, style(c));
  }
}
/**
 * Mistral with its head: tokens [B, T] → logits [B, T, vocabSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const sizes = { vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, numKeyValueHeads: 1 };
 * new MistralForCausalLM(sizes).forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 10]
 */
export class MistralForCausalLM extends DecoderForCausalLM<MistralConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = mistralConfig;
  constructor(config: Partial<MistralConfig> = {}) {
    super(new MistralModel(config));
  }
}
