// Bits of integers; on bool logic.
import { pointwise } from "../formula.ts";
import { type Binary, notFloat } from "./entry.ts";

/** Bits of both; on bool logical and. @example bitwiseAnd(tensor([6]), 3) // => [2] */
export const bitwiseAnd: Binary = /*@__PURE__*/ pointwise({
  torch: "bitwise_and",
  operands: ["other"],
  forward: ([a, b]) => a!.bitwiseAnd(b!),
  check: notFloat("bitwiseAnd"),
});
/** Bits of either. @example bitwiseOr(tensor([6]), 3) // => [7] */
export const bitwiseOr: Binary = /*@__PURE__*/ pointwise({
  torch: "bitwise_or",
  operands: ["other"],
  forward: ([a, b]) => a!.bitwiseOr(b!),
  check: notFloat("bitwiseOr"),
});
/** Bits of exactly one. @example bitwiseXor(tensor([6]), 3) // => [5] */
export const bitwiseXor: Binary = /*@__PURE__*/ pointwise({
  torch: "bitwise_xor",
  operands: ["other"],
  forward: ([a, b]) => a!.bitwiseXor(b!),
  check: notFloat("bitwiseXor"),
});
/** `input << other`. @example bitwiseLeftShift(tensor([1]), 3) // => [8] */
export const bitwiseLeftShift: Binary = /*@__PURE__*/ pointwise({
  torch: "bitwise_left_shift",
  operands: ["other"],
  forward: ([a, b]) => a!.bitwiseLeftShift(b!),
  check: notFloat("bitwiseLeftShift"),
});
/** `input >> other`. @example bitwiseRightShift(tensor([8]), 3) // => [1] */
export const bitwiseRightShift: Binary = /*@__PURE__*/ pointwise({
  torch: "bitwise_right_shift",
  operands: ["other"],
  forward: ([a, b]) => a!.bitwiseRightShift(b!),
  check: notFloat("bitwiseRightShift"),
});
