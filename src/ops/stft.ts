// Short-time Fourier transforms.
import { isComplex } from "../core/dtype.ts";
import { ShapeError, showShape, ValueError } from "../core/errors.ts";
import { contiguousStrides, denseLayout, layoutOf } from "../core/layout.ts";
import type { Tensor } from "../core/tensor.ts";
import { ones } from "./create.ts";
import { composite, type Op } from "./define.ts";
import { fft, ifft, irfft, rfft } from "./fft.ts";
import { viewAsReal } from "./shape/complex.ts";
import { asStridedBackward } from "./shape/strided.ts";
import { pad } from "./vision.ts";

/** Options of `stft`. */
export interface StftOptions {
  /** Distance of the windows (default nFft / 4). */
  hopLength?: number | null;
  /** Length of the window (default nFft), put in the middle of nFft points. */
  winLength?: number | null;
  /** [winLength] factors (default ones). */
  window?: Tensor | null;
  /** Does frame t have its middle at t · hopLength? The signal is padded then. Default true. */
  center?: boolean;
  /** How (default `"reflect"`). */
  padMode?: "reflect" | "constant" | "replicate" | "circular";
  /** Divide by √nFft? Default false. */
  normalized?: boolean;
  /** Only the nFft/2 + 1 different frequencies of real signals? Default true for real signals. */
  onesided?: boolean | null;
  /** Complex results? Else pairs [re, im] in a last dimension. */
  returnComplex?: boolean | null;
}
/** Options of `istft`. */
export interface IstftOptions extends Omit<StftOptions, "padMode"> {
  /** Length of the signal; default all that the frames cover. */
  length?: number | null;
}

// The window, put in the middle of nFft points.
function windowOf(op: string, x: Tensor, nFft: number, winLength: number, window: Tensor | undefined): Tensor {
  if (!(winLength > 0 && winLength <= nFft))
    throw new ValueError({ op, message: `winLength ${winLength}, nFft ${nFft}`, hint: "0 < winLength <= nFft" });
  if (window && (window.ndim !== 1 || window.shape[0] !== winLength))
    throw new ShapeError({ op, message: `window ${showShape(window.shape)}`, hint: `It must have ${winLength} elements` });
  const w =
    window ?? ones([winLength], { dtype: x.dtype === "float64" || x.dtype === "complex128" ? "float64" : "float32", device: x.device });
  const left = Math.floor((nFft - winLength) / 2);
  return winLength === nFft ? w : pad(w, [left, nFft - winLength - left]);
}

/**
 * Spectra of overlapping windows of [..., T]: complex [..., frequencies, frames].
 * @throws ShapeError, ValueError
 * @example stft(ones(16), 8, { returnComplex: true }).shape // => [5, 9]
 */
export const stft: Op<[nFft: number, options?: StftOptions]> = /*@__PURE__*/ composite({
  torch: "stft",
  params: [
    "input",
    "nFft",
    "hopLength?",
    "winLength?",
    "window?",
    "center?",
    "padMode?: reflect|constant|replicate|circular",
    "normalized?",
    "onesided?",
    "returnComplex?",
    "alignToWindow?: flag",
  ],
  forward: (
    input: Tensor,
    nFft: number,
    hopLength?: number,
    winLength?: number,
    window?: Tensor,
    center = true,
    padMode: StftOptions["padMode"] = "reflect",
    normalized = false,
    onesided?: boolean,
    returnComplex?: boolean,
  ) => {
    if (input.ndim !== 1 && input.ndim !== 2)
      throw new ShapeError({ op: "stft", message: `input ${showShape(input.shape)}`, hint: "[T] or [N, T]" });
    const hop = hopLength ?? Math.floor(nFft / 4);
    if (!(hop > 0)) throw new ValueError({ op: "stft", message: `hopLength ${hop}`, hint: "It must be positive" });
    const w = windowOf("stft", input, nFft, winLength ?? nFft, window);
    let x = input.ndim === 1 ? input.unsqueeze(0) : input;
    if (center) x = pad(x.unsqueeze(0), [Math.floor(nFft / 2), Math.floor(nFft / 2)], { mode: padMode ?? "reflect" }).squeeze(0);
    if (!(nFft > 0 && nFft <= x.shape[1]!))
      throw new ValueError({ op: "stft", message: `nFft ${nFft} of ${x.shape[1]} samples`, hint: "It must not be longer than the signal" });
    const frames = x.unfold(1, nFft, hop).mul(w); // [N, frames, nFft]
    const half = onesided ?? !(isComplex(input.dtype) || isComplex(w.dtype));
    const norm = normalized ? "ortho" : "backward";
    const spectrum = (half ? rfft(frames, { dim: -1, norm }) : fft(frames, { dim: -1, norm })).transpose(1, 2);
    const out = input.ndim === 1 ? spectrum.squeeze(0) : spectrum;
    return returnComplex === false ? viewAsReal(out.contiguous()) : out;
  },
});

