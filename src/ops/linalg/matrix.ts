// What linear algebra shares: checks, and a host function for every matrix of a batch.
import { isComplex, isFloating } from "../../core/dtype.ts";
import { DTypeError, ShapeError, showShape } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { tensor } from "../create.ts";
import { dataSync } from "../host.ts";

/** @internal Refuses what is no real (square) matrix. */
export function check(op: string, x: Tensor, square = true): void {
  if (isComplex(x.dtype)) throw new DTypeError({ op, message: `${x.dtype} matrices are not supported`, hint: "Use real matrices" });
  if (!isFloating(x.dtype))
    throw new DTypeError({ op, message: `${x.dtype} of shape ${showShape(x.shape)}`, hint: "Cast with .float() first" });
  if (x.ndim < 2)
    throw new ShapeError({ op, message: `shape ${showShape(x.shape)} is no matrix`, hint: "It needs two dimensions or more" });
  if (square && x.shape.at(-1) !== x.shape.at(-2)) throw new ShapeError({ op, message: `shape ${showShape(x.shape)} is not square` });
}
/** @internal Calls f for every matrix of a batch; results are joined into tensors of the given matrix shapes. */
export function each(x: Tensor, shapes: readonly (readonly number[])[], f: (a: Float64Array, at: number) => Float64Array[]): Tensor[] {
  const lead = x.shape.slice(0, -2);
  const count = lead.reduce((a, b) => a * b, 1);
  const size = x.shape.at(-1)! * x.shape.at(-2)!;
  const values = Float64Array.from(dataSync(x) as Float64Array);
  const outs = shapes.map((s) => new Float64Array(count * s.reduce((a, b) => a * b, 1)));
  for (let i = 0; i < count; i++)
    f(values.slice(i * size, (i + 1) * size), i).forEach((r, k) => {
      outs[k]!.set(r, i * r.length);
    });
  return outs.map((o, k) =>
    tensor(o, { device: x.device })
      .reshape([...lead, ...shapes[k]!])
      .to(x.dtype),
  );
}
/** @internal The matrix transpose. */
export const T = (x: Tensor): Tensor => x.transpose(-2, -1);
/** @internal A vector as a diagonal matrix. */
export const diag = (x: Tensor): Tensor => x.diagEmbed();
