// Saving a training state: into a temporary folder, synced, then renamed. What was there before is never touched.
import type { Hash } from "node:crypto";
import { checkOptions, given, need } from "../../core/arguments.ts";
import { ArgumentError, ValueError } from "../../core/errors.ts";
import { defaultGenerator } from "../../core/rng.ts";
import { isTensor, type Tensor } from "../../core/tensor.ts";
import { version } from "../../core/version.ts";
import { writeSafetensors } from "../safetensorsWriter.ts";
import { type ByteSink, fileError, syncFolder, writeNew } from "../sink.ts";
import { type Checkpoint, encodeTree } from "../tree.ts";
import { type Entry, FORMAT, folderName, type Part, parseFolderName, type State, VERSION } from "./format.ts";
import { loaders, modelTensors, models, optimizers, optimizerState, parameterNames, statefuls, type TrainingParts } from "./parts.ts";
import { Shard } from "./shard.ts";

/** The processes that save together. */
export interface SaveGroup {
  readonly rank: number;
  readonly size: number;
  /** Returns when all have come here. */
  barrier(): Promise<void>;
}
/** Options of `saveTrainingState`. */
export interface SaveTrainingOptions {
  /** How many checkpoints stay, the newest ones (default 3; Infinity keeps all). */
  readonly keep?: number;
  /** Processes that save together, each its own shards and its own random state. */
  readonly group?: SaveGroup;
}

const TEMPORARY = ".saving-";
const REMOVING = ".removing-";

/** The whole state as a tree of plain values and tensors. */
function gather(parts: TrainingParts, extra: Checkpoint): object {
  const names = parameterNames(parts);
  const tensors = modelTensors(parts);
  const all = <T>(map: Map<string, T>, f: (x: T) => unknown): object => Object.fromEntries([...map].map(([k, x]) => [k, f(x)]));
  return {
    model: all(models(parts), (m) => m.stateDict()),
    optimizer: all(optimizers(parts), (o) => optimizerState("saveTrainingState", o, names, tensors)),
    scheduler: all(statefuls(parts.scheduler), (s) => s.stateDict()),
    scaler: all(statefuls(parts.scaler), (s) => s.stateDict()),
    generator: { "": defaultGenerator.getState(), ...all(new Map(Object.entries(parts.generators ?? {})), (g) => g.getState()) },
    loader: all(loaders(parts), (l) => l.state()),
    extra,
  };
}

/** A sink that also counts and hashes. */
function hashed(sink: ByteSink, hash: Hash): ByteSink & { bytes: number } {
  const out = {
    bytes: 0,
    write(b: Uint8Array): void {
      sink.write(b);
      hash.update(b);
      out.bytes += b.length;
    },
  };
  return out;
}

/**
 * Saves everything that a training run needs to go on exactly: model, optimizer (by parameter name), scheduler, scaler, random
 * generators, the loader's place, the step, and plain data of yours. Each save is a new folder `step-…` in `folder` that
 * appears when it is whole and on disk; the newest `keep` stay. Returns its path. The format is described in `format.ts`.
 * @throws FileError when the file system refuses; what was saved before is intact
 */
