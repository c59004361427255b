// One adapter made of several.
import { given } from "../core/arguments.ts";
import { ArgumentError, ValueError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { cat } from "../ops/join.ts";
import { LoraConfig } from "./loraConfig.ts";
import type { LoraLinear } from "./loraLinear.ts";

/** How adapters are added: `linear` in their A's and B's, `cat` side by side. */
export type CombinationType = "linear" | "cat";

/** Makes the adapter in every layer that has one of the given. Returns its configuration. */
export function combine(
  op: string,
  layers: readonly LoraLinear[],
  adapters: readonly string[],
  weights: readonly number[],
  configs: readonly LoraConfig[],
  name: string,
  type: CombinationType,
): LoraConfig {
  if (adapters.length === 0) throw new ArgumentError({ op, message: "no adapters are given", hint: "Name one at least" });
  if (!Array.isArray(weights) || weights.length !== adapters.length || !weights.every(Number.isFinite))
    throw new ArgumentError({
      op,
      message: `weights are ${given(weights)} for ${adapters.length} adapters`,
      hint: "Give a number for each",
    });
  if (configs.some((c) => c.modulesToSave !== null))
    throw new ValueError({ op, message: "an adapter has modulesToSave, which cannot be added up", hint: "Combine adapters without them" });
  // In each layer the ranks of all adapters that it has.
  const ranks = layers.map((l) => adapters.map((n) => (l.scaling.has(n) ? l.lora_A.get(n).outFeatures : 0)));
  const [first] = configs as [LoraConfig];
  const most = Math.max(...configs.map((c) => Math.max(c.r, ...Object.values(c.rankPattern))));
  const differ = ranks.flat().find((r) => r !== 0 && r !== most);
  if (type === "linear" && differ !== undefined)
    throw new ValueError({
      op,
      message: `ranks ${differ} and ${most}`,
      hint: "Adding A's and B's needs equal ranks; { combinationType: \"cat\" } does not",
    });
  const r = type === "linear" ? most : configs.reduce((n, c) => n + Math.max(c.r, ...Object.values(c.rankPattern)), 0);
  // Everything is in A and B: the factor is 1.
  const config = new LoraConfig({ ...first, r, loraAlpha: r, useRslora: false, targetModules: null, rankPattern: {}, alphaPattern: {} });
  noGrad(() => {
    for (const [i, layer] of layers.entries()) {
      const own = adapters.map((n, k): [string, number] => [n, weights[k]!]).filter(([n]) => layer.scaling.has(n));
      if (own.length === 0) continue;
      layer.addAdapter(name, "", config, false);
      const [a, b] = [layer.lora_A.get(name).weight, layer.lora_B.get(name).weight];
      a.zero_();
      b.zero_();
      if (type === "cat") {
        const rows = ranks[i]!.reduce((x, y) => x + y, 0);
        a.narrow(0, 0, rows).copy_(
          cat(
            own.map(([n, w]) => layer.lora_A.get(n).weight.mul(w * layer.scaling.get(n)!)),
            0,
          ),
        );
        b.narrow(1, 0, rows).copy_(
          cat(
            own.map(([n]) => layer.lora_B.get(n).weight as Tensor),
            1,
          ),
        );
        continue;
      }
      for (const [n, w] of own) {
        const factor = w * layer.scaling.get(n)!;
        const root = Math.sqrt(Math.abs(factor));
        a.add_(layer.lora_A.get(n).weight.mul(root * Math.sign(factor)));
        b.add_(layer.lora_B.get(n).weight.mul(root));
      }
    }
  });
  return config;
}
