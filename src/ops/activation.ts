// Activation functions of torch.nn.functional. All are formulas; `{ inplace: true }` writes into the input.
import { isComplex } from "../core/dtype.ts";
import { ValueError } from "../core/errors.ts";
import { normDim } from "../core/layout.ts";
import type { Tensor } from "../core/tensor.ts";
import { isGradEnabled } from "../core/mode.ts";
import { fused } from "../kernel/fused.ts";
import { composite, type Fn, type Op, type PointwiseOp, primitive } from "./define.ts";
import { allocate, launch, offers } from "./launch.ts";
import { pointwise } from "./formula.ts";
import { needsFloats, needsNumbers, refuse } from "./pointwise/entry.ts";

/** Options of activations. */
export interface InplaceOption {
  inplace?: boolean;
}
/** An activation without parameters. */
export type Activation = PointwiseOp<[options?: InplaceOption]>;

const SQRT_2 = Math.SQRT2;
const GELU_C = Math.sqrt(2 / Math.PI);

const geluFormula: PointwiseOp<[options?: { approximate?: "none" | "tanh" }]> = /*@__PURE__*/ pointwise({
  torch: "_gelu",
  defaults: { approximate: "none" },
  kinds: { approximate: "none|tanh" },
  forward: ([x], o) =>
    o.approximate === "tanh"
      ? x!.mul(0.5).mul(x!.mul(x!).mul(x!).mul(0.044715).add(x!).mul(GELU_C).tanh().add(1))
      : x!.mul(0.5).mul(x!.div(SQRT_2).erf().add(1)),
  grad: (g, [x], _y, o) => {
    if (o.approximate === "tanh") {
      const t = x!.mul(x!).mul(x!).mul(0.044715).add(x!).mul(GELU_C).tanh();
      const d = x!
        .mul(x!)
        .mul(3 * 0.044715)
        .add(1)
        .mul(GELU_C);
      return [
        g.mul(
          t
            .add(1)
            .mul(0.5)
            .add(x!.mul(0.5).mul(t.mul(t).neg().add(1)).mul(d)),
        ),
      ];
    }
    return [
      g.mul(
        x!
          .div(SQRT_2)
          .erf()
          .add(1)
          .mul(0.5)
          .add(x!.mul(x!.mul(x!).mul(-0.5).exp()).mul(1 / Math.sqrt(2 * Math.PI))),
      ),
    ];
  },
  check: needsFloats("gelu"),
});
const geluFused = /*@__PURE__*/ primitive<(x: Tensor, tanh: number) => Tensor, [Tensor, number]>({
  torch: "_gelu_fused",
  params: ["input", "tanh"],
  forward: (ctx, input, tanh) => {
    const x = input.contiguous();
    ctx.saveForBackward(x);
    const y = allocate(x.shape, x.dtype, x.storage.device);
    launch("gelu", fused("gelu"), [y], [x], [tanh]);
    return y;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const x = ctx.savedTensors[0]!;
    if (isGradEnabled())
      return geluFormula.op.formula!.grad!(
        g as never,
        [x] as never,
        x as never,
        { approximate: ctx.args[1] ? "tanh" : "none" } as never,
      )[0] as unknown as Tensor;
    const gx = allocate(x.shape, x.dtype, x.storage.device);
    launch("gelu", fused("geluBackward"), [gx], [g.contiguous(), x], [ctx.args[1]]);
    return gx;
  },
});
/** `x · Φ(x)`, exact or (`approximate: "tanh"`) by tanh. Hendrycks & Gimpel 2016. @example gelu(tensor([0.5])) // => [0.3457] */
export const gelu: Fn<[input: Tensor, options?: { approximate?: "none" | "tanh" }]> = /*@__PURE__*/ composite({
  torch: "nn.functional.gelu",
  params: ["input", "approximate?: none|tanh"],
  forward: (x: Tensor, approximate: "none" | "tanh" = "none") =>
    (approximate === "none" || approximate === "tanh") && x.layout.numel > 0 && offers(x, fused("gelu"))
      ? geluFused(x, approximate === "tanh" ? 1 : 0)
      : geluFormula(x, { approximate }),
  samples: (r) => [[r.normal(3, 4)], [r.normal(3, 4), { approximate: "tanh" }], [r.of(-50, 0, 50)]],
});
/** `x · sigmoid(x)`. @example silu(tensor([0.5])) // => [0.3112] */
export const silu: Activation = /*@__PURE__*/ pointwise({
  torch: "nn.functional.silu",
  check: needsNumbers("silu"),
  inplaceOption: true,
  forward: ([x]) => x!.mul(x!.sigmoid()),
  grad: (g, [x]) => {
    const s = x!.sigmoid();
    return [g.mul(s.mul(x!.mul(s.neg().add(1)).add(1)).conj())];
  },
  samples: (r) => [[r.normal(3, 4)], [r.of(-100, 0, 100)]],
});
/** `x` for x > 0, else `negativeSlope · x`. @example leakyRelu(tensor([-1.5, 3])) // => [-0.015, 3] */
export const leakyRelu: PointwiseOp<[negativeSlope?: number | { negativeSlope?: number; inplace?: boolean }]> = /*@__PURE__*/ pointwise({
  torch: "nn.functional.leaky_relu",
  check: needsFloats("leakyRelu"),
  inplaceOption: true,
  defaults: { negativeSlope: 0.01 },
  forward: ([x], o) => x!.where(x!.gt(0), x!.mul(o.negativeSlope)),
  grad: (g, [x], _y, o) => [g.where(x!.gt(0), g.mul(o.negativeSlope))],
  samples: (r) => [[r.normal(3, 4)]],
});
/** `x` for x > 0, else `alpha (e^x - 1)`. @example elu(tensor([0.5])) // => [0.5] */
export const elu: PointwiseOp<[alpha?: number | { alpha?: number; inplace?: boolean }]> = /*@__PURE__*/ pointwise({
  torch: "nn.functional.elu",
  check: needsFloats("elu"),
  inplaceOption: true,
  defaults: { alpha: 1 },
  forward: ([x], o) => x!.where(x!.gt(0), x!.minimum(0).expm1().mul(o.alpha)),
  grad: (g, [x], _y, o) => [g.where(x!.gt(0), g.mul(x!.minimum(0).exp()).mul(o.alpha))],
  samples: (r) => [[r.normal(3, 4)], [r.normal(3, 4), { alpha: 0.5 }]],
});
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;
/** Self-normalising `elu`. Klambauer et al. 2017. @example selu(tensor([1.5])) // => [1.5761] */
export const selu: Activation = /*@__PURE__*/ pointwise({
  torch: "nn.functional.selu",
  check: needsFloats("selu"),
  inplaceOption: true,
  forward: ([x]) =>
    x!.mul(SELU_SCALE).where(
      x!.gt(0),
      x!
        .minimum(0)
        .expm1()
        .mul(SELU_ALPHA * SELU_SCALE),
    ),
  grad: (g, [x]) => [g.mul(SELU_SCALE).where(x!.gt(0), g.mul(x!.minimum(0).exp()).mul(SELU_ALPHA * SELU_SCALE))],
});
/** `max(0, x) + min(0, alpha (e^(x/alpha) - 1))`. @example celu(tensor([0.5])) // => [0.5] */
export const celu: PointwiseOp<[alpha?: number | { alpha?: number; inplace?: boolean }]> = /*@__PURE__*/ pointwise({
  torch: "nn.functional.celu",
  check: needsFloats("celu"),
  inplaceOption: true,
  defaults: { alpha: 1 },
  forward: ([x], o) => x!.where(x!.gt(0), x!.div(o.alpha).minimum(0).expm1().mul(o.alpha)),
  grad: (g, [x], _y, o) => [g.mul(x!.div(o.alpha).minimum(0).exp()).where(x!.le(0), g)],
});
/** Smooth relu: `log(1 + e^(beta x)) / beta`; linear above `threshold`. @example softplus(tensor([0.5])) // => [0.9741] */
export const softplus: PointwiseOp<[beta?: number | { beta?: number; threshold?: number }, threshold?: number]> = /*@__PURE__*/ pointwise({
  torch: "nn.functional.softplus",
  check: needsFloats("softplus"),
  defaults: { beta: 1, threshold: 20 },
  forward: ([x], o) => {
    const z = x!.mul(o.beta);
    return x!.where(z.gt(o.threshold), z.maximum(0).add(z.abs().neg().exp().log1p()).div(o.beta));
  },
  grad: (g, [x], _y, o) => {
    const z = x!.mul(o.beta);
    return [g.where(z.gt(o.threshold), g.mul(z.sigmoid()))];
  },
  samples: (r) => [[r.normal(4, 5)], [r.of(-400, -1, 0, 1, 400)], [r.normal(3), { beta: 3 }]],
});
/** `x` limited to [minVal, maxVal]. @example hardtanh(tensor([-2.5, 0.5])) // => [-1, 0.5] */
export const hardtanh: PointwiseOp<[minVal?: number | { minVal?: number; maxVal?: number; inplace?: boolean }, maxVal?: number]> =
  /*@__PURE__*/ pointwise({
    torch: "nn.functional.hardtanh",
    inplaceOption: true,
    defaults: { minVal: -1, maxVal: 1 },
    forward: ([x], o) => x!.maximum(o.minVal).minimum(o.maxVal),
    grad: (g, [x], _y, o) => [g.where(x!.le(o.minVal).logicalOr(x!.ge(o.maxVal)).logicalNot(), 0)],
    check: refuse("hardtanh", (d) => d === "bool" || isComplex(d), "needs real numbers", "Cast first"),
    checkValues: (_xs, o) => {
      if (o.minVal > o.maxVal) throw new ValueError({ op: "hardtanh", message: `minVal ${o.minVal} is above maxVal ${o.maxVal}` });
    },
    samples: (r) => [[r.normal(3, 4)]],
  });
