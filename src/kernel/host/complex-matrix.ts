// The factorisations of matrix.ts for complex matrices: parts interleaved, on the host, in double, row-major.

type Parts = readonly [re: number, im: number];

// 1 / z, scaled so that squares neither overflow nor vanish.
function inverse(re: number, im: number): Parts {
  const m = Math.max(Math.abs(re), Math.abs(im));
  const [r, i] = [re / m, im / m];
  const d = (r * r + i * i) * m;
  return [r / d, -i / d];
}
// a[at] -= f · b[bt]
function subtract(a: Float64Array, at: number, fr: number, fi: number, b: Float64Array, bt: number): void {
  const [br, bi] = [b[bt]!, b[bt + 1]!];
  a[at]! -= fr * br - fi * bi;
  a[at + 1]! -= fr * bi + fi * br;
}
// a[at] *= f
function scale(a: Float64Array, at: number, fr: number, fi: number): void {
  const [re, im] = [a[at]!, a[at + 1]!];
  a[at] = re * fr - im * fi;
  a[at + 1] = re * fi + im * fr;
}
// The conjugate transpose of [m, n].
function adjoint(a: Float64Array, m: number, n: number): Float64Array {
  const out = new Float64Array(2 * m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      out[2 * (j * m + i)] = a[2 * (i * n + j)]!;
      out[2 * (j * m + i) + 1] = -a[2 * (i * n + j) + 1]!;
    }
  return out;
}
// Columns of [m, n], in the order of their numbers.
function columns(a: Float64Array, m: number, n: number, order: readonly number[]): Float64Array {
  const out = new Float64Array(2 * m * order.length);
  for (let i = 0; i < m; i++)
    order.forEach((c, j) => {
      out.set(a.subarray(2 * (i * n + c), 2 * (i * n + c) + 2), 2 * (i * order.length + j));
    });
  return out;
}
const first = (k: number): number[] => Array.from({ length: k }, (_, i) => i);
function identity(n: number): Float64Array {
  const out = new Float64Array(2 * n * n);
  for (let i = 0; i < n; i++) out[2 * (i * n + i)] = 1;
  return out;
}

