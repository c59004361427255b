// Mean, deviation, extremes and what is not finite, of any tensor.
import { isComplex, isFloating } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import * as torch from "../index.ts";

/** Figures over all elements; those of finite values where there are others too. */
export interface Statistics {
  readonly mean: number;
  readonly std: number;
  readonly min: number;
  readonly max: number;
  readonly nan: number;
  readonly inf: number;
}

/** The figures of a tensor; of a complex one those of its real and imaginary parts together. */
export function statistics(t: Tensor): Statistics {
  return torch.noGrad(() => {
    const real = isComplex(t.dtype) ? torch.viewAsReal(t) : t;
    const x = real.to("float64").flatten();
    const nan = isFloating(real.dtype) ? x.isnan().sum().itemSync<number>() : 0;
    const inf = isFloating(real.dtype) ? x.isinf().sum().itemSync<number>() : 0;
    const finite = nan + inf > 0 ? x.maskedSelect(x.isfinite()) : x;
    if (finite.numel() === 0) return { mean: Number.NaN, std: Number.NaN, min: Number.NaN, max: Number.NaN, nan, inf };
    const mean = finite.mean().itemSync<number>();
    const std = finite.numel() > 1 ? finite.std().itemSync<number>() : 0;
    return { mean, std, min: finite.min().itemSync<number>(), max: finite.max().itemSync<number>(), nan, inf };
  });
}
