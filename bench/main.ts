// Measures beside PyTorch: each row in rounds, both in turn, so that both see the same machine; writes bench/RESULTS.md. PYTHON
// names an interpreter with PyTorch; without one only Firebrand's figures are printed.
//   npm run bench -- [--only REGEX] [--threads 1,2] [--rounds 3]
// The figure of a round is the median of its runs, that of a row the median of its rounds.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as torch from "firebrand";
import { Opponent } from "./opponent.ts";
import { calls } from "./rows/calls.ts";
import { conv } from "./rows/conv.ts";
import { copies, indexing, pointwise, reductions, updates } from "./rows/data.ts";
import { layers } from "./rows/layers.ts";
import { matmul } from "./rows/matmul.ts";
import { models } from "./rows/models.ts";
import type { Rows } from "./rows/row.ts";
import { geometric, median, pause, show, table, threads, timed, warm } from "./timing.ts";

const { values: o } = parseArgs({
  options: { only: { type: "string" }, threads: { type: "string", default: "1,2" }, rounds: { type: "string", default: "3" } },
});
const only = new RegExp(o.only ?? "");
const rounds = Number(o.rounds);
const python = process.env["PYTHON"] ?? "python3";
const here = join(import.meta.dirname, "../../bench");
const opponentOf = async (n: number): Promise<Opponent | null> =>
  spawnSync(python, ["-c", "import torch"]).status === 0 ? Opponent.start(python, [join(here, "opponent.py"), String(n)]) : null;

const groups: Record<string, Rows> = {
  Calls: calls,
  Models: models,
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
for (const n of counts) opponents.set(n, await opponentOf(n));
const version = [...opponents.values()][0]?.version;
if (version === undefined) console.log(`PyTorch is not measured: ${python} has no torch (set PYTHON)`);

const sections: string[] = [];
for (const [title, rows] of Object.entries(groups)) {
  const lines: string[][] = [];
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
    lines.push([name, ...cells]);
    console.log(`| ${lines.at(-1)!.join(" | ")} |`);
  }
  if (lines.length === 0) continue;
  const head = counts.flatMap((n) => [`Firebrand, ${threads(n)}`, "PyTorch", "ratio"]);
  const means = counts.map((n) => `${geometric(ratios.get(n)!).toFixed(2)} with ${threads(n)}`);
  const mean = version === undefined ? "" : `\nGeometric mean of the ratios: ${means.join(", ")}.\n`;
  sections.push(`## ${title}\n\n${table(["row", ...head], lines)}\n${mean}`);
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
