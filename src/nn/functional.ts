// torch.nn.functional.
export { linear } from "../ops/matmul.ts";
export { quantizedEmbedding, quantizedLinear } from "../ops/quantized/index.ts";
export * from "../ops/activation.ts";
export * from "../ops/activation-inplace.ts";
export { relu, sigmoid, tanh } from "../ops/pointwise/index.ts";
export { softmax, logSoftmax, type SoftmaxOptions } from "../ops/softmax.ts";
export * from "../ops/norm/index.ts";
export * from "../ops/loss.ts";
export * from "../ops/vision.ts";
export * from "../ops/sparse.ts";
export * from "../ops/conv.ts";
export * from "../ops/pool.ts";
export type { Sizes } from "../ops/sizes.ts";
export * from "../ops/attention.ts";
