// What all models have in common: they are built from a configuration, loaded from the files people have, and saved as Hugging Face does.
import { checkOptions, given, located, need } from "../core/arguments.ts";
import { type DType, isDType } from "../core/dtype.ts";
import { getDefaultDevice, setDefaultDevice } from "../core/device.ts";
import { ArgumentError, FormatError } from "../core/errors.ts";
import { isGradEnabled, noGrad } from "../core/mode.ts";
import { checkpoint } from "../autograd/checkpoint.ts";
import type { Tensor } from "../core/tensor.ts";
import { replaceFile } from "../io/sink.ts";
import { save } from "../io/save.ts";
import type { StoredTensor } from "../io/stored.ts";
import { isParameter, Module, type StateDict } from "../nn/module.ts";
import { Embedding } from "../nn/norm.ts";
import { type CommonConfig, type ConfigReader, configText } from "./config.ts";
import { HUB_OPTIONS, type HubOptions } from "../hub/options.ts";
import { openCheckpoint } from "./sources/checkpoint.ts";
import type { ModelFiles } from "./sources/files.ts";
import { QuantizedEmbedding, QuantizedLinear } from "../nn/quantized.ts";
import { loadWeights, materialise, replaceModule, type WeightsReport } from "./weights.ts";

/** How far loading is: what is being done to which file, in bytes. */
export interface Progress {
  readonly stage: "download" | "load";
  readonly file: string;
  readonly done: number;
  readonly total: number;
}
/** Options of `fromPretrained`; those of `hubFiles` are for models of the hub. */
export interface FromPretrainedOptions extends Omit<HubOptions, "onProgress"> {
  /** Of the parameters; `auto` (default): as stored, quantised weights of linear layers and embeddings in their blocks. */
  readonly dtype?: DType | "auto";
  /** Where they go (default: the default device). */
  readonly device?: string;
  /** Overrides fields of the configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Make parameters that the files lack (a new classifier's, say) instead of refusing? Default false. */
  readonly initializeMissing?: boolean;
  /** Told now and then how far loading is. */
  readonly onProgress?: (progress: Progress) => void;
  /** Cancels loading. */
  readonly signal?: AbortSignal;
}
const OPTIONS = [...HUB_OPTIONS, "dtype?: text", "device?: text", "config?: object", "initializeMissing?: flag"];

/** A class of models, as `fromPretrained` needs it. */
export interface ModelClass<M extends PreTrainedModel = PreTrainedModel> {
  new (config: never): M;
  readonly configOf: ConfigReader<CommonConfig>;
  readonly baseModelPrefix: string;
  /** Keys of old files that mean nothing any more. */
  readonly ignoredKeys: RegExp | null;
  /** Keys that files may lack: what they name is made anew then. */
  readonly newKeys: RegExp | null;
  /** The configuration in the light of what the files hold. */
  fitConfig(config: CommonConfig, tensors: ReadonlyMap<string, StoredTensor>): CommonConfig;
  /** Sees a checkpoint of another layout as one of this class. */
  adapt(tensors: ReadonlyMap<string, StoredTensor>, config: CommonConfig): ReadonlyMap<string, StoredTensor>;
}

/**
 * A model as files know it: `fromPretrained`, `savePretrained`, a configuration.
 * @example new GPT2Model({ vocabSize: 10, nPositions: 8, nEmbd: 4, nLayer: 1, nHead: 2 }).numParameters() // => 324
 */
export abstract class PreTrainedModel<C extends CommonConfig = CommonConfig> extends Module {
  /** Reads configurations of this architecture. */
  declare static readonly configOf: ConfigReader<CommonConfig>;
  /** The field that holds the model without its head; keys of files may have it or not. */
  static readonly baseModelPrefix: string = "";
  static readonly ignoredKeys: RegExp | null = null;
  static readonly newKeys: RegExp | null = null;
  static fitConfig(config: CommonConfig, _tensors: ReadonlyMap<string, StoredTensor>): CommonConfig {
    return config;
  }
  static adapt(tensors: ReadonlyMap<string, StoredTensor>, _config: CommonConfig): ReadonlyMap<string, StoredTensor> {
    return tensors;
  }

  readonly config: C;
  /** Are layers computed again in backward instead of keeping what they save? */
  isGradientCheckpointing = false;
  /** What the files had beyond the model, or lacked, when it came from files. */
  loadReport: WeightsReport = { missingKeys: [], unexpectedKeys: [] };

  constructor(config: C) {
    super();
    this.config = config;
  }

