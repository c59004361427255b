// Kernel specs: what a backend is asked to do, as plain data. Operands carry their own layouts, so a spec says only
// what cannot be read off them. Outputs are written in full; they never overlap inputs except elementwise in place
// (same layout). Shapes are already broadcast: an operand that is stretched has stride 0 there.
import type { DType } from "../core/dtype.ts";
import type { Layout } from "../core/layout.ts";
import type { Generator } from "../core/rng.ts";
import type { Storage } from "../core/storage.ts";
import type { Expr } from "./expr.ts";

/** What a kernel reads or writes: a strided window on a storage. Tensors are operands. */
export interface Operand {
  readonly storage: Storage;
  readonly layout: Layout;
  readonly dtype: DType;
}

/**
 * The number type in which a kernel computes: f32 for float16/bfloat16/float32, f64, i64 for all integers and bool,
 * c64/c128. Every load converts the operand's dtype to the lane, every store converts the lane to the output's dtype
 * (to bool: non-zero is 1; to an integer: truncate and wrap, the smallest number for what int64, or int32 there, cannot hold;
 * to a real from complex: the real part).
 */
export type Lane = "f32" | "f64" | "i64" | "c64" | "c128";

/** `outs[k][i] = exprs[k](ins…[i], params…)`; all operands have the shape of the outputs. */
export interface PointwiseSpec {
  readonly kind: "pointwise";
  readonly id: number;
  readonly exprs: readonly Expr[];
  readonly lane: Lane;
}

/** Associative reductions. `max`/`min` propagate NaN; `any`/`all` read truth values. Empty: sum 0, prod 1, any 0, all 1. */
export type ReduceOp = "sum" | "prod" | "max" | "min" | "any" | "all";

/**
 * `out = post(reduce(op, pre(ins…, params…)), params…)` over the dimensions where the output has size 1 and the inputs
 * do not (the output keeps the rank). `post` reads the accumulated value as input 0. Sums of floats must not lose
 * accuracy with length (pairwise, blocked or wider accumulation).
 */
export interface ReduceSpec {
  readonly kind: "reduce";
  readonly id: number;
  readonly op: ReduceOp;
  readonly pre: Expr;
  readonly post: Expr | null;
  readonly lane: Lane;
}

/** outs = [values, int64 indices], size 1 at `dim`; the first extreme wins, NaN is extreme. */
export interface ArgReduceSpec {
  readonly kind: "argReduce";
  readonly op: "max" | "min";
  readonly dim: number;
}

/** Inclusive scan along `dim`. `max`/`min` have a second output: the int64 index of the last extreme so far (ties: later). */
export interface ScanSpec {
  readonly kind: "scan";
  readonly op: "sum" | "prod" | "max" | "min" | "logaddexp";
  readonly dim: number;
  /** From the end to the beginning? For sums and products. */
  readonly reverse?: boolean;
}

/**
 * `out[b,m,n] = Σ_k a[b,m,k] · b[b,k,n]`, ins = [a, b] or [a, b, bias] with bias of shape [n]. All have rank 3 with any
 * strides (batch stride 0 = shared). With `accumulate`, added to what is in `out`.
 */
export interface MatmulSpec {
  readonly kind: "matmul";
  readonly accumulate: boolean;
  readonly bias: boolean;
}

/**
 * ins = [src, idx_0, …, idx_{K-1}], all of the shape of `out` (strides 0 where they do not vary);
 * params = [size_0, stride_0, …]. `out[i] = src.storage[src(i) + Σ_k wrap(idx_k[i], size_k) · stride_k]`,
 * where wrap adds `size` to negative indices. An index outside [-size, size) throws IndexError and writes nothing. Of a size that
 * is given as -size, no index may be negative.
 * Covers gather, indexSelect, embedding and advanced indexing. Indices are int64 or int32.
 */
export interface GatherSpec {
  readonly kind: "gather";
}

