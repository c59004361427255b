// The front door: `import * as torch from "firebrand"`.
import { getDevice } from "./core/device.ts";
import { setThreads, type Threaded } from "./backends/cpu/threads.ts";
import { ValueError } from "./core/errors.ts";
import "./devices.ts";

export {
  ArgumentError,
  AutogradError,
  DTypeError,
  DeviceError,
  DisposedError,
  type ErrorFacts,
  FileError,
  FirebrandError,
  FormatError,
  IndexError,
  LinAlgError,
  OutOfMemoryError,
  ShapeError,
  UnsafeGlobalError,
  UnsupportedError,
  ValueError,
} from "./core/errors.ts";
export { version } from "./core/version.ts";
export { Tensor, isTensor } from "./core/tensor.ts";
export type { DType, TypedArray } from "./core/dtype.ts";
export { getDefaultDtype, setDefaultDtype, promoteTypes, canCast } from "./core/dtype.ts";
export { type FloatInfo, finfo, iinfo, type IntInfo } from "./core/limits.ts";
export { getDefaultDevice, setDefaultDevice, deviceNames } from "./core/device.ts";
export {
  detectAnomaly,
  enableGrad,
  inferenceMode,
  isAnomalyEnabled,
  isGradEnabled,
  isInferenceModeEnabled,
  noGrad,
  setDetectAnomaly,
  setGradEnabled,
} from "./core/mode.ts";
export { Generator, type GeneratorState, defaultGenerator, getRngState, manualSeed, initialSeed, seed, setRngState } from "./core/rng.ts";
export { keep, scope } from "./core/lifetime.ts";
export * as memory from "./memory.ts";
export type { ComplexScalar, Scalar } from "./core/number.ts";
export { resultType, type TensorLike } from "./ops/promote.ts";
export type { Fn, Op, OpInfo, PointwiseOp } from "./ops/define.ts";
export type { Item, Nested } from "./ops/host.ts";
export * from "./ops/pointwise/index.ts";
export * from "./ops/shape/index.ts";
export { clone, contiguous, copy_, detach, fill, fill_, sumToSize, to, zero_, type ToOptions } from "./ops/copy.ts";
export {
  arange,
  asTensor,
  complexScalar,
  empty,
  emptyLike,
  eye,
  fromNumpy,
  full,
  fullLike,
  linspace,
  logspace,
  type NestedList,
  ones,
  onesLike,
  type SizeArgs,
  tensor,
  type TensorOptions,
  zeros,
  zerosLike,
} from "./ops/create.ts";
export * from "./ops/random.ts";
export * from "./ops/reduce/index.ts";
export * from "./ops/indexing/index.ts";
export * from "./ops/join.ts";
export * from "./ops/extra.ts";
export { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d } from "./ops/conv.ts";
export { layerNorm, groupNorm, rmsNorm, batchNorm, instanceNorm } from "./ops/norm/index.ts";
export { outer as ger } from "./ops/matmul.ts";
export { type AddmmOptions, addbmm, addmm, addmv, addr, baddbmm, bmm, dot, einsum, matmul, mm, mv, outer } from "./ops/matmul.ts";
export { softmax, logSoftmax } from "./ops/softmax.ts";
// PyTorch's second names.
export {
  mul as multiply,
  sub as subtract,
  div as divide,
  abs as absolute,
  neg as negative,
  acos as arccos,
  asin as arcsin,
  atan as arctan,
  atan2 as arctan2,
  acosh as arccosh,
  asinh as arcsinh,
  atanh as arctanh,
  ne as notEqual,
  lt as less,
  le as lessEqual,
  gt as greater,
  ge as greaterEqual,
  clamp as clip,
  trunc as fix,
} from "./ops/pointwise/index.ts";
export { cat as concat, cat as concatenate } from "./ops/join.ts";

/** 32-bit floats, the default: `zeros(2, { dtype: torch.float32 })` is the same as `{ dtype: "float32" }`. */
export const float32 = "float32" as const;
/** 64-bit floats. */
export const float64 = "float64" as const;
/** 16-bit floats of IEEE 754: 11 bits of precision, up to 65504. */
export const float16 = "float16" as const;
/** 16-bit floats with the range of float32 and 8 bits of precision. */
export const bfloat16 = "bfloat16" as const;
/** 64-bit integers, what whole numbers become: `tensor([1, 2])`. Read as BigInt64Array or, where safe, numbers. */
export const int64 = "int64" as const;
/** 32-bit integers. */
export const int32 = "int32" as const;
/** 16-bit integers. */
export const int16 = "int16" as const;
/** 8-bit integers, -128 to 127. */
export const int8 = "int8" as const;
/** 8-bit integers, 0 to 255. */
export const uint8 = "uint8" as const;
/** true and false, one byte each. */
export const bool = "bool" as const;
/** Complex numbers of two float32. */
export const complex64 = "complex64" as const;
/** Complex numbers of two float64. */
export const complex128 = "complex128" as const;
export * as nn from "./nn/index.ts";
export * as autograd from "./testing/autograd.ts";
export * as utils from "./autograd/checkpoint.ts";
export * as optim from "./optim/index.ts";
export * as io from "./io/index.ts";
export { load, save } from "./io/index.ts";
export * as testing from "./testing/index.ts";
export * as data from "./data/index.ts";

/** How many threads the CPU kernels use. @example (setNumThreads(1), getNumThreads()) // => 1 */
export const getNumThreads = (): number => (getDevice("cpu") as Partial<Threaded>).numThreads ?? 1;
/**
 * Sets how many threads the CPU kernels use, those of the `wasm` device too.
 * @throws ValueError when `n` is no positive integer.
 * @example (setNumThreads(1), getNumThreads()) // => 1
 */
export function setNumThreads(n: number): void {
  if (!Number.isInteger(n) || n < 1)
    throw new ValueError({ op: "setNumThreads", message: `${n} threads`, hint: "It must be a positive integer" });
  setThreads(n);
}
export * as special from "./ops/special.ts";
export * as fft from "./ops/fft.ts";
export * as linalg from "./ops/linalg/index.ts";
export * from "./ops/linalg/top.ts";
export { type IstftOptions, istft, stft, type StftOptions } from "./ops/stft.ts";
