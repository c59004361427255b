// Initialisers, torch.nn.init. All write in place, outside the graph, and return the tensor.
import { checked } from "../core/arguments.ts";
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

type Init<A extends unknown[]> = (tensor: Tensor, ...args: A) => Tensor;
type One = number | InitOptions;
const from = (generator: Generator | undefined): { generator: Generator | null } => ({ generator: generator ?? null });
// An initialiser: arguments checked, unrecorded.
const init = <F, A extends unknown[] = never[]>(op: string, params: readonly string[], f: (t: Tensor, ...args: A) => Tensor): F =>
  checked<F, [Tensor, ...A]>(op, ["tensor", ...params, "generator?"], (t, ...args) => noGrad(() => f(t, ...args)));
const NONLINEARITY =
  "nonlinearity?: linear|conv1d|conv2d|conv3d|sigmoid|tanh|relu|leaky_relu|selu|conv_transpose1d|conv_transpose2d|conv_transpose3d";

/** The gain that keeps the variance through a non-linearity. @throws ValueError for an unknown one. @example calculateGain("relu") // => 1.4142 */
export const calculateGain: (nonlinearity: Nonlinearity, param?: number | null) => number = /*@__PURE__*/ checked(
  "calculateGain",
  [NONLINEARITY.replace("?", ""), "param?: number"],
  (nonlinearity: Nonlinearity, param = 0.01) =>
    nonlinearity === "tanh"
      ? 5 / 3
      : nonlinearity === "relu"
        ? Math.SQRT2
        : nonlinearity === "leaky_relu"
          ? Math.sqrt(2 / (1 + param ** 2))
          : nonlinearity === "selu"
            ? 3 / 4
            : 1,
);

/** Inputs and outputs of each unit of a weight [out, in, …]. @throws ShapeError for fewer than two dimensions @example nn.init.fans(ones(4, 3)) // => [3, 4] */
export const fans: (tensor: Tensor) => [fanIn: number, fanOut: number] = /*@__PURE__*/ checked("fans", ["tensor"], (t: Tensor) => {
  if (t.ndim < 2)
    throw new ShapeError({ op: "fans", message: `shape ${showShape(t.shape)} has no fan`, hint: "It needs two dimensions or more" });
  const field = t.shape.slice(2).reduce((a, b) => a * b, 1);
  return [t.shape[1]! * field, t.shape[0]! * field];
});

const glorot = (t: Tensor): number => {
  const [i, out] = fans(t);
  return i + out > 0 ? Math.sqrt(2 / (i + out)) : 0;
};
const checkRank = (op: string, t: Tensor, ranks: readonly number[]): void => {
  if (!ranks.includes(t.ndim))
    throw new ShapeError({ op, message: `shape ${showShape(t.shape)}`, hint: `It needs ${ranks.join(", ")} dimensions` });
};

/** Uniform in [a, b) (default [0, 1)). @example (manualSeed(0), nn.init.uniform_(ones(2))) // => [0.4963, 0.7682] */
export const uniform_: Init<[a?: number | (InitOptions & { a?: number; b?: number }), b?: One, options?: InitOptions]> = /*@__PURE__*/ init(
  "uniform_",
  ["a?: number", "b?: number"],
  (t: Tensor, a = 0, b = 1, g?: Generator) => t.uniform_(a, b, from(g)),
);
/** Normal with a mean (default 0) and a standard deviation (default 1). @example (manualSeed(0), nn.init.normal_(ones(2))) // => [1.541, -0.2934] */
export const normal_: Init<[mean?: number | (InitOptions & { mean?: number; std?: number }), std?: One, options?: InitOptions]> =
  /*@__PURE__*/ init("normal_", ["mean?", "std?"], (t: Tensor, mean = 0, std = 1, g?: Generator) => t.normal_(mean, std, from(g)));
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
export const truncNormal_: Init<
  [mean?: number | TruncNormalOptions, std?: number | TruncNormalOptions, a?: One, b?: One, options?: InitOptions]
