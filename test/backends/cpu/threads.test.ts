// The default number of threads within the limits of control groups of both versions.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { cpuQuota, processors } from "../../../src/backends/cpu/processors.ts";

const folder = mkdtempSync(join(tmpdir(), "firebrand-cgroup-"));
after(() => rmSync(folder, { recursive: true }));
let made = 0;
/** A root with these files. */
function system(files: Record<string, string>): string {
  const root = join(folder, String(made++));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}
const fs = "sys/fs/cgroup";

test("version 2: the tightest limit from the own group up", () => {
  const self = { "proc/self/cgroup": "0::/pod/box\n" };
  assert.equal(cpuQuota(system({ ...self, [`${fs}/pod/box/cpu.max`]: "150000 100000\n" })), 1.5);
  assert.equal(cpuQuota(system({ ...self, [`${fs}/pod/box/cpu.max`]: "max 100000\n", [`${fs}/pod/cpu.max`]: "300000 100000\n" })), 3);
  assert.equal(cpuQuota(system({ ...self, [`${fs}/pod/box/cpu.max`]: "max 100000\n" })), Number.POSITIVE_INFINITY);
  // Seen from inside, the own group is the root.
  assert.equal(cpuQuota(system({ ...self, [`${fs}/cpu.max`]: "50000 100000\n" })), 0.5);
});
test("version 1, and a machine that has both", () => {
  const v1 = (quota: string): Record<string, string> => ({
    "proc/self/cgroup": "5:cpuset:/x\n4:cpu,cpuacct:/docker/1f:2\n0::/\n",
    [`${fs}/cpu,cpuacct/docker/1f:2/cpu.cfs_quota_us`]: quota,
    [`${fs}/cpu,cpuacct/docker/1f:2/cpu.cfs_period_us`]: "50000\n",
  });
  assert.equal(cpuQuota(system(v1("100000\n"))), 2);
  assert.equal(cpuQuota(system(v1("-1\n"))), Number.POSITIVE_INFINITY);
});
test("no files, or nonsense in them, are no limit", () => {
  assert.equal(cpuQuota(system({})), Number.POSITIVE_INFINITY);
  assert.equal(cpuQuota(system({ "proc/self/cgroup": "what\n0::/\n", [`${fs}/cpu.max`]: "0 x" })), Number.POSITIVE_INFINITY);
});
test("at least one thread, at most the processors", () => {
  const limited = (max: string): string => system({ "proc/self/cgroup": "0::/\n", [`${fs}/cpu.max`]: max });
  assert.equal(processors(limited("50000 100000")), 1);
  assert.equal(processors(limited("199000 100000")), 1);
  assert.equal(processors(limited("99900000 100000")), processors(system({})));
});
