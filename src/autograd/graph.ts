// How tensors hang on the graph: gradient edges, leaf sinks, views and in-place history.
import type { Device } from "../core/device.ts";
import { AutogradError, showShape } from "../core/errors.ts";
import { isDifferentiable } from "../core/dtype.ts";
import { register } from "../core/lifetime.ts";
import { isGradEnabled } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { arithmetic } from "./arithmetic.ts";
import { type Edge, Node } from "./node.ts";

/** The end of the line: adds what arrives to `leaf.grad`. */
export class AccumulateGrad extends Node {
  readonly name: string = "AccumulateGrad";
  override readonly sequence: number = Number.MAX_SAFE_INTEGER;
  readonly leaf: Tensor;
  /** Called after the gradient was added; distributed training attaches here. */
  postHooks: ((leaf: Tensor) => void)[] | null = null;

  constructor(leaf: Tensor) {
    super();
    this.leaf = leaf;
  }

  /** The engine calls `accumulate` instead, which knows whether the gradient's memory may be taken over. */
  apply(): [] {
    return [];
  }

  /** Adds `g`; a first gradient is adopted when `fresh` (nobody else holds its memory), else copied. */
  accumulate(g: Tensor, fresh: boolean): void {
    const old = this.leaf.grad;
    const a = arithmetic();
    if (old === null) this.leaf.grad = g.node !== null ? g : fresh ? g : a.clone(g);
    else if (isGradEnabled()) this.leaf.grad = a.add(old, g);
    else a.accumulate_(old, g);
  }
}

/** The gradient of a view rebuilt from its base: scatters into the base's geometry. */
class ViewOfBase extends Node {
  readonly name: string = "AsStridedBackward";
  readonly #view: Tensor;
  readonly #base: Tensor;
  constructor(view: Tensor, base: Tensor, edge: Edge | null) {
    super();
    this.#view = shell(view, view.storage.device);
    this.#base = shell(base, view.storage.device);
    this.edges = [edge];
  }
  apply(grads: (Tensor | null)[]): (Tensor | null)[] {
    const g = grads[0];
    return [g ? arithmetic().asStridedBackward(g, this.#base, this.#view) : null];
  }
}

/** History of a base one of whose views was written by `inner`: the window's gradient goes through `inner`, the rest passes. */
class CopySlices extends Node {
  readonly name: string;
  readonly inner: Node;
  readonly #view: Tensor;
  readonly #base: Tensor;
  constructor(inner: Node, view: Tensor, base: Tensor, baseEdge: Edge | null) {
    super();
    this.name = `CopySlices(${inner.name})`;
    this.inner = inner;
    this.#view = shell(view, view.storage.device);
    this.#base = shell(base, view.storage.device);
    this.edges = [baseEdge, ...inner.edges.slice(1)];
  }
  override get foreign(): boolean {
    return this.inner.foreign;
  }
  apply(grads: (Tensor | null)[]): (Tensor | null | undefined)[] {
    const g = grads[0];
    if (!g) return [];
    const a = arithmetic();
    const { whole, part } = a.window(g, this.#base, this.#view);
    const inner = this.inner.apply([a.clone(part)]);
    a.copy_(part, inner[0] ?? a.zerosLike(part));
    return [whole, ...inner.slice(1)];
  }
  override release(): void {
    this.inner.release();
  }
}

// Nodes need a tensor's geometry, not its history: keeping the tensor itself would make a cycle through the graph.
function shell(t: Tensor, device: Device): Tensor {
  const s = Object.create(Object.getPrototypeOf(t)) as Tensor;
  return Object.assign(s, { layout: t.layout, dtype: t.dtype, storage: { device }, node: null, leafRequiresGrad: false });
}

/** The node of a computed tensor. Views whose base was written since are rebuilt here, lazily. */
export function nodeOf(t: Tensor): Node | null {
  const v = t.viewOf;
  if (v !== null && v.version !== t.storage.version.value) {
    v.version = t.storage.version.value;
    const edge = edgeOf(v.base);
    if (edge && v.base.node !== null) {
      t.node = new ViewOfBase(t, v.base, edge);
      t.outputIndex = 0;
    }
  }
  return t.node as Node | null;
}

/** Where this tensor's gradient goes, or null when it needs none. */
export function edgeOf(t: Tensor): Edge | null {
  const node = t.viewOf === null ? (t.node as Node | null) : nodeOf(t);
  if (node !== null) return { node, index: t.outputIndex };
  if (!t.leafRequiresGrad) return null;
  t.sink ??= new AccumulateGrad(t);
  return { node: t.sink as AccumulateGrad, index: 0 };
}

/** Does this call have to be recorded? */
export function needsGraph(inputs: readonly unknown[]): boolean {
  if (!isGradEnabled()) return false;
  for (const t of inputs) if ((t as Tensor | null)?.requiresGrad === true) return true;
  return false;
}

/** Hangs `node` on its output. Outputs that cannot carry a gradient stay off the graph. */
export function setHistory(out: Tensor, node: Node, index = 0): void {
  if (!isDifferentiable(out.dtype)) return;
  out.node = node;
  out.outputIndex = index;
}

/** Marks `view` as a differentiable view of `of` (or of what `of` is a view of). */
export function setView(view: Tensor, of: Tensor): void {
  view.viewOf = { base: of.viewOf?.base ?? of, version: view.storage.version.value };
}

/** Refuses writes that would make gradients wrong. @throws AutogradError */
export function checkInplace(op: string, t: Tensor): void {
  if (!isGradEnabled()) return;
  const base = t.viewOf?.base;
  if (t.leafRequiresGrad) {
    throw new AutogradError({
      op,
      message: `a leaf of shape ${showShape(t.shape)} that requires grad cannot be written in place`,
      hint: "Write inside noGrad(() => …), or to a clone",
    });
  }
  if (base?.leafRequiresGrad) {
    throw new AutogradError({
      op,
      message: `a view of a leaf that requires grad cannot be written in place (view ${showShape(t.shape)} of ${showShape(base.shape)})`,
      hint: "Write inside noGrad(() => …), or to a clone",
    });
  }
}

/**
 * Records an in-place write of `t` by `node` (whose edge 0 is `t` before the write), after the memory was written.
 * On a view the base's history becomes CopySlices and other views of it turn stale.
 */
export function rebaseHistory(t: Tensor, node: Node): void {
  const v = t.viewOf;
  register?.touch?.(t);
  if (v) register?.touch?.(v.base);
  if (v === null) {
    setHistory(t, node);
    return;
  }
  v.base.node = new CopySlices(node, t, v.base, edgeOf(v.base));
  v.base.outputIndex = 0;
  t.node = new ViewOfBase(t, v.base, edgeOf(v.base));
  t.outputIndex = 0;
  v.version = t.storage.version.value;
}
