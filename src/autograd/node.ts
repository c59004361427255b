// Graph nodes and edges. An edge points at a node, never at a tensor, so that in-place ops can swap a tensor's node.
import { AutogradError, showShape } from "../core/errors.ts";
import type { DType } from "../core/dtype.ts";
import { type Layout, sameShape } from "../core/layout.ts";
import { register } from "../core/lifetime.ts";
import { isAnomalyEnabled } from "../core/mode.ts";
import { isDisposed } from "../core/disposed.ts";
import { holdsMemory, type Live } from "../core/snapshot.ts";
import type { Retained } from "../core/storage.ts";
import { type GraphNode, Tensor } from "../core/tensor.ts";

/** Where a gradient goes: input number `index` of `node` (that is, the gradient of its output `index`). */
export interface Edge {
  readonly node: Node;
  readonly index: number;
}

/** Sees, and may replace, the gradient that arrives at one output of a node. */
export type GradHook = (grad: Tensor) => Tensor | void;

let sequence = 0;

/**
 * One recorded operation: takes the gradients of its outputs, gives those of its inputs.
 * @example ones(2, { requiresGrad: true }).mul(2).gradFn.name // => "mulBackward"
 */
export abstract class Node implements GraphNode {
  abstract readonly name: string;
  /** Creation order; backward runs the newest ready node first. */
  readonly sequence: number = ++sequence;
  /** One per differentiable input; null where no gradient is wanted. */
  edges: readonly (Edge | null)[] = [];
  /** Hooks by output index, run in order of registration before `apply`. */
  hooks: { index: number; fn: GradHook }[] | null = null;
  /** Tensors whose `grad` is to be kept, by output index. */
  retained: { index: number; tensor: Tensor }[] | null = null;
  /** Where the operation was called, in anomaly mode. */
  readonly stack: string | undefined = isAnomalyEnabled() ? new Error().stack : undefined;

  constructor() {
    register?.record?.(this);
  }

  /** The gradients of the inputs, one per edge; null means zero. */
  abstract apply(grads: (Tensor | null)[]): (Tensor | null | undefined)[];
  /** Does it run code of the user's, who may keep any tensor that passes? */
  get foreign(): boolean {
    return false;
  }
  /** Forgets saved tensors. A later `apply` throws. */
  release(): void {}
  /** The next nodes, PyTorch's `next_functions`. */
  get nextFunctions(): readonly (Edge | null)[] {
    return this.edges;
  }
}

/** Sees every tensor that a node saves while it is set. Where it gives a function, no memory is kept: unpacking calls that first, which must `refill`. */
export type Keeper = (saved: SavedTensor, t: Tensor) => (() => void) | null;
let keeper: Keeper | null = null;
/** @internal Sets the keeper and returns the old one. */
export function swapKeeper(next: Keeper | null): Keeper | null {
  const old = keeper;
  keeper = next;
  return old;
}

/** A tensor as a node keeps it: the memory, not the object, and the version at which it was saved. */
export class SavedTensor {
  private memory: Retained | null;
  private remake: (() => void) | null;
  private layout: Layout;
  private readonly dtype: DType;
  private version: number;
  private readonly isScalar: boolean;
  // The tensor's own place in the graph, for createGraph. An output's node is its saver: given back at unpack, no cycle.
  private readonly node: GraphNode | null;
  private readonly index: number;
  private readonly leaf: Tensor | null;
  private readonly isOutput: boolean;

  constructor(t: Tensor, isOutput = false) {
    this.remake = keeper === null ? null : keeper(this, t);
    this.memory = this.remake === null ? t.storage.retain() : null;
    this.layout = t.layout;
    this.dtype = t.dtype;
    this.version = t.storage.version.value;
    this.isScalar = t.isScalar;
    this.isOutput = isOutput;
    this.node = isOutput ? null : t.node;
    this.index = t.outputIndex;
    this.leaf = t.leafRequiresGrad ? t : null;
  }

  /** @throws AutogradError after release, or when the memory was written since. */
  unpack(owner: Node): Tensor {
    if (this.memory === null) this.remake?.();
    if (this.memory === null) {
      throw new AutogradError({
        op: "backward",
        message: `the graph of ${owner.name} was freed by an earlier backward`,
        hint: "Pass { retainGraph: true } to the first backward",
      });
    }
    const storage = this.memory.restore();
    if (storage.version.value !== this.version) {
      throw new AutogradError({
        op: "backward",
        message:
          `${owner.name} needs a ${this.dtype} tensor of shape ${showShape(this.layout.shape)} at version ${this.version}, but an in-place operation moved it to version ${storage.version.value}` +
          (owner.stack ? `\n${owner.name} was called here:\n${owner.stack}\n` : ""),
        hint: owner.stack
          ? "Write out of place, or clone first"
          : "Write out of place, or clone first; detectAnomaly(() => …) shows where the operation was called",
        data: { shape: this.layout.shape, saved: this.version, found: storage.version.value },
      });
    }
    if (this.leaf && !isDisposed(this.leaf)) return this.leaf;
    const t = new Tensor(storage, this.layout, this.dtype);
    if (this.leaf) [t.leafRequiresGrad, t.sink] = [true, this.leaf.sink];
    t.node = this.isOutput ? owner : this.node;
    t.outputIndex = this.index;
    t.isScalar = this.isScalar;
    return t;
  }

  release(): void {
    this.memory?.release();
    this.memory = this.remake = null;
  }

  /** @internal Gives it the memory of a tensor that was computed again; false where that is another one. */
  refill(t: Tensor): boolean {
    if (!sameShape(t.layout.shape, this.layout.shape) || t.dtype !== this.dtype) return false;
    if (this.remake === null || this.memory !== null) return true;
    this.memory = t.storage.retain();
    this.layout = t.layout;
    this.version = t.storage.version.value;
    return true;
  }

  /** @internal */
  static live(s: SavedTensor): Live | null {
    return s.memory && { ...s.memory, block: s.memory.block, dtype: s.dtype, shape: s.layout.shape, note: "kept for backward" };
  }
}
holdsMemory(SavedTensor, SavedTensor.live);
