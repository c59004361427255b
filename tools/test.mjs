// `npm test [-- PATTERN]`: sets up what is missing, then runs the tests; the last line counts them.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root, setup } from "./setup.mjs";

await setup();
const find = (dir) =>
  readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? find(join(dir, e.name)) : /\.test\.js$/.test(e.name) ? [join(dir, e.name)] : [],
  );
const pattern = process.argv[2];
const files = find(join(root, "build", "test"))
  .filter((f) => !pattern || f.includes(pattern))
  .sort();
if (files.length === 0) {
  console.error(`no test file matches ${pattern}`);
  console.log("0 passed, 1 failed");
  process.exit(1);
}
// Tests reach into single modules: they and the package must be the same modules, not the bundle.
const conditions = `${process.env.NODE_OPTIONS ?? ""} --conditions=firebrand-source`.trim();
const child = spawn(process.execPath, ["--test", "--test-concurrency=2", "--test-reporter=tap", ...files], {
  cwd: root,
  stdio: ["ignore", "pipe", "inherit"],
  env: { ...process.env, FIREBRAND_NUM_THREADS: process.env.FIREBRAND_NUM_THREADS ?? "2", NODE_OPTIONS: conditions },
});
// TAP is what every Node version prints alike. Failures and skips are shown, passes only counted.
const totals = { pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };
let show = 0;
for await (const line of createInterface({ input: child.stdout })) {
  const m = /^# (pass|fail|cancelled|skipped|todo) (\d+)$/.exec(line);
  if (m) totals[m[1]] = Number(m[2]);
  if (/^\s*not ok/.test(line) && !/# (TODO|SKIP)/.test(line)) show = 30;
  if (/^\s*ok/.test(line)) show = 0;
  if (show-- > 0 || /# SKIP/.test(line)) console.log(line);
}
const code = await new Promise((done) => (child.exitCode !== null ? done(child.exitCode) : child.on("close", done)));
// Cancelled tests (they never ended) and a runner that failed without naming a test count too: never green by omission.
const failed = totals.fail + totals.cancelled || (code === 0 ? 0 : 1);
console.log(`${totals.pass} passed, ${failed} failed, ${totals.skipped + totals.todo} skipped`);
process.exit(failed === 0 ? 0 : 1);
