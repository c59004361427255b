// Which dtype an operation computes in: PyTorch's rules for tensors, 0-d tensors and Python scalars.
import { category, defaultComplex, type DType, getDefaultDtype, isComplex, isFloating, promoteTypes } from "../core/dtype.ts";
import { given } from "../core/arguments.ts";
import { ArgumentError } from "../core/errors.ts";
import { isScalar, type Scalar } from "../core/number.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";

export { ComplexScalar, isScalar, type Scalar } from "../core/number.ts";

/** A tensor or a number. */
export type TensorLike = Tensor | Scalar;

/** The dtype that a scalar stands for: bool, int64, the default float or the default complex. */
export const scalarDtype = (x: Scalar): DType =>
  typeof x === "boolean"
    ? "bool"
    : typeof x === "bigint" || (typeof x === "number" && Number.isInteger(x))
      ? "int64"
      : typeof x === "number"
        ? getDefaultDtype()
        : defaultComplex();

/**
 * The common dtype of operands, as `torch.result_type`: dimensioned tensors first; 0-d tensors, then scalars, only where
 * they are of a higher category (bool < integer < float < complex).
 * @example resultType(tensor([1]), 0.5) // => "float32"
 */
export function resultType(...operands: TensorLike[]): DType {
  for (const x of operands)
    if (!isTensor(x) && !isScalar(x))
      throw new ArgumentError({ op: "resultType", message: `the operands are ${given(operands)}`, hint: "Give tensors and numbers" });
  let dim: DType | undefined;
  let zero: DType | undefined;
  let wrapped: DType | undefined;
  for (const x of operands) {
    if (isTensor(x)) {
      if (x.isScalar)
        wrapped = join(wrapped, category(x.dtype) === 2 ? getDefaultDtype() : category(x.dtype) === 3 ? defaultComplex() : x.dtype);
      else if (x.layout.shape.length > 0) dim = join(dim, x.dtype);
      else zero = join(zero, x.dtype);
    } else wrapped = join(wrapped, scalarDtype(x));
  }
  return over(dim, over(zero, wrapped)) ?? getDefaultDtype();
}

const join = (a: DType | undefined, b: DType): DType => (a === undefined || a === b ? b : promoteTypes(a, b));

function over(high: DType | undefined, low: DType | undefined): DType | undefined {
  if (high === undefined || low === undefined) return high ?? low;
  if (isComplex(high)) return high;
  if (isFloating(high)) return isComplex(low) ? promoteTypes(high, low) : high;
  return high === "bool" || category(low) >= 2 ? promoteTypes(high, low) : high;
}
