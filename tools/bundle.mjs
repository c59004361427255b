// Joins the compiled modules into a few files: one read and one parse instead of a hundred halves the time of an import.
// What is bundled is what package.json exports; parts that several subpaths share become chunks, so that there is one core.
// That core is one chunk, because every entry is made to import all of "firebrand": esbuild makes a chunk of the modules that the
// same entries reach, which were thirty files to find, read and link where some reached parts of the core only.
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
  const core = join(root, exports["."]["firebrand-source"]);
  const wholeCore = {
    name: "whole-core",
    setup(b) {
      // The modules of dynamic imports are entries too. What is resolved in here has pluginData.
      b.onResolve({ filter: /^[./]/ }, async ({ path, kind, resolveDir, pluginData }) => {
        if ((kind !== "entry-point" && kind !== "dynamic-import") || pluginData) return undefined;
        const found = await b.resolve(path, { kind: "import-statement", resolveDir, pluginData: true });
        return found.path === core ? undefined : { path: found.path, namespace: "whole-core" };
      });
      b.onLoad({ filter: /./, namespace: "whole-core" }, ({ path }) => ({
        contents: `${/^#!.*\n|/.exec(readFileSync(path, "utf8"))[0]}import ${JSON.stringify(core)}; export * from ${JSON.stringify(path)};`,
        resolveDir: root,
      }));
    },
  };
  await build({
    entryPoints,
    plugins: [wholeCore],
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
