// Convolution kernels against loops in float64, over random geometries, dtypes and strides.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DType } from "../../../src/core/dtype.ts";
import { contiguousStrides, numelOf } from "../../../src/core/layout.ts";
import type { ConvSpec, Operand } from "../../../src/kernel/spec.ts";
import { blank, cpu, get, put, skip, stream, view } from "./harness.ts";

const random = stream(11);
const pick = (a: number, b: number): number => a + Math.floor(random() * (b - a + 1));

interface Case {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly y: readonly number[];
  readonly spec: ConvSpec;
}

/** Every product that makes up a convolution: f(index in x, in w, in y). */
function eachProduct(c: Case, f: (x: number, w: number, y: number) => void): void {
  const nd = c.spec.stride.length;
  const three = (a: readonly number[], fill: number): number[] => [...new Array<number>(3 - nd).fill(fill), ...a];
  const [xs, ks, ys] = [three(c.x.slice(2), 1), three(c.w.slice(2), 1), three(c.y.slice(2), 1)];
  const [st, pd, dl] = [three(c.spec.stride, 1), three(c.spec.padding, 0), three(c.spec.dilation, 1)];
  const ci = c.w[1]!;
  const co = c.w[0]! / c.spec.groups;
  for (let n = 0; n < c.x[0]!; n++)
    for (let o = 0; o < c.w[0]!; o++)
      for (let i = 0; i < ci; i++) {
        const channel = Math.floor(o / co) * ci + i;
        for (let p = 0; p < numelOf(ys); p++)
          for (let k = 0; k < numelOf(ks); k++) {
            let at = 0;
            let inside = true;
            for (let d = 0, pr = p, kr = k, py = numelOf(ys), pk = numelOf(ks); d < 3; d++) {
              py /= ys[d]!;
              pk /= ks[d]!;
              const q = Math.floor(pr / py) * st[d]! - pd[d]! + Math.floor(kr / pk) * dl[d]!;
              pr %= py;
              kr %= pk;
              inside &&= q >= 0 && q < xs[d]!;
              at = at * xs[d]! + q;
            }
            if (inside) f((n * c.x[1]! + channel) * numelOf(xs) + at, (o * ci + i) * numelOf(ks) + k, (n * c.w[0]! + o) * numelOf(ys) + p);
          }
      }
}

// The operand's values under a layout with other strides: dimensions reversed in memory, every second element used.
function strided(shape: readonly number[], values: readonly number[], dtype: DType): Operand {
  const reversed = contiguousStrides(shape.toReversed())
    .toReversed()
    .map((s) => 2 * s);
  const dense = contiguousStrides(shape);
  const memory = new Array<number>(2 * values.length + 1).fill(NaN);
  values.forEach((v, i) => {
    memory[1 + shape.reduce((at, n, d) => at + (Math.floor(i / dense[d]!) % n) * reversed[d]!, 0)] = v;
  });
  return view(put(memory, dtype), shape, reversed, 1);
}

const EPS: Readonly<Record<string, number>> = { float32: 2 ** -23, float64: 2 ** -52, float16: 2 ** -10, bfloat16: 2 ** -7 };

function check(c: Case, dtype: DType, loose: boolean): void {
  const make = (shape: readonly number[], scale: number): [number[], Operand] => {
    const plain = put(
      Array.from({ length: numelOf(shape) }, () => (random() - 0.5) * scale),
      dtype,
      shape,
    );
    const values = get(plain); // as the dtype rounds them
    return [values, loose ? strided(shape, values, dtype) : plain];
  };
  const [x, xo] = make(c.x, 2);
  const [w, wo] = make(c.w, 2);
  const [gy, go] = make(c.y, 2);
  const [bias, bo] = make([c.w[0]!], 2);
  const plane = numelOf(c.y.slice(2));
  const y = gy.map((_, i) => bias[Math.floor(i / plane) % c.w[0]!]!);
  const gx = x.map(() => 0);
  const gw = w.map(() => 0);
  const size = { y: y.map(Math.abs), gx: x.map(() => 0), gw: w.map(() => 0) };
  eachProduct(c, (i, j, k) => {
    y[k]! += x[i]! * w[j]!;
    size.y[k]! += Math.abs(x[i]! * w[j]!);
    gx[i]! += gy[k]! * w[j]!;
    size.gx[i]! += Math.abs(gy[k]! * w[j]!);
    gw[j]! += gy[k]! * x[i]!;
    size.gw[j]! += Math.abs(gy[k]! * x[i]!);
  });
  const name = JSON.stringify([c.x, c.w, c.y, c.spec, dtype, loose]);
  const compare = (pass: ConvSpec["pass"], shape: readonly number[], ins: Operand[], want: number[], sizes: number[]): void => {
    const out = blank(shape, dtype);
    cpu.run({ ...c.spec, pass }, [out], ins, []);
    get(out).forEach((v, i) => {
      assert.ok(
        Math.abs(v - want[i]!) <= EPS[dtype]! * (8 * sizes[i]! + Math.abs(want[i]!)),
        `${pass} ${name} at ${i}: ${v} for ${want[i]}`,
      );
    });
  };
  compare("forward", c.y, [xo, wo, bo], y, size.y);
  compare("input", c.x, [go, wo], gx, size.gx);
  compare("weight", c.w, [go, xo], gw, size.gw);
}

