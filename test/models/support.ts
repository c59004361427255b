// What the tests of models share.
import { join } from "node:path";
import type { Tensor } from "firebrand";

/** Where models recorded by tools/record are. */
export const recordedFolder = (): string => join(process.cwd(), "test", "models", "recorded");

/** The largest difference of two tensors, in parts of the largest value (of 1 when that is less). */
export function worst(a: Tensor, b: Tensor): number {
  if (a.shape.join() !== b.shape.join()) return Number.POSITIVE_INFINITY;
  const [x, y] = [a.detach().to("float64"), b.detach().to("float64")];
  const difference = x.sub(y).abs().max().itemSync() as number;
  return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference / Math.max(1, y.abs().max().itemSync() as number);
}
