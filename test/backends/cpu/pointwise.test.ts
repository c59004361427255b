// The block VM against PyTorch's recorded results (pointwise.json) and against itself in other layouts and sizes.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ValueError } from "../../../src/core/errors.ts";
import { DTYPES } from "../../../src/core/dtype.ts";
import type { ExprOp } from "../../../src/kernel/algebra.ts";
import { constant, Expr, input, param } from "../../../src/kernel/expr.ts";
import { apply, blank, cast, close, cpu, get, getRaw, positions, put, skip, spec, stream, view } from "./harness.ts";

type Numbers = readonly (number | string)[];
interface Recorded {
  x: Numbers;
  a: Numbers;
  b: Numbers;
  unary: Record<string, Numbers>;
  binary: Record<string, { f64: Numbers; f32?: Numbers }>;
  int: { a: string[]; b: string[]; unary: Record<string, string[]>; binary: Record<string, { b: string[]; y: string[] }> };
  complex: { a: Numbers; b: Numbers; unary: Record<string, Numbers>; binary: Record<string, Numbers> };
}
let root = dirname(fileURLToPath(import.meta.url));
while (!existsSync(join(root, "package.json"))) root = dirname(root);
const recorded = JSON.parse(readFileSync(join(root, "test/backends/cpu/pointwise.json"), "utf8")) as Recorded;
const INFINITE: Record<string, number> = { inf: Infinity, "-inf": -Infinity, nan: NaN };
const numbers = (xs: Numbers): number[] => xs.map((v) => (typeof v === "string" ? INFINITE[v]! : v));

const un = (op: string): Expr => new Expr(op as ExprOp, [input(0)]);
const bin = (op: string): Expr => new Expr(op as ExprOp, [input(0), input(1)]);

// Limits in ulps where 1.5 is not enough. float64 goes through libm and PyTorch through SLEEF: two ulps between them.
const LIMIT: Record<string, number> = { sigmoid: 3, tanh: 2, erf: 2, exp: 2, log: 2, sin: 2.5, cos: 2.5, erfinv: 4, rsqrt: 2 };
const WIDE: Record<string, number> = { erfinv: 8, sigmoid: 4, exp2: 3, pow: 3 };
// Zeros of these cannot be met in ulps: the error is absolute there.
const ABSOLUTE: Record<string, number> = { lgamma: 1e-15, digamma: 1e-14 };

