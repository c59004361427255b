// Functions with a gradient of their own: users' and the library's primitives come in through this one door.
import { isDifferentiable } from "../core/dtype.ts";
import { AutogradError } from "../core/errors.ts";
import { isGradEnabled, noGrad } from "../core/mode.ts";
import { isTensor, Tensor } from "../core/tensor.ts";
import { edgeOf, setHistory } from "./graph.ts";
import { type Edge, Node, SavedTensor } from "./node.ts";

/**
 * What `forward` leaves for `backward`.
 * @example
 * class Square extends Function {
 *   static forward(ctx, x) { ctx.saveForBackward(x); return x.mul(x); }
 *   static backward(ctx, g) { const [x] = ctx.savedTensors; return g.mul(x).mul(2); }
 * }
 * const x = tensor(1.5, { requiresGrad: true });
 * Square.apply(x).backward();
 * x.grad // => 3
 */
export class Context<A extends unknown[] = unknown[]> {
  /** The arguments of the call; tensors are replaced by null (save those that backward needs). */
  args: A = [] as unknown as A;
  /** Per tensor argument in order of appearance (arrays flattened): is its gradient wanted? */
  needsInputGrad: readonly boolean[] = [];
  /** Anything that is not a tensor. */
  state: Record<string, unknown> = {};
  /** @internal */
  toSave: (Tensor | null)[] | null = null;
  /** @internal */
  nonDifferentiable: Set<Tensor> | null = null;
  /** @internal */
  node: FunctionNode | null = null;

  /** Keeps tensors for `backward`; read them there from `savedTensors`. Call at most once. */
  saveForBackward(...tensors: (Tensor | null | undefined)[]): void {
    this.toSave = tensors.map((t) => t ?? null);
  }
  /** The tensors saved by `forward`. @throws AutogradError when they were freed, or written in place since. */
  get savedTensors(): Tensor[] {
    return this.node!.unpack() as Tensor[];
  }
  /** Outputs that carry no gradient (indices, masks). */
  markNonDifferentiable(...tensors: Tensor[]): void {
    this.nonDifferentiable = new Set(tensors);
  }
}

/** A pair of forward and backward. `backward` gives one gradient per tensor argument (null: zero). */
export interface FunctionDef<A extends unknown[], R extends Tensor | Tensor[]> {
  readonly name?: string;
  /** Is it the user's code, which may keep any tensor that it sees? */
  readonly foreign?: boolean;
  forward(ctx: Context<A>, ...args: A): R;
  backward(ctx: Context<A>, ...grads: (Tensor | null)[]): Tensor | null | undefined | (Tensor | null | undefined)[];
}

class FunctionNode extends Node {
  readonly name: string;
  readonly #foreign: boolean;
  readonly #ctx: Context<never>;
  readonly #backward: (ctx: Context<never>, ...grads: (Tensor | null)[]) => Tensor | null | undefined | (Tensor | null | undefined)[];
  readonly #outputs: number;
  #saved: (SavedTensor | null)[] | null;

