// The Tensor: a typed window on a storage plus its place in the autograd graph. Its methods come from `ops/`.
import type { DType } from "./dtype.ts";
import { dispose, isDisposed } from "./disposed.ts";
import { ArgumentError } from "./errors.ts";
import type { Layout } from "./layout.ts";
import { register } from "./lifetime.ts";
import { holdsMemory } from "./snapshot.ts";
import type { Storage } from "./storage.ts";

const BRAND = Symbol.for("firebrand.tensor");

/** What the core knows of a graph node; the rest is `autograd/node.ts`. */
export interface GraphNode {
  readonly name: string;
  readonly nextFunctions: readonly ({ readonly node: GraphNode } | null)[];
  /** A node that this one runs as a part of itself. */
  readonly inner?: GraphNode;
  /** Forgets saved tensors. */
  release(): void;
}

/** A view's relation to the tensor whose memory it shows. */
export interface ViewOf {
  readonly base: Tensor;
  /** Storage version at which the view's node was made: an older one is stale and rebuilt from the base's. */
  version: number;
}

/**
 * A multi-dimensional array of one dtype on one device. Create with `tensor`, `zeros`, `randn`, …; never freed by hand.
 * Methods are PyTorch's in camelCase; those that end in `_` write in place.
 * @example tensor([[1, 2], [3, 4]]).sum(0).toArraySync() // => [4, 6]
 */
export class Tensor {
  /** The memory, shared by all views. */
  readonly storage: Storage;
  /** Shape, strides and offset on the storage. */
  readonly layout: Layout;
  /** Element type. */
  readonly dtype: DType;
  /** The accumulated gradient of a leaf (or of any tensor after `retainGrad`), null before the first backward. */
  grad: Tensor | null = null;
  /** @internal The node that computes this tensor's gradient; null for leaves. Read through `nodeOf`, which refreshes stale views. */
  node: GraphNode | null = null;
  /** @internal Which output of `node` this is. */
  outputIndex = 0;
  /** @internal The leaf's gradient sink, made when first needed. */
  sink: GraphNode | null = null;
  /** @internal Leaf flag; `requiresGrad` also covers computed tensors. */
  leafRequiresGrad = false;
  /** @internal Set on differentiable views. */
  viewOf: ViewOf | null = null;
  /** @internal A number in tensor form: it takes part in promotion as a Python scalar does. */
  isScalar = false;
  /** A name for messages (parameters get their `stateDict` key). */
  label: string | undefined = undefined;

  /** @internal Tensors are made by functions. */
  constructor(storage: Storage, layout: Layout, dtype: DType) {
    if (layout?.shape === undefined || storage?.device === undefined)
      throw new ArgumentError({
        op: "Tensor",
        message: "neither storage nor layout",
        hint: "Make tensors with tensor(…), zeros(…), randn(…)",
      });
    this.storage = storage;
    this.layout = layout;
    this.dtype = dtype;
    storage.users++;
    if (register !== null) register.push(this);
  }

  static [Symbol.hasInstance](x: unknown): boolean {
    return isTensor(x);
  }

  /** Sizes, outermost first. @example zeros(2, 3).shape // => [2, 3] */
  get shape(): readonly number[] {
    return this.layout.shape;
  }
  /** Number of dimensions. @example zeros(2, 3).ndim // => 2 */
  get ndim(): number {
    return this.layout.shape.length;
  }
  /** Name of the device that holds the memory. @example zeros(2).device // => "cpu" */
  get device(): string {
    return this.storage.device.name;
  }
  /** Does backward compute a gradient for it? */
  get requiresGrad(): boolean {
    return this.leafRequiresGrad || this.node !== null;
  }
  /**
   * Frees the tensor now instead of when it is collected: what `using t = …` does at the end of its block. Views of the same
   * memory and graphs that need it are not harmed, and keep it. Never necessary.
   * @example
   * const t = ones(2, 3);
   * t[Symbol.dispose]();
   * String(t) // => "tensor(freed, size=(2, 3))"
   */
  [Symbol.dispose](): void {
    dispose(this, "dispose");
  }
  /** Is it not the result of a recorded operation? */
  get isLeaf(): boolean {
    return this.node === null;
  }
}

/** Is `x` a tensor (of any copy of this package)? @example isTensor(ones(2)) // => true */
export const isTensor = (x: unknown): x is Tensor => typeof x === "object" && x !== null && (x as Record<symbol, unknown>)[BRAND] === true;
Object.defineProperty(Tensor.prototype, BRAND, { value: true });
holdsMemory(Tensor, (t) =>
  // The shells that graph nodes keep have a shape and no memory.
  !Object.hasOwn(t, "storage") || isDisposed(t) || t.storage.nbytes === undefined
    ? null
    : {
        device: t.storage.device,
        block: t.storage.block,
        nbytes: t.storage.nbytes,
        dtype: t.dtype,
        shape: t.shape,
        version: t.storage.version,
        view: t.viewOf !== null,
        mapped: t.storage.mapped,
      },
);