function geometry(
  nd: number,
  N: number,
  groups: number,
  ci: number,
  co: number,
  x: readonly number[],
  kernel: readonly number[],
  stride: readonly number[],
  padding: readonly number[],
  dilation: readonly number[],
): Case | null {
  const y = x.map((n, d) => Math.floor((n + 2 * padding[d]! - dilation[d]! * (kernel[d]! - 1) - 1) / stride[d]!) + 1);
  if (y.some((n) => n < 1)) return null;
  assert.equal(x.length, nd);
  return {
    x: [N, groups * ci, ...x],
    w: [groups * co, ci, ...kernel],
    y: [N, groups * co, ...y],
    spec: { kind: "conv", pass: "forward", stride, padding, dilation, groups },
  };
}

function randomCase(nd: number): Case {
  for (;;) {
    const side = [0, 40, 14, 6][nd]!;
    const each = (a: number, b: number): number[] => Array.from({ length: nd }, () => pick(a, b));
    const c = geometry(
      nd,
      pick(1, 3),
      pick(0, 2) ? 1 : pick(2, 4),
      pick(1, 5),
      pick(1, 18),
      each(1, side),
      each(1, 4),
      each(1, 3),
      each(0, 3),
      each(1, 2),
    );
    if (c) return c;
  }
}

test("random geometries", { skip }, () => {
  for (let i = 0; i < 90; i++) check(randomCase((i % 3) + 1), i % 5 === 4 ? "float64" : "float32", i % 7 === 6);
});

test("16-bit floats are rounded once", { skip }, () => {
  for (let i = 0; i < 8; i++) check(randomCase(2), i % 2 ? "float16" : "bfloat16", i % 3 === 0);
});

test("shapes of the fast paths", { skip }, () => {
  const two = (a: number): [number, number] => [a, a];
  const cases = [
    geometry(2, 2, 1, 16, 30, two(19), two(3), two(1), two(1), two(1)), // tiles, edges
    geometry(2, 9, 1, 24, 20, two(7), two(3), two(1), two(1), two(1)), // panels across images
    geometry(2, 2, 1, 40, 33, two(11), two(1), two(1), two(0), two(1)), // pointwise: the source itself
    geometry(2, 2, 1, 12, 9, two(15), two(1), two(2), two(0), two(1)), // pointwise with holes in the gradient
    geometry(2, 1, 1, 3, 16, two(31), two(7), two(2), two(3), two(1)),
    geometry(2, 2, 20, 1, 1, two(21), two(3), two(1), two(1), two(1)), // depthwise
    geometry(2, 1, 6, 1, 3, two(18), two(5), two(2), two(2), two(1)),
    geometry(2, 1, 1, 50, 17, two(6), two(3), two(1), two(1), two(1)), // more than one block of channels and taps
    geometry(2, 1, 1, 6, 140, two(9), two(3), two(1), two(1), two(1)), // more than one block of rows
    geometry(1, 2, 1, 4, 8, [1500], [5], [1], [2], [1]),
  ];
  for (const c of cases) check(c!, "float32", false);
});

test("infinities stay where they belong", { skip }, () => {
  for (const groups of [1, 8]) {
    const c = geometry(2, 1, groups, 8 / groups, 8 / groups, [5, 5], [3, 3], [1, 1], [0, 0], [1, 1])!;
    const x = put(
      Array.from({ length: 200 }, (_, i) => (i % 25 === 24 ? Infinity : 1)),
      "float32",
      c.x,
    );
    const gy = put(new Array<number>(72).fill(1), "float32", c.y);
    const gw = blank(c.w);
    cpu.run({ ...c.spec, pass: "weight" }, [gw], [gy, x], []);
    get(gw).forEach((v, i) => assert.equal(v, i % 9 === 8 ? Infinity : 9));
  }
});

test("thread counts do not change results", { skip }, () => {
  const c = geometry(2, 3, 1, 20, 24, [17, 17], [3, 3], [1, 1], [1, 1], [1, 1])!;
  const operand = (s: readonly number[]): Operand =>
    put(
      Array.from({ length: numelOf(s) }, () => random() - 0.5),
      "float32",
      s,
    );
  const [x, w, gy] = [operand(c.x), operand(c.w), operand(c.y)];
  const all = (threads: number): number[] => {
    cpu.setNumThreads(threads);
    const outs = [blank(c.y), blank(c.x), blank(c.w)];
    cpu.run(c.spec, [outs[0]!], [x, w], []);
    cpu.run({ ...c.spec, pass: "input" }, [outs[1]!], [gy, w], []);
    cpu.run({ ...c.spec, pass: "weight" }, [outs[2]!], [gy, x], []);
    return outs.flatMap(get);
  };
  const before = cpu.numThreads;
  assert.deepEqual(all(1), all(3));
  cpu.setNumThreads(before);
});
