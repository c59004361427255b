// Python's `slice` and `...`, and what one place of an index may be.
import { need } from "../../core/arguments.ts";
import type { Tensor } from "../../core/tensor.ts";

/** A range `start:stop:step` of a dimension; the step must be positive. @example new Slice(1, 3, null).step // => 1 */
export class Slice {
  readonly start: number | null;
  readonly stop: number | null;
  readonly step: number;
  constructor(start: number | null, stop: number | null, step: number | null) {
    for (const [name, v] of [
      ["start", start],
      ["stop", stop],
      ["step", step],
    ] as const)
      if (v !== null) need("slice", `${name}: int`, v);
    this.start = start;
    this.stop = stop;
    this.step = step ?? 1;
  }
}
/** Python's `slice`: `slice(stop)`, `slice(start, stop)`, `slice(start, stop, step)`. @example tensor([0, 1, 2, 3]).index(slice(1, 3)) // => [1, 2] */
export const slice = (start: number | null = null, stop?: number | null, step: number | null = null): Slice =>
  stop === undefined ? new Slice(null, start, null) : new Slice(start, stop, step);
/** All dimensions that are not named. */
export const ellipsis = "...";
/** One place of an index. */
export type Index = number | boolean | null | "..." | string | Slice | Tensor | readonly (number | boolean | readonly number[])[];