> = /*@__PURE__*/ init(
  "truncNormal_",
  ["mean?", "std?", "a?: number", "b?: number"],
  (t: Tensor, mean = 0, std = 1, a = -2, b = 2, g?: Generator) => {
    if (!(std > 0 && Number.isFinite(std + mean) && a < b))
      throw new ValueError({ op: "truncNormal_", message: `mean ${mean}, std ${std}, within [${a}, ${b}]`, hint: "std > 0 and a < b" });
    const o = from(g);
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
  },
);
/** One value everywhere. @example nn.init.constant_(zeros(2), 1.5) // => [1.5, 1.5] */
export const constant_: Init<[value: number]> = /*@__PURE__*/ init("constant_", ["value: real"], (t: Tensor, value: number) =>
  t.fill_(value),
);
/** Ones. @example nn.init.ones_(zeros(2)) // => [1, 1] */
export const ones_: Init<[]> = /*@__PURE__*/ init("ones_", [], (t: Tensor) => t.fill_(1));
/** Zeros. @example nn.init.zeros_(ones(2)) // => [0, 0] */
export const zeros_: Init<[]> = /*@__PURE__*/ init("zeros_", [], (t: Tensor) => t.fill_(0));
/** The identity matrix, written to a matrix. @throws ShapeError @example nn.init.eye_(ones(2, 2)) // => [[1, 0], [0, 1]] */
export const eye_: Init<[]> = /*@__PURE__*/ init("eye_", [], (t: Tensor) => {
  checkRank("eye_", t, [2]);
  return t.copy_(eye(t.shape[0]!, t.shape[1]!));
});
/**
 * Keeps channels as they are through a convolution: 1 in the middle of the kernel of each channel's own.
 * @example nn.init.dirac_(ones(1, 1, 3)) // => [[[0, 1, 0]]]
 */
export const dirac_: Init<[groups?: number | { groups?: number }]> = /*@__PURE__*/ init("dirac_", ["groups?"], (t: Tensor, groups = 1) => {
  checkRank("dirac_", t, [3, 4, 5]);
  const per = t.shape[0]! / groups;
  if (!Number.isInteger(per))
    throw new ValueError({
      op: "dirac_",
      message: `${t.shape[0]} channels in ${groups} groups, shape ${showShape(t.shape)}`,
      hint: "Channels must be divisible by groups",
    });
  const center = t.shape.slice(2).map((n) => Math.floor(n / 2));
  t.zero_();
  for (let g = 0; g < groups; g++) for (let d = 0; d < Math.min(per, t.shape[1]!); d++) t.setIndex(g * per + d, d, ...center, 1);
  return t;
});
/**
 * Uniform with variance gain² · 2 / (fanIn + fanOut). Glorot & Bengio 2010.
 * @throws ShapeError for fewer than two dimensions
 * @example (manualSeed(0), nn.init.xavierUniform_(ones(1, 2))) // => [[-0.0106, 0.7586]]
 */
export const xavierUniform_: Init<[gain?: number | (InitOptions & { gain?: number }), options?: InitOptions]> = /*@__PURE__*/ init(
  "xavierUniform_",
  ["gain?: number"],
  (t: Tensor, gain = 1, g?: Generator) => {
    const a = Math.sqrt(3) * glorot(t) * gain;
    return t.uniform_(-a, a, from(g));
  },
);
/**
 * Normal with variance gain² · 2 / (fanIn + fanOut). Glorot & Bengio 2010.
 * @throws ShapeError for fewer than two dimensions
 * @example (manualSeed(0), nn.init.xavierNormal_(ones(1, 2))) // => [[1.2582, -0.2396]]
 */
export const xavierNormal_: Init<[gain?: number | (InitOptions & { gain?: number }), options?: InitOptions]> = /*@__PURE__*/ init(
  "xavierNormal_",
  ["gain?: number"],
  (t: Tensor, gain = 1, g?: Generator) => t.normal_(0, gain * glorot(t), from(g)),
);
/** Options of `kaimingUniform_` and `kaimingNormal_`. */
export interface KaimingOptions extends InitOptions {
  /** The slope below zero of the leaky relu that follows (default 0). */
  a?: number;
  /** Which passes keep their variance: forward (`"fan_in"`, default) or backward (`"fan_out"`). */
  mode?: "fan_in" | "fan_out";
  /** What follows (default `"leaky_relu"`). */
  nonlinearity?: Nonlinearity;
}
const KAIMING = ["a?: number", "mode?: fan_in|fan_out", NONLINEARITY];
const kaimingStd = (t: Tensor, a: number, mode: string, nonlinearity: Nonlinearity): number =>
  calculateGain(nonlinearity, a) / Math.sqrt(fans(t)[mode === "fan_out" ? 1 : 0]);
