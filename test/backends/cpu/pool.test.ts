// Pooling kernels against results recorded from PyTorch (tools/record/cpu_pool.py).
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { DType } from "../../../src/core/dtype.ts";
import { contiguousStrides } from "../../../src/core/layout.ts";
import type { Operand, PoolSpec } from "../../../src/kernel/spec.ts";
import { blank, cpu, get, put, skip, view } from "./harness.ts";

type Values = readonly (number | string)[];
interface Case {
  readonly op: "max" | "avg";
  readonly x: readonly number[];
  readonly xs: Values;
  readonly y: readonly number[];
  readonly ys: Values;
  readonly index?: readonly number[];
  readonly gy?: Values;
  readonly gx?: Values;
  readonly kernel?: number[];
  readonly stride?: number[];
  readonly padding?: number[];
  readonly dilation?: number[];
  readonly adaptive: boolean;
  readonly countIncludePad?: boolean;
  readonly divisor?: number | null;
}
let root = dirname(fileURLToPath(import.meta.url));
while (!existsSync(join(root, "package.json"))) root = dirname(root);
const cases = JSON.parse(readFileSync(join(root, "test/backends/cpu/pool.json"), "utf8")) as Case[];
const numbers = (v: Values): number[] => v.map((x) => (typeof x === "number" ? x : x === "nan" ? NaN : x === "inf" ? Infinity : -Infinity));
const specOf = (c: Case, op: PoolSpec["op"]): PoolSpec => ({
  kind: "pool",
  op,
  kernel: c.kernel ?? [],
  stride: c.stride ?? [],
  padding: c.padding ?? [],
  dilation: c.dilation ?? [],
  countIncludePad: c.countIncludePad ?? true,
  divisor: c.divisor ?? null,
  adaptive: c.adaptive,
});

function near(got: readonly number[], want: readonly number[], tolerance: number, name: string): void {
  assert.equal(got.length, want.length);
  got.forEach((g, i) =>
    assert.ok(
      Object.is(g, want[i]) || Math.abs(g - want[i]!) <= tolerance * (1 + Math.abs(want[i]!)),
      `${name} at ${i}: ${g} for ${want[i]}`,
    ),
  );
}
// The last two dimensions change places in memory.
function turned(o: Operand): Operand {
  const shape = o.layout.shape;
  const memory = [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];
  const s = contiguousStrides(memory);
  const strides = [...s.slice(0, -2), s.at(-1)!, s.at(-2)!];
  const values = get(o);
  const dense = contiguousStrides(shape);
  const data = new Array<number>(values.length);
  values.forEach((v, i) => {
    data[shape.reduce((at, n, d) => at + (Math.floor(i / dense[d]!) % n) * strides[d]!, 0)] = v;
  });
  return view(put(data, o.dtype), shape, strides);
}

test("recorded results", { skip }, () => {
  assert.ok(cases.length > 30);
  const kinds: readonly (readonly [DType, number, boolean])[] = [
    ["float32", 2 ** -22, false],
    ["float64", 2 ** -50, true],
    ["float16", 2 ** -10, false],
    ["bfloat16", 2 ** -7, true],
  ];
  for (const [dtype, tolerance, loose] of kinds) {
    for (const c of cases) {
      const name = JSON.stringify([specOf(c, c.op), c.x, c.y, dtype]);
      const plain = put(numbers(c.xs), dtype, c.x);
      const x = loose ? turned(plain) : plain;
      const y = blank(c.y, dtype);
      const index = blank(c.y, "int64");
      cpu.run(specOf(c, c.op), c.op === "max" ? [y, index] : [y], [x], []);
      near(get(y), numbers(c.ys), c.op === "max" ? 0 : tolerance, name);
      if (c.index) assert.deepEqual(get(index), c.index, name);
      if (!c.gy) continue;
      const gy = put(numbers(c.gy), dtype, c.y);
      const gx = blank(c.x, dtype);
      cpu.run(specOf(c, "avgBackward"), [gx], [loose ? turned(gy) : gy], []);
      near(get(gx), numbers(c.gx!), 4 * tolerance, `backward ${name}`);
    }
  }
});

test("integers have maxima", { skip }, () => {
  for (const c of cases.filter((q) => q.op === "max" && !numbers(q.xs).some((v) => !Number.isFinite(v)))) {
    const eight = (v: Values): number[] => numbers(v).map((x) => x * 8);
    for (const dtype of ["int64", "int32", "int8"] as const) {
      const y = blank(c.y, dtype);
      const index = blank(c.y, "int64");
      cpu.run(specOf(c, "max"), [y, index], [put(eight(c.xs), dtype, c.x)], []);
      assert.deepEqual(
        get(y).map((v) => v + 0),
        eight(c.ys).map((v) => v + 0),
      );
      assert.deepEqual(get(index), c.index);
    }
  }
});

test("wide rows", { skip }, () => {
  const [h, w] = [9, 101];
  const x = Array.from({ length: 2 * h * w }, (_, i) => ((i * 7919) % 1009) - 500);
  for (const stride of [1, 2, 3]) {
    const oh = Math.floor((h + 2 - 3) / stride) + 1;
    const ow = Math.floor((w + 2 - 3) / stride) + 1;
    const y = blank([1, 2, oh, ow]);
    const index = blank([1, 2, oh, ow], "int64");
    const spec: PoolSpec = {
      kind: "pool",
      op: "max",
      kernel: [3, 3],
      stride: [stride, stride],
      padding: [1, 1],
      dilation: [1, 1],
      countIncludePad: true,
      divisor: null,
      adaptive: false,
    };
    cpu.run(spec, [y, index], [put(x, "float32", [1, 2, h, w])], []);
    const at = get(index);
    get(y).forEach((v, i) => {
      const [c, r, q] = [Math.floor(i / (oh * ow)), Math.floor(i / ow) % oh, i % ow];
      let best = -Infinity;
      for (let a = r * stride - 1; a < r * stride + 2; a++)
        for (let b = q * stride - 1; b < q * stride + 2; b++) {
          if (a >= 0 && a < h && b >= 0 && b < w) best = Math.max(best, x[(c * h + a) * w + b]!);
        }
      assert.equal(v, best);
      assert.equal(x[c * h * w + at[i]!], best);
    });
  }
});
