// Least-squares fits behind the K-quants: scales (and minima) for small groups of values. The steps, their order and their
// rounding to float32 are those of ggml's reference quantisers, so that the same bytes come out.
import { extreme, f, nearest } from "./block.ts";

/** Below this all values of a group count as zero. */
export const EPSILON: number = f(1e-15);
const clamp = (x: number, low: number, high: number): number => (x < low ? low : x > high ? high : x);

/** A symmetric scale for n values and their quants in -top..top - 1, stored from 0; 19 starting points are tried. */
export function fitScale(x: Float32Array, from: number, n: number, top: number, quants: Uint8Array): number {
  const max = extreme(x, from, n);
  if (Math.abs(max) < EPSILON) {
    quants.fill(0, from, from + n);
    return 0;
  }
  let scale = 0;
  let best = 0;
  for (let t = 0; t <= 19; t++) {
    const step = t === 0 ? 0 : t - 10;
    if (t > 0 && step === 0) continue;
    const inverse = f(-f(top + f(f(0.1) * step)) / max);
    let sumlx = 0;
    let suml2 = 0;
    for (let i = from; i < from + n; i++) {
      const v = x[i]!;
      const l = clamp(nearest(f(inverse * v)), -top, top - 1);
      const w = f(v * v);
      sumlx = f(sumlx + f(f(w * v) * l));
      suml2 = f(suml2 + f(f(w * l) * l));
    }
    if (t > 0 && !(suml2 > 0 && f(sumlx * sumlx) > f(best * suml2))) continue;
    for (let i = from; i < from + n; i++) quants[i] = top + clamp(nearest(f(inverse * x[i]!)), -top, top - 1);
    scale = suml2 ? f(sumlx / suml2) : 0;
    best = f(scale * sumlx);
  }
  return scale;
}

/** The same for few levels: quants are improved one by one, at most five times round. */
export function refineScale(x: Float32Array, from: number, n: number, top: number, quants: Uint8Array): number {
  const max = extreme(x, from, n);
  if (Math.abs(max) < EPSILON) {
    quants.fill(0, from, from + n);
    return 0;
  }
  const inverse = f(-top / max);
  const L = new Int8Array(n);
  let sumlx = 0;
  let suml2 = 0;
  for (let i = 0; i < n; i++) {
    const v = x[from + i]!;
    const l = clamp(nearest(f(inverse * v)), -top, top - 1);
    const w = f(v * v);
    L[i] = l;
    sumlx = f(sumlx + f(f(w * v) * l));
    suml2 = f(suml2 + f(f(w * l) * l));
  }
  for (let round = 0, changed = true; round < 5 && changed; round++) {
    changed = false;
    for (let i = 0; i < n; i++) {
      const v = x[from + i]!;
      const w = f(v * v);
      const wv = f(w * v);
      let slx = f(sumlx - f(wv * L[i]!));
      if (!(slx > 0)) continue;
      let sl2 = f(suml2 - f(f(w * L[i]!) * L[i]!));
      const l = clamp(nearest(f(f(v * sl2) / slx)), -top, top - 1);
      if (l === L[i]) continue;
      slx = f(slx + f(wv * l));
      sl2 = f(sl2 + f(f(w * l) * l));
      if (sl2 > 0 && f(f(slx * slx) * suml2) > f(f(sumlx * sumlx) * sl2)) {
        L[i] = l;
        sumlx = slx;
        suml2 = sl2;
        changed = true;
      }
    }
  }
  for (let i = 0; i < n; i++) quants[from + i] = L[i]! + top;
  return suml2 > 0 ? f(sumlx / suml2) : 0;
}

/** How `fitAffine` searches: scales from `start` in `count` + 1 steps of `step`; errors absolute or squared. */
export interface Search {
  readonly start: number;
  readonly step: number;
  readonly count: number;
  readonly absolute: boolean;
}

function quantise(x: Float32Array, from: number, min: number, inverse: number, top: number, out: Uint8Array): void {
  for (let i = 0; i < out.length; i++) out[i] = clamp(nearest(f(inverse * f(x[from + i]! - min))), 0, top);
}
function errorOf(
  x: Float32Array,
  from: number,
  weights: Float32Array,
  q: Uint8Array,
  scale: number,
  min: number,
  absolute: boolean,
): number {
  let error = 0;
  for (let i = 0; i < q.length; i++) {
    const d = f(f(f(scale * q[i]!) + min) - x[from + i]!);
    error = f(error + f(weights[i]! * (absolute ? Math.abs(d) : f(d * d))));
  }
  return error;
}

/** A scale and a minimum (given with its sign turned, never negative) for n weighted values with quants in 0..top. */
export function fitAffine(
  x: Float32Array,
  from: number,
  weights: Float32Array,
  top: number,
  quants: Uint8Array,
  search: Search,
): { scale: number; min: number } {
  const n = weights.length;
  let min = x[from]!;
  let max = min;
  let sumW = weights[0]!;
  let sumX = f(sumW * min);
  for (let i = 1; i < n; i++) {
    const v = x[from + i]!;
    if (v < min) min = v;
    if (v > max) max = v;
    sumW = f(sumW + weights[i]!);
    sumX = f(sumX + f(weights[i]! * v));
  }
  if (min > 0) min = 0;
  if (max === min) {
    quants.fill(0, from, from + n);
    return { scale: 0, min: -min };
  }
  const trial = new Uint8Array(n);
  const first = f(top / f(max - min));
  let scale = f(1 / first);
  quantise(x, from, min, first, top, trial);
  quants.set(trial, from);
  let best = errorOf(x, from, weights, trial, scale, min, search.absolute);
  for (let t = 0; t <= search.count; t++) {
    const inverse = f(f(f(f(search.start) + f(f(search.step) * t)) + top) / f(max - min));
    quantise(x, from, min, inverse, top, trial);
    let sumL = 0;
    let sumL2 = 0;
    let sumXL = 0;
    for (let i = 0; i < n; i++) {
      const l = trial[i]!;
      const wl = f(weights[i]! * l);
      sumL = f(sumL + wl);
      sumL2 = f(sumL2 + f(wl * l));
      sumXL = f(sumXL + f(wl * x[from + i]!));
    }
    const D = f(f(sumW * sumL2) - f(sumL * sumL));
    if (!(D > 0)) continue;
    let s = f(f(f(sumW * sumXL) - f(sumX * sumL)) / D);
    let m = f(f(f(sumL2 * sumX) - f(sumL * sumXL)) / D);
    if (m > 0) {
      m = 0;
      s = f(sumXL / sumL2);
    }
    const error = errorOf(x, from, weights, trial, s, m, search.absolute);
    if (error < best) {
      quants.set(trial, from);
      best = error;
      scale = s;
      min = m;
    }
  }
  return { scale, min: -min };
}
