// Convolution modules.
import type { DType } from "../core/dtype.ts";
import { ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { bindNamed } from "../core/arguments.ts";
import * as F from "./functional.ts";
import { type FactoryOptions, parameter, resetLike } from "./linear.ts";
import { Module, type Parameter } from "./module.ts";

/** Options of convolution modules. */
export interface ConvModuleOptions extends FactoryOptions, F.ConvOptions {
  /** Learn a bias? Default true. */
  bias?: boolean;
  /** What lies beyond the border (default `"zeros"`). */
  paddingMode?: "zeros" | "reflect" | "replicate" | "circular";
}
/** Options of transposed convolution modules. */
export interface ConvTransposeModuleOptions extends FactoryOptions, F.ConvTransposeOptions {
  /** Learn a bias? Default true. */
  bias?: boolean;
}

const list = (v: F.Sizes, nd: number): number[] => (typeof v === "number" ? new Array<number>(nd).fill(v) : [...v]);

abstract class ConvNd extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: number[];
  readonly options: { stride: F.Sizes; padding: F.Sizes | "same" | "valid"; dilation: F.Sizes; groups: number; outputPadding: F.Sizes };
  readonly paddingMode: string;
  weight: Parameter;
  bias: Parameter | null;

  constructor(name: string, nd: number, transposed: boolean, args: readonly unknown[]) {
    super();
    const head = ["inChannels", "outChannels", "kernelSize: counts", "stride?"];
    const tail = ["paddingMode?: zeros|reflect|replicate|circular", "device?", "dtype?"];
    const names = transposed
      ? [...head, "padding?", "outputPadding?", "groups?", "bias?: flag", "dilation?", ...tail]
      : [...head, "padding?: counts|same|valid", "dilation?", "groups?", "bias?: flag", ...tail];
    const o = bindNamed<{
      inChannels: number;
      outChannels: number;
      kernelSize: F.Sizes;
      stride?: F.Sizes;
      padding?: F.Sizes;
      dilation?: F.Sizes;
      groups?: number;
      bias?: boolean;
      paddingMode?: string;
      outputPadding?: F.Sizes;
      device?: string;
      dtype?: DType;
    }>(name, names, args);
    const groups = o.groups ?? 1;
    if (o.inChannels % groups || o.outChannels % groups)
      throw new ValueError({
        op: name,
        message: `${o.inChannels} and ${o.outChannels} channels in ${groups} groups`,
        hint: "Both must be divisible by groups",
      });
    this.inChannels = o.inChannels;
    this.outChannels = o.outChannels;
    this.kernelSize = list(o.kernelSize, nd);
    this.options = {
      stride: o.stride ?? 1,
      padding: o.padding ?? 0,
      dilation: o.dilation ?? 1,
      groups,
      outputPadding: o.outputPadding ?? 0,
    };
    this.paddingMode = o.paddingMode ?? "zeros";
    const factory = { device: o.device ?? null, dtype: o.dtype ?? null };
    this.weight = parameter(
      transposed ? [o.inChannels, o.outChannels / groups, ...this.kernelSize] : [o.outChannels, o.inChannels / groups, ...this.kernelSize],
      factory,
    );
    this.bias = o.bias === false ? null : parameter([o.outChannels], factory);
    resetLike(this.weight, this.bias);
  }

  protected run(f: typeof F.conv1d, x: Tensor): Tensor {
    const { stride, padding, dilation, groups } = this.options;
    if (this.paddingMode === "zeros") return f(x, this.weight, this.bias, { stride, padding, dilation, groups });
    const nd = this.kernelSize.length;
    const d = list(dilation, nd);
    const sides =
      padding === "same"
        ? this.kernelSize.map((k, i) => d[i]! * (k - 1)).map((n): [number, number] => [Math.floor(n / 2), n - Math.floor(n / 2)])
        : list(padding === "valid" ? 0 : padding, nd).map((n): [number, number] => [n, n]);
    const padded = F.pad(x, sides.reverse().flat(), { mode: this.paddingMode as "reflect" });
    return f(padded, this.weight, this.bias, { stride, padding: 0, dilation, groups });
  }
  protected runTransposed(f: typeof F.convTranspose1d, x: Tensor, outputSize?: readonly number[]): Tensor {
    const { stride, padding, dilation, groups } = this.options;
    const nd = this.kernelSize.length;
    let outputPadding = this.options.outputPadding;
    if (outputSize) {
      const [s, p, d] = [list(stride, nd), list(padding as F.Sizes, nd), list(dilation, nd)];
      const want = outputSize.slice(-nd);
      outputPadding = want.map((n, i) => n - ((x.shape[x.ndim - nd + i]! - 1) * s[i]! - 2 * p[i]! + d[i]! * (this.kernelSize[i]! - 1) + 1));
    }
    return f(x, this.weight, this.bias, { stride, padding: padding as F.Sizes, outputPadding, groups, dilation });
  }
  override extraRepr(): string {
    return `${this.inChannels}, ${this.outChannels}, kernel_size=(${this.kernelSize.join(", ")})`;
  }
}

