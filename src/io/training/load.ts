// Loading a training state: everything is compared first; only when all fits is anything changed.
import { checkOptions, need } from "../../core/arguments.ts";
import { ArgumentError, FormatError } from "../../core/errors.ts";
import { getDevice } from "../../core/device.ts";
import { noGrad } from "../../core/mode.ts";
import { defaultGenerator, type Generator } from "../../core/rng.ts";
import type { Tensor } from "../../core/tensor.ts";
import { copy_ } from "../../ops/copy.ts";
import { allocate } from "../../ops/launch.ts";
import "../../ops/methods.ts";
import { openSafetensors, type SafetensorsFile } from "../safetensors.ts";
import { decodeTree } from "../tree.ts";
import { type Entry, parseState, type State } from "./format.ts";
import {
  isPending,
  likeParameter,
  loaders,
  matchModel,
  matchOptimizer,
  misfit,
  models,
  modelTensors,
  optimizers,
  parameterNames,
  type Pending,
  statefuls,
  type TrainingParts,
} from "./parts.ts";
import { list } from "./save.ts";
import { overlap, Shard } from "./shard.ts";

/** Options of `loadTrainingState`. */
export interface LoadTrainingOptions {
  /** Compare the checksums of all files first (default true). */
  readonly verify?: boolean;
  /** This process's number, when several load together (default 0). */
  readonly rank?: number;
}
/** What `loadTrainingState` returns. */
export interface LoadedTraining<E> {
  readonly step: number;
  /** What was given as `extra`. */
  readonly extra: E;
  /** The checkpoint's folder. */
  readonly path: string;
}

type Group = Record<string, Record<string, unknown>>;

/**
 * Restores what `saveTrainingState` saved into the same parts, the newest checkpoint of `folder` (or one of them, by its own
 * path). Whatever does not fit is reported at once, and then nothing is changed.
 * @throws ArgumentError when there is none, FormatError when a file is damaged or parts differ, ShapeError when shapes do
 */
export async function loadTrainingState<E = unknown>(
  folder: string,
  parts: TrainingParts,
  options: LoadTrainingOptions = {},
): Promise<LoadedTraining<E>> {
  need("loadTrainingState", "folder: text", folder);
  need("loadTrainingState", "parts: object", parts);
  checkOptions("loadTrainingState", ["verify?: flag", "rank?: count"], options);
  const { path, state } = await find(folder);
  if (options.verify !== false) await verify(path, state);
  const rank = options.rank ?? 0;
  const pending = (key: string): unknown => {
    const e = state.tensors[key];
    if (!e) throw new FormatError({ op: "loadTrainingState", message: `${path}: the values name a tensor ${key} that is not there` });
    return { pending: true, key, dtype: e.dtype, shape: e.shape };
  };
  const value = decodeTree(state.values[rank] ?? state.values[0], pending) as Record<string, Group>;
  const part = (kind: string): Group => value[kind] ?? {};

  const problems: string[] = [];
  const both = <T>(kind: string, own: Map<string, T>): [string, T, Record<string, unknown>][] =>
    [...own].flatMap(([name, x]): [string, T, Record<string, unknown>][] => {
      const saved = part(kind)[name];
      if (saved === undefined) problems.push(`the file has no ${kind}${name ? ` ${name}` : ""}`);
      return saved ? [[name, x, saved]] : [];
    });
  const names = parameterNames(parts);
  const tensors = modelTensors(parts);
  const fills = both("model", models(parts)).flatMap(([name, m, saved]) => matchModel(name, m, saved, problems));
  const restores = both("optimizer", optimizers(parts)).map(([name, o, saved]) => matchOptimizer(name, o, names, saved as never, problems));
  const plain = [...both("scheduler", statefuls(parts.scheduler)), ...both("scaler", statefuls(parts.scaler))];
  const generators = both("generator", new Map<string, Generator>([["", defaultGenerator], ...Object.entries(parts.generators ?? {})]));
  for (const [name] of loaders(parts)) if (!(name in part("loader"))) problems.push(`the file has no loader${name ? ` ${name}` : ""}`);
  if (problems.length) throw misfit(path, problems);

  const reader = new Reader(path, state);
  try {
    for (const [target, p] of fills) await reader.into(target, p);
    for (const restore of restores)
      await restore(async (p, parameter, name) => {
        const like = likeParameter(parameter.detach(), tensors.get(name));
        const block = like instanceof Shard && String(like.globalShape) === String(p.shape);
        const out = allocate(block ? like.local.shape : p.shape, state.tensors[p.key]!.dtype, parameter.storage.device);
        await reader.into(block ? new Shard(out, like.offset, like.globalShape) : out, p);
        return out;
      });
    for (const [, s, saved] of plain) s.loadStateDict((await reader.resolve(saved)) as Record<string, unknown>);
    for (const [, g, saved] of generators) g.setState(saved as never);
    for (const [name, l] of loaders(parts)) if (part("loader")[name]) l.restore(part("loader")[name] as never);
    return { step: state.step, extra: (await reader.resolve(value["extra"])) as E, path };
  } finally {
    await reader.close();
  }
}

