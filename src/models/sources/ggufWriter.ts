// Language models as GGUF files, the reverse of gguf.ts: Hugging Face's names as llama.cpp's, the configuration as metadata, weights quantised.
import { UnsupportedError } from "../../core/errors.ts";
import { noGrad } from "../../core/mode.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { GgufField, GgufValue } from "../../io/gguf/metadata.ts";
import { blockType, type QuantType } from "../../kernel/quant/types.ts";
import { QuantizedTensor } from "../../ops/quantized/tensor.ts";
import { tensor } from "../../ops/create.ts";
import type { CausalModel } from "../causal.ts";
import { configText } from "../config.ts";
import type { DecoderConfig } from "../shared/decoder.ts";
import { Rope, ropeParameters } from "../shared/rope.ts";
import { type Architecture, ARCHITECTURES } from "./gguf.ts";

/** Types that `ggufModel` writes matrices in. */
export type GgufWeightType = QuantType | "F32" | "F16" | "BF16";
type Metadata = Record<string, GgufValue | GgufField>;
/** What a GGUF file of a model holds. */
export interface GgufModel {
  readonly tensors: Readonly<Record<string, Tensor | QuantizedTensor>>;
  readonly metadata: Readonly<Record<string, GgufValue | GgufField>>;
}

// Where rows are not whole blocks of 256, the type of blocks of 32 next above, as llama.cpp has it.
const SMALLER: Readonly<Record<string, QuantType>> = {
  Q2_K: "Q4_0",
  Q3_K: "Q4_0",
  Q4_K: "Q5_0",
  Q5_K: "Q5_1",
  Q6_K: "Q8_0",
  IQ4_XS: "IQ4_NL",
};
const PLAIN = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;
// llama.cpp's numbers of whole files.
const FILE_TYPES: Readonly<Record<string, number>> = {
  F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q8_0: 7, Q5_0: 8, Q5_1: 9, Q2_K: 10, Q3_K: 12, Q4_K: 15, Q5_K: 17, Q6_K: 18, IQ4_NL: 25, IQ4_XS: 30, BF16: 32,
}; // biome-ignore format: a table

/**
 * A model as a GGUF file has it. Matrices are of `type` (where rows are not whole blocks, of one with smaller ones), the head's 6 bits at least; norms, biases and
 * all else stay float32.
 * @param onTensor told how many tensors of all are done
 * @throws UnsupportedError for architectures and rotary embeddings that GGUF files cannot tell, and for weights that are quantised already
 * @example
 * const model = new LlamaForCausalLM({ vocabSize: 32, hiddenSize: 32, intermediateSize: 32, numHiddenLayers: 1, numAttentionHeads: 2 });
 * const { tensors, metadata } = ggufModel(model, "Q8_0");
 * [metadata["general.architecture"], tensors["blk.0.attn_q.weight"].type, tensors["output_norm.weight"].dtype] // => ["llama", "Q8_0", "float32"]
 */
export function ggufModel(model: CausalModel, type: GgufWeightType, onTensor: (done: number, total: number) => void = () => {}): GgufModel {
  const config = JSON.parse(configText(model.config)) as Record<string, unknown>;
  // llama.cpp knows Mistral as a LLaMA.
  const modelType = model.config.modelType === "mistral" ? "llama" : model.config.modelType;
  const [kind, a] = Object.entries(ARCHITECTURES).find(([, x]) => x.modelType === modelType) ?? [];
  if (!kind || !a)
    throw new UnsupportedError({
      op: "ggufModel",
      message: `no GGUF architecture is known for ${modelType}`,
      hint: `Known: ${Object.values(ARCHITECTURES)
        .map((x) => x.modelType)
        .join(", ")}`,
    });
  const tied = new Set(model.tiedKeys().map(([other]) => other));
  const state = Object.entries(model.stateDict()).filter(([name]) => !tied.has(name));
  const name = namer(a);
  const tensors: Record<string, Tensor | QuantizedTensor> = {};
  noGrad(() => {
    for (const [i, [from, weight]] of state.entries()) {
      const to = name(from);
      if (to !== null) tensors[to] = stored(arranged(weight.detach(), from, a, config), to, type);
      onTensor(i + 1, state.length);
    }
  });
  const metadata: Metadata = {
    "general.architecture": kind,
    "general.file_type": FILE_TYPES[type] ?? 0,
    "general.quantization_version": 2,
    ...Object.fromEntries(Object.entries(sizes(a, config)).map(([k, v]) => [`${kind}.${k}`, v])),
  };
  if (a.modelType !== "gpt2") addRope(kind, model.config as unknown as DecoderConfig, metadata, tensors);
  return { tensors, metadata };
}

