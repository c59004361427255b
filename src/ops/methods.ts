// Puts the ops on Tensor: every op whose first argument is a tensor becomes a method, every pointwise one also `name_`.
import { provideArithmetic } from "../autograd/arithmetic.ts";
import { backward, type BackwardOptions } from "../autograd/backward.ts";
import { checkInplace, edgeOf, nodeOf } from "../autograd/graph.ts";
import type { GradHook, Node } from "../autograd/node.ts";
import { type DType, isComplex, isDifferentiable, isFloating, itemSize, type TypedArray } from "../core/dtype.ts";
import { AutogradError, DTypeError, showShape } from "../core/errors.ts";
import { isTensor, Tensor } from "../core/tensor.ts";
import * as copies from "./copy.ts";
import * as creation from "./create.ts";
import type { Op } from "./define.ts";
import * as host from "./host.ts";
import * as indexing from "./index.ts";
import * as joins from "./join.ts";
import * as products from "./matmul.ts";
import * as elementwise from "./pointwise.ts";
import * as activations from "./activation.ts";
import type { Scalar, TensorLike } from "./promote.ts";
import * as random from "./random.ts";
import * as reductions from "./reduce.ts";
import * as shapes from "./shape.ts";
import * as softmaxes from "./softmax.ts";
import * as extra from "./extra.ts";
import * as spectra from "./stft.ts";

// The conditions look only at the brands: comparing signatures would ask what a Tensor is while it is being defined.
type OpsOf<M> = {
  [K in keyof M as M[K] extends { readonly method: true } ? K : never]: M[K] extends (input: infer _I, ...args: infer A) => infer R
    ? (...args: A) => R
    : never;
};
type TwinsOf<M> = {
  [K in keyof M as M[K] extends { readonly twin: true } ? `${K & string}_` : never]: M[K] extends (
    input: infer _I,
    ...args: infer A
  ) => infer R
    ? (...args: A) => R
    : never;
};

interface Methods
  extends OpsOf<Omit<typeof elementwise, "whereFormula">>,
    TwinsOf<typeof elementwise>,
    OpsOf<typeof shapes>,
    OpsOf<typeof copies>,
    OpsOf<Omit<typeof reductions, "max" | "min" | "median" | "varianceOp">>,
    OpsOf<Omit<typeof products, "mmOp">>,
    OpsOf<typeof indexing>,
    OpsOf<typeof joins>,
    OpsOf<typeof softmaxes>,
    OpsOf<typeof extra>,
    OpsOf<typeof spectra> {}

