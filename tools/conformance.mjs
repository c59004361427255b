// `npm run conformance [-- runner options]`: PyTorch's own test cases, recorded, run through test/conformance/adapter.mjs.
// Prints the share of passing checks among the operators of first priority, and what fails.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root, setup } from "./setup.mjs";

const cases = process.env.FIREBRAND_CONFORMANCE ?? join(root, "..", "shared", "conformance");
if (!existsSync(join(cases, "runner", "run.mjs"))) {
  console.log(`skipped: no conformance cases at ${cases} (set FIREBRAND_CONFORMANCE)`);
  process.exit(0);
}
await setup();
const names = JSON.parse(readFileSync(join(root, "test", "conformance", "p0.json"), "utf8"));
const all = process.argv.includes("--all");
const args = process.argv.slice(2).filter((a) => a !== "--all");
const escape = (s) => s.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const only = all || args.includes("--only") ? [] : ["--only", `^(${Object.values(names).flat().map(escape).join("|")})$`];
const out = spawnSync(
  process.execPath,
  [
    join(cases, "runner", "run.mjs"),
    "--adapter",
    join(root, "test", "conformance", "adapter.mjs"),
    "--timeout",
    "5000",
    "--verbose",
    ...(args.includes("--dtypes") ? [] : ["--dtypes", "float32,float64,int64,bool,none"]),
    ...only,
    ...args,
  ],
  { cwd: root, encoding: "utf8", maxBuffer: 1 << 28 },
);
const lines = out.stdout.split("\n");
for (const line of lines) if (!/ \d+ pass$/.test(line)) console.log(line.slice(0, 260));
const m = /(\d+) passed, (\d+) failed, (\d+) missing/.exec(out.stdout);
if (!m) {
  console.error(out.stderr);
  process.exit(1);
}
const [pass, fail, missing] = m.slice(1).map(Number);
console.log(`${((100 * pass) / (pass + fail + missing)).toFixed(2)} % of ${pass + fail + missing} checks pass`);
