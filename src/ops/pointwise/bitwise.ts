// Bits of integers; on bool logic.
import { pointwise } from "../formula.ts";
import { type Mixed, notFloat } from "./entry.ts";

/** Bits of both; on bool logical and. @example bitwiseAnd(tensor([6]), 3) // => [2] */
export const bitwiseAnd: Mixed = /*@__PURE__*/ pointwise({
  torch: "bitwise_and",
  operands: ["other"],
  scalarFirst: true,
  forward: ([a, b]) => a!.bitwiseAnd(b!),
  check: notFloat("bitwiseAnd"),
});
/** Bits of either. @example bitwiseOr(tensor([6]), 3) // => [7] */
export const bitwiseOr: Mixed = /*@__PURE__*/ pointwise({
  torch: "bitwise_or",
  operands: ["other"],
  scalarFirst: true,
  forward: ([a, b]) => a!.bitwiseOr(b!),
  check: notFloat("bitwiseOr"),
});
/** Bits of exactly one. @example bitwiseXor(tensor([6]), 3) // => [5] */
export const bitwiseXor: Mixed = /*@__PURE__*/ pointwise({
  torch: "bitwise_xor",
  operands: ["other"],
  scalarFirst: true,
  forward: ([a, b]) => a!.bitwiseXor(b!),
  check: notFloat("bitwiseXor"),
});
/** `input << other`. @example bitwiseLeftShift(tensor([1]), 3) // => [8] */
export const bitwiseLeftShift: Mixed = /*@__PURE__*/ pointwise({
  torch: "bitwise_left_shift",
  operands: ["other"],
  scalarFirst: true,
  forward: ([a, b]) => a!.bitwiseLeftShift(b!),
  check: notFloat("bitwiseLeftShift"),
});
/** `input >> other`. @example bitwiseRightShift(tensor([8]), 3) // => [1] */
export const bitwiseRightShift: Mixed = /*@__PURE__*/ pointwise({
  torch: "bitwise_right_shift",
  operands: ["other"],
  scalarFirst: true,
  forward: ([a, b]) => a!.bitwiseRightShift(b!),
  check: notFloat("bitwiseRightShift"),
});
