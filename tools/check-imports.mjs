// The layering of src/: a folder may import only from the folders before it. Also finds cycles between files.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const src = join(dirname(fileURLToPath(import.meta.url)), "..", "src");
// What each folder may import from, besides itself.
const MAY = {
  core: [],
  kernel: ["core"],
  autograd: ["core"],
  backends: ["core", "kernel"],
  ops: ["core", "kernel", "autograd"],
  nn: ["core", "kernel", "ops"],
  optim: ["core", "kernel", "ops"],
  data: ["core", "ops"],
  io: ["core", "kernel", "ops", "nn"],
  hub: ["core", "io"],
  tokenizers: ["core", "ops", "io", "hub"],
  generation: ["core", "ops", "tokenizers"],
  models: ["core", "kernel", "autograd", "ops", "nn", "io", "hub", "generation"],
  finetune: ["core", "kernel", "autograd", "ops", "nn", "io", "hub", "models"],
  pipeline: ["core", "ops", "hub", "models", "tokenizers", "generation"],
  serve: ["core", "ops", "models", "generation", "tokenizers"],
  testing: ["core", "ops", "autograd"],
  // The command line is a user of the library: it may import the front door too.
  cli: ["core", "kernel", "io", "hub", "models", "generation", "tokenizers", "finetune", "serve", ""],
};

const files = (dir) =>
  readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? files(join(dir, e.name)) : e.name.endsWith(".ts") ? [join(dir, e.name)] : [],
  );
const problems = [];
const graph = new Map();
for (const file of files(src)) {
  const from = relative(src, file);
  const folder = from.includes("/") ? from.split("/")[0] : "";
  const edges = [];
  for (const m of readFileSync(file, "utf8").matchAll(
    /^\s*(?:import|export)\s+(type\s+)?[^;"']*?from\s+"(\.[^"]+)"|^import\s+"(\.[^"]+)"|\bimport\("(\.[^"]+)"\)/gm,
  )) {
    const target = relative(src, join(dirname(file), m[2] ?? m[3] ?? m[4]));
    const to = target.includes("/") ? target.split("/")[0] : "";
    // What a user imports brings the devices along.
    if (target === "devices.ts" && from === `${folder}/index.ts`) continue;
    if (folder !== "" && to !== folder && !(MAY[folder] ?? []).includes(to))
      problems.push(`src/${from}: ${folder}/ may not import from ${to === "" ? "the root" : `${to}/`} (${target})`);
    if (
      folder === "backends" &&
      to === "backends" &&
      target.split("/")[1] !== from.split("/")[1] &&
      !["cpu"].includes(target.split("/")[1])
    )
      problems.push(`src/${from}: one backend may not import another (${target})`);
    if (!m[1] && !m[4]) edges.push(target);
  }
  graph.set(from, edges);
}
// Cycles among value imports, by depth-first search.
const state = new Map();
const path = [];
const visit = (f) => {
  if (state.get(f) === 2 || !graph.has(f)) return;
  if (state.get(f) === 1) {
    problems.push(`import cycle: ${[...path.slice(path.indexOf(f)), f].join(" -> ")}`);
    return;
  }
  state.set(f, 1);
  path.push(f);
  graph.get(f).forEach(visit);
  path.pop();
  state.set(f, 2);
};
for (const f of graph.keys()) visit(f);

for (const p of problems) console.error(p);
console.log(problems.length ? `${problems.length} layering problems` : `layering holds in ${graph.size} files`);
process.exit(problems.length ? 1 : 0);
