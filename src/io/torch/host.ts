// What names and calls in a PyTorch pickle mean: the list of `globals.ts`, the caller's additions, and descriptions for the rest.
import { FormatError } from "../../core/errors.ts";
import { setField } from "../dict.ts";
import { type Element, elementOf } from "../elements.ts";
import { isStored } from "../stored.ts";
import { type Builder, builderOf, legacyElement, nameOf } from "./globals.ts";
import { numpyState } from "./numpy.ts";
import { type PickleHost, Refused } from "./pickle.ts";
import { fail, itemsOf, number, PyDict, PyGlobal, PyObject, PyTuple, resolved, sizes, textOf, toJavaScript } from "./python.ts";
import { TypedStorage } from "./storage.ts";
import { TorchTensor } from "./tensor.ts";

/** What the caller allows besides, by `module.name`. */
export type SafeGlobals = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** Modules that no model has a reason to name, beside Python's own functions that run or reach code. */
const NEVER =
  /^(os|posix|nt|sys|subprocess|importlib|runpy|shutil|socket|ctypes|pty|code|webbrowser|multiprocessing|threading|signal)(\.|$)/;
const NEVER_BUILTINS = /^builtins\.(eval|exec|compile|open|input|getattr|setattr|delattr|globals|locals|vars|breakpoint|__import__)$/;
/** Where Python 2 kept things. */
const MOVED: Readonly<Record<string, string>> = {
  __builtin__: "builtins",
  copy_reg: "copyreg",
  UserDict: "collections",
  UserList: "collections",
};

/** What a host is told about the file. */
export interface HostOptions {
  /** Finds what lies outside the pickle: storages. */
  readonly persistent: (id: unknown) => unknown;
  readonly safeGlobals?: SafeGlobals | undefined;
  /** Which calls make an object of the called class although nothing is known of it: TorchScript's enums. */
  readonly describes?: ((path: string) => boolean) | undefined;
  /** Reads the file inside the pickle that a storage is when it was pickled without `torch.save`. */
  readonly load?: ((bytes: Uint8Array) => unknown) | undefined;
}

/** The element type of a storage class. @throws RangeError */
export function storageElement(type: unknown): Element {
  const name = type instanceof PyGlobal ? legacyElement(type, "Storage") : undefined;
  if (!name) throw new RangeError(`${type instanceof PyGlobal ? type.path : "what stands in its place"} is no storage type`);
  return elementOf(name)!;
}
/** A count of elements. @throws RangeError */
export function countOf(n: unknown): number {
  if (!Number.isSafeInteger(n) || (n as number) < 0) throw new RangeError(`a storage of ${textOf(n)} elements`);
  return n as number;
}
/** A pickle's value in JavaScript. @throws FormatError when it is nested too deeply */
export function convert(value: unknown, name: string): unknown {
  try {
    return toJavaScript(value, leftover);
  } catch (e) {
    if (!(e instanceof RangeError)) throw e;
    throw new FormatError({
      op: "unpickle",
      message: `${name}: ${e.message}`,
      hint: "The file is damaged",
      data: { file: name },
      cause: e,
    });
  }
}

/** The host of one pickle. */
export class TorchHost implements PickleHost {
  readonly #options: HostOptions;
  readonly #safe: SafeGlobals;
  constructor(options: HostOptions) {
    this.#options = options;
    this.#safe = options.safeGlobals ?? {};
  }

