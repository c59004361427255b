// Batched matrix products.
import { dtypeId } from "../../core/dtype.ts";
import type { MatmulSpec, Operand } from "../../kernel/spec.ts";
import type { Host } from "./host.ts";

/** ins = [a, b] or [a, b, bias]. */
export function matmul(host: Host, spec: MatmulSpec, out: Operand, ins: readonly Operand[]): void {
  const [a, b, bias] = ins;
  const [batch, m, n] = out.layout.shape as [number, number, number];
  host
    .begin()
    .push(spec.accumulate ? 1 : 0)
    .push(batch)
    .push(m)
    .push(n)
    .push(a!.layout.shape[2]!);
  push3(host, a!, false);
  push3(host, b!, false);
  push3(host, out, true);
  host.push(bias ? 1 : 0);
  if (bias) host.pushAddress(bias).push(dtypeId(bias.dtype)).push(0).push(0).push(bias.layout.strides[0]!);
  host.call("matmul");
}

// Strides of dimensions of size 1 never matter: they are given the value that suits the fast paths.
function push3(host: Host, o: Operand, write: boolean): void {
  const [, r, c] = o.layout.shape as [number, number, number];
  const [s0, s1, s2] = o.layout.strides as [number, number, number];
  host.pushAddress(o, write).push(dtypeId(o.dtype)).push(s0);
  host.push(r === 1 ? Math.max(c, 1) : s1).push(c === 1 ? 1 : s2);
}
