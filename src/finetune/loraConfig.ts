// How LoRA adapters are made: PEFT's `LoraConfig`, and its file `adapter_config.json`.
import { checkOptions, given } from "../core/arguments.ts";
import { ArgumentError, type FirebrandError, FormatError, UnsupportedError, ValueError } from "../core/errors.ts";

/** Which layers: names or ends of names, an expression that must match the whole name, or all linear layers but the head. */
export type ModuleNames = readonly string[] | RegExp | "all-linear";

/** What a LoRA adapter is like; everything has PEFT's default. */
export interface LoraConfigOptions {
  /** The rank: B is [out, r] and A [r, in] (default 8). */
  readonly r?: number;
  /** The update is B A · loraAlpha / r (default 8). */
  readonly loraAlpha?: number;
  /** Share of A's inputs dropped in training (default 0). */
  readonly loraDropout?: number;
  /** Layers that get an adapter (default: those that PEFT has for the architecture). */
  readonly targetModules?: ModuleNames | null;
  /** Layers that get none. */
  readonly excludeModules?: readonly string[] | RegExp | null;
  /** Which biases of the base model train too (default none): all, or those of adapted layers. */
  readonly bias?: "none" | "all" | "lora_only";
  /** Scale by loraAlpha / √r instead (Kalajdzievski 2023)? Default false. */
  readonly useRslora?: boolean;
  /** Further modules that are copied, trained and saved whole: a head, the embeddings. */
  readonly modulesToSave?: readonly string[] | null;
  /** true (default): A as a linear layer's, B zero. `gaussian`: A normal with deviation 1/r. false: both random. */
  readonly initLoraWeights?: boolean | "gaussian";
  /** As PEFT has it for GPT-2. Not needed: a layer shows which way it keeps its weight. */
  readonly fanInFanOut?: boolean;
  /** Other ranks for layers whose name ends in what an expression matches. */
  readonly rankPattern?: Readonly<Record<string, number>>;
  /** Other alphas, likewise. */
  readonly alphaPattern?: Readonly<Record<string, number>>;
  /** Numbers of the only blocks that get adapters. */
  readonly layersToTransform?: readonly number[] | null;
  /** Is it for use only, not for training? Default false. */
  readonly inferenceMode?: boolean;
  /** Said in the file, for whoever loads it. */
  readonly taskType?: string | null;
  /** Where the base model comes from, likewise. */
  readonly baseModelNameOrPath?: string | null;
}
const OPTIONS = [
  "r?: positive",
  "loraAlpha?: number",
  "loraDropout?: number",
  "targetModules?: any",
  "excludeModules?: any",
  "bias?: none|all|lora_only",
  "useRslora?: flag",
  "modulesToSave?: texts",
  "initLoraWeights?: flag|gaussian",
  "fanInFanOut?: flag",
  "rankPattern?: object",
  "alphaPattern?: object",
  "layersToTransform?: list",
  "inferenceMode?: flag",
  "taskType?: text",
  "baseModelNameOrPath?: text",
];

/**
 * A checked configuration. Hu et al. 2021.
 * @throws ArgumentError, ValueError for what is none: ranks below 1, shares outside [0, 1), unknown names
 * @example new LoraConfig({ r: 4, targetModules: ["q_proj"] }).scaling("model.layers.0.self_attn.q_proj") // => 2
 */
export class LoraConfig implements LoraConfigOptions {
  readonly r: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly targetModules: ModuleNames | null;
  readonly excludeModules: readonly string[] | RegExp | null;
  readonly bias: "none" | "all" | "lora_only";
  readonly useRslora: boolean;
  readonly modulesToSave: readonly string[] | null;
  readonly initLoraWeights: boolean | "gaussian";
  readonly fanInFanOut: boolean;
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  readonly layersToTransform: readonly number[] | null;
  readonly inferenceMode: boolean;
  readonly taskType: string | null;
  readonly baseModelNameOrPath: string | null;

