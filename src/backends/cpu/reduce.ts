// Reductions: dimensions are sorted into kept and reduced ones; the order of iteration follows the first input's memory.
import { dtypeId } from "../../core/dtype.ts";
import { collapse } from "../../kernel/plan.ts";
import type { Operand, ReduceSpec } from "../../kernel/spec.ts";
import type { Host } from "./host.ts";
import type { Programs } from "./pointwise.ts";
import { defineProgram } from "./program.ts";

const OPS = { sum: 0, prod: 1, max: 2, min: 3, any: 4, all: 5 } as const;

/** Runs a reduce spec. */
export function reduce(
  host: Host,
  programs: Programs,
  spec: ReduceSpec,
  out: Operand,
  ins: readonly Operand[],
  params: readonly number[],
): void {
  let pre = programs.get(spec.id);
  if (pre === undefined) {
    pre = defineProgram(host, [spec.pre], spec.lane, ins.length, params.length);
    programs.set(spec.id, pre);
    if (spec.post) programs.set(-spec.id, defineProgram(host, [spec.post], spec.lane, 1, params.length));
  }
  const post = spec.post ? programs.get(-spec.id)! : -1;
  if (out.layout.numel === 1 && ins.every((o) => o.layout.contiguous)) {
    // Everything into one number.
    host
      .begin()
      .push(pre)
      .push(post)
      .push(OPS[spec.op])
      .push(0)
      .push(params.length)
      .pushAll(params)
      .push(0)
      .push(1)
      .push(ins[0]!.layout.numel);
    host.pushAddress(out, true).push(dtypeId(out.dtype));
    for (const o of ins) host.pushAddress(o).push(dtypeId(o.dtype)).push(1);
    host.call("reduce");
    return;
  }
  const shape = ins[0]?.layout.shape ?? [];
  const rank = shape.length;
  const kept: number[] = [];
  const gone: number[] = [];
  for (let d = 0; d < rank; d++) {
    if (shape[d] === 1) continue;
    if (out.layout.shape[d] === 1) gone.push(d);
    else kept.push(d);
  }
  const pick = (a: readonly number[], dims: readonly number[]): number[] => dims.map((d) => a[d]!);
  const strides = ins.map((o) => o.layout.strides);
  // The larger strides go outside on each side, so that neighbours merge even in transposed inputs.
  const first = strides[0] ?? [];
  const byStride = (a: number, b: number): number => first[b]! - first[a]! || a - b;
  if (gone.length > 1) gone.sort(byStride);
  const k = collapse(pick(shape, kept), [pick(out.layout.strides, kept), ...strides.map((s) => pick(s, kept))]);
  const r = collapse(
    pick(shape, gone),
    strides.map((s) => pick(s, gone)),
  );
  const kInner = k.strides[1]?.at(-1) ?? 0;
  const rInner = r.strides[0]?.at(-1) ?? 0;
  const outer = k.shape.length > 0 && r.shape.length > 0 && kInner !== 0 && (rInner === 0 || kInner < rInner);
  host
    .begin()
    .push(pre)
    .push(post)
    .push(OPS[spec.op])
    .push(outer ? 1 : 0)
    .push(params.length)
    .pushAll(params);
  host.pushShape(k.shape, r.shape.length).pushShape(r.shape);
  host.pushAddress(out, true).push(dtypeId(out.dtype)).pushAll(k.strides[0]!);
  ins.forEach((o, i) => {
    host.pushAddress(o).push(dtypeId(o.dtype));
    if (outer) host.pushAll(r.strides[i]!).pushAll(k.strides[i + 1]!);
    else host.pushAll(k.strides[i + 1]!).pushAll(r.strides[i]!);
  });
  host.call("reduce");
}
