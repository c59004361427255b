// Module: parameters, buffers and children register by assignment to fields; nothing is intercepted when fields are read.
import { checkOptions, checkTensor, given, need } from "../core/arguments.ts";
import { ArgumentError, DTypeError, FirebrandError, ShapeError, showShape } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import { sameShape } from "../core/layout.ts";
import { isTensor, Tensor } from "../core/tensor.ts";
import type { DType } from "../core/dtype.ts";
import { isDifferentiable, isDType, isFloating, isComplex } from "../core/dtype.ts";
import { getDevice } from "../core/device.ts";
import { copy_, to, type ToOptions } from "../ops/copy.ts";
import { empty } from "../ops/create.ts";
import "../ops/methods.ts";
import { type BackwardHook, type BackwardPreHook, type ForwardHook, type ForwardPreHook, Hooks, hang } from "./hooks.ts";

const PARAMETER = Symbol.for("firebrand.parameter");
const MODULE = Symbol.for("firebrand.module");

/**
 * A tensor that a module learns: assigned to a field of a Module, it is one of its parameters.
 * @example new nn.Parameter(ones(2)).requiresGrad // => true
 */
export class Parameter extends Tensor {
  constructor(data: Tensor, requiresGrad = true) {
    checkTensor("Parameter", "data", data);
    need("Parameter", "requiresGrad", requiresGrad);
    if (requiresGrad && !isDifferentiable(data.dtype))
      throw new DTypeError({
        op: "Parameter",
        message: `a ${data.dtype} tensor ${showShape(data.shape)} cannot require grad`,
        hint: "Pass false as the second argument",
      });
    super(data.storage, data.layout, data.dtype);
    this.leafRequiresGrad = requiresGrad;
  }
}
Object.defineProperty(Parameter.prototype, PARAMETER, { value: true });
/** Is `x` a parameter? @example nn.isParameter(new nn.Parameter(ones(2))) // => true */
export const isParameter = (x: unknown): x is Parameter => isTensor(x) && (x as unknown as Record<symbol, unknown>)[PARAMETER] === true;
/** Is `x` a module? @example nn.isModule(new nn.ReLU()) // => true */
export const isModule = (x: unknown): x is Module => typeof x === "object" && x !== null && (x as Record<symbol, unknown>)[MODULE] === true;

/** Tensors by their PyTorch names. */
export type StateDict = Record<string, Tensor>;
/** What `loadStateDict` could not match. */
export interface KeyReport {
  readonly missingKeys: string[];
  readonly unexpectedKeys: string[];
}

/**
 * Base class of all neural network modules.
 * @example
 * class Net extends nn.Module {
 *   fc = new nn.Linear(2, 1);
 *   forward(x) { return this.fc.forward(x).relu(); }
 * }
 * Object.keys(new Net().stateDict()) // => ["fc.weight", "fc.bias"]
 */
export abstract class Module {
  /** In training mode? Dropout and batch norm behave differently. */
  training = true;
  readonly #buffers = new Map<string, boolean>();
  readonly #hooks = new Hooks();

  abstract forward(...args: never[]): unknown;

  /** Makes field `name` a buffer: part of the state (unless not persistent), not a parameter. */
  registerBuffer(name: string, tensor: Tensor | null, persistent = true): void {
    this.#buffers.set(name, persistent);
    (this as unknown as Record<string, unknown>)[name] = tensor;
  }
  /** Makes field `name` a parameter; the same as assigning it. */
  registerParameter(name: string, parameter: Parameter | null): void {
    (this as unknown as Record<string, unknown>)[name] = parameter;
  }
  /** Makes field `name` a child; the same as assigning it. */
  addModule(name: string, module: Module | null): void {
    (this as unknown as Record<string, unknown>)[name] = module;
  }
  /** `addModule` under its other name. */
  registerModule(name: string, module: Module | null): void {
    this.addModule(name, module);
  }

  /** The direct children by field name. */
  *namedChildren(): IterableIterator<[string, Module]> {
    for (const [name, value] of Object.entries(this)) if (isModule(value)) yield [name, value];
  }
  /** The direct children. */
  *children(): IterableIterator<Module> {
    for (const [, m] of this.namedChildren()) yield m;
  }
  /** This module and all below it, each once, by dotted path. */
  *namedModules(prefix = "", seen: Set<Module> = new Set()): IterableIterator<[string, Module]> {
    if (seen.has(this)) return;
    seen.add(this);
    yield [prefix, this];
    for (const [name, child] of this.namedChildren()) yield* child.namedModules(prefix ? `${prefix}.${name}` : name, seen);
  }
  /** This module and all below it. */
  *modules(): IterableIterator<Module> {
    for (const [, m] of this.namedModules()) yield m;
  }

