// Pooling: one native call for any dtype and strides.
import type { Operand, PoolSpec } from "../../kernel/spec.ts";
import { pushShaped } from "./conv.ts";
import type { Host } from "./host.ts";

const OPS = { max: 0, avg: 1, avgBackward: 2 } as const;

/** max: outs = [y, indices]; avg: [y]; avgBackward: ins = [gy], outs = [gx]. */
export function pool(host: Host, spec: PoolSpec, outs: readonly Operand[], x: Operand): void {
  const nd = x.layout.shape.length - 2;
  const each = (a: readonly number[], missing: number): number[] => Array.from({ length: nd }, (_, d) => a[d] ?? missing);
  host
    .begin()
    .push(OPS[spec.op])
    .push(spec.adaptive ? 1 : 0)
    .push(spec.countIncludePad ? 1 : 0)
    .push(spec.divisor ?? 0)
    .push(nd);
  host.pushAll(each(spec.kernel, 1)).pushAll(each(spec.stride, 1)).pushAll(each(spec.padding, 0)).pushAll(each(spec.dilation, 1));
  pushShaped(host, outs[0]!, true);
  pushShaped(host, x);
  if (spec.op === "max") pushShaped(host, outs[1]!, true);
  host.call("pool");
}
