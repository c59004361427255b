// Fused elementwise kernels on the block VM.
import { dtypeId } from "../../core/dtype.ts";
import { collapse } from "../../kernel/plan.ts";
import type { Operand, PointwiseSpec } from "../../kernel/spec.ts";
import type { Host } from "./host.ts";
import { defineProgram } from "./program.ts";

/** The programs that a host has compiled, by spec number. */
export type Programs = Map<number, number>;

/** Runs a pointwise spec. */
export function pointwise(
  host: Host,
  programs: Programs,
  spec: PointwiseSpec,
  outs: readonly Operand[],
  ins: readonly Operand[],
  params: readonly number[],
): void {
  let id = programs.get(spec.id);
  if (id === undefined) {
    id = defineProgram(host, spec.exprs, spec.lane, ins.length, params.length);
    programs.set(spec.id, id);
  }
  const numel = outs[0]!.layout.numel;
  if (numel === 0) return;
  let dense = true;
  for (let i = 0; dense && i < outs.length; i++) dense = outs[i]!.layout.contiguous;
  for (let i = 0; dense && i < ins.length; i++) dense = ins[i]!.layout.contiguous;
  if (dense) {
    // The commonest call of all: written straight into the ring.
    const ring = host.ring;
    let at = 1;
    ring[at++] = id;
    for (let i = 0; i < params.length; i++) ring[at++] = params[i]!;
    ring[at++] = 1;
    ring[at++] = numel;
    for (let i = 0; i < outs.length; i++) at = host.putDense(at, outs[i]!, true);
    for (let i = 0; i < ins.length; i++) at = host.putDense(at, ins[i]!, false);
  } else {
    host.begin().push(id).pushAll(params);
    const all = [...outs, ...ins];
    const plan = collapse(
      outs[0]!.layout.shape,
      all.map((o) => o.layout.strides),
      true,
    );
    host.pushShape(plan.shape);
    all.forEach((o, i) =>
      host
        .pushAddress(o, i < outs.length)
        .push(dtypeId(o.dtype))
        .pushAll(plan.strides[i]!),
    );
  }
  host.call("pointwise");
}
