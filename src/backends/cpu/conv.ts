// Convolutions: one native call for any dtype and strides.
import { dtypeId } from "../../core/dtype.ts";
import type { ConvSpec, Operand } from "../../kernel/spec.ts";
import type { Host } from "./host.ts";

const PASSES = { forward: 0, input: 1, weight: 2 } as const;

/** forward: ins = [x, w] or [x, w, bias]; input: [gy, w]; weight: [gy, x]. */
export function conv(host: Host, spec: ConvSpec, out: Operand, ins: readonly Operand[]): void {
  host.begin().push(PASSES[spec.pass]).push(spec.stride.length);
  host.pushAll(spec.stride).pushAll(spec.padding).pushAll(spec.dilation).push(spec.groups);
  pushShaped(host, out, true);
  pushShaped(host, ins[0]!);
  pushShaped(host, ins[1]!);
  host.push(ins.length > 2 ? 1 : 0);
  if (ins.length > 2) pushShaped(host, ins[2]!);
  host.call("conv");
}

/** An operand with its shape: rank, sizes, address, dtype, strides. */
export function pushShaped(host: Host, o: Operand, write = false): void {
  host.pushShape(o.layout.shape).pushAddress(o, write).push(dtypeId(o.dtype)).pushAll(o.layout.strides);
}
