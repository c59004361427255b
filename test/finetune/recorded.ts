// What tools/record/finetune.py recorded of PEFT.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as torch from "firebrand";
import type { Tensor } from "firebrand";
import type { LoraConfigOptions } from "firebrand/finetune";
import { AutoModelForCausalLM, type CausalModel } from "firebrand/models";
import { recordedFolder } from "../models/support.ts";

export const folder: string = join(process.cwd(), "test", "finetune", "recorded");

/** A training run: the base model, LoraConfig's options in Python's spelling, a loss a step. */
export interface Run {
  readonly model: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly losses: readonly number[];
  readonly trainable: number;
  readonly total: number;
}
interface Curves {
  readonly text: string;
  readonly batch: number;
  readonly length: number;
  readonly curves: Readonly<Record<string, Run>>;
}
const recorded = JSON.parse(readFileSync(join(folder, "curves.json"), "utf8")) as Curves;
const { text, batch, length } = recorded;
/** The runs by name. */
export const curves: Curves["curves"] = recorded.curves;

/** The base model of a run, without dropout of its own. */
export const base = (name: string, options: { dtype?: torch.DType } = {}): Promise<CausalModel> =>
  AutoModelForCausalLM.fromPretrained(join(recordedFolder(), name), {
    ...options,
    ...(name === "gpt2" && { config: { residPdrop: 0, embdPdrop: 0, attnPdrop: 0 } }),
  });

/** The options of a run as ours. */
export function optionsOf({ options }: Run): LoraConfigOptions {
  const camel = (k: string): string => k.replace(/_(\w)/g, (_, c: string) => c.toUpperCase());
  const out = Object.fromEntries(Object.entries(options).map(([k, v]) => [camel(k), v]));
  const { targetModules: names } = out;
  return (typeof names === "string" && names !== "all-linear" ? { ...out, targetModules: new RegExp(names) } : out) as LoraConfigOptions;
}

/** Batches in the order of the recorded runs. */
export function* batches(count: number): IterableIterator<Tensor> {
  const data = [...text].map((c) => c.codePointAt(0)! % 64);
  const order = new torch.Generator().manualSeed(1337);
  for (let i = 0; i < count; i++) {
    const starts = torch.randint(0, data.length - length + 1, [batch], { generator: order }).toArraySync() as number[];
    yield torch.tensor(starts.map((s) => data.slice(s, s + length)));
  }
}
