// Initialisers, torch.nn.init. All write in place, outside the graph, and return the tensor.
import { bindArgs } from "../ops/define.ts";
import { ShapeError, showShape, ValueError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import type { Generator } from "../core/rng.ts";
import type { Tensor } from "../core/tensor.ts";
import { eye, tensor } from "../ops/create.ts";
import { qr } from "../ops/linalg/qr.ts";
import { randperm } from "../ops/random.ts";

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
/** Options of random initialisers. */
export interface InitOptions {
  /** Source of the numbers; the default generator where absent. */
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

/** Inputs and outputs of each unit of a weight [out, in, …]. @throws ShapeError for fewer than two dimensions @example nn.init.fans(ones(4, 3)) // => [3, 4] */
export function fans(t: Tensor): [fanIn: number, fanOut: number] {
  if (t.ndim < 2)
    throw new ShapeError({ op: "init", message: `shape ${showShape(t.shape)} has no fan`, hint: "It needs two dimensions or more" });
  const field = t.shape.slice(2).reduce((a, b) => a * b, 1);
  return [t.shape[1]! * field, t.shape[0]! * field];
}

const checkRank = (op: string, t: Tensor, ranks: readonly number[]): void => {
  if (!ranks.includes(t.ndim))
    throw new ShapeError({ op, message: `shape ${showShape(t.shape)}`, hint: `It needs ${ranks.join(", ")} dimensions` });
};

// Positional arguments and a trailing options object alike.
const bound = <T extends unknown[]>(op: string, names: readonly string[], args: readonly unknown[]): T =>
  bindArgs(op, [...names, "generator"], args) as T;
type Source = Generator | null | undefined;

/** Uniform in [a, b) (default [0, 1)). @example (manualSeed(0), nn.init.uniform_(ones(2))) // => [0.4963, 0.7682] */
export function uniform_(
  t: Tensor,
  ...args: [a?: number | (InitOptions & { a?: number; b?: number }), b?: number | InitOptions, options?: InitOptions]
): Tensor {
  const [a = 0, b = 1, generator] = bound<[number?, number?, Source?]>("uniform_", ["a", "b"], args);
  return noGrad(() => t.uniform_(a, b, { generator: generator ?? null }));
}
/** Normal with a mean (default 0) and a standard deviation (default 1). @example (manualSeed(0), nn.init.normal_(ones(2))) // => [1.541, -0.2934] */
export function normal_(
  t: Tensor,
  ...args: [mean?: number | (InitOptions & { mean?: number; std?: number }), std?: number | InitOptions, options?: InitOptions]
): Tensor {
  const [mean = 0, std = 1, generator] = bound<[number?, number?, Source?]>("normal_", ["mean", "std"], args);
  return noGrad(() => t.normal_(mean, std, { generator: generator ?? null }));
}
/** Options of `truncNormal_`. */
export interface TruncNormalOptions extends InitOptions {
  /** Mean before cutting (default 0). */
  mean?: number;
  /** Standard deviation before cutting (default 1). */
  std?: number;
  /** Least value (default -2). */
  a?: number;
  /** Greatest value (default 2). */
  b?: number;
}
/** Normal, drawn within [a, b] (default ±2). @example (manualSeed(0), nn.init.truncNormal_(ones(2))) // => [1.541, -0.2934] */
export function truncNormal_(
  t: Tensor,
  ...args: [mean?: number | TruncNormalOptions, std?: number | TruncNormalOptions, a?: number, b?: number, options?: InitOptions]
): Tensor {
  const [mean = 0, std = 1, a = -2, b = 2, generator] = bound<[number?, number?, number?, number?, Source?]>(
    "truncNormal_",
    ["mean", "std", "a", "b"],
    args,
  );
  const o = { generator: generator ?? null };
  return noGrad(() => {
    if (t.device === "meta") return t;
    const cdf = (x: number): number =>
      (1 +
        tensor(x / Math.SQRT2, { dtype: "float64" })
          .erf()
          .itemSync()) /
      2;
    const fresh = (): Tensor => t.detach().newEmpty(t.shape);
    // Both ways are PyTorch's, draw by draw: values outside are drawn again, from the normal itself where most of it lies inside,
    // else from the uniform, kept in proportion to the density.
    if (cdf((b - mean) / std) - cdf((a - mean) / std) > 0.3) {
      const [low, high] = [t.newTensor(a).itemSync(), t.newTensor(b).itemSync()];
      t.normal_(mean, std, o);
      for (;;) {
        const outside = t.lt(low).logicalOr(t.gt(high));
        if (!outside.any().itemSync<boolean>()) return t;
        t.copy_(fresh().normal_(mean, std, o).where(outside, t));
      }
    }
    const peak = -0.5 * ((Math.max(a, Math.min(mean, b)) - mean) / std) ** 2;
    const unlikely = (x: Tensor): Tensor => fresh().uniform_(0, 1, o).log_().gt(x.sub(mean).div_(std).pow_(2).mul_(-0.5).sub_(peak));
    t.uniform_(a, b, o);
    let pending = unlikely(t);
    while (pending.any().itemSync<boolean>()) {
      const x = fresh().uniform_(a, b, o);
      t.copy_(x.where(pending, t));
      pending = pending.logicalAnd(unlikely(x));
    }
    return t;
  });
}
/** One value everywhere. @example nn.init.constant_(zeros(2), 1.5) // => [1.5, 1.5] */
export const constant_ = (t: Tensor, value: number): Tensor => noGrad(() => t.fill_(value));
/** Ones. @example nn.init.ones_(zeros(2)) // => [1, 1] */
export const ones_ = (t: Tensor): Tensor => constant_(t, 1);
/** Zeros. @example nn.init.zeros_(ones(2)) // => [0, 0] */
export const zeros_ = (t: Tensor): Tensor => constant_(t, 0);
/** The identity matrix, written to a matrix. @throws ShapeError @example nn.init.eye_(ones(2, 2)) // => [[1, 0], [0, 1]] */
export const eye_ = (t: Tensor): Tensor => {
  checkRank("eye_", t, [2]);
  return noGrad(() => t.copy_(eye(t.shape[0]!, t.shape[1]!)));
};
/**
 * Keeps channels as they are through a convolution: 1 in the middle of the kernel of each channel's own.
 * @example nn.init.dirac_(ones(1, 1, 3)) // => [[[0, 1, 0]]]
 */
export function dirac_(t: Tensor, ...args: [groups?: number | { groups?: number }]): Tensor {
  const [groups = 1] = bindArgs("dirac_", ["groups"], args) as [number?];
  checkRank("dirac_", t, [3, 4, 5]);
  const per = t.shape[0]! / groups;
  if (!Number.isInteger(per)) throw new ValueError({ op: "dirac_", message: `${t.shape[0]} channels in ${groups} groups` });
  const center = t.shape.slice(2).map((n) => Math.floor(n / 2));
  return noGrad(() => {
    t.zero_();
    for (let g = 0; g < groups; g++) for (let d = 0; d < Math.min(per, t.shape[1]!); d++) t.setIndex(g * per + d, d, ...center, 1);
    return t;
  });
}
/**
 * Uniform with variance gain² · 2 / (fanIn + fanOut). Glorot & Bengio 2010.
 * @throws ShapeError for fewer than two dimensions
 * @example (manualSeed(0), nn.init.xavierUniform_(ones(1, 2))) // => [[-0.0106, 0.7586]]
 */
export function xavierUniform_(t: Tensor, ...args: [gain?: number | (InitOptions & { gain?: number }), options?: InitOptions]): Tensor {
  const [gain = 1, generator] = bound<[number?, Source?]>("xavierUniform_", ["gain"], args);
  const [i, out] = fans(t);
  const a = Math.sqrt(3) * gain * Math.sqrt(2 / (i + out));
  return uniform_(t, -a, a, { generator: generator ?? null });
}
/**
 * Normal with variance gain² · 2 / (fanIn + fanOut). Glorot & Bengio 2010.
 * @throws ShapeError for fewer than two dimensions
 * @example (manualSeed(0), nn.init.xavierNormal_(ones(1, 2))) // => [[1.2582, -0.2396]]
 */
export function xavierNormal_(t: Tensor, ...args: [gain?: number | (InitOptions & { gain?: number }), options?: InitOptions]): Tensor {
  const [gain = 1, generator] = bound<[number?, Source?]>("xavierNormal_", ["gain"], args);
  const [i, out] = fans(t);
  return normal_(t, 0, gain * Math.sqrt(2 / (i + out)), { generator: generator ?? null });
}
/** Options of `kaimingUniform_` and `kaimingNormal_`. */
export interface KaimingOptions extends InitOptions {
  /** The slope below zero of the leaky relu that follows (default 0). */
  a?: number;
  /** Which passes keep their variance: forward (`"fan_in"`, default) or backward (`"fan_out"`). */
  mode?: "fan_in" | "fan_out";
  /** What follows (default `"leaky_relu"`). */
  nonlinearity?: Nonlinearity;
}
function kaiming(op: string, args: readonly unknown[]): KaimingOptions {
  const [a = 0, mode = "fan_in", nonlinearity = "leaky_relu", generator] = bound<[number?, "fan_in"?, Nonlinearity?, Source?]>(
    op,
    ["a", "mode", "nonlinearity"],
    args,
  );
  return { a, mode, nonlinearity, generator: generator ?? null };
}
const kaimingStd = (t: Tensor, o: KaimingOptions): number =>
  calculateGain(o.nonlinearity ?? "leaky_relu", o.a ?? 0) / Math.sqrt(fans(t)[o.mode === "fan_out" ? 1 : 0]);
/**
 * Uniform with variance gain² / fan; `a` is the slope of a leaky relu. He et al. 2015.
 * @throws ShapeError for fewer than two dimensions
 * @example (manualSeed(0), nn.init.kaimingUniform_(ones(1, 2))) // => [[-0.013, 0.9291]]
 */
export function kaimingUniform_(
  t: Tensor,
  ...args: [
    a?: number | KaimingOptions,
    mode?: "fan_in" | "fan_out" | KaimingOptions,
    nonlinearity?: Nonlinearity | KaimingOptions,
    options?: InitOptions,
  ]
): Tensor {
  if (t.layout.numel === 0) return t;
  const o = kaiming("kaimingUniform_", args);
  const top = Math.sqrt(3) * kaimingStd(t, o);
  return uniform_(t, -top, top, { generator: o.generator ?? null });
}
/**
 * Normal with variance gain² / fan; `a` is the slope of a leaky relu. He et al. 2015.
 * @throws ShapeError for fewer than two dimensions
 * @example (manualSeed(0), nn.init.kaimingNormal_(ones(1, 2))) // => [[1.541, -0.2934]]
 */
export function kaimingNormal_(
  t: Tensor,
  ...args: [
    a?: number | KaimingOptions,
    mode?: "fan_in" | "fan_out" | KaimingOptions,
    nonlinearity?: Nonlinearity | KaimingOptions,
    options?: InitOptions,
  ]
): Tensor {
  if (t.layout.numel === 0) return t;
  const o = kaiming("kaimingNormal_", args);
  return normal_(t, 0, kaimingStd(t, o), { generator: o.generator ?? null });
}
/**
 * Normal values with standard deviation `std` (default 0.01), with a fraction `sparsity` of each column set to zero. Martens 2010.
 * @example (manualSeed(0), nn.init.sparse_(ones(4, 1), 0.5, 1)) // => [[0], [0], [-2.1788], [0.5684]]
 */
export function sparse_(
  t: Tensor,
  sparsity: number,
  ...args: [std?: number | (InitOptions & { std?: number }), options?: InitOptions]
): Tensor {
  const [std = 0.01, generator] = bound<[number?, Source?]>("sparse_", ["std"], args);
  checkRank("sparse_", t, [2]);
  const [rows, cols] = t.shape as [number, number];
  const zeros = Math.ceil(sparsity * rows);
  return noGrad(() => {
    t.normal_(0, std, { generator: generator ?? null });
    for (let c = 0; c < cols; c++) t.select(1, c).indexFill_(0, randperm(rows).narrow(0, 0, zeros), 0);
    return t;
  });
}
/**
 * Orthonormal rows or columns, whichever are fewer, times `gain`; trailing dimensions count as columns. Saxe et al. 2014.
 * @throws ShapeError for fewer than two dimensions
 * @example (manualSeed(0), nn.init.orthogonal_(ones(2, 2))) // => [[0.5774, 0.8164], [-0.8164, 0.5774]]
 */
export function orthogonal_(t: Tensor, ...args: [gain?: number | (InitOptions & { gain?: number }), options?: InitOptions]): Tensor {
  const [gain = 1, generator] = bound<[number?, Source?]>("orthogonal_", ["gain"], args);
  if (t.ndim < 2)
    throw new ShapeError({ op: "orthogonal_", message: `shape ${showShape(t.shape)}`, hint: "It needs two dimensions or more" });
  if (t.layout.numel === 0) return t;
  const [rows, cols] = [t.shape[0]!, t.layout.numel / t.shape[0]!];
  return noGrad(() => {
    const flat = t
      .detach()
      .newEmpty([rows, cols])
      .normal_(0, 1, { generator: generator ?? null });
    const { Q, R } = qr(rows < cols ? flat.t() : flat);
    // With positive diagonals of R, Q is distributed uniformly. Mezzadri 2007.
    const q = Q.mul(R.diagonal().sign());
    return t.copy_((rows < cols ? q.t() : q).reshape(t.shape).mul(gain));
  });
}
