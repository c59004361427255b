// What in-place ops must know before they write: shapes that fit, memory that operands share.
import { ShapeError, showShape } from "../core/errors.ts";
import { denseLayout, extent, sameShape } from "../core/layout.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Operand } from "../kernel/spec.ts";
import { allocateLike, launch } from "./launch.ts";

/** Throws unless `t` can be written with a result of `shape`. */
export function checkWritable(op: string, t: Tensor, shape: readonly number[]): void {
  if (!sameShape(shape, t.layout.shape)) {
    throw new ShapeError({
      op,
      message: `the result has shape ${showShape(shape)}, the target ${showShape(t.layout.shape)}`,
      hint: "An in-place operation cannot grow its target",
    });
  }
  if (t.layout.shape.some((n, d) => n > 1 && t.layout.strides[d] === 0)) {
    throw new ShapeError({
      op,
      message: `the target of shape ${showShape(t.layout.shape)} is expanded: several elements share memory`,
      hint: "Call clone() before writing",
    });
  }
}

/** Do two windows share memory other than element by element? */
export function overlaps(a: Operand, b: Operand): boolean {
  if (a.storage.block !== b.storage.block) return false;
  const same =
    a.dtype === b.dtype &&
    a.layout.offset === b.layout.offset &&
    sameShape(a.layout.shape, b.layout.shape) &&
    sameShape(a.layout.strides, b.layout.strides);
  if (same) return false;
  const x = extent(a.layout);
  const y = extent(b.layout);
  return x !== null && y !== null && x.min <= y.max && y.min <= x.max;
}

/** @internal A dense copy without history. */
export function detachedCopy(t: Tensor): Tensor {
  const out = allocateLike(denseLayout(t.layout.shape), t.dtype, t.storage.device);
  launch("clone", { kind: "copy" }, [out], [t]);
  out.isScalar = t.isScalar;
  return out;
}
