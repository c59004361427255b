// Random tensors. Values are drawn on the host in PyTorch's order, whatever the device, so that a seed means one thing.
import { getDefaultDevice, getDevice } from "../core/device.ts";
import {
  type DType,
  getDefaultDtype,
  isComplex,
  isDifferentiable,
  isFloating,
  itemSize,
  numberToBf16,
  numberToF16,
  rawArray,
  toReal,
} from "../core/dtype.ts";
import { ArgumentError, DTypeError, ShapeError, ValueError } from "../core/errors.ts";
import { numelOf } from "../core/layout.ts";
import {
  defaultGenerator,
  fillBernoulli,
  fillBernoulliEach,
  fillExponential,
  fillNormal,
  fillRandint,
  fillUniform,
  type Generator,
  permutation,
} from "../core/rng.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { checkInplace } from "../autograd/graph.ts";
import { copy_ } from "./copy.ts";
import { creation, leaf, sizesAnd, type SizeArgs, type TensorOptions } from "./create.ts";
import { bindArgs, checkTensor, type OpInfo } from "./define.ts";
import { hostValues } from "./host.ts";
import { allocate } from "./launch.ts";

/** Options of random functions. */
export interface RandomOptions extends TensorOptions {
  /** Source of the numbers; the default generator where absent. */
  readonly generator?: Generator | null;
}

type Floats = Float32Array | Float64Array;
type Made = ((...args: SizeArgs<RandomOptions>) => Tensor) & { op: OpInfo };

// Drawn in float (double for float64) and stored in the tensor's own type. A complex number is two draws.
function drawn(shape: readonly number[], dtype: DType, device: string, fill: (out: Floats) => void): Tensor {
  const n = numelOf(shape) * (isComplex(dtype) ? 2 : 1);
  const values = toReal(dtype) === "float64" ? new Float64Array(n) : new Float32Array(n);
  fill(values);
  return fromHost(values, shape, dtype, device);
}
// The variance of a complex number is shared by its parts.
const spread = (dtype: DType, std: number): number => (isComplex(dtype) ? std / Math.SQRT2 : std);

function fromHost(values: Floats | BigInt64Array, shape: readonly number[], dtype: DType, device: string): Tensor {
  const t = allocate(shape, dtype, getDevice(device));
  let raw = rawArray(dtype, new ArrayBuffer(t.layout.numel * itemSize(dtype)));
  if (raw.constructor === values.constructor) raw = values;
  else if (dtype === "int64") for (let i = 0; i < values.length; i++) raw[i] = BigInt(Math.trunc(Number(values[i])));
  else
    for (let i = 0; i < values.length; i++)
      raw[i] =
        dtype === "float16" ? numberToF16(Number(values[i])) : dtype === "bfloat16" ? numberToBf16(Number(values[i])) : Number(values[i]);
  if (raw.byteLength > 0) t.storage.device.write(t.storage, 0, new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength));
  return t;
}

const made = (torch: string, fill: (g: Generator, out: Floats, dtype: DType) => void): Made =>
  creation(torch, (...args: SizeArgs<RandomOptions>) => {
    const {
      shape,
      rest: [dtype = getDefaultDtype(), device = getDefaultDevice(), grad, , , , generator],
    } = sizesAnd(torch, args) as { shape: readonly number[]; rest: [DType?, string?, boolean?, unknown?, unknown?, unknown?, Generator?] };
    if (!isDifferentiable(dtype))
      throw new DTypeError({ op: torch, message: `no ${dtype} values`, hint: "Use a floating dtype, or randint" });
    return leaf(
      drawn(shape, dtype, device, (out) => fill(generator ?? defaultGenerator, out, dtype)),
      grad,
      torch,
    );
  });
/** Uniform in [0, 1). @example (manualSeed(0), rand(2)) // => [0.4963, 0.7682] */
export const rand: Made = /*@__PURE__*/ made("rand", (g, out) => fillUniform(g, out, 0, 1));
/** Standard normal; for complex dtypes both parts have variance 1/2. @example (manualSeed(0), randn(2)) // => [1.5410, -0.2934] */
export const randn: Made = /*@__PURE__*/ made("randn", (g, out, dtype) => fillNormal(g, out, 0, spread(dtype, 1)));

type LikeRandom = ((input: Tensor, options?: RandomOptions) => Tensor) & { op: OpInfo };
const like = (torch: string, make: Made): LikeRandom =>
  creation(torch, (x: Tensor, o: RandomOptions = {}) => make(x.shape, { ...o, dtype: o.dtype ?? x.dtype, device: o.device ?? x.device }));
