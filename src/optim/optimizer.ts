// What optimizers share: parameter groups, state, and their dictionaries.
import { checkOptions, given, need } from "../core/arguments.ts";
import { ArgumentError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import { register } from "../core/lifetime.ts";
import { enableGrad, noGrad } from "../core/mode.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";

/** What an optimizer keeps for one parameter. */
export type ParameterState = Record<string, Tensor | number | null>;
/** Parameters that share hyper-parameters. */
export type ParamGroup<O extends object> = { params: Tensor[]; initialLr?: number } & Required<O>;
/** What may be given to an optimizer: tensors, `[name, tensor]` pairs, or groups with options of their own. */
export type Params<O extends object> =
  | Iterable<Tensor | [string, Tensor]>
  | Iterable<{ params: Iterable<Tensor | [string, Tensor]> } & Partial<O>>;
/** Computes the loss anew. */
export type Closure = () => Tensor | number;
/** A saved optimizer: state by parameter number (a Map where a file of PyTorch's was loaded), groups with PyTorch's keys. */
export interface OptimizerState {
  state: Record<string, ParameterState> | Map<number, ParameterState>;
  param_groups: Record<string, unknown>[];
}

// What an option takes, from its default; null stands for a choice that is left to the optimizer.
const kindOf = (v: unknown): string =>
  typeof v === "number" ? "number" : typeof v === "boolean" ? "flag" : Array.isArray(v) ? "numbers" : v === null ? "flag|number" : "any";
const snake = (s: string): string => s.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
const camel = (s: string): string => s.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase());

/**
 * Base class of optimizers: a subclass gives its defaults and `update`, one step for one parameter. `paramGroups` may be changed
 * at any time; the next step uses the new values.
 * @throws ArgumentError without parameters, ValueError for hyper-parameters outside their range
 * @example
 * const p = tensor([1.5], { requiresGrad: true });
 * const optimizer = new optim.SGD([p], { lr: 0.5 });
 * p.mul(3).sum().backward();
 * optimizer.step();
 * p // => [0]
 */
export abstract class Optimizer<O extends { lr?: number } = { lr?: number }> {
  /** The groups; `lr` and all other hyper-parameters are fields of each. */
  readonly paramGroups: ParamGroup<O>[] = [];
  /** What is kept for each parameter. */
  readonly state: Map<Tensor, ParameterState> = new Map();
  readonly #defaults: Required<O>;
  readonly #declared: string[];

  /** `options` are checked against the names and kinds of `defaults`. */
  constructor(params: Params<O>, defaults: Required<O> = {} as Required<O>, options: O = {} as O) {
    need(new.target.name, "defaults: object", defaults);
    const op = this.constructor.name;
    this.#declared = Object.entries(defaults).map(([name, v]) => `${name}?: ${kindOf(v)}`);
    this.#defaults = { ...defaults, ...checkOptions(op, this.#declared, options) };
    need(op, "params: iterable", params);
    const list = [...(params as Iterable<unknown>)];
    if (list.length === 0) throw new ArgumentError({ op, message: "no parameters given", hint: "Pass model.parameters()" });
    const grouped = list.every((x) => typeof x === "object" && x !== null && !isTensor(x) && !Array.isArray(x));
    if (grouped) for (const g of list) this.addParamGroup(g as { params: Iterable<Tensor> } & Partial<O>);
    else this.addParamGroup({ params: list as Tensor[] } as never);
  }

