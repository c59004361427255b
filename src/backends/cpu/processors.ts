// How many processors this process may keep busy: those that it may run on, fewer where its container's time is limited.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // not Linux, another version of control groups, or not shown to this process
  }
}

/**
 * Processors' worth of time in the limits of the process's control group and of those around it: `cpu.max` of version 2, `cpu.cfs_quota_us` of version 1;
 * Infinity without limits. `root` is the folder where the system's files begin.
 */
export function cpuQuota(root = "/"): number {
  let least = Number.POSITIVE_INFINITY;
  for (const line of text(join(root, "proc/self/cgroup")).split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined || (controllers !== "" && !controllers!.split(",").includes("cpu"))) continue;
    // A container may see its own group as the root, by whatever path the host knows it: groups that are not there have no say.
    for (let group = join("/", path); ; group = dirname(group)) {
      const at = (file: string): string => text(join(root, "sys/fs/cgroup", controllers!, group, file));
      const [quota, period] = (controllers === "" ? at("cpu.max") : `${at("cpu.cfs_quota_us")} ${at("cpu.cfs_period_us")}`)
        .trim()
        .split(/\s+/);
      if (Number(quota) > 0 && Number(period) > 0) least = Math.min(least, Number(quota) / Number(period));
      if (group === "/") break;
    }
  }
  return least;
}

/** Threads for this process. A fraction of a processor is no thread: one that waits spins for a while, and the time would be gone for all. */
export const processors = (root?: string): number => Math.max(1, Math.min(availableParallelism(), Math.floor(cpuQuota(root))));