/** LU with partial pivoting, in place. Returns the row order and the sign of its permutation; a zero pivot is left as it is. */
export function lu(a: Float64Array, n: number): { rows: Int32Array; sign: number } {
  const rows = Int32Array.from(first(n));
  let sign = 1;
  const size = (i: number, k: number): number => Math.abs(a[2 * (i * n + k)]!) + Math.abs(a[2 * (i * n + k) + 1]!);
  for (let k = 0; k < n; k++) {
    let p = k;
    for (let i = k + 1; i < n; i++) if (size(i, k) > size(p, k)) p = i;
    if (p !== k) {
      for (let j = 0; j < 2 * n; j++) [a[2 * p * n + j], a[2 * k * n + j]] = [a[2 * k * n + j]!, a[2 * p * n + j]!];
      [rows[p], rows[k]] = [rows[k]!, rows[p]!];
      sign = -sign;
    }
    if (size(k, k) === 0) continue;
    const [pr, pi] = inverse(a[2 * (k * n + k)]!, a[2 * (k * n + k) + 1]!);
    for (let i = k + 1; i < n; i++) {
      const at = 2 * (i * n + k);
      scale(a, at, pr, pi);
      for (let j = k + 1; j < n; j++) subtract(a, 2 * (i * n + j), a[at]!, a[at + 1]!, a, 2 * (k * n + j));
    }
  }
  return { rows, sign };
}
/** X with A X = B from A's LU; B is [n, m]. Null when A is singular. */
export function luSolve(a: Float64Array, rows: Int32Array, n: number, b: Float64Array, m: number): Float64Array | null {
  const x = new Float64Array(2 * n * m);
  for (let i = 0; i < n; i++) if (a[2 * (i * n + i)] === 0 && a[2 * (i * n + i) + 1] === 0) return null;
  for (let c = 0; c < m; c++) {
    for (let i = 0; i < n; i++) {
      const at = 2 * (i * m + c);
      x[at] = b[2 * (rows[i]! * m + c)]!;
      x[at + 1] = b[2 * (rows[i]! * m + c) + 1]!;
      for (let j = 0; j < i; j++) subtract(x, at, a[2 * (i * n + j)]!, a[2 * (i * n + j) + 1]!, x, 2 * (j * m + c));
    }
    for (let i = n - 1; i >= 0; i--) {
      const at = 2 * (i * m + c);
      for (let j = i + 1; j < n; j++) subtract(x, at, a[2 * (i * n + j)]!, a[2 * (i * n + j) + 1]!, x, 2 * (j * m + c));
      scale(x, at, ...inverse(a[2 * (i * n + i)]!, a[2 * (i * n + i) + 1]!));
    }
  }
  return x;
}
/** The determinant, from the LU factors in place of A. */
export function det(a: Float64Array, n: number): Float64Array {
  const out = Float64Array.of(lu(a, n).sign, 0);
  for (let i = 0; i < n; i++) scale(out, 0, a[2 * (i * n + i)]!, a[2 * (i * n + i) + 1]!);
  return out;
}
/** Sign (a number of modulus 1, or 0) and logarithm of the determinant's modulus. */
export function slogdet(a: Float64Array, n: number): [sign: Float64Array, log: Float64Array] {
  const sign = Float64Array.of(lu(a, n).sign, 0);
  let log = 0;
  for (let i = 0; i < n; i++) {
    const [re, im] = [a[2 * (i * n + i)]!, a[2 * (i * n + i) + 1]!];
    const size = Math.hypot(re, im);
    log += Math.log(size);
    scale(sign, 0, size === 0 ? 0 : re / size, size === 0 ? 0 : im / size);
  }
  return [sign, Float64Array.of(log)];
}
/** L with L Lᴴ = A from A's lower triangle; null where A is not positive definite. */
export function cholesky(a: Float64Array, n: number): Float64Array | null {
  const l = new Float64Array(2 * n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let [re, im] = [a[2 * (i * n + j)]!, a[2 * (i * n + j) + 1]!];
      for (let k = 0; k < j; k++) {
        const [x, y] = [2 * (i * n + k), 2 * (j * n + k)];
        re -= l[x]! * l[y]! + l[x + 1]! * l[y + 1]!;
        im -= l[x + 1]! * l[y]! - l[x]! * l[y + 1]!;
      }
      if (i === j && !(re > 0)) return null;
      const d = i === j ? Math.sqrt(re) : l[2 * (j * n + j)]!;
      l[2 * (i * n + j)] = i === j ? d : re / d;
      l[2 * (i * n + j) + 1] = i === j ? 0 : im / d;
    }
  }
  return l;
}
/** Householder's QR of [m, n]: Q [m, k] and R [k, n] with a real diagonal, signs as LAPACK's. */
export function qr(a: Float64Array, m: number, n: number, k: number): { q: Float64Array; r: Float64Array } {
  const r = a.slice();
  const q = identity(m);
  for (let c = 0; c < Math.min(m, n); c++) {
    const head = 2 * (c * n + c);
    let below = 0;
    for (let i = c + 1; i < m; i++) below = Math.hypot(below, r[2 * (i * n + c)]!, r[2 * (i * n + c) + 1]!);
    if (below === 0 && r[head + 1] === 0) continue;
    const norm = Math.hypot(r[head]!, r[head + 1]!, below);
    const beta = r[head]! >= 0 ? -norm : norm;
    // H = I - τ v vᴴ with v = (1, x / (α - β)) and τ = (β - α) / β makes Hᴴ (α, x) = (β, 0).
    const [tr, ti] = [(beta - r[head]!) / beta, -r[head + 1]! / beta];
    const [fr, fi] = inverse(r[head]! - beta, r[head + 1]!);
    const v = new Float64Array(2 * m);
    v[2 * c] = 1;
    for (let i = c + 1; i < m; i++) {
      v.set(r.subarray(2 * (i * n + c), 2 * (i * n + c) + 2), 2 * i);
      scale(v, 2 * i, fr, fi);
    }
    for (let j = 0; j < n; j++) {
      let [sr, si] = [0, 0]; // conj(τ) vᴴ r_j
      for (let i = c; i < m; i++) {
        const at = 2 * (i * n + j);
        sr += v[2 * i]! * r[at]! + v[2 * i + 1]! * r[at + 1]!;
        si += v[2 * i]! * r[at + 1]! - v[2 * i + 1]! * r[at]!;
      }
      [sr, si] = [tr * sr + ti * si, tr * si - ti * sr];
      for (let i = c; i < m; i++) subtract(r, 2 * (i * n + j), sr, si, v, 2 * i);
    }
    for (let j = 0; j < m; j++) {
      let [sr, si] = [0, 0]; // τ q_j v
      for (let i = c; i < m; i++) {
        const at = 2 * (j * m + i);
        sr += q[at]! * v[2 * i]! - q[at + 1]! * v[2 * i + 1]!;
        si += q[at]! * v[2 * i + 1]! + q[at + 1]! * v[2 * i]!;
      }
      [sr, si] = [tr * sr - ti * si, tr * si + ti * sr];
      for (let i = c; i < m; i++) {
        const at = 2 * (j * m + i);
        q[at]! -= sr * v[2 * i]! + si * v[2 * i + 1]!;
        q[at + 1]! -= si * v[2 * i]! - sr * v[2 * i + 1]!;
      }
    }
  }
  for (let i = 0; i < m; i++) r.fill(0, 2 * i * n, 2 * (i * n + Math.min(i, n)));
  return { q: columns(q, m, m, first(k)), r: r.subarray(0, 2 * k * n) };
}