/** Uniform in [0, 1), shaped like `input`. @example (manualSeed(0), randLike(zeros(2))) // => [0.4963, 0.7682] */
export const randLike: LikeRandom = /*@__PURE__*/ like("rand_like", rand);
/** Standard normal, shaped like `input`. @example (manualSeed(0), randnLike(zeros(2))) // => [1.541, -0.2934] */
export const randnLike: LikeRandom = /*@__PURE__*/ like("randn_like", randn);

/** Integers in [low, high): `randint(high, size)` or `randint(low, high, size)`. @example (manualSeed(0), randint(0, 10, [3])) // => [4, 9, 3] */
export const randint: ((
  low: number,
  highOrSize: number | readonly number[],
  size?: readonly number[] | RandomOptions,
  options?: RandomOptions,
) => Tensor) & { op: OpInfo } = /*@__PURE__*/ creation("randint", (...args: unknown[]) => {
  const short = Array.isArray(args[1]);
  const [low, high, shape, generator, dtype = "int64", device = getDefaultDevice(), grad] = bindArgs(
    "randint",
    ["low", "high", "size", "generator", "dtype", "device", "requiresGrad"],
    short ? [0, ...args] : args,
  ) as [number, number, number[], Generator?, DType?, string?, boolean?];
  if (!Array.isArray(shape)) throw new ArgumentError({ op: "randint", message: "no size given", hint: "randint(low, high, [2, 3])" });
  if (!Number.isInteger(low) || !Number.isInteger(high) || high <= low)
    throw new ValueError({ op: "randint", message: `no integers in [${low}, ${high})`, hint: "low must be below high" });
  const values = dtype === "int64" ? new BigInt64Array(numelOf(shape)) : new Float64Array(numelOf(shape));
  fillRandint(generator ?? defaultGenerator, values, BigInt(low), BigInt(high));
  return leaf(fromHost(values, shape, dtype, device), grad, "randint");
});
/** Integers in [low, high), shaped like `input`. @example (manualSeed(0), randintLike(zeros(3), 10)) // => [4, 9, 3] */
export const randintLike: ((input: Tensor, low: number, high?: number | RandomOptions, options?: RandomOptions) => Tensor) & {
  op: OpInfo;
} = /*@__PURE__*/ creation("randint_like", (x: Tensor, low: number, high?: number | RandomOptions, options: RandomOptions = {}) =>
  typeof high === "number"
    ? randint(low, high, x.shape, { dtype: x.dtype, device: x.device, ...options })
    : randint(0, low, x.shape, { dtype: x.dtype, device: x.device, ...high }),
);
/** A random order of 0 … n-1. @example (manualSeed(0), randperm(4)) // => [0, 1, 3, 2] */
export const randperm: ((n: number, options?: RandomOptions) => Tensor) & { op: OpInfo } = /*@__PURE__*/ creation(
  "randperm",
  (...args: unknown[]) => {
    const [n, generator, dtype = "int64", device = getDefaultDevice()] = bindArgs(
      "randperm",
      ["n", "generator", "dtype", "device", "requiresGrad", "pinMemory", "layout"],
      args,
    ) as [number, Generator?, DType?, string?];
    if (!Number.isInteger(n) || n < 0) throw new ValueError({ op: "randperm", message: `n is ${n}`, hint: "It must be an integer >= 0" });
    return fromHost(permutation(generator ?? defaultGenerator, n), [n], dtype, device);
  },
);
/**
 * Normal with a mean and a standard deviation; tensors give each element its own, numbers need a `size`.
 * @throws ValueError when std < 0, ArgumentError without a size
 * @example (manualSeed(0), normal(tensor([10.5, 20.5]), 0.5)) // => [11.2705, 20.3533]
 */
export const normal: ((
  mean: number | Tensor,
  std?: number | Tensor | { generator?: Generator },
  size?: readonly number[] | RandomOptions,
  options?: RandomOptions,
) => Tensor) & { op: OpInfo } = /*@__PURE__*/ creation("normal", (...args: unknown[]) => {
  const [mean = 0, std = 1, size, generator, dtype, device, grad] = bindArgs(
    "normal",
    ["mean", "std", "size", "generator", "dtype", "device", "requiresGrad", "layout", "pinMemory"],
    args,
  ) as [number | Tensor, (number | Tensor)?, number[]?, Generator?, DType?, string?, boolean?];
  if (!isTensor(std) && std < 0) throw new ValueError({ op: "normal", message: `std ${std}`, hint: "It must be >= 0" });
  const shaped = isTensor(mean) ? mean : isTensor(std) ? std : null;
  if (!shaped && !size) throw new ArgumentError({ op: "normal", message: "neither tensors nor a size given" });
  const z = shaped
    ? randn((isTensor(mean) && isTensor(std) ? mean.add(std) : shaped).shape, {
        dtype: shaped.dtype,
        device: shaped.device,
        generator: generator ?? null,
      })
    : randn(size!, { dtype: dtype ?? getDefaultDtype(), device: device ?? getDefaultDevice(), generator: generator ?? null });
  return leaf(z.mul(std).add(mean), grad, "normal");
});

