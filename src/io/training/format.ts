// The format of a saved training state, version 1. A checkpoint is a folder `step-00000100`:
//
//   state.json           what follows, without the tensors' values
//   rank-0.safetensors   tensors under readable keys: `model.fc.weight`, `optimizer.fc.weight.exp_avg`; one file a process
//
// It appears by a rename when it is whole and on disk, so that a folder of that name is always complete.
import { FormatError } from "../../core/errors.ts";
import type { DType } from "../../core/dtype.ts";
import { numelOf } from "../../core/layout.ts";

/** What `format` says in state.json. */
export const FORMAT = "firebrand.training";
/** The version written. */
export const VERSION = 1;

/** A part of a tensor in a file: of the whole tensor without `offset`, else the block that begins there. */
export interface Part {
  readonly file: string;
  readonly key: string;
  readonly offset: readonly number[];
  readonly shape: readonly number[];
}
/** A tensor of the state: global shape, and where its parts lie. */
export interface Entry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly parts: readonly Part[];
}
/** What state.json holds. */
export interface State {
  readonly format: typeof FORMAT;
  readonly version: number;
  /** The library's version that wrote it. */
  readonly library: string;
  readonly step: number;
  /** Seconds since 1970. */
  readonly created: number;
  readonly worldSize: number;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
  readonly tensors: Readonly<Record<string, Entry>>;
  /** One tree of plain values a process; tensors stand in it by key (see tree.ts). */
  readonly values: readonly unknown[];
}

// How a state of version n becomes one of version n + 1.
const MIGRATIONS: Readonly<Record<number, (old: State) => State>> = {};

/** Checks a state and brings it to the present version. @throws FormatError */
export function parseState(text: string, file: string): State {
  const fail = (message: string, hint: string, cause?: unknown): FormatError =>
    new FormatError({ op: "loadTrainingState", message: `${file}: ${message}`, hint, data: { file }, cause });
  const damaged = "The file is damaged: load an earlier checkpoint of the folder by its path";
  let state: State;
  try {
    state = JSON.parse(text) as State;
  } catch (e) {
    throw fail("it is not JSON", damaged, e);
  }
  if (typeof state !== "object" || state === null || state.format !== FORMAT)
    throw fail(`format ${JSON.stringify(state?.format)}, expected ${FORMAT}`, "Give a folder that saveTrainingState wrote");
  if (!Number.isInteger(state.version) || state.version < 1) throw fail(`version ${String(state.version)}`, damaged);
  if (state.version > VERSION)
    throw fail(`version ${state.version} (written by Firebrand ${state.library}), this library reads up to ${VERSION}`, "Update firebrand");
  while (state.version < VERSION) state = MIGRATIONS[state.version]!(state);
  const natural = (x: unknown): boolean => Number.isSafeInteger(x) && (x as number) >= 0;
  const sizes = (x: unknown): boolean => Array.isArray(x) && x.every(natural);
  const plainName = (x: unknown): boolean => typeof x === "string" && /^[\w.-]+$/.test(x) && !x.startsWith(".");
  if (!Array.isArray(state.files) || !state.files.every((f) => plainName(f?.name) && natural(f.bytes) && typeof f.sha256 === "string"))
    throw fail("its list of files is not one", damaged);
  if (typeof state.tensors !== "object" || state.tensors === null) throw fail("it has no tensors", damaged);
  if (!Array.isArray(state.values) || state.values.length === 0 || !natural(state.step)) throw fail("it has no values", damaged);
  for (const [key, t] of Object.entries(state.tensors)) {
    const inside = (p: Part): boolean =>
      sizes(p?.offset) &&
      sizes(p.shape) &&
      p.offset.length === t.shape.length &&
      p.shape.length === t.shape.length &&
      p.offset.every((o, d) => o + p.shape[d]! <= t.shape[d]!) &&
      state.files.some((f) => f.name === p.file);
    if (!sizes(t?.shape) || !Array.isArray(t.parts) || !t.parts.every(inside))
      throw fail(`the entry of ${JSON.stringify(key)} does not fit`, damaged);
    const covered = t.parts.reduce((n: number, p: Part) => n + numelOf(p.shape), 0);
    if (covered !== numelOf(t.shape)) throw fail(`the parts of ${JSON.stringify(key)} cover ${covered} of its elements`, damaged);
  }
  return state;
}

/** The folder name of a step; `n` tells apart several saves of one step. */
export const folderName = (step: number, n: number): string => `step-${String(step).padStart(8, "0")}${n ? `-${n}` : ""}`;
/** Step and number of a folder name, or null. */
export function parseFolderName(name: string): { step: number; n: number } | null {
  const m = /^step-(\d{8,})(?:-(\d+))?$/.exec(name);
  return m && { step: Number(m[1]), n: Number(m[2] ?? 0) };
}
