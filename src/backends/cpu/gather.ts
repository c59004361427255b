// Reads and writes through index tensors.
import { dtypeId } from "../../core/dtype.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { collapse } from "../../kernel/plan.ts";
import type { Operand, ScatterSpec } from "../../kernel/spec.ts";
import { MAX_INDICES } from "./abi.ts";
import type { Host } from "./host.ts";

function push(
  host: Host,
  out: Operand,
  src: Operand,
  indices: readonly Operand[],
  shape: readonly number[],
  params: readonly number[],
): void {
  if (indices.length > MAX_INDICES)
    throw new UnsupportedError({ message: `${indices.length} index tensors, at most ${MAX_INDICES} can be`, hint: "Index in two steps" });
  const plan = collapse(shape, [out.layout.strides, src.layout.strides, ...indices.map((o) => o.layout.strides)]);
  host.pushShape(plan.shape);
  host.pushAddress(out, true).push(dtypeId(out.dtype)).pushAll(plan.strides[0]!);
  host.pushAddress(src).push(dtypeId(src.dtype)).pushAll(plan.strides[1]!);
  host.push(indices.length);
  indices.forEach((o, i) => {
    host
      .pushAddress(o)
      .push(dtypeId(o.dtype))
      .push(params[2 * i]!)
      .push(params[2 * i + 1]!)
      .pushAll(plan.strides[2 + i]!);
  });
}

/** See GatherSpec. */
export function gather(host: Host, out: Operand, ins: readonly Operand[], params: readonly number[]): void {
  push(host.begin(), out, ins[0]!, ins.slice(1), out.layout.shape, params);
  host.call("gather");
}

const MODES = { set: 0, add: 1, mul: 2, max: 3, min: 4 } as const;
/** See ScatterSpec. */
export function scatter(host: Host, spec: ScatterSpec, out: Operand, ins: readonly Operand[], params: readonly number[]): void {
  push(
    host
      .begin()
      .push(MODES[spec.mode])
      .push(spec.fresh ? 1 : 0),
    out,
    ins[0]!,
    ins.slice(1),
    ins[0]!.layout.shape,
    params,
  );
  host.call("scatter");
}
