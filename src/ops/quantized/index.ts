// Quantised weights: the tensor that holds them, products with them, lookups in them.
export { QuantizedTensor } from "./tensor.ts";
export { quantizedLinear } from "./linear.ts";
export { quantizedEmbedding } from "./embedding.ts";