// ---- in place

function refill(op: string, self: Tensor, fill: (out: Floats) => void): Tensor {
  checkTensor(op, "input", self);
  checkInplace(op, self);
  const complex = isComplex(self.dtype) && (op === "normal_" || op === "uniform_");
  if (!isFloating(self.dtype) && !complex && op !== "bernoulli_")
    throw new DTypeError({ op, message: `${self.dtype} is not floating`, hint: "Use random_ for integers" });
  return copy_(self, drawn(self.shape, isFloating(self.dtype) || complex ? self.dtype : "float32", self.device, fill));
}
const generatorOf = (o: unknown): Generator => (o as { generator?: Generator } | undefined)?.generator ?? defaultGenerator;

/** Writes uniform values in [from, to). @throws ValueError when from > to. @example (manualSeed(0), uniform_(zeros(2), -1, 1)) // => [-0.0075, 0.5364] */
export function uniform_(
  self: Tensor,
  ...args: [from?: number | RandomOptions, to?: number | RandomOptions, options?: RandomOptions]
): Tensor {
  const [from = 0, to = 1, generator] = bindArgs("uniform_", ["from", "to", "generator"], args) as [number?, number?, Generator?];
  if (!(from <= to)) throw new ValueError({ op: "uniform_", message: `no values in [${from}, ${to})`, hint: "from must not be above to" });
  return refill("uniform_", self, (out) => fillUniform(generator ?? defaultGenerator, out, from, to));
}
/** Writes normal values. @throws ValueError when std < 0. @example (manualSeed(0), normal_(zeros(2))) // => [1.541, -0.2934] */
export function normal_(
  self: Tensor,
  ...args: [mean?: number | RandomOptions, std?: number | RandomOptions, options?: RandomOptions]
): Tensor {
  const [mean = 0, std = 1, generator] = bindArgs("normal_", ["mean", "std", "generator"], args) as [number?, number?, Generator?];
  if (!(std >= 0)) throw new ValueError({ op: "normal_", message: `std ${std}`, hint: "It must be >= 0" });
  return refill("normal_", self, (out) => fillNormal(generator ?? defaultGenerator, out, mean, spread(self.dtype, std)));
}
/**
 * Writes exponential values with rate `lambd` (default 1), in place.
 * @throws ValueError unless the rate is positive
 * @example (manualSeed(0), exponential_(zeros(2))) // => [3.5083, 1.2304]
 */
export function exponential_(self: Tensor, lambd: number | RandomOptions = 1, options?: RandomOptions): Tensor {
  const rate = typeof lambd === "number" ? lambd : 1;
  if (!(rate > 0)) throw new ValueError({ op: "exponential_", message: `rate ${rate}`, hint: "It must be > 0" });
  return refill("exponential_", self, (out) => fillExponential(generatorOf(typeof lambd === "number" ? options : lambd), out, rate));
}
/**
 * Writes 1 with probability `p` (a number, or a tensor of them), else 0, in place.
 * @throws ValueError for a probability outside [0, 1]
 * @example (manualSeed(0), bernoulli_(zeros(4), 0.5)) // => [0, 0, 1, 0]
 */
export function bernoulli_(self: Tensor, ...args: [p?: number | Tensor | RandomOptions, options?: RandomOptions]): Tensor {
  const [p = 0.5, generator] = bindArgs("bernoulli_", ["p", "generator"], args) as [(number | Tensor)?, Generator?];
  const g = generator ?? defaultGenerator;
  if (isTensor(p)) {
    const values = hostValues(p.expand(self.shape));
    return refill("bernoulli_", self, (out) => fillBernoulliEach(g, out, values as Float64Array));
  }
  if (!(p >= 0 && p <= 1)) throw new ValueError({ op: "bernoulli_", message: `p is ${p}`, hint: "Probabilities lie in [0, 1]" });
  return refill("bernoulli_", self, (out) => fillBernoulli(g, out, p));
}
// All integers that the dtype can hold exactly, from 0: 64 bits a draw for the 64-bit types, 32 for the others.
function fillAll(g: Generator, out: BigInt64Array | Float64Array, dtype: DType, limit: number): void {
  if (out instanceof BigInt64Array) for (let i = 0; i < out.length; i++) out[i] = BigInt.asUintN(63, g.random64());
  else for (let i = 0; i < out.length; i++) out[i] = dtype === "float64" ? Number(g.random64() % (1n << 53n)) : g.random32() % limit;
}
/**
 * Writes integers in [from, to), in place: in [0, from) with one number, all that the dtype holds exactly with none.
 * @example (manualSeed(0), random_(zeros(3), 0, 10)) // => [4, 9, 3]
 */
