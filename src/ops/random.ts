// Random tensors.
import { getDefaultDevice, getDevice } from "../core/device.ts";
import { type DType, getDefaultDtype, isComplex, isDifferentiable, isFloating } from "../core/dtype.ts";
import { ArgumentError, DTypeError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import { defaultGenerator, fillBernoulliEach, type Generator } from "../core/rng.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { checkInplace, needsGraph } from "../autograd/graph.ts";
import { copy_, to } from "./copy.ts";
import { leaf, OPTIONS, type SizeArgs, type TensorOptions } from "./create.ts";
import { checked } from "../core/arguments.ts";
import { creation, type OpInfo } from "./define.ts";
import { type Draw, drawn, type HostNumbers, redraw, writeHost } from "./draw.ts";
import { hostValues } from "./host.ts";
import { allocate, hostArray } from "./launch.ts";

/** Options of random functions. */
export interface RandomOptions extends TensorOptions {
  /** Source of the numbers; the default generator where absent. */
  readonly generator?: Generator | null;
}

type Floats = Float32Array | Float64Array;
type Made<A extends unknown[]> = ((...args: A) => Tensor) & { readonly op: OpInfo };
type Sized = Made<SizeArgs<RandomOptions>>;
const RANDOM: readonly string[] = [...OPTIONS, "generator?"];

// The variance of a complex number is shared by its parts.
const spread = (dtype: DType, std: number): number => (isComplex(dtype) ? std / Math.SQRT2 : std);

function fromHost(values: HostNumbers, shape: readonly number[], dtype: DType, device: string): Tensor {
  const t = allocate(shape, dtype, getDevice(device));
  writeHost(t, values);
  return t;
}

const continuous = (op: string, dtype: DType): DType => {
  if (!isDifferentiable(dtype)) throw new DTypeError({ op, message: `no ${dtype} values`, hint: "Use a floating dtype, or randint" });
  return dtype;
};
type Standard = (generator: Generator, dtype: DType) => Draw;
const made = (torch: string, standard: Standard): Sized =>
  creation({
    torch,
    params: ["size?: shape", ...RANDOM],
    variadic: 0,
    forward: (
      size: number[] = [],
      dtype = getDefaultDtype(),
      device = getDefaultDevice(),
      grad?: boolean,
      _l?: string,
      _p?: boolean,
      _m?: string,
      g: Generator = defaultGenerator,
    ) => leaf(drawn(torch, size, continuous(torch, dtype), device, standard(g, dtype)), grad, torch),
  });
const UNIFORM: Standard = (generator) => ({ op: "uniform", params: [0, 1], generator });
const NORMAL: Standard = (generator, dtype) => ({ op: "normal", params: [0, spread(dtype, 1)], generator });
/** Uniform in [0, 1). @example (manualSeed(0), rand(2)) // => [0.4963, 0.7682] */
export const rand: Sized = /*@__PURE__*/ made("rand", UNIFORM);
/** Standard normal; for complex dtypes both parts have variance 1/2. @example (manualSeed(0), randn(2)) // => [1.5410, -0.2934] */
export const randn: Sized = /*@__PURE__*/ made("randn", NORMAL);

type LikeRandom = Made<[input: Tensor, options?: RandomOptions]>;
const like = (torch: string, standard: Standard): LikeRandom =>
  creation({
    torch,
    params: ["input", ...RANDOM],
    forward: (
      x: Tensor,
      dtype = x.dtype,
      device = x.device,
      grad?: boolean,
      _l?: string,
      _p?: boolean,
      _m?: string,
      g: Generator = defaultGenerator,
    ) => leaf(drawn(torch, x.shape, continuous(torch, dtype), device, standard(g, dtype)), grad, torch),
  });
/** Uniform in [0, 1), shaped like `input`. @example (manualSeed(0), randLike(zeros(2))) // => [0.4963, 0.7682] */
export const randLike: LikeRandom = /*@__PURE__*/ like("rand_like", UNIFORM);
/** Standard normal, shaped like `input`. @example (manualSeed(0), randnLike(zeros(2))) // => [1.541, -0.2934] */
export const randnLike: LikeRandom = /*@__PURE__*/ like("randn_like", NORMAL);

function between(op: string, generator: Generator, low: number, high: number): Draw {
  if (high <= low) throw new ValueError({ op, message: `no integers in [${low}, ${high})`, hint: "low must be below high" });
  return { op: "integers", params: [low, high], generator };
}
/** Integers in [low, high): `randint(high, size)` or `randint(low, high, size)`. @example (manualSeed(0), randint(0, 10, [3])) // => [4, 9, 3] */
export const randint: Made<
  [low: number, highOrSize: number | readonly number[], size?: readonly number[] | RandomOptions, options?: RandomOptions]
> = /*@__PURE__*/ creation({
  torch: "randint",
  params: ["low: int", "high: int", "size: shape", "generator?", ...OPTIONS],
  arrange: (args) => (Array.isArray(args[1]) ? [0, ...args] : args),
  forward: (
    low: number,
    high: number,
    size: number[],
    g?: Generator,
    dtype: DType = "int64",
    device = getDefaultDevice(),
    grad?: boolean,
  ) => leaf(drawn("randint", size, dtype, device, between("randint", g ?? defaultGenerator, low, high)), grad, "randint"),
});
/** Integers in [low, high), shaped like `input`. @example (manualSeed(0), randintLike(zeros(3), 10)) // => [4, 9, 3] */
export const randintLike: Made<[input: Tensor, low: number, high?: number | RandomOptions, options?: RandomOptions]> =
  /*@__PURE__*/ creation({
    torch: "randint_like",
    params: ["input", "low: int", "high: int", "generator?", ...OPTIONS],
    arrange: (args) => (typeof args[2] === "number" ? args : [args[0], 0, ...args.slice(1)]),
    forward: (x: Tensor, low: number, high: number, g?: Generator, dtype?: DType, device?: string, grad?: boolean) =>
      leaf(
        drawn("randint_like", x.shape, dtype ?? x.dtype, device ?? x.device, between("randint_like", g ?? defaultGenerator, low, high)),
        grad,
        "randint_like",
      ),
  });
/** A random order of 0 … n-1. @example (manualSeed(0), randperm(4)) // => [0, 1, 3, 2] */
export const randperm: Made<[n: number, options?: RandomOptions]> = /*@__PURE__*/ creation({
  torch: "randperm",
  params: ["n", "generator?", ...OPTIONS],
  forward: (n: number, generator: Generator = defaultGenerator, dtype: DType = "int64", device = getDefaultDevice()) =>
    to(drawn("randperm", [n], "int64", device, { op: "permutation", params: [], generator }), dtype),
});
/**
 * Normal with a mean and a standard deviation; tensors give each element its own, numbers need a `size`.
 * @throws ValueError when std < 0, ArgumentError without a size
 * @example (manualSeed(0), normal(tensor([10.5, 20.5]), 0.5)) // => [11.2705, 20.3533]
 */
export const normal: Made<
  [
    mean: number | Tensor,
    std?: number | Tensor | { generator?: Generator },
    size?: readonly number[] | RandomOptions,
    options?: RandomOptions,
  ]
> = /*@__PURE__*/ creation({
  torch: "normal",
  params: ["mean?: number|tensor", "std?: number|tensor", "size?: shape", "generator?", ...OPTIONS],
  forward: (
    mean: number | Tensor = 0,
    std: number | Tensor = 1,
    size?: number[],
    generator: Generator | null = null,
    dtype = getDefaultDtype(),
    device = getDefaultDevice(),
    grad?: boolean,
  ) => {
    if (!isTensor(std) && std < 0) throw new ValueError({ op: "normal", message: `std is ${std}`, hint: "It must be >= 0" });
    const shaped = isTensor(mean) ? mean : isTensor(std) ? std : null;
    if (!shaped && !size)
      throw new ArgumentError({ op: "normal", message: "neither tensors nor a size given", hint: "normal(0, 1, [2, 3])" });
    const z = shaped
      ? randn((isTensor(mean) && isTensor(std) ? mean.add(std) : shaped).shape, { dtype: shaped.dtype, device: shaped.device, generator })
      : randn(size!, { dtype, device, generator });
    return leaf(z.mul(std).add(mean), grad, "normal");
  },
});

// ---- in place

function refill(torch: string, self: Tensor, draw: Draw): Tensor {
  checkInplace(torch, self);
  const number = isFloating(self.dtype) || (isComplex(self.dtype) && (draw.op === "normal" || draw.op === "uniform"));
  if (!number && draw.op !== "bernoulli" && draw.op !== "integers")
    throw new DTypeError({ op: torch, message: `${self.dtype} is not floating`, hint: "Use random_ for integers" });
  if (!self.layout.contiguous || needsGraph([self])) return copy_(self, drawn(torch, self.shape, self.dtype, self.device, draw));
  redraw(torch, self, draw);
  self.storage.version.value++;
  return self;
}
type Refill<A extends unknown[]> = (self: Tensor, ...args: A) => Tensor;
type Two = [a?: number | RandomOptions, b?: number | RandomOptions, options?: RandomOptions];

/** Writes uniform values in [from, to). @throws ValueError when from > to. @example (manualSeed(0), uniform_(zeros(2), -1, 1)) // => [-0.0075, 0.5364] */
export const uniform_: Refill<Two> = /*@__PURE__*/ checked(
  "uniform_",
  ["input", "from?: number", "to?: number", "generator?"],
  (self: Tensor, from = 0, to = 1, generator: Generator = defaultGenerator) => {
    if (!(from <= to && Number.isFinite(to - from)))
      throw new ValueError({ op: "uniform_", message: `no values in [${from}, ${to})`, hint: "from must not be above to" });
    return refill("uniform_", self, { op: "uniform", params: [from, to], generator });
  },
);
/** Writes normal values. @throws ValueError when std < 0. @example (manualSeed(0), normal_(zeros(2))) // => [1.541, -0.2934] */
export const normal_: Refill<Two> = /*@__PURE__*/ checked(
  "normal_",
  ["input", "mean?", "std?", "generator?"],
  (self: Tensor, mean = 0, std = 1, generator: Generator = defaultGenerator) => {
    if (!(std >= 0)) throw new ValueError({ op: "normal_", message: `std is ${std}`, hint: "It must be >= 0" });
    return refill("normal_", self, { op: "normal", params: [mean, spread(self.dtype, std)], generator });
  },
);
/**
 * Writes exponential values with rate `lambd` (default 1), in place.
 * @throws ValueError unless the rate is positive
 * @example (manualSeed(0), exponential_(zeros(2))) // => [3.5083, 1.2304]
 */
export const exponential_: Refill<[lambd?: number | RandomOptions, options?: RandomOptions]> = /*@__PURE__*/ checked(
  "exponential_",
  ["input", "lambd?: number", "generator?"],
  (self: Tensor, rate = 1, generator: Generator = defaultGenerator) => {
    if (!(rate > 0)) throw new ValueError({ op: "exponential_", message: `rate ${rate}`, hint: "It must be > 0" });
    return refill("exponential_", self, { op: "exponential", params: [rate], generator });
  },
);
/**
 * Writes 1 with probability `p` (a number, or a tensor of them), else 0, in place.
 * @throws ValueError for a probability outside [0, 1]
 * @example (manualSeed(0), bernoulli_(zeros(4), 0.5)) // => [0, 0, 1, 0]
 */
export const bernoulli_: Refill<[p?: number | Tensor | RandomOptions, options?: RandomOptions]> = /*@__PURE__*/ checked(
  "bernoulli_",
  ["input", "p?: number|tensor", "generator?"],
  (self: Tensor, p: number | Tensor = 0.5, generator: Generator = defaultGenerator) => {
    if (isTensor(p)) {
      checkInplace("bernoulli_", self);
      const values = hostArray(self.dtype === "float64" ? "float64" : "float32", self.layout.numel) as Floats;
      fillBernoulliEach(generator, values, hostValues(p.expand(self.shape)));
      return copy_(self, fromHost(values, self.shape, self.dtype, self.device));
    }
    if (!(p >= 0 && p <= 1)) throw new ValueError({ op: "bernoulli_", message: `p is ${p}`, hint: "Probabilities lie in [0, 1]" });
    return refill("bernoulli_", self, { op: "bernoulli", params: [p], generator });
  },
);
// All integers that the dtype can hold exactly, from 0: 64 bits a draw for the 64-bit types, 32 for the others.
function fillAll(g: Generator, out: BigInt64Array | Float64Array, dtype: DType, limit: number): void {
  if (out instanceof BigInt64Array) for (let i = 0; i < out.length; i++) out[i] = BigInt.asUintN(63, g.random64());
  else for (let i = 0; i < out.length; i++) out[i] = dtype === "float64" ? Number(g.random64() % (1n << 53n)) : g.random32() % limit;
}
// One past the greatest integer that `random_` writes into each dtype.
const LIMIT: Readonly<Record<string, number>> = {
  bool: 2,
  uint8: 256,
  int8: 128,
  int16: 32768,
  int32: 2147483648,
  int64: Number.MAX_SAFE_INTEGER,
  float16: 2049,
  bfloat16: 257,
  float32: 16777217,
  float64: 2 ** 53,
};
/**
 * Writes integers in [from, to), in place: in [0, from) with one number, all that the dtype holds exactly with none.
 * @example (manualSeed(0), random_(zeros(3), 0, 10)) // => [4, 9, 3]
 */
export const random_: Refill<Two> = /*@__PURE__*/ checked(
  "random_",
  ["input", "from?: int", "to?: int", "generator?"],
  (self: Tensor, from?: number, to?: number, g: Generator = defaultGenerator) => {
    checkInplace("random_", self);
    if (isComplex(self.dtype))
      throw new DTypeError({ op: "random_", message: `no integers in ${self.dtype}`, hint: "Use normal_ or uniform_" });
    if (from !== undefined || to !== undefined)
      return refill("random_", self, between("random_", g, to === undefined ? 0 : (from ?? 0), to ?? from!));
    const values = hostArray(self.dtype === "int64" ? "int64" : "float64", self.layout.numel) as BigInt64Array | Float64Array;
    fillAll(g, values, self.dtype, LIMIT[self.dtype]!);
    return copy_(self, fromHost(values, self.shape, self.dtype, self.device));
  },
);

/**
 * 1 with the probability that `input` holds, else 0; its dtype.
 * @throws ValueError for a probability outside [0, 1]
 * @example bernoulli(tensor([0, 1], { dtype: "float32" })) // => [0, 1]
 */
export const bernoulli: Refill<[p?: number | RandomOptions, options?: RandomOptions]> = /*@__PURE__*/ checked(
  "bernoulli",
  ["input", "p?", "generator?"],
  (input: Tensor, p?: number, generator?: Generator) => {
    const out = allocate(input.shape, input.dtype, input.storage.device);
    return bernoulli_(out, p ?? input.detach(), { generator: generator ?? defaultGenerator });
  },
);

/**
 * Indices drawn with the weights in the rows of `input`.
 * @throws ValueError for negative weights or too few of them.
 * @example multinomial(tensor([0, 0.5, 0]), 1) // => [1]
 */
export const multinomial: Refill<[numSamples: number, replacement?: boolean | RandomOptions, options?: RandomOptions]> =
  /*@__PURE__*/ checked(
    "multinomial",
    ["input", "numSamples", "replacement?", "generator?"],
    (input: Tensor, numSamples: number, replacement = false, generator?: Generator) => {
      if (input.ndim < 1 || input.ndim > 2)
        throw new ShapeError({
          op: "multinomial",
          message: `weights of shape ${showShape(input.shape)}`,
          hint: "Give one or two dimensions",
        });
      if (!(numSamples > 0)) throw new ValueError({ op: "multinomial", message: `${numSamples} samples`, hint: "Draw at least one" });
      checkWeights(input, replacement ? 1 : numSamples);
      const g = generator ?? defaultGenerator;
      if (!replacement || numSamples === 1) {
        // The indices of the greatest weight / exponential are a sample without replacement.
        const dtype = input.dtype === "float64" ? "float64" : "float32";
        const e = drawn("multinomial", input.shape, dtype, input.device, { op: "exponential", params: [1], generator: g });
        const keys = to(input.detach(), dtype).div(e);
        return numSamples === 1 ? keys.argmax(-1, true) : keys.topk(numSamples).indices;
      }
      const n = input.shape.at(-1)!;
      const w = hostValues(input);
      const out = hostArray("int64", (w.length / n) * numSamples) as BigInt64Array;
      for (let r = 0; r * n < w.length; r++) out.set(withReplacement(w.subarray(r * n, (r + 1) * n), numSamples, g), r * numSamples);
      return fromHost(out, input.ndim === 1 ? [numSamples] : [w.length / n, numSamples], "int64", input.device);
    },
  );
/** Throws unless all weights are finite and >= 0, and `needed` of each row positive. */
function checkWeights(input: Tensor, needed: number): void {
  const w = hostValues(input);
  const n = input.shape.at(-1)!;
  for (let start = 0; start < Math.max(1, w.length); start += Math.max(1, n)) {
    let positive = 0;
    let valid = true;
    for (let i = start; i < start + n; i++) {
      const v = w[i]!;
      if (v > 0) positive++;
      if (!(v >= 0 && v < Number.POSITIVE_INFINITY)) valid = false;
    }
    if (!valid || positive === 0)
      throw new ValueError({ op: "multinomial", message: "weights must be finite, >= 0 and not all zero", hint: "Use softmax for scores" });
    if (needed > positive)
      throw new ValueError({
        op: "multinomial",
        message: `${needed} samples without replacement from ${positive} positive weights`,
        hint: "Take fewer, or pass { replacement: true }",
      });
  }
}
function withReplacement(weights: Float32Array | Float64Array, count: number, g: Generator): BigInt64Array {
  let total = 0;
  for (const v of weights) total += v;
  const last = weights.length - 1;
  return new BigInt64Array(count).map(() => {
    let u = g.double() * total;
    let i = 0;
    while (i < last && (u -= weights[i]!) >= 0) i++;
    return BigInt(i);
  });
}
