// torch.nn.
import "../devices.ts";
export {
  cloneModule,
  isModule,
  isParameter,
  type KeyReport,
  Module,
  Parameter,
  type StateDict,
} from "./module.ts";
export type { BackwardHook, BackwardPreHook, ForwardHook, ForwardPreHook, Gradients } from "./hooks.ts";
export { Identity, Linear, Flatten, Unflatten, type FactoryOptions } from "./linear.ts";
export * from "./conv.ts";
export * from "./norm.ts";
export * from "./container.ts";
export * from "./layers.ts";
export { PReLU } from "./prelu.ts";
export * from "./rnn.ts";
export { MultiheadAttention, type AttentionForwardOptions } from "./attention.ts";
export * from "./transformer.ts";
export { QuantizedEmbedding, QuantizedLinear } from "./quantized.ts";
export * as init from "./init.ts";
export * as functional from "./functional.ts";
export * as utils from "./utils.ts";
