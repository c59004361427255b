// Kernels that walk one dimension line by line: argReduce, scan, sort, topk.
import { dtypeId } from "../../core/dtype.ts";
import { collapse } from "../../kernel/plan.ts";
import type { ArgReduceSpec, Operand, ScanSpec, SortSpec, TopkSpec } from "../../kernel/spec.ts";
import type { Host } from "./host.ts";

const others = <T>(a: readonly T[], dim: number): T[] => a.filter((_, d) => d !== dim);
// The dimensions beside the lines, merged where all operands allow it; `each` pushes an operand over them.
function beside(host: Host, dim: number, operands: readonly Operand[]): (k: number, write: boolean, along: boolean) => void {
  const plan = collapse(
    others(operands[0]!.layout.shape, dim),
    operands.map((o) => others(o.layout.strides, dim)),
  );
  host.pushShape(plan.shape);
  return (k, write, along) => {
    const o = operands[k]!;
    host.pushAddress(o, write).push(dtypeId(o.dtype)).pushAll(plan.strides[k]!);
    if (along) host.push(o.layout.strides[dim] ?? 1);
  };
}

/** outs = [values, indices]. */
export function argReduce(host: Host, spec: ArgReduceSpec, outs: readonly Operand[], x: Operand): void {
  host
    .begin()
    .push(spec.op === "max" ? 1 : 0)
    .push(x.layout.shape[spec.dim] ?? 1);
  const operand = beside(host, spec.dim, [x, ...outs]);
  operand(0, false, true);
  operand(1, true, false);
  operand(2, true, false);
  host.call("argReduce");
}

const SCANS = { sum: 0, prod: 1, max: 2, min: 3, logaddexp: 4 } as const;
/** outs = [y] or [y, indices]. */
export function scan(host: Host, spec: ScanSpec, outs: readonly Operand[], x: Operand): void {
  if (x.layout.numel === 0) return;
  host
    .begin()
    .push(SCANS[spec.op])
    .push(spec.reverse ? 1 : 0)
    .push(x.layout.shape[spec.dim] ?? 1);
  const operand = beside(host, spec.dim, [x, ...outs]);
  operand(0, false, true);
  operand(1, true, true);
  host.push(outs.length > 1 ? 1 : 0);
  if (outs.length > 1) operand(2, true, true);
  host.call("scan");
}

/** outs = [values, indices], whole lines or the first k. */
export function sort(host: Host, spec: SortSpec | TopkSpec, outs: readonly Operand[], x: Operand): void {
  const n = x.layout.shape[spec.dim] ?? 1;
  if (outs[0]!.layout.numel === 0) return;
  const all = spec.kind === "sort";
  host
    .begin()
    .push(all ? 1 : 0)
    .push(n)
    .push(all ? n : spec.k)
    .push((all ? spec.descending : spec.largest) ? 1 : 0);
  const operand = beside(host, spec.dim, [x, ...outs]);
  for (let k = 0; k < 3; k++) operand(k, k > 0, true);
  host.call("sort");
}
