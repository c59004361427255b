// The decoder that LLaMA and its kin are made of: grouped-query attention with rotary positions, a gated MLP, RMS norms. Touvron et al. 2023.
// In the comments, B rows of T tokens are C = hiddenSize wide, in H query heads and G key heads of D features.
import { ValueError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { rmsNorm } from "../../ops/norm/index.ts";
import { ones } from "../../ops/create.ts";
import { ModuleList } from "../../nn/container.ts";
import { Linear } from "../../nn/linear.ts";
import { Module, Parameter } from "../../nn/module.ts";
import { Embedding } from "../../nn/norm.ts";
import { type BaseOutput, type CacheShape, CausalModel, type CausalOptions, checkInputs } from "../causal.ts";
import { type CommonConfig, type FieldsOf, flag, maybe, object, real, size, type Token, token, word } from "../config.ts";
import { PreTrainedModel } from "../pretrained.ts";
import { activation } from "./activation.ts";
import { CacheBatch, type Keys } from "./cache.ts";
import { type Angles, Rope, type RopeParameters, rotate } from "./rope.ts";
import { positionsOf, Sight } from "./sight.ts";

/** Sizes and switches that every decoder has. */
export interface DecoderConfig extends CommonConfig {
  readonly vocabSize: number;
  /** Features of a token. */
  readonly hiddenSize: number;
  /** Features inside the MLP. */
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  /** Heads of keys and values; null: as many as of queries. */
  readonly numKeyValueHeads: number | null;
  /** Features of a head; null: hiddenSize / numAttentionHeads. */
  readonly headDim: number | null;
  readonly hiddenAct: string;
  /** Longest text in tokens. */
  readonly maxPositionEmbeddings: number;
  readonly rmsNormEps: number;
  readonly initializerRange: number;
  readonly attentionDropout: number;
  readonly tieWordEmbeddings: boolean;
  readonly ropeTheta: number;
  /** How rotary positions are stretched, in Hugging Face's spelling: before version 5 of transformers… */
  readonly ropeScaling: Readonly<Record<string, unknown>> | null;
  /** …and since. */
  readonly ropeParameters: Readonly<Record<string, unknown>> | null;
  readonly bosTokenId: Token;
  readonly eosTokenId: Token;
  readonly padTokenId: Token;
}
/** Their fields; an architecture adds its own and sets its defaults. */
export const decoderFields: FieldsOf<DecoderConfig> = {
  vocabSize: size(32000),
  hiddenSize: size(4096),
  intermediateSize: size(11008),
  numHiddenLayers: size(32),
  numAttentionHeads: size(32),
  numKeyValueHeads: maybe(size(0)),
  headDim: maybe(size(0)),
  hiddenAct: word("silu"),
  maxPositionEmbeddings: size(2048),
  rmsNormEps: real(1e-6),
  initializerRange: real(0.02),
  attentionDropout: real(0),
  tieWordEmbeddings: flag(false),
  ropeTheta: real(10000),
  ropeScaling: object,
  ropeParameters: object,
  bosTokenId: token(1),
  eosTokenId: token(2),
  padTokenId: token(null),
};
/** In what architectures differ; what is not given is as in LLaMA. */
export interface DecoderStyle {
  /** Have the projections of queries, keys and values a bias? */
  readonly qkvBias?: boolean;
  readonly outBias?: boolean;
  readonly mlpBias?: boolean;
  /** Are queries and keys normalised head by head? */
  readonly qkNorm?: boolean;
  /** One matrix for queries, keys and values, one for gate and up (Phi-3)? */
  readonly fused?: boolean;
  /** Is a norm's weight the distance from 1 (Gemma)? */
  readonly normOffset?: boolean;
  /** Norms after attention and MLP too, before they are added (Gemma)? */
  readonly sandwich?: boolean;
  /** Factor of the scores (default 1/√D). */
  readonly scale?: number;
  /** Bounds of attention scores and logits: cap · tanh(x / cap) (Gemma 2). */
  readonly attentionCap?: number | null;
  readonly logitCap?: number | null;
  /** Factor of the embeddings (Gemma). */
  readonly embeddingScale?: number;
  /** How far back a layer's queries see; null: all. */
  readonly window?: (layer: number) => number | null;
  /** The kinds of rotary tables by name, and which one a layer uses. */
  readonly ropes: Readonly<Record<string, RopeParameters>>;
  readonly ropeOf?: (layer: number) => string;
}

/** Heads and their size. @throws ValueError when they do not fit */
export function headsOf(config: DecoderConfig): { heads: number; groups: number; dim: number } {
  const heads = config.numAttentionHeads;
  const groups = config.numKeyValueHeads ?? heads;
  const dim = config.headDim ?? config.hiddenSize / heads;
  if (!Number.isInteger(dim) || dim % 2 !== 0 || heads % groups !== 0)
    throw new ValueError({
      op: `${config.modelType} config`,
      message: `${heads} heads with ${groups} key heads of ${dim} features for hiddenSize ${config.hiddenSize}`,
      hint: "Heads are a multiple of key heads; features of a head are a whole, even number",
    });
  return { heads, groups, dim };
}

/** RMS norm; with `offset`, the weight is the distance from 1. Zhang & Sennrich 2019. */
export class RMSNorm extends Module {
  readonly eps: number;
  readonly offset: boolean;
  weight: Parameter;
  constructor(features: number, eps: number, offset = false) {
    super();
    this.eps = eps;
    this.offset = offset;
    this.weight = new Parameter(ones(features));
  }
  forward(x: Tensor): Tensor {
    if (!this.offset) return rmsNorm(x, [x.shape.at(-1)!], this.weight, this.eps);
    // Gemma multiplies in float32 and rounds once.
    return rmsNorm(x.to("float32"), [x.shape.at(-1)!], this.weight.to("float32").add(1), this.eps).to(x.dtype);
  }
}

class Attention extends Module {
  readonly config: DecoderConfig;
  readonly style: DecoderStyle;
  readonly layer: number;
  constructor(config: DecoderConfig, style: DecoderStyle, layer: number) {
    super();
    this.config = config;
    this.style = style;
    this.layer = layer;
    const { heads, groups, dim } = headsOf(config);
    const { qkvBias: bias = false, outBias = false, qkNorm, fused, normOffset } = style;
    if (fused) this.qkv_proj = new Linear(config.hiddenSize, (heads + 2 * groups) * dim, { bias });
    else {
      this.q_proj = new Linear(config.hiddenSize, heads * dim, { bias });
      this.k_proj = new Linear(config.hiddenSize, groups * dim, { bias });
      this.v_proj = new Linear(config.hiddenSize, groups * dim, { bias });
    }
    this.o_proj = new Linear(heads * dim, config.hiddenSize, { bias: outBias });
    if (qkNorm) {
      this.q_norm = new RMSNorm(dim, config.rmsNormEps, normOffset);
      this.k_norm = new RMSNorm(dim, config.rmsNormEps, normOffset);
    }
  }
  declare q_proj: Linear;
  declare k_proj: Linear;
  declare v_proj: Linear;
  declare qkv_proj?: Linear;
  declare o_proj: Linear;
  declare q_norm?: RMSNorm;
  declare k_norm?: RMSNorm;

  forward(x: Tensor, angles: Angles, sight: Sight, cache: Keys | null): Tensor {
    const [B, T] = x.shape as [number, number];
    const { heads, groups, dim } = headsOf(this.config);
    const split = (t: Tensor, n: number, norm?: RMSNorm): Tensor => {
      const h = t.reshape([B, T, n, dim]);
      return (norm ? norm.forward(h) : h).transpose(1, 2); // [B, n, T, D]
    };
    const [q, k, v] = this.qkv_proj
      ? (this.qkv_proj.forward(x).split([heads * dim, groups * dim, groups * dim], -1) as [Tensor, Tensor, Tensor])
      : [this.q_proj.forward(x), this.k_proj.forward(x), this.v_proj.forward(x)]; // [B, T, n D] each
    const turnedQ = rotate(split(q, heads, this.q_norm), angles); // [B, H, T, D]
    const turnedK = rotate(split(k, groups, this.k_norm), angles); // [B, G, T, D]
    const { scale = dim ** -0.5, attentionCap: softcap = null, window } = this.style;
    const style = { scale, softcap, window: window?.(this.layer) ?? null, dropoutP: this.training ? this.config.attentionDropout : 0 };
    const see = (q: Tensor, k: Tensor, v: Tensor): Tensor => sight.attend(q, k, v, style); // [B, H, T, D]
    const values = split(v, groups);
    const y = cache ? cache.attend(this.layer, turnedQ, turnedK, values, see) : see(turnedQ, turnedK, values);
    return this.o_proj.forward(y.transpose(1, 2).reshape([B, T, heads * dim])); // [B, T, C]
  }
}

/** `down(act(gate(x)) · up(x))`. Shazeer 2020, GLU variants. */
class GatedMLP extends Module {
  readonly act: string;
  declare gate_proj: Linear;
  declare up_proj: Linear;
  declare gate_up_proj?: Linear;
  declare down_proj: Linear; // after the others, as in transformers: the order in which values are drawn
  constructor(config: DecoderConfig, { mlpBias: bias = false, fused }: DecoderStyle) {
    super();
    this.act = config.hiddenAct;
    if (fused) this.gate_up_proj = new Linear(config.hiddenSize, 2 * config.intermediateSize, { bias });
    else {
      this.gate_proj = new Linear(config.hiddenSize, config.intermediateSize, { bias });
      this.up_proj = new Linear(config.hiddenSize, config.intermediateSize, { bias });
    }
    this.down_proj = new Linear(config.intermediateSize, config.hiddenSize, { bias });
  }
  forward(x: Tensor): Tensor {
    const [gate, up] = this.gate_up_proj
      ? (this.gate_up_proj.forward(x).chunk(2, -1) as [Tensor, Tensor])
      : [this.gate_proj.forward(x), this.up_proj.forward(x)]; // [B, T, intermediateSize]
    return this.down_proj.forward(activation(this.act)(gate).mul(up)); // [B, T, C]
  }
}

class DecoderLayer extends Module {
  self_attn: Attention;
  mlp: GatedMLP;
  input_layernorm: RMSNorm;
  post_attention_layernorm: RMSNorm;
  declare pre_feedforward_layernorm?: RMSNorm;
  declare post_feedforward_layernorm?: RMSNorm;
  constructor(config: DecoderConfig, style: DecoderStyle, layer: number) {
    super();
    const norm = (): RMSNorm => new RMSNorm(config.hiddenSize, config.rmsNormEps, style.normOffset);
    this.self_attn = new Attention(config, style, layer);
    this.mlp = new GatedMLP(config, style);
    this.input_layernorm = norm();
    this.post_attention_layernorm = norm();
    if (style.sandwich) {
      this.pre_feedforward_layernorm = norm();
      this.post_feedforward_layernorm = norm();
    }
  }
  forward(x: Tensor, angles: Angles, sight: Sight, cache: Keys | null): Tensor {
    const a = this.self_attn.forward(this.input_layernorm.forward(x), angles, sight, cache); // [B, T, C]
    if (this.pre_feedforward_layernorm && this.post_feedforward_layernorm) {
      const h = x.add(this.post_attention_layernorm.forward(a));
      return h.add(this.post_feedforward_layernorm.forward(this.mlp.forward(this.pre_feedforward_layernorm.forward(h))));
    }
    const h = x.add(a);
    return h.add(this.mlp.forward(this.post_attention_layernorm.forward(h)));
  }
}

/** A decoder without a head: tokens [B, T] → hidden states [B, T, C]. */
export class DecoderModel<C extends DecoderConfig = DecoderConfig> extends PreTrainedModel<C> {
  static override readonly baseModelPrefix = "model";
  static override readonly ignoredKeys: RegExp = /rotary_emb\.inv_freq$/;
  readonly style: DecoderStyle;
  embed_tokens: Embedding;
  layers: ModuleList<DecoderLayer>;
  norm: RMSNorm;
  /** @internal */
  readonly ropes: ReadonlyMap<string, Rope>;
  constructor(config: C, style: DecoderStyle) {
    super(config);
    this.style = style;
    const { dim } = headsOf(config);
    this.embed_tokens = new Embedding(config.vocabSize, config.hiddenSize);
    this.layers = new ModuleList(Array.from({ length: config.numHiddenLayers }, (_, i) => new DecoderLayer(config, style, i)));
    this.norm = new RMSNorm(config.hiddenSize, config.rmsNormEps, style.normOffset);
    this.ropes = new Map(
      Object.entries(style.ropes).map(([name, p]) => [
        name,
        new Rope({ headDim: dim, maxPositionEmbeddings: config.maxPositionEmbeddings }, p),
      ]),
    );
    this.initWeights();
  }
  protected override normIsOffset(): boolean {
    return this.style.normOffset === true;
  }
  forward(inputIds: Tensor, options?: CausalOptions): BaseOutput {
    const { cache = null, attentionMask = null, outputHiddenStates } = checkInputs(`${this.constructor.name}.forward`, inputIds, options);
    if (cache && outgrows([...this.ropes.values()], cache, inputIds.shape[1]!)) return again(this, inputIds, cache, options ?? {});
    const embedded = this.embed_tokens.forward(inputIds); // [B, T, C]
    let x = this.style.embeddingScale === undefined ? embedded : embedded.mul(this.style.embeddingScale);
    const segments = options?.segmentIds ?? null;
    const sight = new Sight(inputIds, cache, attentionMask, { segments });
    const at = positionsOf(inputIds, cache, attentionMask, segments);
    const angles = new Map([...this.ropes].map(([name, rope]) => [name, rope.angles(at, x.dtype, x.device)]));
    const states: Tensor[] = [];
    let i = 0;
    for (const layer of this.layers) {
      if (outputHiddenStates) states.push(x);
      const [input, turns] = [x, angles.get(this.style.ropeOf?.(i++) ?? "default")!];
      x = this.runLayer(cache !== null, () => layer.forward(input, turns, sight, cache));
    }
    const last = this.norm.forward(x);
    cache?.advance(inputIds);
    return { lastHiddenState: last, hiddenStates: outputHiddenStates ? [...states, last] : null };
  }
}

// Some rotary tables are others for longer texts (`dynamic`, `longrope`): keys in the cache are then those of a shorter text.
function outgrows(ropes: readonly Rope[], cache: Keys, count: number): boolean {
  const rows =
    cache instanceof CacheBatch
      ? cache.lengths.map((n, i) => [n, n + cache.counts[i]!] as const)
      : [[cache.length, cache.length + count] as const];
  const changes = (from: number, to: number): boolean => ropes.some((r) => r.changes(from, to));
  // Rows of different lengths share one table: all must agree on it.
  return rows.some(([from, to]) => from > 0 && changes(from, to)) || rows.some(([, to]) => changes(to, rows[0]![1]));
}
// The whole text once more, or each row by itself.
function again(model: DecoderModel, inputIds: Tensor, cache: Keys, options: CausalOptions): BaseOutput {
  if (cache instanceof CacheBatch) {
    const parts = cache.split(inputIds, 1).map((ids, i) => model.forward(ids, { ...options, cache: cache.rows[i]! }));
    const joined = (of: (p: BaseOutput) => Tensor): Tensor => cache.join(parts.map(of), 1);
    return {
      lastHiddenState: joined((p) => p.lastHiddenState),
      hiddenStates: parts[0]!.hiddenStates?.map((_, l) => joined((p) => p.hiddenStates![l]!)) ?? null,
    };
  }
  const count = inputIds.shape[1]!;
  const whole = model.forward(cache.restart(inputIds), options);
  const newest = (x: Tensor): Tensor => x.narrow(1, x.shape[1]! - count, count);
  return { lastHiddenState: newest(whole.lastHiddenState), hiddenStates: whole.hiddenStates?.map(newest) ?? null };
}

/** A decoder with its head: logits of the next token. */
export class DecoderForCausalLM<C extends DecoderConfig = DecoderConfig> extends CausalModel<C> {
  static override readonly baseModelPrefix = "model";
  static override readonly ignoredKeys: RegExp = /rotary_emb\.inv_freq$/;
  model: DecoderModel<C>;
  lm_head: Linear;
  constructor(model: DecoderModel<C>) {
    super(model.config);
    this.model = model;
    this.lm_head = new Linear(this.config.hiddenSize, this.config.vocabSize, { bias: false });
    if (this.config.tieWordEmbeddings) this.lm_head.weight = model.embed_tokens.weight;
    else this.initWeights(new Set([this.lm_head.weight]));
  }
  protected override normIsOffset(): boolean {
    return this.model.style.normOffset === true;
  }
  override tiedKeys(): readonly (readonly [string, string])[] {
    return this.config.tieWordEmbeddings ? [["lm_head.weight", "model.embed_tokens.weight"]] : [];
  }
  override cacheShape(): CacheShape {
    const { groups, dim } = headsOf(this.config);
    return { layers: this.config.numHiddenLayers, heads: groups, headDim: dim };
  }
  override base(inputIds: Tensor, options: CausalOptions): BaseOutput {
    return this.model.forward(inputIds, options);
  }
  override head(hidden: Tensor): Tensor {
    const logits = this.lm_head.forward(hidden);
    const cap = this.model.style.logitCap ?? null;
    return cap === null ? logits : logits.div(cap).tanh().mul(cap);
  }
}
