// The layers that LoRA is for: what multiplies by a matrix.
import type { Tensor } from "../core/tensor.ts";
import { isParameter, type Module, type Parameter } from "../nn/module.ts";
import { Conv1D } from "../models/shared/conv1d.ts";

/** A layer [..., in] → [..., out]: an nn.Linear, GPT-2's Conv1D, or a frozen quantised one. */
export interface LinearLike extends Module {
  forward(x: Tensor): Tensor;
}
/** What is known of such a layer. */
export interface LinearSizes {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Is the weight kept [in, out]? */
  readonly fanInFanOut: boolean;
}

/** The sizes of a linear layer; null for any other module. */
export function linearSizes(m: Module): LinearSizes | null {
  if (m instanceof Conv1D) return { inFeatures: m.weight.shape[0]!, outFeatures: m.weight.shape[1]!, fanInFanOut: true };
  const { inFeatures, outFeatures } = m as Partial<LinearSizes>;
  return typeof inFeatures === "number" && typeof outFeatures === "number" ? { inFeatures, outFeatures, fanInFanOut: false } : null;
}

/** The weight of a layer, where it has a floating one to add to. */
export function floatWeight(m: Module): Parameter | null {
  const { weight } = m as { weight?: unknown };
  return isParameter(weight) ? weight : null;
}

/** A layer whose weight [out, in] is quantised, as nn.QuantizedLinear's is: it can be had as numbers, but not trained. */
export interface QuantizedLike {
  readonly quantized: { dequantize(): Tensor };
  readonly bias: Parameter | null;
}
/** Is it such a layer? */
export function isQuantized(m: object): m is QuantizedLike {
  const { quantized } = m as Partial<QuantizedLike>;
  return typeof quantized === "object" && quantized !== null && typeof quantized.dequantize === "function";
}
