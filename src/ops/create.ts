// Tensors from nothing: values, constants, ranges. Random ones are in random.ts.
import { getDefaultDevice, getDevice } from "../core/device.ts";
import {
  category,
  defaultComplex,
  type DType,
  getDefaultDtype,
  isComplex,
  isDifferentiable,
  numberToBf16,
  numberToF16,
  rawArray,
  toReal,
  type TypedArray,
} from "../core/dtype.ts";
import { ArgumentError, AutogradError, ShapeError, ValueError } from "../core/errors.ts";
import { isTensor, Tensor } from "../core/tensor.ts";
import { rawFull, to } from "./copy.ts";
import { checked, given, isOptions } from "../core/arguments.ts";
import { creation, type OpInfo } from "./define.ts";
import { allocate, hostArray } from "./launch.ts";
import { ComplexScalar, isScalar, type Scalar, scalarDtype } from "./promote.ts";

/** Options of every function that makes a tensor. */
export interface TensorOptions {
  /** Element type; the default depends on the function (mostly the default float). */
  readonly dtype?: DType | null;
  /** Device name; default `getDefaultDevice()`. */
  readonly device?: string | null;
  /** Is it a leaf that collects gradients? */
  readonly requiresGrad?: boolean;
}
/** Nested lists of numbers. */
export type NestedList = Scalar | readonly NestedList[];
/** Sizes as an array or as numbers, then options. */
export type SizeArgs<O = TensorOptions> = [size: readonly number[], opts?: O] | [...sizes: number[]] | [...sizes: number[], opts: O];

/** @internal The declarations of `TensorOptions`, in PyTorch's order; layout, pinMemory and memoryFormat have nothing to do here. */
export const OPTIONS: readonly string[] = ["dtype?", "device?", "requiresGrad?", "layout?", "pinMemory?", "memoryFormat?"];

/** Marks a new tensor as a leaf that wants gradients. */
export function leaf(t: Tensor, requiresGrad: boolean | undefined, op: string): Tensor {
  if (!requiresGrad) return t;
  if (!isDifferentiable(t.dtype))
    throw new AutogradError({ op, message: `a ${t.dtype} tensor cannot require grad`, hint: "Only floating and complex tensors can" });
  t.leafRequiresGrad = true;
  return t;
}

// How each kind of input element becomes a raw element of the target.
function writer(dtype: DType, raw: TypedArray): (i: number, v: Scalar) => void {
  const re = (v: Scalar): number => (v instanceof ComplexScalar ? v.re : Number(v));
  switch (dtype) {
    case "int64":
      return (i, v) => {
        raw[i] = typeof v === "bigint" ? BigInt.asIntN(64, v) : toBig(re(v));
      };
    case "bool":
      return (i, v) => {
        raw[i] = (v instanceof ComplexScalar ? v.re !== 0 || v.im !== 0 : Number(v) !== 0) ? 1 : 0;
      };
    case "float16":
      return (i, v) => {
        raw[i] = numberToF16(re(v));
      };
    case "bfloat16":
      return (i, v) => {
        raw[i] = numberToBf16(re(v));
      };
    case "complex64":
    case "complex128":
      return (i, v) => {
        raw[2 * i] = re(v);
        raw[2 * i + 1] = v instanceof ComplexScalar ? v.im : 0;
      };
    default:
      return (i, v) => {
        raw[i] = re(v);
      };
  }
}
const toBig = (x: number): bigint => (Number.isFinite(x) ? BigInt(Math.trunc(x)) : -(2n ** 63n));

function fromRaw(raw: TypedArray, shape: readonly number[], dtype: DType, device: string): Tensor {
  const t = allocate(shape, dtype, getDevice(device));
  if (raw.byteLength > 0) t.storage.device.write(t.storage, 0, new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength));
  return t;
}

const NATURAL: [new (n: number) => TypedArray | Uint32Array | Uint8ClampedArray | BigUint64Array, DType][] = [
  [Float32Array, "float32"],
  [Float64Array, "float64"],
  [Int32Array, "int32"],
  [Int16Array, "int16"],
  [Int8Array, "int8"],
  [Uint8Array, "uint8"],
  [Uint8ClampedArray, "uint8"],
  [BigInt64Array, "int64"],
  [Uint16Array, "int32"],
  [Uint32Array, "int64"],
  [BigUint64Array, "int64"],
];

/**
 * A tensor that holds a copy of `data`: a number, nested lists, a typed array, or another tensor.
 * Integers give int64, booleans bool, other numbers the default float, typed arrays their own type; complex typed data is
 * interleaved (give the dtype).
 * @throws ShapeError when lists are ragged, ArgumentError when something is no number.
 * @example tensor([[1, 2], [3, 4.5]]) // => [[1, 2], [3, 4.5]]
 */
