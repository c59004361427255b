// A module that an adapter replaces by a copy of its own, trained and saved whole.
import { ModuleDict } from "../nn/container.ts";
import { cloneModule, Module } from "../nn/module.ts";

type Any = Module & { forward(...args: unknown[]): unknown };

/** The original and the adapters' copies; fields are named as PEFT's. */
export class ModulesToSaveWrapper extends Module {
  original_module: Any;
  modules_to_save: ModuleDict<Any> = new ModuleDict();
  active: readonly string[] = [];
  enabled = true;
  constructor(original: Module) {
    super();
    this.original_module = original as Any;
  }
  /** The names of the adapters that have a copy. */
  get adapters(): readonly string[] {
    return this.modules_to_save.keys();
  }
  /** The module that counts at present: of several active adapters the first that has a copy. */
  get current(): Any {
    const name = this.enabled ? this.active.find((n) => this.adapters.includes(n)) : undefined;
    return name === undefined ? this.original_module : this.modules_to_save.get(name);
  }
  addAdapter(name: string): void {
    this.modules_to_save.addModule(name, cloneModule(this.original_module).requiresGrad_(false));
  }
  deleteAdapter(name: string): void {
    delete (this.modules_to_save as unknown as Record<string, unknown>)[name];
  }
  forward(...args: unknown[]): unknown {
    return this.current.forward(...args);
  }
}
