// Reductions, extremes with their places, and scans, against plain loops over the same numbers in double precision.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ValueError } from "../../../src/core/errors.ts";
import type { DType } from "../../../src/core/dtype.ts";
import { contiguousStrides, numelOf } from "../../../src/core/layout.ts";
import { type Expr, input, param } from "../../../src/kernel/expr.ts";
import { type Lane, laneOf, type Operand, type ReduceOp, type ScanSpec, specId } from "../../../src/kernel/spec.ts";
import { blank, cpu, get, getRaw, positions, put, skip, stream, ulps, view } from "./harness.ts";

interface Options {
  pre?: Expr;
  post?: Expr | null;
  lane?: Lane;
  dtype?: DType;
  params?: number[];
  more?: Operand[];
}
function reduce(op: ReduceOp, x: Operand, dims: readonly number[], o: Options = {}): Operand {
  const shape = x.layout.shape.map((n, d) => (dims.includes(d) ? 1 : n));
  const out = blank(shape, o.dtype ?? x.dtype);
  const spec = { kind: "reduce", id: specId(), op, pre: o.pre ?? input(0), post: o.post ?? null, lane: o.lane ?? laneOf(x.dtype) } as const;
  cpu.run(spec, [out], [x, ...(o.more ?? [])], o.params ?? []);
  return out;
}

const nanMax = (a: number, b: number): number => (a !== a || b !== b ? NaN : Math.max(a, b));
const nanMin = (a: number, b: number): number => (a !== a || b !== b ? NaN : Math.min(a, b));
const FOLD: Record<ReduceOp, [number, (a: number, b: number) => number]> = {
  sum: [0, (a, b) => a + b],
  prod: [1, (a, b) => a * b],
  max: [-Infinity, nanMax],
  min: [Infinity, nanMin],
  any: [0, (a, b) => Number(a !== 0 || b !== 0)],
  all: [1, (a, b) => Number(a !== 0 && b !== 0)],
};
function expected(op: ReduceOp, x: Operand, dims: readonly number[]): number[] {
  const shape = x.layout.shape;
  const strides = contiguousStrides(shape.map((n, d) => (dims.includes(d) ? 1 : n))).map((s, d) => (dims.includes(d) ? 0 : s));
  const [start, f] = FOLD[op];
  const out = new Array<number>(numelOf(shape.map((n, d) => (dims.includes(d) ? 1 : n)))).fill(start);
  const values = get(x);
  positions({ shape, strides, offset: 0, numel: 0, contiguous: false }).forEach((p, i) => {
    out[p] = f(out[p]!, values[i]!);
  });
  return out;
}

