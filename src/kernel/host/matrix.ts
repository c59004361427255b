// Matrix factorisations on the host, in double, row-major. Small and plain: they are never hot.

/** LU with partial pivoting, in place. Returns the row order and the sign of its permutation; a zero pivot is left as it is. */
export function lu(a: Float64Array, n: number): { rows: Int32Array; sign: number } {
  const rows = Int32Array.from({ length: n }, (_, i) => i);
  let sign = 1;
  for (let k = 0; k < n; k++) {
    let p = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(a[i * n + k]!) > Math.abs(a[p * n + k]!)) p = i;
    if (p !== k) {
      for (let j = 0; j < n; j++) [a[p * n + j], a[k * n + j]] = [a[k * n + j]!, a[p * n + j]!];
      [rows[p], rows[k]] = [rows[k]!, rows[p]!];
      sign = -sign;
    }
    if (a[k * n + k] === 0) continue;
    for (let i = k + 1; i < n; i++) {
      const f = (a[i * n + k]! /= a[k * n + k]!);
      for (let j = k + 1; j < n; j++) a[i * n + j]! -= f * a[k * n + j]!;
    }
  }
  return { rows, sign };
}
/** X with A X = B from A's LU; B is [n, m]. Null when A is singular. */
export function luSolve(a: Float64Array, rows: Int32Array, n: number, b: Float64Array, m: number): Float64Array | null {
  const x = new Float64Array(n * m);
  for (let i = 0; i < n; i++) if (a[i * n + i] === 0) return null;
  for (let c = 0; c < m; c++) {
    for (let i = 0; i < n; i++) {
      let s = b[rows[i]! * m + c]!;
      for (let j = 0; j < i; j++) s -= a[i * n + j]! * x[j * m + c]!;
      x[i * m + c] = s;
    }
    for (let i = n - 1; i >= 0; i--) {
      let s = x[i * m + c]!;
      for (let j = i + 1; j < n; j++) s -= a[i * n + j]! * x[j * m + c]!;
      x[i * m + c] = s / a[i * n + i]!;
    }
  }
  return x;
}
/** The determinant, from the LU factors in place of A. */
export function det(a: Float64Array, n: number): Float64Array {
  let p = lu(a, n).sign;
  for (let i = 0; i < n; i++) p *= a[i * n + i]!;
  return Float64Array.of(p);
}
/** Sign and logarithm of the determinant's modulus. */
export function slogdet(a: Float64Array, n: number): [sign: Float64Array, log: Float64Array] {
  let sign = lu(a, n).sign;
  let log = 0;
  for (let i = 0; i < n; i++) {
    sign *= Math.sign(a[i * n + i]!);
    log += Math.log(Math.abs(a[i * n + i]!));
  }
  return [Float64Array.of(sign), Float64Array.of(log)];
}
/** L with L Lᵀ = A from A's lower triangle; null where A is not positive definite. */
export function cholesky(a: Float64Array, n: number): Float64Array | null {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let s = a[i * n + j]!;
      for (let k = 0; k < j; k++) s -= l[i * n + k]! * l[j * n + k]!;
      if (i === j && !(s > 0)) return null;
      l[i * n + j] = i === j ? Math.sqrt(s) : s / l[j * n + j]!;
    }
  }
  return l;
}
// Columns of [m, n], in the order of their numbers.
function columns(a: Float64Array, m: number, n: number, order: readonly number[]): Float64Array {
  const k = order.length;
  return Float64Array.from({ length: m * k }, (_, i) => a[Math.floor(i / k) * n + order[i % k]!]!);
}
const first = (k: number): number[] => Array.from({ length: k }, (_, i) => i);

