// The tensors of an adapter under the keys of its file, and whether a file has those that a model needs.
import { FirebrandError, ShapeError, showShape } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Module } from "../nn/module.ts";
import type { LoraConfig } from "./loraConfig.ts";
import { LoraLinear } from "./loraLinear.ts";
import { ModulesToSaveWrapper } from "./modulesToSave.ts";
import { type Place, places, type Target } from "./targets.ts";

const PREFIX = "base_model.model.";
const stateOf = (m: Module): [string, Tensor][] => {
  const kept = new Set(Object.keys(m.stateDict()));
  return [...m.namedParameters(), ...m.namedBuffers()].filter(([k]) => kept.has(k));
};

/** What an adapter of a model consists of. */
export function fileKeys(model: Module, name: string, config: LoraConfig): Map<string, Tensor> {
  const out = new Map<string, Tensor>();
  for (const { path, module } of places(model)) {
    const put = (key: string, t: Tensor): unknown => out.set(`${PREFIX}${path}.${key}`, t);
    if (module instanceof LoraLinear && module.scaling.has(name)) {
      put("lora_A.weight", module.lora_A.get(name).weight);
      put("lora_B.weight", module.lora_B.get(name).weight);
      const { bias } = module.base_layer as { bias?: Tensor | null };
      if (bias && config.bias === "lora_only") put("base_layer.bias", bias);
    }
    if (module instanceof ModulesToSaveWrapper && module.adapters.includes(name))
      for (const [key, t] of stateOf(module.modules_to_save.get(name))) put(key, t);
  }
  if (config.bias === "all") for (const [key, t] of stateOf(model)) if (isBias(key)) out.set(PREFIX + key, t);
  return out;
}
/** Is it a bias of the base model, outside what adapters bring? */
export const isBias = (key: string): boolean => key.endsWith(".bias") && !/\.(original_module|modules_to_save|lora_[AB])\./.test(key);

/** What `fileKeys` will give once an adapter is in its place: names and shapes. */
function expected(config: LoraConfig, targets: readonly Target[], whole: readonly Place[], model: Module): Map<string, readonly number[]> {
  const out = new Map<string, readonly number[]>();
  const plain = new Set<string>(); // layers that are not wrapped yet
  for (const { path, module, sizes } of targets) {
    const r = config.rank(path);
    out.set(`${PREFIX}${path}.lora_A.weight`, [r, sizes.inFeatures]);
    out.set(`${PREFIX}${path}.lora_B.weight`, [sizes.outFeatures, r]);
    if (!(module instanceof LoraLinear)) plain.add(path);
    const base = module instanceof LoraLinear ? module.base_layer : module;
    const { bias } = base as { bias?: Tensor | null };
    if (bias && config.bias === "lora_only") out.set(`${PREFIX}${path}.base_layer.bias`, bias.shape);
  }
  for (const { path, module } of whole) {
    const original = module instanceof ModulesToSaveWrapper ? module.original_module : module;
    for (const [key, t] of stateOf(original)) out.set(`${PREFIX}${path}.${key}`, t.shape);
  }
  if (config.bias === "all")
    for (const [key, t] of stateOf(model)) {
      const owner = key.slice(0, -".bias".length);
      if (isBias(key) && !whole.some((p) => p.path === owner || owner.startsWith(`${p.path}.`)))
        out.set(`${PREFIX}${plain.has(owner) ? `${owner}.base_layer.bias` : key}`, t.shape);
    }
  return out;
}

/** Compares a file with what the adapter needs. @throws ShapeError and FirebrandError that list all that does not fit */
export function checkAdapterState(
  file: string,
  config: LoraConfig,
  targets: readonly Target[],
  whole: readonly Place[],
  model: Module,
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
): void {
  const own = expected(config, targets, whole, model);
  const missingKeys = [...own.keys()].filter((k) => !tensors.has(k));
  const unexpectedKeys = [...tensors.keys()].filter((k) => !own.has(k) && !/\.(original_module|modules_to_save)\./.test(k));
  const wrong = [...own].filter(([k, shape]) => tensors.has(k) && showShape(tensors.get(k)!.shape) !== showShape(shape));
  const some = (all: readonly string[]): string => `${all.slice(0, 12).join(", ")}${all.length > 12 ? `, … (${all.length} in all)` : ""}`;
  const lines: string[] = [];
  if (wrong.length)
    lines.push(
      `shapes differ: ${some(wrong.map(([k, s]) => `${k} (found ${showShape(tensors.get(k)!.shape)}, expected ${showShape(s)})`))}`,
    );
  if (missingKeys.length) lines.push(`missing keys: ${some(missingKeys)}`);
  if (unexpectedKeys.length) lines.push(`unexpected keys: ${some(unexpectedKeys)}`);
  if (lines.length === 0) return;
  const facts = {
    op: "loadAdapter",
    message: `${file}: ${lines.join("; ")}`,
    hint: "The adapter must belong to this model; nothing was changed",
    data: { file, missingKeys, unexpectedKeys },
  };
  throw wrong.length ? new ShapeError(facts) : new FirebrandError(facts);
}
