// Fused kernels against naive loops in double, gradients against central differences of those loops.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IndexError } from "../../../src/core/errors.ts";
import type { DType } from "../../../src/core/dtype.ts";
import { FUSED_NAMES, fused, type FusedName } from "../../../src/kernel/fused.ts";
import type { Operand } from "../../../src/kernel/spec.ts";
import { blank, cpu, get, put, skip, stream, view } from "./harness.ts";

const rand = stream(7);
const normal = (): number => Math.sqrt(-2 * Math.log(1 - rand())) * Math.cos(2 * Math.PI * rand());
const randn = (n: number, scale = 1, shift = 0): number[] => Array.from({ length: n }, () => Math.fround(normal() * scale + shift));
const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const sum = (a: readonly number[]): number => a.reduce((x, y) => x + y, 0);

/** Largest difference relative to 1 + |want|. */
function near(name: string, got: readonly number[], want: readonly number[], tolerance: number): void {
  assert.equal(got.length, want.length, name);
  got.forEach((g, i) => {
    const w = want[i]!;
    if (Object.is(g, w) || g === w) return;
    assert.ok(Math.abs(g - w) <= tolerance * (1 + Math.abs(w)), `${name}[${i}]: got ${g}, want ${w}`);
  });
}
const tolerance = { float32: 4e-6, float64: 1e-12 } as const;
type Real = keyof typeof tolerance;
const REALS: readonly Real[] = ["float32", "float64"];

function run(
  name: FusedName,
  dtype: DType,
  outs: readonly (readonly number[])[],
  ins: readonly Operand[],
  params: readonly number[],
): number[][] {
  const out = outs.map((s) => blank(s, dtype));
  cpu.run(fused(name), out, ins, params);
  return out.map(get);
}

/** The gradient of Σ gy f(x) with respect to each of `xs` by central differences. */
function numeric(f: (xs: number[][]) => number[], xs: readonly number[][], gy: readonly number[]): number[][] {
  const h = 1e-5;
  const at = (k: number, i: number, d: number): number[] => f(xs.map((x, kk) => (kk === k ? x.map((v, ii) => (ii === i ? v + d : v)) : x)));
  return xs.map((x, k) =>
    x.map((_, i) => {
      const [a, b] = [at(k, i, h), at(k, i, -h)];
      return sum(gy.map((g, j) => (g * (a[j]! - b[j]!)) / (2 * h)));
    }),
  );
}

test("names and dtypes", { skip }, () => {
  for (const name of FUSED_NAMES) {
    const mask = name === "nonzero";
    assert.equal(cpu.has(fused(name), "bool"), mask);
    assert.equal(cpu.has(fused(name), "float32"), !mask);
    const quantized = name === "quantizedLinear" || name === "dequantize";
    assert.equal(cpu.has(fused(name), "bfloat16"), quantized);
    assert.equal(cpu.has(fused(name), "float64"), !quantized && !mask);
  }
  assert.equal(cpu.has({ kind: "fused", name: "noSuch" }, "float32"), false);
});

// ---- softmax
const softmaxLine = (x: number[], log: boolean): number[] => {
  const m = Math.max(...x);
  const z = sum(x.map((v) => Math.exp(v - m)));
  return x.map((v) => (log ? v - m - Math.log(z) : Math.exp(v - m) / z));
};
/** Applies f to the lines of a [a, n, b] array along its middle. */
function alongMiddle(x: number[], a: number, n: number, b: number, f: (line: number[], at: (k: number) => number) => number[]): number[] {
  const out = x.slice();
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++) {
      const at = (k: number): number => (i * n + k) * b + j;
      f(
        Array.from({ length: n }, (_, k) => x[at(k)]!),
        at,
      ).forEach((v, k) => {
        out[at(k)] = v;
      });
    }
  return out;
}