  *#own(kind: "parameters" | "buffers", persistent: boolean): IterableIterator<[string, Tensor]> {
    const fields = this as unknown as Record<string, unknown>;
    if (kind === "parameters") {
      for (const [name, value] of Object.entries(fields)) if (isParameter(value) && !this.#buffers.has(name)) yield [name, value];
    } else
      for (const [name, keep] of this.#buffers) if (isTensor(fields[name]) && (keep || !persistent)) yield [name, fields[name] as Tensor];
  }
  *#named(kind: "parameters" | "buffers", prefix: string): IterableIterator<[string, Tensor]> {
    const seen = new Set<Tensor>();
    for (const [path, m] of this.namedModules(prefix)) {
      for (const [name, t] of m.#own(kind, false)) {
        if (seen.has(t)) continue;
        seen.add(t);
        yield [path ? `${path}.${name}` : name, t];
      }
    }
  }
  /** All parameters by dotted path, shared ones once. */
  namedParameters(prefix = ""): IterableIterator<[string, Tensor]> {
    return this.#named("parameters", prefix);
  }
  /** All parameters. */
  *parameters(): IterableIterator<Tensor> {
    for (const [, p] of this.namedParameters()) yield p;
  }
  /** All buffers by dotted path. */
  namedBuffers(prefix = ""): IterableIterator<[string, Tensor]> {
    return this.#named("buffers", prefix);
  }
  /** All buffers. */
  *buffers(): IterableIterator<Tensor> {
    for (const [, b] of this.namedBuffers()) yield b;
  }

