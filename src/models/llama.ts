// LLaMA 1, 2, 3, 3.1, 3.2, and what has its shape (SmolLM, TinyLlama, Vicuna, Yi). Touvron et al. 2023; Grattafiori et al. 2024.
import { type CommonConfig, type ConfigReader, defineConfig, flag } from "./config.ts";
import { type DecoderConfig, decoderFields, DecoderForCausalLM, DecoderModel, type DecoderStyle } from "./shared/decoder.ts";
import { ropeParameters } from "./shared/rope.ts";

/** Sizes and switches of a LLaMA. */
export interface LlamaConfig extends DecoderConfig {
  /** Have the projections of attention a bias? */
  readonly attentionBias: boolean;
  /** Have those of the MLP? */
  readonly mlpBias: boolean;
}
/** A LLaMA's configuration; the defaults are those of LLaMA 1 with 7 B parameters. @example llamaConfig({ numHiddenLayers: 2 }).hiddenSize // => 4096 */
export const llamaConfig: ConfigReader<LlamaConfig> = /*@__PURE__*/ defineConfig<LlamaConfig>("llama", {
  ...decoderFields,
  attentionBias: flag(false),
  mlpBias: flag(false),
});
const style = (c: LlamaConfig): DecoderStyle => ({
  qkvBias: c.attentionBias,
  outBias: c.attentionBias,
  mlpBias: c.mlpBias,
  ropes: { default: ropeParameters(c) },
});

/**
 * LLaMA without a head: tokens [B, T] → hidden states [B, T, hiddenSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const sizes = { vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2 };
 * new LlamaModel(sizes).forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class LlamaModel extends DecoderModel<LlamaConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = llamaConfig;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<LlamaConfig> = {}) {
    const c = llamaConfig(config);
    super(c, style(c));
  }
}
/**
 * LLaMA with its head: tokens [B, T] → logits [B, T, vocabSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const model = new LlamaForCausalLM({ vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 10]
 */
export class LlamaForCausalLM extends DecoderForCausalLM<LlamaConfig> {
  static override readonly configOf: ConfigReader<CommonConfig> = llamaConfig;
  constructor(config: Partial<LlamaConfig> = {}) {
    super(new LlamaModel(config));
  }
}
