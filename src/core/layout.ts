// Shape, strides and offset (in elements) of a window on a storage. Views are arithmetic on this and nothing else.
import { IndexError, ShapeError, showShape, ValueError } from "./errors.ts";

/** A dense or strided window: element `i` sits at `offset + Σ i_d · strides_d`. */
export interface Layout {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly numel: number;
  /** Row-major without gaps (the offset may be anything). */
  readonly contiguous: boolean;
}

/** The number of elements of a shape (1 for a scalar). */
export function numelOf(shape: readonly number[]): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i]!;
  return n;
}

/** Row-major strides. Size-0 dimensions count as 1, as in PyTorch. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= Math.max(1, shape[i]!);
  }
  return strides;
}

/** A new row-major layout at offset 0. */
export const denseLayout = (shape: readonly number[]): Layout => ({
  shape,
  strides: contiguousStrides(shape),
  offset: 0,
  numel: numelOf(shape),
  contiguous: true,
});

/** A layout from its parts; contiguity is worked out (dimensions of size 1 may have any stride). */
export function layoutOf(shape: readonly number[], strides: readonly number[], offset: number): Layout {
  let step = 1;
  let contiguous = true;
  const numel = numelOf(shape);
  if (numel > 0) {
    for (let i = shape.length - 1; i >= 0; i--) {
      const n = shape[i]!;
      if (n === 1) continue;
      if (strides[i] !== step) {
        contiguous = false;
        break;
      }
      step *= n;
    }
  }
  return { shape, strides, offset, numel, contiguous };
}

/** `dim` counted from the front; negative dimensions count from the end. Scalars accept -1 and 0. */
export function normDim(dim: number, rank: number, op: string): number {
  const n = Math.max(1, rank);
  if (!Number.isInteger(dim) || dim < -n || dim >= n) {
    throw new IndexError({
      op,
      message: `dim ${typeof dim === "number" ? dim : typeof dim} is out of range for a tensor of ${rank} dimensions`,
      hint: `Use ${-n} to ${n - 1}`,
      data: { dim, rank },
    });
  }
  return dim < 0 ? dim + n : dim;
}

/** The broadcast of several shapes, or a ShapeError that names them all. */
export function broadcastShapes(op: string, ...shapes: (readonly number[])[]): number[] {
  let rank = 0;
  for (const s of shapes) rank = Math.max(rank, s.length);
  const out = new Array<number>(rank).fill(1);
  for (const s of shapes) {
    for (let i = 0; i < s.length; i++) {
      const d = rank - s.length + i;
      const n = s[i]!;
      if (n === 1 || n === out[d]) continue;
      if (out[d] !== 1) {
        throw new ShapeError({
          op,
          message: `shapes ${shapes.map(showShape).join(" and ")} do not broadcast (sizes ${out[d]} and ${n} at dimension ${d})`,
          hint: "Sizes must be equal or 1, aligned at the last dimension",
          data: { shapes },
        });
      }
      out[d] = n;
    }
  }
  return out;
}

/** Same lengths and sizes? */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The layout stretched to `shape` with stride 0 along broadcast dimensions; -1 keeps a size. Throws if it does not fit. */
export function expandLayout(l: Layout, shape: readonly number[], op = "expand"): Layout {
  if (sameShape(l.shape, shape)) return l;
  const lead = shape.length - l.shape.length;
  const fail = (): never => {
    throw new ShapeError({
      op,
      message: `shape ${showShape(l.shape)} does not expand to ${showShape(shape)}`,
      hint: "Only sizes of 1 can be expanded; -1 keeps a size",
      data: { from: l.shape, to: shape },
    });
  };
  if (lead < 0) fail();
  const out = shape.slice();
  const strides = new Array<number>(shape.length).fill(0);
  for (let d = 0; d < shape.length; d++) {
    const n = d < lead ? undefined : l.shape[d - lead]!;
    if (out[d] === -1) out[d] = n ?? (fail() as never);
    if (out[d]! < 0) fail();
    if (n === undefined) continue;
    if (n === out[d]) strides[d] = l.strides[d - lead]!;
    else if (n !== 1) fail();
  }
  return layoutOf(out, strides, l.offset);
}

