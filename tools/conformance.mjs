// `npm run conformance [-- options]`: PyTorch's own test cases, recorded, run through test/conformance/adapter.mjs.
// Without options: all cases of first priority in every dtype. Every check that fails must be in test/conformance/known.json
// with its reason, and every entry there must still fail; docs/conformance.md is written (with `--check`: must be current).
// `--all` runs all cases; the runner's own options (--only, --dtypes, --id, …) select some. Both only print.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { root, setup } from "./setup.mjs";

const cases = process.env.FIREBRAND_CONFORMANCE ?? join(root, "..", "shared", "conformance");
if (!existsSync(join(cases, "runner", "run.mjs"))) {
  console.log(`skipped: no conformance cases at ${cases} (set FIREBRAND_CONFORMANCE)`);
  process.exit(0);
}
await setup();
const read = (...path) => JSON.parse(readFileSync(join(...path), "utf8"));
const groups = read(root, "test", "conformance", "p0.json");
const known = read(root, "test", "conformance", "known.json");
const own = new Set(["--all", "--check"]);
const options = process.argv.slice(2).filter((a) => !own.has(a));
const whole = !process.argv.includes("--all") && options.length === 0;

const escape = (s) => s.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const first =
  process.argv.includes("--all") || options.includes("--only")
    ? []
    : ["--only", `^(${Object.values(groups).flat().map(escape).join("|")})$`];
const work = mkdtempSync(join(tmpdir(), "firebrand-conformance-"));
const args = [
  "--adapter",
  join(root, "test", "conformance", "adapter.mjs"),
  "--timeout",
  "20000",
  "--verbose",
  "--report",
  join(work, "report.json"),
];
const jobs = ["--jobs", String(Math.min(2, availableParallelism()))];
const run = spawnSync(process.execPath, [join(cases, "runner", "run.mjs"), ...args, ...jobs, ...first, ...options], {
  cwd: root,
  encoding: "utf8",
  maxBuffer: 1 << 28,
});
if (!existsSync(join(work, "report.json"))) {
  console.error(run.stdout + run.stderr);
  process.exit(1);
}
const report = read(work, "report.json");
rmSync(work, { recursive: true });

const failed = (t) => t.fail + t.error + t.timeout + t.crash + t.missing;
const share = (t) => ((100 * t.pass) / Math.max(1, t.pass + failed(t))).toFixed(2);
const sum = (list) => {
  const out = { pass: 0, fail: 0, error: 0, timeout: 0, crash: 0, missing: 0 };
  for (const t of list) for (const k of Object.keys(out)) out[k] += t[k];
  return out;
};
const bad = report.failures.filter((f) => f.status !== "skip");
// A case, by file and number: its spellings and its gradient fail for one reason.
const place = (f) => `${f.section}/${f.file}`;
const number = (f) => f.id.split(" ")[0];
const unlisted = bad.filter((f) => !known[place(f)]?.[number(f)]);
const failing = new Set(bad.map((f) => `${place(f)} ${number(f)}`));
const stale = whole
  ? Object.entries(known).flatMap(([file, list]) =>
      Object.keys(list)
        .filter((id) => !failing.has(`${file} ${id}`))
        .map((id) => `${file} ${id}`),
    )
  : [];

const width = (rows) => rows[0].map((_, c) => Math.max(...rows.map((r) => r[c].length)));
const table = (rows) => {
  const w = width(rows);
  const line = (r) => `| ${r.map((x, c) => (c === 0 ? x.padEnd(w[c]) : x.padStart(w[c]))).join(" | ")} |`;
  return [
    line(rows[0]),
    `| ${w.map((n, c) => (c === 0 ? "-".repeat(n) : `${"-".repeat(n - 1)}:`)).join(" | ")} |`,
    ...rows.slice(1).map(line),
  ].join("\n");
};
const HEAD = ["passed", "failed", "%"];
const row = (name, t) => [name, String(t.pass), String(failed(t)), share(t)];
const TITLES = {
  ops: "torch",
  linalg: "torch.linalg",
  fft: "torch.fft, stft",
  special: "torch.special",
  functional: "nn.functional",
  tensor: "methods of tensors",
  modules: "nn",
  init: "nn.init",
  optim: "optim, schedulers",
};
const manifest = read(cases, "open", "manifest.json").files;
const groupOf = new Map(Object.entries(groups).flatMap(([g, names]) => names.map((n) => [n, g])));
const bySection = Object.entries(TITLES).map(([g, title]) => {
  const files = manifest.filter((f) => (groupOf.get(f.op) ?? groupOf.get(f.file)) === g).map((f) => report.byOp[`${f.section}/${f.file}`]);
  return row(title, sum(files.filter(Boolean)));
});
const byDtype = Object.entries(report.dtypes)
  .filter(([d]) => d !== "-" && d !== "none")
  .map(([d, t]) => row(d, t));

if (!whole) {
  for (const line of run.stdout.split("\n")) if (!/ \d+ pass$| \d+ missing$/.test(line)) console.log(line.slice(0, 260));
} else {
  console.log(`${table([["section", ...HEAD], ...bySection])}\n\n${table([["dtype", ...HEAD], ...byDtype])}\n`);
}
for (const f of unlisted) console.log(`${f.status} ${place(f)} ${f.id} (${f.dtype}): ${f.detail}`);
if (whole && report.missing.length) console.log(`missing: ${report.missing.join(", ")}`);
for (const s of stale) console.log(`passes now, take it out of test/conformance/known.json: ${s}`);
const counts = { pass: report.total.pass, failed: failed(report.total) };
console.log(
  `${counts.pass} of ${counts.pass + counts.failed} checks pass, ${share(report.total)} %; ${unlisted.length} unexplained (${report.seconds.toFixed(0)} s)`,
);
let wrong = unlisted.length + stale.length + (whole ? report.missing.length : 0) > 0;

if (whole) {
  const listed = Object.entries(known).flatMap(([file, list]) =>
    Object.entries(list).map(([id, reason]) => {
      const checks = bad.filter((f) => place(f) === file && number(f) === id);
      return [`${file.split("/")[1]} ${id.split("#")[1]}`, checks[0]?.dtype ?? "", String(checks.length), reason];
    }),
  );
  const text = `# Conformance

Written by \`npm run conformance\`; do not edit. PyTorch's own test databases (OpInfo, ModuleInfo and grids for optimizers, schedulers and
initialisers), run once through PyTorch ${report.torch.split("+")[0]} and recorded: values, gradients, in-place forms and errors. Of these, the functions, modules,
optimizers and schedulers that a training loop needs. One check is one case through one spelling, or its gradients.

${counts.pass} of ${counts.pass + counts.failed} checks pass: ${share(report.total)} %.

${table([["section", ...HEAD], ...bySection])}

${table([["dtype", ...HEAD], ...byDtype])}

## What fails, and why

${listed.map(([id, dtype, n, reason]) => `- \`${id}\` (${dtype}, ${n} ${n === "1" ? "check" : "checks"}): ${reason}`).join("\n")}
`;
  const path = join(root, "docs", "conformance.md");
  const old = existsSync(path) ? readFileSync(path, "utf8").replaceAll("\r\n", "\n") : "";
  if (old !== text && process.argv.includes("--check")) {
    console.log("docs/conformance.md is stale: run npm run conformance");
    wrong = true;
  } else if (old !== text) writeFileSync(path, text);
}
process.exit(wrong ? 1 : 0);
