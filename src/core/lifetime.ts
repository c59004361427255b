// Who frees tensors before the collector does: while a register is set, every new tensor joins it. Backward passes register
// what they make for themselves, `scope` what its function makes.
import { dispose } from "./disposed.ts";

/** Receives every new tensor while it is set. */
export interface Register {
  push(tensor: object): unknown;
  /** Takes in a gradient or an optimizer's state, which lives as long as the tensor that it belongs to. */
  adopt?(tensor: object, owner: object): void;
}

/** @internal Where new tensors go at present; read in the Tensor's constructor. */
export let register: Register | null = null;
/** @internal Sets the register and returns the old one. */
export function swapRegister(next: Register | null): Register | null {
  const old = register;
  register = next ?? (open > 0 ? router : null);
  return old;
}

type Owned = Parameters<typeof dispose>[0];

class Scope {
  readonly members = new Set<object>();
  readonly parent: Scope | undefined;
  #open = true;
  constructor(parent: Scope | undefined) {
    this.parent = parent;
  }
  /** What outlives its scope belongs to the nearest one around that is still open. */
  push(t: object): void {
    if (this.#open) this.members.add(t);
    else this.parent?.push(t);
  }
  close(result: unknown): void {
    this.#open = false;
    for (const t of tensorsIn(result, this.members)) {
      this.members.delete(t);
      this.parent?.push(t);
    }
    for (const t of this.members) dispose(t as Owned, "scope");
    this.members.clear();
  }
}

// Which scope is the present one. Node follows it across await; where the engine cannot, it is the one opened last.
interface Following {
  run<R>(scope: Scope | undefined, fn: () => R): R;
  getStore(): Scope | undefined;
  disable(): void;
}
class Latest implements Following {
  #scope: Scope | undefined;
  run<R>(scope: Scope | undefined, fn: () => R): R {
    const old = this.#scope;
    this.#scope = scope;
    const back = (): void => {
      this.#scope = old;
    };
    let out: R | undefined;
    try {
      out = fn();
      return isPromise(out) ? (out.finally(back) as R) : out;
    } finally {
      if (!isPromise(out)) back();
    }
  }
  getStore(): Scope | undefined {
    return this.#scope;
  }
  disable(): void {}
}
let following: Following | null = null;
function follow(): Following {
  if (following) return following;
  type Hooks = { AsyncLocalStorage: new () => Following };
  const node = (globalThis as { process?: { getBuiltinModule?: (name: string) => Hooks | undefined } }).process;
  const hooks = node?.getBuiltinModule?.("node:async_hooks");
  return (following = hooks ? new hooks.AsyncLocalStorage() : new Latest());
}
let open = 0;
const router: Register = {
  push: (t) => following!.getStore()?.push(t),
  adopt: (t, owner) => {
    let s = following!.getStore();
    for (; s && !s.members.has(owner); s = s.parent) s.members.delete(t);
    s?.members.add(t);
  },
};
const isPromise = (x: unknown): x is Promise<unknown> => typeof (x as { then?: unknown } | null | undefined)?.then === "function";

// The members of `all` that can be reached from a value: in lists, maps, objects, modules; gradients with their leaves.
function* tensorsIn(value: unknown, all: ReadonlySet<object>): Generator<object> {
  const seen = new Set<unknown>();
  const stack = [value];
  while (stack.length > 0) {
    const x = stack.pop();
    if (typeof x !== "object" || x === null || seen.has(x) || ArrayBuffer.isView(x)) continue;
    seen.add(x);
    if (isTensor(x)) {
      if (all.has(x)) yield x;
      stack.push(x.grad);
    } else if (x instanceof Map) for (const [k, v] of x) stack.push(k, v);
    else for (const v of Array.isArray(x) || x instanceof Set ? x : Object.values(x)) if (typeof v === "object") stack.push(v);
  }
}
const isTensor = (x: object): x is { grad: unknown } => (x as Record<symbol, unknown>)[Symbol.for("firebrand.tensor")] === true;

/**
 * Runs `fn` and frees at once what it made, without waiting for the collector; nobody needs it. What lives on: tensors in
 * what `fn` returns (in lists, objects, modules), what was given to `keep`, gradients and optimizer state of parameters from
 * outside, and memory that graphs of surviving tensors need. Scopes nest. An asynchronous `fn` is freed when its promise settles.
 * Inside, memory is not reused before the end: put a step into a scope, not a whole training run.
 * @example scope(() => ones(2).mul(3).sum()) // => 6
 */
export function scope<R>(fn: () => R): R {
  const following = follow();
  const s = new Scope(following.getStore());
  open++;
  const outer = swapRegister(router);
  let ended = false;
  const close = (result: unknown): void => {
    ended = true;
    s.close(result);
    if (--open === 0) following.disable();
    if (open === 0 && register === router) register = null;
  };
  let out: R;
  try {
    out = following.run(s, fn);
  } catch (e) {
    close(undefined);
    throw e;
  } finally {
    swapRegister(outer);
  }
  if (!isPromise(out)) {
    close(out);
    return out;
  }
  return out.then(
    (result) => {
      close(result);
      return result;
    },
    (e: unknown) => {
      if (!ended) close(undefined);
      throw e;
    },
  ) as R;
}

/**
 * Lets tensors (also in lists, objects, modules) outlive every `scope` that is open; returns what it was given.
 * @example
 * const kept = [];
 * scope(() => { kept.push(keep(ones(2))); });
 * kept[0] // => [1, 1]
 */
export function keep<T>(value: T): T {
  for (let s = following?.getStore(); s; s = s.parent) for (const t of tensorsIn(value, s.members)) s.members.delete(t);
  return value;
}