/** Names at Hugging Face as llama.cpp's; null for what has none. */
function namer(a: Architecture): (name: string) => string | null {
  const whole = new Map<string, string>();
  const parts = new Map<string, string>();
  for (const [own, theirs] of Object.entries(a.names)) (own.includes(".") ? whole : parts).set(theirs, own);
  const pattern = new RegExp(`^${a.layers.replaceAll(".", "\\.")}\\.(\\d+)\\.(.+)\\.(weight|bias)$`);
  return (name) => {
    if (whole.has(name)) return whole.get(name)!;
    const [, layer, part, end] = pattern.exec(name) ?? [];
    const own = part === undefined ? undefined : parts.get(part);
    return own === undefined ? null : `blk.${layer}.${own}.${end}`;
  };
}

/** Values in the order in which llama.cpp keeps them. */
function arranged(x: Tensor, name: string, a: Architecture, config: Readonly<Record<string, unknown>>): Tensor {
  if (a.modelType === "gpt2" && /\.(c_attn|c_proj|c_fc)\.weight$/.test(name)) return x.transpose(0, 1);
  if (a.interleaved && /\.(q|k)_proj\./.test(name)) {
    const heads = (/q_proj/.test(name) ? null : config["num_key_value_heads"]) ?? config["num_attention_heads"];
    const n = x.shape[0]!;
    // The halves of a head, which turn together, become neighbours.
    return x
      .reshape([heads as number, 2, n / (heads as number) / 2, -1])
      .transpose(1, 2)
      .reshape(x.shape);
  }
  return a.normPlusOne && /norm\.weight$/.test(name) ? x.to("float32").add(1) : x;
}

/** A tensor as the file holds it. */
function stored(x: Tensor, name: string, type: GgufWeightType): Tensor | QuantizedTensor {
  if (x.dtype === "uint8")
    throw new UnsupportedError({
      op: "ggufModel",
      message: `${name} is quantised already`,
      hint: 'Load the model with { dtype: "float32" }',
    });
  if (x.ndim < 2 || name === "position_embd.weight") return x.to("float32").contiguous();
  // What decides between all tokens is worth some bits more.
  const head = /^(output|token_embd)\.weight$/.test(name) && /^(Q[2-5]_K|Q4_0|Q4_1|IQ4_\w+)$/.test(type) ? "Q6_K" : type;
  if (head in PLAIN) return x.to(PLAIN[head as keyof typeof PLAIN]).contiguous();
  const fits = (t: QuantType): boolean => x.shape.at(-1)! % blockType(t)!.size === 0;
  const first = head as QuantType;
  const chosen = fits(first) ? first : SMALLER[first] !== undefined && fits(SMALLER[first]) ? SMALLER[first] : null;
  return chosen === null ? x.to("float16").contiguous() : QuantizedTensor.quantize(x.to("float32"), chosen);
}