export const tensor: (data: NestedList | ArrayBufferView | Tensor, options?: TensorOptions) => Tensor = /*@__PURE__*/ checked(
  "tensor",
  ["data: any", ...OPTIONS],
  (data: NestedList | ArrayBufferView | Tensor, dtype?: DType, device?: string, requiresGrad?: boolean) =>
    leaf(fromData(data, dtype, device ?? getDefaultDevice()), requiresGrad, "tensor"),
);
function fromData(data: NestedList | ArrayBufferView | Tensor, want: DType | undefined, device: string): Tensor {
  if (isTensor(data)) return to(data, { dtype: want ?? data.dtype, device, copy: true }).detach();
  if (ArrayBuffer.isView(data)) return fromTyped(data as TypedArray, want, device);
  const shape: number[] = [];
  for (let level: NestedList = data; Array.isArray(level); level = level[0] as NestedList) shape.push(level.length);
  let kind = -1;
  const flat: Scalar[] = [];
  const walk = (x: NestedList, depth: number): void => {
    if (Array.isArray(x)) {
      if (depth >= shape.length || x.length !== shape[depth])
        throw new ShapeError({
          op: "tensor",
          message: `lists are ragged: expected ${shape[depth] ?? "a number"} at depth ${depth}, got ${x.length} elements`,
          hint: "All lists of a level need the same length",
        });
      for (const y of x) walk(y as NestedList, depth + 1);
      return;
    }
    if (depth !== shape.length)
      throw new ShapeError({ op: "tensor", message: `lists are ragged: a number at depth ${depth}, lists elsewhere` });
    let v = x as Scalar;
    if (isTensor(v)) {
      kind = Math.max(kind, category((v as Tensor).dtype));
      v = (v as Tensor).itemSync() as Scalar;
    } else if (!isScalar(v))
      throw new ArgumentError({
        op: "tensor",
        message: `${given(x)} is not a number`,
        hint: "Use numbers, booleans, bigints or complexScalar(re, im)",
      });
    else kind = Math.max(kind, category(scalarDtype(v)));
    flat.push(v);
  };
  walk(data, 0);
  const dtype = want ?? (kind === 0 ? "bool" : kind === 1 ? "int64" : kind === 3 ? defaultComplex() : getDefaultDtype());
  const raw = hostArray(dtype, flat.length);
  const put = writer(dtype, raw);
  for (let i = 0; i < flat.length; i++) put(i, flat[i]!);
  return fromRaw(raw, shape, dtype, device);
}

function fromTyped(data: TypedArray, want: DType | undefined, device: string): Tensor {
  const natural = NATURAL.find(([C]) => data instanceof C)?.[1];
  if (!natural) throw new ArgumentError({ op: "tensor", message: `a ${data.constructor.name} is no typed array of numbers` });
  const dtype = want ?? natural;
  if (isComplex(dtype)) {
    // interleaved parts
    const real = toReal(dtype);
    const raw = natural === real ? data : Float64Array.from(data as Float64Array);
    return fromRaw(natural === real ? raw : rawArray(real, rawFrom(raw, real)), [data.length / 2], dtype, device);
  }
  if (
    natural === dtype &&
    (data instanceof Float32Array ||
      data instanceof Float64Array ||
      data instanceof Int32Array ||
      data instanceof Uint8Array ||
      data instanceof BigInt64Array ||
      data instanceof Int16Array ||
      data instanceof Int8Array)
  )
    return fromRaw(data, [data.length], dtype, device);
  return fromRaw(rawArray(dtype, rawFrom(data, dtype)), [data.length], dtype, device);
}
function rawFrom(data: ArrayLike<number | bigint>, dtype: DType): ArrayBuffer {
  const raw = hostArray(dtype, data.length);
  const put = writer(dtype, raw);
  for (let i = 0; i < data.length; i++) put(i, data[i]!);
  return raw.buffer as ArrayBuffer;
}

