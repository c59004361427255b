// Loading and saving a file of 2 GB, beside PyTorch where PYTHON has it: the best time of several fresh processes each, taken in turn, and
// the most memory that a process had (Linux). `npm run bench:files -- [gigabytes] [rounds]`
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "firebrand";

const MB = 1 << 20;
/** The most memory this process has had, in bytes; NaN where the system does not tell. */
const peak = (): number => {
  if (!existsSync("/proc/self/status")) return Number.NaN;
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? Number.NaN);
};

const PYTHON = `
import json, sys, time
import torch
def peak():
    return 1024 * int([l for l in open("/proc/self/status") if "VmHWM" in l][0].split()[1])
base = peak()
t = time.perf_counter()
x = torch.load(sys.argv[1], weights_only=True)
load = time.perf_counter() - t
most = peak() - base
t = time.perf_counter()
torch.save(x, sys.argv[2])
print(json.dumps({"load": load, "save": time.perf_counter() - t, "memory": most}))
`;

interface Measured {
  /** Seconds. */
  readonly load: number;
  readonly save: number;
  /** Bytes above those of an idle process. */
  readonly memory: number;
}

if (process.argv[2] === "--child") {
  torch.ones(10); // the library is awake
  const base = peak();
  const [path, copy] = process.argv.slice(3) as [string, string];
  let t = performance.now();
  const x = await torch.io.load(path);
  const load = (performance.now() - t) / 1000;
  const memory = peak() - base;
  t = performance.now();
  await torch.io.save(x, copy);
  console.log(JSON.stringify({ load, save: (performance.now() - t) / 1000, memory } satisfies Measured));
} else {
  const gigabytes = Number(process.argv[2] ?? 2);
  const rounds = Number(process.argv[3] ?? 5);
  const folder = mkdtempSync(join(tmpdir(), "firebrand-bench-"));
  try {
    const path = join(folder, "large.pt");
    // 64 MB each, and small ones as models have them.
    const big = Math.round((gigabytes * 1024) / 64);
    const state: Record<string, torch.Tensor> = {};
    for (let i = 0; i < big; i++) {
      state[`layers.${i}.weight`] = torch.full([4096, 4096], i, { dtype: "float32" });
      state[`layers.${i}.bias`] = torch.zeros(4096);
    }
    await torch.io.save(state, path);
    const bytes = statSync(path).size;
    const python = process.env["PYTHON"] ?? "python3";
    const other = spawnSync(python, ["-c", "import torch"]).status === 0;
    if (!other) console.log(`${python} has no PyTorch (set PYTHON): Firebrand alone`);
    const all: Record<string, Measured[]> = { Firebrand: [], ...(other && { PyTorch: [] }) };
    for (let i = 0; i < rounds; i++)
      for (const [name, list] of Object.entries(all)) {
        const copy = join(folder, "copy.pt");
        const [command, args] =
          name === "PyTorch" ? [python, ["-c", PYTHON, path, copy]] : [process.execPath, [import.meta.filename, "--child", path, copy]];
        const out = spawnSync(command, args, { encoding: "utf8" });
        if (out.status !== 0) throw new Error(out.stderr);
        list.push(JSON.parse(out.stdout.trim().split("\n").at(-1)!) as Measured);
        rmSync(copy);
      }
    console.log(`${(bytes / MB / 1024).toFixed(2)} GB in ${Object.keys(state).length} tensors, the best of ${rounds}`);
    const best = (list: Measured[], what: keyof Measured): number => Math.min(...list.map((m) => m[what]));
    for (const [name, list] of Object.entries(all))
      console.log(
        `${name.padEnd(10)} load ${best(list, "load").toFixed(2)} s, save ${best(list, "save").toFixed(2)} s, ` +
          `memory ${(Math.max(...list.map((m) => m.memory)) / bytes).toFixed(3)} x the file`,
      );
    if (other) console.log(`load ${(best(all["PyTorch"]!, "load") / best(all["Firebrand"]!, "load")).toFixed(2)} x as fast as PyTorch`);
    const most = Math.max(...all["Firebrand"]!.map((m) => m.memory)) / bytes;
    if (most > 1.1) {
      console.log(`memory: ${most.toFixed(3)} x the file, at most 1.1 allowed`);
      process.exitCode = 1;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
