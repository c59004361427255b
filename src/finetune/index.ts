// firebrand/finetune.
export { LoraConfig, type LoraConfigOptions, type ModuleNames } from "./loraConfig.ts";
export {
  getPeftModel,
  type LoadAdapterOptions,
  type PeftFromPretrainedOptions,
  PeftModel,
  type SaveAdapterOptions,
  type TrainableParameters,
} from "./peftModel.ts";
export type { CombinationType } from "./combine.ts";
