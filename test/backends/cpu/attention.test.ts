// Fused attention against the product, softmax, product in double; gradients against the formulas written out.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DType } from "../../../src/core/dtype.ts";
import { contiguousStrides } from "../../../src/core/layout.ts";
import { fused } from "../../../src/kernel/fused.ts";
import type { Operand } from "../../../src/kernel/spec.ts";
import { blank, cpu, get, put, skip, stream, view } from "./harness.ts";

const rand = stream(11);
const randn = (n: number): number[] =>
  Array.from({ length: n }, () => Math.fround(Math.sqrt(-2 * Math.log(1 - rand())) * Math.cos(2 * Math.PI * rand())));
type Four = readonly [number, number, number, number];
const size = (s: readonly number[]): number => s.reduce((a, b) => a * b, 1);

interface Case {
  B: number;
  H: number;
  Hkv: number;
  Tq: number;
  Tk: number;
  D: number;
  Dv: number;
  causal: boolean;
  mask: readonly number[] | null;
}
interface Result {
  o: number[];
  lse: number[];
  gq: number[];
  gk: number[];
  gv: number[];
}

function reference(c: Case, scale: number, q: number[], k: number[], v: number[], mask: number[] | null, go: number[]): Result {
  const { B, H, Hkv, Tq, Tk, D, Dv } = c;
  const r: Result = { o: new Array(B * H * Tq * Dv).fill(0), lse: [], gq: q.map(() => 0), gk: k.map(() => 0), gv: v.map(() => 0) };
  const maskAt = contiguousStrides(c.mask ?? []).map((s, d) => (c.mask![d] === 1 ? 0 : s));
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < Tq; i++) {
        const qi = ((b * H + h) * Tq + i) * D,
          oi = ((b * H + h) * Tq + i) * Dv,
          kv = b * Hkv + Math.floor(h / (H / Hkv));
        const s: number[] = [];
        for (let j = 0; j < Tk; j++) {
          let t = 0;
          for (let d = 0; d < D; d++) t += q[qi + d]! * k[(kv * Tk + j) * D + d]!;
          t = t * scale + (mask ? mask[b * maskAt[0]! + h * maskAt[1]! + i * maskAt[2]! + j * maskAt[3]!]! : 0);
          s.push(c.causal && j > i ? -Infinity : t);
        }
        const m = Math.max(...s);
        const z = m === -Infinity ? 0 : s.reduce((a, x) => a + Math.exp(x - m), 0);
        r.lse.push(m + Math.log(z));
        const p = s.map((x) => (z === 0 ? 0 : Math.exp(x - m) / z));
        for (let j = 0; j < Tk; j++) for (let d = 0; d < Dv; d++) r.o[oi + d]! += p[j]! * v[(kv * Tk + j) * Dv + d]!;
        let delta = 0;
        for (let d = 0; d < Dv; d++) delta += go[oi + d]! * r.o[oi + d]!;
        for (let j = 0; j < Tk; j++) {
          let dp = 0;
          for (let d = 0; d < Dv; d++) {
            dp += go[oi + d]! * v[(kv * Tk + j) * Dv + d]!;
            r.gv[(kv * Tk + j) * Dv + d]! += p[j]! * go[oi + d]!;
          }
          const ds = p[j]! * (dp - delta) * scale;
          for (let d = 0; d < D; d++) {
            r.gq[qi + d]! += ds * k[(kv * Tk + j) * D + d]!;
            r.gk[(kv * Tk + j) * D + d]! += ds * q[qi + d]!;
          }
        }
      }
  return r;
}

function near(name: string, got: readonly number[], want: readonly number[], tolerance: number): void {
  assert.equal(got.length, want.length, name);
  got.forEach((g, i) =>
    assert.ok(g === want[i] || Math.abs(g - want[i]!) <= tolerance * (1 + Math.abs(want[i]!)), `${name}[${i}]: got ${g}, want ${want[i]}`),
  );
}
/** Memory laid out [B, T, H, D], seen as [B, H, T, D]: what a projection's output looks like. */
function swapped(shape: Four, dtype: DType, values: number[] | null): Operand {
  const [B, H, T, D] = shape;
  const strides = [T * H * D, D, H * D, 1];
  if (values === null) return view(blank([size(shape)], dtype), shape, strides);
  const memory = new Array<number>(values.length);
  for (let b = 0, n = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let t = 0; t < T; t++) for (let d = 0; d < D; d++, n++) memory[((b * T + t) * H + h) * D + d] = values[n]!;
  return view(put(memory, dtype), shape, strides);
}

