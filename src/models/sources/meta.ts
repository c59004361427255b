// LLaMA as Meta publishes it: `params.json` and `consolidated.NN.pth`, each with a slice of every matrix.
import { FormatError, showShape } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { open, type TensorFile } from "../../io/load.ts";
import type { StoredTensor } from "../../io/stored.ts";
import { cat } from "../../ops/join.ts";
import { Derived } from "../weights.ts";
import { type Checkpoint, numberOf } from "./opened.ts";
import { type ModelFiles, readJson } from "./files.ts";

// Name there, name at Hugging Face, the dimension that is cut (null: each file has it whole).
const NAMES: readonly (readonly [RegExp, string, 0 | 1 | null])[] = [
  [/^tok_embeddings\.weight$/, "model.embed_tokens.weight", 1],
  [/^norm\.weight$/, "model.norm.weight", null],
  [/^output\.weight$/, "lm_head.weight", 0],
  [/^layers\.(\d+)\.attention\.wq\.weight$/, "model.layers.$1.self_attn.q_proj.weight", 0],
  [/^layers\.(\d+)\.attention\.wk\.weight$/, "model.layers.$1.self_attn.k_proj.weight", 0],
  [/^layers\.(\d+)\.attention\.wv\.weight$/, "model.layers.$1.self_attn.v_proj.weight", 0],
  [/^layers\.(\d+)\.attention\.wo\.weight$/, "model.layers.$1.self_attn.o_proj.weight", 1],
  [/^layers\.(\d+)\.feed_forward\.w1\.weight$/, "model.layers.$1.mlp.gate_proj.weight", 0],
  [/^layers\.(\d+)\.feed_forward\.w2\.weight$/, "model.layers.$1.mlp.down_proj.weight", 1],
  [/^layers\.(\d+)\.feed_forward\.w3\.weight$/, "model.layers.$1.mlp.up_proj.weight", 0],
  [/^layers\.(\d+)\.attention_norm\.weight$/, "model.layers.$1.input_layernorm.weight", null],
  [/^layers\.(\d+)\.ffn_norm\.weight$/, "model.layers.$1.post_attention_layernorm.weight", null],
];

/** Meta turns neighbouring features, Hugging Face those half a head apart: rows of queries and keys change places. */
export const halves = (x: StoredTensor, heads: number): StoredTensor =>
  new Derived(x.shape, [x], async (o) => turned((await x.read(o)) as Tensor, heads));
const turned = (w: Tensor, heads: number): Tensor => {
  const [rows, columns] = w.shape as [number, number];
  return w
    .reshape([heads, rows / heads / 2, 2, columns])
    .transpose(1, 2)
    .reshape([rows, columns]);
};

function joined(parts: readonly StoredTensor[], dim: 0 | 1): StoredTensor {
  if (parts.length === 1) return parts[0]!;
  const shape = parts[0]!.shape.with(
    dim,
    parts.reduce((n, p) => n + p.shape[dim]!, 0),
  );
  return new Derived(shape, parts, async (o) => {
    const read: Tensor[] = [];
    for (const p of parts) read.push((await p.read(o)) as Tensor);
    return cat(read, dim);
  });
}

/** @throws FormatError when a file lacks a slice, or the sizes do not fit */
export async function metaCheckpoint(files: ModelFiles, given: Readonly<Record<string, unknown>>): Promise<Checkpoint> {
  const params = await readJson(files, "params.json");
  const where = `${files.name}/params.json`;
  const heads = numberOf(params, "n_heads", where);
  const groups = params["n_kv_heads"] === undefined || params["n_kv_heads"] === null ? heads : numberOf(params, "n_kv_heads", where);
  const opened: TensorFile[] = [];
  const close = async (): Promise<void> => {
    for (const f of opened) await f.close();
  };
  const fail = async (message: string): Promise<never> => {
    await close();
    throw new FormatError({
      op: "fromPretrained",
      message: `${files.name}: ${message}`,
      hint: "The download is incomplete, or this is no LLaMA",
    });
  };
  for (let i = 0; ; i++) {
    const file = `consolidated.${String(i).padStart(2, "0")}.pth`;
    if (!(await files.has(file))) break;
    opened.push(await open(await files.open(file)));
  }
  if (opened.length === 0) return fail("no consolidated.00.pth beside params.json");
  const tensors = new Map<string, StoredTensor>();
  for (const name of opened[0]!.tensors.keys()) {
    const rule = NAMES.find(([pattern]) => pattern.test(name));
    if (!rule) continue;
    const [pattern, to, cut] = rule;
    const parts = opened.map((f) => f.tensors.get(name));
    const lacking = parts.indexOf(undefined);
    if (lacking >= 0) return fail(`consolidated.${String(lacking).padStart(2, "0")}.pth has no ${name}`);
    const all = parts as StoredTensor[];
    // LLaMA 3 cuts the embedding by words, those before by features.
    const byWords = cut === 1 && name === "tok_embeddings.weight" && all[0]!.shape[1] === numberOf(params, "dim", where);
    const whole = cut === null ? all[0]! : joined(all, byWords ? 0 : cut);
    tensors.set(name.replace(pattern, to), /q_proj/.test(to) ? halves(whole, heads) : /k_proj/.test(to) ? halves(whole, groups) : whole);
  }
  const embedding = tensors.get("model.embed_tokens.weight");
  const gate = tensors.get("model.layers.0.mlp.gate_proj.weight");
  if (!embedding || !gate)
    return fail(
      `found ${[...opened[0]!.tensors.keys()].slice(0, 6).join(", ")}, expected tok_embeddings.weight and layers.0.feed_forward.w1.weight`,
    );
  if (embedding.shape[1] !== params["dim"])
    return fail(`tok_embeddings.weight is ${showShape(embedding.shape)}, params.json has dim ${String(params["dim"])}`);
  const config = {
    model_type: "llama",
    vocab_size: embedding.shape[0],
    hidden_size: numberOf(params, "dim", where),
    intermediate_size: gate.shape[0],
    num_hidden_layers: numberOf(params, "n_layers", where),
    num_attention_heads: heads,
    num_key_value_heads: groups,
    rms_norm_eps: numberOf(params, "norm_eps", where),
    rope_theta: params["rope_theta"] ?? 10000,
    tie_word_embeddings: !tensors.has("lm_head.weight"),
    // params.json has no such thing: 2048 for LLaMA 1, 4096 for 2, more since.
    max_position_embeddings: params["max_seq_len"] ?? (params["use_scaled_rope"] ? 131072 : params["rope_theta"] ? 8192 : 4096),
    ...(params["use_scaled_rope"] === true && {
      rope_scaling: {
        rope_type: "llama3",
        factor: params["rope_scale_factor"] ?? 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
    }),
    ...given,
  };
  return { name: files.name, config, tensors: async () => tensors, close };
}
