// Runs a program of examples/ as a user does: in a process of its own, with the package's bundle.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

export const root: string = join(import.meta.dirname, "..", "..", "..");

/** How a run ended and what it wrote. */
export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Starts `examples/NAME/main.js`; `watch` sees all of the output so far, and may end the process. */
export function run(name: string, args: readonly string[], watch?: (out: string, child: ChildProcess) => void): Promise<Outcome> {
  const child = spawn(process.execPath, [join(root, "build", "examples", name, "main.js"), ...args], {
    env: { ...process.env, NODE_OPTIONS: "", FIREBRAND_NUM_THREADS: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    watch?.(out, child);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  return new Promise((done) => child.on("close", (code) => done({ code, out, err })));
}

/** A folder that goes when the tests of the file are over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "firebrand-examples-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
