// PyTorch's own test cases, where they are at hand: every check of first priority passes or is explained in known.json.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../../..");
const cases = process.env["FIREBRAND_CONFORMANCE"] ?? join(root, "../shared/conformance");

test("PyTorch's recorded cases", { skip: existsSync(join(cases, "runner/run.mjs")) ? false : `no conformance cases at ${cases}` }, () => {
  const { NODE_OPTIONS: _, ...env } = process.env; // the package as users get it, not its single modules
  const run = spawnSync(process.execPath, [join(root, "tools/conformance.mjs"), "--check"], { cwd: root, env, encoding: "utf8" });
  assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
  const [, passed] = /^(\d+) of \d+ checks pass/m.exec(run.stdout)!;
  assert.ok(Number(passed) > 9000, run.stdout);
});