/**
 * The signal of a spectrum that `stft` made: windows are added up and divided by the sum of their squares.
 * @throws ShapeError, ValueError
 * @example istft(stft(ones(16), 8, { window: ones(8), returnComplex: true }), 8, { window: ones(8) }).shape // => [16]
 */
export const istft: Op<[nFft: number, options?: IstftOptions]> = /*@__PURE__*/ composite({
  torch: "istft",
  params: ["input", "nFft", "hopLength?", "winLength?", "window?", "center?", "normalized?", "onesided?", "length?", "returnComplex?"],
  forward: (
    input: Tensor,
    nFft: number,
    hopLength?: number,
    winLength?: number,
    window?: Tensor,
    center = true,
    normalized = false,
    onesided?: boolean,
    length?: number,
    returnComplex = false,
  ) => {
    if (!isComplex(input.dtype) || input.ndim < 2 || input.ndim > 3)
      throw new ShapeError({
        op: "istft",
        message: `${input.dtype} input ${showShape(input.shape)}`,
        hint: "Complex [frequencies, frames] or [N, frequencies, frames]",
      });
    const hop = hopLength ?? Math.floor(nFft / 4);
    const w = windowOf("istft", input, nFft, winLength ?? nFft, window);
    const x = (input.ndim === 2 ? input.unsqueeze(0) : input).transpose(1, 2); // [N, frames, frequencies]
    const half = onesided ?? x.shape[2] !== nFft;
    if (x.shape[2] !== (half ? Math.floor(nFft / 2) + 1 : nFft))
      throw new ShapeError({ op: "istft", message: `input ${showShape(input.shape)} has ${x.shape[2]} frequencies, nFft is ${nFft}` });
    const norm = normalized ? "ortho" : "backward";
    // A real signal comes from half a spectrum: of a whole one the other half is not looked at.
    const time =
      returnComplex && !half ? ifft(x, { dim: -1, norm }) : irfft(x.narrow(2, 0, Math.floor(nFft / 2) + 1), { n: nFft, dim: -1, norm });
    const count = time.shape[1]!;
    const total = nFft + hop * (count - 1);
    // Overlapping frames are added where they lie: the transpose of unfold.
    const overlap = (frames: Tensor): Tensor =>
      asStridedBackward(
        frames,
        denseLayout([frames.shape[0]!, total]),
        layoutOf([frames.shape[0]!, count, nFft], [contiguousStrides([frames.shape[0]!, total])[0]!, hop, 1], 0),
      );
    const sum = overlap(time.mul(w).contiguous());
    const weight = overlap(w.square().expand([1, count, nFft]).contiguous());
    const start = center ? Math.floor(nFft / 2) : 0;
    const end = length !== undefined ? Math.min(total, start + length) : center ? total - Math.floor(nFft / 2) : total;
    const part = weight.narrow(1, start, end - start);
    if (part.abs().min().itemSync() < 1e-11)
      throw new ValueError({ op: "istft", message: "the windows leave samples uncovered", hint: "Use a longer window or a smaller hop" });
    let y = sum.narrow(1, start, end - start).div(part);
    if (length !== undefined && y.shape[1]! < length) y = pad(y, [0, length - y.shape[1]!]);
    return input.ndim === 2 ? y.squeeze(0) : y;
  },
});
