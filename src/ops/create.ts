// Tensors from nothing: values, constants, ranges. Random ones are in random.ts.
import { getDefaultDevice, getDevice } from "../core/device.ts";
import { door } from "../core/door.ts";
import {
  category,
  defaultComplex,
  type DType,
  getDefaultDtype,
  isComplex,
  isDifferentiable,
  isDType,
  itemSize,
  numberToBf16,
  numberToF16,
  rawArray,
  toReal,
  type TypedArray,
} from "../core/dtype.ts";
import { ArgumentError, AutogradError, DTypeError, ShapeError, ValueError } from "../core/errors.ts";
import { checkShape, numelOf } from "../core/layout.ts";
import { isTensor, Tensor } from "../core/tensor.ts";
import { rawFull, to } from "./copy.ts";
import { bindArgs, gatherNumbers, jsName, type OpInfo, registry } from "./define.ts";
import { allocate } from "./launch.ts";
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

/** @internal Names a creation function for the registry. */
export function creation<F extends (...args: never[]) => Tensor>(torch: string, f: F): F & { op: OpInfo } {
  const out = Object.assign(door(jsName(torch), f as never) as unknown as F, {
    op: { torch, kind: "primitive", differentiable: false } satisfies OpInfo,
  });
  registry.push(out);
  return out;
}

/** Marks a new tensor as a leaf that wants gradients. */
export function leaf(t: Tensor, requiresGrad: boolean | undefined, op: string): Tensor {
  if (!requiresGrad) return t;
  if (!isDifferentiable(t.dtype))
    throw new AutogradError({ op, message: `a ${t.dtype} tensor cannot require grad`, hint: "Only floating and complex tensors can" });
  t.leafRequiresGrad = true;
  return t;
}

/** @internal Sizes and options of a `f(2, 3, {…})` or `f([2, 3], {…})` call. */
export function sizesAnd(
  op: string,
  args: readonly unknown[],
  extra: readonly string[] = [],
): { shape: readonly number[]; rest: unknown[] } {
  const names = ["size", ...extra, "dtype", "device", "requiresGrad", "layout", "pinMemory", "memoryFormat", "generator"];
  const [shape, ...rest] = bindArgs(op, names, gatherNumbers(args, 0));
  const sizes = shape ?? [];
  if (!Array.isArray(sizes))
    throw new ArgumentError({ op, message: `the size is ${String(shape)}`, hint: "Give sizes as an array or as numbers" });
  return { shape: checkShape(sizes as number[], op), rest };
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
export function tensor(data: NestedList | ArrayBufferView | Tensor, options: TensorOptions = {}): Tensor {
  const device = options.device ?? getDefaultDevice();
  if (options.dtype != null && !isDType(options.dtype))
    throw new DTypeError({ op: "tensor", message: `unknown dtype ${String(options.dtype)}`, hint: 'Use "float32", "int64", …' });
  if (isTensor(data))
    return leaf(copyOf(data, { dtype: options.dtype ?? data.dtype, device, copy: true }).detach(), options.requiresGrad, "tensor");
  if (ArrayBuffer.isView(data))
    return leaf(fromTyped(data as TypedArray, options.dtype ?? undefined, device), options.requiresGrad, "tensor");
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
        message: `${String(x)} (${typeof x}) is not a number`,
        hint: "Use numbers, booleans, bigints or complexScalar(re, im)",
      });
    else kind = Math.max(kind, category(scalarDtype(v)));
    flat.push(v);
  };
  walk(data, 0);
  const dtype = options.dtype ?? (kind === 0 ? "bool" : kind === 1 ? "int64" : kind === 3 ? defaultComplex() : getDefaultDtype());
  const raw = rawArray(dtype, new ArrayBuffer(flat.length * itemSize(dtype)));
  const put = writer(dtype, raw);
  for (let i = 0; i < flat.length; i++) put(i, flat[i]!);
  return leaf(fromRaw(raw, shape, dtype, device), options.requiresGrad, "tensor");
}

const copyOf = door("tensor", to);

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
  const raw = rawArray(dtype, new ArrayBuffer(data.length * itemSize(dtype)));
  const put = writer(dtype, raw);
  for (let i = 0; i < data.length; i++) put(i, data[i]!);
  return raw.buffer as ArrayBuffer;
}

/** `tensor`, but a tensor that already fits is returned as it is. @example asTensor([1, 2]) // => [1, 2] */
export const asTensor = (data: NestedList | ArrayBufferView | Tensor, options: TensorOptions = {}): Tensor =>
  isTensor(data) ? to(data, { dtype: options.dtype ?? data.dtype, device: options.device ?? data.device }) : tensor(data, options);