suite("pointwise on the native CPU", { skip }, () => {
  for (const op of Object.keys(recorded.unary)) {
    test(`${op} of float32 and float64`, () => {
      const x = numbers(recorded.x);
      const want = numbers(recorded.unary[op]!);
      close(`${op} f32`, get(apply("f32", "float32", un(op), [put(x)])), want, LIMIT[op] ?? 1.5, 24, ABSOLUTE[op] ?? 0);
      close(`${op} f64`, get(apply("f64", "float64", un(op), [put(x, "float64")])), want, WIDE[op] ?? 2, 53, ABSOLUTE[op] ?? 0);
    });
  }
  for (const op of Object.keys(recorded.binary)) {
    test(`${op} of two float32, two float64`, () => {
      const a = numbers(recorded.a);
      const b = numbers(recorded.b);
      const { f32, f64 } = recorded.binary[op]!;
      close(`${op} f32`, get(apply("f32", "float32", bin(op), [put(a), put(b)])), numbers(f32 ?? f64), LIMIT[op] ?? 1.5);
      close(`${op} f64`, get(apply("f64", "float64", bin(op), [put(a, "float64"), put(b, "float64")])), numbers(f64), WIDE[op] ?? 2, 53);
    });
  }
  test("signs of zero are kept", () => {
    const x = put([-0, 0]);
    const lost: string[] = [];
    for (const op of ["neg", "sin", "tanh", "erf", "floor", "round", "trunc", "asinh", "sqrt", "expm1", "log1p"]) {
      const y = get(apply("f32", "float32", un(op), [x]));
      if (Object.is(y[0], -0) === (op === "neg") || Object.is(y[1], -0) !== (op === "neg")) lost.push(op);
    }
    assert.deepEqual(lost, []);
  });

  test("int64 is exact to the last bit and wraps", () => {
    const a = put(recorded.int.a.map(BigInt), "int64");
    for (const [op, y] of Object.entries(recorded.int.unary))
      assert.deepEqual(getRaw(apply("i64", "int64", un(op), [a])), y.map(BigInt), op);
    for (const [op, { b, y }] of Object.entries(recorded.int.binary)) {
      const got = getRaw(apply("i64", "int64", bin(op), [a, put(b.map(BigInt), "int64")]));
      got.forEach((g, i) => {
        assert.equal(g, BigInt(y[i]!), `${op}(${recorded.int.a[i]}, ${b[i]})`);
      });
    }
  });
  test("integer division by zero is an error, the smallest number by -1 is not", () => {
    for (const op of ["div", "floorDivide", "remainder", "fmod"]) {
      for (const dtype of ["int64", "int32", "uint8"] as const) {
        assert.throws(() => apply("i64", dtype, bin(op), [put([1, 2, 3], dtype), put([1, 0, 1], dtype)]), ValueError, op);
      }
      const big = put(new Array(100_000).fill(1), "int32");
      const zeroAtEnd = put(new Array(100_000).fill(1).fill(0, 99_999), "int32");
      assert.throws(() => apply("i64", "int32", bin(op), [big, zeroAtEnd]), ValueError, `${op} on several threads`);
      apply("i64", "int64", bin(op), [put([-(2n ** 63n)], "int64"), put([-1n], "int64")]);
    }
  });

  test("complex functions", () => {
    const { a, b, unary, binary } = recorded.complex;
    const near = (name: string, got: number[], want: number[], rtol: number): void => {
      for (let i = 0; i < want.length; i += 2) {
        if (got[i] === want[i] && got[i + 1] === want[i + 1]) continue;
        const size = Math.max(1e-3, Math.hypot(want[i]!, want[i + 1]!));
        const off = Math.hypot(got[i]! - want[i]!, got[i + 1]! - want[i + 1]!);
        assert.ok(off <= rtol * size, `${name}[${i / 2}]: got ${got[i]}, ${got[i + 1]}; want ${want[i]}, ${want[i + 1]}`);
      }
    };
    for (const [lane, dtype, rtol] of [
      ["c128", "complex128", 1e-12],
      ["c64", "complex64", 1e-5],
    ] as const) {
      const za = put(numbers(a), dtype);
      const zb = put(numbers(b), dtype);
      for (const [op, y] of Object.entries(unary)) near(`${op} ${dtype}`, get(apply(lane, dtype, un(op), [za])), numbers(y), rtol);
      for (const [op, y] of Object.entries(binary)) near(`${op} ${dtype}`, get(apply(lane, dtype, bin(op), [za, zb])), numbers(y), rtol);
    }
  });

  test("float32 functions keep their accuracy over whole ranges", () => {
    const next = stream(1);
    const ranges: [string, (x: number) => number, number, number, number][] = [
      ["exp", Math.exp, -103, 88.7, 1.5],
      ["log", Math.log, 1e-30, 1e30, 1.5],
      ["tanh", Math.tanh, -10, 10, 2],
      ["sin", Math.sin, -10, 10, 2.5],
      ["cos", Math.cos, -10, 10, 2.5],
      ["sin", Math.sin, 8000, 1e7, 2],
      ["sigmoid", (x) => 1 / (1 + Math.exp(-x)), -80, 30, 3.5],
    ];
    for (const [op, f, low, high, limit] of ranges) {
      const geometric = op === "log";
      const x = Float32Array.from({ length: 20_001 }, () => (geometric ? low * (high / low) ** next() : low + (high - low) * next()));
      // Near zeros of sin and cos the reduction leaves an absolute error of about 2^-26.
      close(op, get(apply("f32", "float32", un(op), [put(x)])), Array.from(x, f), limit, 24, op === "sin" || op === "cos" ? 2 ** -25 : 0);
    }
  });

  test("every dtype is loaded and stored", () => {
    const values = [0, 1, 2, 3, 100, 127];
    for (const from of DTYPES) {
      for (const to of DTYPES) {
        for (const lane of ["f32", "f64", "i64"] as const) {
          const complexIn = from.startsWith("complex");
          const complexOut = to.startsWith("complex");
          const x = put(complexIn ? values.flatMap((v) => [v, 0]) : from === "bool" ? values.map((v) => Number(v !== 0)) : values, from);
          const want = values.map((v) => cast(to, (from === "bool" ? Number(v !== 0) : v) + 1));
          const got = get(apply(lane, to, input(0).add(1), [x]));
          assert.deepEqual(got, complexOut ? want.flatMap((v) => [v, 0]) : want, `${from} -> ${lane} -> ${to}`);
        }
      }
    }
  });

  test("broadcast, transposed, stepped and offset operands", () => {
    const next = stream(2);
    const data = Array.from({ length: 4096 }, () => Math.fround(next() * 8 - 4));
    const base = put(data);
    const strides: [number[], number[], number][] = [
      [[7, 5, 9], [45, 9, 1], 0],
      [[7, 5, 9], [1, 7, 35], 3],
      [[7, 5, 9], [0, 9, 1], 5],
      [[7, 5, 9], [0, 0, 0], 11],
      [[7, 5, 9], [200, 20, 2], 1],
      [[7, 5, 9], [0, 1, 0], 2],
      [[1, 2000, 2], [0, 1, 0], 0],
      [[2000, 2], [2, 1], 0],
      [[3, 1100], [0, 1], 7],
      [[], [], 9],
    ];
    for (const [shape, s, offset] of strides) {
      const a = view(base, shape, s, offset);
      for (const [otherShape, t, o] of strides) {
        if (String(otherShape) !== String(shape)) continue;
        const b = view(base, shape, t, o);
        const out = blank(shape);
        cpu.run(spec("f32", input(0).mul(param(0)).sub(input(1))), [out], [a, b], [3]);
        const bp = positions(b.layout);
        const want = positions(a.layout).map((p, i) => Math.fround(data[p]! * 3 - data[bp[i]!]!));
        // One rounding or two: fused multiply-add is allowed.
        close(`${s} ${t}`, get(out), want, 1, 24, 2e-6);
      }
    }
  });
  test("a strided output leaves its gaps alone", () => {
    const out = put(new Array(24).fill(-1));
    const window = view(out, [3, 4], [1, 6], 0);
    cpu.run(
      spec("f32", input(0).add(1)),
      [window],
      [
        put(
          Array.from({ length: 12 }, (_, i) => i),
          "float32",
          [3, 4],
        ),
      ],
      [],
    );
    const want = new Array<number>(24).fill(-1);
    positions(window.layout).forEach((p, i) => {
      want[p] = i + 1;
    });
    assert.deepEqual(get(out), want);
  });

  test("many results, shared parts, constants and parameters", () => {
    const a = put([1, 2, 3, 4]);
    const b = put([5, 6, 7, 8]);
    const sum = input(0).add(input(1));
    const outs = [blank([4]), blank([4], "float64"), blank([4], "bool"), blank([4])];
    const gate = sum.gt(param(0));
    cpu.run(spec("f32", sum, sum.mul(sum).add(constant(0.5)), gate, sum.neg().where(gate, input(0))), outs, [a, b], [9]);
    assert.deepEqual(outs.map(get), [
      [6, 8, 10, 12],
      [36.5, 64.5, 100.5, 144.5],
      [0, 0, 1, 1],
      [1, 2, -10, -12],
    ]);
  });
  test("the same expression, an input or a constant as several results", () => {
    const a = put([1, 2, 3]);
    const outs = [blank([3]), blank([3]), blank([3]), blank([3], "int32")];
    const e = input(0).mul(2);
    cpu.run(spec("f32", e, e, input(0), constant(7)), outs, [a], []);
    assert.deepEqual(outs.map(get), [
      [2, 4, 6],
      [2, 4, 6],
      [1, 2, 3],
      [7, 7, 7],
    ]);
  });
  test("in place: the result may lie on an operand", () => {
    const a = put([1, 2, 3, 4]);
    cpu.run(spec("f32", input(0).mul(input(0)).add(input(0))), [a], [a], []);
    assert.deepEqual(get(a), [2, 6, 12, 20]);
  });
  test("in place with several results: every operand is read before it is overwritten", () => {
    for (const dtype of ["float32", "float16"] as const) {
      for (const n of [5, 3000]) {
        const a = put(
          Array.from({ length: n }, (_, i) => i % 7),
          dtype,
        );
        const b = put(
          Array.from({ length: n }, (_, i) => i % 5),
          dtype,
        );
        cpu.run(spec("f32", input(0).add(input(1)), input(0).mul(input(1))), [a, b], [a, b], []);
        assert.deepEqual(
          get(a),
          Array.from({ length: n }, (_, i) => (i % 7) + (i % 5)),
          `${dtype} sum`,
        );
        assert.deepEqual(
          get(b),
          Array.from({ length: n }, (_, i) => (i % 7) * (i % 5)),
          `${dtype} product`,
        );
      }
    }
  });
  test("a result that another result is made of, in place", () => {
    const a = put([1, 2, 3, 4]);
    const out = blank([4]);
    const double = input(0).mul(2);
    cpu.run(spec("f32", double, double.add(input(0))), [a, out], [a], []);
    assert.deepEqual(
      [get(a), get(out)],
      [
        [2, 4, 6, 8],
        [3, 6, 9, 12],
      ],
    );
  });

  const child = fileURLToPath(new URL(`./child${import.meta.url.slice(-3)}`, import.meta.url));
  const alone = (scenario: string): void => {
    const out = spawnSync(process.execPath, [child, scenario], { encoding: "utf8", timeout: 60_000 });
    assert.equal(out.status, 0, out.signal ?? out.stderr.slice(0, 300));
    assert.equal((JSON.parse(out.stdout) as { wrong: number }).wrong, 0);
  };
  test("a sum of 300 terms: more registers than usual", () => alone("wide"));
  test("a formula of 2000 instructions", () => alone("deep"));
  test("forty levels of shared subexpressions", () => alone("shared"));
  test("sizes around the block and the thread limits agree with small ones", () => {
    for (const n of [1, 15, 16, 17, 1023, 1024, 1025, 32767, 32769, 131_075]) {
      const x = Float32Array.from({ length: n }, (_, i) => ((i * 37) % 101) / 10 - 5);
      const got = get(apply("f32", "float32", input(0).exp().mul(input(0)), [put(x)]));
      const period = get(apply("f32", "float32", input(0).exp().mul(input(0)), [put(x.subarray(0, 101))]));
      got.forEach((g, i) => {
        if (g !== period[i % 101]) assert.fail(`n ${n}, ${i}: ${g} and ${period[i % 101]}`);
      });
    }
  });
  test("nothing to do for an empty tensor", () => {
    cpu.run(spec("f32", input(0).add(1)), [blank([0, 3])], [put([], "float32", [0, 3])], []);
  });
});