const plain = { B: 1, H: 1, Hkv: 1, Tq: 5, Tk: 7, D: 4, Dv: 4, causal: false, mask: null };
const CASES: readonly Case[] = [
  plain,
  { ...plain, B: 2, H: 3, Hkv: 3, Tq: 40, Tk: 40, D: 16, Dv: 16, causal: true },
  { ...plain, H: 4, Hkv: 2, Tq: 33, Tk: 150, D: 20, Dv: 9 },
  { ...plain, H: 2, Hkv: 1, Tq: 260, Tk: 260, D: 33, Dv: 40, causal: true },
  { ...plain, B: 2, H: 2, Hkv: 2, Tq: 17, Tk: 130, D: 8, Dv: 8, mask: [2, 1, 17, 130] },
  { ...plain, B: 2, H: 2, Hkv: 2, Tq: 17, Tk: 130, D: 8, Dv: 8, mask: [1, 2, 1, 130], causal: true },
  { ...plain, H: 4, Hkv: 2, Tq: 1, Tk: 300, D: 24, Dv: 70 },
  { ...plain, B: 2, H: 2, Hkv: 2, Tq: 3, Tk: 5, D: 3, Dv: 3, mask: [2, 1, 3, 5], causal: true },
  { ...plain, Tq: 90, Tk: 20, causal: true },
  { ...plain, Tq: 6, Tk: 0 },
];
for (const dtype of ["float32", "float64"] as const) {
  for (const c of CASES) {
    test(`attention ${dtype} ${JSON.stringify(c)}`, { skip }, () => {
      const qs: Four = [c.B, c.H, c.Tq, c.D],
        ks: Four = [c.B, c.Hkv, c.Tk, c.D],
        vs: Four = [c.B, c.Hkv, c.Tk, c.Dv],
        os: Four = [c.B, c.H, c.Tq, c.Dv];
      const [q, k, v, go] = [qs, ks, vs, os].map((s) => randn(size(s))) as [number[], number[], number[], number[]];
      const mask = c.mask && randn(size(c.mask)).map((x, i) => (x > 1 || i < c.Tk ? -Infinity : x)); // the first query sees nothing
      const scale = 1 / Math.sqrt(c.D);
      const want = reference(c, scale, q, k, v, mask, go);
      const params = [scale, c.causal ? 1 : 0, mask ? 1 : 0];
      const maskOp = mask
        ? [
            view(
              put(mask, dtype),
              [c.B, c.H, c.Tq, c.Tk],
              contiguousStrides(c.mask!).map((s, d) => (c.mask![d] === 1 ? 0 : s)),
            ),
          ]
        : [];
      const ins = [swapped(qs, dtype, q), put(k, dtype, ks), swapped(vs, dtype, v)];
      const outs = [swapped(os, dtype, null), blank([c.B, c.H, c.Tq], dtype)];
      cpu.run(fused("attention"), outs, [...ins, ...maskOp], params);
      const e = dtype === "float32" ? 5e-6 : 1e-12;
      near("o", get(outs[0]!), want.o, e);
      near("lse", get(outs[1]!), want.lse, e);
      const grads = [blank(qs, dtype), swapped(ks, dtype, null), blank(vs, dtype)];
      cpu.run(
        fused("attentionBackward"),
        grads,
        [swapped(os, dtype, go), ...ins, put(want.o, dtype, os), put(want.lse, dtype, [c.B, c.H, c.Tq]), ...maskOp],
        params,
      );
      [want.gq, want.gk, want.gv].forEach((w, i) => near(`gradient ${i}`, get(grads[i]!), w, 5 * e));
    });
  }
}