  constructor(options: LoraConfigOptions = {}) {
    const o = checkOptions("LoraConfig", OPTIONS, { ...options });
    this.r = o.r ?? 8;
    this.loraAlpha = o.loraAlpha ?? 8;
    this.loraDropout = o.loraDropout ?? 0;
    this.targetModules = names("targetModules", o.targetModules, true) as ModuleNames | null;
    this.excludeModules = names("excludeModules", o.excludeModules, false) as readonly string[] | RegExp | null;
    this.bias = o.bias ?? "none";
    this.useRslora = o.useRslora ?? false;
    this.modulesToSave = o.modulesToSave ?? null;
    this.initLoraWeights = o.initLoraWeights ?? true;
    this.fanInFanOut = o.fanInFanOut ?? false;
    this.rankPattern = o.rankPattern ?? {};
    this.alphaPattern = o.alphaPattern ?? {};
    this.layersToTransform = o.layersToTransform ?? null;
    this.inferenceMode = o.inferenceMode ?? false;
    this.taskType = o.taskType ?? null;
    this.baseModelNameOrPath = o.baseModelNameOrPath ?? null;
    const refuse = (message: string, hint: string): ValueError => new ValueError({ op: "LoraConfig", message, hint });
    if (!(this.loraDropout >= 0 && this.loraDropout < 1)) throw refuse(`loraDropout is ${this.loraDropout}`, "It lies in [0, 1)");
    if (!(Number.isFinite(this.loraAlpha) && this.loraAlpha > 0)) throw refuse(`loraAlpha is ${this.loraAlpha}`, "It is greater than 0");
    for (const [key, r] of Object.entries(this.rankPattern))
      if (!(Number.isSafeInteger(r) && r >= 1)) throw refuse(`rankPattern.${key} is ${given(r)}`, "Ranks are integers >= 1");
    for (const [key, a] of Object.entries(this.alphaPattern))
      if (!Number.isFinite(a)) throw refuse(`alphaPattern.${key} is ${given(a)}`, "Alphas are numbers");
  }

  /** The rank for the layer of a name. */
  rank(path: string): number {
    return byPattern(this.rankPattern, path) ?? this.r;
  }
  /** The factor of B A for the layer of a name. */
  scaling(path: string): number {
    const r = this.rank(path);
    return (byPattern(this.alphaPattern, path) ?? this.loraAlpha) / (this.useRslora ? Math.sqrt(r) : r);
  }

  /** As `adapter_config.json` holds it. `found` are the names of the layers that have the adapter. */
  toJson(found: { readonly targets: readonly string[]; readonly fanInFanOut: boolean }): Record<string, unknown> {
    const list = (x: readonly string[] | RegExp | null): unknown => (x instanceof RegExp ? x.source : x);
    const some = (x: object): unknown => (Object.keys(x).length === 0 ? {} : x);
    return {
      peft_type: "LORA",
      task_type: this.taskType,
      base_model_name_or_path: this.baseModelNameOrPath,
      inference_mode: true, // PEFT writes it so that who loads does not train by accident
      r: this.r,
      lora_alpha: this.loraAlpha,
      lora_dropout: this.loraDropout,
      target_modules: Array.isArray(this.targetModules) || this.targetModules instanceof RegExp ? list(this.targetModules) : found.targets,
      exclude_modules: list(this.excludeModules),
      bias: this.bias,
      use_rslora: this.useRslora,
      modules_to_save: this.modulesToSave,
      init_lora_weights: this.initLoraWeights,
      fan_in_fan_out: found.fanInFanOut,
      rank_pattern: some(this.rankPattern),
      alpha_pattern: some(this.alphaPattern),
      layers_to_transform: this.layersToTransform,
      layers_pattern: null,
      use_dora: false,
    };
  }

