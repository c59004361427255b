// Strided copies and casts: every pair of dtypes, and random layouts on both sides.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  bf16ToNumber,
  type DType,
  DTYPES,
  f16ToNumber,
  isComplex,
  isFloating,
  numberToBf16,
  numberToF16,
} from "../../../src/core/dtype.ts";
import { contiguousStrides, numelOf } from "../../../src/core/layout.ts";
import type { CopySpec, Operand } from "../../../src/kernel/spec.ts";
import { blank, cast, cpu, get, getRaw, positions, put, skip, stream, view } from "./harness.ts";

const copySpec: CopySpec = { kind: "copy" };
const copy = (out: Operand, src: Operand): Operand => {
  cpu.run(copySpec, [out], [src], []);
  return out;
};

suite("copies on the native CPU", { skip }, () => {
  test("casts between all dtypes", () => {
    const floats = [0, -0, 1, -1, 0.4, -0.6, 1.5, 2.5, 127, -3.75, 100.999, 0.1];
    const wholes = [0, 1, -1, 2, 100, 127, -128, 5];
    for (const from of DTYPES) {
      const given = (
        from === "bool" ? [0, 1, 1, 0, 1] : from === "uint8" ? wholes.map(Math.abs) : isFloating(from) || isComplex(from) ? floats : wholes
      ).map((v) => cast(from, v));
      for (const to of DTYPES) {
        const src = put(isComplex(from) ? given.flatMap((v) => [v, isComplex(to) ? 2 * v : 0]) : given, from);
        const got = get(copy(blank([given.length], to), src));
        const want = given.map((v) => cast(to, v));
        const both = isComplex(to) ? want.flatMap((v, i) => [v, isComplex(from) ? 2 * v : 0 * i]) : want;
        // An integer has one zero only.
        assert.deepEqual(
          got.map((v) => v + 0),
          both.map((v) => v + 0),
          `${from} -> ${to}`,
        );
      }
    }
  });
  test("truth values: any bit but the sign of zero counts", () => {
    assert.deepEqual(get(copy(blank([6], "bool"), put([0, -0, NaN, 1e-45, Infinity, -2]))), [0, 0, 1, 1, 1, 1]);
    assert.deepEqual(get(copy(blank([3], "bool"), put([0, 0, 0, 1, 1, 0], "complex64"))), [0, 1, 1]);
    assert.deepEqual(get(copy(blank([3], "bool"), put([0n, 2n ** 62n, 256n], "int64"))), [0, 1, 1]);
  });
  test("16-bit floats round to nearest even and keep every pattern", () => {
    const all = Array.from({ length: 65536 }, (_, i) => i);
    for (const [dtype, read, write] of [
      ["float16", f16ToNumber, numberToF16],
      ["bfloat16", bf16ToNumber, numberToBf16],
    ] as const) {
      const values = all.map((b) => read(b));
      const half = put(values, dtype);
      assert.deepEqual(get(copy(blank([65536]), half)), values, `${dtype} -> float32`);
      assert.deepEqual(get(copy(blank([65536], dtype), put(values))), values, `float32 -> ${dtype}`);
      const next = stream(3);
      const between = values.map((v) => Math.fround(Number.isFinite(v) ? v * (1 + (next() - 0.5) * 2 ** -7) : v));
      const ties = all
        .slice(0, 0x7b00)
        .map((b) => (read(b) + read(b + 1)) / 2)
        .filter((v) => Math.fround(v) === v);
      for (const xs of [between, ties])
        assert.deepEqual(
          get(copy(blank([xs.length], dtype), put(xs))),
          xs.map((v) => read(write(v))),
          dtype,
        );
    }
  });
  test("int64 keeps all bits between integers", () => {
    const big = [2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n, 4294967299n, -1n];
    assert.deepEqual(getRaw(copy(blank([5], "int64"), put(big, "int64"))), big);
    assert.deepEqual(
      getRaw(copy(blank([5], "int32"), put(big, "int64"))),
      big.map((v) => Number(BigInt.asIntN(32, v))),
    );
    assert.deepEqual(
      getRaw(copy(blank([5], "uint8"), put(big, "int64"))),
      big.map((v) => Number(BigInt.asUintN(8, v))),
    );
    assert.deepEqual(get(copy(blank([5], "float64"), put(big, "int64"))), big.map(Number));
  });

  test("int64 is rounded once to float32", () => {
    // Just above a tie of float32, by less than double can tell.
    assert.deepEqual(get(copy(blank([1]), put([2n ** 60n + 2n ** 36n + 1n], "int64"))), [2 ** 60 + 2 ** 37]);
  });

  test("random layouts on both sides, every item size", () => {
    const next = stream(4);
    const pick = (n: number): number => Math.floor(next() * n);
    const sizes = [1, 2, 3, 5, 8, 33];
    const shuffled = (rank: number): number[] => {
      const order = Array.from({ length: rank }, (_, d) => d);
      for (let i = rank - 1; i > 0; i--) {
        const k = pick(i + 1);
        [order[i], order[k]] = [order[k]!, order[i]!];
      }
      return order;
    };
    const strided = (shape: number[], gaps: boolean): number[] => {
      const order = shuffled(shape.length);
      const padded = order.map((d) => shape[d]! + (gaps ? pick(3) : 0));
      const dense = contiguousStrides(padded);
      const out = new Array<number>(shape.length);
      order.forEach((d, i) => {
        out[d] = dense[i]!;
      });
      return out;
    };
    const span = (shape: number[], strides: number[]): number => shape.reduce((n, s, d) => n + (s - 1) * strides[d]!, 1);
    const dtypes: DType[] = ["uint8", "int16", "float32", "int64", "complex64", "complex128", "float16"];
    for (let round = 0; round < 300; round++) {
      const shape = Array.from({ length: pick(5) }, () => sizes[pick(sizes.length)]!);
      if (numelOf(shape) > 20_000) continue;
      const dtype = dtypes[pick(dtypes.length)]!;
      const to = round % 3 ? dtype : dtypes[pick(dtypes.length)]!;
      const si = strided(shape, round % 2 === 0).map((s) => (pick(6) === 0 ? 0 : s));
      const so = strided(shape, round % 4 === 0);
      const offset = pick(4);
      const per = isComplex(dtype) ? 2 : 1;
      const data = Array.from({ length: (span(shape, si) + offset) * per }, (_, i) => i % 120);
      const src = view(put(data, dtype), shape, si, offset);
      const out = view(put(new Array((span(shape, so) + offset) * (isComplex(to) ? 2 : 1)).fill(99), to), shape, so, offset);
      copy(out, src);
      const want = get(view(out, [span(shape, so) + offset], [1])).map(() => 99);
      const values = get(src);
      const perOut = isComplex(to) ? 2 : 1;
      positions(out.layout).forEach((p, i) => {
        want[perOut * p] = values[per * i]!;
        if (perOut === 2) want[2 * p + 1] = per === 2 ? values[2 * i + 1]! : 0;
      });
      assert.deepEqual(get(view(out, [span(shape, so) + offset], [1])), want, `${dtype} -> ${to}, shape ${shape}, ${si} -> ${so}`);
    }
  });
  test("large transposes on several threads", () => {
    const [rows, cols] = [700, 450];
    const src = put(Float32Array.from({ length: rows * cols }, (_, i) => i));
    const got = get(copy(blank([cols, rows]), view(src, [cols, rows], [1, cols])));
    for (let c = 0; c < cols; c++) for (let r = 0; r < rows; r++) if (got[c * rows + r] !== r * cols + c) assert.fail(`${c}, ${r}`);
  });
  test("scalars and empty tensors", () => {
    assert.deepEqual(get(copy(blank([]), put([7], "float32", []))), [7]);
    copy(blank([0, 4]), put([], "float32", [0, 4]));
  });
});