  global(module: string, name: string): unknown {
    const global = new PyGlobal(Object.hasOwn(MOVED, module) ? MOVED[module]! : module, name);
    const allowed = Object.hasOwn(this.#safe, global.path);
    if (!allowed && (NEVER.test(global.module) || NEVER_BUILTINS.test(global.path))) throw new Refused(global.path);
    return global;
  }
  persistent(id: unknown): unknown {
    return this.#options.persistent(id);
  }

  #safeBuilder(path: string): Builder | undefined {
    const make = Object.hasOwn(this.#safe, path) ? this.#safe[path] : undefined;
    return make && ((...args) => make(...(toJavaScript(new PyTuple(args), leftover) as unknown[])));
  }
  call(callee: unknown, args: readonly unknown[]): unknown {
    if (!(callee instanceof PyGlobal)) return fail("what is called is no class or function");
    const make = this.#safeBuilder(callee.path) ?? builderOf(callee, (f, ...inner) => this.call(f, inner));
    if (make) return make(...args.map(resolved));
    switch (callee.path) {
      case "copyreg._reconstructor":
      case "copyreg.__newobj__":
        // (class, object, None) and (class, …).
        return this.create(args[0], callee.name === "__newobj__" ? args.slice(1) : args[2] == null ? [] : [args[2]]);
      case "copyreg.__newobj_ex__":
        return this.create(args[0], itemsOf(args[1]));
      case "torch.storage._load_from_bytes":
        if (this.#options.load && args[0] instanceof Uint8Array) return this.#options.load(args[0]);
    }
    if (this.#options.describes?.(callee.path)) return new PyObject(callee.path, args);
    throw new Refused(callee.path);
  }
  create(cls: unknown, args: readonly unknown[]): unknown {
    if (!(cls instanceof PyGlobal)) return fail("what is made is of no class");
    const make = this.#safeBuilder(cls.path) ?? builderOf(cls, (f, ...inner) => this.call(f, inner));
    return make ? make(...args.map(resolved)) : new PyObject(cls.path, args);
  }

  build(object: unknown, state: unknown): void {
    if (object instanceof PyObject) {
      if (numpyState(object, state) || tensorState(object, state)) return;
      // (attributes, slots)
      const pair = state instanceof PyTuple && state.items.length === 2 && state.items.every((x) => x === null || x instanceof PyDict);
      const parts = pair ? state.items : [state];
      if (
        parts.every(
          (x) => x === null || (x instanceof PyDict && [...x.map.keys()].every((k) => typeof k === "string" && k !== "__proto__")),
        )
      ) {
        for (const part of parts) if (part instanceof PyDict) for (const [k, v] of part.map) object.attributes.set(k as string, v);
      } else object.state = state;
      return;
    }
    // Hooks and attributes of parameters and of dicts are not kept.
    if (object instanceof TorchTensor) {
      if (state instanceof PyTuple && state.items.length === 3) object.requiresGrad = state.items[0] === true;
      return;
    }
    if (object instanceof PyDict || object instanceof PyTuple || Array.isArray(object) || object instanceof Set || isStored(object)) return;
    if (typeof object !== "object" || object === null || object instanceof PyGlobal || object instanceof TypedStorage)
      return fail("a state for what can have none");
    // Made by the caller's function: given the attributes as a plain object would be.
    const attributes = toJavaScript(state, leftover);
    if (typeof attributes === "object" && attributes !== null && !Array.isArray(attributes))
      for (const [k, v] of Object.entries(attributes)) setField(object, k, v);
  }
}

/** The states of tensors, parameters and variables before PyTorch 0.4. Source: Tensor.__setstate__ of PyTorch. */
function tensorState(object: PyObject, state: unknown): boolean {
  if (!(state instanceof PyTuple)) return false;
  const items = state.items;
  const dot = object.type.lastIndexOf(".");
  const named = legacyElement(new PyGlobal(object.type.slice(0, dot), object.type.slice(dot + 1)), "Tensor");
  if (named && items.length === 4) {
    const [storage, offset, size, stride] = items;
    if (!(storage instanceof TypedStorage)) return fail("a tensor without a storage");
    object.value = new TorchTensor(storage, elementOf(named)!, number(offset), sizes(size), sizes(stride), false);
    return true;
  }
  const wraps = object.type === "torch.nn.parameter.Parameter" || object.type === "torch.autograd.variable.Variable";
  if (wraps && items.length === 5) {
    const data = resolved(items[0]);
    if (!(data instanceof TorchTensor)) return fail("a parameter without a tensor");
    const t = data.again();
    t.isParameter = object.type.endsWith("Parameter");
    t.requiresGrad = items[3] === true;
    object.value = t;
    return true;
  }
  return false;
}

/** What is left in a value when the pickle is read: names and bare storages. */
export function leftover(x: object): unknown {
  if (x instanceof PyGlobal) return nameOf(x);
  if (x instanceof TypedStorage) {
    const n = Math.floor(x.nbytes / x.element.size);
    return new TorchTensor(x, x.element, 0, [n], [1], false);
  }
  return x;
}
