// Scalar expressions as byte code for the block VM: common subexpressions once, registers reused after their last use.
import { UnsupportedError } from "../../core/errors.ts";
import type { Expr } from "../../kernel/expr.ts";
import type { Lane } from "../../kernel/spec.ts";
import { CODE, LANE } from "./abi.ts";
import type { Host } from "./host.ts";

/** Compiles and registers a program; returns its number. */
export function defineProgram(host: Host, exprs: readonly Expr[], lane: Lane, inputs: number, params: number): number {
  const consts: number[] = [];
  const uses = new Map<string, number>();
  const count = (e: Expr): void => {
    const n = uses.get(e.key) ?? 0;
    uses.set(e.key, n + 1);
    if (n === 0) e.args.forEach(count);
  };
  exprs.forEach(count);
  const findConsts = (e: Expr, seen: Set<string>): void => {
    if (seen.has(e.key)) return;
    seen.add(e.key);
    if (e.op === "const" && !consts.some((c) => Object.is(c, e.value))) consts.push(e.value);
    e.args.forEach((a) => findConsts(a, seen));
  };
  const seen = new Set<string>();
  exprs.forEach((e) => findConsts(e, seen));

  const temps = inputs + params + consts.length;
  // Results get registers of their own: they may be bound to memory that an operand also occupies.
  const results = new Map<string, number>();
  for (const e of exprs) if (e.args.length > 0 && !results.has(e.key)) results.set(e.key, temps + results.size);
  const free: number[] = [];
  let next = temps + results.size;
  const place = new Map<string, number>();
  const code: number[] = [];
  const leaf = (e: Expr): number | null =>
    e.op === "input"
      ? e.value
      : e.op === "param"
        ? inputs + e.value
        : e.op === "const"
          ? inputs + params + consts.findIndex((c) => Object.is(c, e.value))
          : null;
  const done = (e: Expr): void => {
    const left = uses.get(e.key)! - 1;
    uses.set(e.key, left);
    const at = place.get(e.key);
    if (left === 0 && at !== undefined && !results.has(e.key)) free.push(at);
  };
  const emit = (e: Expr): number => {
    const simple = leaf(e);
    if (simple !== null) return simple;
    const known = place.get(e.key);
    if (known !== undefined) return known;
    const args = e.args.map(emit);
    e.args.forEach(done);
    const dst = results.get(e.key) ?? free.pop() ?? next++;
    const op = CODE.get(e.op);
    if (op === undefined) throw new Error(`no byte code for ${e.op}`);
    code.push(op, dst, args[0] ?? 0, args[1] ?? 0, args[2] ?? 0);
    place.set(e.key, dst);
    return dst;
  };
  const outs = exprs.map(emit);
  if (consts.length + code.length + outs.length + 8 > host.ring.length)
    throw new UnsupportedError({ op: "pointwise", message: `a formula of ${code.length / 5} steps is too long`, hint: "Cut it in two" });
  host
    .begin()
    .push(LANE[lane])
    .push(inputs)
    .push(params)
    .push(consts.length)
    .push(next - temps)
    .push(outs.length)
    .push(code.length / 5);
  host.pushAll(consts).pushAll(code).pushAll(outs).call("program");
  return host.ring[1]!;
}