// Which layers have a window is not told but known: in Phi-3 all, in Gemma 2 every other, in Gemma 3 five of six.
function tellsWindow(a: Architecture, c: Readonly<Record<string, unknown>>): boolean {
  if (a.modelType === "phi3") return true;
  const every = a.modelType === "gemma2" ? 2 : a.modelType === "gemma3_text" ? 6 : 0;
  const kinds = c["layer_types"] as readonly string[] | null;
  if (every === 0) return false;
  const usual = kinds
    ? kinds.every((kind, i) => (kind === "full_attention") === ((i + 1) % every === 0))
    : every === 2 || c["sliding_window_pattern"] === 6;
  // In Gemma 3 the kind of a layer decides about its rotary base too.
  if (!usual && every === 6)
    throw new UnsupportedError({
      op: "ggufModel",
      message: "layers with and without window in an order of its own",
      hint: "A GGUF file knows five of six with one",
    });
  return usual;
}
const float = (value: number): GgufField => ({ type: "float32", value });
/** The configuration as metadata, without the architecture's name in front. */
function sizes(a: Architecture, c: Readonly<Record<string, unknown>>): Metadata {
  const n = (key: string): number => c[key] as number;
  if (a.modelType === "gpt2")
    return {
      context_length: n("n_positions"),
      embedding_length: n("n_embd"),
      block_count: n("n_layer"),
      feed_forward_length: (c["n_inner"] as number | null) ?? 4 * n("n_embd"),
      "attention.head_count": n("n_head"),
      "attention.layer_norm_epsilon": float(n("layer_norm_epsilon")),
    };
  const heads = n("num_attention_heads");
  const dim = (c["head_dim"] as number | null) ?? n("hidden_size") / heads;
  const some = (key: string): Metadata => (c[key] == null ? {} : { [key]: float(n(key)) });
  const window = c["use_sliding_window"] === false ? null : ((c["sliding_window"] as number | null | undefined) ?? null);
  const told = window !== null && tellsWindow(a, c);
  return {
    vocab_size: n("vocab_size"),
    // Where a window cannot be told, the file is for texts that fit into it.
    context_length: window === null || told ? n("max_position_embeddings") : Math.min(n("max_position_embeddings"), window),
    embedding_length: n("hidden_size"),
    block_count: n("num_hidden_layers"),
    feed_forward_length: n("intermediate_size"),
    "attention.head_count": heads,
    "attention.head_count_kv": (c["num_key_value_heads"] as number | null) ?? heads,
    "attention.key_length": dim,
    "attention.value_length": dim,
    "attention.layer_norm_rms_epsilon": float(n("rms_norm_eps")),
    ...(told && { "attention.sliding_window": window }),
    ...some("attn_logit_softcapping"),
    ...some("final_logit_softcapping"),
  };
}

/** How rotary positions are stretched: as metadata where llama.cpp has words for it, else as factors of the frequencies. */
function addRope(kind: string, config: DecoderConfig, metadata: Metadata, tensors: Record<string, Tensor | QuantizedTensor>): void {
  const p = ropeParameters(config, "full_attention");
  const headDim = config.headDim ?? config.hiddenSize / config.numAttentionHeads;
  metadata[`${kind}.rope.dimension_count`] = Math.trunc(headDim * (p.partial_rotary_factor ?? 1));
  metadata[`${kind}.rope.freq_base`] = float(p.rope_theta ?? config.ropeTheta);
  const rule = p.rope_type ?? p.type ?? "default";
  if (rule === "default") return;
  const old = p.original_max_position_embeddings;
  if (rule === "linear" || rule === "yarn") {
    metadata[`${kind}.rope.scaling.type`] = rule;
    metadata[`${kind}.rope.scaling.factor`] = float(p.factor ?? config.maxPositionEmbeddings / (old ?? config.maxPositionEmbeddings));
    if (old !== undefined) metadata[`${kind}.rope.scaling.original_context_length`] = old;
  } else if (rule === "longrope") {
    metadata[`${kind}.rope.scaling.original_context_length`] = old ?? config.maxPositionEmbeddings;
    if (p.attention_factor != null) metadata[`${kind}.rope.scaling.attn_factor`] = float(p.attention_factor);
    tensors["rope_factors_long.weight"] = tensor([...(p.long_factor ?? [])], { dtype: "float32" });
    tensors["rope_factors_short.weight"] = tensor([...(p.short_factor ?? [])], { dtype: "float32" });
  } else if (rule === "llama3" || rule === "factors") {
    const of = (parameters: typeof p): readonly number[] =>
      new Rope({ headDim, maxPositionEmbeddings: config.maxPositionEmbeddings }, parameters).frequencies(1);
    const [plain, stretched] = [of({ ...p, rope_type: "default", type: "default" }), of(p)];
    tensors["rope_freqs.weight"] = tensor(
      plain.map((f, i) => f / stretched[i]!),
      { dtype: "float32" },
    );
  } else
    throw new UnsupportedError({
      op: "ggufModel",
      message: `rotary embeddings of type ${rule} have no place in a GGUF file`,
      hint: "Keep the model's own files",
    });
}