// Below this the phase of a number is lost to rounding, and with it the unit length of e^(iφ).
const TINY = 1e-290;
// The rotation that makes the inner product of two columns vanish, given their squared lengths and that product g e^(iφ).
function rotation(pp: number, qq: number, re: number, im: number): { c: number; s: number; er: number; ei: number } {
  const g = Math.hypot(re, im);
  const theta = (qq - pp) / (2 * g);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  return { c, s: t * c, er: re / g, ei: -im / g };
}
// (x_p, x_q) = (c x_p - s e x_q, s x_p + c e x_q) for two interleaved places; e = e^(-iφ).
function rotate(x: Float64Array, p: number, q: number, o: { c: number; s: number; er: number; ei: number }): void {
  scale(x, q, o.er, o.ei);
  for (const k of [0, 1]) {
    const [g, h] = [x[p + k]!, x[q + k]!];
    x[p + k] = o.c * g - o.s * h;
    x[q + k] = o.s * g + o.c * h;
  }
}
/** Eigenvalues (ascending) and eigenvectors (columns) of a Hermitian matrix given by one triangle, by Jacobi's rotations. */
export function eigh(input: Float64Array, n: number, upper: boolean): { values: Float64Array; vectors: Float64Array } {
  const a = input.slice();
  for (let i = 0; i < n; i++) {
    a[2 * (i * n + i) + 1] = 0;
    for (let j = 0; j < i; j++) {
      const [to, from] = upper ? [2 * (i * n + j), 2 * (j * n + i)] : [2 * (j * n + i), 2 * (i * n + j)];
      a[to] = a[from]!;
      a[to + 1] = -a[from + 1]!;
    }
  }
  const v = identity(n);
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    let all = 0;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        const s = a[2 * (i * n + j)]! ** 2 + a[2 * (i * n + j) + 1]! ** 2;
        all += s;
        if (i !== j) off += s;
      }
    if (!(off > 1e-32 * all)) break;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const at = 2 * (p * n + q);
        if (Math.hypot(a[at]!, a[at + 1]!) < TINY) continue;
        const o = rotation(a[2 * (p * n + p)]!, a[2 * (q * n + q)]!, a[at]!, a[at + 1]!);
        for (let k = 0; k < n; k++) rotate(a, 2 * (k * n + p), 2 * (k * n + q), o);
        for (let k = 0; k < n; k++) rotate(a, 2 * (p * n + k), 2 * (q * n + k), { ...o, ei: -o.ei });
        for (let k = 0; k < n; k++) rotate(v, 2 * (k * n + p), 2 * (k * n + q), o);
      }
    }
  }
  const value = (i: number): number => a[2 * (i * n + i)]!;
  const order = first(n).sort((x, y) => value(x) - value(y));
  return { values: Float64Array.from(order, value), vectors: columns(v, n, n, order) };
}
/** U, singular values (descending) and Vᴴ, by one-sided Jacobi on the columns of the taller side; square factors when `full`. */
export function svd(input: Float64Array, m: number, n: number, full: boolean): { u: Float64Array; s: Float64Array; vh: Float64Array } {
  if (m < n) {
    const { u, s, vh } = svd(adjoint(input, m, n), n, m, full);
    return { u: adjoint(vh, m, m), s, vh: adjoint(u, n, full ? n : m) };
  }
  const a = input.slice();
  const v = identity(n);
  for (let sweep = 0, moved = true; moved && sweep < 60; sweep++) {
    moved = false;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        let [pp, qq, re, im] = [0, 0, 0, 0];
        for (let i = 0; i < m; i++) {
          const [x, y] = [2 * (i * n + p), 2 * (i * n + q)];
          pp += a[x]! ** 2 + a[x + 1]! ** 2;
          qq += a[y]! ** 2 + a[y + 1]! ** 2;
          re += a[x]! * a[y]! + a[x + 1]! * a[y + 1]!;
          im += a[x]! * a[y + 1]! - a[x + 1]! * a[y]!;
        }
        const size = Math.hypot(re, im);
        if (!(size > 1e-15 * Math.sqrt(pp * qq)) || size < TINY) continue;
        moved = true;
        const o = rotation(pp, qq, re, im);
        for (let i = 0; i < m; i++) rotate(a, 2 * (i * n + p), 2 * (i * n + q), o);
        for (let i = 0; i < n; i++) rotate(v, 2 * (i * n + p), 2 * (i * n + q), o);
      }
    }
  }
  const norms = first(n).map((j) => {
    let s = 0;
    for (let i = 0; i < m; i++) s = Math.hypot(s, a[2 * (i * n + j)]!, a[2 * (i * n + j) + 1]!);
    return s;
  });
  const order = first(n).sort((x, y) => norms[y]! - norms[x]!);
  const solid = order.filter((j) => norms[j]! > 1e-300 && norms[j]! > 1e-15 * norms[order[0]!]!);
  const u = complete(
    solid.map((j) => columns(a, m, n, [j]).map((x) => x / norms[j]!)),
    m,
    full ? m : n,
  );
  return { u, s: Float64Array.from(order, (j) => norms[j]!), vh: adjoint(columns(v, n, n, order), n, n) };
}
// `k` orthonormal columns of length m that begin with these, by Gram and Schmidt, twice for accuracy.
function complete(found: Float64Array[], m: number, k: number): Float64Array {
  const basis = found.slice(0, k);
  for (let e = 0; basis.length < k; e = (e + 1) % m) {
    const v = new Float64Array(2 * m);
    v[2 * e] = 1;
    for (const _ of [0, 1])
      for (const b of basis) {
        let [re, im] = [0, 0];
        for (let i = 0; i < 2 * m; i += 2) {
          re += b[i]! * v[i]! + b[i + 1]! * v[i + 1]!;
          im += b[i]! * v[i + 1]! - b[i + 1]! * v[i]!;
        }
        for (let i = 0; i < 2 * m; i += 2) subtract(v, i, re, im, b, i);
      }
    const norm = Math.hypot(...v);
    if (norm > 0.5 / Math.sqrt(m)) basis.push(v.map((x) => x / norm));
  }
  const out = new Float64Array(2 * m * k);
  basis.forEach((b, j) => {
    for (let i = 0; i < m; i++) out.set(b.subarray(2 * i, 2 * i + 2), 2 * (i * k + j));
  });
  return out;
}
