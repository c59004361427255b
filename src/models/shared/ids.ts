// What every model asks of token ids.
import { checkTensor } from "../../core/arguments.ts";
import { DTypeError, ShapeError, showShape } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";

/** Checks token ids. @throws ShapeError, DTypeError */
export function checkIds(op: string, name: string, ids: Tensor): void {
  checkTensor(op, name, ids);
  if (ids.ndim !== 2 || ids.layout.numel === 0)
    throw new ShapeError({ op, message: `${name} ${showShape(ids.shape)}`, hint: "They must be [batch, tokens], with one token at least" });
  if (ids.dtype !== "int64" && ids.dtype !== "int32")
    throw new DTypeError({ op, message: `${name} are ${ids.dtype}`, hint: "They must be int64" });
}
