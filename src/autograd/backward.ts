// The public doors to the engine: `backward` and `grad`.
import { isDifferentiable } from "../core/dtype.ts";
import { checkOptions, checkTensor } from "../core/arguments.ts";
import { ArgumentError, AutogradError, DTypeError, ShapeError, showShape } from "../core/errors.ts";
import { sameShape } from "../core/layout.ts";
import type { Tensor } from "../core/tensor.ts";
import { arithmetic } from "./arithmetic.ts";
import { runBackward } from "./engine.ts";
import { edgeOf } from "./graph.ts";
import type { Edge } from "./node.ts";

/** Options of `backward`. */
export interface BackwardOptions {
  /** Keep saved tensors so that backward can run again (default: `createGraph`). */
  readonly retainGraph?: boolean;
  /** Record the gradients themselves, for higher derivatives. */
  readonly createGraph?: boolean;
  /** Accumulate into these leaves only. */
  readonly inputs?: readonly Tensor[];
}

/** Options of `grad`. */
export interface GradOptions extends Omit<BackwardOptions, "inputs"> {
  /** Gradients of the outputs; scalars default to 1. */
  readonly gradOutputs?: Tensor | readonly (Tensor | null)[] | null;
  /** Give null for inputs that the outputs do not depend on instead of throwing. */
  readonly allowUnused?: boolean;
}

const list = <T>(x: T | readonly T[]): readonly T[] => (Array.isArray(x) ? (x as readonly T[]) : [x as T]);

function roots(op: string, outputs: readonly Tensor[], seeds: readonly (Tensor | null | undefined)[]): { edges: Edge[]; grads: Tensor[] } {
  if (seeds.length > outputs.length)
    throw new ArgumentError({ op, message: `${outputs.length} outputs but ${seeds.length} gradients`, hint: "One gradient an output" });
  outputs.forEach((t, i) => checkTensor(op, `output ${i}`, t));
  seeds.forEach((g, i) => {
    if (g != null) checkTensor(op, `gradient ${i}`, g);
  });
  const edges: Edge[] = [];
  const grads: Tensor[] = [];
  outputs.forEach((out, i) => {
    const edge = edgeOf(out);
    const seed = seeds[i];
    if (!edge) {
      throw new AutogradError({
        op,
        message: `output ${i} of shape ${showShape(out.shape)} does not require grad`,
        hint: "Set requiresGrad on a leaf that it depends on, and compute outside noGrad",
      });
    }
    if (seed && (seed.storage.device !== out.storage.device || !isDifferentiable(seed.dtype)))
      throw new DTypeError({
        op,
        message: `the gradient is ${seed.dtype} ${showShape(seed.shape)} on ${seed.device}, its output ${out.dtype} ${showShape(out.shape)} on ${out.device}`,
        hint: "Give a floating gradient on the output's device",
      });
    if (seed && !sameShape(seed.shape, out.shape)) {
      throw new ShapeError({
        op,
        message: `the gradient has shape ${showShape(seed.shape)}, its output ${showShape(out.shape)}`,
        hint: "They must be the same",
      });
    }
    if (!seed && out.layout.numel !== 1) {
      throw new AutogradError({
        op,
        message: `an output of shape ${showShape(out.shape)} needs a gradient to start from`,
        hint: "Only scalars start from 1: reduce with sum() or mean(), or pass the gradient",
      });
    }
    edges.push(edge);
    grads.push(seed ?? arithmetic().onesLike(out));
  });
  return { edges, grads };
}

/**
 * Adds the gradients of `tensors` to the `grad` of every leaf that they depend on.
 * @throws AutogradError when an output needs no gradient, is not a scalar and has none given, or its graph was freed.
 * @example
 * const w = tensor([1.5, 2, 3], { requiresGrad: true });
 * backward(w.mul(w).sum());
 * w.grad // => [3, 4, 6]
 */
export function backward(
  tensors: Tensor | readonly Tensor[],
  gradTensors?: Tensor | readonly (Tensor | null)[] | null,
  options: BackwardOptions = {},
): void {
  checkOptions("backward", ["retainGraph?: flag", "createGraph?: flag", "inputs?: tensors"], options);
  const outs = list(tensors as Tensor);
  if (outs.length === 0) throw new ArgumentError({ op: "backward", message: "no outputs given", hint: "backward(loss)" });
  const { edges, grads } = roots("backward", outs, gradTensors == null ? [] : list(gradTensors as Tensor));
  const createGraph = options.createGraph ?? false;
  const retainGraph = options.retainGraph ?? createGraph;
  if (!options.inputs) {
    runBackward(edges, grads, { createGraph, retainGraph, inputs: null });
    return;
  }
  const inputs = options.inputs;
  const found = runBackward(edges, grads, { createGraph, retainGraph, inputs: inputs.map(edgeOf) });
  inputs.forEach((t, i) => {
    const g = found[i];
    if (g) t.grad = t.grad ? arithmetic().add(t.grad, g) : g;
  });
}

/**
 * The gradients of `outputs` with respect to `inputs`, accumulated nowhere.
 * @throws AutogradError when an input does not require grad, or is not used and `allowUnused` is not set.
 * @example
 * const x = tensor(1.5, { requiresGrad: true });
 * const [g] = grad(x.pow(3), x, { createGraph: true });
 * grad(g, x)[0] // => 9
 */
export function grad(outputs: Tensor | readonly Tensor[], inputs: Tensor | readonly Tensor[], options: GradOptions = {}): Tensor[] {
  checkOptions("grad", ["retainGraph?: flag", "createGraph?: flag", "gradOutputs?: any", "allowUnused?: flag"], options);
  const outs = list(outputs as Tensor);
  const ins = list(inputs as Tensor);
  outs.forEach((t, i) => checkTensor("grad", `output ${i}`, t));
  if (outs.length === 0) throw new ArgumentError({ op: "grad", message: "no outputs given", hint: "grad(loss, [x])" });
  if (ins.length === 0) throw new ArgumentError({ op: "grad", message: "no inputs given", hint: "grad(loss, [x])" });
  ins.forEach((t, i) => checkTensor("grad", `input ${i}`, t));
  const seeds = options.gradOutputs == null ? [] : list(options.gradOutputs as Tensor);
  const keep = outs.map((o) => !options.allowUnused || edgeOf(o) !== null);
  const { edges, grads } = roots(
    "grad",
    outs.filter((_, i) => keep[i]),
    seeds.filter((_, i) => keep[i]),
  );
  const createGraph = options.createGraph ?? false;
  const targets = ins.map((t, i) => {
    if (!isDifferentiable(t.dtype) || !t.requiresGrad) {
      throw new AutogradError({
        op: "grad",
        message: `input ${i} (${t.dtype}, shape ${showShape(t.shape)}) does not require grad`,
        hint: "Set requiresGrad before computing the outputs",
      });
    }
    return edgeOf(t);
  });
  const found = runBackward(edges, grads, { createGraph, retainGraph: options.retainGraph ?? createGraph, inputs: targets });
  found.forEach((g, i) => {
    if (!g && !options.allowUnused) {
      throw new AutogradError({
        op: "grad",
        message: `input ${i} of shape ${showShape(ins[i]!.shape)} was not used in the graph`,
        hint: "Pass { allowUnused: true } to get null for it",
      });
    }
  });
  return found as Tensor[];
}
