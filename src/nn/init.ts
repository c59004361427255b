// Initialisers, torch.nn.init. All write in place, outside the graph, and return the tensor.
import { ShapeError, showShape, ValueError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import type { Generator } from "../core/rng.ts";
import type { Tensor } from "../core/tensor.ts";
import { eye, zeros } from "../ops/create.ts";

/** Non-linearities with a known gain. */
export type Nonlinearity =
  | "linear"
  | "conv1d"
  | "conv2d"
  | "conv3d"
  | "sigmoid"
  | "tanh"
  | "relu"
  | "leaky_relu"
  | "selu"
  | "conv_transpose1d"
  | "conv_transpose2d"
  | "conv_transpose3d";
interface Options {
  generator?: Generator | null;
}

/** The gain that keeps the variance through a non-linearity. @throws ValueError for an unknown one. @example calculateGain("relu") // => 1.4142 */
export function calculateGain(nonlinearity: Nonlinearity, param?: number | null): number {
  switch (nonlinearity) {
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.SQRT2;
    case "leaky_relu":
      return Math.sqrt(2 / (1 + (param ?? 0.01) ** 2));
    case "selu":
      return 3 / 4;
    default:
      if (/^(linear|sigmoid|conv(_transpose)?[123]d)$/.test(nonlinearity)) return 1;
      throw new ValueError({ op: "calculateGain", message: `unknown non-linearity ${JSON.stringify(nonlinearity)}` });
  }
}

/** Inputs and outputs of each unit of a weight [out, in, …]. */
export function fans(t: Tensor): [fanIn: number, fanOut: number] {
  if (t.ndim < 2)
    throw new ShapeError({ op: "init", message: `shape ${showShape(t.shape)} has no fan`, hint: "It needs two dimensions or more" });
  const field = t.shape.slice(2).reduce((a, b) => a * b, 1);
  return [t.shape[1]! * field, t.shape[0]! * field];
}

/** Uniform in [a, b). */
export const uniform_ = (t: Tensor, a = 0, b = 1, o: Options = {}): Tensor => noGrad(() => t.uniform_(a, b, o));
/** Normal. */
export const normal_ = (t: Tensor, mean = 0, std = 1, o: Options = {}): Tensor => noGrad(() => t.normal_(mean, std, o));
/** Normal, cut at [a, b]. */
export const truncNormal_ = (t: Tensor, mean = 0, std = 1, a = -2, b = 2, o: Options = {}): Tensor =>
  noGrad(() => {
    const cdf = (x: number): number => (1 + erf(x / Math.SQRT2)) / 2;
    const [l, u] = [cdf((a - mean) / std), cdf((b - mean) / std)];
    return t
      .uniform_(2 * l - 1, 2 * u - 1, o)
      .erfinv_()
      .mul_(std * Math.SQRT2)
      .add_(mean)
      .clamp_(a, b);
  });
// Abramowitz & Stegun 7.1.5/7.1.14: series near 0, continued fraction beyond.
function erf(x: number): number {
  const z = Math.abs(x);
  if (z < 3) {
    let term = z;
    let sum = z;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) sum += (term *= (-z * z) / n) / (2 * n + 1);
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let f = 0;
  for (let k = 60; k > 0; k--) f = k / 2 / (z + f);
  return Math.sign(x) * (1 - Math.exp(-z * z) / (Math.sqrt(Math.PI) * (z + f)));
}
/** One value. */
export const constant_ = (t: Tensor, value: number): Tensor => noGrad(() => t.fill_(value));
/** Ones. */
export const ones_ = (t: Tensor): Tensor => constant_(t, 1);
/** Zeros. */
export const zeros_ = (t: Tensor): Tensor => constant_(t, 0);
/** The identity matrix. */
export const eye_ = (t: Tensor): Tensor => noGrad(() => t.copy_(eye(t.shape[0]!, t.shape[1]!)));
/** Keeps channels as they are through a convolution. */
export const dirac_ = (t: Tensor, groups = 1): Tensor =>
  noGrad(() => {
    t.zero_();
    const per = t.shape[0]! / groups;
    const center = t.shape.slice(2).map((n) => Math.floor(n / 2));
    for (let g = 0; g < groups; g++) for (let d = 0; d < Math.min(per, t.shape[1]!); d++) t.setIndex(g * per + d, d, ...center, 1);
    return t;
  });
/** Uniform with variance 2 / (fanIn + fanOut). Glorot & Bengio 2010. */
export function xavierUniform_(t: Tensor, gain = 1, o: Options = {}): Tensor {
  const [i, out] = fans(t);
  const a = Math.sqrt(3) * gain * Math.sqrt(2 / (i + out));
  return uniform_(t, -a, a, o);
}
/** Normal with variance 2 / (fanIn + fanOut). */
export function xavierNormal_(t: Tensor, gain = 1, o: Options = {}): Tensor {
  const [i, out] = fans(t);
  return normal_(t, 0, gain * Math.sqrt(2 / (i + out)), o);
}
interface KaimingOptions extends Options {
  a?: number;
  mode?: "fan_in" | "fan_out";
  nonlinearity?: Nonlinearity;
}
const kaimingStd = (t: Tensor, o: KaimingOptions): number =>
  calculateGain(o.nonlinearity ?? "leaky_relu", o.a ?? 0) / Math.sqrt(fans(t)[o.mode === "fan_out" ? 1 : 0]);
/** Uniform with variance gain² / fan. He et al. 2015. */
export function kaimingUniform_(
  t: Tensor,
  a: number | KaimingOptions = 0,
  mode: "fan_in" | "fan_out" = "fan_in",
  nonlinearity: Nonlinearity = "leaky_relu",
): Tensor {
  if (t.layout.numel === 0) return t;
  const o: KaimingOptions = typeof a === "number" ? { a, mode, nonlinearity } : a;
  const bound = Math.sqrt(3) * kaimingStd(t, o);
  return uniform_(t, -bound, bound, { generator: o.generator ?? null });
}
/** Normal with variance gain² / fan. He et al. 2015. */
export function kaimingNormal_(
  t: Tensor,
  a: number | KaimingOptions = 0,
  mode: "fan_in" | "fan_out" = "fan_in",
  nonlinearity: Nonlinearity = "leaky_relu",
): Tensor {
  if (t.layout.numel === 0) return t;
  const o: KaimingOptions = typeof a === "number" ? { a, mode, nonlinearity } : a;
  return normal_(t, 0, kaimingStd(t, o), { generator: o.generator ?? null });
}
/** Normal values, with a fraction of each column set to zero. */
export const sparse_ = (t: Tensor, sparsity: number, std = 0.01, o: Options = {}): Tensor =>
  noGrad(() => {
    t.normal_(0, std, o);
    const [rows, cols] = t.shape as [number, number];
    const k = Math.ceil(sparsity * rows);
    for (let c = 0; c < cols; c++) t.select(1, c).indexFill_(0, zeros(rows).uniform_(0, 1, o).argsort().narrow(0, 0, k), 0);
    return t;
  });
