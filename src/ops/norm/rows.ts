// Normalisation over the last dimensions, and of vectors.
import { isHalf } from "../../core/dtype.ts";
import { ShapeError, showShape } from "../../core/errors.ts";
import { sameShape } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
import { to } from "../copy.ts";
import { composite, type Fn } from "../define.ts";
import type { Dims } from "../shape/index.ts";
import { wide } from "../wide.ts";
import { affine, fits, noComplex, normRows } from "./kernel.ts";

function normalized(op: string, x: Tensor, shape: readonly number[], weight: Tensor | undefined, bias: Tensor | undefined): void {
  if (shape.length === 0 || !sameShape(x.shape.slice(-shape.length), shape) || x.ndim < shape.length) {
    throw new ShapeError({
      op,
      message: `normalizedShape ${showShape(shape)} is not the end of input ${showShape(x.shape)}`,
      hint: "It names the last sizes of the input",
    });
  }
  for (const [name, t] of [
    ["weight", weight],
    ["bias", bias],
  ] as const) {
    if (t && !sameShape(t.shape, shape))
      throw new ShapeError({
        op,
        message: `${name} ${showShape(t.shape)}, normalizedShape ${showShape(shape)}`,
        hint: "They must be equal",
      });
  }
}
/**
 * `(x - mean) / sqrt(var + eps) · weight + bias` over the last dimensions. Ba, Kiros & Hinton 2016.
 * @throws ShapeError
 * @example layerNorm(tensor([[1.5, 2.5, 3.5]]), [3]) // => [[-1.2247, 0, 1.2247]]
 */
export const layerNorm: Fn<
  [input: Tensor, normalizedShape: readonly number[], weight?: Tensor | null, bias?: Tensor | null, eps?: number]
> = /*@__PURE__*/ composite({
  torch: "nn.functional.layer_norm",
  params: ["input", "normalizedShape", "weight?", "bias?", "eps?"],
  forward: (x: Tensor, shape: readonly number[], weight?: Tensor, bias?: Tensor, eps = 1e-5) => {
    noComplex("layerNorm", x);
    normalized("layerNorm", x, shape, weight, bias);
    if (isHalf(x.dtype)) return to(layerNorm(wide(x), shape, wide(weight) ?? null, wide(bias) ?? null, eps), x.dtype);
    const n = shape.reduce((a, b) => a * b, 1);
    if (fits("layerNorm", x, weight, bias))
      return normRows(x.reshape([-1, n]), weight?.reshape([n]) ?? null, bias?.reshape([n]) ?? null, eps, false).reshape(x.shape);
    const dims = shape.map((_, i) => x.ndim - shape.length + i);
    const c = x.sub(x.mean(dims, { keepdim: true }));
    const y = c.mul(c.square().mean(dims, { keepdim: true }).add(eps).rsqrt());
    return affine(y, weight, bias);
  },
  samples: (r) => [[r.normal(3, 4), [4], r.normal(4), r.normal(4)]],
});
/**
 * `x / sqrt(mean(x²) + eps) · weight` over the last dimensions; eps defaults to the dtype's epsilon. Zhang & Sennrich 2019.
 * @throws ShapeError
 * @example rmsNorm(tensor([[1.5, 2.5]]), [2]) // => [[0.7276, 1.2127]]
 */
export const rmsNorm: Fn<[input: Tensor, normalizedShape: readonly number[], weight?: Tensor | null, eps?: number | null]> =
  /*@__PURE__*/ composite({
    torch: "nn.functional.rms_norm",
    params: ["input", "normalizedShape", "weight?", "eps?"],
    forward: (x: Tensor, shape: readonly number[], weight?: Tensor, eps?: number) => {
      normalized("rmsNorm", x, shape, weight, undefined);
      const e =
        eps ?? (x.dtype === "float64" ? Number.EPSILON : x.dtype === "float32" ? 2 ** -23 : x.dtype === "float16" ? 2 ** -10 : 2 ** -7);
      if (isHalf(x.dtype)) return to(rmsNorm(wide(x), shape, wide(weight) ?? null, e), x.dtype);
      const n = shape.reduce((a, b) => a * b, 1);
      if (fits("rmsNorm", x, weight)) return normRows(x.reshape([-1, n]), weight?.reshape([n]) ?? null, null, e, true).reshape(x.shape);
      const dims = shape.map((_, i) => x.ndim - shape.length + i);
      return affine(x.mul(x.square().mean(dims, { keepdim: true }).add(e).rsqrt()), weight, undefined);
    },
  });
/** `x / max(‖x‖_p, eps)` along `dim` (default 1), p = 2. @example normalize(tensor([[1.5, 2]])) // => [[0.6, 0.8]] */
export const normalize: Fn<[input: Tensor, p?: number | { p?: number; dim?: Dims; eps?: number }, dim?: Dims, eps?: number]> =
  /*@__PURE__*/ composite({
    torch: "nn.functional.normalize",
    params: ["input", "p?", "dim?: ints", "eps?"],
    forward: (x: Tensor, p = 2, dim: Dims = 1, eps = 1e-12) => x.div(x.norm(p, dim, { keepdim: true }).clamp(eps)),
  });