/** A tensor from a typed array (a copy), PyTorch's `from_numpy`. @example fromNumpy(new Float32Array([1, 2])) // => [1, 2] */
export const fromNumpy = (data: ArrayBufferView): Tensor => tensor(data);
/** A complex number for `tensor` and arithmetic. @example tensor([complexScalar(0, 1)]).square() // => [{ re: -1, im: 0 }] */
export const complexScalar = (re: number, im: number): ComplexScalar => new ComplexScalar(re, im);

const filled = (torch: string, value: number): ((...args: SizeArgs) => Tensor) & { op: OpInfo } =>
  creation(torch, (...args: SizeArgs) => {
    const {
      shape,
      rest: [dtype, device, grad],
    } = sizesAnd(torch, args);
    return leaf(
      rawFull(shape, value, (dtype as DType) ?? getDefaultDtype(), (device as string) ?? getDefaultDevice()),
      grad as boolean,
      torch,
    );
  });
/** Zeros. @example zeros(2) // => [0, 0] */
export const zeros: ((...args: SizeArgs) => Tensor) & { op: OpInfo } = /*@__PURE__*/ filled("zeros", 0);
/** Ones. @example ones(2) // => [1, 1] */
export const ones: ((...args: SizeArgs) => Tensor) & { op: OpInfo } = /*@__PURE__*/ filled("ones", 1);
/** Memory as it comes: contents are undefined. @example empty(2, 3).shape // => [2, 3] */
export const empty: ((...args: SizeArgs) => Tensor) & { op: OpInfo } = /*@__PURE__*/ creation("empty", (...args: SizeArgs) => {
  const {
    shape,
    rest: [dtype, device, grad],
  } = sizesAnd("empty", args);
  return leaf(
    allocate(shape, (dtype as DType) ?? getDefaultDtype(), getDevice((device as string) ?? getDefaultDevice())),
    grad as boolean,
    "empty",
  );
});
/** One value everywhere; integers give int64. @example full([2], 7) // => [7, 7] */
export const full: ((size: readonly number[], fillValue: Scalar, options?: TensorOptions) => Tensor) & { op: OpInfo } =
  /*@__PURE__*/ creation("full", (...args: unknown[]) => {
    const {
      shape,
      rest: [value, dtype, device, grad],
    } = sizesAnd("full", args, ["fillValue"]);
    const v = isTensor(value) ? (value.itemSync() as Scalar) : (value as Scalar);
    if (!isScalar(v)) throw new ArgumentError({ op: "full", message: `fillValue is ${String(v)}`, hint: "Give a number" });
    return leaf(rawFull(shape, v, (dtype as DType) ?? scalarDtype(v), (device as string) ?? getDefaultDevice()), grad as boolean, "full");
  });

const likeNames = ["input", "dtype", "device", "requiresGrad", "layout", "memoryFormat", "pinMemory"];
type Like = ((input: Tensor, options?: TensorOptions) => Tensor) & { op: OpInfo };
const like = (torch: string, make: (shape: readonly number[], dtype: DType, device: string) => Tensor): Like =>
  creation(torch, (...args: unknown[]) => {
    const [x, dtype, device, grad] = bindArgs(torch, likeNames, args) as [Tensor, DType?, string?, boolean?];
    return leaf(make(x.shape, dtype ?? x.dtype, device ?? x.device), grad, torch);
  });
/** Zeros like `input`. @example zerosLike(ones(2)) // => [0, 0] */
export const zerosLike: Like = /*@__PURE__*/ like("zeros_like", (s, d, v) => rawFull(s, 0, d, v));
/** Ones like `input`. @example onesLike(zeros(2)) // => [1, 1] */
export const onesLike: Like = /*@__PURE__*/ like("ones_like", (s, d, v) => rawFull(s, 1, d, v));
/** Memory like `input`'s, contents undefined. @example emptyLike(ones(2, 3)).shape // => [2, 3] */
export const emptyLike: Like = /*@__PURE__*/ like("empty_like", (s, d, v) => allocate(s, d, getDevice(v)));
/** One value everywhere, like `input`. @example fullLike(ones(2), 7) // => [7, 7] */
export const fullLike: ((input: Tensor, fillValue: Scalar, options?: TensorOptions) => Tensor) & { op: OpInfo } = /*@__PURE__*/ creation(
  "full_like",
  (...args: unknown[]) => {
    const [x, value, dtype, device, grad] = bindArgs("fullLike", ["input", "fillValue", ...likeNames.slice(1)], args) as [
      Tensor,
      Scalar,
      DType?,
      string?,
      boolean?,
    ];
    return leaf(
      rawFull(x.shape, isTensor(value) ? ((value as Tensor).itemSync() as Scalar) : value, dtype ?? x.dtype, device ?? x.device),
      grad,
      "fullLike",
    );
  },
);

// Ranges are computed on the host in double and stored once: they are never hot.
function fromValues(n: number, at: (i: number) => number, dtype: DType, device: string): Tensor {
  const raw = rawArray(dtype, new ArrayBuffer(n * itemSize(dtype)));
  const put = writer(dtype, raw);
  for (let i = 0; i < n; i++) put(i, at(i));
  return fromRaw(raw, [n], dtype, device);
}
const range = ["dtype", "device", "requiresGrad", "layout", "pinMemory"];

