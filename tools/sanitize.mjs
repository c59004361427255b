// `npm run sanitize [-- address|thread] [PATTERN]`: builds the native kernels with AddressSanitizer and
// UndefinedBehaviorSanitizer, then with ThreadSanitizer, and runs the kernels' tests and the fuzz on each build.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { buildNative } from "./build-native.mjs";
import { root, setup } from "./setup.mjs";

const COMMON = ["-O1", "-g", "-fno-omit-frame-pointer", "-fasynchronous-unwind-tables"];
const BUILDS = {
  address: {
    flags: [...COMMON, "-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"],
    libraries: ["libasan.so", "libubsan.so"],
    // Leaks would be the engine's, which is not built for this. Requests that no machine can meet are part of the tests.
    env: {
      ASAN_OPTIONS: "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
      UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
    },
    // Peaks of memory are not those of a plain build.
    tests: /backends\/(fuzz|cpu\/(?!memory))|badinput|ops\/|io\/(mmap|gguf_quants)/,
  },
  thread: {
    flags: [...COMMON, "-fsanitize=thread"],
    libraries: ["libtsan.so"],
    env: { TSAN_OPTIONS: "halt_on_error=1:report_signal_unsafe=0:ignore_noninstrumented_modules=1", FIREBRAND_FUZZ_LARGE: "1" },
    tests: /backends\/(fuzz|cpu\/(?!memory))|ops\/(quantized|halves)|io\/mmap/,
  },
};

const find = (dir) =>
  readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? find(join(dir, e.name)) : e.name.endsWith(".test.js") ? [join(dir, e.name)] : [],
  );
const libraryOf = (name) => {
  const out = spawnSync(process.env.CXX ?? "g++", [`-print-file-name=${name}`], { encoding: "utf8" }).stdout?.trim();
  return out && out !== name ? out : null;
};

function run(name, path, pattern) {
  const { env, libraries, tests } = BUILDS[name];
  const preload = libraries.map(libraryOf);
  if (preload.includes(null)) {
    console.error(`sanitize ${name}: ${libraries[preload.indexOf(null)]} is not installed`);
    return false;
  }
  const files = find(join(root, "build", "test")).filter((f) => (pattern ? f.includes(pattern) : tests.test(f)));
  console.log(`== ${name}: ${files.length} test files`);
  const out = spawnSync(process.execPath, ["--conditions=firebrand-source", "--test", "--test-concurrency=1", ...files], {
    cwd: root,
    stdio: "inherit",
    env: { FIREBRAND_NUM_THREADS: "4", ...process.env, ...env, FIREBRAND_ADDON: path, LD_PRELOAD: preload.join(" ") },
  });
  return out.status === 0;
}

await setup();
const [wanted, pattern] = process.argv[2] in BUILDS ? process.argv.slice(2) : [null, process.argv[2]];
let good = true;
for (const name of wanted ? [wanted] : Object.keys(BUILDS)) {
  const onStart = () => console.error(`sanitize ${name}: compiling, which takes minutes…`);
  const { path, reason } = await buildNative({ extra: BUILDS[name].flags, folder: `sanitize-${name}`, onStart });
  if (!path) console.error(`sanitize ${name}: ${reason}`);
  good = !!path && run(name, path, pattern) && good;
}
process.exit(good ? 0 : 1);