/** Resolves a single -1 in `shape` against `numel`, checking every size. */
export function inferShape(shape: readonly number[], numel: number, op: string, from: readonly number[]): number[] {
  let hole = -1;
  let known = 1;
  shape.forEach((n, i) => {
    if (n === -1 && hole < 0) hole = i;
    else if (!Number.isInteger(n) || n < 0) {
      throw new ShapeError({
        op,
        message: `size ${n} in ${showShape(shape)} is not a size`,
        hint: "Sizes are integers >= 0; one may be -1",
        data: { shape },
      });
    } else known *= n;
  });
  const out = shape.slice();
  if (hole >= 0 && known > 0 && numel % known === 0) out[hole] = numel / known;
  else if (hole >= 0 || known !== numel) {
    throw new ShapeError({
      op,
      message: `shape ${showShape(from)} has ${numel} elements and does not fit ${showShape(shape)}`,
      hint: "The number of elements must stay the same",
      data: { from, to: shape },
    });
  }
  return out;
}

/** The layout seen under another shape without a copy, or null where the strides do not allow it. */
export function viewLayout(l: Layout, shape: readonly number[]): Layout | null {
  if (l.contiguous) return { shape, strides: contiguousStrides(shape), offset: l.offset, numel: l.numel, contiguous: true };
  if (l.numel === 0) return layoutOf(shape, contiguousStrides(shape), l.offset);
  // Walk from the last dimension: a run of old dimensions that are contiguous among themselves can be re-cut freely.
  const strides = new Array<number>(shape.length);
  let d = shape.length - 1;
  let runNumel = 1;
  let runStride = l.strides.length ? l.strides[l.strides.length - 1]! : 1;
  let cut = 1;
  for (let i = l.shape.length - 1; i >= 0; i--) {
    runNumel *= l.shape[i]!;
    const ends = i === 0 || (l.shape[i - 1] !== 1 && l.strides[i - 1] !== runNumel * runStride);
    if (!ends) continue;
    while (d >= 0 && (cut < runNumel || shape[d] === 1)) {
      strides[d] = cut * runStride;
      cut *= shape[d]!;
      d--;
    }
    if (cut !== runNumel) return null;
    if (i > 0) {
      runStride = l.strides[i - 1]!;
      runNumel = 1;
      cut = 1;
    }
  }
  if (d !== -1) return null;
  return layoutOf(shape, strides, l.offset);
}

/** Dimensions in another order. */
export const permuteLayout = (l: Layout, dims: readonly number[]): Layout =>
  layoutOf(
    dims.map((d) => l.shape[d]!),
    dims.map((d) => l.strides[d]!),
    l.offset,
  );

/** Elements `start, start + step, …` (`length` of them) of one dimension. */
export function sliceLayout(l: Layout, dim: number, start: number, length: number, step = 1): Layout {
  const shape = l.shape.slice();
  const strides = l.strides.slice();
  shape[dim] = length;
  strides[dim] = l.strides[dim]! * step;
  return layoutOf(shape, strides, l.offset + (length > 0 ? start * l.strides[dim]! : 0));
}

/** One element of a dimension, which goes away. */
export function selectLayout(l: Layout, dim: number, index: number): Layout {
  return layoutOf(l.shape.toSpliced(dim, 1), l.strides.toSpliced(dim, 1), l.offset + index * l.strides[dim]!);
}

/** A new dimension of size 1 (its stride makes contiguous layouts stay contiguous). */
export function unsqueezeLayout(l: Layout, dim: number): Layout {
  const stride = dim < l.shape.length ? l.shape[dim]! * l.strides[dim]! : 1;
  return layoutOf(l.shape.toSpliced(dim, 0, 1), l.strides.toSpliced(dim, 0, stride), l.offset);
}

/** Checks that a shape is an array of integers >= 0. */
export function checkShape(shape: readonly number[], op: string): readonly number[] {
  for (const n of shape) {
    if (!Number.isInteger(n) || n < 0 || n > Number.MAX_SAFE_INTEGER) {
      throw new ValueError({
        op,
        message: `${showShape(shape)} is not a shape: ${n} is not a size`,
        hint: "Sizes are integers >= 0",
        data: { shape },
      });
    }
  }
  return shape;
}

/** The smallest and largest element positions that the layout touches, or null when it is empty. */
export function extent(l: Layout): { min: number; max: number } | null {
  if (l.numel === 0) return null;
  let min = l.offset;
  let max = l.offset;
  l.shape.forEach((n, d) => {
    const span = (n - 1) * l.strides[d]!;
    if (span < 0) min += span;
    else max += span;
  });
  return { min, max };
}
