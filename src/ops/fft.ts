// torch.fft. One primitive, a transform along one dimension, whose gradient is the transform with the other sign.
import type { Context } from "../autograd/function.ts";
import { type DType, isComplex, toComplex, toReal } from "../core/dtype.ts";
import { ArgumentError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import { normDim } from "../core/layout.ts";
import type { Tensor } from "../core/tensor.ts";
import { transform } from "../kernel/host/fft.ts";
import { to } from "./copy.ts";
import { arange, tensor, type TensorOptions } from "./create.ts";
import { bindArgs, located } from "../core/arguments.ts";
import { composite, type Op, primitive } from "./define.ts";
import { dataSync } from "./host.ts";
import { cat, roll } from "./join.ts";
import { pad } from "./vision.ts";

/** How a transform is scaled: `backward` divides the inverse by n, `ortho` both by √n, `forward` the forward one by n. */
export type Norm = "backward" | "ortho" | "forward";
/** Options of one-dimensional transforms. */
export interface FftOptions {
  /** Points: the input is cut, or padded with zeros. */
  n?: number | null;
  /** The dimension (default the last). */
  dim?: number;
  /** How results are scaled (default `"backward"`). */
  norm?: Norm | null;
}
/** Options of transforms over several dimensions. */
export interface FftnOptions {
  /** Points of each dimension: the input is cut, or padded with zeros. */
  s?: readonly number[] | null;
  /** The dimensions (default all, or as many of the last as `s` names). */
  dim?: number | readonly number[] | null;
  /** How results are scaled (default `"backward"`). */
  norm?: Norm | null;
}

const NORM = "norm?: backward|ortho|forward";

const core: (x: Tensor, dim: number, sign: 1 | -1) => Tensor = /*@__PURE__*/ primitive<
  (x: Tensor, dim: number, sign: 1 | -1) => Tensor,
  [Tensor, number, 1 | -1]
>({
  torch: "_fft",
  params: ["input", "dim", "sign"],
  forward: (_ctx: Context<[Tensor, number, 1 | -1]>, x, dim, sign) => {
    const last = x.transpose(dim, -1);
    const values = Float64Array.from(dataSync(last) as Float64Array);
    const n = last.shape.at(-1)!;
    for (let at = 0; at < values.length; at += 2 * n) transform(values, at, n, sign);
    return tensor(values, { dtype: "complex128", device: x.device }).reshape(last.shape).transpose(dim, -1).contiguous().to(x.dtype);
  },
  backward: (ctx, g) => (g ? core(g, ctx.args[1], -ctx.args[2] as 1 | -1) : null),
});

const scaleOf = (op: string, norm: Norm, n: number, inverse: boolean): number => {
  if (norm === "ortho") return 1 / Math.sqrt(n);
  if (norm === "backward") return inverse ? 1 / n : 1;
  if (norm === "forward") return inverse ? 1 : 1 / n;
  throw new ArgumentError({ op, message: `norm is ${JSON.stringify(norm)}`, hint: 'Use "backward", "ortho" or "forward"' });
};
// Cut or filled with zeros to n along dim.
function resized(op: string, x: Tensor, n: number | undefined, dim: number): Tensor {
  const have = x.shape[dim]!;
  const want = n ?? have;
  if (!(Number.isInteger(want) && want >= 1))
    throw new ValueError({ op, message: `${want} points of shape ${showShape(x.shape)}`, hint: "At least one is needed" });
  if (want < have) return x.narrow(dim, 0, want);
  return want === have ? x : pad(x, [...new Array<number>(2 * (x.ndim - 1 - dim)).fill(0), 0, want - have]);
}
const complexOf = (x: Tensor): Tensor => (isComplex(x.dtype) ? x : to(x, toComplex(x.dtype)));
function check(op: string, x: Tensor): void {
  if (x.ndim === 0) throw new ShapeError({ op, message: "a scalar has no dimension to transform" });
}

function c2c(op: string, x: Tensor, n: number | undefined, dim: number, norm: Norm, inverse: boolean): Tensor {
  check(op, x);
  const d = normDim(dim, x.ndim, op);
  const y = resized(op, complexOf(x), n, d);
  const s = scaleOf(op, norm, y.shape[d]!, inverse);
  const out = core(y, d, inverse ? 1 : -1);
  return s === 1 ? out : out.mul(s);
}
const half = (y: Tensor, d: number): Tensor => y.narrow(d, 0, Math.floor(y.shape[d]! / 2) + 1);
// The full spectrum from its first half: X_{n-k} = conj X_k. The imaginary parts of X_0 and X_{n/2} do not count.
function hermitian(op: string, x: Tensor, n: number | undefined, d: number): Tensor {
  const points = n ?? 2 * (x.shape[d]! - 1);
  if (!(points >= 1)) throw new ValueError({ op, message: `${points} points of shape ${showShape(x.shape)}`, hint: "Give n" });
  const h = resized(op, complexOf(x), Math.floor(points / 2) + 1, d);
  const mirrored = points - h.shape[d]!;
  return mirrored > 0 ? cat([h, h.narrow(d, 1, mirrored).flip([d]).conj()], d) : h;
}
function c2r(op: string, x: Tensor, n: number | undefined, dim: number, norm: Norm, inverse: boolean): Tensor {
  check(op, x);
  const d = normDim(dim, x.ndim, op);
  const full = hermitian(op, x, n, d);
  return core(full, d, inverse ? 1 : -1).real.mul(scaleOf(op, norm, full.shape[d]!, inverse));
}

type Fft = Op<[n?: number | null | FftOptions, dim?: number | FftOptions, norm?: Norm]>;
const one = (torch: string, f: (x: Tensor, n: number | undefined, dim: number, norm: Norm) => Tensor): Fft =>
  composite({
    torch,
    params: ["input", "n?: positive", "dim?", NORM],
    forward: (x: Tensor, n?: number, dim = -1, norm: Norm = "backward") => f(x, n, dim, norm),
  });
const real = (op: string, x: Tensor): Tensor => {
  if (isComplex(x.dtype)) throw new ArgumentError({ op, message: `${x.dtype} input`, hint: "It takes real numbers; use fft" });
  return x;
};
/**
 * The discrete Fourier transform along `dim` (default the last), of `n` points (cut or padded with zeros): X_k = Σ x_j e^(-2πi jk/n), complex.
 * @throws ValueError, IndexError
 * @example viewAsReal(fft.fft(tensor([1, 2, 3, 4]))) // => [[10, 0], [-2, 2], [-2, 0], [-2, -2]]
 */
export const fft: Fft = /*@__PURE__*/ one("fft.fft", (x, n, d, norm) => c2c("fft", x, n, d, norm, false));
/** The inverse of `fft`. @example viewAsReal(fft.ifft(fft.fft(tensor([1, 2])))) // => [[1, 0], [2, 0]] */
export const ifft: Fft = /*@__PURE__*/ one("fft.ifft", (x, n, d, norm) => c2c("ifft", x, n, d, norm, true));
/**
 * The first half of the transform of real numbers, n/2 + 1 values; the rest is its mirror image.
 * @example viewAsReal(fft.rfft(tensor([1, 2, 3, 4]))) // => [[10, 0], [-2, 2], [-2, 0]]
 */
export const rfft: Fft = /*@__PURE__*/ one("fft.rfft", (x, n, d, norm) =>
  half(c2c("rfft", real("rfft", x), n, d, norm, false), normDim(d, x.ndim, "rfft")),
);
/**
 * Real numbers from the first half of their transform; `n` points (default 2·(size - 1)).
 * @example fft.irfft(fft.rfft(tensor([1, 2, 3, 4]))) // => [1, 2, 3, 4]
 */
export const irfft: Fft = /*@__PURE__*/ one("fft.irfft", (x, n, d, norm) => c2r("irfft", x, n, d, norm, true));
/** The real transform of a half-given Hermitian signal. @example fft.hfft(tensor([1.5, 0.5])) // => [2, 1] */
export const hfft: Fft = /*@__PURE__*/ one("fft.hfft", (x, n, d, norm) =>
  c2r("hfft", complexOf(x).conj(), n, d, norm === "forward" ? "backward" : norm === "backward" ? "forward" : norm, true),
);
/** The inverse of `hfft`. @example viewAsReal(fft.ihfft(tensor([1, 2]))) // => [[1.5, 0], [-0.5, 0]] */
export const ihfft: Fft = /*@__PURE__*/ one("fft.ihfft", (x, n, d, norm) =>
  half(c2c("ihfft", real("ihfft", x), n, d, norm, true), normDim(d, x.ndim, "ihfft")).mul(1),
);

type Fftn = Op<[s?: readonly number[] | null | FftnOptions, dim?: number | readonly number[] | null | FftnOptions, norm?: Norm]>;
function plan(
  op: string,
  x: Tensor,
  s: readonly number[] | undefined,
  dim: number | readonly number[] | undefined,
  fallback: readonly number[] | null,
): { dims: number[]; sizes: (number | undefined)[] } {
  const given =
    dim !== undefined ? ([dim].flat() as number[]) : (fallback ?? (s ? s.map((_, i) => i - s.length) : x.shape.map((_, d) => d)));
  const dims = given.map((d) => normDim(d, x.ndim, op));
  if (new Set(dims).size < dims.length) throw new ValueError({ op, message: `dimension named twice in ${showShape(dims)}` });
  if (s && s.length !== dims.length) throw new ValueError({ op, message: `${s.length} sizes for ${dims.length} dimensions` });
  return { dims, sizes: dims.map((_, i) => (s?.[i] === undefined || s[i] === -1 ? undefined : s[i])) };
}
const many = (
  torch: string,
  fallback: readonly number[] | null,
  f: (x: Tensor, dims: number[], sizes: (number | undefined)[], norm: Norm) => Tensor,
): Fftn => {
  const op = torch.slice(4);
  return composite({
    torch,
    params: ["input", "s?", "dim?: ints", NORM],
    forward: (x: Tensor, s?: number[], dim?: number | number[], norm: Norm = "backward") => {
      const p = plan(op, x, s, dim, fallback);
      return f(x, p.dims, p.sizes, norm);
    },
  });
};
const allC2c =
  (op: string, inverse: boolean) =>
  (x: Tensor, dims: number[], sizes: (number | undefined)[], norm: Norm): Tensor =>
    dims.reduce((y, d, i) => c2c(op, y, sizes[i], d, norm, inverse), complexOf(x));
const allR2c =
  (op: string) =>
  (x: Tensor, dims: number[], sizes: (number | undefined)[], norm: Norm): Tensor => {
    const k = dims.length - 1;
    return allC2c(op, false)(half(c2c(op, real(op, x), sizes[k], dims[k]!, norm, false), dims[k]!), dims.slice(0, k), sizes, norm);
  };
const allC2r =
  (op: string) =>
  (x: Tensor, dims: number[], sizes: (number | undefined)[], norm: Norm): Tensor => {
    const k = dims.length - 1;
    return c2r(op, allC2c(op, true)(x, dims.slice(0, k), sizes, norm), sizes[k], dims[k]!, norm, true);
  };
/** `fft` along several dimensions (default all). @example viewAsReal(fft.fftn(tensor([[1, 2], [3, 4]]))) // => [[[10, 0], [-2, 0]], [[-4, 0], [0, 0]]] */
export const fftn: Fftn = /*@__PURE__*/ many("fft.fftn", null, allC2c("fftn", false));
/** The inverse of `fftn`. @example viewAsReal(fft.ifftn(fft.fftn(tensor([[1, 2]])))) // => [[[1, 0], [2, 0]]] */
export const ifftn: Fftn = /*@__PURE__*/ many("fft.ifftn", null, allC2c("ifftn", true));
/** `fft` along the last two dimensions. @example fft.fft2(ones(3, 2, 2)).shape // => [3, 2, 2] */
export const fft2: Fftn = /*@__PURE__*/ many("fft.fft2", [-2, -1], allC2c("fft2", false));
/** The inverse of `fft2`. @example viewAsReal(fft.ifft2(fft.fft2(tensor([[1, 2]])))) // => [[[1, 0], [2, 0]]] */
export const ifft2: Fftn = /*@__PURE__*/ many("fft.ifft2", [-2, -1], allC2c("ifft2", true));
/** `rfft` along several dimensions: the last is halved. @example fft.rfftn(ones(4, 4)).shape // => [4, 3] */
export const rfftn: Fftn = /*@__PURE__*/ many("fft.rfftn", null, allR2c("rfftn"));
/** The inverse of `rfftn`. @example fft.irfftn(fft.rfftn(tensor([[1, 2]]))) // => [[1, 2]] */
export const irfftn: Fftn = /*@__PURE__*/ many("fft.irfftn", null, allC2r("irfftn"));
/** `rfftn` along the last two dimensions. @example fft.rfft2(ones(3, 4, 4)).shape // => [3, 4, 3] */
export const rfft2: Fftn = /*@__PURE__*/ many("fft.rfft2", [-2, -1], allR2c("rfft2"));
/** The inverse of `rfft2`. @example fft.irfft2(fft.rfft2(tensor([[1, 2]]))) // => [[1, 2]] */
export const irfft2: Fftn = /*@__PURE__*/ many("fft.irfft2", [-2, -1], allC2r("irfft2"));

type Frequencies = (n: number, ...args: [d?: number | TensorOptions, options?: TensorOptions]) => Tensor;
const frequencies = (op: string, args: unknown[], count: (n: number) => number, at: (i: number, n: number) => number): Tensor => {
  const [n, d = 1, dtype, device] = bindArgs(
    op,
    ["n: positive", "d?: number", "dtype?", "device?", "requiresGrad?", "layout?", "pinMemory?"],
    args,
  ) as [number, number?, DType?, string?];
  return arange(0, count(n), 1, { dtype: "float64", ...(device && { device }) })
    .mul(0)
    .add(tensor(Float64Array.from({ length: count(n) }, (_, i) => at(i, n) / (n * d))))
    .to(dtype ?? toReal("complex64"));
};
/** The frequencies of `fft`'s results: 0, 1, …, -1 over n·d. @example fft.fftfreq(4) // => [0, 0.25, -0.5, -0.25] */
export const fftfreq: Frequencies = /*@__PURE__*/ located("fftfreq", "n, d?, dtype?, device?", (n: number, ...args: unknown[]) =>
  frequencies(
    "fftfreq",
    [n, ...args],
    (k) => k,
    (i, k) => (i < Math.ceil(k / 2) ? i : i - k),
  ),
);
/** The frequencies of `rfft`'s results. @example fft.rfftfreq(4) // => [0, 0.25, 0.5] */
export const rfftfreq: Frequencies = /*@__PURE__*/ located("rfftfreq", "n, d?, dtype?, device?", (n: number, ...args: unknown[]) =>
  frequencies(
    "rfftfreq",
    [n, ...args],
    (k) => Math.floor(k / 2) + 1,
    (i) => i,
  ),
);
type Shift = Op<[dim?: number | readonly number[] | null | { dim?: number | readonly number[] }]>;
const shifted = (torch: string, by: (n: number) => number): Shift =>
  composite({
    torch,
    params: ["input", "dim?: ints"],
    forward: (x: Tensor, dim?: number | number[]) => {
      const dims = dim === undefined ? x.shape.map((_, d) => d) : ([dim].flat() as number[]);
      return dims.length
        ? roll(
            x,
            dims.map((d) => by(x.shape[normDim(d, x.ndim, torch)]!)),
            dims,
          )
        : x.clone();
    },
  });
/** Moves frequency 0 to the middle. @example fft.fftshift(tensor([0, 1, 2, 3])) // => [2, 3, 0, 1] */
export const fftshift: Shift = /*@__PURE__*/ shifted("fft.fftshift", (n) => Math.floor(n / 2));
/** Undoes `fftshift`. @example fft.ifftshift(tensor([2, 3, 0, 1])) // => [0, 1, 2, 3] */
export const ifftshift: Shift = /*@__PURE__*/ shifted("fft.ifftshift", (n) => Math.ceil(n / 2));
