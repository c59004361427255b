// Padding, resizing and rearranging of images and other grids.
import { category } from "../core/dtype.ts";
import { ArgumentError, DTypeError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { rawFull, to } from "./copy.ts";
import { tensor } from "./create.ts";
import { composite, type Fn } from "./define.ts";
import { pick } from "./indexing/select.ts";
import { wide } from "./wide.ts";

/**
 * Pads the last dimensions: `[left, right, top, bottom, …]`, the last dimension first; negative amounts cut.
 * Modes: `constant` (with `value`), `reflect`, `replicate`, `circular`. @throws ShapeError when the pad does not fit.
 * @example pad(tensor([1, 2]), [1, 0]) // => [0, 1, 2]
 */
export const pad: Fn<
  [input: Tensor, pad: readonly number[], options?: { mode?: "constant" | "reflect" | "replicate" | "circular"; value?: number }]
> = /*@__PURE__*/ composite({
  torch: "nn.functional.pad",
  params: ["input", "pad", "mode?: constant|reflect|replicate|circular", "value?: number"],
  forward: (x: Tensor, amounts: readonly number[], mode = "constant", value = 0) => {
    if (amounts.length % 2 || amounts.length / 2 > x.ndim)
      throw new ShapeError({
        op: "pad",
        message: `${amounts.length} amounts for shape ${showShape(x.shape)}`,
        hint: "Two a dimension, from the last",
      });
    if (!["constant", "reflect", "replicate", "circular"].includes(mode)) throw bad(mode);
    const sides = x.shape.map((_, d): [number, number] => {
      const k = 2 * (x.ndim - 1 - d);
      return [amounts[k] ?? 0, amounts[k + 1] ?? 0];
    });
    const shape = x.shape.map((n, d) => n + sides[d]![0] + sides[d]![1]);
    if (shape.some((n) => n < 0))
      throw new ShapeError({ op: "pad", message: `pad ${showShape(amounts)} leaves a negative size of ${showShape(x.shape)}` });
    let inner = x;
    // Reflections and repetitions are of the whole dimension: what negative amounts cut off is still seen by the other side.
    const whole = mode === "reflect" || mode === "replicate";
    sides.forEach(([a, b], d) => {
      if (!whole && (a < 0 || b < 0)) inner = inner.narrow(d, Math.max(0, -a), x.shape[d]! - Math.max(0, -a) - Math.max(0, -b));
    });
    if (mode === "constant") {
      const out = rawFull(shape, value, x.dtype, x.device);
      let at = out;
      sides.forEach(([a], d) => {
        at = at.narrow(d, Math.max(0, a), inner.shape[d]!);
      });
      at.copy_(inner);
      return out;
    }
    return sides.reduce((y, [a, b], d) => {
      const n = y.shape[d]!;
      const [left, right] = whole ? [a, b] : [Math.max(0, a), Math.max(0, b)];
      if (left === 0 && right === 0) return y;
      if (n === 0)
        throw new ShapeError({ op: "pad", message: `dimension ${d} of ${showShape(x.shape)} is empty`, hint: "Nothing can be repeated" });
      if (mode === "reflect" && (left >= n || right >= n))
        throw new ShapeError({
          op: "pad",
          message: `reflect pad ${left}, ${right} of size ${n}`,
          hint: "It must be smaller than the dimension",
        });
      if (mode === "circular" && (left > n || right > n))
        throw new ShapeError({
          op: "pad",
          message: `circular pad ${left}, ${right} of size ${n}`,
          hint: "It must not be larger than the dimension",
        });
      const where = (i: number): number =>
        mode === "reflect"
          ? i < 0
            ? -i
            : i >= n
              ? 2 * n - 2 - i
              : i
          : mode === "replicate"
            ? Math.min(n - 1, Math.max(0, i))
            : ((i % n) + n) % n;
      return pick(
        y,
        d,
        Array.from({ length: n + left + right }, (_, i) => where(i - left)),
      );
    }, inner);
  },
});
const bad = (mode: string): ArgumentError =>
  new ArgumentError({ op: "pad", message: `mode ${JSON.stringify(mode)}`, hint: "Use constant, reflect, replicate or circular" });

/**
 * Channels to space: [..., C·r², H, W] → [..., C, H·r, W·r]. Shi et al. 2016.
 * @throws ShapeError
 * @example pixelShuffle(tensor([[[[1]], [[2]], [[3]], [[4]]]]), 2) // => [[[[1, 2], [3, 4]]]]
 */
export const pixelShuffle: Fn<[input: Tensor, upscaleFactor: number]> = /*@__PURE__*/ composite({
  torch: "nn.functional.pixel_shuffle",
  params: ["input", "upscaleFactor"],
  forward: (x: Tensor, r: number) => {
    const [c, h, w] = x.shape.slice(-3) as [number, number, number];
    if (x.ndim < 3 || !(r > 0) || c % (r * r))
      throw new ShapeError({
        op: "pixelShuffle",
        message: `shape ${showShape(x.shape)}, factor ${r}`,
        hint: "Channels must be divisible by the factor's square",
      });
    const lead = x.shape.slice(0, -3);
    const k = lead.length;
    return x
      .reshape([...lead, c / (r * r), r, r, h, w])
      .permute([...lead.keys(), k, k + 3, k + 1, k + 4, k + 2])
      .reshape([...lead, c / (r * r), h * r, w * r]);
  },
});
/**
 * Space to channels: [..., C, H·r, W·r] → [..., C·r², H, W].
 * @throws ShapeError
 * @example pixelUnshuffle(ones(1, 1, 4, 4), 2).shape // => [1, 4, 2, 2]
 */
export const pixelUnshuffle: Fn<[input: Tensor, downscaleFactor: number]> = /*@__PURE__*/ composite({
  torch: "nn.functional.pixel_unshuffle",
  params: ["input", "downscaleFactor"],
  forward: (x: Tensor, r: number) => {
    const [c, h, w] = x.shape.slice(-3) as [number, number, number];
    if (x.ndim < 3 || !(r > 0) || h % r || w % r)
      throw new ShapeError({
        op: "pixelUnshuffle",
        message: `shape ${showShape(x.shape)}, factor ${r}`,
        hint: "Height and width must be divisible by the factor",
      });
    const lead = x.shape.slice(0, -3);
    const k = lead.length;
    return x
      .reshape([...lead, c, h / r, r, w / r, r])
      .permute([...lead.keys(), k, k + 2, k + 4, k + 1, k + 3])
      .reshape([...lead, c * r * r, h / r, w / r]);
  },
});

/** Options of `interpolate`. */
export interface InterpolateOptions {
  /** Of the output: one for all spatial dimensions, or one each. */
  size?: number | readonly number[] | null;
  /** Output size over input size, instead of `size`. */
  scaleFactor?: number | readonly number[] | null;
  /** How values between are found (default `"nearest"`). */
  mode?: "nearest" | "nearest-exact" | "linear" | "bilinear" | "bicubic" | "trilinear" | "area";
  /** Are the corner points kept, instead of the corners of the outer cells? Default false. */
  alignCorners?: boolean | null;
  /** Take the scale from the rounded sizes instead of `scaleFactor`? Default false. */
  recomputeScaleFactor?: boolean | null;
  /** Not supported: refused when true. */
  antialias?: boolean;
}
type Weights = { at: number[]; w: number[] }[];
/**
 * Resizes the spatial dimensions of [N, C, …], one dimension after another.
 * @throws ArgumentError, ShapeError
 * @example interpolate(tensor([[[0.5, 1.5]]]), { scaleFactor: 2, mode: "linear" }) // => [[[0.5, 0.75, 1.25, 1.5]]]
 */
export const interpolate: Fn<[input: Tensor, options: InterpolateOptions]> = /*@__PURE__*/ composite({
  torch: "nn.functional.interpolate",
  params: [
    "input",
    "size?: counts",
    "scaleFactor?: numbers",
    "mode?: nearest|nearest-exact|linear|bilinear|bicubic|trilinear|area",
    "alignCorners?",
    "recomputeScaleFactor?",
    "antialias?",
  ],
  forward: (
    x: Tensor,
    size?: number | readonly number[],
    scaleFactor?: number | readonly number[],
    mode = "nearest",
    alignCorners?: boolean,
    recompute?: boolean,
    antialias = false,
  ) => {
    const nd = x.ndim - 2;
    const need = { linear: 1, bilinear: 2, bicubic: 2, trilinear: 3 }[mode];
    if (nd < 1 || nd > 3 || (need !== undefined && need !== nd))
      throw new ShapeError({
        op: "interpolate",
        message: `mode ${mode} of shape ${showShape(x.shape)}`,
        hint: "linear takes [N, C, L], bilinear and bicubic [N, C, H, W], trilinear [N, C, D, H, W]",
      });
    if ((size === undefined) === (scaleFactor === undefined))
      throw new ArgumentError({ op: "interpolate", message: "give either size or scaleFactor" });
    if (antialias) throw new ArgumentError({ op: "interpolate", message: "antialias is not supported", hint: "Blur before shrinking" });
    const listOf = (v: number | readonly number[]): readonly number[] => (typeof v === "number" ? new Array<number>(nd).fill(v) : v);
    const ins = x.shape.slice(2);
    const factors = scaleFactor === undefined ? null : listOf(scaleFactor);
    const outs = size !== undefined ? listOf(size) : ins.map((n, d) => Math.floor(n * factors![d]!));
    if (outs.length !== nd || outs.some((n) => !(n > 0)))
      throw new ValueError({ op: "interpolate", message: `output size ${showShape(outs)} for shape ${showShape(x.shape)}` });
    const nearest = mode === "nearest" || mode === "nearest-exact";
    const integers = !nearest && category(x.dtype) < 2;
    if (integers && x.dtype !== "uint8")
      throw new DTypeError({
        op: "interpolate",
        message: `mode ${mode} of ${x.dtype} ${showShape(x.shape)}`,
        hint: "Cast with .float() first",
      });
    let y = nearest ? x : integers ? to(x, "float32") : wide(x);
    // From the last dimension on: integers are rounded after each, and PyTorch begins with rows.
    for (let d = nd - 1; d >= 0; d--) {
      const [n, out] = [ins[d]!, outs[d]!];
      const scale = factors && !recompute ? 1 / factors[d]! : n / out;
      if (nearest)
        y = pick(
          y,
          d + 2,
          Array.from({ length: out }, (_, i) =>
            Math.min(n - 1, Math.floor((mode === "nearest" ? i : i + 0.5) * (size !== undefined ? n / out : scale))),
          ),
        );
      else if (mode === "area")
        y = blend(
          y,
          d + 2,
          Array.from({ length: out }, (_, i) => {
            const a = Math.floor((i * n) / out);
            const b = Math.ceil(((i + 1) * n) / out);
            return { at: Array.from({ length: b - a }, (_, k) => a + k), w: new Array<number>(b - a).fill(1 / (b - a)) };
          }),
        );
      else y = blend(y, d + 2, samples(n, out, scale, mode === "bicubic", alignCorners ?? false));
      if (integers) y = y.round().clamp(0, 255);
    }
    return to(y, x.dtype);
  },
});
function samples(n: number, out: number, scale: number, cubic: boolean, align: boolean): Weights {
  return Array.from({ length: out }, (_, i) => {
    const s = align ? (out > 1 ? (i * (n - 1)) / (out - 1) : 0) : (i + 0.5) * scale - 0.5;
    const clip = (k: number): number => Math.min(n - 1, Math.max(0, k));
    if (!cubic) {
      const p = align ? s : Math.max(0, s);
      const a = Math.min(n - 1, Math.floor(p));
      return { at: [a, clip(a + 1)], w: [1 - (p - a), p - a] };
    }
    const a = Math.floor(s);
    const t = s - a;
    const A = -0.75; // Keys' kernel
    const near = (v: number): number => ((A + 2) * v - (A + 3)) * v * v + 1;
    const far = (v: number): number => ((A * v - 5 * A) * v + 8 * A) * v - 4 * A;
    return { at: [clip(a - 1), clip(a), clip(a + 1), clip(a + 2)], w: [far(t + 1), near(t), near(1 - t), far(2 - t)] };
  });
}
// Each output position is a weighted sum of a few input positions of `dim`.
function blend(x: Tensor, dim: number, weights: Weights): Tensor {
  const taps = Math.max(...weights.map((p) => p.at.length));
  let out: Tensor | null = null;
  for (let k = 0; k < taps; k++) {
    const w = tensor(
      weights.map((p) => p.w[k] ?? 0),
      { dtype: x.dtype, device: x.device },
    ).reshape(x.shape.map((_, d) => (d === dim ? -1 : 1)));
    const part = pick(
      x,
      dim,
      weights.map((p) => p.at[k] ?? 0),
    ).mul(w);
    out = out ? out.add(part) : part;
  }
  return out!;
}