  /** Parameters that are one and the same, as [other name, name in files]. */
  tiedKeys(): readonly (readonly [string, string])[] {
    return [];
  }
  /** @internal Takes what `generation_config.json` says; models that generate nothing do not care. */
  readGeneration(_json: Readonly<Record<string, unknown>>): void {}
  /** @internal What to write there, or null. */
  generationJson(): Record<string, unknown> | null {
    return null;
  }
  /** Draws the values of parameters anew, as the architecture's authors did. */
  initWeights(only?: ReadonlySet<Tensor>): void {
    const std = (this.config as { initializerRange?: number }).initializerRange ?? 0.02;
    noGrad(() => {
      for (const [path, m] of this.namedModules())
        for (const [name, p] of Object.entries(m)) {
          if (!isParameter(p) || (only && !only.has(p))) continue;
          const norm = p.ndim === 1 && name === "weight";
          if (name.startsWith("bias")) p.zero_();
          else if (norm) p.fill_(this.normIsOffset(path) ? 0 : 1);
          else p.normal_(0, std);
          // Padding means nothing.
          if (m instanceof Embedding && m.paddingIdx !== null) p.select(0, m.paddingIdx).zero_();
        }
    });
  }
  /** Is a norm's weight the distance from 1? Gemma's are. */
  protected normIsOffset(_path: string): boolean {
    return false;
  }

  /**
   * From now on, layers keep nothing for backward but their input while the model trains: they are computed again. Chen et al. 2016.
   * Memory of activations falls to one layer's, for a third more time.
   */
  gradientCheckpointingEnable(): void {
    for (const m of this.modules()) if (m instanceof PreTrainedModel) m.isGradientCheckpointing = true;
  }
  /** Undoes `gradientCheckpointingEnable`. */
  gradientCheckpointingDisable(): void {
    for (const m of this.modules()) if (m instanceof PreTrainedModel) m.isGradientCheckpointing = false;
  }
  /** Runs a layer, checkpointed where that is switched on. Not with a cache, which it would fill twice. */
  protected runLayer<R>(cached: boolean, layer: () => R): R {
    return this.isGradientCheckpointing && this.training && !cached && isGradEnabled() ? checkpoint(layer) : layer();
  }

  /** The dtype of the parameters. */
  get dtype(): DType {
    return this.parameters().next().value!.dtype;
  }
  /** Where the parameters are. */
  get device(): string {
    return this.parameters().next().value!.device;
  }
  /** How many numbers the parameters are, shared ones once. */
  numParameters(): number {
    return [...this.parameters()].reduce((n, p) => n + p.layout.numel, 0);
  }

  /**
   * Loads a model: from a folder in Hugging Face's layout (`config.json` and `model.safetensors` or `pytorch_model.bin`, single or sharded) or in Meta's
   * (`params.json`, `consolidated.00.pth`), from a GGUF file, or from the hub (`organisation/name`).
   * @throws ArgumentError when files are missing, FormatError when they are damaged or of another architecture, ShapeError and FirebrandError that list
   * every tensor that does not fit
   */
  static async fromPretrained<M extends PreTrainedModel>(
    this: ModelClass<M>,
    source: string | ModelFiles,
    options: FromPretrainedOptions = {},
  ): Promise<M> {
    return loadPretrained(() => this, source, options);
  }

  /**
   * Writes `config.json` and the weights, as `transformers` reads them. The old files stay until the new ones are whole.
   * @throws FileError when the file system refuses
   */
  async savePretrained(folder: string, options: { maxShardSize?: number } = {}): Promise<void> {
    const op = `${this.constructor.name}.savePretrained`;
    need(op, "folder: text", folder);
    const { maxShardSize = 5e9 } = checkOptions(op, ["maxShardSize?: number"], options);
    const fs = await import("node:fs/promises");
    const { join } = await import("node:path");
    await fs.mkdir(folder, { recursive: true });
    const tied = new Set(this.tiedKeys().map(([other]) => other));
    const state: StateDict = Object.fromEntries(Object.entries(this.stateDict()).filter(([k]) => !tied.has(k)));
    await save(state, join(folder, "model.safetensors"), { metadata: { format: "pt" }, maxShardSize });
    const generation = this.generationJson();
    const files = {
      "config.json": configText(this.config, { architectures: [this.constructor.name], dtype: this.dtype }),
      "generation_config.json":
        generation &&
        `${JSON.stringify(generation, null, 2)}
`,
    };
    for (const [name, text] of Object.entries(files))
      if (text) await replaceFile(join(folder, name), (sink) => sink.write(new TextEncoder().encode(text)));
  }
}

/** Builds something whose tensors take no memory yet. */
export function onMeta<T>(build: () => T): T {
  const before = getDefaultDevice();
  setDefaultDevice("meta");
  try {
    return noGrad(build);
  } finally {
    setDefaultDevice(before);
  }
}

/** @internal `fromPretrained` of a class. */
export const loadPretrained: <M extends PreTrainedModel>(
  pick: (config: Readonly<Record<string, unknown>>, name: string) => ModelClass<M>,
  source: string | ModelFiles,
  options?: FromPretrainedOptions,
) => Promise<M> = /*@__PURE__*/ located("fromPretrained", "source, options", load) as never;

