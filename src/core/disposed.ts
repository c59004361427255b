// What stands in for the memory of a tensor that was freed by hand: it knows the tensor, and refuses everything.
import type { DType } from "./dtype.ts";
import { DisposedError, showShape } from "./errors.ts";
import type { Storage } from "./storage.ts";

/** How a tensor was freed. */
export type Freed = "scope" | "dispose";

const HINTS: Readonly<Record<Freed, string>> = {
  scope: "Return it from the function given to scope(…), or pass it to keep(…) in there",
  dispose: "`using` frees at the end of its block, [Symbol.dispose]() at once: do so after the last use, or not at all",
};

interface Owner {
  readonly storage: Storage;
  readonly layout: { readonly shape: readonly number[] };
  readonly dtype: DType;
}

class Disposed {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly how: Freed;
  constructor(t: Owner, how: Freed) {
    this.shape = t.layout.shape;
    this.dtype = t.dtype;
    this.how = how;
  }
  error(): DisposedError {
    return new DisposedError({
      message: `a tensor of shape ${showShape(this.shape)} (${this.dtype}) was freed ${this.how === "scope" ? "at the end of a scope" : "by dispose"}`,
      hint: HINTS[this.how],
      data: { shape: this.shape, dtype: this.dtype },
    });
  }
  /** @internal */
  leave(): void {}
}
for (const key of ["device", "nbytes", "version", "id", "block", "users", "retain"]) {
  const refuse = function (this: Disposed): never {
    throw this.error();
  };
  Object.defineProperty(Disposed.prototype, key, { get: refuse, set: refuse });
}

/** Was this tensor freed by hand? */
export const isDisposed = (t: { readonly storage: unknown }): boolean => t.storage instanceof Disposed;

/** Frees a tensor: it can no longer be used, and its memory goes back unless views or a graph still need it. Idempotent. */
export function dispose(t: Owner, how: Freed): void {
  if (isDisposed(t)) return;
  const { storage } = t;
  (t as { storage: unknown }).storage = new Disposed(t, how);
  storage.leave();
}
