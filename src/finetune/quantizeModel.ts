// QLoRA's base: the linear layers of a model quantised and frozen. Dettmers et al. 2023.
import { checkOptions, given, need } from "../core/arguments.ts";
import { ArgumentError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import { blockType, QUANT_TYPES, type QuantType } from "../kernel/quant/types.ts";
import { Linear } from "../nn/linear.ts";
import type { Module } from "../nn/module.ts";
import { QuantizedLinear } from "../nn/quantized.ts";
import { Conv1D } from "../models/shared/conv1d.ts";
import { LoraLinear } from "./loraLinear.ts";
import { endsWith, places, replaceAt } from "./targets.ts";

/** Options of `quantizeModel`. */
export interface QuantizeModelOptions {
  /** Layers that stay as they are: names or ends of names (default: `lm_head`). */
  readonly skip?: readonly string[];
}

// The types with blocks of 32 that llama.cpp takes where rows are no whole number of blocks of 256.
const NARROWER: Readonly<Partial<Record<QuantType, QuantType>>> = {
  Q2_K: "Q4_0",
  Q3_K: "Q4_0",
  Q4_K: "Q5_0",
  Q5_K: "Q5_1",
  Q6_K: "Q8_0",
};

/**
 * Replaces the linear layers of a model by quantised ones, in place, and freezes all of it: what LoRA then trains beside is QLoRA. A row that is no whole number of
 * a type's blocks takes the narrower type that llama.cpp takes; one that fits no type keeps its layer. Returns the type of each layer by name.
 * @throws ArgumentError for a type that is not known, or when there is nothing to quantise
 * @example
 * const model = new nn.Sequential(new nn.Linear(64, 32), new nn.ReLU(), new nn.Linear(32, 2));
 * quantizeModel(model, "Q8_0", { skip: ["2"] }) // => { 0: "Q8_0" }
 */
export function quantizeModel(model: Module, type: QuantType, options: QuantizeModelOptions = {}): Readonly<Record<string, QuantType>> {
  const op = "quantizeModel";
  need(op, "model: module", model);
  need(op, "type: text", type);
  const { skip = ["lm_head"] } = checkOptions(op, ["skip?: texts"], options);
  if (!blockType(type))
    throw new ArgumentError({ op, message: `no quantised type ${given(type)}`, hint: `Known types: ${QUANT_TYPES.join(", ")}` });
  const fits = (t: QuantType, columns: number): boolean => columns % blockType(t)!.size === 0;
  const out: Record<string, QuantType> = {};
  noGrad(() => {
    for (const place of [...places(model)]) {
      const { module, path } = place;
      if (module instanceof LoraLinear)
        throw new ArgumentError({ op, message: `${path} has adapters already`, hint: "Quantise the model first, then add adapters" });
      if (!(module instanceof Linear || module instanceof Conv1D) || skip.some((s) => endsWith(path, s))) continue;
      const columns = module instanceof Linear ? module.inFeatures : module.weight.shape[0]!;
      const fitting = [type, NARROWER[type]].find((t) => t !== undefined && fits(t, columns));
      if (fitting === undefined) continue;
      const layer = QuantizedLinear.from(module instanceof Linear ? module : asLinear(module), fitting);
      layer.training = module.training;
      replaceAt(place, layer);
      out[path] = fitting;
    }
  });
  if (Object.keys(out).length === 0)
    throw new ArgumentError({
      op,
      message: `no layer could be made ${given(type)}`,
      hint: `Its linear layers' inputs must be multiples of ${blockType(NARROWER[type] ?? type)!.size} wide`,
    });
  model.requiresGrad_(false);
  return out;
}
// GPT-2 keeps its matrices the other way round; blocks run along a row of [out, in].
function asLinear(c: Conv1D): Linear {
  const [inFeatures, outFeatures] = c.weight.shape as [number, number];
  const out = new Linear(inFeatures, outFeatures, { device: c.weight.device, dtype: c.weight.dtype });
  out.weight.detach().copy_(c.weight.detach().t());
  out.bias = c.bias;
  return out;
}
