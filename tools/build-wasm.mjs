// Compiles native/*.cc to native/prebuilt/kernels.wasm, which is checked in: it computes where there is no C++ compiler. A second
// file is for engines with relaxed SIMD: the files of RELAXED are compiled again for it, the others are shared.
// Needs clang, wasm-ld, wasi-libc and libc++ for wasm32 (Debian: clang-16 lld-16 wasi-libc libc++-16-dev-wasm32
// libc++abi-16-dev-wasm32 libclang-rt-16-dev-wasm32).
// `--check` proves that the file belongs to the sources: by the hash of the sources, and byte by byte where the compiler is.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const native = join(root, "native");
const VARIANTS = { "kernels.wasm": [], "kernels-relaxed.wasm": ["-mrelaxed-simd"] };
const RELAXED = ["conv.cc", "convweight.cc", "gemm.cc", "gemm16.cc", "quant.cc"];
const target = (variant) => join(native, "prebuilt", variant);
const record = join(native, "prebuilt", "kernels.json");
// The addon's surface and allocator have no place in linear memory.
const NATIVE_ONLY = ["addon.cc", "crc.cc", "crc.h", "map.cc", "map.h", "memory.cc", "memory.h"];
const FLAGS = [
  "--target=wasm32-wasi",
  "-O3",
  "-msimd128",
  "-matomics",
  "-mbulk-memory",
  "-mnontrapping-fptoint",
  "-std=c++20",
  "-fno-exceptions",
  "-fno-rtti",
  "-fno-math-errno",
  "-fno-trapping-math",
  "-fwrapv",
  "-fvisibility=hidden",
  "-Wall",
  "-Wno-psabi",
  "-Wno-unknown-pragmas",
  "-Wno-unused-function",
];
// Memory is shared among threads and comes from outside (src/backends/wasm/module.ts). The C library knows no threads:
// native/wasm.cc locks its allocator, and the linker is told not to mind.
const LINK = [
  "-mexec-model=reactor",
  "-nodefaultlibs",
  "-Wl,--strip-all",
  "-Wl,--gc-sections",
  "-Wl,--import-memory",
  "-Wl,--shared-memory",
  "-Wl,--no-check-features",
  "-Wl,--initial-memory=1048576",
  "-Wl,--max-memory=4294967296",
  "-Wl,-z,stack-size=131072",
  ...["__stack_pointer", "__tls_size", "__wasm_init_tls"].map((name) => `-Wl,--export=${name}`),
  ...["malloc", "calloc", "realloc", "aligned_alloc", "free"].map((name) => `-Wl,--wrap=${name}`),
];

const files = readdirSync(native)
  .filter((f) => /\.(cc|h)$/.test(f) && !NATIVE_ONLY.includes(f))
  .sort();
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
const sources = () => {
  const hash = createHash("sha256");
  for (const f of files) hash.update(f).update(readFileSync(join(native, f)));
  return hash.update(JSON.stringify([FLAGS, LINK, VARIANTS, RELAXED])).digest("hex");
};

/** A clang that has the libraries for wasm32, or the reason why there is none. */
function toolchain() {
  for (const suffix of ["-16", ""]) {
    const clang = `clang${suffix}`;
    const out = spawnSync(clang, ["--version"], { encoding: "utf8" });
    if (out.status !== 0) continue;
    const version = /clang version (\S+)/.exec(out.stdout)?.[1] ?? "unknown";
    const where = spawnSync(clang, ["-print-resource-dir"], { encoding: "utf8" }).stdout.trim();
    const llvm = join(where, "..", "..", "..");
    const builtins = join(where, "lib", "wasi", "libclang_rt.builtins-wasm32.a");
    const headers = join(llvm, "include", "wasm32-wasi", "c++", "v1");
    if (!existsSync(builtins) || !existsSync(headers)) return { reason: `${clang} has no C++ library for wasm32` };
    const linker = spawnSync("which", [`wasm-ld${suffix}`], { encoding: "utf8" }).stdout.trim();
    if (!linker) return { reason: `wasm-ld${suffix} not found` };
    return { clang, version, headers, linker, libraries: ["-lc", "-lc++", "-lc++abi", builtins, `-L${join(llvm, "lib", "wasm32-wasi")}`] };
  }
  return { reason: "no clang" };
}

function compile(clang, args) {
  return new Promise((done) => {
    const child = spawn(clang, args, { cwd: native, stdio: ["ignore", "inherit", "inherit"] });
    child.on("close", (code) => done(code === 0));
  });
}

/** The bytes of each variant, or null. */
async function build(c) {
  const work = mkdtempSync(join(tmpdir(), "firebrand-wasm-"));
  try {
    const units = files.filter((f) => f.endsWith(".cc"));
    const object = (f, variant) => join(work, `${RELAXED.includes(f) ? variant : ""}${f}.o`);
    const queue = units.map((f) => [f, object(f, "kernels.wasm"), []]);
    for (const [variant, flags] of Object.entries(VARIANTS))
      if (flags.length) for (const f of RELAXED) queue.push([f, object(f, variant), flags]);
    let good = true;
    const worker = async () => {
      for (let next = queue.shift(); next && good; next = queue.shift()) {
        const [f, to, flags] = next;
        good &&= await compile(c.clang, [...FLAGS, ...flags, "-isystem", c.headers, "-c", f, "-o", to]);
      }
    };
    await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker));
    const built = {};
    for (const variant of Object.keys(VARIANTS)) {
      const out = join(work, variant);
      const objects = units.map((f) => object(f, variant));
      const link = ["--target=wasm32-wasi", ...LINK, `-fuse-ld=${c.linker}`, ...objects, ...c.libraries, "-o", out];
      if (!good || !(await compile(c.clang, link))) return null;
      built[variant] = readFileSync(out);
    }
    return built;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
/** What is recorded of each variant; `read` gives its bytes. */
const describe = (read) => Object.fromEntries(Object.keys(VARIANTS).map((v) => [v, { sha256: sha(read(v)), bytes: read(v).length }]));

const c = toolchain();
if (process.argv.includes("--check")) {
  const known = JSON.parse(readFileSync(record, "utf8"));
  const fail = (why) => {
    console.error(`${why}: run node tools/build-wasm.mjs`);
    process.exit(1);
  };
  const isKnown = (read) => JSON.stringify(describe(read)) === JSON.stringify(known.files);
  if (known.sources !== sources()) fail("native/prebuilt is older than native/");
  if (!isKnown((v) => readFileSync(target(v)))) fail("the files in native/prebuilt are not those that were built");
  if (c.reason) console.log(`native/prebuilt belongs to the sources by their hash (not rebuilt: ${c.reason})`);
  else if (c.version !== known.clang)
    console.log(`native/prebuilt belongs to the sources by their hash (not rebuilt: clang ${c.version}, not ${known.clang})`);
  else {
    const built = await build(c);
    if (!built || !isKnown((v) => built[v])) fail("the files in native/prebuilt are not what the sources give");
    console.log("native/prebuilt is what the sources give, byte by byte");
  }
} else {
  if (c.reason) {
    console.error(`no build: ${c.reason}`);
    process.exit(1);
  }
  const built = await build(c);
  if (!built) process.exit(1);
  mkdirSync(dirname(record), { recursive: true });
  for (const [variant, bytes] of Object.entries(built)) {
    writeFileSync(target(variant), bytes);
    console.log(`${target(variant)}: ${bytes.length} bytes`);
  }
  writeFileSync(record, `${JSON.stringify({ clang: c.version, sources: sources(), files: describe((v) => built[v]) }, null, 2)}\n`);
}
