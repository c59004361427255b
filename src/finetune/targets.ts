// Which modules of a model a configuration means.
import { given, suggest } from "../core/arguments.ts";
import { ArgumentError, UnsupportedError } from "../core/errors.ts";
import type { Module } from "../nn/module.ts";
import { type LinearLike, type LinearSizes, linearSizes } from "./linearLike.ts";
import type { LoraConfig, ModuleNames } from "./loraConfig.ts";
import { LoraLinear, linearOf } from "./loraLinear.ts";
import { ModulesToSaveWrapper } from "./modulesToSave.ts";

/** A module and the place where it is. */
export interface Place {
  readonly path: string;
  readonly parent: Module;
  readonly name: string;
  readonly module: Module;
}
/** A layer that is to have an adapter. */
export interface Target extends Place {
  readonly sizes: LinearSizes;
}

/** All modules below one, in order of registration; what lies inside an adapted layer is not listed. */
export function* places(root: Module, prefix = "", seen: Set<Module> = new Set()): IterableIterator<Place> {
  for (const [name, module] of root.namedChildren()) {
    if (seen.has(module)) continue;
    seen.add(module);
    const path = prefix ? `${prefix}.${name}` : name;
    yield { path, parent: root, name, module };
    if (!(module instanceof LoraLinear || module instanceof ModulesToSaveWrapper)) yield* places(module, path, seen);
  }
}

// What PEFT adapts where the configuration does not say.
const USUAL: Readonly<Record<string, readonly string[]>> = {
  gpt2: ["c_attn"],
  llama: ["q_proj", "v_proj"],
  mistral: ["q_proj", "v_proj"],
  qwen2: ["q_proj", "v_proj"],
  qwen3: ["q_proj", "v_proj"],
  phi3: ["qkv_proj"],
  gemma2: ["q_proj", "v_proj"],
  gemma3_text: ["q_proj", "v_proj"],
};
const HEAD = "lm_head";

/** Does a name end with another, at a dot? */
export const endsWith = (path: string, end: string): boolean => path === end || path.endsWith(`.${end}`);
const matches = (names: readonly string[] | RegExp, path: string): boolean =>
  names instanceof RegExp ? new RegExp(`^(?:${names.source})$`).test(path) : names.some((n) => endsWith(path, n));

/**
 * The layers that get an adapter, in the order in which PEFT comes to them.
 * @throws ArgumentError when names match nothing, UnsupportedError when they match what is no linear layer
 */
export function findTargets(op: string, model: Module, config: LoraConfig, everyName: boolean): Target[] {
  const wanted = config.targetModules ?? usual(op, model);
  const all = [...places(model)];
  const found: Target[] = [];
  const others: Place[] = [];
  for (const place of all) {
    if (config.excludeModules && matches(config.excludeModules, place.path)) continue;
    if (config.modulesToSave?.some((m) => `.${place.path}.`.includes(`.${m}.`))) continue;
    if (!means(wanted, place)) continue;
    if (config.layersToTransform && !inLayers(config.layersToTransform, place.path)) continue;
    const sizes = linearOf(place.module);
    if (sizes) found.push({ ...place, sizes });
    else others.push(place);
  }
  if (others.length)
    throw new UnsupportedError({
      op,
      message: `targetModules name ${others[0]!.path}, a ${others[0]!.module.constructor.name}`,
      hint: "Adapters are for linear layers; modulesToSave trains other modules whole",
    });
  const idle = wanted instanceof RegExp || wanted === "all-linear" ? [] : wanted.filter((n) => !found.some((t) => endsWith(t.path, n)));
  if (found.length === 0 || (everyName && idle.length > 0)) throw nothingFound(op, wanted, idle, all);
  return found;
}
function means(wanted: ModuleNames, { path, module }: Place): boolean {
  if (wanted === "all-linear") return linearOf(module) !== null && !endsWith(path, HEAD);
  return matches(wanted, path);
}
const inLayers = (layers: readonly number[], path: string): boolean => {
  const m = /^.*?\.[^.]*\.(\d+)\./.exec(path) ?? /^[^.]*\.(\d+)\./.exec(path);
  return m !== null && layers.includes(Number(m[1]));
};
function usual(op: string, model: Module): readonly string[] {
  const kind = (model as { config?: { modelType?: unknown } }).config?.modelType;
  if (typeof kind === "string" && Object.hasOwn(USUAL, kind)) return USUAL[kind]!;
  throw new ArgumentError({
    op,
    message: `no targetModules, and none are usual for ${kind === undefined ? `a ${model.constructor.name}` : given(kind)}`,
    hint: 'Give targetModules: names of layers, or "all-linear"',
  });
}
function nothingFound(op: string, wanted: ModuleNames, idle: readonly string[], all: readonly Place[]): ArgumentError {
  const layers = all.filter((p) => linearOf(p.module));
  const ends = [...new Set(layers.map((p) => p.name))];
  const text = wanted instanceof RegExp ? String(wanted) : wanted === "all-linear" ? given(wanted) : idle.map(given).join(", ");
  const near = wanted instanceof RegExp || idle.length === 0 ? null : suggest(idle[0]!, ends);
  return new ArgumentError({
    op,
    message: `targetModules ${text || given(wanted)} match no layer of the model`,
    hint:
      near ??
      (layers.length
        ? `Its linear layers are ${layers
            .slice(0, 8)
            .map((p) => p.path)
            .join(", ")}${layers.length > 8 ? ", …" : ""}`
        : "It has no linear layers"),
    data: { targetModules: [...(idle.length ? idle : [String(wanted)])], layers: ends },
  });
}

/** The shortest names that mean these layers and no others, for the file of an adapter. */
export function shortNames(model: Module, paths: readonly string[]): string[] {
  const ends = [...new Set(paths.map((p) => p.slice(p.lastIndexOf(".") + 1)))];
  const wanted = new Set(paths);
  const exact = [...places(model)].every((p) => ends.some((e) => endsWith(p.path, e)) === wanted.has(p.path));
  return exact ? ends : [...paths];
}

/** Puts a module where another was. */
export function replaceAt({ parent, name }: Place, module: Module): void {
  parent.addModule(name, module);
}
/** A plain layer with room for adapters, or the one that is there already. */
export function adapted(target: Target): LoraLinear {
  if (target.module instanceof LoraLinear) return target.module;
  const layer = new LoraLinear(target.module as LinearLike, linearSizes(target.module)!);
  layer.training = target.module.training;
  replaceAt(target, layer);
  return layer;
}
