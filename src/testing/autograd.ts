// torch.autograd as it is seen from outside: the engine, its switches, and the checks of gradients.
export * from "../autograd/index.ts";
export {
  detectAnomaly,
  enableGrad,
  inferenceMode,
  isAnomalyEnabled,
  noGrad,
  setDetectAnomaly,
  setGradEnabled,
} from "../core/mode.ts";
export { gradcheck, type GradcheckOptions, gradgradcheck } from "./gradcheck.ts";
