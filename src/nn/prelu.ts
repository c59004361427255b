// The activation that learns: every other one is a row of layers.ts.
import type { DType } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import { bindArgs } from "../core/arguments.ts";
import * as F from "./functional.ts";
import { constant_ } from "./init.ts";
import { type FactoryOptions, parameter } from "./linear.ts";
import { Module, type Parameter } from "./module.ts";

/**
 * `max(0, x) + weight * min(0, x)`, with one weight for all or one for each channel of dimension 1. He et al. 2015.
 * @example new nn.PReLU().forward(tensor([-1, 2])) // => [-0.25, 2]
 */
export class PReLU extends Module {
  readonly numParameters: number;
  readonly init: number;
  weight: Parameter;
  constructor(options?: FactoryOptions & { numParameters?: number; init?: number });
  constructor(numParameters: number, options?: FactoryOptions & { init?: number });
  constructor(...args: unknown[]) {
    super();
    const [numParameters = 1, init = 0.25, device, dtype] = bindArgs(
      "PReLU",
      ["numParameters?: positive", "init?: number", "device?", "dtype?"],
      args,
    ) as [number?, number?, string?, DType?];
    this.numParameters = numParameters;
    this.init = init;
    this.weight = parameter([numParameters], { device: device ?? null, dtype: dtype ?? null });
    this.resetParameters();
  }
  /** Sets every weight to `init`. */
  resetParameters(): void {
    constant_(this.weight, this.init);
  }
  /** `x` of any shape; with several weights [N, numParameters, …]. */
  forward(x: Tensor): Tensor {
    return F.prelu(x, this.weight);
  }
  override extraRepr(): string {
    return `num_parameters=${this.numParameters}`;
  }
}
