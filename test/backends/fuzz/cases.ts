// One random kernel call of each kind, with the error that a correct kernel may make.
import { type DType, isComplex, isFloating } from "../../../src/core/dtype.ts";
import { layoutOf, numelOf } from "../../../src/core/layout.ts";
import type { BinaryOp, UnaryOp } from "../../../src/kernel/algebra.ts";
import { constant, Expr, input, param } from "../../../src/kernel/expr.ts";
import { type KernelSpec, laneOf, type PoolSpec, specId } from "../../../src/kernel/spec.ts";
import { ALL, type Draw, FLOATS, REAL, type Shadow, type Values } from "./draw.ts";

/** A kernel call that any backend can run. */
export interface Case {
  readonly spec: KernelSpec;
  readonly outs: readonly Shadow[];
  readonly ins: readonly Shadow[];
  readonly params: readonly number[];
  /** Largest error, relative to 1 + |value|, before rounding to the output's dtype. 0: equal. */
  readonly tolerance: number;
}

const words = <T extends string>(text: string): readonly T[] => text.trim().split(/\s+/) as T[];
// Within a unit or two of the last place everywhere, or with a range of their own where they are tame.
const TAME: readonly UnaryOp[] = words(
  "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos asin acos atan sinh cosh tanh asinh acosh atanh erf erfc erfinv sigmoid reciprocal",
);
const EXACT1: readonly UnaryOp[] = words("neg abs sign floor ceil round trunc isnan isinf logicalNot");
const EXACT2: readonly BinaryOp[] = words(
  "add sub mul maximum minimum eq ne lt le gt ge logicalAnd logicalOr logicalXor copysign fmod remainder",
);
const INT1: readonly UnaryOp[] = words("neg abs sign logicalNot bitwiseNot");
const INT2: readonly BinaryOp[] = words(
  `add sub mul maximum minimum eq ne lt le gt ge logicalAnd logicalOr logicalXor bitwiseAnd bitwiseOr bitwiseXor bitwiseLeftShift
   bitwiseRightShift div fmod remainder floorDivide pow`,
);
const COMPLEX1: readonly UnaryOp[] = words("neg abs exp log sqrt sin cos tanh reciprocal conj real imag angle logicalNot sigmoid");
const COMPLEX2: readonly BinaryOp[] = words("add sub mul div eq ne");

const one = (op: UnaryOp | BinaryOp, ...args: Expr[]): Expr => new Expr(op, args);
// A random graph: nodes are used again, so that registers and results of several uses are met.
function graph(d: Draw, leaves: readonly Expr[], unary: readonly UnaryOp[], binary: readonly BinaryOp[], steps: number): Expr {
  const nodes = [...leaves];
  for (let i = 0; i < steps; i++) {
    const kind = d.int(0, 5);
    nodes.push(
      kind === 0
        ? one(d.of(unary), d.of(nodes))
        : kind === 1
          ? d.of(nodes).where(one("ge", d.of(nodes), constant(0)), d.of(nodes))
          : one(d.of(binary), d.of(nodes), d.of(nodes)),
    );
  }
  return nodes.at(-1)!;
}

/** Elementwise formulas: single functions anywhere, whole graphs of exact operations on numbers that stay exact. */
export function pointwise(d: Draw, most: number): Case {
  const dtype = d.of(ALL);
  const lane = laneOf(dtype);
  const shape = d.shape(d.int(0, 5), most);
  const count = d.int(1, 4);
  const params = Array.from({ length: d.int(0, 2) }, () => d.int(-8, 8) / (isFloating(dtype) ? 2 : 1));
  const leaves = [...Array.from({ length: count }, (_, i) => input(i)), ...params.map((_, i) => param(i)), constant(d.int(-3, 3))];
  let kind: Values = "exact";
  let tolerance = 0;
  let exprs: Expr[];
  if (isComplex(dtype)) {
    kind = "plain";
    tolerance = 2e-6;
    exprs = [d.chance(0.5) ? one(d.of(COMPLEX1), input(0)) : one(d.of(COMPLEX2), input(0), d.of(leaves))];
  } else if (lane === "i64") {
    kind = "wild";
    exprs = Array.from({ length: d.int(1, 3) }, () => graph(d, leaves, INT1, INT2, d.int(1, 6)));
    // Towers of powers would make numbers that the interpreter cannot hold.
    const tower = (e: Expr, below = false): boolean =>
      (e.op === "pow" && below) || e.args.some((a) => tower(a, below || e.op === "pow" || e.op === "mul"));
    if (exprs.some((e) => tower(e)) || exprs.some((e) => e.op === "pow" && e.args.some((a) => a.args.length > 0)))
      exprs = [one(d.of(INT2.slice(0, -1)), input(0), d.of(leaves))];
  } else if (d.chance(0.4)) {
    kind = d.chance(0.5) ? "plain" : "positive";
    tolerance = lane === "f64" ? 1e-12 : 4e-6;
    exprs = [one(d.of(TAME), input(0))];
  } else if (d.chance(0.3)) {
    kind = "wild";
    exprs = [d.chance(0.4) ? one(d.of(EXACT1), input(0)) : one(d.of([...EXACT2, "div"] as const), input(0), d.of(leaves))];
  } else exprs = Array.from({ length: d.int(1, 3) }, () => graph(d, leaves, EXACT1, EXACT2.slice(0, 15), d.int(1, 4)));
  const mixed = lane === "i64" ? ALL.filter((t) => laneOf(t) === "i64") : lane === "f64" ? REAL : [dtype];
  const own = (): DType => (d.chance(0.7) ? dtype : d.of(mixed));
  const ins = leaves.slice(0, count).map(() => d.operand(own(), d.layout(shape, false), kind));
  const outs = exprs.map(() =>
    d.output(d.chance(0.7) ? dtype : lane === "i64" || kind === "exact" ? d.of(["bool", dtype, "float64"]) : dtype, shape),
  );
  return { spec: { kind: "pointwise", id: specId(), exprs, lane }, outs, ins, params, tolerance };
}

