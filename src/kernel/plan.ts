// Iteration plans shared by backends: dimensions that can be walked as one are merged.
import type { Layout } from "../core/layout.ts";

/** A shape with the strides of several operands over it, all of the same rank. */
export interface Plan {
  readonly shape: number[];
  /** One array a operand. */
  readonly strides: number[][];
}

/** Drops dimensions of size 1 and merges neighbours that are contiguous for every operand. `order` sorts by the first operand's strides. */
export function collapse(shape: readonly number[], layouts: readonly (readonly number[])[], order = false): Plan {
  let dims: number[] = [];
  for (let d = 0; d < shape.length; d++) if (shape[d] !== 1) dims.push(d);
  if (order && layouts.length > 0) {
    const first = layouts[0]!;
    dims = dims.sort((a, b) => first[b]! - first[a]! || a - b);
  }
  const out: number[] = [];
  const strides: number[][] = layouts.map(() => []);
  for (const d of dims) {
    const n = shape[d]!;
    const last = out.length - 1;
    if (last >= 0 && layouts.every((l, k) => strides[k]![last] === l[d]! * n)) {
      out[last] = out[last]! * n;
      for (let k = 0; k < layouts.length; k++) strides[k]![last] = layouts[k]![d]!;
    } else {
      out.push(n);
      for (let k = 0; k < layouts.length; k++) strides[k]!.push(layouts[k]![d]!);
    }
  }
  return { shape: out, strides };
}

/** The layout's strides over a broadcast of it: 0 where its size is 1 and the shape's is not. */
export const stridesOver = (l: Layout, shape: readonly number[]): number[] =>
  shape.map((n, d) => (l.shape[d] === 1 && n !== 1 ? 0 : l.strides[d]!));