/** `min(max(0, x), 6)`. @example relu6(tensor([7.5])) // => [6] */
export const relu6: Activation = /*@__PURE__*/ pointwise({
  torch: "nn.functional.relu6",
  check: refuse("relu6", (d) => d === "bool" || isComplex(d), "needs real numbers", "Cast first"),
  inplaceOption: true,
  forward: ([x]) => x!.maximum(0).minimum(6),
  grad: (g, [x]) => [g.mul(x!.gt(0).logicalAnd(x!.lt(6)))],
});
/** `x · tanh(softplus(x))`. Misra 2019. @example mish(tensor([0.5])) // => [0.3752] */
export const mish: Activation = /*@__PURE__*/ pointwise({
  torch: "nn.functional.mish",
  check: needsFloats("mish"),
  inplaceOption: true,
  forward: ([x]) => x!.mul(x!.maximum(0).add(x!.abs().neg().exp().log1p()).tanh()),
  grad: (g, [x]) => {
    const t = x!.maximum(0).add(x!.abs().neg().exp().log1p()).tanh();
    return [g.mul(t.add(x!.mul(x!.sigmoid()).mul(t.mul(t).neg().add(1))))];
  },
});
/** `x · relu6(x + 3) / 6`. @example hardswish(tensor([1.5])) // => [1.125] */
export const hardswish: Activation = /*@__PURE__*/ pointwise({
  torch: "nn.functional.hardswish",
  check: needsFloats("hardswish"),
  inplaceOption: true,
  forward: ([x]) => x!.mul(x!.add(3).maximum(0).minimum(6)).div(6),
  grad: (g, [x]) => [g.mul(x!.div(3).add(0.5)).where(x!.gt(-3).logicalAnd(x!.lt(3)), g.mul(x!.ge(3)))],
});
/** `relu6(x + 3) / 6`. @example hardsigmoid(tensor([1.5])) // => [0.75] */
export const hardsigmoid: Activation = /*@__PURE__*/ pointwise({
  torch: "nn.functional.hardsigmoid",
  check: needsFloats("hardsigmoid"),
  inplaceOption: true,
  forward: ([x]) => x!.add(3).maximum(0).minimum(6).div(6),
  grad: (g, [x]) => [g.div(6).mul(x!.gt(-3).logicalAnd(x!.lt(3)))],
});
/** `x` where |x| > lambd, else 0. @example hardshrink(tensor([0.25, 0.75])) // => [0, 0.75] */
export const hardshrink: PointwiseOp<[lambd?: number | { lambd?: number }]> = /*@__PURE__*/ pointwise({
  torch: "nn.functional.hardshrink",
  check: needsFloats("hardshrink"),
  defaults: { lambd: 0.5 },
  forward: ([x], o) => x!.where(x!.abs().le(o.lambd).logicalNot(), 0),
  grad: (g, [x], _y, o) => [g.where(x!.abs().le(o.lambd).logicalNot(), 0)],
});
/** `x` moved towards 0 by `lambd`. @example softshrink(tensor([0.25, 0.75])) // => [0, 0.25] */
export const softshrink: PointwiseOp<[lambd?: number | { lambd?: number }]> = /*@__PURE__*/ pointwise({
  torch: "nn.functional.softshrink",
  defaults: { lambd: 0.5 },
  check: needsFloats("softshrink"),
  checkValues: (_xs, o) => {
    if (!(o.lambd >= 0)) throw new ValueError({ op: "softshrink", message: `lambd is ${o.lambd}`, hint: "It must be >= 0" });
  },
  forward: ([x], o) => x!.sub(o.lambd).where(x!.gt(o.lambd), x!.add(o.lambd).where(x!.mul(-1).gt(o.lambd), x!.mul(0))),
  grad: (g, [x], _y, o) => [g.where(x!.abs().le(o.lambd).logicalNot(), 0)],
});
/** `x - tanh(x)`. @example tanhshrink(tensor([0.5])) // => [0.0379] */
export const tanhshrink: Activation = /*@__PURE__*/ pointwise({
  torch: "nn.functional.tanhshrink",
  promote: "float",
  forward: ([x]) => x!.sub(x!.tanh()),
  grad: (g, [x]) => {
    const t = x!.tanh();
    return [g.mul(t.mul(t).conj())];
  },
});
/** `x / (1 + |x|)`. @example softsign(tensor([1.5])) // => [0.6] */
export const softsign: Op<[]> = /*@__PURE__*/ composite({
  torch: "nn.functional.softsign",
  params: ["input"],
  forward: (x: Tensor) => x.div(x.abs().add(1)),
});
/** `log(sigmoid(x))`. @example logsigmoid(tensor([0.5])) // => [-0.4741] */
export const logsigmoid: Activation = /*@__PURE__*/ pointwise({
  torch: "nn.functional.logsigmoid",
  check: needsFloats("logsigmoid"),
  forward: ([x]) => x!.minimum(0).sub(x!.abs().neg().exp().log1p()),
  grad: (g, [x]) => [g.mul(x!.neg().sigmoid())],
});
/** `x` where x > threshold, else `value`. @example threshold(tensor([0.5, 2.5]), 1, 9) // => [9, 2.5] */
export const threshold: PointwiseOp<[threshold: number, value: number, options?: InplaceOption]> = /*@__PURE__*/ pointwise({
  torch: "nn.functional.threshold",
  inplaceOption: true,
  defaults: { threshold: 0, value: 0 },
  forward: ([x], o) => x!.where(x!.le(o.threshold).logicalNot(), o.value), // NaN stays
  grad: (g, [x], _y, o) => [g.where(x!.le(o.threshold).logicalNot(), 0)],
});
/**
 * `x` for x > 0, else `weight · x`; the weight has one element or one a channel (dimension 1).
 * @example prelu(tensor([[-2, 1.5]]), tensor([0.25])) // => [[-0.5, 1.5]]
 */