export async function saveTrainingState(
  folder: string,
  parts: TrainingParts & { readonly step: number; readonly extra?: Checkpoint },
  options: SaveTrainingOptions = {},
): Promise<string> {
  const op = "saveTrainingState";
  need(op, "folder: text", folder);
  need(op, "parts: object", parts);
  checkOptions(op, ["keep?: number", "group?: object"], options);
  const { step, extra } = parts;
  const keep = options.keep ?? 3;
  if (!Number.isSafeInteger(step) || step < 0)
    throw new ValueError({ op, message: `step is ${given(step)}`, hint: "It must be an integer >= 0" });
  if (!(keep >= 1)) throw new ValueError({ op, message: `keep is ${keep}`, hint: "At least one checkpoint must stay" });
  const group = options.group ?? { rank: 0, size: 1, barrier: async () => {} };
  const fs = await import("node:fs");
  const { join } = await import("node:path");
  const { createHash } = await import("node:crypto");

  // Tensors under readable keys. Whole tensors are the same everywhere: process 0 writes them.
  const mine: Record<string, Tensor> = {};
  const entries: Record<string, Entry> = {};
  const file = `rank-${group.rank}.safetensors`;
  const put = (t: Tensor | Shard, path: readonly string[]): string => {
    const base = path.filter((p) => p !== "" && p !== "state").join(".");
    let key = base;
    for (let n = 2; Object.hasOwn(entries, key); n++) key = `${base}#${n}`;
    const block = t instanceof Shard;
    const [values, shape, offset] = block ? [t.local, t.globalShape, t.offset] : [t, t.shape, t.shape.map(() => 0)];
    const part: Part = {
      file: block ? file : "rank-0.safetensors",
      key: block ? `${key}@${offset.join(",")}` : key,
      offset,
      shape: values.shape,
    };
    entries[key] = { dtype: values.dtype, shape, parts: [part] };
    if (block || group.rank === 0) mine[part.key] = values;
    return key;
  };
  const value = encodeTree<Tensor | Shard>(gather(parts, extra), put, (x) => isTensor(x) || x instanceof Shard);

  const temporary = join(folder, `${TEMPORARY}${step}-${group.size > 1 ? "group" : process.pid}`);
  try {
    if (group.rank === 0) {
      fs.mkdirSync(folder, { recursive: true });
      clean(fs, folder, join, temporary);
      fs.mkdirSync(temporary);
    }
    await group.barrier();
    const hash = createHash("sha256");
    let bytes = 0;
    await writeNew(join(temporary, file), (sink) => {
      const counted = hashed(sink, hash);
      writeSafetensors(counted, mine);
      bytes = counted.bytes;
    });
    const share = { file: { name: file, bytes, sha256: hash.digest("hex") }, entries, value };
    if (group.size > 1)
      await writeNew(join(temporary, `rank-${group.rank}.json`), (sink) => sink.write(new TextEncoder().encode(JSON.stringify(share))));
    await group.barrier();
    let path = "";
    if (group.rank === 0) {
      const shares = [share];
      for (let r = 1; r < group.size; r++)
        shares.push(JSON.parse(fs.readFileSync(join(temporary, `rank-${r}.json`), "utf8")) as typeof share);
      if (group.size > 1) for (let r = 0; r < group.size; r++) fs.rmSync(join(temporary, `rank-${r}.json`));
      const state: State = {
        format: FORMAT,
        version: VERSION,
        library: version,
        step,
        created: Math.round(Date.now() / 1000),
        worldSize: group.size,
        files: shares.map((s) => s.file),
        tensors: merged(shares.map((s) => s.entries)),
        values: shares.map((s) => s.value),
      };
      await writeNew(join(temporary, "state.json"), (sink) => sink.write(new TextEncoder().encode(JSON.stringify(state))));
      await syncFolder(temporary);
      for (let n = 0; ; n++) {
        path = join(folder, folderName(step, n));
        if (!fs.existsSync(path)) break;
      }
      fs.renameSync(temporary, path);
      await syncFolder(folder);
      for (const old of list(fs, folder).slice(0, -keep)) {
        // Deleting takes many steps: a folder that is half gone must not bear a checkpoint's name.
        const doomed = join(folder, `${REMOVING}${old.name}-${process.pid}`);
        fs.renameSync(join(folder, old.name), doomed);
        fs.rmSync(doomed, { recursive: true, force: true });
      }
    }
    await group.barrier();
    return path || join(folder, list(fs, folder).at(-1)!.name);
  } catch (e) {
    if (group.rank === 0 && fs.existsSync(temporary)) fs.rmSync(temporary, { recursive: true, force: true });
    throw fileError(op, folder, e);
  }
}

// Parts of one tensor from several processes come together; the same block saved twice (replicas) counts once.
function merged(all: readonly Record<string, Entry>[]): Record<string, Entry> {
  const out: Record<string, Entry> = {};
  for (const entries of all) {
    for (const [key, e] of Object.entries(entries)) {
      const known = out[key];
      if (!known) out[key] = e;
      else {
        const fresh = e.parts.filter((p) => !known.parts.some((k) => String(k.offset) === String(p.offset)));
        out[key] = { ...known, parts: [...known.parts, ...fresh] };
      }
    }
  }
  return out;
}

/** The complete checkpoints of a folder, oldest first. */
export function list(fs: typeof import("node:fs"), folder: string): { name: string; step: number; n: number }[] {
  return fs
    .readdirSync(folder)
    .flatMap((name) => {
      const at = parseFolderName(name);
      return at ? [{ name, ...at }] : [];
    })
    .sort((a, b) => a.step - b.step || a.n - b.n);
}

// What a killed process left half-written goes at the next save, unless that process still runs.
function clean(fs: typeof import("node:fs"), folder: string, join: (...p: string[]) => string, own: string): void {
  const alive = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return pid !== process.pid;
    } catch {
      return false;
    }
  };
  for (const name of fs.readdirSync(folder)) {
    const path = join(folder, name);
    const ours = name.startsWith(TEMPORARY) || name.startsWith(REMOVING);
    if (ours && (path === own || !alive(Number(name.split("-").at(-1))))) fs.rmSync(path, { recursive: true, force: true });
  }
}

/** The checkpoints of a folder, oldest first. @throws ArgumentError when there is no such folder */
export async function listTrainingStates(folder: string): Promise<{ path: string; step: number }[]> {
  need("listTrainingStates", "folder: text", folder);
  const fs = await import("node:fs");
  const { join } = await import("node:path");
  if (!fs.existsSync(folder) || !fs.statSync(folder).isDirectory())
    throw new ArgumentError({
      op: "listTrainingStates",
      message: `there is no folder ${folder}`,
      hint: "Give the folder that saveTrainingState wrote to",
    });
  return list(fs, folder).map(({ name, step }) => ({ path: join(folder, name), step }));
}