async function find(folder: string): Promise<{ path: string; state: State }> {
  const fs = await import("node:fs");
  const { join } = await import("node:path");
  let path = folder;
  if (!fs.existsSync(join(folder, "state.json"))) {
    const newest = fs.existsSync(folder) && fs.statSync(folder).isDirectory() ? list(fs, folder).at(-1) : undefined;
    if (!newest)
      throw new ArgumentError({
        op: "loadTrainingState",
        message: `${folder} has no checkpoint`,
        hint: "Give the folder that saveTrainingState wrote to",
      });
    path = join(folder, newest.name);
  }
  const file = join(path, "state.json");
  return { path, state: parseState(fs.readFileSync(file, "utf8"), file) };
}

async function verify(path: string, state: State): Promise<void> {
  const fs = await import("node:fs");
  const { join } = await import("node:path");
  const { createHash } = await import("node:crypto");
  for (const f of state.files) {
    const file = join(path, f.name);
    const fail = (message: string): FormatError =>
      new FormatError({
        op: "loadTrainingState",
        message: `${file}: ${message}`,
        hint: "The file was damaged after it was saved: load an earlier checkpoint of the folder by its path",
        data: { file },
      });
    if (!fs.existsSync(file)) throw fail("it is gone");
    const { size } = fs.statSync(file);
    if (size !== f.bytes) throw fail(`${size} bytes, expected ${f.bytes}`);
    const hash = createHash("sha256");
    for await (const chunk of fs.createReadStream(file, { highWaterMark: 4 << 20 })) hash.update(chunk as Uint8Array);
    if (hash.digest("hex") !== f.sha256) throw fail("its checksum is not the one recorded");
  }
}

/** Reads tensors of a checkpoint, whole or by blocks, from whichever files hold them. */
class Reader {
  readonly #path: string;
  readonly #state: State;
  readonly #files = new Map<string, SafetensorsFile>();
  constructor(path: string, state: State) {
    this.#path = path;
    this.#state = state;
  }
  async #file(name: string): Promise<SafetensorsFile> {
    const { join } = await import("node:path");
    const file = this.#files.get(name) ?? (await openSafetensors(join(this.#path, name)));
    this.#files.set(name, file);
    return file;
  }
  /** Fills a tensor, or a process's block of one, with the values under a key. */
  async into(target: Tensor | Shard, p: Pending): Promise<void> {
    const entry: Entry = this.#state.tensors[p.key]!;
    const [local, offset] = target instanceof Shard ? [target.local, target.offset] : [target, target.shape.map(() => 0)];
    for (const part of entry.parts) {
      const common = overlap({ offset, shape: local.shape }, part);
      if (!common) continue;
      const file = await this.#file(part.file);
      const whole = common.shape.every((n, d) => n === local.shape[d] && n === part.shape[d]);
      if (whole) await file.into(part.key, local);
      else {
        const block = (t: Tensor, from: readonly number[]): Tensor => common.shape.reduce((x, n, d) => x.narrow(d, from[d]!, n), t);
        const values = await file.get(part.key, { device: local.device });
        noGrad(() => copy_(block(local.detach(), common.inA), block(values, common.inB)));
      }
    }
  }
  /** A value with its tensors read. */
  async resolve(x: unknown): Promise<unknown> {
    if (isPending(x)) {
      const e = this.#state.tensors[x.key]!;
      const out = allocate(e.shape, e.dtype, getDevice("cpu"));
      await this.into(out, x);
      return out;
    }
    if (Array.isArray(x)) return Promise.all(x.map((v) => this.resolve(v)));
    if (typeof x !== "object" || x === null) return x;
    const pairs: [string, unknown][] = [];
    for (const [k, v] of Object.entries(x)) pairs.push([k, await this.resolve(v)]);
    return Object.fromEntries(pairs);
  }
  async close(): Promise<void> {
    for (const f of this.#files.values()) await f.close();
  }
}