for (const dtype of REALS) {
  test(`softmax family ${dtype}`, { skip }, () => {
    for (const [a, n, b] of [
      [3, 7, 1],
      [2, 129, 1],
      [1, 5000, 1],
      [2, 9, 37],
      [3, 1, 5],
      [1, 4, 16],
      [700, 33, 1],
    ] as const) {
      for (const log of [false, true]) {
        const x = randn(a * n * b, 3);
        const shape = [a, n, b];
        const want = alongMiddle(x, a, n, b, (l) => softmaxLine(l, log));
        const name = log ? "logSoftmax" : "softmax";
        const [y] = run(name, dtype, [shape], [put(x, dtype, shape)], [1]);
        near(`${name} ${shape}`, y!, want, tolerance[dtype]);
        const gy = randn(a * n * b);
        const gx = alongMiddle(want, a, n, b, (l, at) => {
          const s = sum(l.map((v, k) => gy[at(k)]! * (log ? 1 : v)));
          return l.map((v, k) => (log ? gy[at(k)]! - Math.exp(v) * s : v * (gy[at(k)]! - s)));
        });
        near(
          `${name}Backward ${shape}`,
          run(`${name}Backward`, dtype, [shape], [put(gy, dtype, shape), put(want, dtype, shape)], [1])[0]!,
          gx,
          10 * tolerance[dtype],
        );
      }
    }
  });
}

test("softmax: strides, in place, infinities", { skip }, () => {
  const x = randn(24);
  const o = put(x);
  const out = view(blank([48]), [4, 3, 2], [1, 8, 4]); // neither rows nor columns
  cpu.run(fused("softmax"), [out], [view(o, [4, 3, 2], [6, 2, 1])], [1]);
  near(
    "strided",
    get(out),
    alongMiddle(x, 4, 3, 2, (l) => softmaxLine(l, false)),
    4e-6,
  );
  const one = put(x, "float32", [4, 6]);
  cpu.run(fused("softmax"), [one], [one], [1]);
  near(
    "in place",
    get(one),
    alongMiddle(x, 4, 6, 1, (l) => softmaxLine(l, false)),
    4e-6,
  );
  const inf = run("softmax", "float32", [[2, 3]], [put([-Infinity, 1, 1, -Infinity, -Infinity, -Infinity], "float32", [2, 3])], [1])[0]!;
  assert.deepEqual(inf, [0, 0.5, 0.5, NaN, NaN, NaN]);
  assert.deepEqual(run("softmax", "float32", [[]], [put([3], "float32", [])], [0])[0], [1]);
  assert.deepEqual(run("softmax", "float32", [[0, 3]], [put([], "float32", [0, 3])], [1])[0], []);
});

