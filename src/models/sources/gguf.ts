// Language models in GGUF files: metadata as a configuration, llama.cpp's names of tensors as Hugging Face's.
import { FormatError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { QuantizedTensor } from "../../ops/quantized/tensor.ts";
import { open } from "../../io/load.ts";
import type { SourceLike } from "../../io/source.ts";
import type { StoredTensor } from "../../io/stored.ts";
import { Derived } from "../weights.ts";
import type { Checkpoint } from "./opened.ts";
import { numberOf } from "./opened.ts";

type Names = Readonly<Record<string, string>>;
const LLAMA: Names = {
  "token_embd.weight": "model.embed_tokens.weight",
  "output_norm.weight": "model.norm.weight",
  "output.weight": "lm_head.weight",
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};
const QWEN3: Names = { ...LLAMA, attn_q_norm: "self_attn.q_norm", attn_k_norm: "self_attn.k_norm" };
const GEMMA2: Names = {
  ...LLAMA,
  post_attention_norm: "post_attention_layernorm",
  ffn_norm: "pre_feedforward_layernorm",
  post_ffw_norm: "post_feedforward_layernorm",
};
const GPT2: Names = {
  "token_embd.weight": "transformer.wte.weight",
  "position_embd.weight": "transformer.wpe.weight",
  "output_norm.weight": "transformer.ln_f.weight",
  "output_norm.bias": "transformer.ln_f.bias",
  "output.weight": "lm_head.weight",
  attn_norm: "ln_1",
  attn_qkv: "attn.c_attn",
  attn_output: "attn.c_proj",
  ffn_norm: "ln_2",
  ffn_up: "mlp.c_fc",
  ffn_down: "mlp.c_proj",
};
/** How llama.cpp writes an architecture. */
export interface Architecture {
  readonly modelType: string;
  readonly names: Names;
  /** Before the number of a layer. */
  readonly layers: string;
  /** Rows of queries and keys are kept as Meta has them. */
  readonly interleaved?: boolean;
  /** Weights of norms are kept with 1 added. */
  readonly normPlusOne?: boolean;
}
/** By llama.cpp's names. */
export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: { modelType: "llama", names: LLAMA, layers: "model.layers", interleaved: true },
  qwen2: { modelType: "qwen2", names: LLAMA, layers: "model.layers" },
  qwen3: { modelType: "qwen3", names: QWEN3, layers: "model.layers" },
  phi3: { modelType: "phi3", names: { ...LLAMA, attn_qkv: "self_attn.qkv_proj", ffn_up: "mlp.gate_up_proj" }, layers: "model.layers" },
  gemma2: { modelType: "gemma2", names: GEMMA2, layers: "model.layers", normPlusOne: true },
  gemma3: { modelType: "gemma3_text", names: { ...QWEN3, ...GEMMA2 }, layers: "model.layers", normPlusOne: true },
  gpt2: { modelType: "gpt2", names: GPT2, layers: "transformer.h" },
};

/** A tensor's name at Hugging Face, or null for those that are no parameters. */
function nameOf(a: Architecture, name: string): string | null {
  if (Object.hasOwn(a.names, name)) return a.names[name]!;
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
  return layer !== undefined && Object.hasOwn(a.names, part!) ? `${a.layers}.${layer}.${a.names[part!]}.${kind}` : null;
}

/** Rows in another order; a quantised row is whole blocks, so it moves as it is. */
function rows(x: StoredTensor, heads: number): StoredTensor {
  const n = x.shape[0]!;
  const move = (w: Tensor): Tensor =>
    w
      .reshape([heads, n / heads / 2, 2, -1])
      .transpose(1, 2)
      .reshape(w.ndim === 1 ? [n] : [n, -1]);
  return new Derived(x.shape, [x], async (o) => {
    const w = await x.read(o);
    return w instanceof QuantizedTensor ? new QuantizedTensor(w.type, w.shape, move(w.bytes).contiguous()) : move(w as Tensor);
  });
}
const lessOne = (x: StoredTensor): StoredTensor => new Derived(x.shape, [x], async (o) => ((await x.read(o)) as Tensor).sub(1));

