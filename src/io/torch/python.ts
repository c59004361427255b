// Python's values while a pickle is read, and what they are in JavaScript afterwards.
import { ComplexScalar } from "../../ops/promote.ts";
import { isPlain, setField } from "../dict.ts";
import { isStored } from "../stored.ts";

/** A tuple: unlike a list it may be a key, and nothing is appended to it. */
export class PyTuple {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}
/** A dict of any of Python's kinds, in order. */
export class PyDict {
  readonly map: Map<unknown, unknown> = new Map();
}
/** The name of a class or function. Nothing is ever looked up by it but the list of what may be built. */
export class PyGlobal {
  readonly module: string;
  readonly name: string;
  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
  /** `torch.nn.modules.linear.Linear` */
  get path(): string {
    return `${this.module}.${this.name}`;
  }
}
/** An object of a class that is not built but described. */
export class PyObject {
  readonly type: string;
  readonly args: readonly unknown[];
  /** Attributes by name. */
  readonly attributes: Map<string, unknown> = new Map();
  /** A state that is no dict of attributes. */
  state: unknown = undefined;
  /** What a subclass of list or set holds. */
  items: unknown[] | null = null;
  /** What a subclass of dict holds. */
  dict: PyDict | null = null;
  /** What it turned out to be once its state was there: a tensor, for one. */
  value: unknown = undefined;
  constructor(type: string, args: readonly unknown[]) {
    this.type = type;
    this.args = args;
  }
}
/** A value as text, for keys and messages. Only simple ones are spelled: a nested list of a few bytes can have a text of any length. */
export const textOf = (x: unknown): string =>
  typeof x === "string" ? x : typeof x === "object" && x !== null ? "(no simple value)" : String(x);
/** The same, short enough for a message. */
export const shortly = (x: unknown): string => textOf(x).slice(0, 40);

/** Says that a value makes no sense where it stands: whoever knows the place in the file turns it into a FormatError. */
export const fail = (message: string): never => {
  throw new RangeError(message);
};
/** The items of a list or tuple. @throws RangeError when it is neither */
export const itemsOf = (x: unknown): readonly unknown[] =>
  x instanceof PyTuple ? x.items : Array.isArray(x) ? x : fail("neither a list nor a tuple where one is needed");
/** @throws RangeError when it is none */
export const number = (x: unknown): number => (typeof x === "number" ? x : fail(`${shortly(x)} where a number is needed`));
/** Sizes or strides. @throws RangeError */
export const sizes = (x: unknown): number[] => itemsOf(x).map(number);

/** The value that an object turned out to be, others as they are. */
export const resolved = (x: unknown): unknown => (x instanceof PyObject && x.value !== undefined ? x.value : x);

/**
 * An object of a Python class, as data: `$class` names the class, the attributes follow. `$args` are constructor arguments, `$state` a
 * state that is no set of attributes, `$items` what a subclass of list, set or dict holds.
 */
export interface PythonObject {
  $class: string;
  $args?: unknown[];
  $state?: unknown;
  $items?: unknown;
  [attribute: string]: unknown;
}

/** How deep values may be nested; Python itself gives up at a third of it. */
const DEEPEST = 1000;

interface Frame {
  readonly depth: number;
  readonly entries: Iterator<[unknown, unknown]>;
  put(key: unknown, value: unknown): void;
}

/**
 * A value of a pickle in JavaScript: dicts become plain objects (Maps where `isPlain` says no), lists and tuples arrays, sets Sets, objects
 * `PythonObject`s. What was one object stays one, cycles included. `other` converts what is none of these.
 * @throws RangeError when the nesting is too deep
 */
export function toJavaScript(root: unknown, other: (x: object) => unknown): unknown {
  const done = new Map<object, unknown>();
  const stack: Frame[] = [];
  let depth = 0;
  const begin = <T>(from: object, target: T, entries: Iterable<[unknown, unknown]>, put: Frame["put"]): T => {
    done.set(from, target);
    stack.push({ depth: depth + 1, entries: entries[Symbol.iterator](), put });
    return target;
  };
  const fill = (from: object, items: readonly unknown[]): unknown[] => {
    const out = new Array<unknown>(items.length);
    return begin(from, out, items.entries(), (i, v) => {
      out[i as number] = v;
    });
  };
  const set = (o: object) => (k: unknown, v: unknown) => setField(o, k as string, v);
  const convert = (given: unknown): unknown => {
    const x = resolved(given);
    if (typeof x !== "object" || x === null || isStored(x) || x instanceof Uint8Array || x instanceof ComplexScalar) return x;
    const known = done.get(x);
    if (known !== undefined) return known;
    if (Array.isArray(x)) return fill(x, x);
    if (x instanceof PyTuple) return fill(x, x.items);
    if (x instanceof PyDict) {
      if (isPlain(x.map)) {
        const out = {};
        return begin(x, out, x.map, set(out));
      }
      const out = new Map<unknown, unknown>();
      return begin(x, out, x.map, (k, v) => out.set(convert(k), v));
    }
    if (x instanceof Set) {
      const out = new Set<unknown>();
      return begin(x, out, x.entries() as Iterable<[unknown, unknown]>, (_, v) => out.add(v));
    }
    if (x instanceof PyObject) {
      const out: PythonObject = { $class: x.type };
      const parts: [string, unknown][] = [];
      if (x.args.length) parts.push(["$args", new PyTuple(x.args)]);
      if (x.state !== undefined) parts.push(["$state", x.state]);
      if (x.items ?? x.dict) parts.push(["$items", x.items ?? x.dict]);
      return begin(x, out, [...parts, ...x.attributes], set(out));
    }
    const out = other(x);
    done.set(x, out);
    return out;
  };
  const result = convert(root);
  for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
    const next = frame.entries.next();
    if (next.done) {
      stack.pop();
      continue;
    }
    if (frame.depth > DEEPEST) throw new RangeError(`values are nested more than ${DEEPEST} deep`);
    depth = frame.depth;
    frame.put(next.value[0], convert(next.value[1]));
  }
  return result;
}
