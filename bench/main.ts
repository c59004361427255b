// Measures beside PyTorch: each row in rounds, both in turn, so that both see the same machine; writes bench/RESULTS.md. PYTHON
// names an interpreter with PyTorch; without one only Firebrand's figures are printed.
//   npm run bench -- [--only REGEX] [--threads 1,2] [--rounds 3]
// The figure of a round is the median of its runs, that of a row the median of its rounds.
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import * as torch from "firebrand";
import { calls } from "./rows/calls.ts";
import { conv } from "./rows/conv.ts";
import { copies, indexing, pointwise, reductions, updates } from "./rows/data.ts";
import { layers } from "./rows/layers.ts";
import { matmul } from "./rows/matmul.ts";
import { models } from "./rows/models.ts";
import type { Rows } from "./rows/row.ts";

const { values: o } = parseArgs({
  options: { only: { type: "string" }, threads: { type: "string", default: "1,2" }, rounds: { type: "string", default: "3" } },
});
const only = new RegExp(o.only ?? "");
const rounds = Number(o.rounds);
const python = process.env["PYTHON"] ?? "python3";
const here = join(import.meta.dirname, "../../bench");
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const median = (xs: readonly number[]): number => xs.toSorted((a, b) => a - b)[xs.length >> 1]!;
const geometric = (xs: readonly number[]): number => Math.exp(xs.reduce((s, x) => s + Math.log(x), 0) / Math.max(1, xs.length));

/** Microseconds a call: the median of runs of at least a millisecond. */
function timed(f: () => unknown, seconds: number): number {
  const started = performance.now();
  f();
  const n = Math.max(1, Math.floor(1 / Math.max(1e-6, performance.now() - started)));
  const runs: number[] = [];
  for (let spent = 0; spent < seconds * 1000 || runs.length < 3; ) {
    const t = performance.now();
    for (let i = 0; i < n; i++) f();
    const d = performance.now() - t;
    spent += d;
    runs.push(d / n);
  }
  return median(runs) * 1000;
}

/** Calls `f` until the engine has compiled it and memory is at hand. */
function warm(f: () => unknown): void {
  const end = performance.now() + 500;
  for (let i = 0; i < 2 || (i < 20_000 && performance.now() < end); i++) f();
}

/** The other side: answers a row's name with microseconds. */
class Opponent {
  readonly version: string;
  readonly #ask: (name: string, seconds: number) => Promise<number>;
  private constructor(version: string, ask: (name: string, seconds: number) => Promise<number>) {
    this.version = version;
    this.#ask = ask;
  }
  static async start(threads: number): Promise<Opponent | null> {
    if (spawnSync(python, ["-c", "import torch"]).status !== 0) return null;
    const child = spawn(python, [join(here, "opponent.py"), String(threads)], { stdio: ["pipe", "pipe", "inherit"] });
    child.unref();
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const version = String((await lines.next()).value);
    return new Opponent(version, async (name, seconds) => {
      child.stdin.write(`${name}\t${seconds}\n`);
      return Number((await lines.next()).value);
    });
  }
  time(name: string, seconds: number): Promise<number> {
    return this.#ask(name, seconds);
  }
}

const show = (us: number): string => (us < 10 ? us.toFixed(2) : us < 1e4 ? us.toFixed(0) : `${(us / 1000).toFixed(1)} ms`);
const groups: Record<string, Rows> = {
  Models: models,
  Calls: calls,
  "Matrix products": matmul,
  "Convolutions and pooling": conv,
  "Attention, normalisation, losses, embeddings": layers,
  "Indexing, sorting, scans": indexing,
  Reductions: reductions,
  "Copies and casts": copies,
  "Element by element": pointwise,
  "Optimizers and random numbers": updates,
};
const counts = o.threads.split(",").map(Number);
const opponents = new Map<number, Opponent | null>();
for (const n of counts) opponents.set(n, await Opponent.start(n));
const version = [...opponents.values()][0]?.version;
if (version === undefined) console.log(`PyTorch is not measured: ${python} has no torch (set PYTHON)`);

const sections: string[] = [];
for (const [title, rows] of Object.entries(groups)) {
  const table: string[] = [];
  const ratios = new Map(counts.map((n) => [n, [] as number[]]));
  for (const [name, row] of Object.entries(rows)) {
    if (!only.test(name)) continue;
    const seconds = title === "Models" ? 0.5 : 0.1;
    const cells: string[] = [];
    for (const n of counts) {
      torch.setNumThreads(n);
      const f = row();
      warm(f);
      const [ours, theirs]: [number[], number[]] = [[], []];
      for (let i = 0; i < rounds; i++) {
        await pause(300); // the other's threads spin for a while after their work
        ours.push(timed(f, seconds));
        const other = opponents.get(n);
        if (other) theirs.push(await other.time(name, seconds));
      }
      const ratio = median(theirs) / median(ours);
      if (theirs.length) ratios.get(n)!.push(ratio);
      cells.push(show(median(ours)), theirs.length ? show(median(theirs)) : "–", theirs.length ? `${ratio.toFixed(2)}x` : "–");
    }
    table.push(`| ${name} | ${cells.join(" | ")} |`);
    console.log(table.at(-1));
  }
  if (table.length === 0) continue;
  const head = counts.flatMap((n) => [`Firebrand, ${n} thread${n > 1 ? "s" : ""}`, "PyTorch", "ratio"]);
  const means = counts.map((n) => `${geometric(ratios.get(n)!).toFixed(2)} with ${n} thread${n > 1 ? "s" : ""}`);
  const mean = version === undefined ? "" : `\nGeometric mean of the ratios: ${means.join(", ")}.\n`;
  sections.push(
    `## ${title}\n\n| row | ${head.join(" | ")} |\n| --- | ${head.map(() => "---:").join(" | ")} |\n${table.join("\n")}\n${mean}`,
  );
  console.log(mean);
}

if (version !== undefined && o.only === undefined) {
  const text = `# Measured beside PyTorch

\`npm run bench\`: ${cpus()[0]?.model.trim()} with ${cpus().length} processors; Node ${process.versions.node}, PyTorch ${version}.
Microseconds where nothing else is said, medians of ${rounds} rounds, both measured in turn in one run. A ratio above 1 means that Firebrand is faster.

${sections.join("\n")}`;
  writeFileSync(join(here, "RESULTS.md"), text);
  console.log("written to bench/RESULTS.md");
}
process.exit(0);
