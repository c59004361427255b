// GPT-2: learned positions, norms before attention and MLP, weights kept [in, out]. Radford et al. 2019. In the comments, B rows of T tokens are
// C = nEmbd wide, in H = nHead heads of D = C / H features; S keys are those of the cache and the T new ones.
import type { Tensor } from "../core/tensor.ts";
import { dropout } from "../ops/sparse.ts";
import type { StoredTensor } from "../io/stored.ts";
import { Module } from "../nn/module.ts";
import { ModuleList } from "../nn/container.ts";

import { Embedding, LayerNorm } from "../nn/norm.ts";
import { Linear } from "../nn/linear.ts";
import { type BaseOutput, type CacheShape, CausalModel, type CausalOptions, checkInputs } from "./causal.ts";
import { type CommonConfig, type ConfigReader, defineConfig, flag, maybe, real, size, type Token, token, word } from "./config.ts";
import { PreTrainedModel } from "./pretrained.ts";
import { activation } from "./shared/activation.ts";
import type { Keys } from "./shared/cache.ts";
import { Conv1D } from "./shared/conv1d.ts";
import { positionsOf, Sight, tokenPositions } from "./shared/sight.ts";
import { Transposed } from "./weights.ts";

/** Sizes and switches of a GPT-2. */
export interface GPT2Config extends CommonConfig {
  readonly vocabSize: number;
  /** Longest text in tokens. */
  readonly nPositions: number;
  /** Features of a token. */
  readonly nEmbd: number;
  readonly nLayer: number;
  readonly nHead: number;
  /** Features inside the MLP; null: 4 · nEmbd. */
  readonly nInner: number | null;
  readonly activationFunction: string;
  readonly residPdrop: number;
  readonly embdPdrop: number;
  readonly attnPdrop: number;
  readonly layerNormEpsilon: number;
  readonly initializerRange: number;
  readonly scaleAttnWeights: boolean;
  readonly scaleAttnByInverseLayerIdx: boolean;
  readonly tieWordEmbeddings: boolean;
  readonly bosTokenId: Token;
  readonly eosTokenId: Token;
  readonly padTokenId: Token;
}
/** A GPT-2's configuration; the defaults are those of the smallest. @example gpt2Config({ nLayer: 2 }).nEmbd // => 768 */
export const gpt2Config: ConfigReader<GPT2Config> = /*@__PURE__*/ defineConfig<GPT2Config>("gpt2", {
  vocabSize: size(50257),
  nPositions: size(1024),
  nEmbd: size(768),
  nLayer: size(12),
  nHead: size(12),
  nInner: maybe(size(0)),
  activationFunction: word("gelu_new"),
  residPdrop: real(0.1),
  embdPdrop: real(0.1),
  attnPdrop: real(0.1),
  layerNormEpsilon: real(1e-5),
  initializerRange: real(0.02),
  scaleAttnWeights: flag(true),
  scaleAttnByInverseLayerIdx: flag(false),
  tieWordEmbeddings: flag(true),
  bosTokenId: token(50256),
  eosTokenId: token(50256),
  padTokenId: token(null),
});

class GPT2Attention extends Module {
  readonly config: GPT2Config;
  readonly layer: number;
  c_attn: Conv1D;
  c_proj: Conv1D;
  constructor(config: GPT2Config, layer: number) {
    super();
    this.config = config;
    this.layer = layer;
    this.c_attn = new Conv1D(config.nEmbd, 3 * config.nEmbd);
    this.c_proj = new Conv1D(config.nEmbd, config.nEmbd);
  }
  forward(x: Tensor, sight: Sight, cache: Keys | null): Tensor {
    const [B, T, C] = x.shape as [number, number, number];
    const { nHead: H, scaleAttnWeights, scaleAttnByInverseLayerIdx, attnPdrop, residPdrop } = this.config;
    const heads = (t: Tensor): Tensor => t.view([B, T, H, C / H]).transpose(1, 2); // [B, T, C] → [B, H, T, D]
    const [q, k, v] = this.c_attn.forward(x).split(C, 2).map(heads) as [Tensor, Tensor, Tensor];
    const scale = (scaleAttnWeights ? (C / H) ** -0.5 : 1) / (scaleAttnByInverseLayerIdx ? this.layer + 1 : 1);
    const style = { scale, dropoutP: this.training ? attnPdrop : 0 };
    const see = (q: Tensor, k: Tensor, v: Tensor): Tensor => sight.attend(q, k, v, style); // [B, H, T, D]
    const y = cache ? cache.attend(this.layer, q, k, v, see) : see(q, k, v);
    return dropout(this.c_proj.forward(y.transpose(1, 2).reshape([B, T, C])), residPdrop, this.training);
  }
}

class GPT2MLP extends Module {
  readonly config: GPT2Config;
  c_fc: Conv1D;
  c_proj: Conv1D;
  constructor(config: GPT2Config) {
    super();
    this.config = config;
    const inner = config.nInner ?? 4 * config.nEmbd;
    this.c_fc = new Conv1D(config.nEmbd, inner);
    this.c_proj = new Conv1D(inner, config.nEmbd);
  }
  forward(x: Tensor): Tensor {
    const h = activation(this.config.activationFunction)(this.c_fc.forward(x)); // [B, T, 4C]
    return dropout(this.c_proj.forward(h), this.config.residPdrop, this.training); // [B, T, C]
  }
}