  /** Reads an `adapter_config.json`. @throws FormatError, UnsupportedError for kinds of adapters that compute something else */
  static fromJson(json: Readonly<Record<string, unknown>>, file: string): LoraConfig {
    const op = "loadAdapter";
    const kind = json["peft_type"];
    if (kind !== "LORA")
      throw new UnsupportedError({
        op,
        message: `${file}: peft_type is ${given(kind)}`,
        hint: "Adapters of the type LORA can be loaded",
        data: { file },
      });
    for (const [key, off] of UNKNOWN)
      if (!off(json[key] ?? null))
        throw new UnsupportedError({
          op,
          message: `${file}: ${key} is ${given(json[key])}`,
          hint: "Plain LoRA can be loaded; with PEFT, convert the adapter or merge it into its model",
          data: { file, field: key },
        });
    const options: Record<string, unknown> = {};
    for (const [key, name] of FIELDS) if (json[key] !== undefined && json[key] !== null) options[name] = json[key];
    for (const key of ["targetModules", "excludeModules"]) {
      const x = options[key];
      if (typeof x === "string" && x !== "all-linear") options[key] = expression(file, x);
    }
    if (typeof options["layersToTransform"] === "number") options["layersToTransform"] = [options["layersToTransform"]];
    // How values once were drawn does not matter to who has them; PiSSA and its kin have changed the base model too.
    if (/^(pissa|olora|corda|loftq|lora_ga|mica)/.test(String(options["initLoraWeights"])))
      throw new UnsupportedError({
        op,
        message: `${file}: init_lora_weights is ${given(options["initLoraWeights"])}, which changes the base model`,
        hint: "With PEFT, save it with path_initial_model_for_weight_conversion",
        data: { file, field: "init_lora_weights" },
      });
    if (typeof options["initLoraWeights"] === "string" && options["initLoraWeights"] !== "gaussian") options["initLoraWeights"] = true;
    try {
      return new LoraConfig(options as LoraConfigOptions);
    } catch (cause) {
      const e = cause as FirebrandError;
      throw new FormatError({ op, message: `${file}: ${e.message}`, hint: "The file is damaged", data: { file }, cause });
    }
  }
}

const FIELDS: readonly (readonly [json: string, name: keyof LoraConfigOptions])[] = [
  ["r", "r"],
  ["lora_alpha", "loraAlpha"],
  ["lora_dropout", "loraDropout"],
  ["target_modules", "targetModules"],
  ["exclude_modules", "excludeModules"],
  ["bias", "bias"],
  ["use_rslora", "useRslora"],
  ["modules_to_save", "modulesToSave"],
  ["init_lora_weights", "initLoraWeights"],
  ["fan_in_fan_out", "fanInFanOut"],
  ["rank_pattern", "rankPattern"],
  ["alpha_pattern", "alphaPattern"],
  ["layers_to_transform", "layersToTransform"],
  ["inference_mode", "inferenceMode"],
  ["task_type", "taskType"],
  ["base_model_name_or_path", "baseModelNameOrPath"],
];
const empty = (x: unknown): boolean =>
  x === null || x === false || (Array.isArray(x) && x.length === 0) || (typeof x === "object" && Object.keys(x as object).length === 0);
// What changes the result and is not known here.
const UNKNOWN: readonly (readonly [string, (x: unknown) => boolean])[] = [
  "use_dora",
  "lora_bias",
  "use_qalora",
  "target_parameters",
  "trainable_token_indices",
  "layer_replication",
  "alora_invocation_tokens",
  "use_bdlora",
  "arrow_config",
  "kasa_config",
  "monteclora_config",
  "velora_config",
].map((key) => [key, empty] as const);

function names(field: string, x: unknown, all: boolean): unknown {
  if (x === undefined || x === null || (all && x === "all-linear")) return x ?? null;
  const needed = `an array of names or a RegExp${all ? ', or "all-linear"' : ""}`;
  const refuse = (message: string): ArgumentError => new ArgumentError({ op: "LoraConfig", message, hint: `It takes ${needed}` });
  if (x instanceof RegExp) {
    if (x.flags.replace("u", "") !== "") throw refuse(`${field} ${x} has flags, which the file of an adapter cannot hold`);
    return x;
  }
  if (!Array.isArray(x) || !x.every((n) => typeof n === "string" && n !== "")) throw refuse(`${field} is ${given(x)}`);
  return [...x];
}
function expression(file: string, source: string): RegExp {
  try {
    return new RegExp(source);
  } catch (cause) {
    throw new FormatError({
      op: "loadAdapter",
      message: `${file}: the expression ${JSON.stringify(source)} cannot be read: ${(cause as Error).message}`,
      hint: "Python's expressions differ in places: name the layers in a list",
      data: { file },
      cause,
    });
  }
}
// As PEFT's get_pattern_key: the first key that matches the end of the name.
function byPattern(patterns: Readonly<Record<string, number>>, path: string): number | undefined {
  for (const [key, value] of Object.entries(patterns)) if (new RegExp(`^(?:.*\\.)?(?:${key})$`).test(path)) return value;
  return undefined;
}
