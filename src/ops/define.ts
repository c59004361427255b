// What an op is: an entry made by one of four constructors. `pointwise` is in formula.ts; here are `composite` (ordinary
// Tensor code), `primitive` (kernels with a gradient written in ops) and `view` (a new layout), and what they share:
// argument binding (PyTorch's positional order, or a trailing options object) and the registry that docs and tests read.
import { applyFunction, type Context } from "../autograd/function.ts";
import { edgeOf, needsGraph, setHistory, setView } from "../autograd/graph.ts";
import { Node } from "../autograd/node.ts";
import { isDifferentiable } from "../core/dtype.ts";
import type { Layout } from "../core/layout.ts";
import { Tensor } from "../core/tensor.ts";
import type { Scalar } from "../core/number.ts";
import { bindArgs, checkTensor, gatherNumbers, lazySignature, namesOf, seenFrom } from "../core/arguments.ts";

/** What the library knows of an op besides how to call it. */
export interface OpInfo {
  /** PyTorch's name: `add`, `nn.functional.softplus`, `linalg.qr`. */
  readonly torch: string;
  readonly kind: "pointwise" | "view" | "composite" | "primitive";
  /** Parameters in PyTorch's order, the tensors included, as options spell them. */
  readonly params: readonly string[];
  /** Is there an in-place twin, and how is it called? Filled by pointwise. */
  readonly inplace?: (self: Tensor, ...args: unknown[]) => Tensor;
  /** The formulas of a pointwise op, for those that fuse or export it. */
  readonly formula?: { readonly grad?: (g: never, x: never, y: never, o: never) => unknown[] };
  /** Does backward reach its inputs? */
  readonly differentiable: boolean;
  /** The same with the kinds of values they take, as `signature` of arguments.ts reads them. */
  readonly declared: readonly string[];
  /** Argument lists for the generated tests, made from a seeded source (see testing/samples.ts). */
  readonly samples?: Samples;
  /** Calls that must throw, with the class of the error. */
  readonly errors?: ErrorSamples;
}

/** Makes sample inputs; the same sequence every time. */
export interface SampleSource {
  /** Normally distributed values. */
  normal(...shape: number[]): Tensor;
  /** Values in (0.1, 1]. */
  positive(...shape: number[]): Tensor;
  /** Exactly these values, one dimension. */
  of(...values: number[]): Tensor;
  /** Integers in [low, high). */
  ints(low: number, high: number, ...shape: number[]): Tensor;
}
/** Argument lists for the generated tests. */
export type Samples = (r: SampleSource) => unknown[][];
/** Calls that must throw, with the name of the error's class. */
export type ErrorSamples = [args: (r: SampleSource) => unknown[], error: string][];

/** An op whose first argument is a tensor: a function and a method. */
export interface Op<A extends unknown[], R = Tensor> {
  (input: Tensor, ...args: A): R;
  readonly op: OpInfo;
  /** Tells methods from plain functions in types. */
  readonly method: true;
}
/** A pointwise op: also has an in-place method `name_`. */
export interface PointwiseOp<A extends unknown[]> extends Op<A> {
  readonly twin: true;
}
/** A pointwise op whose first operand may be a number where another is a tensor. */
export interface MixedOp<A extends unknown[]> extends PointwiseOp<A> {
  (input: Scalar, ...args: A): Tensor;
}
/** An op that is a function only. */
export interface Fn<A extends unknown[], R = Tensor> {
  (...args: A): R;
  readonly op: OpInfo;
}

/** All entries, in order of definition. */
export const registry: ((...args: never[]) => unknown)[] = [];

/** The JavaScript name of an op: PyTorch's last segment in camelCase (`cross_entropy` → `crossEntropy`). */
export const jsName = (torch: string): string =>
  torch.slice(torch.lastIndexOf(".") + 1).replace(/_+([A-Za-z0-9])/g, (m, c: string, at: number) => (at === 0 ? m : c.toUpperCase()));

interface Common {
  /** PyTorch's name. */
  readonly torch: string;
  /** Parameters in PyTorch's order, the tensor arguments included, declared as `signature` of arguments.ts reads them. */
  readonly params: readonly string[];
  /** Parameter that takes an array or plain numbers, by position. */
  readonly variadic?: number;
  /** Brings other ways to call into the order of the parameters. */
  readonly arrange?: (args: readonly unknown[]) => readonly unknown[];
  readonly samples?: Samples;
  readonly errors?: ErrorSamples;
}

