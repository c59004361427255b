// Temperature: how far the distribution is flattened or sharpened.
import type { Tensor } from "../../core/tensor.ts";
import type { LogitsProcessor, Row } from "../processor.ts";
import { inRange } from "./range.ts";

/**
 * Divides the scores by `temperature`: below 1 the likely becomes likelier.
 * @throws ValueError unless `temperature` > 0
 * @example new TemperatureLogitsWarper(0.5).process([], tensor([[1, 2.5]])) // => [[2, 5]]
 */
export class TemperatureLogitsWarper implements LogitsProcessor {
  readonly temperature: number;
  constructor(temperature: number) {
    inRange("TemperatureLogitsWarper", "temperature", temperature, "> 0", temperature > 0, "Greedy search is { doSample: false }");
    this.temperature = temperature;
  }
  process(_rows: readonly Row[], scores: Tensor): Tensor {
    return this.temperature === 1 ? scores : scores.div(this.temperature);
  }
}
