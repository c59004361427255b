// Loading into a module: the state dict is found in the file, its keys are matched, and values are read into the parameters' own memory.
import { ArgumentError, FormatError } from "../core/errors.ts";
import { noGrad } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { QuantizedTensor } from "../ops/quantized/tensor.ts";
import { type KeyReport, matchKeys, type Module } from "../nn/module.ts";
import { copy_ } from "../ops/copy.ts";
import { isStored, type OpenFile, type ReadOptions, type StoredTensor } from "./stored.ts";
import type { PythonObject } from "./torch/python.ts";

/** What `load` into a module could not match, and what it did to match the rest. */
export interface LoadReport extends KeyReport {
  /** Where in the file the state dict was: empty when the file is nothing else. */
  readonly key: string;
  /** Prefixes that wrappers had put before keys and that were taken off, with the number of keys: `{ "module.": 12 }`. */
  readonly stripped: Readonly<Record<string, number>>;
}

type State = Map<string, StoredTensor>;
const entriesOf = (x: unknown): [string, unknown][] =>
  typeof x !== "object" || x === null || isStored(x) || Array.isArray(x) || x instanceof Set
    ? []
    : x instanceof Map
      ? [...x].filter((e): e is [string, unknown] => typeof e[0] === "string")
      : Object.entries(x);

const MOST_MODULES = 1_000_000;
/** The state dict of a pickled module, as its `state_dict()` would give it: modules that are there twice have two names. */
function stateOfModule(root: PythonObject): State {
  const out: State = new Map();
  const above = new Set<object>();
  let count = 0;
  const visit = (prefix: string, m: PythonObject): void => {
    if (above.has(m) || ++count > MOST_MODULES)
      throw new FormatError({
        op: "load",
        message: `the module ${prefix || "at the top"} holds itself, or too many others`,
        hint: "The file is damaged",
      });
    above.add(m);
    const hidden = m["_non_persistent_buffers_set"];
    if (!isPythonModule(m))
      // TorchScript: parameters, buffers and modules are attributes.
      for (const [name, v] of entriesOf(m))
        if (isStored(v)) out.set(prefix + name, v);
        else if (isPythonObject(v)) visit(`${prefix}${name}.`, v);
    for (const kind of ["_parameters", "_buffers"])
      for (const [name, t] of entriesOf(m[kind]))
        if (isStored(t) && !(kind === "_buffers" && hidden instanceof Set && hidden.has(name))) out.set(prefix + name, t);
    for (const [name, child] of entriesOf(m["_modules"])) if (isPythonModule(child)) visit(`${prefix}${name}.`, child);
    above.delete(m);
  };
  visit("", root);
  return out;
}
const isPythonObject = (x: unknown): x is PythonObject => typeof x === "object" && x !== null && "$class" in x;
const isPythonModule = (x: unknown): x is PythonObject => isPythonObject(x) && ("_parameters" in x || "_modules" in x);

/** A value as a state dict, or null when it is none: a dict of tensors and nothing else, a pickled module, or a TorchScript module. */
function stateOf(x: unknown): State | null {
  if (isPythonObject(x)) return stateOfModule(x);
  const entries = entriesOf(x);
  if (entries.length === 0 || !entries.every(([, v]) => isStored(v))) return null;
  return new Map(entries as [string, StoredTensor][]);
}

function findState(file: OpenFile, key: string | undefined): { key: string; state: State } {
  const root = file.format === "torchscript" ? (file.value as { module: unknown }).module : file.value;
  const at = (path: string): unknown => path.split(".").reduce((x: unknown, k) => new Map(entriesOf(x)).get(k), root);
  const refuse = (message: string, found: [string, State][]): ArgumentError =>
    new ArgumentError({
      op: "load",
      message,
      hint: found.length
        ? `Say which: { key: ${JSON.stringify(found[0]![0])} }. There are ${found.map(([k, s]) => `${k} (${s.size} tensors)`).join(", ")}`
        : "Load it without `into` and look what it holds",
    });
  const candidates = (): [string, State][] =>
    entriesOf(root).flatMap(([k, v]): [string, State][] => {
      const s = stateOf(v);
      return s ? [[k, s]] : [];
    });
  if (key !== undefined && key !== "") {
    const state = stateOf(at(key));
    if (!state) throw refuse(`the file has no state dict at ${JSON.stringify(key)}`, candidates());
    return { key, state };
  }
  const whole = stateOf(root);
  if (whole) return { key: "", state: whole };
  const found = candidates();
  if (found.length !== 1) throw refuse(`the file holds ${found.length === 0 ? "no state dict" : "several"}`, found);
  return { key: found[0]![0], state: found[0]![1] };
}

const WRAPPER = /(^|\.)(module|_orig_mod)\.(?=(?:[^.]))/;
/** Takes off what DataParallel and compile put before names, where that is what makes a key one of the module's. */
function strip(state: State, own: ReadonlySet<string>): { state: State; stripped: Record<string, number> } {
  const out: State = new Map();
  const stripped: Record<string, number> = {};
  for (const [key, t] of state) {
    let name = key;
    const taken: string[] = [];
    for (let m = WRAPPER.exec(name); m && !own.has(name); m = WRAPPER.exec(name)) {
      name = name.slice(0, m.index) + m[1] + name.slice(m.index + m[0].length);
      taken.push(`${m[2]}.`);
    }
    if (!own.has(name) || state.has(name)) out.set(key, t);
    else {
      out.set(name, t);
      for (const p of taken) stripped[p] = (stripped[p] ?? 0) + 1;
    }
  }
  return { state: out, stripped };
}

/** Reads a file's state dict into a module. @throws ShapeError and FirebrandError that list all that does not fit; nothing is written then */
export async function loadInto(
  file: OpenFile,
  options: { into: Module; strict?: boolean; key?: string },
  read: ReadOptions,
): Promise<LoadReport> {
  const own = options.into.stateDict();
  const found = findState(file, options.key);
  const { state, stripped } = strip(found.state, new Set(Object.keys(own)));
  const report = matchKeys("load", own, state, options.strict !== false);
  for (const [name, target] of Object.entries(own)) {
    const t = state.get(name);
    if (!t) continue;
    if (await t.readInto(target)) target.storage.version.value++;
    else {
      const values = await t.read({ ...read, device: target.device });
      noGrad(() => copy_(target, values instanceof QuantizedTensor ? values.dequantize() : (values as Tensor)));
    }
  }
  return { ...report, key: found.key, stripped };
}
