// `node tools/features.mjs` writes FEATURES.md from the op registry; `--check` fails when the file is stale. Only what the
// registry itself says is listed, so the table cannot claim more than there is.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root, setup } from "./setup.mjs";

await setup();
await import(pathToFileURL(join(root, "build", "src", "index.js")).href);
const { jsName, registry } = await import(pathToFileURL(join(root, "build", "src", "ops", "define.js")).href);

const ops = registry
  .filter((entry) => !entry.op.torch.startsWith("_"))
  .sort((a, b) => (a.op.torch < b.op.torch ? -1 : a.op.torch > b.op.torch ? 1 : 0));
const yes = (x) => (x ? "yes" : "");
const rows = ops.map(
  ({ op, method }) =>
    `| ${op.torch} | ${jsName(op.torch)} | ${op.kind} | ${yes(op.differentiable)} | ${yes(method)} | ${yes(op.inplace)} | ${yes(op.samples)} |`,
);
const count = (kind) => ops.filter((o) => o.op.kind === kind).length;
const text = `# Features

Written by \`node tools/features.mjs\` from the op registry; do not edit. ${ops.length} entries: ${["pointwise", "view", "composite", "primitive"].map((k) => `${count(k)} ${k}`).join(", ")}.
"Tested" means that the entry has samples of its own for the generated tests; conformance cases cover others too.

| PyTorch | name | kind | gradient | method | in-place | tested |
|---|---|---|---|---|---|---|
${rows.join("\n")}
`;

const path = join(root, "FEATURES.md");
const old = existsSync(path) ? readFileSync(path, "utf8").replaceAll("\r\n", "\n") : "";
if (process.argv.includes("--check")) {
  console.log(old === text ? "FEATURES.md is current" : "FEATURES.md is stale: run node tools/features.mjs");
  process.exit(old === text ? 0 : 1);
}
if (old !== text) writeFileSync(path, text);
console.log(`FEATURES.md: ${ops.length} entries`);
