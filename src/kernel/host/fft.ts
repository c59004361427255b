// Fourier transforms on the host, in double, interleaved [re, im]: radix 2 by Cooley and Tukey, other lengths by Bluestein.

/** In-place transform of `n` complex numbers from `at` on: X_k = Σ x_j e^(sign · 2πi jk/n), unscaled. */
export function transform(x: Float64Array, at: number, n: number, sign: 1 | -1): void {
  if (n <= 1) return;
  if ((n & (n - 1)) === 0) radix2(x, at, n, sign);
  else bluestein(x, at, n, sign);
}

function radix2(x: Float64Array, at: number, n: number, sign: 1 | -1): void {
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    for (const part of [0, 1]) {
      const t = x[at + 2 * i + part]!;
      x[at + 2 * i + part] = x[at + 2 * j + part]!;
      x[at + 2 * j + part] = t;
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    for (let k = 0; k < half; k++) {
      const [c, s] = [Math.cos((2 * Math.PI * k) / size), sign * Math.sin((2 * Math.PI * k) / size)];
      for (let start = k; start < n; start += size) {
        const [p, q] = [at + 2 * start, at + 2 * (start + half)];
        const [re, im] = [x[q]! * c - x[q + 1]! * s, x[q]! * s + x[q + 1]! * c];
        x[q] = x[p]! - re;
        x[q + 1] = x[p + 1]! - im;
        x[p]! += re;
        x[p + 1]! += im;
      }
    }
  }
}

// jk = (j² + k² - (k - j)²) / 2 makes the transform a convolution with a chirp, done by powers of two.
function bluestein(x: Float64Array, at: number, n: number, sign: 1 | -1): void {
  let m = 1;
  while (m < 2 * n - 1) m *= 2;
  const [a, b] = [new Float64Array(2 * m), new Float64Array(2 * m)];
  const chirp = (k: number): [number, number] => {
    const angle = (Math.PI * ((k * k) % (2 * n))) / n;
    return [Math.cos(angle), sign * Math.sin(angle)];
  };
  for (let k = 0; k < n; k++) {
    const [c, s] = chirp(k);
    a[2 * k] = x[at + 2 * k]! * c - x[at + 2 * k + 1]! * s;
    a[2 * k + 1] = x[at + 2 * k]! * s + x[at + 2 * k + 1]! * c;
    for (const i of k === 0 ? [0] : [k, m - k]) {
      b[2 * i] = c;
      b[2 * i + 1] = -s;
    }
  }
  radix2(a, 0, m, 1);
  radix2(b, 0, m, 1);
  for (let k = 0; k < m; k++) {
    const [re, im] = [a[2 * k]! * b[2 * k]! - a[2 * k + 1]! * b[2 * k + 1]!, a[2 * k]! * b[2 * k + 1]! + a[2 * k + 1]! * b[2 * k]!];
    a[2 * k] = re;
    a[2 * k + 1] = im;
  }
  radix2(a, 0, m, -1);
  for (let k = 0; k < n; k++) {
    const [c, s] = chirp(k);
    x[at + 2 * k] = (a[2 * k]! * c - a[2 * k + 1]! * s) / m;
    x[at + 2 * k + 1] = (a[2 * k]! * s + a[2 * k + 1]! * c) / m;
  }
}
