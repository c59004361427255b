// `firebrand verify FILE`: reads everything and compares what checksums there are.
import { isFloating } from "../core/dtype.ts";
import { ArgumentError, FirebrandError } from "../core/errors.ts";
import { listTrainingStates, loadTrainingState } from "../io/index.ts";
import { type Command, parse } from "./command.ts";
import { openFile, values } from "./files.ts";
import { count, size } from "./table.ts";

const usage = "verify FILE [--json]";

interface Result {
  readonly path: string;
  readonly ok: boolean;
  readonly tensors?: number;
  readonly bytes?: number;
  /** Names of tensors with NaN or infinite values. */
  readonly notFinite?: readonly string[];
  readonly error?: string;
}

/** Reads every tensor of a file, or every training state of a folder; exit code 1 when something is damaged. */
export const verify: Command = {
  name: "verify",
  usage,
  summary: "read a file whole, compare checksums, find what is not finite",
  help: `  --json  print the result as JSON
Of a folder of training states every state is verified. The exit code is 0 when all is well, 1 when something is damaged.`,
  async run(args, print) {
    const { values: o, positionals } = parse(usage, args, { json: { type: "boolean" } }, 1);
    const path = positionals[0]!;
    const states = await trainingStates(path);
    const results: Result[] = [];
    for (const p of states.length ? states : [path]) {
      try {
        results.push({ path: p, ok: true, ...(states.length ? await state(p) : await file(p)) });
      } catch (e) {
        if (!(e instanceof FirebrandError) || e instanceof ArgumentError) throw e;
        results.push({ path: p, ok: false, error: e.message });
      }
    }
    if (o.json) print(JSON.stringify(results, null, 2));
    else
      for (const r of results) {
        const what = r.tensors === undefined ? "" : `, ${count(r.tensors)} tensors, ${size(r.bytes!)}`;
        print(r.ok ? `${r.path}: ok${what}` : `${r.path}: damaged\n  ${r.error}`);
        if (r.notFinite?.length) print(`  NaN or infinite values in ${r.notFinite.join(", ")}`);
      }
    return results.every((r) => r.ok) ? 0 : 1;
  },
};

async function trainingStates(path: string): Promise<string[]> {
  const fs = await import("node:fs");
  const { join } = await import("node:path");
  if (!fs.existsSync(path) || !fs.statSync(path).isDirectory()) return [];
  return fs.existsSync(join(path, "state.json")) ? [path] : (await listTrainingStates(path)).map((s) => s.path);
}
// Loading compares the checksums; without parts nothing else happens.
async function state(path: string): Promise<object> {
  await loadTrainingState(path, {});
  return {};
}
async function file(path: string): Promise<Pick<Result, "tensors" | "bytes" | "notFinite">> {
  const f = await openFile(path, { verify: true });
  try {
    let bytes = 0;
    const notFinite: string[] = [];
    for (const [name, t] of f.tensors) {
      const v = await values(t);
      bytes += t.nbytes;
      if (isFloating(v.dtype) && !v.isfinite().all().itemSync<boolean>()) notFinite.push(name);
    }
    return { tensors: f.tensors.size, bytes, notFinite };
  } finally {
    await f.close();
  }
}