export const prelu: Fn<[input: Tensor, weight: Tensor]> = /*@__PURE__*/ composite({
  torch: "nn.functional.prelu",
  params: ["input", "weight"],
  forward: (x: Tensor, weight: Tensor) => {
    const w =
      weight.layout.numel === 1
        ? weight.reshape(x.ndim ? new Array<number>(x.ndim).fill(1) : [])
        : weight.reshape(x.shape.map((_, d) => (d === 1 ? -1 : 1)));
    return x.where(x.gt(0), x.mul(w));
  },
});
/**
 * The first half of `dim` (default the last) times the sigmoid of the second. Dauphin et al. 2017.
 * @throws ShapeError when the size is odd
 * @example glu(tensor([1.5, 0])) // => [0.75]
 */
export const glu: Fn<[input: Tensor, dim?: number | { dim?: number }]> = /*@__PURE__*/ composite({
  torch: "nn.functional.glu",
  params: ["input", "dim?"],
  forward: (x: Tensor, dim = -1) => {
    const d = normDim(dim, x.ndim, "glu");
    const n = x.shape[d] ?? 1;
    if (n % 2 || x.ndim === 0)
      throw new ValueError({ op: "glu", message: `dimension ${d} of [${x.shape.join(", ")}] is odd`, hint: "It is cut in half" });
    return x.narrow(d, 0, n / 2).mul(x.narrow(d, n / 2, n / 2).sigmoid());
  },
});