  /** @internal The fields that are buffers, empty ones included. */
  *namedBuffersHere(): IterableIterator<[string, Tensor | null]> {
    for (const name of this.#buffers.keys()) yield [name, (this as unknown as Record<string, Tensor | null>)[name] ?? null];
  }
  /** @internal */
  isPersistent(name: string): boolean {
    return this.#buffers.get(name) ?? false;
  }
  /** @internal */
  hasBuffer(name: string): boolean {
    return this.#buffers.has(name);
  }

  /** Parameters and persistent buffers under PyTorch's keys; the tensors share the module's memory. */
  stateDict(prefix = ""): StateDict {
    const out: StateDict = {};
    for (const kind of ["parameters", "buffers"] as const) for (const [name, t] of this.#own(kind, true)) out[prefix + name] = t.detach();
    for (const [name, child] of this.namedChildren()) Object.assign(out, child.stateDict(`${prefix}${name}.`));
    return out;
  }
  /**
   * Copies tensors into parameters and buffers by key.
   * @throws ShapeError that lists every tensor of another shape, FirebrandError (strict) every missing and unexpected key; nothing is copied then.
   */
  loadStateDict(state: StateDict | Map<string, Tensor>, options: { strict?: boolean } = {}): KeyReport {
    const op = `${this.constructor.name}.loadStateDict`;
    need(op, "state: object", state);
    const { strict } = checkOptions(op, ["strict?: flag"], options);
    const from = state instanceof Map ? state : new Map(Object.entries(state));
    for (const [k, t] of from) checkTensor(op, k, t);
    const own = this.stateDict();
    const report = matchKeys(op, own, from, strict !== false);
    noGrad(() => {
      for (const [k, t] of Object.entries(own)) if (from.has(k)) copy_(t, from.get(k)!);
    });
    return report;
  }

  /** Sets training mode, here and below. */
  train(mode: boolean | { mode?: boolean } = true): this {
    const on = typeof mode === "boolean" ? mode : (mode.mode ?? true);
    for (const m of this.modules()) m.training = on;
    return this;
  }
  /** Sets evaluation mode, here and below. */
  eval(): this {
    return this.train(false);
  }
  /** Calls `fn` on every module, children first. */
  apply(fn: (m: Module) => void): this {
    for (const c of this.children()) c.apply(fn);
    fn(this);
    return this;
  }
  /** Converts parameters and buffers in place: floating ones to a dtype, all to a device. */
  to(target: DType | string | ToOptions): this {
    const o: ToOptions = isDType(target) ? { dtype: target } : typeof target === "string" ? { device: target } : target;
    for (const m of this.modules()) {
      for (const kind of ["parameters", "buffers"] as const) {
        for (const [, t] of m.#own(kind, false)) {
          const cast = o.dtype && (isFloating(t.dtype) || isComplex(t.dtype)) ? { dtype: o.dtype } : {};
          const moved = noGrad(() => to(t.detach(), { ...cast, ...(o.device && { device: o.device }) }));
          replaceData(t, moved);
          if (t.grad) t.grad = noGrad(() => to(t.grad!.detach(), { ...cast, ...(o.device && { device: o.device }) }));
        }
      }
    }
    return this;
  }
  /**
   * Gives parameters and buffers new memory on a device, with no values yet: for modules built on `meta`, before their weights are loaded.
   * @throws DeviceError for a device that is not known
   */
  toEmpty(options: { device: string }): this {
    const { device } = checkOptions("toEmpty", ["device"], options);
    getDevice(device, "toEmpty");
    for (const t of [...this.parameters(), ...this.buffers()])
      replaceData(
        t,
        noGrad(() => empty([...t.shape], { dtype: t.dtype, device })),
      );
    return this;
  }
  /** Casts floating parameters and buffers to float32, in place. */
  float(): this {
    return this.to("float32");
  }
  /** Casts them to float64. */
  double(): this {
    return this.to("float64");
  }
  /** Casts them to float16. */
  half(): this {
    return this.to("float16");
  }
  /** Casts them to bfloat16. */
  bfloat16(): this {
    return this.to("bfloat16");
  }
  /** Moves parameters and buffers to the CPU. */
  cpu(): this {
    return this.to({ device: "cpu" });
  }
  /** Turns gradients of all parameters on or off. */
  requiresGrad_(on = true): this {
    for (const p of this.parameters()) p.requiresGrad_(on);
    return this;
  }
  /** Forgets (or zeroes) all gradients. */
  zeroGrad(options: { setToNone?: boolean } = {}): void {
    for (const p of this.parameters()) {
      if (options.setToNone === false && p.grad) p.grad = p.grad.detach().zero_();
      else p.grad = null;
    }
  }

  // With hooks, the instance gets a `forward` of its own around the class's.
  #hang<F>(op: string, list: F[], hook: F): () => void {
    const out = hang(op, list, hook);
    if (!Object.hasOwn(this, "forward")) {
      const inner = (Object.getPrototypeOf(this) as { forward(...args: unknown[]): unknown }).forward;
      const wrapped = (...args: unknown[]): unknown => this.#hooks.run(this, inner, args);
      Object.defineProperty(this, "forward", { value: wrapped, configurable: true, enumerable: false });
    }
    return out;
  }
  /** Runs `hook` before `forward`; returns a function that removes it. */
  registerForwardPreHook(hook: ForwardPreHook): () => void {
    return this.#hang("registerForwardPreHook", this.#hooks.forwardPre, hook);
  }
  /** Runs `hook` after `forward`; returns a function that removes it. */
  registerForwardHook(hook: ForwardHook): () => void {
    return this.#hang("registerForwardHook", this.#hooks.forward, hook);
  }
  /** Runs `hook` in backward, before gradients enter the module; returns a function that removes it. */
  registerFullBackwardPreHook(hook: BackwardPreHook): () => void {
    return this.#hang("registerFullBackwardPreHook", this.#hooks.backwardPre, hook);
  }
  /**
   * Runs `hook` in backward, when the gradients of the module's arguments are known; returns a function that removes it.
   * @example
   * const m = new nn.Flatten(0);
   * const seen = [];
   * m.registerFullBackwardHook((_, gradInput, gradOutput) => { seen.push(gradInput[0].shape, gradOutput[0].shape); });
   * m.forward(ones(2, 3, { requiresGrad: true })).sum().backward();
   * seen // => [[2, 3], [6]]
   */
  registerFullBackwardHook(hook: BackwardHook): () => void {
    return this.#hang("registerFullBackwardHook", this.#hooks.backward, hook);
  }

  /** What a module says of itself between its parentheses. */
  extraRepr(): string {
    return "";
  }
  /** The module and all below it, as PyTorch prints them. */
  toString(): string {
    const lines = [...this.namedChildren()].map(([name, m]) => `(${name}): ${m.toString().replaceAll("\n", "\n  ")}`);
    const extra = this.extraRepr();
    return lines.length
      ? `${this.constructor.name}(\n  ${[...(extra ? [extra] : []), ...lines].join("\n  ")}\n)`
      : `${this.constructor.name}(${extra})`;
  }
  /** The child at a dotted path. @throws ArgumentError */
  getSubmodule(path: string): Module {
    const found = new Map(this.namedModules()).get(path);
    if (!found)
      throw new ArgumentError({
        op: "getSubmodule",
        message: `no module ${given(path)}`,
        hint: `There are ${
          [...this.namedModules()]
            .slice(1, 9)
            .map(([n]) => n)
            .join(", ") || "none below"
        }`,
      });
    return found;
  }
  /** The parameter at a dotted path. @throws ArgumentError @example new nn.Linear(2, 1).getParameter("bias").shape // => [1] */
  getParameter(path: string): Parameter {
    return this.#at("getParameter", path, isParameter);
  }
  /** The buffer at a dotted path. @throws ArgumentError @example new nn.BatchNorm1d(2).getBuffer("running_var") // => [1, 1] */
  getBuffer(path: string): Tensor {
    const [owner, name] = this.#owner(path);
    return owner.#at("getBuffer", name, (x): x is Tensor => isTensor(x) && owner.hasBuffer(name));
  }
  #owner(path: string): [owner: Module, name: string] {
    const dot = path.lastIndexOf(".");
    return [this.getSubmodule(path.slice(0, Math.max(0, dot))), path.slice(dot + 1)];
  }
  #at<T>(op: string, path: string, fits: (x: unknown) => x is T): T {
    const [owner, name] = this.#owner(path);
    const found = (owner as unknown as Record<string, unknown>)[name];
    if (!fits(found)) throw new ArgumentError({ op, message: `nothing of that kind at "${path}"` });
    return found;
  }
}
Object.defineProperty(Module.prototype, MODULE, { value: true });
Object.defineProperty(Module.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Module) {
    return this.toString();
  },
});

