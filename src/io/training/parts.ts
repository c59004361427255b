// What takes part in a training run, and how it becomes plain values: models by key, optimizers by parameter name.
import { ArgumentError, FormatError, type FirebrandError, ShapeError, showShape } from "../../core/errors.ts";
import { isTensor, type Tensor } from "../../core/tensor.ts";
import type { Generator } from "../../core/rng.ts";
import { Shard } from "./shard.ts";

/** A module, as far as its state goes. */
export interface ModelLike {
  stateDict(): Record<string, Tensor | Shard>;
  namedParameters(): Iterable<[string, Tensor]>;
}
/** An optimizer, as far as its state goes. */
export interface OptimizerLike {
  readonly paramGroups: { params: Tensor[] }[];
  readonly state: Map<Tensor, Record<string, Tensor | number | null>>;
}
/** A scheduler, a gradient scaler, or anything else that gives and takes plain data. */
export interface Stateful {
  stateDict(): Record<string, unknown>;
  loadStateDict(state: Record<string, unknown>): unknown;
}
/** A data loader, as far as its place goes. */
export interface LoaderLike {
  state(): unknown;
  restore(state: never): void;
}
/** One, or several by name. */
export type OneOrMore<T> = T | Readonly<Record<string, T>>;

/** What a training run consists of; everything is optional. The default random generator is always part of it. */
export interface TrainingParts {
  readonly model?: OneOrMore<ModelLike>;
  /** State is matched by parameter name: the names are those of `model`. */
  readonly optimizer?: OneOrMore<OptimizerLike>;
  readonly scheduler?: OneOrMore<Stateful>;
  readonly scaler?: OneOrMore<Stateful>;
  readonly generators?: Readonly<Record<string, Generator>>;
  readonly loader?: OneOrMore<LoaderLike>;
}

const ONE = "";
/** By name; a single one has the empty name. */
export function named<T extends object>(x: OneOrMore<T> | undefined, isOne: (x: object) => boolean): Map<string, T> {
  if (x === undefined) return new Map();
  return isOne(x) ? new Map([[ONE, x as T]]) : new Map(Object.entries(x as Record<string, T>));
}
/** The models by name. */
export const models = (p: TrainingParts): Map<string, ModelLike> => named(p.model, (x) => typeof (x as ModelLike).stateDict === "function");
/** The optimizers by name. */
export const optimizers = (p: TrainingParts): Map<string, OptimizerLike> =>
  named(p.optimizer, (x) => Array.isArray((x as OptimizerLike).paramGroups));
/** Schedulers or scalers by name. */
export const statefuls = (x: OneOrMore<Stateful> | undefined): Map<string, Stateful> =>
  named(x, (v) => typeof (v as Stateful).loadStateDict === "function");
/** The data loaders by name. */
export const loaders = (p: TrainingParts): Map<string, LoaderLike> =>
  named(p.loader, (x) => typeof (x as LoaderLike).restore === "function");

/** The names of all parameters, those of a named model with its name in front. @throws ArgumentError when there is no model but an optimizer */
export function parameterNames(p: TrainingParts): Map<Tensor, string> {
  const out = new Map<Tensor, string>();
  for (const [prefix, m] of models(p))
    for (const [name, t] of m.namedParameters()) if (!out.has(t)) out.set(t, prefix ? `${prefix}.${name}` : name);
  return out;
}

/** What a model holds under a name: a tensor, or this process's block of one. */
export const modelTensors = (p: TrainingParts): Map<string, Tensor | Shard> =>
  new Map(
    [...models(p)].flatMap(([prefix, m]) =>
      Object.entries(m.stateDict()).map(([k, t]): [string, Tensor | Shard] => [prefix ? `${prefix}.${k}` : k, t]),
    ),
  );

/** State of a parameter that is a block of a larger one is a block at the same place. */
export function likeParameter(t: Tensor, parameter: Tensor | Shard | undefined): Tensor | Shard {
  const block = parameter instanceof Shard && showShape(t.shape) === showShape(parameter.local.shape);
  return block ? new Shard(t, parameter.offset, parameter.globalShape) : t;
}

/** An optimizer as plain data: state and groups by parameter name. @throws ArgumentError for a parameter without a name */
export function optimizerState(
  op: string,
  o: OptimizerLike,
  names: Map<Tensor, string>,
  tensors: Map<string, Tensor | Shard>,
): { state: Record<string, unknown>; groups: unknown[] } {
  const nameOf = (t: Tensor): string => {
    const name = names.get(t) ?? t.label;
    if (name === undefined)
      throw new ArgumentError({
        op,
        message: `a parameter of shape ${showShape(t.shape)} of the optimizer belongs to no model given`,
        hint: "Pass the model too, or give the optimizer [name, tensor] pairs",
      });
    return name;
  };
  const groups = o.paramGroups.map(({ params, ...options }) => ({ options, params: params.map(nameOf) }));
  const state: Record<string, unknown> = {};
  for (const { params } of o.paramGroups) {
    for (const t of params) {
      const s = o.state.get(t);
      if (!s) continue;
      const name = nameOf(t);
      state[name] = Object.fromEntries(Object.entries(s).map(([k, v]) => [k, isTensor(v) ? likeParameter(v, tensors.get(name)) : v]));
    }
  }
  return { state, groups };
}

