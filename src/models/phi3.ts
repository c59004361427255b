// Phi-3 and Phi-4: LLaMA with joined projections and, in the long variants, a rotary factor for each pair. Abdin et al. 2024.
import { type CommonConfig, type ConfigReader, defineConfig, maybe, real, size, token } from "./config.ts";
import { type DecoderConfig, decoderFields, DecoderForCausalLM, DecoderModel, type DecoderStyle } from "./shared/decoder.ts";
import { type RopeParameters, ropeParameters } from "./shared/rope.ts";

/** Sizes and switches of a Phi-3. */
export interface Phi3Config extends DecoderConfig {
  /** Longest text of the training before it was stretched. */
  readonly originalMaxPositionEmbeddings: number;
  /** Share of a head's features that turn. */
  readonly partialRotaryFactor: number;
  readonly slidingWindow: number | null;
}
/** A Phi-3's configuration; the defaults are those of the mini model. @example phi3Config().hiddenSize // => 3072 */
export const phi3Config: ConfigReader<Phi3Config> = /*@__PURE__*/ defineConfig<Phi3Config>("phi3", {
  ...decoderFields,
  vocabSize: size(32064),
  hiddenSize: size(3072),
  intermediateSize: size(8192),
  maxPositionEmbeddings: size(4096),
  rmsNormEps: real(1e-5),
  eosTokenId: token(32000),
  padTokenId: token(32000),
  originalMaxPositionEmbeddings: size(4096),
  partialRotaryFactor: real(1),
  slidingWindow: maybe(size(0)),
});
// Old files call the one scaling that there is `su` or `yarn`.
function rope(c: Phi3Config): RopeParameters {
  const p = ropeParameters(c);
  const kind = p.rope_type ?? p.type;
  return kind === "su" || kind === "yarn" ? { ...p, rope_type: "longrope" } : p;
}
const style = (c: Phi3Config): DecoderStyle => ({ fused: true, window: () => c.slidingWindow, ropes: { default: rope(c) } });

/**
 * Phi-3 without a head: tokens [B, T] → hidden states [B, T, hiddenSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const sizes = { vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2 };
 * new Phi3Model(sizes).forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 8]
 */
export class Phi3Model extends DecoderModel<Phi3Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = phi3Config;
  /** @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit */
  constructor(config: Partial<Phi3Config> = {}) {
    const c = phi3Config(config);
    super(c, style(c));
  }
}
/**
 * Phi-3 with its head: tokens [B, T] → logits [B, T, vocabSize].
 * @throws ArgumentError for fields that a configuration has not, ValueError for sizes that do not fit
 * @example
 * const model = new Phi3ForCausalLM({ vocabSize: 10, hiddenSize: 8, intermediateSize: 16, numHiddenLayers: 1, numAttentionHeads: 2 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 10]
 */
export class Phi3ForCausalLM extends DecoderForCausalLM<Phi3Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = phi3Config;
  constructor(config: Partial<Phi3Config> = {}) {
    super(new Phi3Model(config));
  }
}
