// Measures beside PyTorch, row by row in turn, so that both see the same machine; writes bench/RESULTS.md. PYTHON names an
// interpreter with PyTorch; without one only Firebrand's figures are printed. Each figure is the best of many short runs.
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as torch from "firebrand";
import { nn } from "firebrand";

const F = nn.functional;
const r = (...shape: number[]): torch.Tensor => torch.randn(shape);
type Row = () => () => unknown;
const small = torch.ones(16);
const p = torch.ones(16).requiresGrad_();
const with2 =
  (make: () => [torch.Tensor, torch.Tensor], f: (a: torch.Tensor, b: torch.Tensor) => unknown): Row =>
  () => {
    const [a, b] = make();
    return () => f(a, b);
  };
const rows: Record<string, Row> = {
  "add 16": () => () => small.add(small),
  "add 16, recorded": () => () => p.add(small),
  "(p * b).sum().backward(), 16": () => () => p.mul(small).sum().backward(),
  "view 16": () => () => small.view([4, 4]),
  ...Object.fromEntries(
    [256, 512, 1024, 2048].map((n) => [
      `matmul ${n}`,
      with2(
        () => [r(n, n), r(n, n)],
        (a, b) => a.matmul(b),
      ),
    ]),
  ),
  "matmul 512x768x3072, weight transposed": with2(
    () => [r(512, 768), r(3072, 768)],
    (x, w) => x.matmul(w.t()),
  ),
  "vector times 3072x768, transposed": with2(
    () => [r(1, 768), r(3072, 768)],
    (x, w) => x.matmul(w.t()),
  ),
  "vector times 768x3072": with2(
    () => [r(1, 768), r(768, 3072)],
    (x, w) => x.matmul(w),
  ),
  "softmax 512x1024": with2(
    () => [r(512, 1024), small],
    (x) => x.softmax(-1),
  ),
  "layer norm 512x768": with2(
    () => [r(512, 768), r(768)],
    (x, w) => F.layerNorm(x, [768], w, w),
  ),
  "gelu 256K": with2(
    () => [r(1 << 18), small],
    (x) => F.gelu(x),
  ),
  "exp 1M": with2(
    () => [r(1 << 20), small],
    (x) => x.exp(),
  ),
  "add 1M": with2(
    () => [r(1 << 20), r(1 << 20)],
    (a, b) => a.add(b),
  ),
  "sum 1M": with2(
    () => [r(1 << 20), small],
    (x) => x.sum(),
  ),
  "sum over rows 1024x1024": with2(
    () => [r(1024, 1024), small],
    (x) => x.sum(0),
  ),
  "transpose copy 1024": with2(
    () => [r(1024, 1024), small],
    (x) => x.t().contiguous(),
  ),
  "conv 3x3 64 channels 56x56, batch 4": with2(
    () => [r(4, 64, 56, 56), r(64, 64, 3, 3)],
    (x, w) => F.conv2d(x, w, null, { padding: 1 }),
  ),
  "causal attention 4x8x256x64": () => {
    const [q, k, v] = [r(4, 8, 256, 64), r(4, 8, 256, 64), r(4, 8, 256, 64)];
    return () => F.scaledDotProductAttention(q, k, v, { isCausal: true });
  },
  "cross-entropy 2048x1024": with2(
    () => [r(2048, 1024), torch.randint(0, 1024, [2048])],
    (x, t) => F.crossEntropy(x, t),
  ),
};

function timed(row: Row, seconds = 0.25): number {
  const f = row();
  for (let i = 0; i < 2000; i++) {
    const t = performance.now();
    f();
    if (performance.now() - t > 0.2) break;
  }
  let best = Number.POSITIVE_INFINITY;
  for (let spent = 0; spent < seconds * 1000; ) {
    const n = best > 1 ? 1 : Math.max(1, Math.floor(2 / best));
    const t = performance.now();
    for (let i = 0; i < n; i++) f();
    const d = performance.now() - t;
    spent += d;
    best = Math.min(best, d / n);
  }
  return best * 1000;
}

const python = process.env["PYTHON"] ?? "python3";
const threads = torch.getNumThreads();
const there = spawnSync(python, ["-c", "import torch"]).status === 0;
if (!there) console.log(`PyTorch is not measured: ${python} has no torch (set PYTHON)`);
const child = there
  ? spawn(python, [join(import.meta.dirname, "../../bench/opponent.py"), String(threads)], { stdio: ["pipe", "pipe", "inherit"] })
  : null;
const lines = child && createInterface({ input: child.stdout })[Symbol.asyncIterator]();
const version = lines ? String((await lines.next()).value) : "not installed";

const table: string[] = [];
const ratios: number[] = [];
for (const [name, row] of Object.entries(rows)) {
  await new Promise((done) => setTimeout(done, 500)); // the other's threads spin for a while after their work
  const ours = timed(row);
  await new Promise((done) => setTimeout(done, 50));
  let theirs = Number.NaN;
  if (child && lines) {
    child.stdin.write(`${name}\n`);
    theirs = Number((await lines.next()).value);
    ratios.push(theirs / ours);
  }
  const show = (us: number): string => (us < 10 ? us.toFixed(2) : us.toFixed(0));
  table.push(
    `| ${name} | ${show(ours)} | ${Number.isNaN(theirs) ? "–" : show(theirs)} | ${Number.isNaN(theirs) ? "–" : `${(theirs / ours).toFixed(2)}x`} |`,
  );
  console.log(table.at(-1));
}
child?.stdin.end();
const mean = Math.exp(ratios.reduce((s, x) => s + Math.log(x), 0) / Math.max(1, ratios.length));
if (ratios.length) {
  const text = `# Measured beside PyTorch

\`npm run bench\`: ${cpus()[0]?.model.trim()} with ${cpus().length} processors, ${threads} threads each; Node ${process.versions.node}, PyTorch ${version}.
Microseconds, the best of many short runs, both measured in turn in one run. A ratio above 1 means that Firebrand is faster.

| row | Firebrand | PyTorch | ratio |
| --- | ---: | ---: | ---: |
${table.join("\n")}

Geometric mean of the ratios: ${mean.toFixed(2)}.
`;
  writeFileSync(join(import.meta.dirname, "../../bench/RESULTS.md"), text);
  console.log(`geometric mean ${mean.toFixed(2)}; written to bench/RESULTS.md`);
}
