// Fused elementwise kernels on the block VM.
import { dtypeId } from "../../core/dtype.ts";
import type { Layout } from "../../core/layout.ts";
import { collapse } from "../../kernel/plan.ts";
import type { Operand, PointwiseSpec } from "../../kernel/spec.ts";
import type { Host } from "./host.ts";
import { defineProgram } from "./program.ts";

/** The programs that a host has compiled, by spec number. */
export type Programs = Map<number, number>;

// The stride of an operand seen in one dimension: 1 where it is contiguous, 0 where it is one element stretched, else -1.
function flatStride(l: Layout): number {
  if (l.contiguous) return 1;
  for (let d = 0; d < l.strides.length; d++) if (l.strides[d] !== 0) return -1;
  return 0;
}

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
  let flat = true;
  for (let i = 0; flat && i < outs.length; i++) flat = outs[i]!.layout.contiguous;
  for (let i = 0; flat && i < ins.length; i++) flat = flatStride(ins[i]!.layout) >= 0;
  if (flat) {
    // The commonest call of all: written straight into the ring.
    const ring = host.ring;
    let at = 1;
    ring[at++] = id;
    for (let i = 0; i < params.length; i++) ring[at++] = params[i]!;
    ring[at++] = 1;
    ring[at++] = numel;
    for (let i = 0; i < outs.length; i++) at = host.putFlat(at, outs[i]!, 1, true);
    for (let i = 0; i < ins.length; i++) at = host.putFlat(at, ins[i]!, flatStride(ins[i]!.layout), false);
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