/** Opens a GGUF file as a language model. @throws FormatError for an architecture that is not known, or when sizes are missing */
export async function ggufCheckpoint(source: SourceLike, given: Readonly<Record<string, unknown>>): Promise<Checkpoint> {
  const file = await open(source);
  const name = typeof source === "string" ? source : "GGUF";
  try {
    const meta = file.metadata;
    const kind = String(meta["general.architecture"]);
    if (!Object.hasOwn(ARCHITECTURES, kind))
      throw new FormatError({
        op: "fromPretrained",
        message: `${name}: general.architecture is ${JSON.stringify(meta["general.architecture"])}`,
        hint: `Known architectures: ${Object.keys(ARCHITECTURES).join(", ")}`,
      });
    const a = ARCHITECTURES[kind]!;
    const config = configOf(kind, a, meta, file.tensors, name);
    const [heads, groups] = [config["num_attention_heads"], config["num_key_value_heads"]] as [number, number];
    const tensors = new Map<string, StoredTensor>();
    for (const [from, t] of file.tensors) {
      const to = nameOf(a, from);
      if (to === null) continue;
      const moved = a.interleaved && /\.(q|k)_proj\./.test(to) ? rows(t, /q_proj/.test(to) ? heads : groups) : t;
      tensors.set(to, a.normPlusOne && /norm\.weight$/.test(to) ? lessOne(moved) : moved);
    }
    // A file that holds factors of the rotary frequencies has them as a tensor.
    const factors = async (key: string): Promise<readonly number[] | undefined> => {
      const t = file.tensors.get(key);
      return t && Array.from(((await t.read({ device: "cpu" })) as Tensor).toArraySync() as number[]);
    };
    const [all, long, short] = [
      await factors("rope_freqs.weight"),
      await factors("rope_factors_long.weight"),
      await factors("rope_factors_short.weight"),
    ];
    const rope = all
      ? { rope_type: "factors", factors: all }
      : long && short
        ? { rope_type: "longrope", long_factor: long, short_factor: short }
        : null;
    const scaling = rope && { rope_scaling: { ...(config["rope_scaling"] as object | undefined), ...rope } };
    return { name, config: { ...config, ...scaling, ...given }, tensors: async () => tensors, close: () => file.close() };
  } catch (e) {
    await file.close();
    throw e;
  }
}

function configOf(
  kind: string,
  a: Architecture,
  meta: Readonly<Record<string, unknown>>,
  tensors: ReadonlyMap<string, StoredTensor>,
  name: string,
): Record<string, unknown> {
  const need = (key: string): number => numberOf(meta, `${kind}.${key}`, name);
  const maybe = (key: string): unknown => meta[`${kind}.${key}`];
  const embedding = tensors.get("token_embd.weight");
  if (!embedding)
    throw new FormatError({ op: "fromPretrained", message: `${name} has no token_embd.weight`, hint: "The file is no language model" });
  const common = {
    model_type: a.modelType,
    vocab_size: embedding.shape[0],
    tie_word_embeddings: !tensors.has("output.weight"),
    bos_token_id: meta["tokenizer.ggml.bos_token_id"] ?? null,
    eos_token_id: meta["tokenizer.ggml.eos_token_id"] ?? null,
    pad_token_id: meta["tokenizer.ggml.padding_token_id"] ?? null,
  };
  if (a.modelType === "gpt2")
    return {
      ...common,
      n_positions: need("context_length"),
      n_embd: need("embedding_length"),
      n_layer: need("block_count"),
      n_head: need("attention.head_count"),
      n_inner: need("feed_forward_length"),
      layer_norm_epsilon: need("attention.layer_norm_epsilon"),
    };
  const heads = need("attention.head_count");
  const width = need("embedding_length");
  const dim = (maybe("attention.key_length") as number | undefined) ?? width / heads;
  const turned = maybe("rope.dimension_count") as number | undefined;
  const scaling = maybe("rope.scaling.type");
  return {
    ...common,
    hidden_size: width,
    intermediate_size: need("feed_forward_length"),
    num_hidden_layers: need("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: maybe("attention.head_count_kv") ?? heads,
    head_dim: dim,
    max_position_embeddings: need("context_length"),
    rms_norm_eps: need("attention.layer_norm_rms_epsilon"),
    ...(kind === "llama" && { attention_bias: tensors.has("blk.0.attn_q.bias"), mlp_bias: tensors.has("blk.0.ffn_down.bias") }),
    rope_theta: maybe("rope.freq_base") ?? (kind === "gemma3" ? 1e6 : 10000),
    ...(turned !== undefined && turned !== dim && { partial_rotary_factor: turned / dim }),
    ...(maybe("rope.scaling.original_context_length") !== undefined && {
      original_max_position_embeddings: maybe("rope.scaling.original_context_length"),
    }),
    ...((scaling === "linear" || scaling === "yarn") && {
      rope_scaling: {
        rope_type: scaling,
        factor: maybe("rope.scaling.factor"),
        ...(scaling === "yarn" && { original_max_position_embeddings: maybe("rope.scaling.original_context_length") }),
      },
    }),
    ...(maybe("attention.sliding_window") !== undefined && { sliding_window: maybe("attention.sliding_window") }),
    ...(kind.startsWith("gemma") && {
      // llama.cpp keeps the factor of the scores out of the file: it is the head's size but for the 27 B models.
      query_pre_attn_scalar:
        kind === "gemma2" && need("block_count") === 46
          ? width / heads
          : kind === "gemma3" && need("block_count") === 62
            ? width / heads
            : dim,
      attn_logit_softcapping: maybe("attn_logit_softcapping") ?? null,
      final_logit_softcapping: maybe("final_logit_softcapping") ?? null,
    }),
  };
}
