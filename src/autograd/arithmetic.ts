// The few tensor operations that the engine itself needs. `ops/` fills them in, so that imports point one way.
import type { Tensor } from "../core/tensor.ts";

/** What the engine asks of the ops layer. All are differentiable except `accumulate_`. */
export interface Arithmetic {
  add(a: Tensor, b: Tensor): Tensor;
  /** `into += g` in place, recorded nowhere. */
  accumulate_(into: Tensor, g: Tensor): void;
  clone(t: Tensor): Tensor;
  onesLike(t: Tensor): Tensor;
  zerosLike(t: Tensor): Tensor;
  /** `g` summed down and cast to fit a tensor of this shape and dtype. */
  fit(g: Tensor, like: Tensor): Tensor;
  /** The gradient of `asStrided`: values of `g` scattered into a zero tensor that looks like `base`. */
  asStridedBackward(g: Tensor, base: Tensor, view: Tensor): Tensor;
  /** `[base with the view's window zeroed or replaced, window]` for CopySlices. */
  window(g: Tensor, base: Tensor, view: Tensor): { whole: Tensor; part: Tensor };
  copy_(into: Tensor, from: Tensor): void;
  hasNaN(t: Tensor): boolean;
}

let found: Arithmetic | null = null;
/** @internal Called once by `ops/`. */
export function provideArithmetic(a: Arithmetic): void {
  found = a;
}
/** @internal */
export const arithmetic = (): Arithmetic => found!;
