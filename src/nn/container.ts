// Containers.
import type { Tensor } from "../core/tensor.ts";
import { given, isOptions, need } from "../core/arguments.ts";
import { ArgumentError, IndexError } from "../core/errors.ts";
import { isModule, isParameter, Module, type Parameter } from "./module.ts";

type TensorModule = Module & { forward(x: Tensor): Tensor };

abstract class ListContainer<M> extends Module {
  /** How many there are. */
  get length(): number {
    let n = 0;
    while (Object.hasOwn(this, String(n))) n++;
    return n;
  }
  protected put(item: M): void {
    (this as unknown as Record<string, M>)[String(this.length)] = item;
  }
  /** Number `i`; negative numbers count from the end. @throws IndexError */
  at(i: number): M {
    const { length } = this;
    const k = i < 0 ? i + length : i;
    const found = (this as unknown as Record<string, M>)[String(k)];
    if (found === undefined)
      throw new IndexError({
        op: this.constructor.name,
        message: `index ${given(i)} of ${length} items`,
        hint: length ? `Use 0 to ${length - 1}` : "It is empty",
      });
    return found;
  }
  *[Symbol.iterator](): IterableIterator<M> {
    for (let i = 0; Object.hasOwn(this, String(i)); i++) yield (this as unknown as Record<string, M>)[String(i)]!;
  }
}
/** Modules one after another. @example new nn.Sequential(new nn.Flatten(), new nn.ReLU()).length // => 2 */
export class Sequential extends ListContainer<TensorModule> {
  constructor(...modules: TensorModule[] | [Record<string, TensorModule>]) {
    super();
    const first = modules[0];
    if (modules.length === 1 && isOptions(first)) {
      for (const [name, m] of Object.entries(first as Record<string, TensorModule>)) {
        need("Sequential", "module: module", m);
        this.addModule(name, m);
      }
    } else for (const m of modules as TensorModule[]) this.append(m);
  }
  /** Adds a module at the end. */
  append(m: TensorModule): this {
    need("Sequential", "module: module", m);
    this.put(m);
    return this;
  }
  forward(x: Tensor): Tensor {
    let y = x;
    for (const m of this.children()) y = (m as TensorModule).forward(y);
    return y;
  }
}
/**
 * A list of modules, registered under 0, 1, 2, …; it has no forward of its own.
 * @example Object.keys(new nn.ModuleList([new nn.Linear(2, 1)]).stateDict()) // => ["0.weight", "0.bias"]
 */
export class ModuleList<M extends Module = Module> extends ListContainer<M> {
  constructor(modules: Iterable<M> = []) {
    super();
    need("ModuleList", "modules: iterable", modules);
    this.extend(modules);
  }
  /** Adds a module at the end. */
  append(m: M): this {
    need("ModuleList", "module: module", m);
    this.put(m);
    return this;
  }
  /** Adds modules at the end. */
  extend(modules: Iterable<M>): this {
    for (const m of modules) this.append(m);
    return this;
  }
  forward(): never {
    throw new ArgumentError({ op: "ModuleList", message: "it has no forward", hint: "Call its modules" });
  }
}
/** Modules by name; it has no forward of its own. @example new nn.ModuleDict({ act: new nn.ReLU() }).keys() // => ["act"] */
export class ModuleDict<M extends Module = Module> extends Module {
  constructor(modules: Record<string, M> = {}) {
    super();
    need("ModuleDict", "modules: object", modules);
    for (const [name, m] of Object.entries(modules)) {
      need("ModuleDict", "module: module", m);
      this.addModule(name, m);
    }
  }
  /** The module of a name. @throws ArgumentError when there is none */
  get(name: string): M {
    const m = (this as unknown as Record<string, unknown>)[name];
    if (!isModule(m))
      throw new ArgumentError({
        op: "ModuleDict",
        message: `no module ${given(name)}`,
        hint: `It has ${this.keys().join(", ") || "none"}`,
      });
    return m as M;
  }
  /** The names. */
  keys(): string[] {
    return [...this.namedChildren()].map(([n]) => n);
  }
  forward(): never {
    throw new ArgumentError({ op: "ModuleDict", message: "it has no forward", hint: "Call its modules" });
  }
}
/** A list of parameters, registered under 0, 1, 2, … @example new nn.ParameterList([new nn.Parameter(ones(2))]).length // => 1 */
export class ParameterList extends ListContainer<Parameter> {
  constructor(parameters: Iterable<Parameter> = []) {
    super();
    need("ParameterList", "parameters: iterable", parameters);
    for (const p of parameters) this.append(p);
  }
  /** Adds a parameter at the end. */
  append(p: Parameter): this {
    if (!isParameter(p))
      throw new ArgumentError({
        op: "ParameterList",
        message: `${given(p)} is no Parameter`,
        hint: "Wrap tensors with new nn.Parameter(…)",
      });
    this.put(p);
    return this;
  }
  forward(): never {
    throw new ArgumentError({ op: "ParameterList", message: "it has no forward", hint: "Use its parameters" });
  }
}
