// Pointwise ops. A formula is traced once per combination of dtypes into one kernel for the result and one per gradient;
// the same gradient formula runs on Tensors when the gradient itself is to be differentiable.
import { checkInplace, needsGraph, rebaseHistory, setHistory } from "../autograd/graph.ts";
import { canCast, category, type DType, dtypeId, getDefaultDtype, isDifferentiable, toReal } from "../core/dtype.ts";
import { ArgumentError, DTypeError } from "../core/errors.ts";
import { broadcastShapes, denseLayout, type Layout, sameShape } from "../core/layout.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import type { Algebra } from "../kernel/algebra.ts";
import { Expr, input, inputsOf, param, substitute } from "../kernel/expr.ts";
import { laneOf, type Operand, type PointwiseSpec, type ReduceSpec, specId } from "../kernel/spec.ts";
import { bindArgs, checkTensor, isOptions, lazySignature, namesOf, seenFrom } from "../core/arguments.ts";
import { type ErrorSamples, jsName, type OpInfo, registry, type Samples } from "./define.ts";
import { allocateLike, deviceMismatch, launch, stretched } from "./launch.ts";
import { ComplexScalar, isScalar, resultType, type TensorLike } from "./promote.ts";
import { scalarTensor } from "./scalar.ts";
import { PointwiseNode } from "./formula-node.ts";
import { checkWritable, overlaps, detachedCopy } from "./inplace.ts";

/** Options as a formula sees them: numbers become expressions, so that they may change without a new kernel. */
export type FormulaOptions<P, E> = { readonly [K in keyof P]: P[K] extends number ? E : P[K] };

/** An elementwise op as data. */
export interface PointwiseDef<P extends object> {
  /** PyTorch's name. */
  readonly torch: string;
  /** Names of the operands after `input`; those with `?` may be absent. */
  readonly operands?: readonly string[];
  /** Options in PyTorch's positional order with their defaults. */
  readonly defaults?: P;
  /** What options take that are no numbers, as `signature` of arguments.ts reads it: `trunc|floor`. */
  readonly kinds?: { readonly [K in keyof P]?: string };
  /** keep: the common dtype of the operands; float: at least the default float; int: at least int64. */
  readonly promote?: "keep" | "float" | "int" | ((o: P) => "keep" | "float");
  /** The result's dtype where it is not the common one: bool, or the real type of a complex one. */
  readonly result?: "bool" | "real";
  /** The value. Operands that are absent are undefined. */
  readonly forward: <E extends Algebra<E>>(x: E[], o: FormulaOptions<P, E>) => E;
  /** The gradient of each operand, null where there is none. `g` is the output's gradient, `y` the output. */
  readonly grad?: <E extends Algebra<E>>(g: E, x: E[], y: E, o: FormulaOptions<P, E>) => (E | null)[];
  /** Refuses dtypes and options that are no numbers before anything runs; asked once for each kind of operands. */
  readonly check?: (x: readonly (TensorLike | undefined)[], o: P) => void;
  /** Refuses values of numbers, as operands and options; asked at every call. */
  readonly checkValues?: (x: readonly (TensorLike | undefined)[], o: P) => void;
  /** Operands that do not take part in promotion (conditions), by position. */
  readonly masks?: readonly number[];
  /** May the first operand be a number, as in `pow(2, x)`? */
  readonly scalarFirst?: boolean;
  /** Does the function take `{ inplace: true }`, as PyTorch's activations do? */
  readonly inplaceOption?: boolean;
  readonly samples?: Samples;
  readonly errors?: ErrorSamples;
}

/** @internal The kernel of one gradient. */
export interface GradKernel {
  /** What it reads: 0 is g, 1… the operands, operands + 1 the output. */
  readonly reads: readonly number[];
  readonly expr: Expr;
  readonly spec: PointwiseSpec;
  reduce: ReduceSpec | null;
}

/** @internal Everything that is known of an op for one combination of dtypes, scalars and static options. */
export interface Plan {
  readonly name: string;
  readonly def: PointwiseDef<never>;
  readonly spec: PointwiseSpec;
  readonly common: DType;
  readonly dtype: DType;
  /** For each operand: index among the tensors, or -1 - parameter index, or null when absent. */
  readonly slots: readonly (number | null)[];
  readonly options: Record<string, unknown>;
  /** Of the tensor operands. */
  readonly dtypes: readonly DType[];
  grads: (GradKernel | null)[] | null;
}

