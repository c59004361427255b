// torch.optim.
import "../devices.ts";
export { type Closure, Optimizer, type OptimizerState, type ParameterState, type ParamGroup, type Params } from "./optimizer.ts";
export { SGD, type SgdOptions } from "./sgd.ts";
export { Adam, AdamW, type AdamOptions } from "./adam.ts";
export * as lrScheduler from "./schedulers/index.ts";
