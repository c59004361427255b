// Loading files of 2 GB of every kind beside the libraries that PYTHON has: fresh processes in turn, the best time of each and the most memory that
// one had (Linux); writes bench/FILES.md. `npm run bench:files -- [gigabytes] [rounds] [kinds, semicolons between them]`
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "firebrand";

/** The most memory this process has had, in bytes; NaN where the system does not tell. */
const peak = (): number => {
  if (!existsSync("/proc/self/status")) return Number.NaN;
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? Number.NaN);
};

interface Measured {
  readonly version: string;
  /** Seconds until the call is back, and until a value of every page has been read. */
  readonly loaded: number;
  readonly ready: number;
  /** Bytes above those of an idle process. */
  readonly memory: number;
}
interface Kind {
  readonly name: string;
  readonly end: string;
  /** What loads it in Python. */
  readonly theirs: string;
  readonly make: (gigabytes: number, path: string) => Promise<void>;
}

const MB = 1 << 20;
const SIZES: Readonly<Record<string, number>> = { uint8: 1, float16: 2, float32: 4 };
type Weights = Record<string, torch.Tensor | torch.io.QuantizedTensor>;
/** Matrices of 64 MB, and small vectors between them, as models have them. */
function model(gigabytes: number, matrix: (i: number) => Weights[string], vector: () => torch.Tensor): Weights {
  const layers = Math.max(1, Math.round((gigabytes * 1024) / 64));
  return Object.fromEntries(
    Array.from({ length: layers }, (_, i) => [
      [`layers.${i}.weight`, matrix(i)],
      [`layers.${i}.bias`, vector()],
    ]).flat() as [string, Weights[string]][],
  );
}
const floats = (gigabytes: number): Record<string, torch.Tensor> =>
  model(
    gigabytes,
    (i) => torch.full([4096, 4096], i, { dtype: "float32" }),
    () => torch.zeros(4096),
  ) as Record<string, torch.Tensor>;
const half = (gigabytes: number): Weights =>
  model(
    gigabytes,
    (i) => torch.full([4096, 8192], i, { dtype: "float16" }),
    () => torch.zeros(4096),
  );
// Blocks of 34 bytes for 32 values.
const quantised = (gigabytes: number): Weights =>
  model(
    gigabytes,
    (i) => new torch.io.QuantizedTensor("Q8_0", [4096, 15360], torch.full([4096, 16320], i, { dtype: "uint8" })),
    () => torch.zeros(4096),
  );
const npy = (gigabytes: number, path: string): Promise<void> => torch.io.saveNpy(torch.ones(Math.round((gigabytes * 1024 * MB) / 4)), path);
const kinds: readonly Kind[] = [
  { name: "pt", end: ".pt", theirs: "torch.load", make: (gb, path) => torch.save(floats(gb), path) },
  { name: "pt, mapped", end: ".pt", theirs: "torch.load(mmap=True)", make: (gb, path) => torch.save(floats(gb), path) },
  {
    name: "safetensors",
    end: ".safetensors",
    theirs: "safetensors.torch.load of the bytes",
    make: (gb, path) => torch.save(floats(gb), path),
  },
  {
    name: "safetensors, mapped",
    end: ".safetensors",
    theirs: "safetensors.torch.load_file, which maps",
    make: (gb, path) => torch.save(floats(gb), path),
  },
  { name: "gguf-f16", end: ".gguf", theirs: "gguf.GGUFReader and np.array", make: (gb, path) => torch.io.saveGguf(half(gb), path) },
  { name: "gguf-f16, mapped", end: ".gguf", theirs: "gguf.GGUFReader, which maps", make: (gb, path) => torch.io.saveGguf(half(gb), path) },
  { name: "gguf-q8_0", end: ".gguf", theirs: "gguf.GGUFReader and np.array", make: (gb, path) => torch.io.saveGguf(quantised(gb), path) },
  {
    name: "gguf-q8_0, mapped",
    end: ".gguf",
    theirs: "gguf.GGUFReader, which maps",
    make: (gb, path) => torch.io.saveGguf(quantised(gb), path),
  },
  { name: "npz", end: ".npz", theirs: "numpy.load, every array", make: (gb, path) => torch.save(floats(gb), path) },
  { name: "npy", end: ".npy", theirs: "numpy.load", make: npy },
  { name: "npy, mapped", end: ".npy", theirs: 'numpy.load(mmap_mode="c")', make: npy },
];
const isMapped = (kind: string): boolean => kind.endsWith(", mapped");

const python = process.env["PYTHON"] ?? "python3";
const here = join(import.meta.dirname, "../../bench");

