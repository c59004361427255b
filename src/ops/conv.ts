// Convolutions over one, two or three spatial dimensions. Each of the three passes (forward, input gradient, weight
// gradient) is a kernel, and the gradient of each is made of the other two: so any order of derivative exists.
import type { Context } from "../autograd/function.ts";
import { isComplex } from "../core/dtype.ts";
import { DTypeError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { ConvSpec } from "../kernel/spec.ts";
import { composite, type Fn, primitive } from "./define.ts";
import { complex } from "./extra.ts";
import { allocate, launch } from "./launch.ts";
import { pad } from "./vision.ts";
import { type Sizes, listOf } from "./sizes.ts";

/** Options of convolutions. */
export interface ConvOptions {
  /** Steps of the window (default 1). */
  stride?: Sizes;
  /** Zeros on both sides of each dimension (default 0); `"same"` keeps the size (stride 1 only), `"valid"` is 0. */
  padding?: Sizes | "same" | "valid";
  /** Distance of the kernel's elements (default 1). */
  dilation?: Sizes;
  /** Groups of channels that are convolved apart (default 1). */
  groups?: number;
}
/** Options of transposed convolutions. */
export interface ConvTransposeOptions {
  /** Distance of the windows in the output (default 1). */
  stride?: Sizes;
  /** Cut off both sides of each dimension (default 0). */
  padding?: Sizes;
  /** Added to one side of the output (default 0). */
  outputPadding?: Sizes;
  /** Groups of channels that are convolved apart (default 1). */
  groups?: number;
  /** Distance of the kernel's elements (default 1). */
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

// Complex numbers by four real passes: both operands enter linearly.
const parted =
  (f: Pass): Pass =>
  (a, b, geometry, shape) => {
    if (!isComplex(a.dtype)) return f(a, b, geometry, shape);
    const times = (x: Tensor, y: Tensor): Tensor => f(x, y, geometry, shape);
    return complex(times(a.real, b.real).sub(times(a.imag, b.imag)), times(a.real, b.imag).add(times(a.imag, b.real)));
  };
const correlate: Pass = parted(forward);
const transposed: Pass = parted(toInput);

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
    params: ["input", "weight", "bias?", "stride?", "padding?: counts|same|valid", "dilation?", "groups?"],
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
      const y = addBias(correlate(x, w, { stride: s, padding: p, dilation: d, groups }, [x.shape[0]!, w.shape[0]!, ...out]), bias, nd);
      return single ? y.squeeze(0) : y;
    },
  });
};
/**
 * Cross-correlation of [N, C, L] with [out, C/groups, K].
 * @throws ShapeError, DTypeError, ValueError
 * @example conv1d(ones(1, 1, 4), ones(1, 1, 2)) // => [[[2, 2, 2]]]
 */
export const conv1d: Conv = /*@__PURE__*/ conv(1);
/** Cross-correlation of [N, C, H, W] with [out, C/groups, KH, KW]. @throws ShapeError, DTypeError, ValueError @example conv2d(ones(1, 1, 3, 3), ones(1, 1, 3, 3)).itemSync() // => 9 */
export const conv2d: Conv = /*@__PURE__*/ conv(2);
/**
 * Cross-correlation of [N, C, D, H, W] with [out, C/groups, KD, KH, KW].
 * @throws ShapeError, DTypeError, ValueError
 * @example conv3d(ones(1, 1, 2, 2, 2), ones(1, 1, 2, 2, 2)) // => [[[[[8]]]]]
 */
export const conv3d: Conv = /*@__PURE__*/ conv(3);

type ConvTranspose = Fn<[input: Tensor, weight: Tensor, bias?: Tensor | null, options?: ConvTransposeOptions]>;
const convTranspose = (nd: number): ConvTranspose => {
  const op = `convTranspose${nd}d`;
  return composite({
    torch: `nn.functional.conv_transpose${nd}d`,
    params: ["input", "weight", "bias?", "stride?", "padding?", "outputPadding?", "groups?", "dilation?"],
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
        transposed(x, w, { stride: s, padding: p, dilation: d, groups }, [x.shape[0]!, w.shape[1]! * groups, ...out]),
        bias,
        nd,
      );
      return single ? y.squeeze(0) : y;
    },
  });
};
/**
 * The transpose of `conv1d`, as of a matrix: [N, C, L] and weight [C, out/groups, K] give [N, out, (L-1)·stride - 2·padding + K + outputPadding].
 * @throws ShapeError, DTypeError, ValueError
 * @example convTranspose1d(ones(1, 1, 2), ones(1, 1, 2)) // => [[[1, 2, 1]]]
 */
export const convTranspose1d: ConvTranspose = /*@__PURE__*/ convTranspose(1);
/**
 * The transpose of `conv2d`: weight [C, out/groups, KH, KW].
 * @throws ShapeError, DTypeError, ValueError
 * @example convTranspose2d(ones(1, 1, 2, 2), ones(1, 1, 2, 2)) // => [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]
 */
export const convTranspose2d: ConvTranspose = /*@__PURE__*/ convTranspose(2);
/**
 * The transpose of `conv3d`: weight [C, out/groups, KD, KH, KW].
 * @throws ShapeError, DTypeError, ValueError
 * @example convTranspose3d(ones(1, 1, 1, 1, 2), ones(1, 1, 1, 1, 2)) // => [[[[[1, 2, 1]]]]]
 */
export const convTranspose3d: ConvTranspose = /*@__PURE__*/ convTranspose(3);
