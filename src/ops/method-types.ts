// The types of Tensor's methods: those of every op whose first argument is a tensor, and what Tensors can do besides.
import type { BackwardOptions } from "../autograd/backward.ts";
import type { GradHook, Node } from "../autograd/node.ts";
import type { DType, TypedArray } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import type * as copies from "./copy.ts";
import type * as creation from "./create.ts";
import type * as host from "./host.ts";
import type * as indexing from "./indexing/index.ts";
import type * as algebra from "./linalg/top.ts";
import type * as joins from "./join.ts";
import type * as products from "./matmul.ts";
import type { ALIASES, COMPUTED_ASIDE, VIEWS_IN_PLACE } from "./method-tables.ts";
import type * as elementwise from "./pointwise/index.ts";
import type { Scalar, TensorLike } from "./promote.ts";
import type * as random from "./random.ts";
import type * as reductions from "./reduce/index.ts";
import type * as shapes from "./shape/index.ts";
import type * as softmaxes from "./softmax.ts";
import type * as extra from "./extra.ts";
import type * as spectra from "./stft.ts";

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

/** The ops of the tables as methods. */
export interface Methods
  extends OpsOf<typeof elementwise>,
    TwinsOf<typeof elementwise>,
    OpsOf<typeof shapes>,
    OpsOf<typeof copies>,
    OpsOf<Omit<typeof reductions, "max" | "min" | "median">>,
    OpsOf<typeof products>,
    OpsOf<typeof indexing>,
    OpsOf<typeof joins>,
    OpsOf<typeof softmaxes>,
    OpsOf<typeof extra>,
    OpsOf<typeof spectra>,
    OpsOf<typeof algebra> {}

type Aliases = typeof ALIASES;
type WithTwin = (typeof COMPUTED_ASIDE)[number] | (typeof VIEWS_IN_PLACE)[number];
type Derived = { [K in keyof Aliases]: Methods[Aliases[K]] } & { [K in keyof Aliases as `${K}_`]: Methods[`${Aliases[K]}_`] } & {
  [K in WithTwin as `${K}_`]: Methods[K];
};
/** Methods made of other methods. */
export interface DerivedMethods extends Derived {}

