// What linear algebra shares: checks, and a host function for every matrix of a batch.
import { isComplex, isFloating, itemSize, toReal } from "../../core/dtype.ts";
import { DTypeError, LinAlgError, ShapeError, showShape } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import * as complexHost from "../../kernel/host/complex-matrix.ts";
import * as realHost from "../../kernel/host/matrix.ts";
import { tensor } from "../create.ts";
import { dataSync } from "../host.ts";

/** @internal Refuses what is no (square) matrix of floats or complex numbers. */
export function check(op: string, x: Tensor, square = true): void {
  if (!isFloating(x.dtype) && !isComplex(x.dtype))
    throw new DTypeError({ op, message: `${x.dtype} of shape ${showShape(x.shape)}`, hint: "Cast with .float() first" });
  if (itemSize(x.dtype) === 2)
    throw new DTypeError({ op, message: `${x.dtype} of shape ${showShape(x.shape)} is too imprecise`, hint: "Cast with .float() first" });
  if (x.ndim < 2)
    throw new ShapeError({ op, message: `shape ${showShape(x.shape)} is no matrix`, hint: "It needs two dimensions or more" });
  if (square && x.shape.at(-1) !== x.shape.at(-2)) throw new ShapeError({ op, message: `shape ${showShape(x.shape)} is not square` });
}
/** @internal The host algorithms for the numbers of `x`. */
export const hostOf = (x: Tensor): typeof realHost => (isComplex(x.dtype) ? complexHost : realHost);

/**
 * @internal Calls f for every matrix of a batch; results are joined into tensors of the given matrix shapes. Those whose
 * numbers are in `reals` are real for complex matrices too.
 */
export function each(
  x: Tensor,
  shapes: readonly (readonly number[])[],
  f: (a: Float64Array, at: number) => Float64Array[],
  reals: readonly number[] = [],
): Tensor[] {
  const lead = x.shape.slice(0, -2);
  const count = lead.reduce((a, b) => a * b, 1);
  const parts = isComplex(x.dtype) ? 2 : 1;
  const size = parts * x.shape.at(-1)! * x.shape.at(-2)!;
  const values = Float64Array.from(dataSync(x) as Float64Array);
  const outs = shapes.map((s, k) => new Float64Array((reals.includes(k) ? 1 : parts) * count * s.reduce((a, b) => a * b, 1)));
  for (let i = 0; i < count; i++)
    f(values.slice(i * size, (i + 1) * size), i).forEach((r, k) => {
      outs[k]!.set(r, i * r.length);
    });
  return outs.map((o, k) => {
    const wide = parts === 2 && !reals.includes(k) ? "complex128" : "float64";
    return tensor(o, { dtype: wide, device: x.device })
      .reshape([...lead, ...shapes[k]!])
      .to(reals.includes(k) ? toReal(x.dtype) : x.dtype);
  });
}
/** @internal Refuses infinities and NaN, which iterations cannot digest. */
export function checkFinite(op: string, a: Float64Array, at: number, shape: readonly number[]): void {
  if (!a.every(Number.isFinite))
    throw new LinAlgError({
      op,
      message: `matrix ${at} of shape ${showShape(shape)} contains infinities or NaN`,
      hint: "Replace them first",
    });
}
/** @internal The matrix transpose. */
export const T = (x: Tensor): Tensor => x.transpose(-2, -1);
/** @internal The conjugate transpose. */
export const H = (x: Tensor): Tensor => T(x).conj();
/** @internal A vector as a diagonal matrix. */
export const diag = (x: Tensor): Tensor => x.diagEmbed();
