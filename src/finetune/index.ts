// firebrand/finetune.
import "../devices.ts";
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
export { checkpoint } from "../autograd/checkpoint.ts";
export { accumulateGradients, type LossModel, type MicroBatch } from "./accumulate.ts";
export { type ChatExampleOptions, type ChatTokenizer, chatExample, type Message } from "./chat.ts";
export { type Document, type PackedBatch, type PackOptions, packSequences } from "./packing.ts";
export { type LogitsModel, type Perplexity, perplexity, type PerplexityOptions } from "./perplexity.ts";
export { quantizeModel, type QuantizeModelOptions } from "./quantizeModel.ts";
