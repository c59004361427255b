// Who frees tensors before the collector does: while a register is set, every new tensor joins it. Backward passes register
// what they make for themselves, `scope` what its function makes.
import { ArgumentError, showShape } from "./errors.ts";
import { dispose, isDisposed } from "./disposed.ts";
import type { GraphNode, Tensor } from "./tensor.ts";

/** Receives every new tensor while it is set. */
export interface Register {
  push(tensor: Tensor): unknown;
  /** Takes in a gradient or an optimizer's state, which lives as long as the tensor that it belongs to. */
  adopt?(tensor: Tensor, owner: Tensor): void;
  /** Learns of a new graph node. */
  record?(node: GraphNode): void;
  /** Learns that a tensor has a new place in the graph. */
  touch?(tensor: Tensor): void;
}

/** @internal Where new tensors go at present; read in the Tensor's constructor. */
export let register: Register | null = null;
/** @internal Sets the register and returns the old one. */
export function swapRegister(next: Register | null): Register | null {
  const old = register;
  register = next ?? (open > 0 ? router : null);
  return old;
}

class Scope {
  readonly members = new Set<Tensor>();
  readonly nodes: GraphNode[] = [];
  /** Tensors that outlive the scope and may hang on its nodes. */
  readonly roots: Tensor[] = [];
  readonly parent: Scope | undefined;
  #open = true;
  constructor(parent: Scope | undefined) {
    this.parent = parent;
  }
  /** What outlives its scope belongs to the nearest one around that is still open. */
  get nearest(): Scope | undefined {
    return this.#open ? this : this.parent?.nearest;
  }
  /** Lets go of a tensor of its own. */
  yield(t: Tensor): void {
    this.members.delete(t);
    this.roots.push(t);
  }
  close(result: unknown): void {
    this.#open = false;
    const outer = this.parent?.nearest;
    for (const t of tensorsIn(result, this.members)) {
      this.yield(t);
      outer?.members.add(t);
    }
    const needed = nodesBelow(this.roots);
    for (const node of this.nodes) {
      if (!needed.has(node)) node.release();
      else outer?.nodes.push(node);
    }
    for (const t of this.members) dispose(t, "scope");
    for (const held of [this.nodes, this.roots]) held.length = 0;
    this.members.clear();
  }
}

function nodesBelow(tensors: readonly Tensor[]): ReadonlySet<GraphNode> {
  const found = new Set<GraphNode>();
  const stack = tensors.filter((t) => !isDisposed(t)).flatMap((t) => [t.node, t.viewOf?.base.node ?? null]);
  while (stack.length > 0) {
    const node = stack.pop();
    if (!node || found.has(node)) continue;
    found.add(node);
    if (node.inner) stack.push(node.inner);
    for (const edge of node.nextFunctions) stack.push(edge?.node ?? null);
  }
  return found;
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
const present = (): Scope | undefined => following!.getStore()?.nearest;
const router: Register = {
  push: (t) => present()?.members.add(t),
  adopt: (t, owner) => {
    let s = present();
    for (; s && !s.members.has(owner); s = s.parent) s.yield(t);
    s?.members.add(t);
  },
  record: (node) => present()?.nodes.push(node),
  touch: (t) => {
    for (let s = present(); s && !s.members.has(t); s = s.parent) s.roots.push(t);
  },
};
const isPromise = (x: unknown): x is Promise<unknown> => typeof (x as { then?: unknown } | null | undefined)?.then === "function";

// The members of `all` that can be reached from a value: in lists, maps, objects, modules; gradients with their leaves.
function* tensorsIn(value: unknown, all: ReadonlySet<Tensor>): Generator<Tensor> {
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
const isTensor = (x: object): x is Tensor => (x as Record<symbol, unknown>)[Symbol.for("firebrand.tensor")] === true;

/**
 * Runs `fn` and frees at once what it made, without waiting for the collector; nobody needs it. What lives on: tensors in
 * what `fn` returns (in lists, objects, modules), what was given to `keep`, gradients and optimizer state of parameters from
 * outside, and memory that graphs of surviving tensors need. Scopes nest. An asynchronous `fn` is freed when its promise settles.
 * Inside, memory is not reused before the end: put a step into a scope, not a whole training run.
 * @example scope(() => ones(2).mul(3).sum()) // => 6
 */
export function scope<R>(fn: () => R): R {
  if (typeof fn !== "function") {
    const { shape } = (fn ?? {}) as { shape?: readonly number[] };
    const kind =
      fn === undefined
        ? "nothing"
        : fn === null
          ? "null"
          : Array.isArray(shape)
            ? `a tensor of shape ${showShape(shape)}`
            : `a ${typeof fn}`;
    throw new ArgumentError({ op: "scope", message: `fn must be a function, ${kind} is given`, hint: "Write scope(() => …)" });
  }
  const following = follow();
  const s = new Scope(following.getStore());
  open++;
  const outer = swapRegister(router);
  const close = (result: unknown): void => {
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
      close(undefined);
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
  for (let s = following?.getStore(); s; s = s.parent) for (const t of tensorsIn(value, s.members)) s.yield(t);
  return value;
}
