// The public entries: errors from deeper layers learn there which operation the user called.
import { FirebrandError, OutOfMemoryError } from "./errors.ts";

/** The error as the caller of `op` should see it. What the engine says about arrays that are too long becomes ours. */
export function named(e: unknown, op: string): unknown {
  if (e instanceof FirebrandError) return e.op === undefined ? e.within(op, []) : e;
  if (e instanceof RangeError && /allocation failed|Invalid (typed )?array length/.test(e.message))
    return new OutOfMemoryError({ op, message: `an array of this size cannot be had (${e.message})`, hint: "Check the sizes", cause: e });
  return e;
}

/** `f` with its errors named after `op`, those of its promise too. */
export function door<A extends unknown[], R>(op: string, f: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    try {
      const out = f(...args);
      if (!(out instanceof Promise)) return out;
      return out.catch((e: unknown) => {
        throw named(e, op);
      }) as R;
    } catch (e) {
      throw named(e, op);
    }
  };
}
