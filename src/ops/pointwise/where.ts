// `where` as a formula with the tensor that may want a gradient first, as the method has it.
import type { PointwiseOp } from "../define.ts";
import { pointwise } from "../formula.ts";
import type { TensorLike } from "../promote.ts";

/** @internal `input` where `condition` is true, `other` elsewhere. */
export const whereFormula: PointwiseOp<[condition: TensorLike, other: TensorLike]> = /*@__PURE__*/ pointwise({
  torch: "where",
  operands: ["condition", "other"],
  masks: [1],
  forward: ([x, c, y]) => x!.where(c!, y!),
  grad: (g, [, c]) => [g.where(c!, 0), null, g.mul(0).where(c!, g)],
});
