// Numbers of the tensor types in files that are no block types (those are in kernel/quant).
import type { DType } from "../../core/dtype.ts";

const PLAIN: readonly (readonly [number, DType])[] = [
  [0, "float32"],
  [1, "float16"],
  [24, "int8"],
  [25, "int16"],
  [26, "int32"],
  [27, "int64"],
  [28, "float64"],
  [30, "bfloat16"],
];
/** Numbers of the types that are dtypes. */
export const dtypeOf: ReadonlyMap<number, DType> = new Map(PLAIN);
/** The reverse. */
export const idOf: ReadonlyMap<DType, number> = new Map(PLAIN.map(([id, dtype]) => [dtype, id]));

/** What numbers meant that files may no longer hold. */
export const REMOVED: ReadonlyMap<number, string> = new Map([
  [4, "Q4_2"],
  [5, "Q4_3"],
  [31, "Q4_0_4_4"],
  [32, "Q4_0_4_8"],
  [33, "Q4_0_8_8"],
  [36, "IQ4_NL_4_4"],
  [37, "IQ4_NL_4_8"],
  [38, "IQ4_NL_8_8"],
]);