/** Options of the method `backward`. */
export interface BackwardMethodOptions extends BackwardOptions {
  /** The gradient to start from; 1 for tensors of one element where absent. */
  readonly gradient?: Tensor | null;
}
/** What a Tensor can do besides the ops of the tables. */
export interface OwnMethods {
  /** The greatest element; with a tensor the elementwise maximum, with a dimension values and indices. */
  max<A extends [] | [Tensor] | [dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean | { keepdim?: boolean }]>(
    ...args: A
  ): A extends [] | [Tensor] ? Tensor : reductions.ValuesIndices;
  /** The least element; with a tensor the elementwise minimum, with a dimension values and indices. */
  min<A extends [] | [Tensor] | [dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean | { keepdim?: boolean }]>(
    ...args: A
  ): A extends [] | [Tensor] ? Tensor : reductions.ValuesIndices;
  /** The middle element (the lower of two); with a dimension values and indices. */
  median<A extends [] | [dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean | { keepdim?: boolean }]>(
    ...args: A
  ): A extends [] ? Tensor : reductions.ValuesIndices;
  /** `this` where `condition` is true, `other` elsewhere. */
  where(condition: Tensor, other: TensorLike): Tensor;
  /** The tensor with another dtype or on another device. */
  to(target: DType | string | Tensor | copies.ToOptions, ...more: (DType | boolean | copies.ToOptions)[]): Tensor;
  /** Writes `source`, broadcast and cast. @throws ShapeError, AutogradError */
  copy_(source: TensorLike): Tensor;
  /** Writes one value everywhere. @throws ArgumentError */
  fill_(value: TensorLike): Tensor;
  /** Writes zeros. */
  zero_(): Tensor;
  /** `x[…]` of Python; see `torch.index`. @throws IndexError */
  index(...args: indexing.Index[]): Tensor;
  /** `x[…] = value` of Python; the last argument is the value. @throws IndexError, ShapeError */
  setIndex(...args: [...index: indexing.Index[], value: TensorLike]): Tensor;
  /** A copy with `values` at the positions that index tensors name. @throws IndexError */
  indexPut(indices: readonly (Tensor | null)[], values: TensorLike, accumulate?: boolean | { accumulate?: boolean }): Tensor;
  /** Writes (or adds) `values` at the positions that index tensors name. @throws IndexError, AutogradError */
  indexPut_(indices: readonly (Tensor | null)[], values: TensorLike, accumulate?: boolean | { accumulate?: boolean }): Tensor;
  /** Writes uniform values in [from, to), default [0, 1). @throws ValueError */
  uniform_(from?: number | random.RandomOptions, to?: number | random.RandomOptions, options?: random.RandomOptions): Tensor;
  /** Writes normal values, default mean 0 and std 1. @throws ValueError */
  normal_(mean?: number | random.RandomOptions, std?: number | random.RandomOptions, options?: random.RandomOptions): Tensor;
  /** Writes exponential values with rate `lambd` (default 1). @throws ValueError */
  exponential_(lambd?: number | random.RandomOptions, options?: random.RandomOptions): Tensor;
  /** Writes 1 with probability `p` (default 0.5), else 0. @throws ValueError */
  bernoulli_(p?: number | Tensor | random.RandomOptions, options?: random.RandomOptions): Tensor;
  /** Writes integers in [from, to). */
  random_(from?: number | random.RandomOptions, to?: number | random.RandomOptions, options?: random.RandomOptions): Tensor;
  /** 1 with the probability that each element holds, else 0. @throws ValueError */
  bernoulli(p?: number | random.RandomOptions, options?: random.RandomOptions): Tensor;
  /** Indices drawn with the weights in the rows, int64. @throws ValueError */
  multinomial(numSamples: number, replacement?: boolean | random.RandomOptions, options?: random.RandomOptions): Tensor;
  /** The value of a one-element tensor. */
  item<T extends host.Item = number>(): Promise<T>;
  /** The same, waiting for the device; throws where a device cannot wait. */
  itemSync<T extends host.Item = number>(): T;
  /** Nested arrays of the values, PyTorch's name for `toArray`. */
  tolist(): Promise<host.Nested>;
  /** `toArray`, waiting for the device. */
  toArraySync(): host.Nested;
  /** Nested arrays of the values: numbers, booleans, `{ re, im }`; int64 as numbers. @throws ValueError for integers that no number holds */
  toArray(): Promise<host.Nested>;
  /** The elements in row-major order as a typed array (a copy): int64 as BigInt64Array, 16-bit floats as Float32Array, complex interleaved. */
  data(): Promise<TypedArray>;
  /** `data`, waiting for the device. */
  dataSync(): TypedArray;
  /** The elements as a typed array, PyTorch's `numpy()` (a copy). */
  numpy(): Promise<TypedArray>;
  /** Computes gradients of all leaves. The seed may be left out for one-element tensors. */
  backward(gradient?: Tensor | null | BackwardMethodOptions, options?: BackwardOptions): void;
  /** Runs `fn` on this tensor's gradient; returns a function that removes the hook. */
  registerHook(fn: GradHook): () => void;
  /** Keeps the gradient of a computed tensor in `grad`. */
  retainGrad(): Tensor;
  /** Makes it a leaf that collects gradients, or not. @throws DTypeError, AutogradError */
  requiresGrad_(on?: boolean): Tensor;
  /** Takes it out of the graph. */
  detach_(): Tensor;
  /** A second tensor over the same memory and history. */
  alias(): Tensor;
  /** All sizes, or that of one dimension. */
  size(): readonly number[];
  size(dim: number): number;
  /** The number of dimensions. */
  dim(): number;
  /** The number of elements. */
  numel(): number;
  /** Distances of neighbours in elements: of all dimensions, or of one. */
  stride(): readonly number[];
  stride(dim: number): number;
  /** Where it begins in its storage, in elements. */
  storageOffset(): number;
  /** Bytes of an element. */
  elementSize(): number;
  /** Do the elements lie in row-major order without gaps? */
  isContiguous(): boolean;
  /** Is the dtype a floating one? */
  isFloatingPoint(): boolean;
  /** Is the dtype a complex one? */
  isComplex(): boolean;
  /** Cast to the dtype of `other`. */
  typeAs(other: Tensor): Tensor;
  /** Cast to float32. */
  float(): Tensor;
  /** Cast to float64. */
  double(): Tensor;
  /** Cast to float16. */
  half(): Tensor;
  /** Cast to bfloat16. */
  bfloat16(): Tensor;
  /** Cast to int64. */
  long(): Tensor;
  /** Cast to int32. */
  int(): Tensor;
  /** Cast to int16. */
  short(): Tensor;
  /** Cast to int8. */
  char(): Tensor;
  /** Cast to uint8. */
  byte(): Tensor;
  /** Cast to bool. */
  bool(): Tensor;
  /** Cast to complex64. */
  cfloat(): Tensor;
  /** Cast to complex128. */
  cdouble(): Tensor;
  /** The tensor on the CPU. */
  cpu(): Tensor;
  /** Zeros with its dtype and on its device, unless options say otherwise. */
  newZeros(...size: creation.SizeArgs): Tensor;
  /** Ones with its dtype and on its device. */
  newOnes(...size: creation.SizeArgs): Tensor;
  /** Memory as it comes, with its dtype and on its device. */
  newEmpty(...size: creation.SizeArgs): Tensor;
  /** One value everywhere, with its dtype and on its device. */
  newFull(size: readonly number[], value: Scalar, options?: creation.TensorOptions): Tensor;
  /** A tensor of `data` with its dtype and on its device. */
  newTensor(data: creation.NestedList, options?: creation.TensorOptions): Tensor;
  /** The values as PyTorch prints them. */
  toString(): string;
  /** The node that computes the gradient, null for leaves. */
  readonly gradFn: Node | null;
  /** All dimensions in reverse order (a matrix transposed). */
  readonly T: Tensor;
  /** The last two dimensions swapped. */
  readonly mT: Tensor;
  /** The conjugate transpose of a matrix. */
  readonly H: Tensor;
  /** The last two dimensions swapped, conjugated. */
  readonly mH: Tensor;
  /** The real part (a view); the tensor itself where it is real. */
  readonly real: Tensor;
  /** The imaginary part (a view). */
  readonly imag: Tensor;
}