/**
 * Compares a module's state with what is given for it.
 * @throws ShapeError that lists every tensor of another shape, FirebrandError (strict) every missing and unexpected key
 */
export function matchKeys(
  op: string,
  own: StateDict,
  given: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  strict: boolean,
): KeyReport {
  const missingKeys = Object.keys(own).filter((k) => !given.has(k));
  const unexpectedKeys = [...given.keys()].filter((k) => !Object.hasOwn(own, k));
  const wrong = Object.entries(own).filter(([k, t]) => given.has(k) && !sameShape(given.get(k)!.shape, t.shape));
  const lines: string[] = [];
  if (strict && missingKeys.length) lines.push(`missing keys: ${missingKeys.join(", ")}`);
  if (strict && unexpectedKeys.length) lines.push(`unexpected keys: ${unexpectedKeys.join(", ")}`);
  if (wrong.length)
    lines.push(
      `shapes differ: ${wrong.map(([k, t]) => `${k} (given ${showShape(given.get(k)!.shape)}, needed ${showShape(t.shape)})`).join(", ")}`,
    );
  if (lines.length === 0) return { missingKeys, unexpectedKeys };
  const facts = {
    op,
    message: lines.join("; "),
    hint: wrong.length ? "Build the module with the sizes of the checkpoint" : "Pass { strict: false } to load what matches",
    data: { missingKeys, unexpectedKeys },
  };
  throw wrong.length ? new ShapeError(facts) : new FirebrandError(facts);
}

/** Gives a tensor other memory, as assigning `.data` does in PyTorch; history and hooks stay. */
export function replaceData(t: Tensor, from: Tensor): void {
  t.storage.users--;
  from.storage.users++;
  Object.assign(t, { storage: from.storage, layout: from.layout, dtype: from.dtype });
}

/**
 * A deep copy of a module: same structure, parameters and buffers of its own.
 * @example nn.cloneModule(new nn.Linear(2, 1)).weight.shape // => [1, 2]
 */
export function cloneModule<M extends Module>(m: M): M {
  need("cloneModule", "module: module", m);
  const copy = new Map<Tensor, Tensor>();
  const tensorOf = (t: Tensor): Tensor => {
    let c = copy.get(t);
    if (!c) {
      const data = noGrad(() => t.detach().clone());
      c = isParameter(t) ? new Parameter(data, t.leafRequiresGrad) : data;
      copy.set(t, c);
    }
    return c;
  };
  const visit = (x: Module): Module => {
    // Private fields need a real construction: a bare subclass instance made by the base constructor.
    const out = Reflect.construct(Bare, [], x.constructor as new () => Module) as Module;
    for (const [name, t] of x.namedBuffersHere()) out.registerBuffer(name, t === null ? null : tensorOf(t), x.isPersistent(name));
    for (const [name, v] of Object.entries(x)) {
      if (out.hasBuffer(name)) continue;
      (out as unknown as Record<string, unknown>)[name] = isModule(v) ? visit(v) : isTensor(v) ? tensorOf(v) : v;
    }
    return out;
  };
  return visit(m) as M;
}
class Bare extends Module {
  forward(): void {}
}