/** `tensor`, but a tensor that already fits is returned as it is. @example asTensor([1, 2]) // => [1, 2] */
export const asTensor: (data: NestedList | ArrayBufferView | Tensor, options?: TensorOptions) => Tensor = /*@__PURE__*/ checked(
  "asTensor",
  ["data: any", ...OPTIONS],
  (data: NestedList | ArrayBufferView | Tensor, dtype?: DType, device?: string, requiresGrad?: boolean) =>
    isTensor(data)
      ? to(data, { dtype: dtype ?? data.dtype, device: device ?? data.device })
      : leaf(fromData(data, dtype, device ?? getDefaultDevice()), requiresGrad, "asTensor"),
);
/** A tensor from a typed array (a copy), PyTorch's `from_numpy`. @example fromNumpy(new Float32Array([1, 2])) // => [1, 2] */
export const fromNumpy: (data: ArrayBufferView) => Tensor = /*@__PURE__*/ checked("fromNumpy", ["data: any"], (data: ArrayBufferView) => {
  if (!ArrayBuffer.isView(data))
    throw new ArgumentError({ op: "fromNumpy", message: `data is ${given(data)}`, hint: "Give a typed array" });
  return fromTyped(data as TypedArray, undefined, getDefaultDevice());
});
/** A complex number for `tensor` and arithmetic. @example tensor([complexScalar(0, 1)]).square() // => [{ re: -1, im: 0 }] */
export const complexScalar: (re: number, im: number) => ComplexScalar = /*@__PURE__*/ checked(
  "complexScalar",
  ["re: real", "im: real"],
  (re: number, im: number) => new ComplexScalar(re, im),
);

type Made<A extends unknown[]> = ((...args: A) => Tensor) & { readonly op: OpInfo };
type Sized = Made<SizeArgs>;
const where = (dtype: DType | undefined, device: string | undefined): [DType, string] => [
  dtype ?? getDefaultDtype(),
  device ?? getDefaultDevice(),
];
const filled = (torch: string, make: (shape: readonly number[], dtype: DType, device: string) => Tensor): Sized =>
  creation({
    torch,
    params: ["size?: shape", ...OPTIONS],
    variadic: 0,
    forward: (size: readonly number[] = [], dtype?: DType, device?: string, grad?: boolean) =>
      leaf(make(size, ...where(dtype, device)), grad, torch),
  });
/** Zeros. @example zeros(2) // => [0, 0] */
export const zeros: Sized = /*@__PURE__*/ filled("zeros", (s, d, v) => rawFull(s, 0, d, v));
/** Ones. @example ones(2) // => [1, 1] */
export const ones: Sized = /*@__PURE__*/ filled("ones", (s, d, v) => rawFull(s, 1, d, v));
/** Memory as it comes: contents are undefined. @example empty(2, 3).shape // => [2, 3] */
export const empty: Sized = /*@__PURE__*/ filled("empty", (s, d, v) => allocate(s, d, getDevice(v)));
const valueOf = (x: Scalar | Tensor): Scalar => (isTensor(x) ? (x.itemSync() as Scalar) : x);
/** One value everywhere; integers give int64. @example full([2], 7) // => [7, 7] */
export const full: Made<[size: readonly number[], fillValue: Scalar, options?: TensorOptions]> = /*@__PURE__*/ creation({
  torch: "full",
  params: ["size: shape", "fillValue: scalar|tensor", ...OPTIONS],
  forward: (size: readonly number[], fillValue: Scalar | Tensor, dtype?: DType, device?: string, grad?: boolean) => {
    const value = valueOf(fillValue);
    return leaf(rawFull(size, value, ...where(dtype ?? scalarDtype(value), device)), grad, "full");
  },
});

type Like = Made<[input: Tensor, options?: TensorOptions]>;
const like = (torch: string, make: (shape: readonly number[], dtype: DType, device: string) => Tensor): Like =>
  creation({
    torch,
    params: ["input", ...OPTIONS],
    forward: (x: Tensor, dtype?: DType, device?: string, grad?: boolean) =>
      leaf(make(x.shape, dtype ?? x.dtype, device ?? x.device), grad, torch),
  });
/** Zeros like `input`. @example zerosLike(ones(2)) // => [0, 0] */
export const zerosLike: Like = /*@__PURE__*/ like("zeros_like", (s, d, v) => rawFull(s, 0, d, v));
/** Ones like `input`. @example onesLike(zeros(2)) // => [1, 1] */
export const onesLike: Like = /*@__PURE__*/ like("ones_like", (s, d, v) => rawFull(s, 1, d, v));
/** Memory like `input`'s, contents undefined. @example emptyLike(ones(2, 3)).shape // => [2, 3] */
export const emptyLike: Like = /*@__PURE__*/ like("empty_like", (s, d, v) => allocate(s, d, getDevice(v)));
/** One value everywhere, like `input`. @example fullLike(ones(2), 7) // => [7, 7] */
export const fullLike: Made<[input: Tensor, fillValue: Scalar, options?: TensorOptions]> = /*@__PURE__*/ creation({
  torch: "full_like",
  params: ["input", "fillValue: scalar|tensor", ...OPTIONS],
  forward: (x: Tensor, fillValue: Scalar | Tensor, dtype?: DType, device?: string, grad?: boolean) =>
    leaf(rawFull(x.shape, valueOf(fillValue), dtype ?? x.dtype, device ?? x.device), grad, "full_like"),
});

