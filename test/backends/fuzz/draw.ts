// Random operands for the kernel fuzz: shapes, layouts with gaps and permutations, values with the awkward ones among them.
import { DTYPES, type DType, isComplex, isFloating, itemSize, numberToBf16, numberToF16, rawArray } from "../../../src/core/dtype.ts";
import { extent, type Layout, layoutOf, numelOf } from "../../../src/core/layout.ts";
import type { Storage } from "../../../src/core/storage.ts";
import type { Backend } from "../../../src/kernel/backend.ts";
import type { Operand } from "../../../src/kernel/spec.ts";
import { stream } from "../cpu/harness.ts";

/** An operand before it lies on a backend: a window on bytes, with bytes around it that nobody may touch. */
export interface Shadow {
  readonly dtype: DType;
  readonly layout: Layout;
  readonly bytes: Uint8Array;
}

/** Which numbers an operand holds. */
export type Values = "wild" | "plain" | "exact" | "positive" | "nearOne";

/** A repeatable source of random choices. */
export class Draw {
  readonly next: () => number;
  constructor(seed: number) {
    this.next = stream(seed);
  }
  /** An integer in [low, high]. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }
  chance(p: number): boolean {
    return this.next() < p;
  }
  of<T>(list: readonly T[]): T {
    return list[this.int(0, list.length - 1)]!;
  }
  /** `rank` sizes, mostly small, sometimes 0 or 1, with at most `most` elements. */
  shape(rank: number, most = 600): number[] {
    for (;;) {
      const s = Array.from({ length: rank }, () =>
        this.chance(0.04) ? 0 : this.chance(0.2) ? 1 : this.chance(0.06) ? this.int(8, 40) : this.int(2, 7),
      );
      if (numelOf(s) <= most) return s;
    }
  }
  /** A layout of this shape. Outputs never overlap themselves; inputs may be stretched. */
  layout(shape: readonly number[], output: boolean): Layout {
    if (this.chance(0.35)) return layoutOf(shape, denseStrides(shape), this.int(0, 3));
    const order = shape.map((_, d) => d);
    if (this.chance(0.6)) order.sort(() => this.next() - 0.5);
    const strides = new Array<number>(shape.length).fill(0);
    let step = this.chance(0.3) ? this.int(2, 3) : 1;
    for (let k = order.length - 1; k >= 0; k--) {
      const d = order[k]!;
      if (!output && this.chance(0.12)) continue; // stretched
      strides[d] = step;
      if (shape[d] === 1 && this.chance(0.5)) strides[d] = this.int(0, 50);
      else step *= Math.max(1, shape[d]!) + (this.chance(0.2) ? this.int(1, 3) : 0);
    }
    return layoutOf(shape, strides, this.int(0, 9));
  }
  /** One number of a kind. */
  number(dtype: DType, kind: Values): number {
    if (kind === "exact") return this.int(-32, 32) / (isFloating(dtype) || isComplex(dtype) ? 4 : 1);
    if (kind === "nearOne") return isFloating(dtype) || isComplex(dtype) ? 0.8 + 0.4 * this.next() : this.int(-2, 2);
    const normal = Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
    if (isFloating(dtype) || isComplex(dtype)) {
      if (kind === "positive") return Math.abs(normal) + 0.01;
      if (kind === "wild" && this.chance(0.12)) return this.of([0, -0, NaN, Infinity, -Infinity, 1e-40, 1e30, -1e30, 0.5, -1, 65504, 1]);
      return normal;
    }
    if (dtype === "bool") return this.int(0, 1);
    if (kind === "positive") return this.int(1, 9);
    if (kind === "wild" && this.chance(0.15)) return this.of([0, -1, 1, 127, 128, 255, -128, 32767, -32768, 2 ** 31 - 1, -(2 ** 31)]);
    return this.int(-9, 9);
  }
  /** An operand with random contents, the bytes outside its window included. */
  operand(dtype: DType, layout: Layout, kind: Values, value: () => number = () => this.number(dtype, kind)): Shadow {
    const span = (extent(layout)?.max ?? layout.offset) + 1 + this.int(0, 5);
    const bytes = new Uint8Array(span * itemSize(dtype));
    const raw = rawArray(dtype, bytes.buffer) as { [i: number]: number | bigint };
    const n = isComplex(dtype) ? 2 * span : span;
    for (let i = 0; i < n; i++) {
      const v = value();
      raw[i] =
        dtype === "int64" ? BigInt(Math.trunc(v)) : dtype === "float16" ? numberToF16(v) : dtype === "bfloat16" ? numberToBf16(v) : v;
    }
    return { dtype, layout, bytes };
  }
  /** An output: random bytes that a kernel must overwrite inside the window and leave alone outside. */
  output(dtype: DType, shape: readonly number[]): Shadow {
    return this.operand(dtype, this.layout(shape, true), "plain");
  }
}
/** All dtypes. */
export const ALL: readonly DType[] = DTYPES;
/** Those that can be compared with one another. */
export const REAL: readonly DType[] = ALL.filter((d) => !isComplex(d));
/** float16 to float64. */
export const FLOATS: readonly DType[] = ALL.filter(isFloating);

/** Row-major strides. */
export function denseStrides(shape: readonly number[]): number[] {
  const out = new Array<number>(shape.length);
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    out[d] = step;
    step *= Math.max(1, shape[d]!);
  }
  return out;
}

/** Lays an operand on a backend. */
export function place(backend: Backend, s: Shadow): Operand {
  const storage: Storage = backend.alloc(s.bytes.length);
  backend.write(storage, 0, s.bytes);
  return { storage, layout: s.layout, dtype: s.dtype };
}
/** All bytes of an operand's storage. */
export function bytesOf(backend: Backend, o: Operand, length: number): Uint8Array {
  const out = new Uint8Array(length);
  backend.readSync(o.storage, 0, out);
  return out;
}