/** A tensor that the state names, not yet read. */
export interface Pending {
  readonly key: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}
/** Is it a tensor that is not yet read? */
export const isPending = (x: unknown): x is Pending => typeof x === "object" && x !== null && (x as { pending?: unknown }).pending === true;

const shapeOf = (t: Tensor | Shard): readonly number[] => (t instanceof Shard ? t.globalShape : t.shape);

/** Compares a model's keys and shapes with the saved ones, all at once. Returns what goes where. */
export function matchModel(
  name: string,
  model: ModelLike,
  saved: Record<string, unknown>,
  problems: string[],
): [Tensor | Shard, Pending][] {
  const own = model.stateDict();
  const where = name ? `model ${name}` : "the model";
  const missing = Object.keys(own).filter((k) => !isPending(saved[k]));
  const unexpected = Object.keys(saved).filter((k) => !(k in own));
  const wrong = Object.entries(own).filter(
    ([k, t]) => isPending(saved[k]) && showShape((saved[k] as Pending).shape) !== showShape(shapeOf(t)),
  );
  if (missing.length) problems.push(`${where} lacks in the file: ${missing.join(", ")}`);
  if (unexpected.length) problems.push(`the file has what ${where} has not: ${unexpected.join(", ")}`);
  for (const [k, t] of wrong)
    problems.push(`${k} is ${showShape((saved[k] as Pending).shape)} in the file, ${showShape(shapeOf(t))} in ${where}`);
  return Object.entries(own).flatMap(([k, t]): [Tensor | Shard, Pending][] => (isPending(saved[k]) ? [[t, saved[k]]] : []));
}

interface SavedOptimizer {
  state: Record<string, Record<string, unknown>>;
  groups: { options: Record<string, unknown>; params: string[] }[];
}
/** Compares an optimizer with the saved one by parameter name. Returns how to restore it, given a reader of tensors. */
export function matchOptimizer(
  name: string,
  o: OptimizerLike,
  names: Map<Tensor, string>,
  saved: SavedOptimizer,
  problems: string[],
): (read: (p: Pending, parameter: Tensor, name: string) => Promise<Tensor>) => Promise<void> {
  const where = name ? `optimizer ${name}` : "the optimizer";
  const own = o.paramGroups.map((g) => g.params.map((t) => names.get(t) ?? t.label ?? "?"));
  const known = new Set(saved.groups.flatMap((g) => g.params));
  const missing = own.flat().filter((n) => !known.has(n));
  const unexpected = [...known].filter((n) => !own.flat().includes(n));
  if (missing.length) problems.push(`${where} has parameters that the file has not: ${missing.join(", ")}`);
  if (unexpected.length) problems.push(`the file has parameters that ${where} has not: ${unexpected.join(", ")}`);
  return async (read) => {
    const fresh: [Tensor, Record<string, Tensor | number | null>][] = [];
    for (const [i, { params }] of o.paramGroups.entries()) {
      for (const [k, t] of params.entries()) {
        const s = saved.state[own[i]![k]!];
        if (!s) continue;
        const state: Record<string, Tensor | number | null> = {};
        for (const [key, v] of Object.entries(s)) state[key] = isPending(v) ? await read(v, t, own[i]![k]!) : (v as number | null);
        fresh.push([t, state]);
      }
      // The saved group that shares most parameters gives the hyper-parameters.
      const best = saved.groups
        .map((g) => ({ g, common: g.params.filter((n) => own[i]!.includes(n)).length }))
        .reduce((a, b) => (b.common > a.common ? b : a));
      if (best.common > 0) Object.assign(o.paramGroups[i]!, best.g.options);
    }
    o.state.clear();
    for (const [t, s] of fresh) o.state.set(t, s);
  };
}

/** All that does not fit as one error. */
export function misfit(file: string, problems: readonly string[]): FirebrandError {
  const facts = {
    op: "loadTrainingState",
    message: `${file}: ${problems.join("; ")}`,
    hint: "Build model and optimizer as they were when the state was saved; nothing was changed",
    data: { file, problems },
  };
  return problems.some((p) => / is \[/.test(p)) ? new ShapeError(facts) : new FormatError(facts);
}
