// A block of a tensor that several processes hold together.
import { checkTensor, need } from "../../core/arguments.ts";
import { ShapeError, showShape } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";

/**
 * One process's block of a larger tensor: what is saved under a name with its place, and loaded at any world size later.
 * @throws ShapeError when the block does not lie inside
 * @example new io.Shard(zeros(2, 4), [2, 0], [8, 4]).globalShape // => [8, 4]
 */
export class Shard {
  /** The values held here. */
  readonly local: Tensor;
  /** Where the block begins in the whole, one number a dimension. */
  readonly offset: readonly number[];
  /** The shape of the whole. */
  readonly globalShape: readonly number[];
  constructor(local: Tensor, offset: readonly number[], globalShape: readonly number[]) {
    checkTensor("Shard", "local", local);
    need("Shard", "offset: shape", offset);
    need("Shard", "globalShape: shape", globalShape);
    const { shape } = local;
    const fits =
      offset.length === shape.length &&
      globalShape.length === shape.length &&
      shape.every((n, d) => Number.isInteger(offset[d]) && offset[d]! >= 0 && offset[d]! + n <= globalShape[d]!);
    if (!fits)
      throw new ShapeError({
        op: "Shard",
        message: `a block ${showShape(shape)} at ${showShape(offset)} does not lie in ${showShape(globalShape)}`,
        hint: "Offset and global shape have one number a dimension",
      });
    this.local = local;
    this.offset = [...offset];
    this.globalShape = [...globalShape];
  }
}

/** Where two blocks meet, relative to each: [start in a, start in b, sizes], or null when they do not. */
export function overlap(
  a: { offset: readonly number[]; shape: readonly number[] },
  b: { offset: readonly number[]; shape: readonly number[] },
): { inA: number[]; inB: number[]; shape: number[] } | null {
  const [inA, inB, shape]: [number[], number[], number[]] = [[], [], []];
  for (let d = 0; d < a.shape.length; d++) {
    const begin = Math.max(a.offset[d]!, b.offset[d]!);
    const end = Math.min(a.offset[d]! + a.shape[d]!, b.offset[d]! + b.shape[d]!);
    if (end <= begin) return null;
    inA.push(begin - a.offset[d]!);
    inB.push(begin - b.offset[d]!);
    shape.push(end - begin);
  }
  return { inA, inB, shape };
}
