// Special functions in double.

/** Error function: its series near 0 (Abramowitz & Stegun 7.1.6), else from erfc. */
export function erf(x: number): number {
  if (Math.abs(x) > 2) return x > 0 ? 1 - erfc(x) : erfc(-x) - 1;
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) sum += term *= (2 * x * x) / (2 * n + 1);
  return Number.isNaN(x) ? x : (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
/** Complementary error function: the continued fraction of A&S 7.1.14 for x > 1. */
export function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < 1) return x < -1 ? 2 - erfc(-x) : 1 - erf(x);
  let f = 0;
  for (let k = 500; k > 0; k--) f = k / 2 / (x + f);
  // x² to more than double precision: a short number squares exactly.
  const short = Math.fround(x);
  return x > 30 ? 0 : (Math.exp(-short * short) * Math.exp((short - x) * (short + x))) / (Math.sqrt(Math.PI) * (x + f));
}
/** Inverse error function: Winitzki's start, then Halley's steps. */
export function erfinv(x: number): number {
  if (!(x >= -1 && x <= 1)) return Number.NaN;
  if (x === 1 || x === -1) return x * Number.POSITIVE_INFINITY;
  const w = Math.log((1 - x) * (1 + x));
  const t = 2 / (Math.PI * 0.147) + w / 2;
  let y = Math.sign(x) * Math.sqrt(Math.sqrt(t * t - w / 0.147) - t);
  for (let i = 0; i < 4; i++) {
    const err = x > 0.5 ? 1 - x - erfc(y) : x < -0.5 ? erfc(-y) - (1 + x) : erf(y) - x;
    const s = err / ((2 / Math.sqrt(Math.PI)) * Math.exp(-y * y));
    y -= s / (1 + y * s);
  }
  return y;
}
// π times the distance to the nearest integer: sines and tangents of π x without the error that a large x brings.
const turn = (x: number): number => Math.PI * (x - Math.round(x));
/** log |Γ(x)|: reflection, recurrence to 15, Stirling's series (A&S 6.1.41). */
export function lgamma(x: number): number {
  if (Math.abs(x) === Number.POSITIVE_INFINITY || (x <= 0 && Number.isInteger(x))) return Number.POSITIVE_INFINITY;
  if (x <= 0) return Math.log(Math.PI / Math.abs(Math.sin(turn(x)))) - lgamma(1 - x);
  let shift = 0;
  let z = x;
  for (; z < 15; z++) shift -= Math.log(z);
  const r = 1 / (z * z);
  return (
    shift +
    (z - 0.5) * Math.log(z) -
    z +
    0.5 * Math.log(2 * Math.PI) +
    (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / z
  );
}
/** Γ'(x)/Γ(x): reflection, recurrence to 10, asymptotic series (A&S 6.3.18). */
export function digamma(x: number): number {
  if (x === 0) return Object.is(x, -0) ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  if (x < 0) return Number.isInteger(x) ? Number.NaN : digamma(1 - x) - Math.PI / Math.tan(turn(x));
  let r = 0;
  let z = x;
  for (; z < 10; z++) r -= 1 / z;
  const y = 1 / (z * z);
  return (
    r + Math.log(z) - 0.5 / z - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * (691 / 32760 - y / 12))))))
  );
}