/** Makes a pointwise op from its formula. */
export function pointwise<O, P extends object = Record<never, never>>(def: PointwiseDef<P>): O {
  const name = jsName(def.torch);
  const operandNames = ["input", ...(def.operands ?? [])];
  const required = operandNames.filter((n) => !n.endsWith("?")).length;
  const optionNames = Object.keys(def.defaults ?? {});
  const params = [...operandNames.map((n) => `${n}: any`), ...optionNames.map((n) => `${n}?: ${def.kinds?.[n as keyof P] ?? "real"}`)];
  const declared = lazySignature(params);
  const arity = operandNames.length;
  const defaults = (def.defaults ?? {}) as Record<string, unknown>;
  const plans = new Map<string | number, Plan>();

  // An option's value; booleans and bigints count as numbers where a number is expected.
  const optionOf = (i: number, bound: readonly unknown[]): unknown => {
    const v = bound[arity + i];
    const usual = defaults[optionNames[i]!];
    const counts = typeof v === "boolean" || typeof v === "bigint";
    return v === undefined ? usual : counts && (typeof usual === "number" || usual === null) ? Number(v) : v;
  };
  // Splits a call into tensors, scalar parameters and options, and finds its plan.
  const prepare = (args: readonly unknown[], tensors: Tensor[], params: number[]): Plan => {
    let bound = args;
    if (args.length > arity || args.length < required || isOptions(args[args.length - 1]) || args.includes(null))
      bound = bindArgs(name, declared(), args);
    let key = 1;
    for (let i = 0; i < arity; i++) {
      const x = bound[i];
      if (isTensor(x)) {
        key = key * 32 + dtypeId(x.dtype) + (x.isScalar ? 12 : 0);
        if (x.layout.shape.length === 0) key = key * 2 + 1;
        else key *= 2;
        tensors.push(x);
      } else if (x === undefined && i >= required) key = key * 64 + 62;
      else if (i === 0 && !def.scalarFirst) checkTensor(name, "input", x);
      else if (typeof x === "number") {
        key = key * 64 + (Number.isInteger(x) ? 60 : 61);
        params.push(x);
      } else if (x instanceof ComplexScalar || (typeof x === "bigint" && !Number.isSafeInteger(Number(x)))) {
        return prepare(
          bound.map((v) => (v === x ? scalarTensor(x, deviceOf(bound)) : v)),
          dropAll(tensors),
          dropAll(params),
        );
      } else if (isScalar(x)) {
        key = key * 64 + (typeof x === "boolean" ? 59 : 60);
        params.push(Number(x));
      } else checkTensor(name, declared().names[i]!, x);
    }
    if (tensors.length === 0) throw new ArgumentError({ op: name, message: "no operand is a Tensor", hint: "Wrap one with tensor(…)" });
    // Values differ from call to call under one plan. Where all options are the usual ones there is nothing to see in them.
    if (def.checkValues && (optionNames.length === 0 || bound.length > arity)) {
      const options = optionNames.length > 0 ? Object.fromEntries(optionNames.map((n, i) => [n, optionOf(i, bound)])) : {};
      def.checkValues(bound.slice(0, arity) as (TensorLike | undefined)[], options as P);
    }
    let text = "";
    for (let i = 0; i < optionNames.length; i++) {
      const v = optionOf(i, bound);
      if (typeof v === "number") params.push(v);
      else text += `|${typeof v}${String(v)}`;
    }
    if (getDefaultDtype() !== "float32") text += `|${getDefaultDtype()}`;
    const full = text === "" ? key : key + text;
    return plans.get(full) ?? makePlan(full, bound, tensors);
  };

  const makePlan = (key: string | number, bound: readonly unknown[], tensors: readonly Tensor[]): Plan => {
    const operands = Array.from({ length: arity }, (_, i) => bound[i] as TensorLike | undefined);
    let p = 0;
    let t = 0;
    const slots = operands.map((x) => (x === undefined ? null : isTensor(x) ? t++ : -1 - p++));
    const options: Record<string, unknown> = {};
    const traced: Record<string, unknown> = {};
    optionNames.forEach((n, i) => {
      const v = optionOf(i, bound);
      options[n] = v;
      traced[n] = typeof v === "number" ? param(p++) : v;
    });
    def.check?.(operands, options as P);
    const counted = operands.filter((x, i) => x !== undefined && !def.masks?.includes(i)) as TensorLike[];
    let common = resultType(...counted);
    const promote = typeof def.promote === "function" ? def.promote(options as P) : def.promote;
    if (promote === "float" && category(common) < 2) common = getDefaultDtype();
    if (promote === "int" && common === "bool") common = "int64";
    const dtype = def.result === "bool" ? "bool" : def.result === "real" ? toReal(common) : common;
    const xs = slots.map((s) => (s === null ? undefined : s >= 0 ? input(s) : param(-1 - s))) as Expr[];
    const lane = laneOf(common);
    const expr = forLane(def.forward(xs, traced as FormulaOptions<P, Expr>), lane);
    const spec: PointwiseSpec = { kind: "pointwise", id: specId(), exprs: [expr], lane };
    const plan: Plan = {
      name,
      def: def as unknown as PointwiseDef<never>,
      spec,
      common,
      dtype,
      slots,
      options,
      dtypes: tensors.map((t) => t.dtype),
      grads: null,
    };
    if (def.grad && isDifferentiable(dtype)) {
      const g = input(0);
      const up = slots.map((s) => (s === null ? undefined : s >= 0 ? input(s + 1) : param(-1 - s))) as Expr[];
      const formulas = def.grad(g, up, input(tensors.length + 1), traced as FormulaOptions<P, Expr>);
      plan.grads = tensors.map((t, i) => {
        const e = formulas[slots.indexOf(i)];
        if (!e || !isDifferentiable(t.dtype)) return null;
        const real = forLane(e, lane);
        const reads = inputsOf([real]);
        const compact = substitute(real, (l) => (l.op === "input" ? input(reads.indexOf(l.value)) : l));
        return { reads, expr: compact, spec: { kind: "pointwise", id: specId(), exprs: [compact], lane }, reduce: null };
      });
    }
    plans.set(key, plan);
    return plan;
  };

  // The last plan, for calls of plain tensors of the same kind as before: most calls of a program's life.
  const usual = Object.values(defaults).filter((v) => typeof v === "number");
  let cached: Plan | null = null;
  let kind0: DType | null = null;
  let kind1: DType | null = null;
  let floats: DType | null = null;
  const quick = (a: unknown, b: unknown): boolean =>
    cached !== null &&
    isTensor(a) &&
    a.dtype === kind0 &&
    !a.isScalar &&
    a.layout.shape.length > 0 &&
    floats === getDefaultDtype() &&
    (arity === 1 || (isTensor(b) && b.dtype === kind1 && !b.isScalar && b.layout.shape.length > 0));

  const direct = (...args: unknown[]): Tensor => {
    if (args.length === arity && arity <= 2 && quick(args[0], args[1])) return finishCall(cached!, args as Tensor[], usual);
    if (def.inplaceOption) {
      const last = args[args.length - 1];
      if (isOptions(last) && "inplace" in last) {
        const { inplace: on, ...rest } = last;
        const kept = [...args.slice(0, -1), rest];
        return on ? inplace(...(kept as [Tensor])) : direct(...kept);
      }
    }
    const tensors: Tensor[] = [];
    const params: number[] = [];
    const plan = prepare(args, tensors, params);
    if (args.length === arity && arity <= 2 && tensors.length === arity) {
      const plain = tensors.every((t) => !t.isScalar && t.layout.shape.length > 0);
      if (plain) [cached, kind0, kind1, floats] = [plan, tensors[0]!.dtype, tensors[1]?.dtype ?? null, getDefaultDtype()];
    }
    return finishCall(plan, tensors, params);
  };
  const finishCall = (plan: Plan, tensors: readonly Tensor[], params: readonly number[]): Tensor => {
    const first = tensors[0]!;
    const layout = outLayout(name, tensors);
    const out = allocateLike(layout, plan.dtype, first.storage.device);
    execute(plan, out, tensors, params);
    if (plan.grads !== null && needsGraph(tensors)) setHistory(out, new PointwiseNode(plan, tensors, params, out));
    return out;
  };

  const call = (...args: unknown[]): Tensor => {
    try {
      return direct(...args);
    } catch (e) {
      throw seenFrom(e, name, args, declared().usage);
    }
  };

  const inplace = (self: Tensor, ...args: unknown[]): Tensor => {
    try {
      return write(self, ...args);
    } catch (e) {
      throw seenFrom(e, `${name}_`, [self, ...args], declared().usage);
    }
  };
  const write = (self: Tensor, ...args: unknown[]): Tensor => {
    const op = `${name}_`;
    checkTensor(op, "input", self);
    checkInplace(op, self);
    const tensors: Tensor[] = [];
    let params: number[] = [];
    let plan: Plan;
    if (args.length === arity - 1 && arity <= 2 && quick(self, args[0])) {
      tensors.push(self, ...(args as Tensor[]));
      [plan, params] = [cached!, usual];
    } else plan = prepare([self, ...args], tensors, params);
    const shape = outLayout(op, tensors).shape;
    checkWritable(op, self, shape);
    if (!canCast(plan.dtype, self.dtype)) {
      throw new DTypeError({
        op,
        message: `the result is ${plan.dtype}, which does not fit into ${self.dtype}`,
        hint: "Use the out-of-place form",
      });
    }
    const recording = plan.grads !== null && needsGraph(tensors);
    const node = recording ? new PointwiseNode(plan, tensors, params, self, true) : null;
    // Operands that overlap the target elsewhere than element by element must be read before it is written.
    const safe = tensors.map((t, i) => (i > 0 && overlaps(t, self) ? detachedCopy(t) : t));
    execute(plan, self, safe, params);
    self.storage.version.value++;
    if (node) {
      rebaseHistory(self, node);
      node.saveOutput(self);
    }
    return self;
  };

  Object.defineProperty(inplace, "name", { value: `${name}_` });
  const all = def.inplaceOption ? [...params, "inplace?: flag"] : params;
  const info: OpInfo = {
    torch: def.torch,
    kind: "pointwise",
    params: namesOf(all),
    declared: all,
    inplace: inplace as (self: Tensor, ...args: unknown[]) => Tensor,
    formula: def as never,
    differentiable: def.grad !== undefined,
    ...(def.samples && { samples: def.samples }),
    ...(def.errors && { errors: def.errors }),
  };
  const op = Object.assign(call, { op: info, method: true });
  Object.defineProperty(op, "name", { value: name });
  registry.push(op as never);
  return op as unknown as O;
}

