// GPT-2's linear layer, whose weight is kept the other way round.
import type { Tensor } from "../../core/tensor.ts";
import { addmm } from "../../ops/matmul.ts";
import { empty } from "../../ops/create.ts";
import { Module, Parameter } from "../../nn/module.ts";

/**
 * `x @ weight + bias`: a linear layer whose weight is [in, out], as OpenAI's code had it. The parameters hold no values yet.
 * @example new Conv1D(2, 3).weight.shape // => [2, 3]
 */
export class Conv1D extends Module {
  weight: Parameter;
  bias: Parameter;
  constructor(inFeatures: number, outFeatures: number) {
    super();
    this.weight = new Parameter(empty(inFeatures, outFeatures));
    this.bias = new Parameter(empty(outFeatures));
  }
  forward(x: Tensor): Tensor {
    const [rows, out] = [x.reshape([-1, x.shape.at(-1)!]), this.bias.shape[0]!];
    return addmm(this.bias, rows, this.weight).reshape([...x.shape.slice(0, -1), out]);
  }
}
