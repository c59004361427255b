// Sizes of windows: one number for all spatial dimensions, or one each.
import { ValueError } from "../core/errors.ts";

/** A size for all spatial dimensions, or one each. */
export type Sizes = number | readonly number[];
/** @internal A size as `nd` integers of at least `least`. @throws ValueError */
export const listOf = (op: string, name: string, v: Sizes, nd: number, least: number): readonly number[] => {
  const out = typeof v === "number" ? new Array<number>(nd).fill(v) : v.length === 1 ? new Array<number>(nd).fill(v[0]!) : v;
  if (!Array.isArray(out) || out.length !== nd || out.some((n) => !Number.isInteger(n) || n < least))
    throw new ValueError({ op, message: `${name} is ${String(v)}`, hint: `Give an integer >= ${least}, or ${nd} of them` });
  return out;
};