// ---- normalisations: [N, C, S] with statistics over sets of elements
interface Case {
  name: "layerNorm" | "rmsNorm" | "groupNorm" | "batchNorm";
  shape: number[];
  groups: number;
}
function normReference(
  c: Case,
  eps: number,
  x: number[],
  w: number[] | null,
  b: number[] | null,
): { y: number[]; mean: number[]; variance: number[] } {
  const [N, C, S] = c.shape as [number, number, number];
  const row = c.name === "layerNorm" || c.name === "rmsNorm";
  const set = (i: number): number => {
    const n = Math.floor(i / (C * S)),
      ch = Math.floor(i / S) % C;
    return c.name === "batchNorm" ? ch : c.name === "groupNorm" ? n * c.groups + Math.floor(ch / (C / c.groups)) : Math.floor(i / S);
  };
  const sets = c.name === "batchNorm" ? C : c.name === "groupNorm" ? N * c.groups : N * C;
  const count = x.length / sets;
  const mean = new Array<number>(sets).fill(0),
    variance = new Array<number>(sets).fill(0);
  if (c.name !== "rmsNorm")
    x.forEach((v, i) => {
      mean[set(i)]! += v / count;
    });
  x.forEach((v, i) => {
    variance[set(i)]! += (v - mean[set(i)]!) ** 2 / count;
  });
  const y = x.map((v, i) => {
    const k = row ? i % S : Math.floor(i / S) % C;
    return ((v - mean[set(i)]!) / Math.sqrt(variance[set(i)]! + eps)) * (w ? w[k]! : 1) + (b ? b[k]! : 0);
  });
  return { y, mean, variance };
}
const CASES: readonly Case[] = [
  { name: "layerNorm", shape: [2, 3, 37], groups: 1 },
  { name: "rmsNorm", shape: [1, 5, 70], groups: 1 },
  { name: "groupNorm", shape: [2, 6, 5], groups: 3 },
  { name: "groupNorm", shape: [3, 4, 19], groups: 1 },
  { name: "batchNorm", shape: [4, 3, 18], groups: 1 },
  { name: "batchNorm", shape: [6, 21, 1], groups: 1 },
];
for (const c of CASES) {
  for (const dtype of REALS) {
    test(`${c.name} [${c.shape}] ${dtype}`, { skip }, () => {
      for (const [hasW, hasB] of [
        [1, 1],
        [1, 0],
        [0, 1],
        [0, 0],
      ] as const) {
        if (c.name === "rmsNorm" && hasB) continue;
        const eps = 1e-5;
        const row = c.name === "layerNorm" || c.name === "rmsNorm";
        const k = row ? c.shape[2]! : c.shape[1]!;
        const x = randn(size(c.shape), 2, 3),
          w = hasW ? randn(k) : null,
          b = hasB ? randn(k) : null;
        const want = normReference(c, eps, x, w, b);
        const affine = [w, b].filter((a) => a !== null);
        const sizes = c.name === "batchNorm" ? [] : [c.name === "groupNorm" ? c.groups : k];
        const flags = c.name === "rmsNorm" ? [hasW] : [hasW, hasB];
        const stat = want.mean.length;
        const outs = c.name === "rmsNorm" ? [c.shape, [stat]] : [c.shape, [stat], [stat]];
        const ops = affine.map((a) => put(a, dtype));
        const got = run(c.name, dtype, outs, [put(x, dtype, c.shape), ...ops], [...sizes, eps, ...flags]);
        const second = c.name === "batchNorm" ? want.variance : want.variance.map((v) => 1 / Math.sqrt(v + eps));
        near("y", got[0]!, want.y, tolerance[dtype]);
        near("statistic", got.at(-1)!, second, tolerance[dtype]);
        if (c.name !== "rmsNorm") near("mean", got[1]!, want.mean, tolerance[dtype]);
        const gy = randn(x.length);
        const f = (xs: number[][]): number[] => normReference(c, eps, xs[0]!, hasW ? xs[1]! : null, hasB ? xs[1 + hasW]! : null).y;
        const grads = numeric(f, [x, ...affine], gy);
        const saved = c.name === "rmsNorm" ? [put(second, dtype)] : [put(want.mean, dtype), put(second, dtype)];
        const back = run(
          `${c.name}Backward`,
          dtype,
          [c.shape, ...affine.map((a) => [a.length])],
          [put(gy, dtype, c.shape), put(x, dtype, c.shape), ...saved, ...(w ? [put(w, dtype)] : [])],
          c.name === "batchNorm" ? [eps, ...flags] : [...sizes, ...flags],
        );
        grads.forEach((g, i) => near(`gradient ${i}`, back[i]!, g, dtype === "float64" ? 1e-8 : 2e-5));
      }
    });
  }
}

// ---- cross entropy
for (const dtype of REALS) {
  test(`crossEntropy ${dtype}`, { skip }, () => {
    for (const [N, C, smoothing] of [
      [5, 3, 0],
      [4, 100, 0.1],
      [2, 5001, 0],
    ] as const) {
      const x = randn(N * C, 2);
      const target = Array.from({ length: N }, (_, i) => (i === 1 ? -100 : Math.floor(rand() * C)));
      const f = (xs: number[][]): number[] =>
        target.map((t, r) => {
          if (t === -100) return 0;
          const l = softmaxLine(xs[0]!.slice(r * C, r * C + C), true);
          return -(1 - smoothing) * l[t]! - (smoothing * sum(l)) / C;
        });
      const ops = [put(x, dtype, [N, C]), put(target, "int64")];
      const [loss, lse] = run("crossEntropy", dtype, [[N], [N]], ops, [-100, smoothing]);
      near("loss", loss!, f([x]), tolerance[dtype]);
      const g = [1.5];
      const gx = run(
        "crossEntropyBackward",
        dtype,
        [[N, C]],
        [view(put(g, dtype), [N], [0]), ...ops, put(lse!, dtype)],
        [-100, smoothing],
      )[0]!;
      const want = target.flatMap((t, r) => {
        const p = softmaxLine(x.slice(r * C, r * C + C), false);
        return p.map((v, c) => (t === -100 ? 0 : 1.5 * (v - (c === t ? 1 - smoothing : 0) - smoothing / C)));
      });
      near("gx", gx, want, tolerance[dtype]);
    }
    assert.throws(() => run("crossEntropy", dtype, [[1], [1]], [put([1, 2], dtype, [1, 2]), put([2], "int64")], [-100, 0]), IndexError);
  });
}

