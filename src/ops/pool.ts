// Pooling over one, two or three spatial dimensions.
import { isFloating } from "../core/dtype.ts";
import { given } from "../core/arguments.ts";
import { ShapeError, showShape, ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { composite, type Fn, type OpInfo, primitive } from "./define.ts";
import { sumInto } from "./indexing/sum-into.ts";
import { allocate, launch } from "./launch.ts";
import { type Sizes, listOf } from "./sizes.ts";

/** Options of all pooling with windows of a given size. */
export interface PoolOptions {
  /** Steps of the window (default its size). */
  stride?: Sizes | null;
  /** Added on both sides, at most half the window (default 0). */
  padding?: Sizes;
  /** Let the last window reach over the border? Default false. */
  ceilMode?: boolean;
}
/** Options of maxima of windows. */
export interface MaxPoolOptions extends PoolOptions {
  /** Distance of the window's elements (default 1). */
  dilation?: Sizes;
  /** Also return where the maxima were, in the flattened space? Default false. */
  returnIndices?: boolean;
}
/** Options of means of windows. */
export interface AvgPoolOptions extends PoolOptions {
  /** Does padding count? Default true. */
  countIncludePad?: boolean;
  /** Divide sums by this instead of the window's size. */
  divisorOverride?: number | null;
}
interface Window {
  kernel: readonly number[];
  stride: readonly number[];
  padding: readonly number[];
  dilation: readonly number[];
  countIncludePad: boolean;
  divisor: number | null;
  adaptive: boolean;
}
const maxKernel = /*@__PURE__*/ primitive<(x: Tensor, w: Window, out: readonly number[]) => Tensor[], [Tensor, Window, readonly number[]]>({
  torch: "_max_pool",
  params: ["input", "window", "out"],
  forward: (ctx, x, w, out) => {
    const shape = [x.shape[0]!, x.shape[1]!, ...out];
    const [y, i] = [allocate(shape, x.dtype, x.storage.device), allocate(shape, "int64", x.storage.device)];
    if (y.layout.numel > 0) launch("maxPool", { kind: "pool", op: "max", ...w }, [y, i], [x.contiguous()]);
    ctx.saveForBackward(i);
    ctx.markNonDifferentiable(i);
    ctx.state["shape"] = x.shape;
    return [y, i];
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const shape = ctx.state["shape"] as number[];
    const flat = [shape[0]!, shape[1]!, -1];
    const planes = [shape[0]!, shape[1]!, shape.slice(2).reduce((a, b) => a * b, 1)];
    return sumInto(g.reshape(flat), 2, ctx.savedTensors[0]!.reshape(flat), planes).reshape(shape);
  },
});
const avgKernel: (x: Tensor, w: Window, out: readonly number[]) => Tensor = /*@__PURE__*/ primitive<
  (x: Tensor, w: Window, out: readonly number[]) => Tensor,
  [Tensor, Window, readonly number[]]
>({
  torch: "_avg_pool",
  params: ["input", "window", "out"],
  forward: (ctx, x, w, out) => {
    const y = allocate([x.shape[0]!, x.shape[1]!, ...out], x.dtype, x.storage.device);
    if (y.layout.numel > 0) launch("avgPool", { kind: "pool", op: "avg", ...w }, [y], [x.contiguous()]);
    ctx.state["shape"] = x.shape;
    return y;
  },
  backward: (ctx, g) => (g ? avgBack(g, ctx.args[1], ctx.state["shape"] as number[]) : null),
});
const avgBack: (g: Tensor, w: Window, shape: readonly number[]) => Tensor = /*@__PURE__*/ primitive<
  (g: Tensor, w: Window, shape: readonly number[]) => Tensor,
  [Tensor, Window, readonly number[]]
>({
  torch: "_avg_pool_backward",
  params: ["g", "window", "shape"],
  forward: (ctx, g, w, shape) => {
    const out = allocate(shape, g.dtype, g.storage.device);
    ctx.state["out"] = g.shape.slice(2);
    if (out.layout.numel > 0) launch("avgPool", { kind: "pool", op: "avgBackward", ...w }, [out], [g.contiguous()]);
    return out;
  },
  backward: (ctx, g) => (g ? avgKernel(g, ctx.args[1], ctx.state["out"] as number[]) : null),
});

function batchedPool<R>(op: string, input: Tensor, nd: number, run: (x: Tensor) => R, undo: (r: R) => R): R {
  if (input.ndim !== nd + 2 && input.ndim !== nd + 1)
    throw new ShapeError({
      op,
      message: `input ${showShape(input.shape)}`,
      hint: `It is [N, C, …] or [C, …] with ${nd} spatial dimensions`,
    });
  return input.ndim === nd + 1 ? undo(run(input.unsqueeze(0))) : run(input);
}
function windowOf(op: string, x: Tensor, nd: number, kernel: Sizes, o: MaxPoolOptions & AvgPoolOptions): { w: Window; out: number[] } {
  const k = listOf(op, "kernelSize", kernel, nd, 1);
  const stride =
    o.stride === undefined || o.stride === null || (Array.isArray(o.stride) && o.stride.length === 0)
      ? k
      : listOf(op, "stride", o.stride, nd, 1);
  const padding = listOf(op, "padding", o.padding ?? 0, nd, 0);
  const dilation = listOf(op, "dilation", o.dilation ?? 1, nd, 1);
  if (padding.some((p, i) => p > Math.floor(((k[i]! - 1) * dilation[i]! + 1) / 2)))
    throw new ValueError({ op, message: `padding ${showShape(padding)} of kernel ${showShape(k)}`, hint: "At most half the kernel" });
  const out = k.map((n, i) => {
    const room = x.shape[i + 2]! + 2 * padding[i]! - dilation[i]! * (n - 1) - 1;
    let size = (o.ceilMode ? Math.ceil(room / stride[i]!) : Math.floor(room / stride[i]!)) + 1;
    // The last window must start inside the input or its left padding.
    if (o.ceilMode && (size - 1) * stride[i]! >= x.shape[i + 2]! + padding[i]!) size--;
    return size;
  });
  if (out.some((n) => n < 1)) throw new ShapeError({ op, message: `kernel ${showShape(k)} is larger than input ${showShape(x.shape)}` });
  return {
    w: {
      kernel: k,
      stride,
      padding,
      dilation,
      countIncludePad: o.countIncludePad ?? true,
      divisor: o.divisorOverride ?? null,
      adaptive: false,
    },
    out,
  };
}
/** Maxima of windows; with `{ returnIndices: true }` also where they were. */
export interface MaxPool {
  (input: Tensor, kernelSize: Sizes, options: MaxPoolOptions & { returnIndices: true }): [values: Tensor, indices: Tensor];
  (input: Tensor, kernelSize: Sizes, stride?: Sizes | null | MaxPoolOptions, padding?: Sizes | MaxPoolOptions): Tensor;
  readonly op: OpInfo;
}
const maxPool = (nd: number): MaxPool =>
  composite({
    torch: `nn.functional.max_pool${nd}d`,
    params: ["input", "kernelSize", "stride?", "padding?", "dilation?", "ceilMode?", "returnIndices?"],
    forward: (input: Tensor, kernel: Sizes, stride?: Sizes, padding?: Sizes, dilation?: Sizes, ceilMode = false, returnIndices = false) => {
      const both = batchedPool(
        `maxPool${nd}d`,
        input,
        nd,
        (x) => {
          const { w, out } = windowOf(`maxPool${nd}d`, x, nd, kernel, {
            stride: stride ?? null,
            padding: padding ?? 0,
            dilation: dilation ?? 1,
            ceilMode,
          });
          return maxKernel(x, w, out);
        },
        (r) => r.map((t) => t.squeeze(0)),
      );
      return returnIndices ? both : both[0];
    },
  });
/**
 * The greatest value of each window of [N, C, L]; with `returnIndices` also where it was.
 * @example maxPool1d(tensor([[[1.5, 3, 2, 0]]]), 2) // => [[[3, 2]]]
 */
export const maxPool1d: MaxPool = /*@__PURE__*/ maxPool(1);
/**
 * The greatest value of each window of [N, C, H, W]; with `returnIndices` also where it was.
 * @example maxPool2d(tensor([[[[1.5, 3], [2, 0]]]]), 2) // => [[[[3]]]]
 */
export const maxPool2d: MaxPool = /*@__PURE__*/ maxPool(2);
/**
 * The greatest value of each window of [N, C, D, H, W]; with `returnIndices` also where it was.
 * @example maxPool3d(arange(8).float().reshape(1, 1, 2, 2, 2), 2) // => [[[[[7]]]]]
 */
export const maxPool3d: MaxPool = /*@__PURE__*/ maxPool(3);
type AvgPool = Fn<[input: Tensor, kernelSize: Sizes, stride?: Sizes | null | AvgPoolOptions, padding?: Sizes | AvgPoolOptions]>;
const avgPool = (nd: number): AvgPool =>
  composite({
    torch: `nn.functional.avg_pool${nd}d`,
    params: ["input", "kernelSize", "stride?", "padding?", "ceilMode?", "countIncludePad?", "divisorOverride?"],
    forward: (
      input: Tensor,
      kernel: Sizes,
      stride?: Sizes,
      padding?: Sizes,
      ceilMode = false,
      countIncludePad = true,
      divisorOverride?: number,
    ) => {
      if (divisorOverride === 0) throw new ValueError({ op: `avgPool${nd}d`, message: "divisorOverride is 0" });
      if (!isFloating(input.dtype))
        return avgPool(nd)(input.double(), kernel, {
          stride: stride ?? null,
          padding: padding ?? 0,
          ceilMode,
          countIncludePad,
          divisorOverride: divisorOverride ?? null,
        }).to(input.dtype);
      return batchedPool(
        `avgPool${nd}d`,
        input,
        nd,
        (x) => {
          const { w, out } = windowOf(`avgPool${nd}d`, x, nd, kernel, {
            stride: stride ?? null,
            padding: padding ?? 0,
            ceilMode,
            countIncludePad,
            divisorOverride: divisorOverride ?? null,
          });
          return avgKernel(x, w, out);
        },
        (r) => r.squeeze(0),
      );
    },
  });
/** The mean of each window of [N, C, L]. @example avgPool1d(tensor([[[1.5, 3, 2, 0]]]), 2) // => [[[2.25, 1]]] */
export const avgPool1d: AvgPool = /*@__PURE__*/ avgPool(1);
/** The mean of each window of [N, C, H, W]. @example avgPool2d(tensor([[[[1.5, 3], [2, 0]]]]), 2) // => [[[[1.625]]]] */
export const avgPool2d: AvgPool = /*@__PURE__*/ avgPool(2);
/** The mean of each window of [N, C, D, H, W]. @example avgPool3d(arange(8).float().reshape(1, 1, 2, 2, 2), 2) // => [[[[[3.5]]]]] */
export const avgPool3d: AvgPool = /*@__PURE__*/ avgPool(3);

type AdaptiveAvg = Fn<[input: Tensor, outputSize: number | readonly (number | null)[]]>;
/** Maxima over windows that divide the input; with `{ returnIndices: true }` also where they were. */
export interface AdaptiveMaxPool {
  (input: Tensor, outputSize: number | readonly (number | null)[], options: { returnIndices: true }): [values: Tensor, indices: Tensor];
  (input: Tensor, outputSize: number | readonly (number | null)[], options?: { returnIndices?: boolean }): Tensor;
  readonly op: OpInfo;
}
const adaptive = <O extends AdaptiveAvg | AdaptiveMaxPool>(nd: number, op: "max" | "avg"): O =>
  composite({
    torch: `nn.functional.adaptive_${op}_pool${nd}d`,
    params: op === "max" ? ["input", "outputSize: any", "returnIndices?"] : ["input", "outputSize: any"],
    forward: (input: Tensor, size: number | readonly (number | null)[], returnIndices = false) => {
      const name = `adaptive${op === "max" ? "Max" : "Avg"}Pool${nd}d`;
      const spatial = Array.from({ length: nd }, (_, i) => i + 2);
      const shape = (x: Tensor): number[] =>
        spatial.map((d, i) => (typeof size === "number" ? size : (size[size.length === 1 ? 0 : i] ?? x.shape[d]!)));
      const sizes = [size].flat();
      if (![1, nd].includes(sizes.length) || sizes.some((n) => n !== null && !(Number.isInteger(n) && n >= 0)))
        throw new ValueError({
          op: name,
          message: `output size ${given(size)}`,
          hint: "Sizes are integers >= 0, or null for the input's",
        });
      const w: Window = {
        kernel: [],
        stride: new Array<number>(nd).fill(1),
        padding: [],
        dilation: [],
        countIncludePad: true,
        divisor: null,
        adaptive: true,
      };
      if (op === "avg")
        return batchedPool(
          name,
          input,
          nd,
          (x) => (shape(x).every((n) => n === 1) ? x.mean(spatial, { keepdim: true }) : avgKernel(x, w, shape(x))),
          (r) => r.squeeze(0),
        );
      const both = batchedPool(
        name,
        input,
        nd,
        (x) => maxKernel(x, w, shape(x)),
        (r) => r.map((t) => t.squeeze(0)),
      );
      return returnIndices ? both : both[0];
    },
  });
/** Means over windows that divide [N, C, L] into `outputSize`. @example adaptiveAvgPool1d(tensor([[[1.5, 3, 2, 0]]]), 2) // => [[[2.25, 1]]] */
export const adaptiveAvgPool1d: AdaptiveAvg = /*@__PURE__*/ adaptive(1, "avg");
/** Means over windows that divide [N, C, H, W] into `outputSize`. @example adaptiveAvgPool2d(ones(1, 1, 5, 7), [1, null]).shape // => [1, 1, 1, 7] */
export const adaptiveAvgPool2d: AdaptiveAvg = /*@__PURE__*/ adaptive(2, "avg");
/** Means over windows that divide [N, C, D, H, W] into `outputSize`. @example adaptiveAvgPool3d(ones(1, 1, 4, 4, 4), 2).shape // => [1, 1, 2, 2, 2] */
export const adaptiveAvgPool3d: AdaptiveAvg = /*@__PURE__*/ adaptive(3, "avg");
/** Maxima over windows that divide [N, C, L] into `outputSize`. @example adaptiveMaxPool1d(tensor([[[1.5, 3, 2, 0]]]), 2) // => [[[3, 2]]] */
export const adaptiveMaxPool1d: AdaptiveMaxPool = /*@__PURE__*/ adaptive(1, "max");
/** Maxima over windows that divide [N, C, H, W] into `outputSize`. @example adaptiveMaxPool2d(ones(1, 1, 5, 7), 2).shape // => [1, 1, 2, 2] */
export const adaptiveMaxPool2d: AdaptiveMaxPool = /*@__PURE__*/ adaptive(2, "max");
/** Maxima over windows that divide [N, C, D, H, W] into `outputSize`. @example adaptiveMaxPool3d(ones(1, 1, 4, 4, 4), 2).shape // => [1, 1, 2, 2, 2] */
export const adaptiveMaxPool3d: AdaptiveMaxPool = /*@__PURE__*/ adaptive(3, "max");