/**
 * Cross-correlation of [N, inChannels, L] with learned kernels; out: (L + 2·padding - dilation·(K - 1) - 1) / stride + 1.
 * @throws ValueError when channels do not divide into groups, ShapeError
 * @example
 * manualSeed(0);
 * new nn.Conv1d(1, 1, 2).forward(ones(1, 1, 3)) // => [[[-0.208, -0.208]]]
 */
export class Conv1d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: F.Sizes, options?: ConvModuleOptions);
  constructor(...args: unknown[]) {
    super("Conv1d", 1, false, args);
  }
  forward(x: Tensor): Tensor {
    return this.run(F.conv1d, x);
  }
}
/**
 * Cross-correlation of [N, inChannels, H, W] with learned kernels. Initialised uniformly in ±1/√(inChannels/groups · KH · KW).
 * @throws ValueError when channels do not divide into groups, ShapeError
 * @example
 * manualSeed(0);
 * new nn.Conv2d(1, 1, 2).forward(ones(1, 1, 3, 3)) // => [[[[-0.7076, -0.7076], [-0.7076, -0.7076]]]]
 */
export class Conv2d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: F.Sizes, options?: ConvModuleOptions);
  constructor(...args: unknown[]) {
    super("Conv2d", 2, false, args);
  }
  forward(x: Tensor): Tensor {
    return this.run(F.conv2d, x);
  }
}
/**
 * Cross-correlation of [N, inChannels, D, H, W] with learned kernels.
 * @throws ValueError when channels do not divide into groups, ShapeError
 * @example
 * manualSeed(0);
 * new nn.Conv3d(1, 1, 2).forward(ones(1, 1, 2, 2, 2)) // => [[[[[-0.1636]]]]]
 */
export class Conv3d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: F.Sizes, options?: ConvModuleOptions);
  constructor(...args: unknown[]) {
    super("Conv3d", 3, false, args);
  }
  forward(x: Tensor): Tensor {
    return this.run(F.conv3d, x);
  }
}
/**
 * Transposed convolution of [N, inChannels, L]; out: (L - 1)·stride - 2·padding + dilation·(K - 1) + outputPadding + 1.
 * @throws ValueError when channels do not divide into groups, ShapeError
 * @example
 * manualSeed(0);
 * new nn.ConvTranspose1d(1, 1, 2).forward(ones(1, 1, 2)) // => [[[-0.5873, -0.208, -0.2027]]]
 */
export class ConvTranspose1d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: F.Sizes, options?: ConvTransposeModuleOptions);
  constructor(...args: unknown[]) {
    super("ConvTranspose1d", 1, true, args);
  }
  forward(x: Tensor, outputSize?: readonly number[]): Tensor {
    return this.runTransposed(F.convTranspose1d, x, outputSize);
  }
}
/**
 * Transposed convolution of [N, inChannels, H, W].
 * @throws ValueError when channels do not divide into groups, ShapeError
 * @example
 * manualSeed(0);
 * new nn.ConvTranspose2d(1, 1, 2).forward(ones(1, 1, 1, 2)) // => [[[[-0.1963, 0.0719, 0.0756], [-0.6041, -0.9721, -0.5605]]]]
 */
export class ConvTranspose2d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: F.Sizes, options?: ConvTransposeModuleOptions);
  constructor(...args: unknown[]) {
    super("ConvTranspose2d", 2, true, args);
  }
  forward(x: Tensor, outputSize?: readonly number[]): Tensor {
    return this.runTransposed(F.convTranspose2d, x, outputSize);
  }
}
/**
 * Transposed convolution of [N, inChannels, D, H, W].
 * @throws ValueError when channels do not divide into groups, ShapeError
 * @example
 * manualSeed(0);
 * new nn.ConvTranspose3d(1, 1, 2).forward(ones(1, 1, 1, 1, 1)).shape // => [1, 1, 2, 2, 2]
 */
export class ConvTranspose3d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: F.Sizes, options?: ConvTransposeModuleOptions);
  constructor(...args: unknown[]) {
    super("ConvTranspose3d", 3, true, args);
  }
  forward(x: Tensor, outputSize?: readonly number[]): Tensor {
    return this.runTransposed(F.convTranspose3d, x, outputSize);
  }
}
