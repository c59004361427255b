// Plain data with tensors in it as JSON: a tensor becomes its key, values that JSON lacks become one-key objects.
import { given } from "../core/arguments.ts";
import { FormatError } from "../core/errors.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";

/** What a checkpoint may hold. */
export type Checkpoint = Tensor | number | string | boolean | bigint | null | undefined | Checkpoint[] | { [key: string]: Checkpoint };

/** The value as JSON data. `put` takes each tensor (or whatever `isLeaf` takes for one) with its path and gives its key. */
export function encodeTree<L = Tensor>(
  value: unknown,
  put: (t: L, path: readonly string[]) => string,
  isLeaf: (x: unknown) => boolean = isTensor,
): unknown {
  const within = new Set<object>();
  const visit = (x: unknown, path: readonly string[]): unknown => {
    if (isLeaf(x)) return { $tensor: put(x as L, path) };
    if (typeof x === "bigint") return { $bigint: x.toString() };
    if (typeof x === "number" && (!Number.isFinite(x) || Object.is(x, -0))) return { $number: Object.is(x, -0) ? "-0" : String(x) };
    if (x === undefined) return { $undefined: true };
    if (typeof x === "function" || typeof x === "symbol") throw unsavable(path, `a ${typeof x}`);
    if (typeof x !== "object" || x === null) return x;
    if (within.has(x)) throw unsavable(path, "a value that contains itself");
    within.add(x);
    const out = Array.isArray(x) ? x.map((v, i) => visit(v, [...path, String(i)])) : entries(x, path);
    within.delete(x);
    return out;
  };
  const entries = (x: object, path: readonly string[]): unknown => {
    const proto = Object.getPrototypeOf(x) as unknown;
    if (proto !== Object.prototype && proto !== null) throw unsavable(path, `a ${x.constructor?.name ?? "class instance"}`);
    const pairs = Object.entries(x).map(([k, v]): [string, unknown] => [k, visit(v, [...path, k])]);
    return pairs.some(([k]) => k.startsWith("$") || k === "__proto__") ? { $object: pairs } : Object.fromEntries(pairs);
  };
  return visit(value, []);
}

const unsavable = (path: readonly string[], what: string): FormatError =>
  new FormatError({
    op: "save",
    message: `${path.length ? path.join(".") : "the value"} is ${what}, which cannot be saved`,
    hint: "Save plain data and tensors; of modules and optimizers, their stateDict()",
  });

/** The value back; `get` gives the tensor of a key. */
export function decodeTree(json: unknown, get: (key: string) => unknown): unknown {
  if (Array.isArray(json)) return json.map((v) => decodeTree(v, get));
  if (typeof json !== "object" || json === null) return json;
  const o = json as Record<string, unknown>;
  if (typeof o["$tensor"] === "string") return get(o["$tensor"]);
  if (typeof o["$bigint"] === "string") {
    if (!/^-?\d+$/.test(o["$bigint"]))
      throw new FormatError({ op: "load", message: `${given(o["$bigint"])} is no integer`, hint: "The file is damaged" });
    return BigInt(o["$bigint"]);
  }
  if (typeof o["$number"] === "string") return Number(o["$number"]);
  if (o["$undefined"]) return undefined;
  if (Array.isArray(o["$object"]) && !o["$object"].every((p) => Array.isArray(p) && typeof p[0] === "string"))
    throw new FormatError({ op: "load", message: `${given(o["$object"])} is no object`, hint: "The file is damaged" });
  const pairs = Array.isArray(o["$object"]) ? (o["$object"] as [string, unknown][]) : Object.entries(o);
  return Object.fromEntries(pairs.map(([k, v]) => [k, decodeTree(v, get)]));
}