/** Reductions over random dimensions. */
export function reduce(d: Draw, most: number): Case {
  const op = d.of(["sum", "prod", "max", "min", "any", "all"] as const);
  const dtype = op === "max" || op === "min" ? d.of(REAL) : d.of(ALL);
  const shape = d.shape(d.int(0, 5), most);
  const gone = shape.map((n) => n !== 1 && d.chance(0.5));
  if ((op === "max" || op === "min") && shape.some((n, k) => gone[k] && n === 0)) shape.forEach((n, k) => n === 0 && (shape[k] = 2));
  const exact = op === "max" || op === "min" || op === "any" || op === "all" || !(isFloating(dtype) || isComplex(dtype));
  const two = op !== "prod" && !isComplex(dtype) && d.chance(0.3);
  const kind: Values = op === "prod" ? "nearOne" : exact && !two ? "wild" : "plain";
  const post = op === "sum" && isFloating(dtype) && d.chance(0.4) ? input(0).mul(param(0)) : null;
  const n = shape.reduce((a, b, k) => (gone[k] ? a * b : a), 1);
  const ins = Array.from({ length: two ? 2 : 1 }, () => d.operand(dtype, d.layout(shape, false), kind));
  const out = d.output(
    op === "any" || op === "all" ? "bool" : dtype,
    shape.map((m, k) => (gone[k] ? 1 : m)),
  );
  const rough = laneOf(dtype) === "f32" || dtype === "complex64" ? 2e-6 : 1e-13;
  return {
    spec: { kind: "reduce", id: specId(), op, pre: two ? input(0).mul(input(1)) : input(0), post, lane: laneOf(dtype) },
    outs: [out],
    ins,
    params: post ? [0.5] : [],
    tolerance: exact && !(two && isFloating(dtype)) ? 0 : rough * (4 + Math.sqrt(n)),
  };
}