suite("reductions on the native CPU", { skip }, () => {
  test("all operations over all sets of dimensions, dense, transposed, stepped and stretched", () => {
    const next = stream(5);
    const shapes = [[4, 5, 6], [1, 7, 1], [40, 30], [3, 1100], [1100, 3], [2, 3, 4, 5], [65, 66], [2000], []];
    for (const shape of shapes) {
      const n = numelOf(shape);
      const strides: number[][] = [
        contiguousStrides(shape),
        contiguousStrides(shape.toReversed()).toReversed(),
        contiguousStrides(shape).map((s) => 2 * s),
      ];
      if (shape.length > 1) strides.push(contiguousStrides(shape).with(0, 0), contiguousStrides(shape).with(shape.length - 1, 0));
      const base = put(Array.from({ length: 2 * n + 2 }, () => Math.fround(0.9 + next() * 0.2)));
      for (const s of strides) {
        const x = view(base, shape, s, 1);
        for (let mask = 0; mask < 1 << shape.length; mask++) {
          const dims = shape.map((_, d) => d).filter((d) => mask & (1 << d));
          for (const op of ["sum", "prod", "max", "min"] as const) {
            const want = expected(op, x, dims);
            get(reduce(op, x, dims)).forEach((g, i) => {
              const u = ulps(g, want[i]!);
              // Sums and products take at most 1024 terms in float32 lanes before they are carried into double; every factor adds its rounding.
              assert.ok(
                u <= (op === "prod" ? 1 + n / 8 : op === "sum" ? 16 : 1),
                `${op} [${shape}] strides [${s}] over [${dims}] at ${i}: got ${g}, want ${want[i]} (${u} ulps)`,
              );
            });
          }
        }
      }
    }
  });
  test("other dtypes", () => {
    const next = stream(6);
    for (const dtype of ["float64", "int64", "int32", "int16", "uint8", "float16", "bfloat16"] as const) {
      const x = put(
        Array.from({ length: 30 * 40 }, () => Math.floor(next() * 4)),
        dtype,
        [30, 40],
      );
      const wide: DType = dtype.startsWith("int") || dtype === "uint8" ? "int64" : "float64";
      for (const dims of [[0], [1], [0, 1]]) {
        for (const op of ["sum", "max", "min"] as const) {
          assert.deepEqual(get(reduce(op, x, dims, { dtype: wide })), expected(op, x, dims), `${op} ${dtype} over ${dims}`);
        }
        assert.deepEqual(get(reduce("any", x, dims, { dtype: "bool" })), expected("any", x, dims));
        assert.deepEqual(get(reduce("all", x, dims, { dtype: "bool" })), expected("all", x, dims));
      }
    }
    assert.deepEqual(getRaw(reduce("sum", put([2n ** 62n, 2n ** 62n, -1n], "int64"), [0])), [2n ** 63n - 1n]);
    assert.deepEqual(getRaw(reduce("max", put([-(2n ** 63n), -5n], "int64"), [0])), [-5n]);
    assert.deepEqual(get(reduce("sum", put([1, 2, 3, 4, 5, 6], "complex64"), [0])), [9, 12]);
    assert.deepEqual(get(reduce("prod", put([1, 2, 3, 4], "complex128"), [0])), [-5, 10]);
  });
  test("float32 sums stay accurate over millions of terms, by rows and by columns", () => {
    const n = 3_000_000;
    const next = stream(7);
    const data = Float32Array.from({ length: n }, () => next());
    let exact = 0;
    for (const v of data) exact += v;
    const [flat] = get(reduce("sum", put(data), [0]));
    assert.ok(Math.abs(flat! - exact) / exact < 2e-7, `${flat} for ${exact}`);
    const columns = new Float64Array(3);
    data.forEach((v, i) => {
      columns[i % 3]! += v;
    });
    get(reduce("sum", put(data, "float32", [n / 3, 3]), [0])).forEach((g, i) => {
      assert.ok(Math.abs(g - columns[i]!) / columns[i]! < 2e-7, `column ${i}: ${g} for ${columns[i]}`);
    });
  });
  test("NaN is the maximum and the minimum; infinities", () => {
    for (const n of [3, 40, 5000, 200_000]) {
      for (const at of [0, n >> 1, n - 1]) {
        const x = new Float32Array(n).fill(1);
        x[at] = NaN;
        for (const dtype of ["float32", "float64"] as const) {
          assert.deepEqual(get(reduce("max", put(x, dtype), [0])), [NaN]);
          assert.deepEqual(get(reduce("min", put(x, dtype), [0])), [NaN]);
        }
      }
    }
    assert.deepEqual(get(reduce("max", put(new Array(50).fill(-Infinity)), [0])), [-Infinity]);
    assert.deepEqual(get(reduce("min", put(new Array(50).fill(Infinity)), [0])), [Infinity]);
  });
  test("empty ranges give the identity", () => {
    const none = (dtype: DType): Operand => put([], dtype, [0, 3]);
    assert.deepEqual(get(reduce("sum", none("float32"), [0])), [0, 0, 0]);
    assert.deepEqual(get(reduce("prod", none("int64"), [0])), [1, 1, 1]);
    assert.deepEqual(get(reduce("any", none("bool"), [0])), [0, 0, 0]);
    assert.deepEqual(get(reduce("all", none("bool"), [0])), [1, 1, 1]);
    assert.deepEqual(get(reduce("sum", none("float32"), [1])), []);
    assert.deepEqual(get(reduce("sum", none("float32"), [0], { post: input(0).add(5) })), [5, 5, 5]);
  });
  test("formulas before and after: variance, a weighted sum, a norm", () => {
    const data = Array.from({ length: 600 }, (_, i) => Math.fround(Math.sin(i) * 3));
    const x = put(data, "float64", [20, 30]);
    const mean = reduce("sum", x, [1], { post: input(0).mul(param(0)), params: [1 / 30] });
    const stretched = view(mean, [20, 30], [1, 0]);
    const variance = reduce("sum", x, [1], {
      pre: input(0).sub(input(1)).square(),
      post: input(0).div(param(0)),
      params: [30],
      more: [stretched],
    });
    get(variance).forEach((g, i) => {
      const row = data.slice(30 * i, 30 * i + 30);
      const m = row.reduce((a, b) => a + b) / 30;
      const v = row.reduce((a, b) => a + (b - m) ** 2, 0) / 30;
      assert.ok(Math.abs(g - v) < 1e-12, `${g} ${v}`);
    });
    const [norm] = get(reduce("sum", x, [0, 1], { pre: input(0).square(), post: input(0).sqrt() }));
    assert.ok(Math.abs(norm! - Math.hypot(...data)) < 1e-10);
  });
  test("an integer division by zero inside a reduction is an error", () => {
    assert.throws(
      () => reduce("sum", put([4, 5], "int32"), [0], { pre: input(0).floorDivide(input(1)), more: [put([1, 0], "int32")] }),
      ValueError,
    );
  });
  test("a function that the lane does not have is an error, not silence", () => {
    assert.throws(() => reduce("sum", put([4, 5], "int32"), [0], { pre: input(0).exp() }), { name: "UnsupportedError" });
  });
});

