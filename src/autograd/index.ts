// torch.autograd.
export { backward, grad, type BackwardOptions, type GradOptions } from "./backward.ts";
export { Function, Context } from "./function.ts";
export { type Edge, type GradHook, Node } from "./node.ts";