/** What a Tensor can do besides the ops of the tables. */
interface OwnMethods {
  max<A extends [] | [Tensor] | [dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean | { keepdim?: boolean }]>(
    ...args: A
  ): A extends [] | [Tensor] ? Tensor : reductions.ValuesIndices;
  min<A extends [] | [Tensor] | [dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean | { keepdim?: boolean }]>(
    ...args: A
  ): A extends [] | [Tensor] ? Tensor : reductions.ValuesIndices;
  median<A extends [] | [dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean | { keepdim?: boolean }]>(
    ...args: A
  ): A extends [] ? Tensor : reductions.ValuesIndices;
  /** Variance. */
  var(dim?: shapes.Dims | boolean | reductions.VarOptions, unbiased?: boolean | reductions.VarOptions, keepdim?: boolean): Tensor;
  /** Product of two matrices. */
  mm(other: Tensor): Tensor;
  /** `this` where `condition` is true, `other` elsewhere. */
  where(condition: Tensor, other: TensorLike): Tensor;
  /** The tensor with another dtype or on another device. */
  to(target: DType | string | Tensor | copies.ToOptions, second?: DType | copies.ToOptions): Tensor;
  copy_(source: TensorLike): Tensor;
  fill_(value: TensorLike): Tensor;
  zero_(): Tensor;
  asStrided(size: readonly number[], stride: readonly number[], storageOffset?: number | null): Tensor;
  index(...args: indexing.Index[]): Tensor;
  setIndex(...args: [...index: indexing.Index[], value: TensorLike]): Tensor;
  indexPut(indices: readonly (Tensor | null)[], values: TensorLike, accumulate?: boolean | { accumulate?: boolean }): Tensor;
  indexPut_(indices: readonly (Tensor | null)[], values: TensorLike, accumulate?: boolean | { accumulate?: boolean }): Tensor;
  uniform_(from?: number | random.RandomOptions, to?: number | random.RandomOptions, options?: random.RandomOptions): Tensor;
  normal_(mean?: number | random.RandomOptions, std?: number | random.RandomOptions, options?: random.RandomOptions): Tensor;
  exponential_(lambd?: number | random.RandomOptions, options?: random.RandomOptions): Tensor;
  bernoulli_(p?: number | Tensor | random.RandomOptions, options?: random.RandomOptions): Tensor;
  random_(from?: number | random.RandomOptions, to?: number | random.RandomOptions, options?: random.RandomOptions): Tensor;
  bernoulli(p?: number | random.RandomOptions, options?: random.RandomOptions): Tensor;
  multinomial(numSamples: number, replacement?: boolean | random.RandomOptions, options?: random.RandomOptions): Tensor;
  /** The value of a one-element tensor. */
  item<T extends host.Item = number>(): Promise<T>;
  /** The same, waiting for the device; throws where a device cannot wait. */
  itemSync<T extends host.Item = number>(): T;
  /** Nested arrays of the values, PyTorch's name for `toArray`. */
  tolist(): Promise<host.Nested>;
  toArraySync(): host.Nested;
  toArray(): Promise<host.Nested>;
  data(): Promise<TypedArray>;
  dataSync(): TypedArray;
  /** The elements as a typed array, PyTorch's `numpy()` (a copy). */
  numpy(): Promise<TypedArray>;
  /** Computes gradients of all leaves. The seed may be left out for one-element tensors. */
  backward(gradient?: Tensor | null | BackwardOptions, options?: BackwardOptions): void;
  /** Runs `fn` on this tensor's gradient; returns a function that removes the hook. */
  registerHook(fn: GradHook): () => void;
  /** Keeps the gradient of a computed tensor in `grad`. */
  retainGrad(): Tensor;
  requiresGrad_(on?: boolean): Tensor;
  detach_(): Tensor;
  /** A second tensor over the same memory and history. */
  alias(): Tensor;
  size(): readonly number[];
  size(dim: number): number;
  dim(): number;
  numel(): number;
  stride(): readonly number[];
  stride(dim: number): number;
  storageOffset(): number;
  elementSize(): number;
  isContiguous(): boolean;
  isFloatingPoint(): boolean;
  isComplex(): boolean;
  typeAs(other: Tensor): Tensor;
  float(): Tensor;
  double(): Tensor;
  half(): Tensor;
  bfloat16(): Tensor;
  long(): Tensor;
  int(): Tensor;
  short(): Tensor;
  char(): Tensor;
  byte(): Tensor;
  bool(): Tensor;
  cpu(): Tensor;
  newZeros(...size: creation.SizeArgs): Tensor;
  newOnes(...size: creation.SizeArgs): Tensor;
  newEmpty(...size: creation.SizeArgs): Tensor;
  newFull(size: readonly number[], value: Scalar, options?: creation.TensorOptions): Tensor;
  newTensor(data: creation.NestedList, options?: creation.TensorOptions): Tensor;
  scatter_(dim: number, index: Tensor, src: TensorLike, options?: { reduce?: "add" | "multiply" }): Tensor;
  scatterAdd_(dim: number, index: Tensor, src: Tensor): Tensor;
  indexAdd_(dim: number, index: Tensor, source: Tensor, options?: { alpha?: number }): Tensor;
  indexFill_(dim: number, index: Tensor, value: TensorLike): Tensor;
  indexCopy_(dim: number, index: Tensor, source: Tensor): Tensor;
  toString(): string;
  /** The node that computes the gradient, null for leaves. */
  readonly gradFn: Node | null;
  /** Both last dimensions swapped. */
  readonly T: Tensor;
  readonly mT: Tensor;
  readonly H: Tensor;
  readonly mH: Tensor;
  /** The real part (a view); the tensor itself where it is real. */
  readonly real: Tensor;
  /** The imaginary part (a view). */
  readonly imag: Tensor;
}

declare module "../core/tensor.ts" {
  interface Tensor extends Methods, OwnMethods {}
}

const proto = Tensor.prototype as unknown as Record<string, unknown>;
const method = (name: string, f: (x: Tensor, ...args: never[]) => unknown): void => {
  Object.defineProperty(proto, name, {
    value(this: Tensor, ...args: never[]) {
      return f(this, ...args);
    },
    writable: true,
    configurable: true,
  });
};
const getter = (name: string, f: (x: Tensor) => unknown): void => {
  Object.defineProperty(proto, name, {
    get(this: Tensor) {
      return f(this);
    },
    configurable: true,
  });
};

