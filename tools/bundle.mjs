// Joins the compiled modules into a few files: one read and one parse instead of a hundred halves the time of an import.
// What is bundled is what package.json exports; parts that several subpaths share become chunks, so that there is one core.
import { readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, stop } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Bundles build/src into build/dist. */
export async function bundle() {
  const { bin, exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const entryPoints = Object.values(exports).map((e) => ({
    in: join(root, e["firebrand-source"]),
    out: e.default.replace(/^\.\/build\/dist\//, "").replace(/\.js$/, ""),
  }));
  entryPoints.push({ in: join(root, "build", "src", "cli", "main.js"), out: bin.firebrand.replace(/^.*\/dist\/|\.js$/g, "") });
  rmSync(join(root, "build", "dist"), { recursive: true, force: true });
  await build({
    entryPoints,
    outdir: join(root, "build", "dist"),
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    packages: "external",
    target: "es2022",
    chunkNames: "chunks/[hash]",
    legalComments: "none",
    logLevel: "warning",
  });
  await stop(); // its helper process would live as long as the program that is about to start
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await bundle();
