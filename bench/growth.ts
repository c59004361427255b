// How the cost of training grows, and what the training rows of bench/rows/models.ts take of memory, beside PyTorch: every point is
// a process of its own, since a process's peak never falls. Writes bench/GROWTH.md. PYTHON names an interpreter with PyTorch.
//   npm run bench:growth -- [--threads 2]
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as torch from "firebrand";
import { language, models } from "./rows/models.ts";
import { show, table, timed } from "./timing.ts";

const { values: o } = parseArgs({ options: { point: { type: "string" }, threads: { type: "string", default: "2" } } });
const here = join(import.meta.dirname, "../../bench");
const python = process.env["PYTHON"] ?? "python3";

/** Resident megabytes of this process, now or at most so far, as the kernel counts them. */
const resident = (field: "VmRSS" | "VmHWM"): number =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024;

if (o.point !== undefined) {
  torch.setNumThreads(Number(o.threads));
  torch.ones(1).add(1);
  const before = resident("VmRSS");
  const sizes = o.point.split(" ").map(Number) as [number, number, number, number, number, number];
  const step = Number.isNaN(sizes[0]) ? models[o.point]!() : language(...sizes)();
  // The engine compiles what runs often; a step of a long run is what counts.
  for (let i = 0, end = performance.now() + 2000; i < 3 || (i < 100 && performance.now() < end); i++) step();
  const us = timed(step, 1);
  console.log(`${us} ${resident("VmHWM")} ${before}`);
  process.exit(0);
}

/** Microseconds a step, peak megabytes, and those of the library before it works. */
type Point = readonly [us: number, peak: number, idle: number];
const run = (command: string, args: string[]): Point | null => {
  const out = spawnSync(command, args, { encoding: "utf8" });
  if (out.status !== 0) return null;
  return out.stdout.trim().split("\n").at(-1)!.split(" ").map(Number) as unknown as Point;
};
const ours = (point: string): Point => run(process.execPath, [fileURLToPath(import.meta.url), "--threads", o.threads, "--point", point])!;
const theirs = (point: string): Point | null => run(python, [join(here, "growth_opponent.py"), o.threads, point]);
const version = spawnSync(python, ["-c", "import torch; print(torch.__version__)"], { encoding: "utf8" });
if (version.status !== 0) console.log(`PyTorch is not measured: ${python} has no torch (set PYTHON)`);
const beside = (point: string): Point | null => (version.status === 0 ? theirs(point) : null);

// The slope of a line through the logarithms: 1 is linear, 2 quadratic.
function exponent(xs: readonly number[], ys: readonly number[]): string {
  const [u, v] = [xs.map(Math.log), ys.map(Math.log)];
  const [mu, mv] = [u, v].map((a) => a.reduce((s, x) => s + x, 0) / a.length) as [number, number];
  const slope = u.reduce((s, x, i) => s + (x - mu) * (v[i]! - mv), 0) / u.reduce((s, x) => s + (x - mu) ** 2, 0);
  return slope.toFixed(2);
}
const working = (p: Point): number => Math.max(1, p[1] - p[2]);
const mb = (x: number): string => x.toFixed(0);

const head = ["", "Firebrand", "PyTorch", "ratio", "Firebrand, MB", "PyTorch, MB"];
const sections: string[] = [];
/** Vocabulary, layers, heads, width, context, batch. */
const series: Record<string, { values: number[]; sizes: (x: number) => number[]; x: (value: number) => number }> = {
  "context length (4 layers, width 128, batch 1)": {
    values: [128, 256, 512, 1024, 2048, 4096],
    sizes: (t) => [65, 4, 4, 128, t, 1],
    x: (t) => t,
  },
  "batch (4 layers, width 128, context 128)": { values: [1, 2, 4, 8, 16, 32], sizes: (b) => [65, 4, 4, 128, 128, b], x: (b) => b },
  "parameters (4 layers, context 128, batch 4; the row is the width)": {
    values: [64, 128, 256, 512, 1024],
    sizes: (e) => [65, 4, 4, e, 128, 4],
    x: (e) => 4 * 12 * e * e + 65 * e + 128 * e,
  },
};
for (const [title, s] of Object.entries(series)) {
  const points = s.values.map((v) => {
    const point = s.sizes(v).join(" ");
    const [a, b] = [ours(point), beside(point)];
    console.log(`${title}: ${v}: ${show(a[0])}, ${mb(working(a))} MB${b ? `; PyTorch ${show(b[0])}, ${mb(working(b))} MB` : ""}`);
    return { v, a, b };
  });
  const line = ({ v, a, b }: (typeof points)[number]): string[] => [
    String(v),
    show(a[0]),
    b ? show(b[0]) : "–",
    b ? `${(b[0] / a[0]).toFixed(2)}x` : "–",
    mb(working(a)),
    b ? mb(working(b)) : "–",
  ];
  const xs = points.map((p) => s.x(p.v));
  const of = (f: (p: Point) => number, who: "a" | "b"): string =>
    points.every((p) => p[who])
      ? exponent(
          xs,
          points.map((p) => f(p[who]!)),
        )
      : "–";
  const last = ["exponent", of((p) => p[0], "a"), of((p) => p[0], "b"), "", of(working, "a"), of(working, "b")];
  sections.push(`## A training step of a GPT against ${title}\n\n${table(head, [...points.map(line), last])}`);
}
const rows = Object.keys(models)
  .filter((name) => name.startsWith("train"))
  .map((name) => {
    const [a, b] = [ours(name), beside(name)];
    console.log(`${name}: ${mb(a[1])} MB${b ? `, PyTorch ${mb(b[1])} MB` : ""}`);
    return [name, mb(a[1]), b ? mb(b[1]) : "–", b ? `${(a[1] / b[1]).toFixed(2)}x` : "–"];
  });
sections.push(`## Peak memory of whole processes\n\n${table(["row", "Firebrand, MB", "PyTorch, MB", "ours / theirs"], rows)}`);
if (version.status === 0) {
  writeFileSync(
    join(here, "GROWTH.md"),
    `# How cost grows

\`npm run bench:growth\`: ${cpus()[0]?.model.trim()} with ${cpus().length} processors, ${o.threads} threads; Node ${process.versions.node}, PyTorch ${version.stdout.trim()}.
Steps are forward, loss, backward, clipping and AdamW, microseconds where nothing else is said. Megabytes are the peak resident memory, in the
first tables less what the process held before it made the model. The exponent is the slope of a line through the logarithms.

${sections.join("\n\n")}
`,
  );
  console.log("written to bench/GROWTH.md");
}