suite("argReduce on the native CPU", { skip }, () => {
  const arg = (op: "max" | "min", x: Operand, dim: number): [number[], number[]] => {
    const shape = x.layout.shape.length ? x.layout.shape.with(dim, 1) : [];
    const outs = [blank(shape, x.dtype), blank(shape, "int64")];
    cpu.run({ kind: "argReduce", op, dim }, outs, [x], []);
    return [get(outs[0]!), get(outs[1]!)];
  };
  test("the first extreme wins; NaN is extreme", () => {
    assert.deepEqual(arg("max", put([1, 5, 5, 2]), 0), [[5], [1]]);
    assert.deepEqual(arg("min", put([3, 1, 1, 2]), 0), [[1], [1]]);
    assert.deepEqual(arg("max", put([1, NaN, 9, NaN]), 0), [[NaN], [1]]);
    assert.deepEqual(arg("min", put([1, NaN, -9, NaN]), 0), [[NaN], [1]]);
    assert.deepEqual(arg("max", put([-Infinity, -Infinity]), 0), [[-Infinity], [0]]);
    assert.deepEqual(arg("max", put([7], "float32", []), 0), [[7], [0]]);
  });
  test("every dimension of strided tensors, all real dtypes", () => {
    const next = stream(8);
    for (const dtype of ["float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool"] as const) {
      const limit = dtype === "bool" ? 2 : 50;
      const base = put(
        Array.from({ length: 2 * 6 * 7 * 8 }, () => Math.floor(next() * limit)),
        dtype,
      );
      for (const s of [
        [56, 8, 1],
        [1, 6, 42],
        [112, 16, 2],
      ]) {
        const x = view(base, [6, 7, 8], s);
        for (const dim of [0, 1, 2]) {
          for (const op of ["max", "min"] as const) {
            const [values, places] = arg(op, x, dim);
            assert.deepEqual(values, expected(op, x, [dim]), `${op} ${dtype} ${s} dim ${dim}`);
            const lines = get(view(x, x.layout.shape.with(dim, 1), s));
            assert.equal(lines.length, places.length);
            const starts = positions({ ...x.layout, shape: x.layout.shape.with(dim, 1) });
            const all = get(view(base, [672], [1]));
            places.forEach((at, i) => {
              const line = Array.from({ length: x.layout.shape[dim]! }, (_, k) => all[starts[i]! + k * s[dim]!]!);
              assert.equal(at, line.indexOf(values[i]!), `${op} ${dtype} ${s} dim ${dim} line ${i}`);
            });
          }
        }
      }
    }
  });
  test("int64 beyond 2^53, and lines longer than a block", () => {
    const outs = [blank([1], "int64"), blank([1], "int64")];
    cpu.run({ kind: "argReduce", op: "max", dim: 0 }, outs, [put([2n ** 60n, 2n ** 60n + 1n, 2n ** 60n], "int64")], []);
    assert.deepEqual([getRaw(outs[0]!), getRaw(outs[1]!)], [[2n ** 60n + 1n], [1n]]);
    const long = new Float32Array(100_000).fill(-1);
    long[77_777] = 3;
    assert.deepEqual(arg("max", put(long), 0), [[3], [77_777]]);
  });
});