type Kaiming = Init<
  [
    a?: number | KaimingOptions,
    mode?: "fan_in" | "fan_out" | KaimingOptions,
    nonlinearity?: Nonlinearity | KaimingOptions,
    options?: InitOptions,
  ]
>;
/**
 * Uniform with variance gain² / fan; `a` is the slope of a leaky relu. He et al. 2015.
 * @throws ShapeError for fewer than two dimensions
 * @example (manualSeed(0), nn.init.kaimingUniform_(ones(1, 2))) // => [[-0.013, 0.9291]]
 */
export const kaimingUniform_: Kaiming = /*@__PURE__*/ init(
  "kaimingUniform_",
  KAIMING,
  (t: Tensor, a = 0, mode = "fan_in", nonlinearity: Nonlinearity = "leaky_relu", g?: Generator) => {
    if (t.layout.numel === 0) return t;
    const bound = Math.sqrt(3) * kaimingStd(t, a, mode, nonlinearity);
    return t.uniform_(-bound, bound, from(g));
  },
);
/**
 * Normal with variance gain² / fan; `a` is the slope of a leaky relu. He et al. 2015.
 * @throws ShapeError for fewer than two dimensions
 * @example (manualSeed(0), nn.init.kaimingNormal_(ones(1, 2))) // => [[1.541, -0.2934]]
 */
export const kaimingNormal_: Kaiming = /*@__PURE__*/ init(
  "kaimingNormal_",
  KAIMING,
  (t: Tensor, a = 0, mode = "fan_in", nonlinearity: Nonlinearity = "leaky_relu", g?: Generator) =>
    t.layout.numel === 0 ? t : t.normal_(0, kaimingStd(t, a, mode, nonlinearity), from(g)),
);
/**
 * Normal values with standard deviation `std` (default 0.01), with a fraction `sparsity` of each column set to zero. Martens 2010.
 * @example (manualSeed(0), nn.init.sparse_(ones(4, 1), 0.5, 1)) // => [[0], [0], [-2.1788], [0.5684]]
 */
export const sparse_: Init<[sparsity: number, std?: number | (InitOptions & { std?: number }), options?: InitOptions]> = /*@__PURE__*/ init(
  "sparse_",
  ["sparsity: number", "std?"],
  (t: Tensor, sparsity: number, std = 0.01, g?: Generator) => {
    checkRank("sparse_", t, [2]);
    if (!(sparsity >= 0 && sparsity <= 1))
      throw new ValueError({ op: "sparse_", message: `sparsity is ${sparsity}`, hint: "It lies in [0, 1]" });
    const [rows, cols] = t.shape as [number, number];
    const zeros = Math.ceil(sparsity * rows);
    t.normal_(0, std, from(g));
    for (let c = 0; c < cols; c++) t.select(1, c).indexFill_(0, randperm(rows).narrow(0, 0, zeros), 0);
    return t;
  },
);
/**
 * Orthonormal rows or columns, whichever are fewer, times `gain`; trailing dimensions count as columns. Saxe et al. 2014.
 * @throws ShapeError for fewer than two dimensions
 * @example (manualSeed(0), nn.init.orthogonal_(ones(2, 2))) // => [[0.5774, 0.8164], [-0.8164, 0.5774]]
 */
export const orthogonal_: Init<[gain?: number | (InitOptions & { gain?: number }), options?: InitOptions]> = /*@__PURE__*/ init(
  "orthogonal_",
  ["gain?: number"],
  (t: Tensor, gain = 1, g?: Generator) => {
    if (t.ndim < 2)
      throw new ShapeError({ op: "orthogonal_", message: `shape ${showShape(t.shape)}`, hint: "It needs two dimensions or more" });
    if (t.layout.numel === 0) return t;
    const [rows, cols] = [t.shape[0]!, t.layout.numel / t.shape[0]!];
    const flat = t.detach().newEmpty([rows, cols]).normal_(0, 1, from(g));
    const { Q, R } = qr(rows < cols ? flat.t() : flat);
    // With positive diagonals of R, Q is distributed uniformly. Mezzadri 2007.
    const q = Q.mul(R.diagonal().sign());
    return t.copy_((rows < cols ? q.t() : q).reshape(t.shape).mul(gain));
  },
);