/** What a fresh process of ours does. */
async function child(mmap: boolean, path: string): Promise<Measured> {
  torch.ones(10); // the library is awake
  spawnSync(python, [join(here, "touch_memory.py"), String(statSync(path).size)]);
  const base = peak();
  const start = performance.now();
  const passed = (): number => (performance.now() - start) / 1000;
  const state = await torch.load<Weights | torch.Tensor>(path, { mmap });
  const loaded = passed();
  for (const t of torch.isTensor(state) ? [state] : Object.values(state)) {
    const plain = t instanceof torch.io.QuantizedTensor ? t.bytes : t;
    plain
      .view(-1)
      .index(torch.slice(0, null, 4096 / SIZES[plain.dtype]!))
      .max();
  }
  const ready = passed();
  return { version: process.versions.node, loaded, ready, memory: peak() - base };
}

if (process.argv[2] === "--child") {
  console.log(JSON.stringify(await child(process.argv[3] === "mapped", process.argv[4]!)));
  process.exit(0);
}
const gigabytes = Number(process.argv[2] ?? 2);
const rounds = Number(process.argv[3] ?? 5);
const only = process.argv[4]?.split(";") ?? kinds.map((k) => k.name);
const there = spawnSync(python, ["-c", "import torch, numpy"]).status === 0;
if (!there) console.log(`${python} has no PyTorch (set PYTHON): Firebrand alone`);
const best = (list: readonly Measured[], what: "loaded" | "ready"): number => Math.min(...list.map((m) => m[what]));
const most = (list: readonly Measured[]): number => Math.max(...list.map((m) => m.memory));

const rows: string[] = [];
const versions = new Map<string, string>();
const folder = mkdtempSync(join(tmpdir(), "firebrand-bench-"));
try {
  for (const kind of kinds.filter((k) => only.includes(k.name))) {
    const path = join(folder, `large${kind.end}`);
    await kind.make(gigabytes, path);
    const bytes = statSync(path).size;
    const run = (command: string, args: readonly string[]): Measured | null => {
      const out = spawnSync(command, [...args, path], { encoding: "utf8" });
      if (out.status !== 0) throw new Error(out.stderr);
      return JSON.parse(out.stdout.trim().split("\n").at(-1)!) as Measured | null;
    };
    const [ours, theirs]: [Measured[], Measured[]] = [[], []];
    for (let i = 0; i < rounds; i++) {
      ours.push(run(process.execPath, [import.meta.filename, "--child", isMapped(kind.name) ? "mapped" : "read"])!);
      const other = there ? run(python, [join(here, "files_opponent.py"), kind.name]) : null;
      if (other) theirs.push(other);
    }
    rmSync(path);
    if (theirs.length > 0) versions.set(kind.theirs.split(/[. ]/)[0]!, theirs[0]!.version);
    const of = (list: Measured[]): string[] =>
      list.length === 0
        ? ["–", "–", "–"]
        : [best(list, "loaded").toFixed(2), best(list, "ready").toFixed(2), (most(list) / bytes).toFixed(3)];
    const ratio = theirs.length > 0 ? `${(best(theirs, "ready") / best(ours, "ready")).toFixed(2)}x` : "–";
    rows.push(
      `| ${kind.name}, ${(bytes / MB / 1024).toFixed(2)} GB | ${of(ours).join(" | ")} | ${kind.theirs} | ${of(theirs).join(" | ")} | ${ratio} |`,
    );
    console.log(rows.at(-1));
    if (most(ours) / bytes > 1.1) {
      console.log(`memory: ${(most(ours) / bytes).toFixed(3)} x the file, at most 1.1 allowed`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
if (there && only.length === kinds.length) {
  const others = [...versions].map(([name, v]) => `${name} ${v}`).join(", ");
  writeFileSync(
    join(here, "FILES.md"),
    `# Large files beside PyTorch, safetensors, gguf and NumPy

\`npm run bench:files\`: ${cpus()[0]?.model.trim()} with ${cpus().length} processors; Node ${process.versions.node}, ${others}.
Fresh processes in turn, warm page cache, free memory touched before (hypervisors take it back otherwise); seconds are the best of ${rounds} rounds, memory the most above an idle process, as part of the file's size.
"Loaded" is when the call is back, "ready" when a value of every page has been read: a library that maps the file has read nothing before. A ratio
above 1 means that Firebrand is ready first. Where a row does not say that both map the file, Firebrand reads it (\`{ mmap: false }\`); \`load\` maps
safetensors and GGUF files unless told otherwise.

| file | Firebrand: loaded | ready | memory | beside | loaded | ready | memory | ratio |
| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |
${rows.join("\n")}
`,
  );
  console.log("written to bench/FILES.md");
}
