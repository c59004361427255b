// Strided copies and casts.
import { dtypeId } from "../../core/dtype.ts";
import { collapse } from "../../kernel/plan.ts";
import type { Operand } from "../../kernel/spec.ts";
import type { Host } from "./host.ts";

/** `out = cast(in)`. */
export function copy(host: Host, out: Operand, src: Operand): void {
  if (out.layout.numel === 0) return;
  const plan = collapse(out.layout.shape, [out.layout.strides, src.layout.strides], true);
  host.begin().pushShape(plan.shape);
  host.pushAddress(out, true).push(dtypeId(out.dtype)).pushAll(plan.strides[0]!);
  host.pushAddress(src).push(dtypeId(src.dtype)).pushAll(plan.strides[1]!);
  host.call("copy");
}