// A shape of rank >= 1, one dimension of it, and the shape with that dimension made `n`.
function line(d: Draw, most: number): { shape: number[]; dim: number } {
  const shape = d.shape(d.int(1, 4), most);
  const dim = d.int(0, shape.length - 1);
  if (shape[dim] === 0) shape[dim] = d.int(1, 9);
  return { shape, dim };
}
/** Extremes with their places. */
export function argReduce(d: Draw, most: number): Case {
  const { shape, dim } = line(d, most);
  const dtype = d.of(REAL);
  const x = d.operand(dtype, d.layout(shape, false), "wild");
  const small = shape.with(dim, 1);
  return {
    spec: { kind: "argReduce", op: d.of(["max", "min"]), dim },
    outs: [d.output(dtype, small), d.output("int64", small)],
    ins: [x],
    params: [],
    tolerance: 0,
  };
}
/** Running sums, products and extremes. */
export function scan(d: Draw, most: number): Case {
  const { shape, dim } = line(d, most);
  const op = d.of(["sum", "prod", "max", "min", "logaddexp"] as const);
  const dtype = op === "logaddexp" ? d.of(FLOATS) : op === "max" || op === "min" ? d.of(REAL) : d.of(ALL);
  const extreme = op === "max" || op === "min";
  const exact = extreme || !(isFloating(dtype) || isComplex(dtype));
  const x = d.operand(dtype, d.layout(shape, false), extreme ? "wild" : op === "prod" ? "nearOne" : "plain");
  const outs = [d.output(dtype, shape), ...(extreme ? [d.output("int64", shape)] : [])];
  return { spec: { kind: "scan", op, dim }, outs, ins: [x], params: [], tolerance: exact ? 0 : 2e-6 * (4 + Math.sqrt(shape[dim]!)) };
}
/** Whole lines in order, or the best of them. */
export function sort(d: Draw, most: number): Case {
  const { shape, dim } = line(d, most);
  const dtype = d.of(REAL);
  const x = d.operand(dtype, d.layout(shape, false), "wild");
  if (d.chance(0.5))
    return {
      spec: { kind: "sort", dim, descending: d.chance(0.5) },
      outs: [d.output(dtype, shape), d.output("int64", shape)],
      ins: [x],
      params: [],
      tolerance: 0,
    };
  const k = d.int(0, shape[dim]!);
  const cut = shape.with(dim, k);
  return {
    spec: { kind: "topk", dim, k, largest: d.chance(0.5) },
    outs: [d.output(dtype, cut), d.output("int64", cut)],
    ins: [x],
    params: [],
    tolerance: 0,
  };
}
/** Copies and casts between any two dtypes. */
export function copy(d: Draw, most: number): Case {
  const shape = d.shape(d.int(0, 5), most);
  const [from, to] = [d.of(ALL), d.of(ALL)];
  return {
    spec: { kind: "copy" },
    outs: [d.output(to, shape)],
    ins: [d.operand(from, d.layout(shape, false), "wild")],
    params: [],
    tolerance: 0,
  };
}
/** Batched products. */
export function matmul(d: Draw, most: number): Case {
  const top = most > 5000 ? 90 : d.chance(0.2) ? 40 : 9;
  const [b, m, n, k] = [d.int(0, 3), d.int(0, top), d.int(0, top), d.int(0, top)];
  const dtype = d.of(ALL.filter((t) => t !== "bool"));
  const exact = !(isFloating(dtype) || isComplex(dtype));
  const bias = d.chance(0.3);
  const accumulate = !bias && d.chance(0.3);
  const ins = [[b, m, k], [b, k, n], ...(bias ? [[n]] : [])].map((s) => d.operand(dtype, d.layout(s, false), "plain"));
  return {
    spec: { kind: "matmul", accumulate, bias },
    outs: [d.output(dtype, [b, m, n])],
    ins,
    params: [],
    tolerance: exact ? 0 : (laneOf(dtype) === "f32" || dtype === "complex64" ? 2e-6 : 1e-13) * (4 + Math.sqrt(k)),
  };
}

// An indexed tensor: its shape, which dimensions are indexed, and index operands over `shape` (a few out of range).
function indexed(
  d: Draw,
  most: number,
): { full: number[]; shape: number[]; dims: number[]; indices: (over: readonly number[]) => Shadow[] } {
  const full = d.shape(d.int(1, 4), most).map((n) => Math.max(1, n));
  const dims = full.map((_, k) => k).filter(() => d.chance(0.5));
  const shape = full.map((n, k) => (dims.includes(k) ? d.int(0, 6) : n));
  const wrong = d.chance(0.08);
  const indices = (over: readonly number[]): Shadow[] =>
    dims.map((k) => {
      const n = full[k]!;
      const value = (): number => (wrong && d.chance(0.1) ? d.of([n, -n - 1, n + 1000, -(2 ** 31), 2 ** 31 - 1]) : d.int(-n, n - 1));
      return d.operand(d.of(["int64", "int32"] as const), d.layout(over, false), "plain", value);
    });
  return { full, shape, dims, indices };
}
/** Reads through indices. */
export function gather(d: Draw, most: number): Case {
  const { full, shape, dims, indices } = indexed(d, most);
  const dtype = d.of(ALL);
  const whole = d.operand(dtype, d.layout(full, false), "wild");
  const src = {
    ...whole,
    layout: layoutOf(
      shape,
      whole.layout.strides.map((s, k) => (dims.includes(k) ? 0 : s)),
      whole.layout.offset,
    ),
  };
  const params = dims.flatMap((k) => [full[k]!, whole.layout.strides[k]!]);
  return { spec: { kind: "gather" }, outs: [d.output(dtype, shape)], ins: [src, ...indices(shape)], params, tolerance: 0 };
}
/** Writes through indices, in order. */
export function scatter(d: Draw, most: number): Case {
  const { full, shape, dims, indices } = indexed(d, most);
  const mode = d.of(["set", "add", "mul", "max", "min"] as const);
  const dtype = mode === "max" || mode === "min" ? d.of(REAL) : d.of(ALL);
  const whole = d.output(dtype, full);
  const out = {
    ...whole,
    layout: layoutOf(
      shape,
      whole.layout.strides.map((s, k) => (dims.includes(k) ? 0 : s)),
      whole.layout.offset,
    ),
  };
  const params = dims.flatMap((k) => [full[k]!, whole.layout.strides[k]!]);
  const src = d.operand(dtype, d.layout(shape, false), mode === "mul" ? "nearOne" : "plain");
  return { spec: { kind: "scatter", mode }, outs: [out], ins: [src, ...indices(shape)], params, tolerance: isComplex(dtype) ? 1e-6 : 0 };
}

