// Measures the WebAssembly backend beside other WebAssembly libraries: each row in rounds, all in turn; writes bench/WASM.md. The peers
// are no dependencies: PEERS (or --peers) names a folder in which they are installed,
//   npm install --prefix FOLDER @tensorflow/tfjs @tensorflow/tfjs-backend-wasm onnxruntime-web @jax-js/jax
// and one that is not there is skipped.
//   npm run bench:wasm -- [--only REGEX] [--threads 1,2] [--rounds 3] [--peers FOLDER] [--best]
// Figures are medians, or with --best minima, which are what a busy machine can be asked for.
import { existsSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import * as torch from "firebrand";
import { Opponent } from "./opponent.ts";
import { wasm } from "./rows/wasm.ts";
import { best, geometric, median, pause, show, table, threads, timed, warm } from "./timing.ts";

process.env["FIREBRAND_KERNELS"] = "wasm";
const { values: o } = parseArgs({
  options: {
    only: { type: "string" },
    threads: { type: "string", default: "1,2" },
    rounds: { type: "string", default: "3" },
    best: { type: "boolean", default: false },
    peers: { type: "string", default: process.env["PEERS"] ?? "." },
  },
});
const pick = o.best ? best : median;
const here = join(import.meta.dirname, "../../bench");
const folder = resolve(o.peers);
const PEERS = { tfjs: "@tensorflow/tfjs-backend-wasm", ort: "onnxruntime-web", jax: "@jax-js/jax" } as const;
/** tfjs has no threads in Node. */
const THREADED = new Set<string>(["ort", "jax"]);
const installed = Object.entries(PEERS).filter(([, name]) => {
  const found = existsSync(join(folder, "node_modules", name, "package.json"));
  if (!found) console.log(`${name} is not measured: it is not installed in ${folder} (set PEERS)`);
  return found;
});

const versions: string[] = [];
const sections: string[] = [];
for (const n of o.threads.split(",").map(Number)) {
  torch.setNumThreads(n);
  const peers = new Map<string, Opponent>();
  for (const [key] of installed) {
    const args = [join(here, "peers", "main.mjs"), key, folder, String(THREADED.has(key) ? n : 1), ...(o.best ? ["best"] : [])];
    const peer = await Opponent.start(process.execPath, args);
    peers.set(peer.version, peer);
  }
  versions.splice(0, versions.length, ...peers.keys());
  const ratios = new Map(versions.map((v) => [v, [] as number[]]));
  const lines: string[][] = [];
  for (const [name, row] of Object.entries(wasm)) {
    if (!new RegExp(o.only ?? "").test(name)) continue;
    const g = row();
    // The peers' results have to be disposed of by hand, and their memory is then warm for the next: so it is here.
    const f = (): void => {
      const y = g();
      if (torch.isTensor(y)) y[Symbol.dispose]();
    };
    warm(f);
    const ours: number[] = [];
    const theirs = new Map(versions.map((v) => [v, [] as number[]]));
    for (let i = 0; i < Number(o.rounds); i++) {
      await pause(100); // the others' threads spin for a while after their work
      ours.push(timed(f, 0.1, pick));
      for (const [v, peer] of peers) theirs.get(v)!.push(await peer.time(name, 0.1));
    }
    const cells = [...theirs].flatMap(([v, us]) => {
      const [time, ratio] = [pick(us), pick(us) / pick(ours)];
      if (Number.isNaN(time)) return ["–", "–"];
      ratios.get(v)!.push(ratio);
      return [show(time), `${ratio.toFixed(2)}x`];
    });
    lines.push([name, show(pick(ours)), ...cells]);
    console.log(`| ${lines.at(-1)!.join(" | ")} |`);
  }
  const means = [...ratios].map(([v, xs]) => `${geometric(xs).toFixed(2)} to ${v}`).join(", ");
  const all = geometric([...ratios.values()].flat()).toFixed(2);
  console.log(`geometric means with ${threads(n)}: ${means}`);
  sections.push(`## With ${threads(n)}

${table(["row", "Firebrand", ...versions.flatMap((v) => [v, "ratio"])], lines)}

Geometric means of the ratios: ${means}; of all: ${all}.
`);
}

if (installed.length === Object.keys(PEERS).length && o.only === undefined) {
  const text = `# Measured beside other WebAssembly libraries

\`npm run bench:wasm\`: ${cpus()[0]?.model.trim()} with ${cpus().length} processors; Node ${process.versions.node}; ${versions.join(", ")}.
Microseconds where nothing else is said, ${o.best ? "minima (the machine had other work too)" : "medians"} of ${o.rounds} rounds, all measured in turn in one run. A ratio above 1 means that Firebrand is faster.

What each is asked for is in \`bench/peers\`. Each gets the layout that it is fastest with (channels last in tfjs, weights as constants and ten ops
in one session in onnxruntime, so that copies in and out hardly count; all under \`jit\` in jax-js). Results are disposed of at once, as the peers demand.
tfjs has no threads in Node; onnxruntime cannot train.

${sections.join("\n")}`;
  writeFileSync(join(here, "WASM.md"), text);
  console.log("written to bench/WASM.md");
}
process.exit(0);