// On real lanes a conjugate is nothing. On complex ones only moduli are compared: by the sign of a real part, -1 for "less".
function forLane(e: Expr, lane: PointwiseSpec["lane"], memo: Map<Expr, Expr> = new Map()): Expr {
  if (e.args.length === 0) return e;
  const known = memo.get(e);
  if (known) return known;
  const args = e.args.map((a) => forLane(a, lane, memo));
  const complex = lane === "c64" || lane === "c128";
  const out =
    !complex && (e.op === "conj" || e.op === "real")
      ? args[0]!
      : complex && e.op === "lt"
        ? args[0]!.sub(args[1]!).real().sign().eq(-1)
        : args.every((a, i) => a === e.args[i])
          ? e
          : new Expr(e.op, args, e.value);
  memo.set(e, out);
  return out;
}

const dropAll = <T>(a: T[]): T[] => {
  a.length = 0;
  return a;
};
const deviceOf = (args: readonly unknown[]): Tensor | undefined => args.find(isTensor);

// The layout of a fresh result: shared with an operand that is already dense and of that shape.
function outLayout(op: string, tensors: readonly Tensor[]): Layout {
  const first = tensors[0]!.layout;
  let same = true;
  for (let i = 1; i < tensors.length; i++)
    if (!sameShape(tensors[i]!.layout.shape, first.shape)) {
      same = false;
      break;
    }
  if (same) return first.contiguous && first.offset === 0 ? first : denseLayout(first.shape);
  const shape = broadcastShapes(op, ...tensors.map((t) => t.layout.shape));
  for (const t of tensors) if (t.layout.contiguous && t.layout.offset === 0 && sameShape(t.layout.shape, shape)) return t.layout;
  return denseLayout(shape);
}

function execute(plan: Plan, out: Tensor, tensors: readonly Tensor[], params: readonly number[]): void {
  const shape = out.layout.shape;
  let ins: readonly Operand[] = tensors;
  for (let i = 0; i < tensors.length; i++) {
    const t = tensors[i]!;
    if (t.storage.device !== out.storage.device) {
      if (!(t.layout.shape.length === 0 && t.isScalar)) throw deviceMismatch(plan.name, tensors);
    }
    if (!sameShape(t.layout.shape, shape)) {
      ins = tensors.map((x) => stretched(x, shape, plan.name));
      break;
    }
  }
  launch(plan.name, plan.spec, [out], ins, params);
}