  constructor(
    name: string,
    ctx: Context<never>,
    backward: FunctionNode["applyBackward"],
    edges: (Edge | null)[],
    outputs: readonly Tensor[],
    foreign: boolean,
  ) {
    super();
    this.name = name;
    this.#foreign = foreign;
    this.edges = edges;
    this.#ctx = ctx;
    this.#backward = backward;
    this.#outputs = outputs.length;
    this.#saved = (ctx.toSave ?? []).map((t) => (t ? new SavedTensor(t, outputs.includes(t)) : null));
    ctx.toSave = null;
    ctx.node = this as never;
  }
  override get foreign(): boolean {
    return this.#foreign;
  }
  get applyBackward(): (ctx: Context<never>, ...grads: (Tensor | null)[]) => Tensor | null | undefined | (Tensor | null | undefined)[] {
    return this.#backward;
  }
  unpack(): (Tensor | null)[] {
    if (this.#saved === null) {
      throw new AutogradError({
        op: "backward",
        message: `the graph of ${this.name} was freed by an earlier backward`,
        hint: "Pass { retainGraph: true } to the first backward",
      });
    }
    return this.#saved.map((s) => s?.unpack(this) ?? null);
  }
  apply(grads: (Tensor | null)[]): (Tensor | null | undefined)[] {
    const full = grads.length < this.#outputs ? [...grads, ...new Array<null>(this.#outputs - grads.length).fill(null)] : grads;
    const out = this.#backward(this.#ctx, ...full);
    const list = Array.isArray(out) ? [...out] : [out];
    while (list.length > this.edges.length && !list.at(-1)) list.pop();
    if (list.length > this.edges.length) {
      throw new AutogradError({
        op: this.name,
        message: `backward gave ${list.length} gradients for ${this.edges.length} tensor arguments`,
        hint: "Return one per tensor argument, null where there is none",
      });
    }
    return list;
  }
  override release(): void {
    if (!this.#saved?.length) return; // one whose making was broken off has none at all
    for (const s of this.#saved) s?.release();
    this.#saved = null;
  }
}

/** Calls `def.forward` unrecorded and hangs `def.backward` on its outputs. */
export function applyFunction<A extends unknown[], R extends Tensor | Tensor[]>(def: FunctionDef<A, R>, args: A): R {
  const inputs: Tensor[] = [];
  for (const a of args) {
    if (isTensor(a)) inputs.push(a);
    else if (Array.isArray(a)) for (const t of a) if (isTensor(t)) inputs.push(t);
  }
  const recording = isGradEnabled() && inputs.some((t) => t.requiresGrad);
  const ctx = new Context<A>();
  ctx.needsInputGrad = inputs.map((t) => recording && t.requiresGrad && isDifferentiable(t.dtype));
  let out = recording ? noGrad(() => def.forward(ctx, ...args)) : def.forward(ctx, ...args);
  if (!recording) return out;
  ctx.args = args.map((a) => (isTensor(a) || (Array.isArray(a) && a.some(isTensor)) ? null : a)) as A;
  const edges = inputs.map((t, i) => (ctx.needsInputGrad[i] ? edgeOf(t) : null));
  // An input handed back as it is must not lose its own history: the output is a new tensor over the same memory.
  const fresh = (t: Tensor): Tensor => (inputs.includes(t) ? new Tensor(t.storage, t.layout, t.dtype) : t);
  out = (Array.isArray(out) ? out.map(fresh) : fresh(out)) as R;
  const outputs = (Array.isArray(out) ? out : [out]) as Tensor[];
  const node = new FunctionNode(def.name ?? "Function", ctx as never, def.backward as never, edges, outputs, def.foreign ?? false);
  outputs.forEach((t, i) => {
    if (!ctx.nonDifferentiable?.has(t)) setHistory(t, node, i);
  });
  return out;
}

/**
 * Base class of functions with a hand-written gradient: give static `forward` and `backward`, call with `apply`.
 * @example
 * class Cube extends Function {
 *   static forward(ctx, x) { ctx.saveForBackward(x); return x.pow(3); }
 *   static backward(ctx, g) { const [x] = ctx.savedTensors; return g.mul(x.square()).mul(3); }
 * }
 * const x = tensor(0.5, { requiresGrad: true });
 * Cube.apply(x).backward();
 * x.grad // => 0.75
 */
export abstract class Function {
  /** Runs the function and records it. */
  static apply<A extends unknown[], R extends Tensor | Tensor[]>(
    this: {
      forward(ctx: Context<A>, ...args: A): R;
      backward(ctx: Context<A>, ...grads: (Tensor | null)[]): Tensor | null | undefined | (Tensor | null | undefined)[];
      name: string;
    },
    ...args: A
  ): R {
    return applyFunction<A, R>(
      { name: this.name, foreign: true, forward: (c, ...a) => this.forward(c, ...a), backward: (c, ...g) => this.backward(c, ...g) },
      args,
    );
  }
}
