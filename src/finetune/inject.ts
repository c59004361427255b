// From a configuration to modules: what an adapter will stand in is found first, so that nothing is changed where something is missing.
import { given } from "../core/arguments.ts";
import { ArgumentError, UnsupportedError } from "../core/errors.ts";
import { isParameter, type Module } from "../nn/module.ts";
import type { LoraConfig } from "./loraConfig.ts";
import { LoraLinear } from "./loraLinear.ts";
import { ModulesToSaveWrapper } from "./modulesToSave.ts";
import { adapted, endsWith, findTargets, type Place, places, replaceAt, type Target } from "./targets.ts";

/** Where an adapter goes: layers beside which it stands, and modules that it copies. */
export interface Plan {
  readonly targets: readonly Target[];
  readonly whole: readonly Place[];
}

/** What a configuration means in a model; with `everyName`, each of its names must match. @throws ArgumentError, UnsupportedError */
export function planAdapter(op: string, model: Module, config: LoraConfig, everyName: boolean): Plan {
  const targets = findTargets(op, model, config, everyName);
  const all = [...places(model)];
  const wanted = config.modulesToSave ?? [];
  for (const m of wanted)
    if (!all.some((p) => endsWith(p.path, m)))
      throw new ArgumentError({
        op,
        message: `modulesToSave ${given(m)} match no module of the model`,
        hint: `It has ${[...new Set(all.map((p) => p.name))]
          .filter((n) => !/^\d+$/.test(n))
          .slice(0, 12)
          .join(", ")}`,
      });
  return { targets, whole: all.filter((p) => wanted.some((m) => endsWith(p.path, m))) };
}

/** Makes the adapter; `draw`: with first values. */
export function inject({ targets, whole }: Plan, name: string, config: LoraConfig, draw: boolean): void {
  for (const target of targets) adapted(target).addAdapter(name, target.path, config, draw);
  for (const place of whole) {
    const wrapper = place.module instanceof ModulesToSaveWrapper ? place.module : new ModulesToSaveWrapper(place.module);
    if (wrapper !== place.module) replaceAt(place, wrapper);
    wrapper.addAdapter(name);
    wrapper.train(place.module.training);
  }
}

/** Refuses to write to weights that another module has too, and which would change with it. @throws UnsupportedError */
export function refuseTied(op: string, model: Module): void {
  const owners = new Map<unknown, number>();
  for (const m of model.modules()) for (const p of new Set(Object.values(m))) if (isParameter(p)) owners.set(p, (owners.get(p) ?? 0) + 1);
  for (const { path, module } of places(model))
    if (module instanceof LoraLinear && (owners.get((module.base_layer as { weight?: unknown }).weight) ?? 0) > 1)
      throw new UnsupportedError({
        op,
        message: `the weight of ${path} is another module's too, which would change with it`,
        hint: "Leave the adapter unmerged, or give the layer a weight of its own",
      });
}