/** The three passes of convolutions. */
export function conv(d: Draw, most: number): Case {
  const nd = d.int(1, 3);
  const dtype = d.of(FLOATS);
  const big = most > 5000;
  const each = (low: number, high: number): number[] => Array.from({ length: nd }, () => d.int(low, high));
  const [kernel, stride, dilation, padding] = [each(1, 3), each(1, 3), each(1, 2), each(0, 3)];
  const size = each(1, big ? [120, 24, 9][nd - 1]! : [12, 8, 5][nd - 1]!);
  size.forEach((n, k) => {
    const need = (kernel[k]! - 1) * dilation[k]! + 1 - 2 * padding[k]!;
    if (n < need) size[k] = need;
  });
  const groups = d.of([1, 1, 2, 3]);
  const [n, cin, cout] = [d.int(1, big ? 6 : 2), groups * d.int(1, big ? 9 : 3), groups * d.int(1, big ? 9 : 3)];
  const out = size.map((s, k) => Math.floor((s + 2 * padding[k]! - dilation[k]! * (kernel[k]! - 1) - 1) / stride[k]!) + 1);
  const [x, w, y] = [
    [n, cin, ...size],
    [cout, cin / groups, ...kernel],
    [n, cout, ...out],
  ];
  const pass = d.of(["forward", "input", "weight"] as const);
  const shapes = pass === "forward" ? [x, w, ...(d.chance(0.5) ? [[cout]] : [])] : pass === "input" ? [y, w] : [y, x];
  const terms = pass === "weight" ? n * numelOf(out) : cin * numelOf(kernel) + cout;
  return {
    spec: { kind: "conv", pass, stride, padding, dilation, groups },
    outs: [d.output(dtype, pass === "forward" ? y : pass === "input" ? x : w)],
    ins: shapes.map((s) => d.operand(dtype, d.layout(s, false), "plain")),
    params: [],
    tolerance: (laneOf(dtype) === "f32" ? 2e-6 : 1e-13) * (4 + Math.sqrt(terms)),
  };
}
/** Pooling, windows of any kind. */
export function pool(d: Draw, most: number): Case {
  const nd = d.int(1, 3);
  const op = d.of(["max", "avg", "avgBackward"] as const);
  const dtype = op === "max" ? d.of(REAL) : d.of(FLOATS);
  const each = (low: number, high: number): number[] => Array.from({ length: nd }, () => d.int(low, high));
  const adaptive = d.chance(0.3);
  const [kernel, stride] = [each(1, 4), each(1, 3)];
  const dilation = op === "max" ? each(1, 2) : each(1, 1);
  const padding = kernel.map((k) => d.int(0, Math.floor(k / 2)));
  const size = each(1, most > 5000 ? [300, 40, 12][nd - 1]! : [14, 8, 5][nd - 1]!);
  size.forEach((n, k) => {
    const need = (kernel[k]! - 1) * dilation[k]! + 1 - padding[k]!;
    if (n < need) size[k] = need;
  });
  const ceil = d.chance(0.3);
  const out = size.map((s, k) => {
    if (adaptive) return d.int(1, 6);
    const room = s + 2 * padding[k]! - dilation[k]! * (kernel[k]! - 1) - 1;
    const n = (ceil ? Math.ceil(room / stride[k]!) : Math.floor(room / stride[k]!)) + 1;
    return ceil && (n - 1) * stride[k]! >= s + padding[k]! ? n - 1 : n;
  });
  const head = [d.int(1, 2), d.int(1, 3)];
  const [x, y] = [
    [...head, ...size],
    [...head, ...out],
  ];
  const spec: PoolSpec = {
    kind: "pool",
    op,
    kernel,
    stride,
    padding,
    dilation,
    adaptive,
    countIncludePad: d.chance(0.5),
    divisor: op !== "max" && d.chance(0.2) ? 3 : null,
  };
  return {
    spec,
    outs: op === "max" ? [d.output(dtype, y), d.output("int64", y)] : [d.output(dtype, op === "avg" ? y : x)],
    ins: [d.operand(dtype, d.layout(op === "avgBackward" ? y : x, false), op === "max" ? "wild" : "plain")],
    params: [],
    tolerance: op === "max" ? 0 : 1e-5,
  };
}

/** All generators. */
export const CASES: Readonly<Record<string, (d: Draw, most: number) => Case>> = {
  pointwise,
  reduce,
  argReduce,
  scan,
  sort,
  copy,
  matmul,
  gather,
  scatter,
  conv,
  pool,
};
