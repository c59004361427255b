// Modules made of one matrix product, and the identity.
import type { DType } from "../core/dtype.ts";
import { bindArgs } from "../core/arguments.ts";
import { empty } from "../ops/create.ts";
import { linear } from "../ops/matmul.ts";
import type { Tensor } from "../core/tensor.ts";
import { fans, kaimingUniform_, uniform_ } from "./init.ts";
import { Module, Parameter } from "./module.ts";

/** Where and how a module's parameters are made. */
export interface FactoryOptions {
  /** Where the parameters lie; default `getDefaultDevice()`. */
  device?: string | null;
  /** Their floating type; default `getDefaultDtype()`. */
  dtype?: DType | null;
}

/** @internal An uninitialised parameter. */
export const parameter = (shape: readonly number[], o: FactoryOptions): Parameter =>
  new Parameter(empty(shape, { dtype: o.dtype ?? null, device: o.device ?? null }));

/** `x` as it is; any arguments are accepted. @example new nn.Identity().forward(tensor([1.5])) // => [1.5] */
export class Identity extends Module {
  constructor(..._args: unknown[]) {
    super();
  }
  forward<T>(x: T): T {
    return x;
  }
}

/**
 * `x @ weightᵀ + bias`: [..., inFeatures] → [..., outFeatures]. Initialised uniformly in ±1/√inFeatures.
 * @example
 * manualSeed(0);
 * new nn.Linear(2, 1).forward(ones(1, 2)) // => [[-0.208]]
 */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter | null;
  constructor(inFeatures: number, outFeatures: number, options?: FactoryOptions & { bias?: boolean });
  constructor(...args: unknown[]) {
    super();
    const [inFeatures, outFeatures, bias = true, device, dtype] = bindArgs(
      "Linear",
      ["inFeatures", "outFeatures", "bias?: flag", "device?", "dtype?"],
      args,
    ) as [number, number, boolean?, string?, DType?];
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = parameter([outFeatures, inFeatures], { device: device ?? null, dtype: dtype ?? null });
    this.bias = bias ? parameter([outFeatures], { device: device ?? null, dtype: dtype ?? null }) : null;
    this.resetParameters();
  }
  /** Draws weight and bias anew. */
  resetParameters(): void {
    resetLike(this.weight, this.bias);
  }
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
  override extraRepr(): string {
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, bias=${this.bias ? "True" : "False"}`;
  }
}

/** @internal PyTorch's default for linear and convolution layers. */
export function resetLike(weight: Tensor, bias: Tensor | null): void {
  kaimingUniform_(weight, Math.sqrt(5));
  if (!bias) return;
  const fanIn = fans(weight)[0];
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  uniform_(bias, -bound, bound);
}

/** Dimensions `startDim..endDim` (default all but the first) as one. @example new nn.Flatten().forward(ones(2, 3, 4)).shape // => [2, 12] */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;
  constructor(startDim?: number | { startDim?: number; endDim?: number }, endDim?: number);
  constructor(...args: unknown[]) {
    super();
    [this.startDim, this.endDim] = ((a: unknown[]): [number, number] => [(a[0] as number) ?? 1, (a[1] as number) ?? -1])(
      bindArgs("Flatten", ["startDim?", "endDim?"], args),
    );
  }
  forward(x: Tensor): Tensor {
    return x.flatten(this.startDim, this.endDim);
  }
}
/** Dimension `dim` cut into `unflattenedSize`. @example new nn.Unflatten(1, [3, 4]).forward(ones(2, 12)).shape // => [2, 3, 4] */
export class Unflatten extends Module {
  readonly dim: number;
  readonly unflattenedSize: readonly number[];
  constructor(dim: number, unflattenedSize: readonly number[]) {
    super();
    this.dim = dim;
    this.unflattenedSize = unflattenedSize;
  }
  forward(x: Tensor): Tensor {
    return x.unflatten(this.dim, this.unflattenedSize);
  }
}