async function load<M extends PreTrainedModel>(
  pick: (config: Readonly<Record<string, unknown>>, name: string) => ModelClass<M>,
  source: string | ModelFiles,
  options: FromPretrainedOptions = {},
): Promise<M> {
  const o = checkOptions("fromPretrained", OPTIONS, options);
  const { dtype = "auto", device = getDefaultDevice() } = o;
  if (dtype !== "auto" && !isDType(dtype))
    throw new ArgumentError({
      op: "fromPretrained",
      message: `dtype is ${given(dtype)}`,
      hint: 'Give "auto" or a dtype such as "float32"',
    });
  const checkpoint = await openCheckpoint(source, o.config, hubOptions(o));
  try {
    const { config: json, name } = checkpoint;
    const type = pick(json, name);
    const config = readConfig(type, json, name);
    const model = await build(type, config, await checkpoint.tensors(), {
      ...o,
      dtype: dtype === "auto" ? declared(json) : dtype,
      device,
      name,
    });
    if (checkpoint.generation) model.readGeneration(checkpoint.generation);
    return model;
  } finally {
    await checkpoint.close();
  }
}

/** The part of the options that is the hub's. */
export const hubOptions = ({ revision, token, endpoint, cacheDir, offline, signal, onProgress }: FromPretrainedOptions): HubOptions =>
  Object.fromEntries(
    Object.entries({
      revision,
      token,
      endpoint,
      cacheDir,
      offline,
      signal,
      onProgress: onProgress && ((file: string, done: number, total: number) => onProgress({ stage: "download", file, done, total })),
    }).filter(([, v]) => v !== undefined),
  ) as HubOptions;

/** The dtype that a configuration names, if it does. */
export function declared(json: Readonly<Record<string, unknown>>): DType | "auto" {
  const name = json["dtype"] ?? json["torch_dtype"];
  return isDType(name) ? name : "auto";
}

/** Reads a configuration for a class. @throws FormatError when it is another architecture's */
export function readConfig(type: ModelClass, json: Readonly<Record<string, unknown>>, file: string): CommonConfig {
  const config = type.configOf(json, file);
  const own = type.configOf().modelType;
  if (config.modelType !== own)
    throw new FormatError({
      op: "fromPretrained",
      message: `${file}: model_type is ${given(config.modelType)}, ${type.name} needs "${own}"`,
      hint: "Use the class of that architecture, or AutoModel",
      data: { found: config.modelType, expected: own },
    });
  return config;
}

/** Builds a model from a configuration and tensors. */
export async function build<M extends PreTrainedModel>(
  type: ModelClass<M>,
  stated: CommonConfig,
  tensors: ReadonlyMap<string, StoredTensor>,
  o: Omit<FromPretrainedOptions, "dtype" | "device"> & { dtype: DType | "auto"; device: string; name: string },
): Promise<M> {
  const config = type.fitConfig(stated, tensors);
  const model = onMeta(() => new type(config as never)).eval();
  const own = Object.keys(model.stateDict());
  const named = fitNames(type.adapt(tensors, config), own, type.baseModelPrefix);
  const tied = new Map(model.tiedKeys());
  // Tied parameters have one name in the model; the file may have it under the other.
  const all = new Map(named);
  for (const [other, name] of tied) if (!all.has(name) && all.has(other)) all.set(name, all.get(other)!);
  const report = await loadWeights(model, all, {
    dtype: o.dtype,
    device: o.device,
    optional: (k) => tied.has(k) || o.initializeMissing === true || type.newKeys?.test(k) === true,
    ignored: (k) => type.ignoredKeys?.test(k) === true,
    name: o.name,
    ...(o.onProgress && { onProgress: (done: number, total: number) => o.onProgress!({ stage: "load", file: o.name, done, total }) }),
    ...(o.signal && { signal: o.signal }),
  });
  for (const [other, name] of tied) {
    if (!name.endsWith(".weight")) continue; // biases are never quantised
    const table = model.getSubmodule(name.replace(/\.weight$/, ""));
    if (table instanceof QuantizedEmbedding)
      replaceModule(model, other.replace(/\.weight$/, ""), QuantizedLinear.from(table.quantized).eval());
  }
  const made = materialise(model, o.dtype === "auto" ? "float32" : o.dtype, o.device);
  if (made.length) model.initWeights(new Set(made));
  model.loadReport = { ...report, missingKeys: report.missingKeys.filter((k) => !tied.has(k)) };
  return model;
}

/** Keys of a file with or without the base model's name in front, as the model has them. */
function fitNames(tensors: ReadonlyMap<string, StoredTensor>, own: readonly string[], prefix: string): ReadonlyMap<string, StoredTensor> {
  if (prefix === "") return tensors;
  const dotted = `${prefix}.`;
  const [has, wants] = [[...tensors.keys()], own].map((keys) => keys.some((k) => k.startsWith(dotted)));
  if (has === wants) return tensors;
  const known = new Set(own);
  const rename = (k: string): string =>
    wants ? (known.has(dotted + k) ? dotted + k : k) : k.startsWith(dotted) ? k.slice(dotted.length) : k;
  return new Map([...tensors].map(([k, t]) => [rename(k), t]));
}
