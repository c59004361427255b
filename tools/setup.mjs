// Brings a clone to the point where it runs: dependencies, TypeScript build, native kernels. Does only what is missing, with
// nothing but Node's own modules, because it also runs before anything is installed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stamp = join(root, "build", ".setup.json");

function run(command, args, what) {
  const out = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  if (out.status !== 0) {
    console.error(`firebrand: ${what} failed (${command} ${args.join(" ")})`);
    process.exit(out.status ?? 1);
  }
}

/** Newest change among files of a kind: names and times, so that a deleted file counts too. */
function fingerprint(folders, pattern) {
  const hash = createHash("sha256");
  const walk = (dir) => {
    for (const e of readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(dir, e.name);
      if (e.isDirectory()) walk(path);
      else if (pattern.test(e.name)) hash.update(`${path}:${statSync(path).mtimeMs}\n`);
    }
  };
  for (const f of folders) if (existsSync(join(root, f))) walk(join(root, f));
  return hash.digest("hex");
}

/** Removes outputs whose source is gone, so that a deleted test does not run on. */
function prune(dir) {
  if (!existsSync(join(root, "build", dir))) return;
  for (const e of readdirSync(join(root, "build", dir), { withFileTypes: true })) {
    const path = join(dir, e.name);
    if (e.isDirectory()) prune(path);
    else if (/\.js$|\.d\.ts$/.test(e.name) && !existsSync(join(root, path.replace(/(\.d)?\.[jt]s$/, ".ts"))))
      rmSync(join(root, "build", path));
  }
}

export async function setup() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  let known = {};
  try {
    known = JSON.parse(readFileSync(stamp, "utf8"));
  } catch {
    // first time
  }
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const missing = Object.keys(devDependencies).some((name) => !existsSync(join(root, "node_modules", name)));
  if (missing || (known.lock && known.lock !== lock)) {
    console.error("firebrand: installing dependencies…");
    run("npm", ["ci", "--no-audit", "--no-fund"], "npm ci");
  }
  const sources = fingerprint(["src", "test", "examples", "bench", "tools"], /\.ts$/);
  if (known.sources !== sources || !existsSync(join(root, "build", "dist", "index.js"))) {
    for (const dir of ["src", "test", "examples", "bench", "tools"]) prune(dir);
    console.error("firebrand: compiling TypeScript…");
    run(process.execPath, [join(root, "node_modules", "typescript", "lib", "tsc.js"), "-p", root], "the TypeScript build");
    const { bundle } = await import("./bundle.mjs");
    await bundle();
  }
  if (!process.env.FIREBRAND_ADDON) {
    const { buildNative } = await import("./build-native.mjs");
    // Without a compiler the library says so itself, when it falls back on WebAssembly.
    await buildNative({ onStart: () => console.error("firebrand: compiling the native kernels, once…") });
  }
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, JSON.stringify({ lock, sources }));
}