  /** Adds a group; missing hyper-parameters come from the optimizer. @throws ArgumentError when it holds no tensor, or one twice. */
  addParamGroup(group: { params: Iterable<Tensor | [string, Tensor]> | Tensor } & Partial<O>): void {
    const op = this.constructor.name;
    need(op, "group: object", group);
    const {
      params: own,
      initialLr: _resumed,
      name: _label,
      ...options
    } = group as { params: typeof group.params; initialLr?: number; name?: string } & O;
    if (!isTensor(own)) need(op, "params: iterable", own);
    const checked = checkOptions(op, this.#declared, options as unknown as O);
    const params = (isTensor(own) ? [own] : [...own]).map((p) => {
      const t = Array.isArray(p) ? p[1] : p;
      if (!isTensor(t))
        throw new ArgumentError({
          op,
          message: `a parameter is ${given(t)}, needed a Tensor`,
          hint: "Pass model.parameters() or groups { params, lr }",
        });
      if (Array.isArray(p)) t.label = p[0];
      if (!t.isLeaf)
        throw new ValueError({
          op,
          message: `a computed tensor of shape ${showShape(t.shape)} cannot be optimized`,
          hint: "Only leaves can",
        });
      return t;
    });
    const known = new Set(this.paramGroups.flatMap((g) => g.params));
    if (params.some((t) => known.has(t)) || new Set(params).size < params.length)
      throw new ValueError({ op, message: "a parameter is given twice", hint: "Name each once, in one group" });
    const full = { ...this.#defaults, ...group, ...checked, params } as ParamGroup<O>;
    this.check(full);
    this.paramGroups.push(full);
  }
  /** Throws for hyper-parameters outside their range. */
  protected check(g: ParamGroup<O>): void {
    const values = g as unknown as Record<string, unknown>;
    for (const name of ["lr", "eps", "weightDecay", "momentum"]) {
      const v = values[name];
      if (v !== undefined && v !== null && !((v as number) >= 0))
        throw new ValueError({ op: this.constructor.name, message: `${name} is ${String(v)}`, hint: "It must be >= 0" });
    }
    const betas = values["betas"] as number[] | undefined;
    if (betas?.some((b) => !(b >= 0 && b < 1)))
      throw new ValueError({ op: this.constructor.name, message: `betas are ${given(betas)}`, hint: "They lie in [0, 1)" });
  }

  /** One update of a parameter with its gradient, unrecorded. */
  protected abstract update(p: Tensor, g: Tensor, group: ParamGroup<O>, state: ParameterState): void;

  /** Updates every parameter that has a gradient. With a closure, computes the loss first and returns it. */
  step(closure?: Closure): Tensor | number | undefined {
    const op = this.constructor.name;
    if (closure !== undefined) need(op, "closure: function", closure);
    const loss = closure ? enableGrad(closure) : undefined;
    noGrad(() => {
      for (const group of this.paramGroups) {
        for (const p of group.params) {
          if (!p.grad) continue;
          if (showShape(p.grad.shape) !== showShape(p.shape))
            throw new ShapeError({
              op,
              message: `parameter ${p.label ?? ""} ${showShape(p.shape)} has a gradient of shape ${showShape(p.grad.shape)}`,
              hint: "Set grad to null, and let backward compute it",
            });
          let state = this.state.get(p);
          if (!state) this.state.set(p, (state = {}));
          this.update(p, p.grad, group, state);
          if (register) for (const t of Object.values(state)) if (isTensor(t)) register.adopt?.(t, p);
        }
      }
    });
    return loss;
  }
  /** Forgets (or zeroes) all gradients. */
  zeroGrad(options: { setToNone?: boolean } | boolean = {}): void {
    const forget = typeof options === "boolean" ? options : options.setToNone !== false;
    for (const { params } of this.paramGroups)
      for (const p of params) {
        if (forget) p.grad = null;
        else if (p.grad) p.grad = p.grad.detach().zero_();
      }
  }

  /** State and groups as plain data and tensors, in PyTorch's structure. */
  stateDict(): OptimizerState {
    const state: Record<string, ParameterState> = {};
    let n = 0;
    const groups = this.paramGroups.map((g) => {
      const { params, ...rest } = g;
      const out: Record<string, unknown> = Object.fromEntries(Object.entries(rest).map(([k, v]) => [snake(k), v]));
      out["params"] = params.map((p) => {
        const s = this.state.get(p);
        if (s) state[String(n)] = { ...s };
        return n++;
      });
      if (params.every((p) => p.label)) out["param_names"] = params.map((p) => p.label);
      return out;
    });
    return { state, param_groups: groups };
  }
  /** Restores what `stateDict` gave; parameters are matched by name where both sides have names, else by order. @throws ValueError when groups do not fit. */
  loadStateDict(saved: OptimizerState): void {
    const op = `${this.constructor.name}.loadStateDict`;
    const groups = (saved as Partial<OptimizerState> | null | undefined)?.param_groups;
    if (
      !Array.isArray(groups) ||
      typeof saved.state !== "object" ||
      saved.state === null ||
      groups.some((g) => !Array.isArray(g?.["params"]))
    )
      throw new ArgumentError({
        op,
        message: `the state is ${given(saved)}, needed { state, param_groups }`,
        hint: "Pass what stateDict() gave",
      });
    if (saved.param_groups.length !== this.paramGroups.length)
      throw new ValueError({
        op,
        message: `${saved.param_groups.length} groups given, ${this.paramGroups.length} needed`,
        hint: "Build the optimizer with the same groups",
      });
    const pending: [Tensor, ParameterState][] = [];
    const stateOf = (id: number): ParameterState | undefined =>
      saved.state instanceof Map ? saved.state.get(id) : saved.state[String(id)];
    saved.param_groups.forEach((g, i) => {
      const own = this.paramGroups[i]!;
      const ids = g["params"] as number[];
      if (ids.length !== own.params.length)
        throw new ValueError({
          op,
          message: `group ${i} has ${ids.length} parameters, ${own.params.length} needed`,
          hint: "Build the optimizer over the same model",
        });
      const names = g["param_names"] as string[] | undefined;
      own.params.forEach((p, k) => {
        const at = names && p.label ? names.indexOf(p.label) : k;
        const s = stateOf(ids[at < 0 ? k : at]!);
        if (!s) return;
        for (const [key, v] of Object.entries(s))
          if (isTensor(v) && key !== "step" && showShape(v.shape) !== showShape(p.shape))
            throw new ShapeError({
              op,
              message: `${key} of parameter ${p.label ?? k} is ${showShape(v.shape)}, the parameter ${showShape(p.shape)}`,
              hint: "Build the model with the sizes of the checkpoint",
            });
        pending.push([
          p,
          Object.fromEntries(
            Object.entries(s).map(([key, v]) => [
              key,
              isTensor(v) ? (key === "step" ? v.itemSync() : v.detach().to({ dtype: p.dtype, device: p.device, copy: true })) : v,
            ]),
          ),
        ]);
      });
    });
    saved.param_groups.forEach((g, i) => {
      for (const [k, v] of Object.entries(g))
        if (k !== "params" && k !== "param_names") (this.paramGroups[i] as Record<string, unknown>)[camel(k)] = v;
    });
    this.state.clear();
    for (const [p, s] of pending) this.state.set(p, s);
  }
}
