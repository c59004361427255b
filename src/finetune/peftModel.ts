// A model with adapters: PEFT's PeftModel. The adapters stand in the model's own modules, which so goes on working where it is used.
import { checkOptions, given, need } from "../core/arguments.ts";
import { ArgumentError, ValueError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import type { ModelFiles } from "../models/sources/files.ts";
import { Module, type StateDict } from "../nn/module.ts";
import { openAdapter, writeAdapter } from "./adapterFiles.ts";
import { combine, type CombinationType } from "./combine.ts";
import { inject, type Plan, planAdapter, refuseTied } from "./inject.ts";
import { LoraConfig, type LoraConfigOptions } from "./loraConfig.ts";
import { LoraLinear } from "./loraLinear.ts";
import { checkAdapterState, fileKeys, isBias } from "./adapterState.ts";
import { isQuantized, linearSizes } from "./linearLike.ts";
import { ModulesToSaveWrapper } from "./modulesToSave.ts";
import { places, replaceAt, shortNames } from "./targets.ts";

/** Options of loading an adapter. */
export interface LoadAdapterOptions {
  /** Shall it be trained on? Default false. */
  readonly isTrainable?: boolean;
}
/** Options of `PeftModel.fromPretrained`. */
export interface PeftFromPretrainedOptions extends LoadAdapterOptions {
  /** How the adapter is called (default `default`). */
  readonly adapterName?: string;
}
/** Options of `PeftModel.savePretrained`. */
export interface SaveAdapterOptions {
  /** Which adapters (default all). */
  readonly selectedAdapters?: readonly string[];
  /** safetensors (default) or PyTorch's `.bin`. */
  readonly safeSerialization?: boolean;
}
/** How many numbers are trained. */
export interface TrainableParameters {
  readonly trainable: number;
  readonly all: number;
  /** trainable / all · 100. */
  readonly percent: number;
}

/** What PEFT has between a PeftModel and its model, for the sake of the keys. */
class LoraModel<M extends Module> extends Module {
  model: M;
  constructor(model: M) {
    super();
    this.model = model;
  }
  forward(...args: Parameters<M["forward"]>): ReturnType<M["forward"]> {
    return this.model.forward(...(args as never[])) as ReturnType<M["forward"]>;
  }
}

/**
 * A model with one or more LoRA adapters. The base model's own parameters are frozen; those of the active adapters train. Keys, files and names are those
 * of PEFT. Made by `getPeftModel` or `PeftModel.fromPretrained`.
 * @throws ArgumentError when targetModules match nothing, UnsupportedError when they name what is no linear layer
 * @example
 * const model = new PeftModel(new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 2)), { r: 2, targetModules: ["0", "2"] });
 * model.trainableParameters() // => { trainable: 44, all: 102, percent: 43.1373 }
 * Object.keys(model.adapterState())[0] // => "base_model.model.0.lora_A.weight"
 */
export class PeftModel<M extends Module = Module> extends Module {
  base_model: LoraModel<M>;
  /** The configurations of the adapters by name. */
  readonly peftConfig: Map<string, LoraConfig> = new Map();
  #active: readonly string[] = [];

  /** `config` null: no adapter yet. */
  constructor(model: M, config: LoraConfig | LoraConfigOptions | null, adapterName = "default") {
    super();
    need("PeftModel", "model: module", model);
    this.base_model = new LoraModel(model);
    this.training = model.training;
    if ([...places(model)].some((p) => p.module instanceof LoraLinear))
      throw new ValueError({
        op: "PeftModel",
        message: "the model has adapters already",
        hint: "Use addAdapter of its PeftModel, or unload() it first",
      });
    if (config === null) return;
    this.#inject("PeftModel", adapterName, configOf(config), null);
    model.requiresGrad_(false);
    this.#active = [adapterName];
    this.#refresh();
  }
  forward(...args: Parameters<M["forward"]>): ReturnType<M["forward"]> {
    return this.base_model.forward(...args);
  }
  /** The model itself, its adapters in it: for generation, say. */
  getBaseModel(): M {
    return this.base_model.model;
  }
  /** The names of the adapters that count, in order. */
  get activeAdapters(): readonly string[] {
    return this.#active;
  }

  #layers(): LoraLinear[] {
    return [...places(this.getBaseModel())].map((p) => p.module).filter((m) => m instanceof LoraLinear);
  }
  #wrappers(): ModulesToSaveWrapper[] {
    return [...places(this.getBaseModel())].map((p) => p.module).filter((m) => m instanceof ModulesToSaveWrapper);
  }
  #need(op: string, name: unknown): LoraConfig {
    const found = this.peftConfig.get(name as string);
    if (found) return found;
    throw new ArgumentError({
      op,
      message: `no adapter ${given(name)}`,
      hint: `There are ${[...this.peftConfig.keys()].join(", ") || "none"}`,
    });
  }
  #free(op: string, name: string): void {
    need(op, "adapterName: text", name);
    if (this.peftConfig.has(name))
      throw new ArgumentError({
        op,
        message: `there is an adapter ${given(name)} already`,
        hint: "Choose another name, or deleteAdapter it first",
      });
    // A name is a part of keys, and a field of a module.
    if (name === "" || name.includes(".") || name in Module.prototype || ["training", "keys", "get"].includes(name))
      throw new ArgumentError({ op, message: `${given(name)} cannot be the name of an adapter`, hint: "Choose a plain word" });
  }
  #inject(op: string, name: string, config: LoraConfig, found: Plan | null): void {
    this.#free(op, name);
    inject(found ?? planAdapter(op, this.getBaseModel(), config, true), name, config, found === null);
    this.peftConfig.set(name, config);
  }
  // Brings layers and gradients in line with the active adapters.
  #refresh(): void {
    const active = this.#active;
    const trains = (name: string): boolean => active.includes(name) && !this.#need("PeftModel", name).inferenceMode;
    const biases = new Set(active.filter(trains).map((name) => this.peftConfig.get(name)!.bias));
    const everyBias = biases.has("all") || biases.has("lora_only") || this.#biasesTrained;
    this.#biasesTrained = everyBias;
    if (everyBias) for (const [key, p] of this.namedParameters()) if (isBias(key)) p.requiresGrad_(biases.has("all"));
    for (const layer of this.#layers()) {
      layer.active = active;
      for (const dict of [layer.lora_A, layer.lora_B]) for (const [name, m] of dict.namedChildren()) m.requiresGrad_(trains(name));
      const { bias } = layer.base_layer as { bias?: Tensor | null };
      if (bias && biases.has("lora_only")) bias.requiresGrad_(true);
    }
    for (const wrapper of this.#wrappers()) {
      wrapper.active = active;
      const first = active.find((n) => wrapper.adapters.includes(n));
      for (const [name, m] of wrapper.modules_to_save.namedChildren()) m.requiresGrad_(name === first && trains(name));
    }
  }
  #biasesTrained = false;

  /** Adds an adapter with fresh values; it does not count until `setAdapter`. @throws ArgumentError, ValueError, UnsupportedError as the constructor */
  addAdapter(adapterName: string, config: LoraConfig | LoraConfigOptions): void {
    this.#refuseMerged("addAdapter");
    this.#inject("addAdapter", adapterName, configOf(config), null);
    this.#refresh();
  }
  /** Makes one adapter count, or several, whose updates add up. @throws ArgumentError for names that are not there */
  setAdapter(adapterName: string | readonly string[]): void {
    const names = typeof adapterName === "string" ? [adapterName] : adapterName;
    need("setAdapter", "adapterName: texts", names);
    if (names.length === 0)
      throw new ArgumentError({ op: "setAdapter", message: "no adapter is named", hint: "disableAdapter(fn) runs without any" });
    for (const n of names) this.#need("setAdapter", n);
    this.#refuseMerged("setAdapter");
    this.#active = [...new Set(names)];
    this.#refresh();
  }
  /** Removes an adapter. @throws ArgumentError when there is none, or no other */
  deleteAdapter(adapterName: string): void {
    this.#need("deleteAdapter", adapterName);
    this.#refuseMerged("deleteAdapter");
    if (this.peftConfig.size === 1)
      throw new ArgumentError({
        op: "deleteAdapter",
        message: `${given(adapterName)} is the only adapter`,
        hint: "unload() gives the bare model",
      });
    for (const m of [...this.#layers(), ...this.#wrappers()]) m.deleteAdapter(adapterName);
    this.peftConfig.delete(adapterName);
    const left = this.#active.filter((n) => n !== adapterName);
    this.#active = left.length ? left : [[...this.peftConfig.keys()][0]!];
    this.#refresh();
  }
  /** Runs `fn` with the base model alone; where it is asynchronous, until its promise settles. Trained biases stay. */
  disableAdapter<R>(fn: () => R): R {
    need("disableAdapter", "fn: function", fn);
    const merged = this.#merged();
    const turn = (on: boolean): void => {
      for (const m of [...this.#layers(), ...this.#wrappers()]) m.enabled = on;
      for (const layer of merged.length ? this.#layers() : []) on ? layer.merge(merged) : layer.unmerge();
    };
    turn(false);
    let waiting = false;
    try {
      const out = fn();
      if (typeof (out as { then?: unknown } | null)?.then !== "function") return out;
      waiting = true;
      return (out as unknown as Promise<unknown>).finally(() => turn(true)) as R;
    } finally {
      if (!waiting) turn(true);
    }
  }

  #merged(): readonly string[] {
    return [...new Set(this.#layers().flatMap((l) => l.merged))];
  }
  #refuseMerged(op: string): void {
    if (this.#merged().length)
      throw new ValueError({
        op,
        message: `${this.#merged().join(", ")} are merged into the weights`,
        hint: "Call unmergeAdapter() first",
      });
  }
  #names(op: string, names: readonly string[] | undefined): readonly string[] {
    for (const n of names ?? []) this.#need(op, n);
    return names ?? this.#active;
  }
  /** Adds adapters (default: the active ones) to the weights, for faster use. @throws ArgumentError; UnsupportedError for quantised layers and shared weights */
  mergeAdapter(adapterNames?: readonly string[]): void {
    const names = this.#names("mergeAdapter", adapterNames);
    refuseTied("mergeAdapter", this.getBaseModel());
    this.unmergeAdapter();
    try {
      for (const layer of this.#layers()) layer.merge(names);
    } catch (e) {
      this.unmergeAdapter();
      throw e;
    }
  }
  /** Gives the weights back that `mergeAdapter` found, to the last bit. */
  unmergeAdapter(): void {
    for (const layer of this.#layers()) layer.unmerge();
  }
  /**
   * The model with adapters (default: the active ones) added for good and no trace of them left; quantised layers become floating ones. This PeftModel is
   * of no use afterwards. @throws ArgumentError; UnsupportedError for shared weights
   */
  mergeAndUnload(adapterNames?: readonly string[]): M {
    const names = this.#names("mergeAndUnload", adapterNames);
    refuseTied("mergeAndUnload", this.getBaseModel());
    return this.#unload(
      (layer) => layer.mergedLayer(names),
      (wrapper) => {
        wrapper.active = names;
        return wrapper.current;
      },
    );
  }
  /** The model without adapters. This PeftModel is of no use afterwards. */
  unload(): M {
    return this.#unload(
      (layer) => layer.mergedLayer([]),
      (wrapper) => wrapper.original_module,
    );
  }
  #unload(layer: (l: LoraLinear) => Module, whole: (w: ModulesToSaveWrapper) => Module): M {
    const model = this.getBaseModel();
    for (const place of [...places(model)])
      if (place.module instanceof LoraLinear) replaceAt(place, layer(place.module));
      else if (place.module instanceof ModulesToSaveWrapper) replaceAt(place, whole(place.module));
    this.peftConfig.clear();
    this.#active = [];
    return model;
  }

  /**
   * Adds an adapter made of others. `linear` adds A's and B's, each times √|w · scaling|, and needs equal ranks; `cat` puts them side by side, which gives
   * exactly the weighted sum of the updates.
   * @throws ArgumentError for names that are not there, ValueError for ranks that differ
   */
  addWeightedAdapter(
    adapters: readonly string[],
    weights: readonly number[],
    adapterName: string,
    options: { combinationType?: CombinationType } = {},
  ): void {
    const op = "addWeightedAdapter";
    const { combinationType = "linear" } = checkOptions(op, ["combinationType?: linear|cat"], options);
    need(op, "adapters: texts", adapters);
    const configs = adapters.map((n) => this.#need(op, n));
    this.#free(op, adapterName);
    this.#refuseMerged(op);
    const config = combine(op, this.#layers(), adapters, weights, configs, adapterName, combinationType);
    this.peftConfig.set(adapterName, config);
    this.#refresh();
  }

  /** How many numbers train, and how many there are. */
  trainableParameters(): TrainableParameters {
    let [trainable, all] = [0, 0];
    for (const p of this.parameters()) {
      all += p.layout.numel;
      if (p.requiresGrad) trainable += p.layout.numel;
    }
    for (const m of this.modules()) {
      const sizes = m instanceof LoraLinear || !isQuantized(m) ? null : linearSizes(m);
      if (sizes) all += sizes.inFeatures * sizes.outFeatures; // their weights are no parameters
    }
    return { trainable, all, percent: (100 * trainable) / all };
  }
  /** Prints them as PEFT does. */
  printTrainableParameters(): void {
    const { trainable, all, percent } = this.trainableParameters();
    const n = (x: number): string => x.toLocaleString("en");
    console.log(`trainable params: ${n(trainable)} || all params: ${n(all)} || trainable%: ${percent.toFixed(4)}`);
  }

  /** The tensors of an adapter under the keys of its file. @throws ArgumentError when there is none */
  adapterState(adapterName = "default"): StateDict {
    const config = this.#need("adapterState", adapterName);
    return Object.fromEntries([...fileKeys(this.getBaseModel(), adapterName, config)].map(([key, p]) => [key, p.detach()]));
  }
  /**
   * Writes adapters as PEFT does: the one called `default` into the folder, others into folders of their names in it.
   * @throws ArgumentError for unknown names, FileError when the file system refuses
   */
  async savePretrained(folder: string, options: SaveAdapterOptions = {}): Promise<void> {
    const op = "savePretrained";
    need(op, "folder: text", folder);
    const o = checkOptions(op, ["selectedAdapters?: texts", "safeSerialization?: flag"], options);
    const { join } = await import("node:path");
    const model = this.getBaseModel();
    for (const name of o.selectedAdapters ?? [...this.peftConfig.keys()]) {
      const config = this.#need(op, name);
      const own = [...places(model)].filter((p) => p.module instanceof LoraLinear && p.module.scaling.has(name));
      const json = config.toJson({
        targets: shortNames(
          model,
          own.map((p) => p.path),
        ),
        fanInFanOut: own.some((p) => (p.module as LoraLinear).fanInFanOut),
      });
      await writeAdapter(name === "default" ? folder : join(folder, name), json, this.adapterState(name), o.safeSerialization !== false);
    }
  }
  /** Loads an adapter that PEFT or this library saved. @throws as `PeftModel.fromPretrained`; nothing is changed then */
  async loadAdapter(source: string | ModelFiles, adapterName: string, options: LoadAdapterOptions = {}): Promise<void> {
    const op = "loadAdapter";
    const { isTrainable = false } = checkOptions(op, ["isTrainable?: flag"], options);
    this.#free(op, adapterName);
    this.#refuseMerged(op);
    const { config, weights, file } = await openAdapter(source);
    try {
      const plan = planAdapter(op, this.getBaseModel(), config, false);
      checkAdapterState(file, config, plan.targets, plan.whole, this.getBaseModel(), weights.tensors);
      const values = new Map<string, Tensor>();
      for (const [key, t] of weights.tensors) values.set(key, (await t.read({})) as Tensor);
      this.#inject(op, adapterName, new LoraConfig({ ...config, inferenceMode: !isTrainable }), plan);
      noGrad(() => {
        for (const [key, p] of fileKeys(this.getBaseModel(), adapterName, config)) p.copy_(values.get(key)!);
      });
    } finally {
      await weights.close();
    }
    this.#refresh();
  }
  /**
   * A model with an adapter from a folder or the hub: `adapter_config.json` with `adapter_model.safetensors` or `adapter_model.bin`.
   * @throws ArgumentError when files are missing, FormatError when they are damaged, UnsupportedError for other kinds of adapters, ShapeError and
   * FirebrandError that list every tensor that does not fit
   */
  static async fromPretrained<M extends Module>(
    model: M,
    source: string | ModelFiles,
    options: PeftFromPretrainedOptions = {},
  ): Promise<PeftModel<M>> {
    const { adapterName = "default", ...load } = checkOptions(
      "PeftModel.fromPretrained",
      ["adapterName?: text", "isTrainable?: flag"],
      options,
    );
    need("PeftModel.fromPretrained", "model: module", model);
    const out = new PeftModel(model, null);
    await out.loadAdapter(source, adapterName, load);
    model.requiresGrad_(false);
    out.setAdapter(adapterName);
    return out;
  }
}
const configOf = (c: LoraConfig | LoraConfigOptions): LoraConfig => (c instanceof LoraConfig ? c : new LoraConfig(c));

/**
 * Freezes a model and puts a LoRA adapter beside its linear layers: `new PeftModel(model, config)`. With the same seed the first values are PEFT's.
 * @throws ArgumentError when targetModules match nothing, UnsupportedError when they name what is no linear layer
 * @example
 * const model = getPeftModel(new nn.Sequential(new nn.Linear(4, 2)), { r: 1, targetModules: "all-linear" });
 * model.forward(ones(1, 4)).shape // => [1, 2]
 * [...model.namedParameters()].filter(([, p]) => p.requiresGrad).map(([name]) => name).length // => 2
 */
export const getPeftModel = <M extends Module>(model: M, config: LoraConfig | LoraConfigOptions, adapterName = "default"): PeftModel<M> =>
  new PeftModel(model, config, adapterName);