// Ranges are computed on the host in double and stored once: they are never hot.
function fromValues(n: number, at: (i: number) => number, dtype: DType, device: string): Tensor {
  const raw = hostArray(dtype, n);
  const put = writer(dtype, raw);
  for (let i = 0; i < n; i++) put(i, at(i));
  return fromRaw(raw, [n], dtype, device);
}
type Real = number | boolean | bigint;

/** `start, start + step, …` below `end`; integers give int64. @example arange(1, 7, 2) // => [1, 3, 5] */
export const arange: Made<
  [
    startOrEnd: number | (TensorOptions & { start?: number; end: number; step?: number }),
    end?: number | TensorOptions,
    step?: number | TensorOptions,
    options?: TensorOptions,
  ]
> = /*@__PURE__*/ creation({
  torch: "arange",
  params: ["start?: real", "end: real", "step?: real", ...OPTIONS],
  // One number alone is the end.
  arrange: (args) => {
    const options = args.at(-1);
    const alone = args.filter(isScalar).length === 1 && isScalar(args[0]);
    return alone && !(isOptions(options) && options["end"] !== undefined)
      ? [{ ...(isOptions(options) ? options : {}), end: args[0] }]
      : args;
  },
  forward: (from: Real = 0, to: Real, by: Real = 1, dtype?: DType, device?: string, grad?: boolean) => {
    const [start, end, step] = [Number(from), Number(to), Number(by)];
    if (![start, end, step].every(Number.isFinite) || step === 0)
      throw new ValueError({
        op: "arange",
        message: `start ${start}, end ${end}, step ${step}`,
        hint: "All must be finite and the step not zero",
      });
    if ((end - start) * step < 0)
      throw new ValueError({
        op: "arange",
        message: `step ${step} leads away from ${end}, starting at ${start}`,
        hint: "Turn the sign of step",
      });
    const n = Math.max(0, Math.ceil((end - start) / step));
    const type = dtype ?? ([start, end, step].every(Number.isInteger) ? "int64" : getDefaultDtype());
    return leaf(
      fromValues(n, (i) => start + i * step, type, device ?? getDefaultDevice()),
      grad,
      "arange",
    );
  },
});
// Number `i` of `n` from start to end, both exact.
const between =
  (start: number, end: number, n: number): ((i: number) => number) =>
  (i) => {
    const step = n > 1 ? (end - start) / (n - 1) : 0;
    return i < n / 2 ? start + step * i : end - step * (n - 1 - i);
  };
/** `steps` numbers from `start` to `end`, both included. @example linspace(0, 1, 3) // => [0, 0.5, 1] */
export const linspace: Made<[start: number, end: number, steps: number, options?: TensorOptions]> = /*@__PURE__*/ creation({
  torch: "linspace",
  params: ["start: real|tensor", "end: real|tensor", "steps", ...OPTIONS],
  forward: (start: number | Tensor, end: number | Tensor, steps: number, dtype?: DType, device?: string, grad?: boolean) => {
    const at = between(Number(valueOf(start)), Number(valueOf(end)), steps);
    return leaf(fromValues(steps, at, ...where(dtype, device)), grad, "linspace");
  },
});
/** `steps` numbers from base^start to base^end, evenly spaced in the exponent. @example logspace(0, 2, 3) // => [1, 10, 100] */
export const logspace: Made<[start: number, end: number, steps: number, base?: number | TensorOptions, options?: TensorOptions]> =
  /*@__PURE__*/ creation({
    torch: "logspace",
    params: ["start: real|tensor", "end: real|tensor", "steps", "base?: real", ...OPTIONS],
    forward: (start: number | Tensor, end: number | Tensor, steps: number, base = 10, dtype?: DType, device?: string, grad?: boolean) => {
      const at = between(Number(valueOf(start)), Number(valueOf(end)), steps);
      return leaf(
        fromValues(steps, (i) => base ** at(i), ...where(dtype, device)),
        grad,
        "logspace",
      );
    },
  });
/** Ones on the diagonal of an n × m matrix. @example eye(2) // => [[1, 0], [0, 1]] */
export const eye: Made<[n: number, m?: number | TensorOptions, options?: TensorOptions]> = /*@__PURE__*/ creation({
  torch: "eye",
  params: ["n", "m?: count", ...OPTIONS],
  forward: (n: number, m = n, dtype?: DType, device?: string, grad?: boolean) => {
    const out = rawFull([n, m], 0, ...where(dtype, device));
    if (out.layout.numel > 0) out.diagonal().fill_(1);
    return leaf(new Tensor(out.storage, out.layout, out.dtype), grad, "eye");
  },
});