// ---- ops from the tables
const rename: Record<string, string> = { whereFormula: "where", varianceOp: "var", mmOp: "mm" };
for (const module of [elementwise, activations, shapes, copies, reductions, products, indexing, joins, softmaxes, extra, spectra]) {
  for (const [key, value] of Object.entries(module)) {
    if (typeof value !== "function" || !("op" in value)) continue;
    const f = value as unknown as Op<never[]>;
    const name = rename[key] ?? key;
    if (!f.method || f.op.torch.startsWith("nn.functional.")) continue;
    method(name, f as never);
    if (f.op.inplace) method(`${name}_`, f.op.inplace as never);
  }
}
for (const name of ["to", "copy_", "fill_", "zero_"] as const) method(name, copies[name] as never);
for (const name of ["uniform_", "normal_", "exponential_", "bernoulli_", "random_", "bernoulli", "multinomial"] as const)
  method(name, random[name] as never);
for (const name of ["index", "setIndex", "indexPut", "indexPut_"] as const) method(name, indexing[name] as never);
method("asStrided", shapes.asStrided as never);
for (const name of ["relu", "sigmoid"] as const) method(name, elementwise[name] as never);

// In-place forms of ops that are no formulas: computed aside, then taken over with their history.
const inplaceOf = (name: string, f: (x: Tensor, ...args: never[]) => Tensor): void => {
  method(`${name}_`, (x, ...args) => {
    checkInplace(`${name}_`, x);
    return indexing.overwrite(x, f(x.alias(), ...args));
  });
};
const table = proto as unknown as Record<string, (this: Tensor, ...args: unknown[]) => Tensor>;
for (const name of [
  "scatter",
  "scatterAdd",
  "indexAdd",
  "indexFill",
  "indexCopy",
  "cumsum",
  "cumprod",
  "tril",
  "triu",
  "addmm",
  "addmv",
  "baddbmm",
  "addbmm",
  "addr",
  "maskedScatter",
  "put",
  "indexReduce",
  "scatterReduce",
  "renorm",
]) {
  if (table[name]) inplaceOf(name, (x, ...args) => table[name]!.call(x, ...(args as unknown[])));
}
// In-place views re-point the tensor itself.
for (const name of ["squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims"]) {
  if (table[name])
    method(`${name}_`, (x, ...args) => {
      const v = table[name]!.call(x, ...(args as unknown[]));
      Object.assign(x, { layout: v.layout, node: v.node, outputIndex: v.outputIndex });
      return x;
    });
}

// PyTorch's second names.
const aliases: Record<string, string> = {
  multiply: "mul",
  subtract: "sub",
  divide: "div",
  trueDivide: "div",
  absolute: "abs",
  negative: "neg",
  arccos: "acos",
  arcsin: "asin",
  arctan: "atan",
  arctan2: "atan2",
  arccosh: "acosh",
  arcsinh: "asinh",
  arctanh: "atanh",
  notEqual: "ne",
  less: "lt",
  lessEqual: "le",
  greater: "gt",
  greaterEqual: "ge",
  clip: "clamp",
  fix: "trunc",
};
for (const [name, of] of Object.entries(aliases)) {
  for (const end of ["", "_"]) Object.defineProperty(proto, name + end, { value: proto[of + end], writable: true, configurable: true });
}

// ---- host
method("item", host.item as never);
method("itemSync", host.itemSync as never);
method("tolist", host.toArray as never);
method("toArraySync", host.toArraySync as never);
method("toArray", host.toArray as never);
method("data", host.data as never);
method("dataSync", host.dataSync as never);
method("numpy", host.data as never);
method("toString", (x) => host.toText(x));
Object.defineProperty(proto, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Tensor) {
    return host.toText(this);
  },
});

// ---- autograd
method("backward", ((x: Tensor, gradient?: Tensor | null | BackwardOptions, options?: BackwardOptions) => {
  const seed = isTensor(gradient) ? gradient : null;
  backward(x, seed, options ?? (isTensor(gradient) ? {} : (gradient ?? {})));
}) as never);
method("registerHook", ((x: Tensor, fn: GradHook) => {
  const edge = edgeOf(x);
  if (!edge)
    throw new AutogradError({
      op: "registerHook",
      message: `a tensor of shape ${showShape(x.shape)} that does not require grad has no gradient to watch`,
      hint: "Set requiresGrad first",
    });
  const hook = { index: edge.index, fn };
  (edge.node.hooks ??= []).push(hook);
  return () => {
    edge.node.hooks = edge.node.hooks?.filter((h) => h !== hook) ?? null;
  };
}) as never);
method("retainGrad", (x) => {
  const node = nodeOf(x);
  if (!x.requiresGrad) throw new AutogradError({ op: "retainGrad", message: "the tensor does not require grad" });
  if (node) (node.retained ??= []).push({ index: x.outputIndex, tensor: x });
  return x;
});
method("requiresGrad_", ((x: Tensor, on = true) => {
  if (on && !isDifferentiable(x.dtype))
    throw new DTypeError({
      op: "requiresGrad_",
      message: `a ${x.dtype} tensor cannot require grad`,
      hint: "Only floating and complex tensors can",
    });
  if (!on && x.node) throw new AutogradError({ op: "requiresGrad_", message: "only leaves can be switched off", hint: "Use detach()" });
  if (!x.node) x.leafRequiresGrad = on;
  return x;
}) as never);
method("detach_", (x) => {
  x.node = null;
  x.leafRequiresGrad = false;
  x.viewOf = null;
  return x;
});
method("alias", (x) => shapes.view(x, x.shape as number[]));
getter("gradFn", nodeOf);