class GPT2Block extends Module {
  ln_1: LayerNorm;
  attn: GPT2Attention;
  ln_2: LayerNorm;
  mlp: GPT2MLP;
  constructor(config: GPT2Config, layer: number) {
    super();
    const eps = config.layerNormEpsilon;
    this.ln_1 = new LayerNorm(config.nEmbd, { eps });
    this.attn = new GPT2Attention(config, layer);
    this.ln_2 = new LayerNorm(config.nEmbd, { eps });
    this.mlp = new GPT2MLP(config);
  }
  forward(x: Tensor, sight: Sight, cache: Keys | null): Tensor {
    const h = x.add(this.attn.forward(this.ln_1.forward(x), sight, cache)); // [B, T, C]
    return h.add(this.mlp.forward(this.ln_2.forward(h)));
  }
}

// Files of nanoGPT and minGPT keep these matrices [out, in], as a Linear has them.
const CONV1D = /\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight$/;
function adapt(tensors: ReadonlyMap<string, StoredTensor>, config: CommonConfig): ReadonlyMap<string, StoredTensor> {
  const { nEmbd } = config as GPT2Config;
  const [, qkv] = [...tensors].find(([k]) => k.endsWith("attn.c_attn.weight")) ?? [];
  if (qkv?.shape[0] !== 3 * nEmbd || qkv.shape[1] !== nEmbd) return tensors;
  return new Map([...tensors].map(([k, t]) => [k, CONV1D.test(k) ? new Transposed(t) : t]));
}
// The causal mask that old files hold.
const ignoredKeys = /(^|\.)attn\.(bias|masked_bias)$/;

/**
 * GPT-2 without a head: tokens [B, T] → hidden states [B, T, nEmbd].
 * @throws ArgumentError for fields that a configuration has not, or of another kind
 * @example
 * const model = new GPT2Model({ vocabSize: 10, nPositions: 8, nEmbd: 4, nLayer: 1, nHead: 2 });
 * model.forward(tensor([[1, 2, 3]])).lastHiddenState.shape // => [1, 3, 4]
 */
export class GPT2Model extends PreTrainedModel<GPT2Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = gpt2Config;
  static override readonly baseModelPrefix = "transformer";
  static override readonly ignoredKeys: RegExp = ignoredKeys;
  static override readonly adapt: typeof adapt = adapt;
  wte: Embedding;
  wpe: Embedding;
  h: ModuleList<GPT2Block>;
  ln_f: LayerNorm;
  /** @throws ArgumentError for fields that a configuration has not, or of another kind */
  constructor(config: Partial<GPT2Config> = {}) {
    super(gpt2Config(config));
    const { vocabSize, nPositions, nEmbd, nLayer, layerNormEpsilon } = this.config;
    this.wte = new Embedding(vocabSize, nEmbd);
    this.wpe = new Embedding(nPositions, nEmbd);
    this.h = new ModuleList(Array.from({ length: nLayer }, (_, i) => new GPT2Block(this.config, i)));
    this.ln_f = new LayerNorm(nEmbd, { eps: layerNormEpsilon });
    this.initWeights();
  }
  forward(inputIds: Tensor, options?: CausalOptions): BaseOutput {
    const { cache = null, attentionMask = null, outputHiddenStates } = checkInputs("GPT2Model.forward", inputIds, options);
    const segments = options?.segmentIds ?? null;
    const sight = new Sight(inputIds, cache, attentionMask, { segments });
    const at = this.wpe.forward(tokenPositions(positionsOf(inputIds, cache, attentionMask, segments), inputIds.device)); // [B or 1, T, C]
    let x = dropout(this.wte.forward(inputIds).add(at), this.config.embdPdrop, this.training); // [B, T, C]
    const states: Tensor[] = [];
    for (const block of this.h) {
      states.push(x);
      const input = x;
      x = this.runLayer(cache !== null, () => block.forward(input, sight, cache));
    }
    const last = this.ln_f.forward(x);
    cache?.advance(inputIds);
    return { lastHiddenState: last, hiddenStates: outputHiddenStates ? [...states, last] : null };
  }
}

/**
 * GPT-2 with its head: the embedding again, so that a token's score is how much it is like the last hidden state.
 * @example
 * const model = new GPT2LMHeadModel({ vocabSize: 10, nPositions: 8, nEmbd: 4, nLayer: 1, nHead: 2 });
 * model.forward(tensor([[1, 2, 3]])).logits.shape // => [1, 3, 10]
 */
export class GPT2LMHeadModel extends CausalModel<GPT2Config> {
  static override readonly configOf: ConfigReader<CommonConfig> = gpt2Config;
  static override readonly baseModelPrefix = "transformer";
  static override readonly ignoredKeys: RegExp = ignoredKeys;
  static override readonly adapt: typeof adapt = adapt;
  transformer: GPT2Model;
  lm_head: Linear;
  /** @throws ArgumentError for fields that a configuration has not, or of another kind */
  constructor(config: Partial<GPT2Config> = {}) {
    super(gpt2Config(config));
    this.transformer = new GPT2Model(this.config);
    this.lm_head = new Linear(this.config.nEmbd, this.config.vocabSize, { bias: false });
    if (this.config.tieWordEmbeddings) this.lm_head.weight = this.transformer.wte.weight;
    else this.initWeights(new Set([this.lm_head.weight]));
  }
  override tiedKeys(): readonly (readonly [string, string])[] {
    return this.config.tieWordEmbeddings ? [["lm_head.weight", "transformer.wte.weight"]] : [];
  }
  override cacheShape(): CacheShape {
    const { nLayer, nHead, nEmbd } = this.config;
    return { layers: nLayer, heads: nHead, headDim: nEmbd / nHead };
  }
  override base(inputIds: Tensor, options: CausalOptions): BaseOutput {
    return this.transformer.forward(inputIds, options);
  }
  override head(hidden: Tensor): Tensor {
    return this.lm_head.forward(hidden);
  }
}
