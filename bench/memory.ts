// Measures memory beside PyTorch: resident bytes of processes that do the same work one after the other, so that nothing else is
// in them, on one thread each. PYTHON names an interpreter with PyTorch; without one only Firebrand's figures are printed.
//   npm run bench:memory -- [--only REGEX] [--scale 1]    (--scale 0.1 takes a tenth of the steps)
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as torch from "firebrand";
import { nn, optim } from "firebrand";
import { GPT } from "../examples/gpt/model.ts";
import { Corpus, readText } from "../examples/gpt/text.ts";

/** Resident megabytes of this process, now or at most so far, as the kernel counts them. */
const resident = (field: "VmRSS" | "VmHWM"): number =>
  Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024);

function trainer(model: GPT, batch: () => [torch.Tensor, torch.Tensor]): () => void {
  const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-3 });
  return () => {
    const loss = model.loss(...batch());
    optimizer.zeroGrad();
    loss.backward();
    nn.utils.clipGradNorm_(model.parameters(), 1);
    optimizer.step();
  };
}
const gpt = (V: number, L: number, H: number, E: number, T: number): GPT =>
  new GPT({ vocabSize: V, blockSize: T, nLayer: L, nHead: H, nEmbd: E, dropout: 0 });
const N = 2 * 1024 * 1024; // 8 MB of float32

/** A piece of work: how many steps, after which to look, and a function that makes one step. */
interface Work {
  readonly name: string;
  readonly steps: number;
  readonly marks: readonly number[];
  make(): () => void;
}
const works: Work[] = [
  {
    name: "small GPT, 20,000 steps",
    steps: 20_000,
    marks: [100, 1000, 20_000],
    make: () => {
      const ids = (): torch.Tensor => torch.randint(0, 65, [4, 16]);
      return trainer(gpt(65, 2, 2, 32, 16), () => [ids(), ids()]);
    },
  },
  {
    name: "64 x 8 MB, each dropped at once",
    steps: 200,
    marks: [20, 200],
    make: () => () => {
      let x = torch.zeros(N);
      for (let i = 0; i < 64; i++) x = x.add(1);
    },
  },
  {
    name: "64 x 8 MB, held for a step",
    steps: 200,
    marks: [20, 200],
    make: () => () => {
      const all = [torch.zeros(N)];
      for (let i = 0; i < 64; i++) all.push(all[i]!.add(1));
    },
  },
  {
    name: "64 x 8 MB, kept by a graph, then backward",
    steps: 200,
    marks: [20, 200],
    make: () => {
      const w = torch.ones(1).requiresGrad_();
      return () => {
        let x = torch.zeros(N);
        for (let i = 0; i < 64; i++) x = x.mul(w);
        x.sum().backward();
        w.grad = null;
      };
    },
  },
  {
    name: "the GPT of npm start, 300 steps",
    steps: 300,
    marks: [20, 100, 300],
    make: () => {
      const corpus = new Corpus(readText(null, 1000).text);
      const batches = new torch.Generator().manualSeed(1);
      return trainer(gpt(corpus.vocabulary.length, 4, 4, 128, 128), () => corpus.batch("train", 16, 128, batches, "cpu"));
    },
  },
];

/** What a process prints: resident megabytes at the marks, the most at any time, milliseconds a step. */
interface Figures {
  readonly marks: readonly number[];
  readonly peak: number;
  readonly ms: number;
  readonly version: string;
}
function measure(work: Work, scale: number): Figures {
  torch.setNumThreads(1);
  const step = work.make();
  const marks: number[] = [];
  const at = work.marks.map((m) => Math.max(1, Math.round(m * scale)));
  const started = performance.now();
  for (let i = 1; i <= at.at(-1)!; i++) {
    step();
    if (i === at[marks.length]) marks.push(resident("VmRSS"));
  }
  const ms = (performance.now() - started) / at.at(-1)!;
  return { marks, peak: resident("VmHWM"), ms, version: process.versions.node };
}

const { values: o } = parseArgs({
  options: { only: { type: "string" }, scale: { type: "string", default: "1" }, run: { type: "string" } },
});
const scale = Number(o.scale);
if (o.run !== undefined) {
  console.log(JSON.stringify(measure(works[Number(o.run)]!, scale)));
} else {
  const here = join(import.meta.dirname, "../../bench");
  const python = process.env["PYTHON"] ?? "python3";
  const there = spawnSync(python, ["-c", "import torch"]).status === 0;
  if (!there) console.log(`PyTorch is not measured: ${python} has no torch (set PYTHON)`);
  const child = (command: string, args: readonly string[]): Figures => {
    const out = spawnSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    if (out.status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${out.signal ?? out.status}`);
    return JSON.parse(out.stdout.trim().split("\n").at(-1)!) as Figures;
  };
  const rows: string[] = [];
  let version = "";
  const only = new RegExp(o.only ?? "");
  for (const [i, work] of works.entries()) {
    if (!only.test(work.name)) continue;
    const at = work.marks.map((m) => Math.max(1, Math.round(m * scale)));
    const ours = child(process.execPath, [fileURLToPath(import.meta.url), "--run", String(i), "--scale", String(scale)]);
    const theirs = there ? child(python, [join(here, "memory_opponent.py"), String(i), ...at.map(String)]) : null;
    version = theirs?.version ?? "";
    const marks = (f: Figures | null): string => f?.marks.map((m, k) => `${m} at ${at[k]!.toLocaleString("en")}`).join(", ") ?? "–";
    const ratio = theirs ? (theirs.peak / ours.peak).toFixed(1) : "–";
    rows.push(
      `| ${work.name} | ${marks(ours)} | ${marks(theirs)} | ${ours.peak} | ${theirs?.peak ?? "–"} | ${ratio} | ${ours.ms.toFixed(1)} | ${theirs?.ms.toFixed(1) ?? "–"} |`,
    );
    console.log(rows.at(-1));
  }
  if (there && scale === 1 && o.only === undefined) {
    writeFileSync(
      join(here, "MEMORY.md"),
      `# Memory beside PyTorch

\`npm run bench:memory\`: ${cpus()[0]?.model.trim()} with ${cpus().length} processors; Node ${process.versions.node}, PyTorch ${version}.
Resident megabytes of processes that do nothing else, on one thread, at steps of one synchronous loop and at most (\`VmHWM\`):
the runtimes themselves are in it. A ratio above 1 means that Firebrand needs less. Milliseconds a step are a by-product of the same run.

| work | Firebrand, MB at step | PyTorch, MB at step | Firebrand, peak MB | PyTorch, peak MB | ratio | Firebrand, ms | PyTorch, ms |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |
${rows.join("\n")}
`,
    );
    console.log("written to bench/MEMORY.md");
  }
}