function finish<O>(kind: OpInfo["kind"], def: Common, differentiable: boolean, run: (args: unknown[]) => unknown): O {
  const name = jsName(def.torch);
  const { params, variadic } = def;
  // Names with an underscore are the library's own: called in full, and with plain objects that are no options.
  const internal = def.torch.startsWith("_");
  const declared = lazySignature(params);
  const arrange = variadic === undefined ? (def.arrange ?? ((args) => args)) : (args: readonly unknown[]) => gatherNumbers(args, variadic);
  const checkedCall = (...args: unknown[]): unknown => {
    try {
      return run(bindArgs(name, declared(), arrange(args)));
    } catch (e) {
      throw seenFrom(e, name, args, declared().usage);
    }
  };
  const call = internal ? (...args: unknown[]): unknown => run(args) : checkedCall;
  const info: OpInfo = {
    torch: def.torch,
    kind,
    params: namesOf(params),
    declared: params,
    differentiable,
    ...(def.samples && { samples: def.samples }),
    ...(def.errors && { errors: def.errors }),
  };
  const op = Object.assign(call, { op: info, method: params[0] === "input" });
  Object.defineProperty(op, "name", { value: name });
  registry.push(op);
  return op as unknown as O;
}

/** Ordinary Tensor code; its gradient is that of the ops it calls. */
export function composite<O, A extends unknown[] = never[]>(
  def: Common & { readonly forward: (...args: A) => unknown; readonly differentiable?: boolean },
): O {
  return finish("composite", def, def.differentiable ?? true, (args) => def.forward(...(args as A)));
}

/** Makes a tensor from numbers, or from the shape of another: no gradient. */
export function creation<O, A extends unknown[] = never[]>(def: Common & { readonly forward: (...args: A) => Tensor }): O {
  return finish("primitive", def, false, (args) => def.forward(...(args as A)));
}

/** Kernels, with the gradient written in ops. */
export function primitive<O, A extends unknown[] = never[]>(
  def: Common & {
    readonly forward: (ctx: Context<A>, ...args: A) => Tensor | Tensor[];
    readonly backward?: (ctx: Context<A>, ...grads: (Tensor | null)[]) => Tensor | null | undefined | (Tensor | null | undefined)[];
  },
): O {
  const { backward } = def;
  const fn = { name: `${jsName(def.torch)}Backward`, forward: def.forward, backward: backward ?? ((): null => null) };
  return finish("primitive", def, backward !== undefined, (args) => applyFunction(fn, args as A));
}

class ViewNode extends Node {
  readonly name: string;
  readonly #grad: (g: Tensor) => Tensor;
  constructor(name: string, input: Tensor, grad: (g: Tensor) => Tensor) {
    super();
    this.name = name;
    this.edges = [edgeOf(input)];
    this.#grad = grad;
  }
  apply(grads: (Tensor | null)[]): (Tensor | null)[] {
    const g = grads[0];
    return [g ? this.#grad(g) : null];
  }
}

/** `x` seen under another layout, recorded with the gradient `grad`. */
export function viewOf(name: string, x: Tensor, layout: Layout, grad: (g: Tensor) => Tensor): Tensor {
  const out = new Tensor(x.storage, layout, x.dtype);
  if (isDifferentiable(x.dtype)) {
    setView(out, x);
    if (needsGraph([x])) setHistory(out, new ViewNode(`${name}Backward`, x, grad));
  }
  return out;
}

/**
 * A new layout on the same storage. `layout` gets the normalised arguments; `grad` maps the output's gradient back, given
 * the input's shape (not the input: a view keeps nothing alive).
 */
export function view<O, A extends unknown[] = never[]>(
  def: Common & {
    readonly layout: (x: Layout, ...args: A) => Layout;
    readonly grad: (g: Tensor, shape: readonly number[], ...args: A) => Tensor;
  },
): O {
  const name = jsName(def.torch);
  return finish("view", def, true, ([x, ...rest]) => {
    checkTensor(name, "input", x);
    const shape = x.layout.shape;
    return viewOf(name, x, def.layout(x.layout, ...(rest as A)), (g) => def.grad(g, shape, ...(rest as A)));
  });
}