export function random_(
  self: Tensor,
  ...args: [from?: number | RandomOptions, to?: number | RandomOptions, options?: RandomOptions]
): Tensor {
  const [from = 0, to, generator] = bindArgs("random_", ["from", "to", "generator"], args) as [number?, number?, Generator?];
  const limit = {
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
    complex64: 2,
    complex128: 2,
  }[self.dtype];
  checkInplace("random_", self);
  const values = self.dtype === "int64" ? new BigInt64Array(self.layout.numel) : new Float64Array(self.layout.numel);
  const g = generator ?? defaultGenerator;
  if (to === undefined && typeof args[0] !== "number") fillAll(g, values, self.dtype, limit);
  else fillRandint(g, values, BigInt(to === undefined ? 0 : from), BigInt(to ?? from));
  return copy_(self, fromHost(values, self.shape, self.dtype, self.device));
}

/**
 * 1 with the probability that `input` holds, else 0; its dtype.
 * @throws ValueError for a probability outside [0, 1]
 * @example bernoulli(tensor([0, 1], { dtype: "float32" })) // => [0, 1]
 */
export function bernoulli(input: Tensor, ...args: [p?: number | RandomOptions, options?: RandomOptions]): Tensor {
  checkTensor("bernoulli", "input", input);
  const [p, generator] = bindArgs("bernoulli", ["p", "generator"], args) as [number?, Generator?];
  const out = allocate(input.shape, input.dtype, input.storage.device);
  return bernoulli_(out, p ?? input.detach(), { generator: generator ?? defaultGenerator });
}

/**
 * Indices drawn with the weights in the rows of `input`.
 * @throws ValueError for negative weights or too few of them.
 * @example multinomial(tensor([0, 0.5, 0]), 1) // => [1]
 */
export function multinomial(
  input: Tensor,
  numSamples: number,
  ...args: [replacement?: boolean | RandomOptions, options?: RandomOptions]
): Tensor {
  const [replacement = false, generator] = bindArgs("multinomial", ["replacement", "generator"], args) as [boolean?, Generator?];
  checkTensor("multinomial", "input", input);
  if (input.ndim < 1 || input.ndim > 2)
    throw new ShapeError({
      op: "multinomial",
      message: `weights of shape [${input.shape.join(", ")}]`,
      hint: "Give one or two dimensions",
    });
  if (!(Number.isInteger(numSamples) && numSamples > 0))
    throw new ValueError({ op: "multinomial", message: `${String(numSamples)} samples`, hint: "Draw at least one" });
  const n = input.shape.at(-1)!;
  const rows = input.layout.numel / Math.max(1, n);
  const w = hostValues(input) as ArrayLike<number>;
  const g = generator ?? defaultGenerator;
  const out = new BigInt64Array(rows * numSamples);
  for (let r = 0; r < rows; r++) {
    const row = Float64Array.from({ length: n }, (_, i) => Number(w[r * n + i]));
    const positive = row.filter((v) => v > 0).length;
    if (row.some((v) => !(v >= 0) || v === Number.POSITIVE_INFINITY) || positive === 0)
      throw new ValueError({ op: "multinomial", message: "weights must be finite, >= 0 and not all zero" });
    if (!replacement && numSamples > positive)
      throw new ValueError({ op: "multinomial", message: `${numSamples} samples without replacement from ${positive} positive weights` });
    if (!replacement || numSamples === 1) {
      // The indices of the greatest weight / exponential are a sample without replacement.
      const e = input.dtype === "float64" ? new Float64Array(n) : new Float32Array(n);
      fillExponential(g, e, 1);
      const keys = [...row].map((v, i) => v / e[i]!);
      const order = keys.map((_, i) => i).sort((a, b) => keys[b]! - keys[a]!);
      for (let s = 0; s < numSamples; s++) out[r * numSamples + s] = BigInt(order[s]!);
    } else {
      const total = row.reduce((a, b) => a + b, 0);
      for (let s = 0; s < numSamples; s++) {
        let u = g.double() * total;
        let i = 0;
        while (i < n - 1 && (u -= row[i]!) >= 0) i++;
        out[r * numSamples + s] = BigInt(i);
      }
    }
  }
  return fromHost(out, input.ndim === 1 ? [numSamples] : [rows, numSamples], "int64", input.device);
}