/** Householder's QR of [m, n]: Q [m, k] and R [k, n], signs as LAPACK's. */
export function qr(a: Float64Array, m: number, n: number, k: number): { q: Float64Array; r: Float64Array } {
  const r = a.slice();
  const q = new Float64Array(m * m);
  for (let i = 0; i < m; i++) q[i * m + i] = 1;
  for (let c = 0; c < Math.min(m - 1, n); c++) {
    let norm = 0;
    for (let i = c; i < m; i++) norm = Math.hypot(norm, r[i * n + c]!);
    let below = 0;
    for (let i = c + 1; i < m; i++) below = Math.max(below, Math.abs(r[i * n + c]!));
    if (below === 0) continue;
    const alpha = r[c * n + c]! >= 0 ? -norm : norm;
    const v = new Float64Array(m);
    for (let i = c; i < m; i++) v[i] = r[i * n + c]!;
    v[c]! -= alpha;
    let vv = 0;
    for (let i = c; i < m; i++) vv += v[i]! * v[i]!;
    for (let j = 0; j < n; j++) {
      let s = 0;
      for (let i = c; i < m; i++) s += v[i]! * r[i * n + j]!;
      for (let i = c; i < m; i++) r[i * n + j]! -= (2 * s * v[i]!) / vv;
    }
    for (let j = 0; j < m; j++) {
      let s = 0;
      for (let i = c; i < m; i++) s += q[j * m + i]! * v[i]!;
      for (let i = c; i < m; i++) q[j * m + i]! -= (2 * s * v[i]!) / vv;
    }
  }
  for (let i = 0; i < m; i++) for (let j = 0; j < Math.min(i, n); j++) r[i * n + j] = 0;
  return { q: columns(q, m, m, first(k)), r: r.subarray(0, k * n) };
}
/** Eigenvalues (ascending) and eigenvectors (columns) of a symmetric matrix given by one triangle, by Jacobi's rotations. */
export function eigh(input: Float64Array, n: number, upper: boolean): { values: Float64Array; vectors: Float64Array } {
  const a = input.slice();
  for (let i = 0; i < n; i++)
    for (let j = 0; j < i; j++)
      if (upper) a[i * n + j] = a[j * n + i]!;
      else a[j * n + i] = a[i * n + j]!;
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    let all = 0;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        const s = a[i * n + j]! ** 2;
        all += s;
        if (i !== j) off += s;
      }
    if (!(off > 1e-32 * all)) break;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (a[p * n + q] === 0) continue;
        const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * a[p * n + q]!);
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const s = t * c;
        const rotate = (x: Float64Array, i: number, j: number): void => {
          const [g, h] = [x[i]!, x[j]!];
          x[i] = c * g - s * h;
          x[j] = s * g + c * h;
        };
        for (let k = 0; k < n; k++) rotate(a, k * n + p, k * n + q);
        for (let k = 0; k < n; k++) rotate(a, p * n + k, q * n + k);
        for (let k = 0; k < n; k++) rotate(v, k * n + p, k * n + q);
      }
    }
  }
  const order = first(n).sort((x, y) => a[x * n + x]! - a[y * n + y]!);
  return { values: Float64Array.from(order, (i) => a[i * n + i]!), vectors: columns(v, n, n, order) };
}
/** U, singular values (descending) and Vᵀ, by one-sided Jacobi on the columns of the taller side; square factors when `full`. */
export function svd(input: Float64Array, m: number, n: number, full: boolean): { u: Float64Array; s: Float64Array; vh: Float64Array } {
  if (m < n) {
    const { u, s, vh } = svd(transpose(input, m, n), n, m, full);
    return { u: transpose(vh, m, m), s, vh: transpose(u, n, full ? n : m) };
  }
  const a = input.slice();
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  for (let sweep = 0, moved = true; moved && sweep < 60; sweep++) {
    moved = false;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        let [pp, qq, pq] = [0, 0, 0];
        for (let i = 0; i < m; i++) {
          pp += a[i * n + p]! ** 2;
          qq += a[i * n + q]! ** 2;
          pq += a[i * n + p]! * a[i * n + q]!;
        }
        if (!(Math.abs(pq) > 1e-15 * Math.sqrt(pp * qq)) || pq === 0) continue;
        moved = true;
        const theta = (qq - pp) / (2 * pq);
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const s = t * c;
        const rotate = (x: Float64Array, i: number, j: number): void => {
          const [g, h] = [x[i]!, x[j]!];
          x[i] = c * g - s * h;
          x[j] = s * g + c * h;
        };
        for (let i = 0; i < m; i++) rotate(a, i * n + p, i * n + q);
        for (let i = 0; i < n; i++) rotate(v, i * n + p, i * n + q);
      }
    }
  }
  const norms = first(n).map((j) => {
    let s = 0;
    for (let i = 0; i < m; i++) s = Math.hypot(s, a[i * n + j]!);
    return s;
  });
  const order = first(n).sort((x, y) => norms[y]! - norms[x]!);
  const solid = order.filter((j) => norms[j]! > 1e-300 && norms[j]! > 1e-15 * norms[order[0]!]!);
  const u = complete(
    solid.map((j) => columns(a, m, n, [j]).map((x) => x / norms[j]!)),
    m,
    full ? m : n,
  );
  return { u, s: Float64Array.from(order, (j) => norms[j]!), vh: transpose(columns(v, n, n, order), n, n) };
}
function transpose(a: Float64Array, m: number, n: number): Float64Array {
  return Float64Array.from({ length: m * n }, (_, k) => a[(k % m) * n + Math.floor(k / m)]!);
}
// `k` orthonormal columns of length m that begin with these, by Gram and Schmidt, twice for accuracy.
function complete(found: Float64Array[], m: number, k: number): Float64Array {
  const basis = found.slice(0, k);
  for (let e = 0; basis.length < k; e = (e + 1) % m) {
    const v = new Float64Array(m);
    v[e] = 1;
    for (const _ of [0, 1])
      for (const b of basis) {
        let d = 0;
        for (let i = 0; i < m; i++) d += b[i]! * v[i]!;
        for (let i = 0; i < m; i++) v[i]! -= d * b[i]!;
      }
    const norm = Math.hypot(...v);
    if (norm > 0.5 / Math.sqrt(m)) basis.push(v.map((x) => x / norm));
  }
  return Float64Array.from({ length: m * k }, (_, i) => basis[i % k]![Math.floor(i / k)]!);
}