/** `start, start + step, …` below `end`; integers give int64. @example arange(1, 7, 2) // => [1, 3, 5] */
export const arange: ((
  startOrEnd: number,
  end?: number | TensorOptions,
  step?: number | TensorOptions,
  options?: TensorOptions,
) => Tensor) & {
  op: OpInfo;
} = /*@__PURE__*/ creation("arange", (...args: unknown[]) => {
  const named = args.length > 0 && typeof args[args.length - 1] === "object" ? (args[args.length - 1] as Record<string, unknown>) : {};
  const count = args.filter((a) => isScalar(a)).length;
  const single = count === 1 && !("end" in named && named["end"] !== undefined);
  const [start = 0, end, by = 1, dtype, device, grad] = bindArgs(
    "arange",
    single ? ["end", "start", "step", ...range] : ["start", "end", "step", ...range],
    args,
  ) as [number, number, number, DType?, string?, boolean?];
  const [a, b, step] = (single ? [end ?? 0, start, by] : [start, end, by]).map(Number) as [number, number, number];
  if (![a, b, step].every(Number.isFinite) || step === 0)
    throw new ValueError({ op: "arange", message: `start ${a}, end ${b}, step ${step}`, hint: "All must be finite and the step not zero" });
  if ((b - a) * step < 0) throw new ValueError({ op: "arange", message: `step ${step} leads away from ${b}, starting at ${a}` });
  const n = Math.max(0, Math.ceil((b - a) / step));
  const type = dtype ?? ([a, b, step].every(Number.isInteger) ? "int64" : getDefaultDtype());
  return leaf(
    fromValues(n, (i) => a + i * step, type, device ?? getDefaultDevice()),
    grad,
    "arange",
  );
});
/** `steps` numbers from `start` to `end`, both included. @example linspace(0, 1, 3) // => [0, 0.5, 1] */
export const linspace: ((start: number, end: number, steps: number, options?: TensorOptions) => Tensor) & { op: OpInfo } =
  /*@__PURE__*/ creation("linspace", (...args: unknown[]) => {
    const [start, end, steps, dtype, device, grad] = bindArgs("linspace", ["start", "end", "steps", ...range], args).map((x) =>
      isTensor(x) ? x.itemSync() : x,
    ) as [number, number, number, DType?, string?, boolean?];
    if (!Number.isInteger(steps) || steps < 0)
      throw new ValueError({ op: "linspace", message: `steps is ${steps}`, hint: "It must be an integer >= 0" });
    const type = dtype ?? getDefaultDtype();
    const step = steps > 1 ? (end - start) / (steps - 1) : 0;
    return leaf(
      fromValues(steps, (i) => (i < steps / 2 ? start + step * i : end - step * (steps - 1 - i)), type, device ?? getDefaultDevice()),
      grad,
      "linspace",
    );
  });
/** `steps` numbers from base^start to base^end, evenly spaced in the exponent. @example logspace(0, 2, 3) // => [1, 10, 100] */
export const logspace: ((start: number, end: number, steps: number, base?: number | TensorOptions, options?: TensorOptions) => Tensor) & {
  op: OpInfo;
} = /*@__PURE__*/ creation("logspace", (...args: unknown[]) => {
  const [start, end, steps, base = 10, dtype, device, grad] = bindArgs("logspace", ["start", "end", "steps", "base", ...range], args).map(
    (x) => (isTensor(x) ? x.itemSync() : x),
  ) as [number, number, number, number?, DType?, string?, boolean?];
  const step = steps > 1 ? (end - start) / (steps - 1) : 0;
  return leaf(
    fromValues(
      steps,
      (i) => base ** (i < steps / 2 ? start + step * i : end - step * (steps - 1 - i)),
      dtype ?? getDefaultDtype(),
      device ?? getDefaultDevice(),
    ),
    grad,
    "logspace",
  );
});
/** Ones on the diagonal of an n × m matrix. @example eye(2) // => [[1, 0], [0, 1]] */
export const eye: ((n: number, m?: number | TensorOptions, options?: TensorOptions) => Tensor) & { op: OpInfo } = /*@__PURE__*/ creation(
  "eye",
  (...args: unknown[]) => {
    const [n, m = n, dtype, device, grad] = bindArgs("eye", ["n", "m", ...range], args) as [number, number?, DType?, string?, boolean?];
    const cols = m as number;
    checkShape([n, cols], "eye");
    const out = rawFull([n, cols], 0, dtype ?? getDefaultDtype(), device ?? getDefaultDevice());
    if (numelOf([n, cols]) > 0) out.diagonal().fill_(1);
    return leaf(new Tensor(out.storage, out.layout, out.dtype), grad, "eye");
  },
);