// ---- gelu
/** erf by its series: exact to double for the arguments used here. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x,
    total = x;
  for (let k = 1; k < 200; k++) {
    term *= (-x * x) / k;
    total += term / (2 * k + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}
test("gelu", { skip }, () => {
  const xs = [...Array.from({ length: 2001 }, (_, i) => Math.fround((i - 1000) / 220)), 0, -0, 40, 1e30];
  const gy = randn(xs.length);
  const f = [
    (x: number): number => (x * (1 + erf(x * Math.SQRT1_2))) / 2,
    (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  ] as const;
  for (const dtype of REALS)
    for (const tanh of [0, 1] as const) {
      const y = run("gelu", dtype, [[xs.length]], [put(xs, dtype)], [tanh])[0]!;
      near(`gelu ${tanh}`, y, xs.map(f[tanh]), dtype === "float32" ? 5e-7 : 1e-9);
      const gx = run("geluBackward", dtype, [[xs.length]], [put(gy, dtype), put(xs, dtype)], [tanh])[0]!;
      const h = 1e-4;
      xs.forEach((x, i) => {
        if (Math.abs(x) > 5) return;
        const slope = tanh
          ? (8 * (f[1](x + h) - f[1](x - h)) - (f[1](x + 2 * h) - f[1](x - 2 * h))) / (12 * h)
          : (1 + erf(x * Math.SQRT1_2)) / 2 + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
        near(`geluBackward ${tanh} at ${x}`, [gx[i]!], [slope * gy[i]!], dtype === "float32" ? 3e-6 : 1e-9);
      });
      assert.deepEqual(
        run("gelu", dtype, [[4]], [put([Infinity, -1e4, NaN, 1e4], dtype)], [tanh])[0]!.map((v) => v + 0),
        [Infinity, 0, NaN, 1e4],
      );
    }
});

// ---- optimizers
test("adam and adamw", { skip }, () => {
  const n = 1000;
  for (const dtype of REALS)
    for (const decoupled of [0, 1])
      for (const amsgrad of [0, 1])
        for (const maximize of [0, 1]) {
          const [lr, b1, b2, eps, wd] = [0.01, 0.9, 0.999, 1e-8, 0.1] as const;
          const p = randn(n),
            m = new Array<number>(n).fill(0),
            v = m.slice(),
            top = m.slice();
          const outs = [p, m, v, ...(amsgrad ? [top] : [])].map((a) => put(a, dtype));
          for (let t = 1; t <= 3; t++) {
            const g = randn(n);
            cpu.run(fused("adam"), outs, [put(g, dtype)], [lr, b1, b2, eps, wd, t, maximize, decoupled, amsgrad]);
            for (let i = 0; i < n; i++) {
              let d = maximize ? -g[i]! : g[i]!;
              if (decoupled) p[i]! *= 1 - lr * wd;
              else d += wd * p[i]!;
              m[i] = b1 * m[i]! + (1 - b1) * d;
              v[i] = b2 * v[i]! + (1 - b2) * d * d;
              top[i] = Math.max(top[i]!, v[i]!);
              p[i]! -= ((lr / (1 - b1 ** t)) * m[i]!) / (Math.sqrt((amsgrad ? top : v)[i]!) / Math.sqrt(1 - b2 ** t) + eps);
            }
          }
          [p, m, v].forEach((want, i) => near(`adam ${i}`, get(outs[i]!), want, tolerance[dtype]));
        }
});
test("sgd", { skip }, () => {
  const n = 77;
  for (const dtype of REALS)
    for (const [momentum, dampening, nesterov] of [
      [0, 0, 0],
      [0.9, 0, 0],
      [0.9, 0.5, 0],
      [0.9, 0, 1],
    ] as const) {
      const p = randn(n),
        buffer = new Array<number>(n).fill(NaN);
      const outs = [put(p, dtype), ...(momentum ? [put(buffer, dtype)] : [])];
      for (let t = 0; t < 3; t++) {
        const g = randn(n);
        cpu.run(fused("sgd"), outs, [put(g, dtype)], [0.1, momentum, dampening, 0.01, nesterov, 0, t === 0 ? 1 : 0]);
        for (let i = 0; i < n; i++) {
          let d = g[i]! + 0.01 * p[i]!;
          if (momentum) {
            buffer[i] = t === 0 ? d : momentum * buffer[i]! + (1 - dampening) * d;
            d = nesterov ? d + momentum * buffer[i]! : buffer[i]!;
          }
          p[i]! -= 0.1 * d;
        }
      }
      near("sgd", get(outs[0]!), p, tolerance[dtype]);
    }
});