suite("scans on the native CPU", { skip }, () => {
  const scan = (op: ScanSpec["op"], x: Operand, dim: number, dtype: DType = x.dtype): number[][] => {
    const outs = [blank(x.layout.shape, dtype)];
    if (op === "max" || op === "min") outs.push(blank(x.layout.shape, "int64"));
    cpu.run({ kind: "scan", op, dim }, outs, [x], []);
    return outs.map(get);
  };
  const running = (x: Operand, dim: number, f: (acc: number, v: number) => number): number[] => {
    const { shape } = x.layout;
    const values = get(x);
    const step = contiguousStrides(shape)[dim]!;
    const out = values.slice();
    for (let i = 0; i < out.length; i++) if (Math.floor(i / step) % shape[dim]! > 0) out[i] = f(out[i - step]!, values[i]!);
    return out;
  };
  test("sums, products, log-sums along every dimension", () => {
    const next = stream(9);
    const base = put(
      Array.from({ length: 5 * 6 * 7 * 2 }, () => next() + 0.5),
      "float64",
    );
    const logAdd = (a: number, b: number): number => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
    for (const s of [
      [42, 7, 1],
      [1, 5, 30],
      [84, 14, 2],
    ]) {
      const x = view(base, [5, 6, 7], s);
      for (const dim of [0, 1, 2]) {
        for (const [op, f] of [
          ["sum", FOLD.sum[1]],
          ["prod", FOLD.prod[1]],
          ["logaddexp", logAdd],
        ] as const) {
          const want = running(x, dim, f);
          scan(op, x, dim)[0]!.forEach((g, i) => {
            assert.ok(Math.abs(g - want[i]!) <= 1e-12 * Math.abs(want[i]!), `${op} dim ${dim} at ${i}`);
          });
        }
        for (const [op, f] of [
          ["max", nanMax],
          ["min", nanMin],
        ] as const)
          assert.deepEqual(scan(op, x, dim)[0], running(x, dim, f));
      }
    }
  });
  test("running extremes name the last of equals, and NaN stays", () => {
    assert.deepEqual(scan("max", put([1, 3, 3, 2, 5]), 0), [
      [1, 3, 3, 3, 5],
      [0, 1, 2, 2, 4],
    ]);
    assert.deepEqual(scan("min", put([4, 4, 5, 1]), 0), [
      [4, 4, 4, 1],
      [0, 1, 1, 3],
    ]);
    assert.deepEqual(scan("max", put([1, NaN, 7, NaN]), 0), [
      [1, NaN, NaN, NaN],
      [0, 1, 1, 3],
    ]);
  });
  test("integers wrap nowhere early, long float32 sums stay accurate", () => {
    assert.deepEqual(scan("sum", put([100, 100, 100], "uint8"), 0, "int64"), [[100, 200, 300]]);
    assert.deepEqual(scan("sum", put([1, 0, 1, 1], "bool"), 0, "int64"), [[1, 1, 2, 3]]);
    const n = 200_000;
    const [y] = scan("sum", put(new Float32Array(n).fill(0.1)), 0);
    assert.equal(y![n - 1], Math.fround(Math.fround(0.1) * n));
  });
  test("complex", () => {
    assert.deepEqual(scan("sum", put([1, 2, 3, 4, 5, 6], "complex64"), 0), [[1, 2, 4, 6, 9, 12]]);
    assert.deepEqual(scan("prod", put([1, 2, 3, 4], "complex128"), 0), [[1, 2, -5, 10]]);
  });
  test("infinities in log-sums", () => {
    assert.deepEqual(scan("logaddexp", put([-Infinity, -Infinity, 0, Infinity, 1]), 0), [[-Infinity, -Infinity, 0, Infinity, Infinity]]);
  });
});
