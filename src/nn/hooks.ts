// What may be hung on a module: functions that see, and may replace, what goes through it forward and backward.
import { isTensor, type Tensor } from "../core/tensor.ts";
import { given, isOptions, need } from "../core/arguments.ts";
import { AutogradError, showShape } from "../core/errors.ts";
import { watch } from "../ops/watch.ts";
import type { Module } from "./module.ts";

/** Sees, and may replace, the arguments before `forward`. */
export type ForwardPreHook = (module: Module, args: unknown[]) => unknown[] | void;
/** Sees, and may replace, what `forward` gives. */
export type ForwardHook = (module: Module, args: unknown[], output: unknown) => unknown;
/** Gradients of several tensors; null where there is none. */
export type Gradients = readonly (Tensor | null)[];
/** Sees, and may replace, the gradients of a module's outputs before they go into it. */
export type BackwardPreHook = (module: Module, gradOutput: Gradients) => Gradients | void;
/** Sees the gradients of a module's tensor arguments and outputs, and may replace the former. */
export type BackwardHook = (module: Module, gradInput: Gradients, gradOutput: Gradients) => Gradients | void;

// Every tensor in a value (itself, in arrays, in plain objects) replaced by f.
function replace(value: unknown, f: (t: Tensor) => Tensor): unknown {
  if (isTensor(value)) return f(value);
  if (Array.isArray(value)) return value.map((v) => replace(v, f));
  if (isOptions(value)) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, replace(v, f)]));
  return value;
}
function tensorsOf(value: unknown): Tensor[] {
  const found: Tensor[] = [];
  replace(value, (t) => {
    found.push(t);
    return t;
  });
  return found;
}
// The value with its tensors that have a gradient passed through one node of the graph.
function watched(value: unknown, see: (grads: Gradients) => Gradients | void): unknown {
  const all = tensorsOf(value);
  const live = all.filter((t) => t.requiresGrad);
  if (live.length === 0) return value;
  const full = (grads: Gradients): Gradients => all.map((t) => (t.requiresGrad ? (grads[live.indexOf(t)] ?? null) : null));
  const out = watch(live, (grads) => {
    const changed = see(full(grads));
    if (changed && !(Array.isArray(changed) && changed.length === all.length && changed.every((g) => g === null || isTensor(g))))
      throw new AutogradError({
        op: "backward hook",
        message: `the hook returned ${given(changed)}, needed a gradient or null for each of ${all.map((t) => showShape(t.shape)).join(", ")}`,
        hint: "Return nothing to leave gradients as they are",
      });
    return changed && all.flatMap((t, i) => (t.requiresGrad ? [changed[i] ?? null] : []));
  });
  return replace(value, (t) => (t.requiresGrad ? out[live.indexOf(t)]! : t));
}

/** @internal The hooks of one module. */
export class Hooks {
  readonly forwardPre: ForwardPreHook[] = [];
  readonly forward: ForwardHook[] = [];
  readonly backwardPre: BackwardPreHook[] = [];
  readonly backward: BackwardHook[] = [];

  /** Calls `forward` with the hooks around it. */
  run(module: Module, forward: (...args: unknown[]) => unknown, args: unknown[]): unknown {
    let passed = args;
    for (const h of this.forwardPre) {
      const changed: unknown = h(module, passed) ?? passed;
      passed = Array.isArray(changed) ? changed : [changed];
    }
    let gradOutput: Gradients = [];
    const see = (gradInput: Gradients): Gradients => this.backward.reduce((g, h) => h(module, g, gradOutput) ?? g, gradInput);
    const inputs = this.backward.length > 0 ? (watched(passed, see) as unknown[]) : passed;
    let out = forward.apply(module, inputs);
    for (const h of this.forward) out = h(module, passed, out) ?? out;
    if (this.backward.length + this.backwardPre.length === 0) return out;
    return watched(out, (grads) => {
      gradOutput = this.backwardPre.reduce((g, h) => h(module, g) ?? g, grads);
      // Without an argument that has a gradient, nothing comes after the outputs.
      if (inputs === passed) see(tensorsOf(passed).map(() => null));
      return gradOutput;
    });
  }
}

/** @internal Adds to a list; returns a function that removes it again. */
export function hang<F>(op: string, list: F[], hook: F): () => void {
  need(op, "hook: function", hook);
  list.push(hook);
  return () => {
    const i = list.indexOf(hook);
    if (i >= 0) list.splice(i, 1);
  };
}
