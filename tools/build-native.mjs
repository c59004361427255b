// Compiles native/*.cc into one Node addon with the system's C++ compiler. Needs nothing but node-api-headers: no node-gyp,
// no download. The result is cached under a hash of sources, compiler and processor; prints its path, or why there is none.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const FLAGS = [
  "-O3",
  "-march=native",
  "-std=c++20",
  "-fno-math-errno",
  "-fno-trapping-math",
  "-fwrapv",
  "-fPIC",
  "-fvisibility=hidden",
  "-Wall",
  "-Wno-psabi",
  "-DNAPI_VERSION=2147483647",
];

// Names of functions are of use in special builds only.
const STRIPPED = ["-s"];

/** The newest compiler on PATH, as `{ cxx, version }`, or null. */
function compiler() {
  for (const cxx of [process.env.CXX, "g++", "clang++"].filter(Boolean)) {
    const out = spawnSync(cxx, ["--version"], { encoding: "utf8" });
    if (out.status === 0) return { cxx, version: out.stdout.split("\n")[0] };
  }
  return null;
}

function run(cxx, args) {
  return new Promise((done) => {
    const child = spawn(cxx, args, { stdio: ["ignore", "ignore", "pipe"] });
    let text = "";
    child.stderr.on("data", (d) => (text += d));
    child.on("close", (code) => done({ code, text }));
    child.on("error", (e) => done({ code: 1, text: String(e) }));
  });
}

/** Builds if needed. Returns `{ path }` or `{ reason }`; a build with `extra` flags belongs into a folder of its own: the loader takes the newest here. */
export async function buildNative({ extra = [], folder = "native", onStart = () => {} } = {}) {
  const c = compiler();
  if (!c) return { reason: "no C++ compiler (g++ or clang++) found" };
  const dir = join(root, "native");
  const files = readdirSync(dir)
    .filter((f) => /\.(cc|h)$/.test(f))
    .sort();
  const hash = createHash("sha256");
  for (const f of files) hash.update(f).update(readFileSync(join(dir, f)));
  hash.update([c.cxx, c.version, ...FLAGS, ...STRIPPED, ...extra, process.arch, process.platform, cpus()[0]?.model ?? ""].join("\n"));
  const out = join(root, "build", folder);
  const path = join(out, `firebrand-${hash.digest("hex").slice(0, 16)}.node`);
  if (existsSync(path)) {
    // The loader takes the newest build: let that be the one of the present sources.
    utimesSync(path, new Date(), new Date());
    return { path };
  }
  onStart();
  let headers;
  try {
    headers = createRequire(import.meta.url)("node-api-headers").include_dir;
  } catch {
    return { reason: "the package node-api-headers is not installed" };
  }
  const work = join(out, `work-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    const sources = files.filter((f) => f.endsWith(".cc"));
    const queue = [...sources];
    const errors = [];
    const worker = async () => {
      for (let f = queue.shift(); f; f = queue.shift()) {
        const { code, text } = await run(c.cxx, [...FLAGS, ...extra, "-I", headers, "-c", join(dir, f), "-o", join(work, `${f}.o`)]);
        if (code !== 0) errors.push(`${f}: ${text.slice(0, 2000)}`);
      }
    };
    await Promise.all(Array.from({ length: Math.max(2, Math.min(8, cpus().length)) }, worker));
    if (errors.length) return { reason: `compilation failed\n${errors.join("\n")}` };
    const mac = process.platform === "darwin" ? ["-undefined", "dynamic_lookup"] : [];
    const { code, text } = await run(c.cxx, [
      "-shared",
      ...extra,
      ...mac,
      ...(extra.length || mac.length ? [] : STRIPPED),
      ...sources.map((f) => join(work, `${f}.o`)),
      "-o",
      join(work, "out.node"),
      "-lpthread",
    ]);
    if (code !== 0) return { reason: `linking failed\n${text}` };
    renameSync(join(work, "out.node"), path);
    return { path };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const result = await buildNative({ onStart: () => process.stderr.write("firebrand: compiling the native kernels, once…\n") });
  if (process.argv.includes("--json")) console.log(JSON.stringify(result));
  else if (result.path) console.log(result.path);
  else {
    console.error(`no native kernels: ${result.reason}`);
    process.exit(1);
  }
}
