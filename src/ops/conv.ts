// Convolutions over one, two or three spatial dimensions. Each of the three passes (forward, input gradient, weight
// gradient) is a kernel, and the gradient of each is made of the other two: so any order of derivative exists.
import type { Context } from "../autograd/function.ts";
import { isFloating } from "../core/dtype.ts";
import { DTypeError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { ConvSpec } from "../kernel/spec.ts";
import { composite, type Fn, primitive } from "./define.ts";
import { allocate, launch } from "./launch.ts";
import { pad } from "./vision.ts";

/** A size for all spatial dimensions, or one each. */
export type Sizes = number | readonly number[];
/** Options of convolutions. */
export interface ConvOptions {
  stride?: Sizes;
  padding?: Sizes | "same" | "valid";
  dilation?: Sizes;
  groups?: number;
}
/** Options of transposed convolutions. */
export interface ConvTransposeOptions {
  stride?: Sizes;
  padding?: Sizes;
  outputPadding?: Sizes;
  groups?: number;
  dilation?: Sizes;
}

interface Geometry {
  stride: readonly number[];
  padding: readonly number[];
  dilation: readonly number[];
  groups: number;
}
type ConvArgs = [Tensor, Tensor, Geometry, readonly number[]];
type Pass = (a: Tensor, b: Tensor, geometry: Geometry, shape: readonly number[]) => Tensor;

// forward: (x, w) → y; input: (gy, w) → gx; weight: (gy, x) → gw. `shape` is the result's.
const pass = (which: ConvSpec["pass"], backward: (ctx: Context<ConvArgs>, g: Tensor) => (Tensor | null)[]): Pass =>
  primitive<Pass, ConvArgs>({
    torch: `_conv_${which}`,
    params: ["a", "b", "geometry", "shape"],
    forward: (ctx, a, b, geometry, shape) => {
      const [x, y] = [a.contiguous(), b.contiguous()];
      ctx.saveForBackward(ctx.needsInputGrad[1] ? x : null, ctx.needsInputGrad[0] ? y : null);
      Object.assign(ctx.state, { a: a.shape, b: b.shape });
      const out = allocate(shape, a.dtype, a.storage.device);
      if (out.layout.numel > 0) launch("conv", { kind: "conv", pass: which, ...geometry }, [out], [x, y]);
      return out;
    },
    backward: (ctx, g) => (g ? backward(ctx, g) : null),
  });
const shapes = (ctx: Context<ConvArgs>): { a: readonly number[]; b: readonly number[] } => ctx.state as never;
const forward: Pass = pass("forward", (ctx, g) => {
  const [x, w] = ctx.savedTensors as [Tensor | null, Tensor | null];
  return [w ? toInput(g, w, ctx.args[2], shapes(ctx).a) : null, x ? toWeight(g, x, ctx.args[2], shapes(ctx).b) : null];
});
const toInput: Pass = pass("input", (ctx, g) => {
  const [gy, w] = ctx.savedTensors as [Tensor | null, Tensor | null];
  return [w ? forward(g, w, ctx.args[2], shapes(ctx).a) : null, gy ? toWeight(gy, g, ctx.args[2], shapes(ctx).b) : null];
});
const toWeight: Pass = pass("weight", (ctx, g) => {
  const [gy, x] = ctx.savedTensors as [Tensor | null, Tensor | null];
  return [x ? forward(x, g, ctx.args[2], shapes(ctx).a) : null, gy ? toInput(gy, g, ctx.args[2], shapes(ctx).b) : null];
});

const listOf = (op: string, name: string, v: Sizes, nd: number, least: number): readonly number[] => {
  const out = typeof v === "number" ? new Array<number>(nd).fill(v) : v.length === 1 ? new Array<number>(nd).fill(v[0]!) : v;
  if (!Array.isArray(out) || out.length !== nd || out.some((n) => !Number.isInteger(n) || n < least))
    throw new ValueError({ op, message: `${name} is ${String(v)}`, hint: `Give an integer >= ${least}, or ${nd} of them` });
  return out;
};
function checkConv(op: string, x: Tensor, w: Tensor, bias: Tensor | undefined, nd: number): void {
  if ((x.ndim !== nd + 2 && x.ndim !== nd + 1) || w.ndim !== nd + 2)
    throw new ShapeError({
      op,
      message: `input ${showShape(x.shape)}, weight ${showShape(w.shape)}`,
      hint: `The input is [N, C, …] or [C, …] with ${nd} spatial dimensions`,
    });
  if (x.dtype !== w.dtype || (bias && bias.dtype !== x.dtype))
    throw new DTypeError({
      op,
      message: `input is ${x.dtype}, weight ${w.dtype}${bias ? `, bias ${bias.dtype}` : ""}`,
      hint: "They must be equal",
    });
}
const addBias = (y: Tensor, bias: Tensor | undefined, nd: number): Tensor =>
  bias ? y.add(bias.reshape([-1, ...new Array<number>(nd).fill(1)])) : y;

type Conv = Fn<[input: Tensor, weight: Tensor, bias?: Tensor | null, options?: ConvOptions]>;
const conv = (nd: number): Conv => {
  const op = `conv${nd}d`;
  return composite({
    torch: `nn.functional.${op}`,
    params: ["input", "weight", "bias", "stride", "padding", "dilation", "groups"],
    forward: (input: Tensor, w: Tensor, bias?: Tensor, stride: Sizes = 1, padding: Sizes | string = 0, dilation: Sizes = 1, groups = 1) => {
      checkConv(op, input, w, bias, nd);
      const single = input.ndim === nd + 1;
      let x = single ? input.unsqueeze(0) : input;
      if (!(groups > 0) || x.shape[1] !== w.shape[1]! * groups || w.shape[0]! % groups)
        throw new ShapeError({
          op,
          message: `input ${showShape(input.shape)} has ${x.shape[1]} channels, weight ${showShape(w.shape)} in ${groups} groups takes ${w.shape[1]! * groups}`,
          hint: "input channels = weight.shape[1] · groups",
        });
      const s = listOf(op, "stride", stride, nd, 1);
      const d = listOf(op, "dilation", dilation, nd, 1);
      let p: readonly number[];
      if (padding === "same") {
        if (s.some((n) => n !== 1))
          throw new ValueError({ op, message: `padding "same" with stride ${showShape(s)}`, hint: "It needs stride 1" });
        const total = d.map((n, i) => n * (w.shape[i + 2]! - 1));
        p = total.map((n) => Math.floor(n / 2));
        if (total.some((n) => n % 2))
          x = pad(
            x,
            [...total].reverse().flatMap((n) => [0, n % 2]),
          );
      } else p = padding === "valid" ? new Array<number>(nd).fill(0) : listOf(op, "padding", padding as Sizes, nd, 0);
      const out = p.map((n, i) => Math.floor((x.shape[i + 2]! + 2 * n - d[i]! * (w.shape[i + 2]! - 1) - 1) / s[i]!) + 1);
      if (out.some((n) => n < 1))
        throw new ShapeError({
          op,
          message: `kernel ${showShape(w.shape.slice(2))} is larger than the padded input ${showShape(input.shape)}`,
          hint: "Add padding",
        });
      const y = addBias(forward(x, w, { stride: s, padding: p, dilation: d, groups }, [x.shape[0]!, w.shape[0]!, ...out]), bias, nd);
      return single ? y.squeeze(0) : y;
    },
  });
};
/** Cross-correlation of [N, C, L] with [out, C/groups, K]. @throws ShapeError, DTypeError, ValueError */
export const conv1d: Conv = /*@__PURE__*/ conv(1);
/** Cross-correlation of [N, C, H, W] with [out, C/groups, KH, KW]. @throws ShapeError, DTypeError, ValueError @example conv2d(ones(1, 1, 3, 3), ones(1, 1, 3, 3)).itemSync() // => 9 */
export const conv2d: Conv = /*@__PURE__*/ conv(2);
/** Cross-correlation of [N, C, D, H, W] with [out, C/groups, KD, KH, KW]. @throws ShapeError, DTypeError, ValueError */
export const conv3d: Conv = /*@__PURE__*/ conv(3);

type ConvTranspose = Fn<[input: Tensor, weight: Tensor, bias?: Tensor | null, options?: ConvTransposeOptions]>;
const convTranspose = (nd: number): ConvTranspose => {
  const op = `convTranspose${nd}d`;
  return composite({
    torch: `nn.functional.conv_transpose${nd}d`,
    params: ["input", "weight", "bias", "stride", "padding", "outputPadding", "groups", "dilation"],
    forward: (
      input: Tensor,
      w: Tensor,
      bias?: Tensor,
      stride: Sizes = 1,
      padding: Sizes = 0,
      outputPadding: Sizes = 0,
      groups = 1,
      dilation: Sizes = 1,
    ) => {
      checkConv(op, input, w, bias, nd);
      const single = input.ndim === nd + 1;
      const x = single ? input.unsqueeze(0) : input;
      if (x.shape[1] !== w.shape[0])
        throw new ShapeError({
          op,
          message: `input ${showShape(input.shape)} has ${x.shape[1]} channels, weight ${showShape(w.shape)} takes ${w.shape[0]}`,
          hint: "input channels = weight.shape[0]",
        });
      const s = listOf(op, "stride", stride, nd, 1);
      const p = listOf(op, "padding", padding, nd, 0);
      const e = listOf(op, "outputPadding", outputPadding, nd, 0);
      const d = listOf(op, "dilation", dilation, nd, 1);
      if (e.some((n, i) => n >= s[i]! && n >= d[i]!))
        throw new ValueError({
          op,
          message: `outputPadding ${showShape(e)} with stride ${showShape(s)}`,
          hint: "It must be smaller than stride or dilation",
        });
      const out = s.map((n, i) => (x.shape[i + 2]! - 1) * n - 2 * p[i]! + d[i]! * (w.shape[i + 2]! - 1) + e[i]! + 1);
      if (out.some((n) => n < 1)) throw new ShapeError({ op, message: `output ${showShape(out)} of input ${showShape(input.shape)}` });
      const y = addBias(
        toInput(x, w, { stride: s, padding: p, dilation: d, groups }, [x.shape[0]!, w.shape[1]! * groups, ...out]),
        bias,
        nd,
      );
      return single ? y.squeeze(0) : y;
    },
  });
};
/** The transpose of `conv1d`: weight [C, out/groups, K]. */
export const convTranspose1d: ConvTranspose = /*@__PURE__*/ convTranspose(1);
/** The transpose of `conv2d`: weight [C, out/groups, KH, KW]. */
export const convTranspose2d: ConvTranspose = /*@__PURE__*/ convTranspose(2);
/** The transpose of `conv3d`: weight [C, out/groups, KD, KH, KW]. */
export const convTranspose3d: ConvTranspose = /*@__PURE__*/ convTranspose(3);

// ---- pooling

/** Options of pooling. */
export interface PoolOptions {
  stride?: Sizes | null;
  padding?: Sizes;
  dilation?: Sizes;
  ceilMode?: boolean;
  returnIndices?: boolean;
  countIncludePad?: boolean;
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
    const zeros = g.newZeros([shape[0]!, shape[1]!, shape.slice(2).reduce((a, b) => a * b, 1)]);
    return zeros.scatterAdd(2, ctx.savedTensors[0]!.reshape(flat), g.reshape(flat)).reshape(shape);
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
function windowOf(op: string, x: Tensor, nd: number, kernel: Sizes, o: PoolOptions): { w: Window; out: number[] } {
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
type MaxPool = Fn<[input: Tensor, kernelSize: Sizes, stride?: Sizes | null | PoolOptions, padding?: Sizes]>;
const maxPool = (nd: number): MaxPool =>
  composite({
    torch: `nn.functional.max_pool${nd}d`,
    params: ["input", "kernelSize", "stride", "padding", "dilation", "ceilMode", "returnIndices"],
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
/** The greatest value of each window of [N, C, L]; with `returnIndices` also where it was. */
export const maxPool1d: MaxPool = /*@__PURE__*/ maxPool(1);
/** The greatest value of each window of [N, C, H, W]; with `returnIndices` also where it was. */
export const maxPool2d: MaxPool = /*@__PURE__*/ maxPool(2);
/** The greatest value of each window of [N, C, D, H, W]; with `returnIndices` also where it was. */
export const maxPool3d: MaxPool = /*@__PURE__*/ maxPool(3);
const avgPool = (nd: number): MaxPool =>
  composite({
    torch: `nn.functional.avg_pool${nd}d`,
    params: ["input", "kernelSize", "stride", "padding", "ceilMode", "countIncludePad", "divisorOverride"],
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
/** The mean of each window of [N, C, L]. */
export const avgPool1d: MaxPool = /*@__PURE__*/ avgPool(1);
/** The mean of each window of [N, C, H, W]. */
export const avgPool2d: MaxPool = /*@__PURE__*/ avgPool(2);
/** The mean of each window of [N, C, D, H, W]. */
export const avgPool3d: MaxPool = /*@__PURE__*/ avgPool(3);

type Adaptive = Fn<[input: Tensor, outputSize: number | readonly (number | null)[], options?: { returnIndices?: boolean }]>;
const adaptive = (nd: number, op: "max" | "avg"): Adaptive =>
  composite({
    torch: `nn.functional.adaptive_${op}_pool${nd}d`,
    params: ["input", "outputSize", "returnIndices"],
    forward: (input: Tensor, size: number | readonly (number | null)[], returnIndices = false) => {
      const name = `adaptive${op === "max" ? "Max" : "Avg"}Pool${nd}d`;
      const shape = (x: Tensor): number[] =>
        Array.from({ length: nd }, (_, i) => (typeof size === "number" ? size : (size[size.length === 1 ? 0 : i] ?? x.shape[i + 2]!)));
      if ([size].flat().some((n) => n !== null && !(Number.isInteger(n) && n >= 0)))
        throw new ValueError({
          op: name,
          message: `output size ${String(size)}`,
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
          (x) => avgKernel(x, w, shape(x)),
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
/** Means over windows that divide [N, C, L] into `outputSize`. */
export const adaptiveAvgPool1d: Adaptive = /*@__PURE__*/ adaptive(1, "avg");
/** Means over windows that divide [N, C, H, W] into `outputSize`. */
export const adaptiveAvgPool2d: Adaptive = /*@__PURE__*/ adaptive(2, "avg");
/** Means over windows that divide [N, C, D, H, W] into `outputSize`. */
export const adaptiveAvgPool3d: Adaptive = /*@__PURE__*/ adaptive(3, "avg");
/** Maxima over windows that divide [N, C, L] into `outputSize`. */
export const adaptiveMaxPool1d: Adaptive = /*@__PURE__*/ adaptive(1, "max");
/** Maxima over windows that divide [N, C, H, W] into `outputSize`. */
export const adaptiveMaxPool2d: Adaptive = /*@__PURE__*/ adaptive(2, "max");
/** Maxima over windows that divide [N, C, D, H, W] into `outputSize`. */
export const adaptiveMaxPool3d: Adaptive = /*@__PURE__*/ adaptive(3, "max");
