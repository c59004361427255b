// The types of Tensor's methods: those of every op whose first argument is a tensor, and what Tensors can do besides.
import type { BackwardOptions } from "../autograd/backward.ts";
import type { GradHook, Node } from "../autograd/node.ts";
import type { DType, TypedArray } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import type * as copies from "./copy.ts";
import type * as creation from "./create.ts";
import type * as host from "./host.ts";
import type * as indexing from "./indexing/index.ts";
import type * as joins from "./join.ts";
import type * as products from "./matmul.ts";
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
    OpsOf<typeof spectra> {}

/** What a Tensor can do besides the ops of the tables. */
export interface OwnMethods {
  max<A extends [] | [Tensor] | [dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean | { keepdim?: boolean }]>(
    ...args: A
  ): A extends [] | [Tensor] ? Tensor : reductions.ValuesIndices;
  min<A extends [] | [Tensor] | [dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean | { keepdim?: boolean }]>(
    ...args: A
  ): A extends [] | [Tensor] ? Tensor : reductions.ValuesIndices;
  median<A extends [] | [dim: number | { dim: number; keepdim?: boolean }, keepdim?: boolean | { keepdim?: boolean }]>(
    ...args: A
  ): A extends [] ? Tensor : reductions.ValuesIndices;
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