// ---- facts
method("size", ((x: Tensor, dim?: number) => (dim === undefined ? x.shape : x.shape.at(dim))) as never);
method("dim", (x) => x.ndim);
method("numel", (x) => x.layout.numel);
method("stride", ((x: Tensor, dim?: number) => (dim === undefined ? x.layout.strides : x.layout.strides.at(dim))) as never);
method("storageOffset", (x) => x.layout.offset);
method("elementSize", (x) => itemSize(x.dtype));
method("isContiguous", (x) => x.layout.contiguous);
method("isFloatingPoint", (x) => isFloating(x.dtype));
method("isComplex", (x) => isComplex(x.dtype));
method("typeAs", ((x: Tensor, o: Tensor) => copies.to(x, o.dtype)) as never);
const casts: Record<string, DType> = {
  float: "float32",
  double: "float64",
  half: "float16",
  bfloat16: "bfloat16",
  long: "int64",
  int: "int32",
  short: "int16",
  char: "int8",
  byte: "uint8",
  bool: "bool",
  cfloat: "complex64",
  cdouble: "complex128",
};
for (const [name, dtype] of Object.entries(casts)) method(name, (x) => copies.to(x, dtype));
method("cpu", (x) => copies.to(x, "cpu"));
const withOptions = (x: Tensor, args: unknown[]): unknown[] => {
  const last = args.at(-1);
  const given = typeof last === "object" && last !== null && !Array.isArray(last) ? (last as object) : {};
  return [...(given === last ? args.slice(0, -1) : args), { dtype: x.dtype, device: x.device, ...given }];
};
for (const name of ["zeros", "ones", "empty", "full", "tensor"] as const) {
  method(`new${name[0]!.toUpperCase()}${name.slice(1)}`, (x, ...args) =>
    (creation[name] as (...a: unknown[]) => Tensor)(...withOptions(x, args)),
  );
}
getter("T", (x) =>
  x.ndim < 2
    ? x
    : shapes.permute(
        x,
        x.shape.map((_, d) => x.ndim - 1 - d),
      ),
);
getter("mT", (x) => shapes.transpose(x, -2, -1));
getter("H", (x) => (x.ndim < 2 ? x : shapes.transpose(x, 0, 1).conj()));
getter("mH", (x) => shapes.transpose(x, -2, -1).conj());
getter("real", (x) => (isComplex(x.dtype) ? shapes.select(shapes.viewAsReal(x), -1, 0) : x));
getter("imag", (x) => {
  if (!isComplex(x.dtype))
    throw new DTypeError({ op: "imag", message: `${x.dtype} has no imaginary part`, hint: "Only complex tensors do" });
  return shapes.select(shapes.viewAsReal(x), -1, 1);
});

// ---- what the engine needs
provideArithmetic({
  add: (a, b) => elementwise.add(a, b),
  accumulate_: (into, g) => {
    elementwise.add.op.inplace!(into, g.detach());
  },
  clone: (t) => copies.rawCopy(t),
  onesLike: (t) => creation.onesLike(t),
  zerosLike: (t) => creation.zerosLike(t),
  fit: (g, like) => copies.fitTo(g, like.shape, like.dtype),
  asStridedBackward: (g, base, part) => shapes.asStridedBackward(g, base.layout, part.layout),
  window: (g, base, part) => {
    // The gradient laid out with the base's strides in a buffer of its own, so that the window can be found in it.
    const l = base.layout;
    let low = l.offset;
    let high = l.offset;
    l.shape.forEach((n, d) => {
      const span = (n - 1) * l.strides[d]!;
      if (span < 0) low += span;
      else high += span;
    });
    const flat = creation.zeros([high - low + 1], { dtype: g.dtype, device: g.device });
    const whole = flat.asStrided(l.shape, l.strides, l.offset - low);
    whole.copy_(g);
    return { whole, part: flat.asStrided(part.layout.shape, part.layout.strides, part.layout.offset - low) };
  },
  copy_: (into, from) => {
    copies.copy_(into, from);
  },
  hasNaN: (t) => elementwise.isnan(t.detach()).any().itemSync<boolean>(),
});
