// Sentence embeddings: texts → vectors that lie close where texts mean alike, from folders that sentence-transformers made (MiniLM, BGE, E5, GTR, …).
import { checkOptions, given, located, need } from "../core/arguments.ts";
import { ArgumentError, FormatError, UnsupportedError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { fromHub } from "../hub/resolve.ts";
import { normalize } from "../nn/functional.ts";
import { ModuleList } from "../nn/container.ts";
import { Linear } from "../nn/linear.ts";
import { Module, Parameter } from "../nn/module.ts";
import { cat, stack } from "../ops/join.ts";
import { to } from "../ops/copy.ts";
import { AutoModel } from "./auto.ts";
import type { BaseOutput } from "./causal.ts";
import { type FromPretrainedOptions, hubOptions, type PreTrainedModel } from "./pretrained.ts";
import { activation } from "./shared/activation.ts";
import { pool, POOLING_MODES, type PoolingMode } from "./shared/pooling.ts";
import { folderFiles, type ModelFiles, readJson } from "./sources/files.ts";
import { T5EncoderModel } from "./t5.ts";
import { openWeights } from "./weights.ts";

/** What a tokenizer makes of texts. */
export interface TokenBatch {
  /** int64 [B, T]. */
  readonly inputIds: Tensor;
  /** int64 [B, T]: 0 where padding is. */
  readonly attentionMask: Tensor;
  readonly tokenTypeIds?: Tensor;
}
/** What sentence embeddings ask of a tokenizer; those of firebrand/tokenizers offer it. */
export interface BatchTokenizer {
  /** Most tokens that it says the model takes. */
  readonly modelMaxLength?: number;
  call(texts: readonly string[], options: { padding: true; truncation: true; maxLength: number }): TokenBatch;
}
/** A model that gives hidden states. */
type Encoder = PreTrainedModel & { forward(inputIds: Tensor, options: object): BaseOutput };
/** A step behind pooling: [B, C] → [B, D]. */
interface Step {
  forward(x: Tensor): Tensor;
}
/** What sentence embeddings are made of. */
export interface SentenceParts {
  readonly encoder: PreTrainedModel;
  /** Several are put side by side. Default: the mean. */
  readonly pooling?: readonly PoolingMode[];
  /** Steps behind pooling: `Dense`, `Normalize`. */
  readonly steps?: readonly (Module & Step)[];
  readonly tokenizer?: BatchTokenizer | null;
  /** Longer texts are cut. Default: what tokenizer and encoder both take. */
  readonly maxSeqLength?: number;
  readonly doLowerCase?: boolean;
  /** Texts put in front of texts, by name. */
  readonly prompts?: Readonly<Record<string, string>>;
  readonly defaultPromptName?: string | null;
}
/** Options of `encode`. */
export interface SentenceOptions {
  /** Texts at once. Default 32. */
  readonly batchSize?: number;
  /** Make vectors of length 1? Default: as the model's own steps have it. */
  readonly normalize?: boolean;
  /** A text put in front of each. Default: the model's own, or none. */
  readonly prompt?: string;
  /** The name of one of the model's prompts instead. */
  readonly promptName?: string;
}

/** Vectors of length 1: x / |x|. @example new Normalize().forward(tensor([[1.5, 2]])) // => [[0.6, 0.8]] */
export class Normalize extends Module {
  forward(x: Tensor): Tensor {
    return normalize(x, { p: 2, dim: 1 });
  }
}
/**
 * A projection and an activation: [B, C] → [B, D].
 * @example
 * new Dense(4, 3).forward(ones(2, 4)).shape // => [2, 3]
 */
export class Dense extends Module {
  linear: Linear;
  readonly act: (x: Tensor) => Tensor;
  /** @throws ValueError for an activation that is not known */
  constructor(inFeatures: number, outFeatures: number, options: { bias?: boolean; activation?: string } = {}) {
    super();
    this.linear = new Linear(inFeatures, outFeatures, { bias: options.bias ?? true });
    const name = options.activation ?? "tanh";
    this.act = name === "identity" ? (x) => x : activation(name);
  }
  forward(x: Tensor): Tensor {
    return this.act(this.linear.forward(x));
  }
}

/**
 * Texts → vectors: an encoder, pooling, and what stands behind it.
 * @example
 * const encoder = new BertModel({ vocabSize: 10, hiddenSize: 8, intermediateSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 });
 * const tokenizer = { call: (texts) => ({ inputIds: tensor(texts.map((t) => [t.length, 1])), attentionMask: ones(texts.length, 2) }) };
 * const model = new SentenceTransformer({ encoder, tokenizer, maxSeqLength: 8 });
 * model.encode(["one", "seven"]).shape // => [2, 8]
 */
export class SentenceTransformer extends Module {
  encoder: Encoder;
  steps: ModuleList<Module & Step>;
  readonly pooling: readonly PoolingMode[];
  readonly tokenizer: BatchTokenizer | null;
  readonly maxSeqLength: number;
  readonly doLowerCase: boolean;
  readonly prompts: Readonly<Record<string, string>>;
  readonly defaultPromptName: string | null;
  constructor(parts: SentenceParts) {
    super();
    this.encoder = parts.encoder as Encoder;
    this.steps = new ModuleList(parts.steps ?? []);
    this.pooling = parts.pooling ?? ["mean"];
    this.tokenizer = parts.tokenizer ?? null;
    const { config, longest } = parts.encoder as PreTrainedModel & { readonly longest?: number };
    const room = longest ?? (config as { maxPositionEmbeddings?: number }).maxPositionEmbeddings ?? 512;
    this.maxSeqLength = parts.maxSeqLength ?? Math.min(this.tokenizer?.modelMaxLength ?? room, room);
    this.doLowerCase = parts.doLowerCase ?? false;
    this.prompts = parts.prompts ?? {};
    this.defaultPromptName = parts.defaultPromptName ?? null;
  }

  /** Vectors of tokenized texts: [B, T] → [B, D]. @throws ShapeError, DTypeError */
  forward(batch: TokenBatch): Tensor {
    const { inputIds, attentionMask, tokenTypeIds } = batch;
    const types = tokenTypeIds && !(this.encoder instanceof T5EncoderModel) ? { tokenTypeIds } : {};
    const { lastHiddenState } = this.encoder.forward(inputIds, { attentionMask, ...types }); // [B, T, C]
    const pooled = this.pooling.map((mode) => pool(lastHiddenState, attentionMask, mode));
    let x = pooled.length === 1 ? pooled[0]! : cat(pooled, 1);
    for (const step of this.steps) x = step.forward(x);
    return x;
  }

  /** The vector of a text, [D], or of several, [N, D]; float32, without gradients. @throws ArgumentError without a tokenizer or for what is no text */
  encode(texts: string | readonly string[], options?: SentenceOptions): Tensor {
    const op = "SentenceTransformer.encode";
    const declared = ["batchSize?: positive", "normalize?: flag", "prompt?: text", "promptName?: text"];
    const o = checkOptions<SentenceOptions>(op, declared, options);
    need(op, "texts: text|texts", texts);
    const { tokenizer } = this;
    if (!tokenizer) throw new ArgumentError({ op, message: "there is no tokenizer", hint: "Give one to fromPretrained: { tokenizer }" });
    const list = typeof texts === "string" ? [texts] : texts;
    if (list.length === 0) throw new ArgumentError({ op, message: "no texts", hint: "Give one at least" });
    const whole = list.map((t) => this.prepare(t, o));
    // Texts of like length together: a batch is as long as its longest.
    const order = whole.map((_, i) => i).sort((a, b) => whole[b]!.length - whole[a]!.length);
    const size = o.batchSize ?? 32;
    return noGrad(() => {
      const rows = new Array<Tensor>(list.length);
      for (let at = 0; at < order.length; at += size) {
        const part = order.slice(at, at + size);
        const batch = tokenizer.call(
          part.map((i) => whole[i]!),
          { padding: true, truncation: true, maxLength: this.maxSeqLength },
        );
        const vectors = this.forward(onDevice(batch, this.encoder.device)).to("float32");
        const last = o.normalize === true ? new Normalize().forward(vectors) : vectors;
        part.forEach((i, row) => {
          rows[i] = last.select(0, row);
        });
      }
      return typeof texts === "string" ? rows[0]!.clone() : stack(rows, 0);
    });
  }
  /** A text as the tokenizer gets it: behind the prompt, in lower case where the model wants that. @throws ArgumentError for a prompt that it has not */
  prepare(text: string, options: Pick<SentenceOptions, "prompt" | "promptName"> = {}): string {
    const name = options.promptName ?? this.defaultPromptName;
    if (options.prompt === undefined && name !== null && !Object.hasOwn(this.prompts, name))
      throw new ArgumentError({
        op: "SentenceTransformer.encode",
        message: `no prompt ${given(name)}`,
        hint: `The model has ${Object.keys(this.prompts).join(", ") || "none"}`,
      });
    const prompt = options.prompt ?? (name === null ? "" : this.prompts[name]!);
    return prompt + (this.doLowerCase ? text.toLowerCase() : text);
  }

  /**
   * Loads a folder or a hub model that sentence-transformers made; one of transformers alone gets the mean of its states.
   * @throws ArgumentError when files are missing, FormatError when they are damaged, UnsupportedError for modules that are not known
   */
  static fromPretrained: (
    source: string | ModelFiles,
    options?: FromPretrainedOptions & { tokenizer?: BatchTokenizer | null },
  ) => Promise<SentenceTransformer> = /*@__PURE__*/ located(
    "SentenceTransformer.fromPretrained",
    "source, { tokenizer, dtype, device, … }",
    load,
  );
}
const onDevice = (batch: TokenBatch, device: string): TokenBatch =>
  batch.inputIds.device === device
    ? batch
    : (Object.fromEntries(Object.entries(batch).map(([k, t]) => [k, to(t as Tensor, device)])) as unknown as TokenBatch);

/** The files of a folder within. */
const within = (files: ModelFiles, folder: string): ModelFiles =>
  folder === ""
    ? files
    : {
        name: `${files.name}/${folder}`,
        has: (f) => files.has(`${folder}/${f}`),
        open: (f) => files.open(`${folder}/${f}`),
        read: (f) => files.read(`${folder}/${f}`),
      };
async function load(
  source: string | ModelFiles,
  options: FromPretrainedOptions & { tokenizer?: BatchTokenizer | null } = {},
): Promise<SentenceTransformer> {
  const { tokenizer = null, ...o } = options;
  const files = typeof source === "string" ? ((await fromHub(source, hubOptions(o))) ?? folderFiles(source)) : source;
  const optional = async (at: ModelFiles, file: string): Promise<Record<string, unknown>> =>
    (await at.has(file)) ? readJson(at, file) : {};
  const modules = (await files.has("modules.json")) ? await modulesOf(files) : [{ kind: "Transformer", at: files }];
  const general = await optional(files, "config_sentence_transformers.json");
  const parts: { -readonly [K in keyof SentenceParts]?: SentenceParts[K] } = {};
  const steps: (Module & Step)[] = [];
  for (const { kind, at } of modules) {
    if (kind === "Transformer") {
      const settings = await optional(at, "sentence_bert_config.json");
      const t5 = (await readJson(at, "config.json"))["model_type"] === "t5";
      parts.encoder = await (t5 ? T5EncoderModel : AutoModel).fromPretrained(at, o);
      if (typeof settings["max_seq_length"] === "number") parts.maxSeqLength = settings["max_seq_length"];
      parts.doLowerCase = settings["do_lower_case"] === true;
    } else if (kind === "Pooling") parts.pooling = poolingOf(await readJson(at, "config.json"), at.name);
    else if (kind === "Dense") steps.push(await denseOf(at, o, parts.encoder!));
    else if (kind === "Normalize") steps.push(new Normalize());
    else if (kind !== "Dropout")
      throw new UnsupportedError({
        op: "SentenceTransformer.fromPretrained",
        message: `${files.name}/modules.json: a module of type ${given(kind)}`,
        hint: "Known: Transformer, Pooling, Dense, Normalize",
      });
  }
  if (!parts.encoder)
    throw new FormatError({
      op: "SentenceTransformer.fromPretrained",
      message: `${files.name}/modules.json: no Transformer`,
      hint: "The file is damaged",
    });
  const { prompts, default_prompt_name: defaultPromptName } = general;
  return new SentenceTransformer({
    ...(parts as SentenceParts),
    steps,
    tokenizer,
    prompts: (typeof prompts === "object" && prompts !== null ? prompts : {}) as Record<string, string>,
    defaultPromptName: typeof defaultPromptName === "string" ? defaultPromptName : null,
  }).eval();
}

async function modulesOf(files: ModelFiles): Promise<{ kind: string; at: ModelFiles }[]> {
  const list: unknown = JSON.parse(new TextDecoder().decode(await files.read("modules.json")));
  const ok = Array.isArray(list) && list.every((m) => typeof m?.path === "string" && typeof m?.type === "string");
  if (!ok)
    throw new FormatError({
      op: "SentenceTransformer.fromPretrained",
      message: `${files.name}/modules.json: expected an array of modules with path and type`,
      hint: "The file is damaged",
    });
  return (list as { path: string; type: string }[]).map((m) => ({ kind: m.type.split(".").at(-1)!, at: within(files, m.path) }));
}

// `pooling_mode_mean_tokens: true` and the like; newer files say `pooling_mode: "mean"`.
function poolingOf(config: Readonly<Record<string, unknown>>, name: string): readonly PoolingMode[] {
  const flags: Readonly<Record<string, PoolingMode>> = {
    pooling_mode_cls_token: "cls",
    pooling_mode_max_tokens: "max",
    pooling_mode_mean_tokens: "mean",
    pooling_mode_mean_sqrt_len_tokens: "mean_sqrt_len_tokens",
    pooling_mode_lasttoken: "lasttoken",
  };
  const named = [config["pooling_mode"] ?? []].flat() as PoolingMode[];
  const modes = named.length
    ? named
    : Object.keys(flags)
        .filter((k) => config[k] === true)
        .map((k) => flags[k]!);
  const other = Object.keys(config).find((k) => k.startsWith("pooling_mode_") && config[k] === true && !(k in flags));
  // Prompts that are left out of the mean, as INSTRUCTOR has them.
  const instructed = config["include_prompt"] === false ? "without the prompt" : undefined;
  const unknown = other ?? modes.find((m) => !POOLING_MODES.includes(m)) ?? instructed;
  if (unknown !== undefined || modes.length === 0)
    throw new UnsupportedError({
      op: "SentenceTransformer.fromPretrained",
      message: `${name}/config.json: ${unknown === undefined ? "no pooling" : `pooling ${given(unknown)}`}`,
      hint: `Known: ${POOLING_MODES.join(", ")}`,
    });
  return modes;
}

async function denseOf(files: ModelFiles, o: FromPretrainedOptions, encoder: PreTrainedModel): Promise<Dense> {
  const config = await readJson(files, "config.json");
  const { in_features: inFeatures, out_features: outFeatures, bias, activation_function: act = "Tanh" } = config;
  if ((config["module_input_name"] ?? "sentence_embedding") !== "sentence_embedding")
    throw new UnsupportedError({
      op: "SentenceTransformer.fromPretrained",
      message: `${files.name}: a Dense of ${given(config["module_input_name"])}`,
      hint: "A Dense stands behind pooling here",
    });
  if (typeof inFeatures !== "number" || typeof outFeatures !== "number")
    throw new FormatError({
      op: "SentenceTransformer.fromPretrained",
      message: `${files.name}/config.json: in_features and out_features are ${given([inFeatures, outFeatures])}, needed numbers`,
      hint: "The file is damaged",
    });
  // Python's name of a class: torch.nn.modules.activation.Tanh.
  const dense = new Dense(inFeatures, outFeatures, { bias: bias !== false, activation: String(act).split(".").at(-1)!.toLowerCase() });
  const weights = await openWeights(files);
  try {
    for (const name of ["weight", "bias"] as const) {
      if (dense.linear[name] === null) continue;
      const stored = weights.tensors.get(`linear.${name}`);
      const want = dense.linear[name]!.shape;
      if (!stored || stored.shape.join() !== want.join())
        throw new FormatError({
          op: "SentenceTransformer.fromPretrained",
          message: `${files.name}: linear.${name} is ${stored ? `[${stored.shape.join(", ")}]` : "missing"}, needed [${want.join(", ")}]`,
          hint: "The file is damaged",
        });
      const dtype = o.dtype === undefined || o.dtype === "auto" ? encoder.dtype : o.dtype;
      dense.linear[name] = new Parameter(to((await stored.read({ device: encoder.device })) as Tensor, dtype).contiguous());
    }
  } finally {
    await weights.close();
  }
  return dense;
}
