// Kernels that walk one dimension line by line: argReduce, scan, sort, topk.
import { dtypeId } from "../../core/dtype.ts";
import type { ArgReduceSpec, Operand, ScanSpec, SortSpec, TopkSpec } from "../../kernel/spec.ts";
import type { Host } from "./host.ts";

const others = <T>(a: readonly T[], dim: number): T[] => a.filter((_, d) => d !== dim);

function pushLine(host: Host, o: Operand, dim: number, write: boolean, lineStride: boolean): void {
  host.pushAddress(o, write).push(dtypeId(o.dtype)).pushAll(others(o.layout.strides, dim));
  if (lineStride) host.push(o.layout.strides[dim] ?? 1);
}

/** outs = [values, indices]. */
export function argReduce(host: Host, spec: ArgReduceSpec, outs: readonly Operand[], x: Operand): void {
  const shape = x.layout.shape;
  host
    .begin()
    .push(spec.op === "max" ? 1 : 0)
    .push(shape[spec.dim] ?? 1)
    .pushShape(others(shape, spec.dim));
  pushLine(host, x, spec.dim, false, true);
  pushLine(host, outs[0]!, spec.dim, true, false);
  pushLine(host, outs[1]!, spec.dim, true, false);
  host.call("argReduce");
}

const SCANS = { sum: 0, prod: 1, max: 2, min: 3, logaddexp: 4 } as const;
/** outs = [y] or [y, indices]. */
export function scan(host: Host, spec: ScanSpec, outs: readonly Operand[], x: Operand): void {
  const shape = x.layout.shape;
  if (x.layout.numel === 0) return;
  host
    .begin()
    .push(SCANS[spec.op])
    .push(shape[spec.dim] ?? 1)
    .pushShape(others(shape, spec.dim));
  pushLine(host, x, spec.dim, false, true);
  pushLine(host, outs[0]!, spec.dim, true, true);
  host.push(outs.length > 1 ? 1 : 0);
  if (outs.length > 1) pushLine(host, outs[1]!, spec.dim, true, true);
  host.call("scan");
}

/** outs = [values, indices], whole lines or the first k. */
export function sort(host: Host, spec: SortSpec | TopkSpec, outs: readonly Operand[], x: Operand): void {
  const shape = x.layout.shape;
  const n = shape[spec.dim] ?? 1;
  if (outs[0]!.layout.numel === 0) return;
  const all = spec.kind === "sort";
  host
    .begin()
    .push(all ? 1 : 0)
    .push(n)
    .push(all ? n : spec.k)
    .push((all ? spec.descending : spec.largest) ? 1 : 0)
    .pushShape(others(shape, spec.dim));
  pushLine(host, x, spec.dim, false, true);
  pushLine(host, outs[0]!, spec.dim, true, true);
  pushLine(host, outs[1]!, spec.dim, true, true);
  host.call("sort");
}
