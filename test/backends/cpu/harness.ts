// What the tests of the native kernels share: a backend, operands from plain arrays, random numbers, comparison in ulps.
import assert from "node:assert/strict";
import { CpuBackend } from "../../../src/backends/cpu/index.ts";
import { loadAddon } from "../../../src/backends/cpu/native.ts";
import {
  bf16ToNumber,
  type DType,
  f16ToNumber,
  isComplex,
  itemSize,
  numberToBf16,
  numberToF16,
  rawArray,
} from "../../../src/core/dtype.ts";
import { denseLayout, type Layout, layoutOf, numelOf } from "../../../src/core/layout.ts";
import type { Expr } from "../../../src/kernel/expr.ts";
import { type Lane, type Operand, type PointwiseSpec, specId } from "../../../src/kernel/spec.ts";

const loaded = loadAddon();
/** Why there are no native kernels here, or false. */
export const skip: string | false = "reason" in loaded ? loaded.reason : false;
/** The backend under test. */
export const cpu: CpuBackend = ("addon" in loaded ? new CpuBackend(loaded.addon) : null) as CpuBackend;

/** A repeatable stream of numbers in [0, 1). */
export function stream(seed: number): () => number {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), s | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A value as it is after a store to this dtype (int64 within 2^53). */
export function cast(dtype: DType, x: number): number {
  switch (dtype) {
    case "bool":
      return x !== 0 ? 1 : 0;
    case "float16":
      return f16ToNumber(numberToF16(Math.fround(x)));
    case "bfloat16":
      return bf16ToNumber(numberToBf16(x));
    case "float32":
    case "complex64":
      return Math.fround(x);
    case "float64":
    case "complex128":
    case "int64":
      return dtype === "int64" ? Math.trunc(x) : x;
    default: {
      const a = rawArray(dtype, new ArrayBuffer(8)) as Int32Array;
      a[0] = Number(BigInt.asIntN(64, BigInt(Math.trunc(x)))) | 0;
      return a[0]!;
    }
  }
}

/** A dense operand with these values; complex numbers are pairs of neighbours. */
export function put(values: ArrayLike<number | bigint>, dtype: DType = "float32", shape?: readonly number[]): Operand {
  const per = isComplex(dtype) ? 2 : 1;
  const bytes = (values.length / per) * itemSize(dtype);
  const storage = cpu.alloc(Math.max(1, bytes));
  const buffer = new ArrayBuffer(bytes);
  const raw = rawArray(dtype, buffer) as { [i: number]: number | bigint };
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (dtype === "int64") raw[i] = BigInt(v);
    else raw[i] = dtype === "float16" ? numberToF16(Number(v)) : dtype === "bfloat16" ? numberToBf16(Number(v)) : Number(v);
  }
  cpu.write(storage, 0, new Uint8Array(buffer));
  return { storage, dtype, layout: denseLayout(shape ?? [values.length / per]) };
}

/** An operand to write, filled with 0xAA so that what is left out shows. */
export function blank(shape: readonly number[], dtype: DType = "float32"): Operand {
  const bytes = numelOf(shape) * itemSize(dtype);
  const storage = cpu.alloc(Math.max(1, bytes));
  cpu.write(storage, 0, new Uint8Array(bytes).fill(0xaa));
  return { storage, dtype, layout: denseLayout(shape) };
}

/** Element positions of a layout in row-major order of its shape. */
export function positions(l: Layout): number[] {
  let out = [l.offset];
  l.shape.forEach((n, d) => {
    out = out.flatMap((p) => Array.from({ length: n }, (_, i) => p + i * l.strides[d]!));
  });
  return out;
}

/** The values in row-major order; int64 as numbers, complex as pairs. */
export function get(o: Operand): number[] {
  return getRaw(o).map((v) =>
    o.dtype === "float16" ? f16ToNumber(Number(v)) : o.dtype === "bfloat16" ? bf16ToNumber(Number(v)) : Number(v),
  );
}
/** The same as stored: int64 as bigint, 16-bit floats as bits. */
export function getRaw(o: Operand): (number | bigint)[] {
  const bytes = new Uint8Array(o.storage.nbytes - (o.storage.nbytes % itemSize(o.dtype)));
  cpu.readSync(o.storage, 0, bytes);
  const raw = rawArray(o.dtype, bytes.buffer);
  const at = positions(o.layout);
  return isComplex(o.dtype) ? at.flatMap((p) => [raw[2 * p]!, raw[2 * p + 1]!]) : at.map((p) => raw[p]!);
}

/** The same storage under another layout. */
export const view = (o: Operand, shape: readonly number[], strides: readonly number[], offset = 0): Operand => ({
  ...o,
  layout: layoutOf(shape, strides, offset),
});

/** A pointwise spec. */
export const spec = (lane: Lane, ...exprs: Expr[]): PointwiseSpec => ({ kind: "pointwise", id: specId(), exprs, lane });

/** Runs a one-result formula on dense operands of one shape. */
export function apply(lane: Lane, dtype: DType, expr: Expr, ins: readonly Operand[], params: readonly number[] = []): Operand {
  const out = blank(ins[0]!.layout.shape, dtype);
  cpu.run(spec(lane, expr), [out], ins, params);
  return out;
}

/** The distance to `want` in units of its last place at `bits` of precision; 0 where both are NaN. */
export function ulps(got: number, want: number, bits: 24 | 53 = 24): number {
  if (Number.isNaN(want) || Number.isNaN(got)) return Number.isNaN(want) && Number.isNaN(got) ? 0 : Infinity;
  const top = bits === 24 ? 3.4028235677973366e38 : Number.MAX_VALUE;
  const w = Math.abs(want) >= top ? Math.sign(want) * Infinity : want;
  if (got === w) return 0;
  if (!Number.isFinite(w) || !Number.isFinite(got)) return Math.abs(Number.isFinite(got) ? got : w) > 0.999999 * top ? 1 : Infinity;
  const least = bits === 24 ? -149 : -1074;
  const e = w === 0 ? least : Math.max(least, Math.floor(Math.log2(Math.abs(w))) - bits + 1);
  return Math.abs(got - w) / 2 ** e;
}

/** Asserts that every element is within `limit` ulps (or `absolute`) of the expected one. Returns the largest error. */
export function close(
  name: string,
  got: readonly number[],
  want: readonly number[],
  limit: number,
  bits: 24 | 53 = 24,
  absolute = 0,
): number {
  assert.equal(got.length, want.length, `${name}: lengths`);
  let worst = 0;
  got.forEach((g, i) => {
    if (Math.abs(g - want[i]!) <= absolute) return;
    const u = ulps(g, want[i]!, bits);
    assert.ok(u <= limit, `${name}[${i}]: got ${g}, want ${want[i]} (${u} ulps)`);
    worst = Math.max(worst, u);
  });
  return worst;
}
