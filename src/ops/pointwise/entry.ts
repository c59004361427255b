// What the entries of this folder share: their types, and the checks that refuse dtypes.
import { category, type DType, isComplex, isFloating } from "../../core/dtype.ts";
import { DTypeError } from "../../core/errors.ts";
import { isTensor } from "../../core/tensor.ts";
import type { MixedOp, PointwiseOp } from "../define.ts";
import { scalarDtype, type TensorLike } from "../promote.ts";

/** One operand. */
export type Unary = PointwiseOp<[]>;
/** Two operands, the second a tensor or a number. */
export type Binary = PointwiseOp<[other: TensorLike]>;
/** Two operands, one of them a tensor, the other a tensor or a number. */
export type Mixed = MixedOp<[other: TensorLike]>;

/** @internal The dtype that an operand brings. */
export const dtypeOf = (x: TensorLike): DType => (isTensor(x) ? x.dtype : scalarDtype(x));
/** @internal Refuses operands before anything runs. */
export type Check = (xs: readonly (TensorLike | undefined)[]) => void;
/** @internal A check that throws a DTypeError for operands of a bad dtype. */
export const refuse =
  (op: string, bad: (d: DType) => boolean, why: string, hint: string): Check =>
  (xs) => {
    for (const x of xs) if (x !== undefined && bad(dtypeOf(x))) throw new DTypeError({ op, message: `${why}, got ${dtypeOf(x)}`, hint });
  };
/** @internal Refuses floating and complex operands. */
export const notFloat = (op: string): Check => refuse(op, (d) => category(d) >= 2, "needs integers or bool", 'Cast with .to("int64")');
/** @internal Refuses complex operands. */
export const notComplex = (op: string): Check => refuse(op, isComplex, "complex numbers have no order", "Use .abs() or .real");
/** @internal Refuses all but floating operands. */
export const needsFloats = (op: string): Check => refuse(op, (d) => !isFloating(d), "needs floating operands", "Cast with .float() first");
/** @internal Refuses integers and bool. */
export const needsNumbers = (op: string): Check =>
  refuse(op, (d) => category(d) < 2, "needs floating or complex operands", "Cast with .float() first");
