// Reductions, extremes along a dimension, scans and order, as kernel/spec.ts describes them.
import type { ArgReduceSpec, Operand, ReduceOp, ReduceSpec, ScanSpec, SortSpec, TopkSpec } from "../../kernel/spec.ts";
import { laneOf } from "../../kernel/spec.ts";
import { layoutOf } from "../../core/layout.ts";
import { type Complex, elements, toLane, type Value, walk } from "./memory.ts";
import { evaluate } from "./scalar.ts";

const nan = (v: Value): boolean => typeof v === "number" && Number.isNaN(v);
const truth = (v: Value): boolean => (typeof v === "object" ? v[0] !== 0 || v[1] !== 0 : Number(v) !== 0);
const plus = (a: Value, b: Value): Value =>
  typeof a === "object"
    ? [a[0] + (b as Complex)[0], a[1] + (b as Complex)[1]]
    : typeof a === "bigint"
      ? BigInt.asIntN(64, a + (b as bigint))
      : a + (b as number);
const times = (a: Value, b: Value): Value => {
  if (typeof a === "object") {
    const c = b as Complex;
    return [a[0] * c[0] - a[1] * c[1], a[0] * c[1] + a[1] * c[0]];
  }
  return typeof a === "bigint" ? BigInt.asIntN(64, a * (b as bigint)) : a * (b as number);
};
/** Joins two partial results. */
export function join(op: ReduceOp, a: Value, b: Value): Value {
  switch (op) {
    case "sum":
      return plus(a, b);
    case "prod":
      return times(a, b);
    case "max":
      return nan(a) ? a : nan(b) || b > a ? b : a;
    case "min":
      return nan(a) ? a : nan(b) || b < a ? b : a;
    case "any":
      return truth(a) || truth(b) ? 1 : 0;
    default:
      return truth(a) && truth(b) ? 1 : 0;
  }
}
const EMPTY: Record<ReduceOp, number> = { sum: 0, prod: 1, max: Number.NEGATIVE_INFINITY, min: Number.POSITIVE_INFINITY, any: 0, all: 1 };

/** Runs a reduce spec. */
export function reduce(spec: ReduceSpec, out: Operand, ins: readonly Operand[], params: readonly number[]): void {
  const shape = ins[0]?.layout.shape ?? out.layout.shape;
  const target = {
    ...out,
    layout: layoutOf(
      shape,
      shape.map((n, d) => (out.layout.shape[d] === 1 && n !== 1 ? 0 : out.layout.strides[d]!)),
      out.layout.offset,
    ),
  };
  const sums = new Map<number, Value>();
  const load = ins.map(elements);
  walk(shape, [target, ...ins], (at) => {
    const v = evaluate(
      spec.pre,
      spec.lane,
      ins.map((_, k) => toLane(load[k]!.load(at[k + 1]!), spec.lane)),
      params,
    );
    const old = sums.get(at[0]!);
    sums.set(at[0]!, old === undefined ? (spec.op === "any" || spec.op === "all" ? (truth(v) ? 1 : 0) : v) : join(spec.op, old, v));
  });
  const store = elements(out);
  walk(out.layout.shape, [out], ([at]) => {
    const v = toLane(sums.get(at!) ?? EMPTY[spec.op], spec.lane);
    store.store(at!, spec.post ? evaluate(spec.post, spec.lane, [v], params) : v);
  });
}

// Every line along `dim`: positions of its first elements in all operands.
function lines(dim: number, x: Operand, outs: readonly Operand[], f: (at: number[]) => void): void {
  const drop = (o: Operand): Operand => ({
    ...o,
    layout: layoutOf(o.layout.shape.toSpliced(dim, 1), o.layout.strides.toSpliced(dim, 1), o.layout.offset),
  });
  walk(x.layout.shape.toSpliced(dim, 1), [drop(x), ...outs.map(drop)], f);
}
const better = (op: "max" | "min", v: Value, best: Value): boolean => !nan(best) && (nan(v) || (op === "max" ? v > best : v < best));

/** Runs an argReduce spec. */
export function argReduce(spec: ArgReduceSpec, outs: readonly Operand[], x: Operand): void {
  const [load, values, indices] = [elements(x), elements(outs[0]!), elements(outs[1]!)];
  lines(spec.dim, x, outs, ([from, v, i]) => {
    let best = load.load(from!);
    let where = 0;
    for (let k = 1; k < x.layout.shape[spec.dim]!; k++) {
      const value = load.load(from! + k * x.layout.strides[spec.dim]!);
      if (better(spec.op, value, best)) [best, where] = [value, k];
    }
    values.store(v!, best);
    indices.store(i!, BigInt(where));
  });
}

const logAddExp = (a: number, b: number): number => {
  const m = Math.max(a, b);
  return !Number.isFinite(m) && a === b ? a : m + Math.log1p(Math.exp(-Math.abs(a - b)));
};
/** Runs a scan spec. */
export function scan(spec: ScanSpec, outs: readonly Operand[], x: Operand): void {
  const lane = laneOf(outs[0]!.dtype);
  const [load, store] = [elements(x), outs.map(elements)];
  const step = outs.map((o) => o.layout.strides[spec.dim]!);
  lines(spec.dim, x, outs, ([from, ...to]) => {
    let acc: Value | null = null;
    let where = 0;
    const n = x.layout.shape[spec.dim]!;
    for (let i = 0; i < n; i++) {
      const k = spec.reverse ? n - 1 - i : i;
      const v = toLane(load.load(from! + k * x.layout.strides[spec.dim]!), lane);
      if (spec.op === "max" || spec.op === "min") {
        // Ties move on to the later index.
        if (acc === null || nan(v) || (!nan(acc) && (spec.op === "max" ? v >= acc : v <= acc))) [acc, where] = [v, k];
      } else acc = acc === null ? v : spec.op === "logaddexp" ? logAddExp(acc as number, v as number) : join(spec.op, acc, v);
      store[0]!.store(to[0]! + k * step[0]!, acc);
      store[1]?.store(to[1]! + k * step[1]!, BigInt(where));
    }
  });
}

/** Runs a sort or topk spec. */
export function sort(spec: SortSpec | TopkSpec, outs: readonly Operand[], x: Operand): void {
  const descending = spec.kind === "sort" ? spec.descending : spec.largest;
  const n = x.layout.shape[spec.dim]!;
  const [load, values, indices] = [elements(x), elements(outs[0]!), elements(outs[1]!)];
  const less = (a: Value, b: Value): boolean => a < b || (nan(b) && !nan(a));
  lines(spec.dim, x, outs, ([from, v, i]) => {
    const keys = Array.from({ length: n }, (_, k) => load.load(from! + k * x.layout.strides[spec.dim]!));
    const order = keys
      .map((_, k) => k)
      .sort((p, q) =>
        descending
          ? Number(less(keys[p]!, keys[q]!)) - Number(less(keys[q]!, keys[p]!))
          : Number(less(keys[q]!, keys[p]!)) - Number(less(keys[p]!, keys[q]!)),
      );
    for (let k = 0; k < outs[0]!.layout.shape[spec.dim]!; k++) {
      values.store(v! + k * outs[0]!.layout.strides[spec.dim]!, keys[order[k]!]!);
      indices.store(i! + k * outs[1]!.layout.strides[spec.dim]!, BigInt(order[k]!));
    }
  });
}
