// A WebAssembly peer of bench/wasm.ts, in a process of its own: `node main.mjs NAME FOLDER THREADS [best]`. The packages lie in FOLDER, beside
// the project and not in it. Prints the version, then answers lines "row<TAB>seconds" with microseconds a call, NaN for
// rows that the peer does not have.
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [name, folder, threads, best] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(folder, "package.json")));
const { open } = await import(`./${name}.mjs`);
const { version, rows } = await open({ require, threads: Number(threads), folder });

let ready = null;
async function timed(row, seconds) {
  const once = async (f, n) => {
    const t = performance.now();
    for (let i = 0; i < n; i++) await f();
    return performance.now() - t;
  };
  if (ready?.row !== row) {
    const f = await rows[row]();
    const end = performance.now() + 500;
    for (let i = 0; i < 2 || (i < 5000 && performance.now() < end); i++) await f();
    ready = { row, f };
  }
  const n = Math.max(1, Math.floor(1 / Math.max(1e-6, await once(ready.f, 1))));
  const runs = [];
  for (let spent = 0; spent < seconds * 1000 || runs.length < 3; ) {
    const d = await once(ready.f, n);
    spent += d;
    runs.push(d / n);
  }
  return runs.sort((a, b) => a - b)[best ? 0 : runs.length >> 1] * 1000;
}

console.log(version);
for await (const line of createInterface({ input: process.stdin })) {
  const [row, seconds] = line.split("\t");
  let us = Number.NaN;
  try {
    if (rows[row]) us = (await timed(row, Number(seconds))) / (rows[row].repeat ?? 1);
  } catch (e) {
    console.error(`${name}: ${row}: ${e.message ?? e}`);
    delete rows[row];
  }
  console.log(us);
}
process.exit(0);