/**
 * ins = [src, idx_0, …]; the mirror image: `out.storage[out(i) + Σ_k wrap(idx_k[i], size_k) · stride_k] (mode)= src[i]`
 * over the shape of `src`. `out`'s layout has the rank of `src` (stride 0 along indexed dimensions, sizes as in src).
 * Deterministic: contributions are applied in row-major order of `src`.
 */
export interface ScatterSpec {
  readonly kind: "scatter";
  readonly mode: "set" | "add" | "mul" | "max" | "min";
  /** Nothing in `out` must survive an IndexError, so indices may be checked while it is written. */
  readonly fresh?: boolean;
}

/** `out = cast(in)`, any strides on both sides. */
export interface CopySpec {
  readonly kind: "copy";
}

/** outs = [values, int64 indices]; NaN sorts as greatest. Stable always. */
export interface SortSpec {
  readonly kind: "sort";
  readonly dim: number;
  readonly descending: boolean;
}

/** outs = [values, int64 indices] with size k at `dim`; best first (ties: lower index first). */
export interface TopkSpec {
  readonly kind: "topk";
  readonly dim: number;
  readonly k: number;
  readonly largest: boolean;
}

/**
 * Convolution over `stride.length` spatial dimensions, PyTorch layouts: x [N, Cin, …], w [Cout, Cin/groups, …], y [N, Cout, …].
 * forward: ins [x, w] or [x, w, bias] → y. input: ins [gy, w] → gx. weight: ins [gy, x] → gw.
 */
export interface ConvSpec {
  readonly kind: "conv";
  readonly pass: "forward" | "input" | "weight";
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

/**
 * Pooling of x [N, C, …spatial]. max: outs [y, int64 flat spatial indices] (first maximum wins, the last NaN wins over all);
 * avg: outs [y]. Output sizes are read off the output (they include ceilMode).
 * avg backward: ins [gy] → gx. Max backward is a scatter by the indices.
 */
export interface PoolSpec {
  readonly kind: "pool";
  readonly op: "max" | "avg" | "avgBackward";
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly countIncludePad: boolean;
  readonly divisor: number | null;
  /** Windows of adaptive pooling: output i covers [floor(i·in/out), ceil((i+1)·in/out)); kernel, stride and padding are ignored. */
  readonly adaptive: boolean;
}

/**
 * Fills `out` (contiguous) with the generator's next draws, which moves on: what `core/rng.ts` says, element by element.
 * params: uniform [from, to], normal [mean, std], exponential [rate], bernoulli [p], integers [low, high], permutation [] (int64).
 */
export interface RandomSpec {
  readonly kind: "random";
  readonly op: "uniform" | "normal" | "exponential" | "bernoulli" | "integers" | "permutation";
  readonly generator: Generator;
}

/**
 * A kernel that a backend may offer under a name because it is faster than the composition it stands for.
 * Operands and params are the business of the op entry that asks and of the backends that answer; see `kernel/fused.ts`.
 */
export interface FusedSpec {
  readonly kind: "fused";
  readonly name: string;
}

/** Everything that can be asked of a backend. */
export type KernelSpec =
  | PointwiseSpec
  | ReduceSpec
  | ArgReduceSpec
  | ScanSpec
  | MatmulSpec
  | GatherSpec
  | ScatterSpec
  | CopySpec
  | SortSpec
  | TopkSpec
  | ConvSpec
  | PoolSpec
  | RandomSpec
  | FusedSpec;

/** The kinds that every backend has. */
export type RequiredKind = "pointwise" | "reduce" | "argReduce" | "scan" | "matmul" | "gather" | "scatter" | "copy";

let ids = 0;
/** A number under which backends cache what they compile for a spec. */
export const specId = (): number => ++ids;

/** The lane for a common dtype. */
export function laneOf(d: DType): Lane {
  switch (d) {
    case "float64":
      return "f64";
    case "complex64":
      return "c64";
    case "complex128":
      return "c128";
    case "float32":
    case "float16":
    case "bfloat16":
      return "f32";
    default:
      return "i64";
  }
}
