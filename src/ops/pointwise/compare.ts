// Comparisons and logic: bool results, no gradient.
import { pointwise } from "../formula.ts";
import { type Unary, type Binary, notComplex } from "./entry.ts";

/** `input == other`. @example eq(tensor([1, 2]), 2) // => [false, true] */
export const eq: Binary = /*@__PURE__*/ pointwise({ torch: "eq", operands: ["other"], result: "bool", forward: ([a, b]) => a!.eq(b!) });
/** `input != other`. @example ne(tensor([1, 2]), 2) // => [true, false] */
export const ne: Binary = /*@__PURE__*/ pointwise({ torch: "ne", operands: ["other"], result: "bool", forward: ([a, b]) => a!.ne(b!) });
/** `input < other`. @example lt(tensor([1, 2]), 2) // => [true, false] */
export const lt: Binary = /*@__PURE__*/ pointwise({
  torch: "lt",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.lt(b!),
  check: notComplex("lt"),
});
/** `input <= other`. @example le(tensor([1, 3]), 2) // => [true, false] */
export const le: Binary = /*@__PURE__*/ pointwise({
  torch: "le",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.le(b!),
  check: notComplex("le"),
});
/** `input > other`. @example gt(tensor([1, 3]), 2) // => [false, true] */
export const gt: Binary = /*@__PURE__*/ pointwise({
  torch: "gt",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.gt(b!),
  check: notComplex("gt"),
});
/** `input >= other`. @example ge(tensor([1, 2]), 2) // => [false, true] */
export const ge: Binary = /*@__PURE__*/ pointwise({
  torch: "ge",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.ge(b!),
  check: notComplex("ge"),
});
/** Both true (non-zero). @example logicalAnd(tensor([1, 0]), tensor([2, 2])) // => [true, false] */
export const logicalAnd: Binary = /*@__PURE__*/ pointwise({
  torch: "logical_and",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.logicalAnd(b!),
});
/** At least one true. @example logicalOr(tensor([1, 0]), tensor([0, 0])) // => [true, false] */
export const logicalOr: Binary = /*@__PURE__*/ pointwise({
  torch: "logical_or",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.logicalOr(b!),
});
/** Exactly one true. @example logicalXor(tensor([1, 1]), tensor([0, 1])) // => [true, false] */
export const logicalXor: Binary = /*@__PURE__*/ pointwise({
  torch: "logical_xor",
  operands: ["other"],
  result: "bool",
  forward: ([a, b]) => a!.logicalXor(b!),
});
/** Not true. @example logicalNot(tensor([1, 0])) // => [false, true] */
export const logicalNot: Unary = /*@__PURE__*/ pointwise({ torch: "logical_not", result: "bool", forward: ([x]) => x!.logicalNot() });
/** Is it NaN? @example isnan(tensor([1, NaN])) // => [false, true] */
export const isnan: Unary = /*@__PURE__*/ pointwise({ torch: "isnan", result: "bool", forward: ([x]) => x!.isnan() });
/** Is it infinite? @example isinf(tensor([1, -Infinity])) // => [false, true] */
export const isinf: Unary = /*@__PURE__*/ pointwise({ torch: "isinf", result: "bool", forward: ([x]) => x!.isinf() });
/** Is it neither infinite nor NaN? @example isfinite(tensor([1, NaN])) // => [true, false] */
export const isfinite: Unary = /*@__PURE__*/ pointwise({
  torch: "isfinite",
  result: "bool",
  forward: ([x]) => x!.isnan().logicalOr(x!.isinf()).logicalNot(),
});
