// 16-bit floats in computations of several steps: done in float32 and rounded once, at the end.
import { isHalf } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import { to } from "./copy.ts";

/** @internal 16-bit floats as float32; all else as it is. */
export const wide = <T extends Tensor | null | undefined>(t: T): T => (t && isHalf(t.dtype) ? (to(t, "float32") as T) : t);
