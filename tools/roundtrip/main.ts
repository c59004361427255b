// PyTorch -> Firebrand -> PyTorch, bit for bit: every dtype and container, written by every version of PyTorch at hand, loaded and saved here,
// read again by the same and by the newest. PYTHONS names interpreters with PyTorch, separated by commas, the newest last; without one the
// comparison is skipped with a reason. `--record` also writes test/io/fixtures/roundtrip.json.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { io } from "firebrand";

const here = join(import.meta.dirname, "../../../tools/roundtrip");
const script = join(here, "torch_side.py");
const fixtures = join(here, "../../test/io/fixtures");
const pythons = (process.env["PYTHONS"] ?? process.env["PYTHON"] ?? "python3").split(",");
const folder = mkdtempSync(join(tmpdir(), "firebrand-roundtrip-"));

const side = <T>(python: string, args: string[], input = ""): T => {
  const out = spawnSync(python, ["-W", "ignore", script, ...args], { input, encoding: "utf8", maxBuffer: 1 << 28 });
  if (out.status !== 0) throw new Error(`${python}: ${out.stderr}`);
  return JSON.parse(out.stdout) as T;
};
interface Compared {
  readonly version: string;
  readonly results: { readonly differ: string; readonly weightsOnly: boolean }[];
}
const compare = (python: string, pairs: readonly (readonly [string, string])[]): Compared => side(python, ["compare"], JSON.stringify(pairs));
/** Zip files came with 1.6. */
const readsZip = (version: string): boolean => Number(version.split(".")[0]) > 1 || Number(version.split(".")[1]) >= 6;

const usable = pythons.filter((p) => spawnSync(p, ["-c", "import torch"]).status === 0);
if (usable.length === 0) {
  console.log(`skipped: ${pythons.join(", ")} has no PyTorch (set PYTHONS)`);
  process.exit(0);
}
const newest = usable.at(-1)!;
let failed = 0;
for (const python of usable) {
  const made = side<{ version: string; files: string[] }>(python, ["make", folder]);
  const pairs: [string, string][] = [];
  for (const file of made.files) {
    const back = join(folder, `back ${basename(file)}`);
    await io.save(await io.load(file), back);
    pairs.push([file, back]);
  }
  for (const reader of new Set([...(readsZip(made.version) ? [python] : []), newest])) {
    const { version, results } = compare(reader, pairs);
    const bad = results.flatMap((r, i) => (r.differ ? [`  ${basename(pairs[i]![0])}: ${r.differ}`] : []));
    failed += bad.length;
    const safe = results.filter((r) => r.weightsOnly).length;
    console.log(`PyTorch ${made.version} -> Firebrand -> PyTorch ${version}: ${results.length - bad.length} of ${results.length} equal, ${safe} with weights_only`);
    for (const line of bad) console.log(line);
  }
}

if (process.argv.includes("--record")) {
  const record: Record<string, { sha: string; reads: string[] }> = {};
  const archive = join(fixtures, "torch.zip");
  // The archive of fixtures, unpacked by Python.
  spawnSync(newest, ["-m", "zipfile", "-e", archive, folder]);
  const names = ["zip-1.6.0.pt", "zip-2.15.0.pt", "stream-1.0.0.pt", "stream-1.4.0.pt", "stream-2.15.0.pt", "tar-0.1.pt", "compressed.pt", "big-endian.pt"];
  const pairs: [string, string][] = [];
  for (const name of names) {
    const sink = io.memorySink();
    await io.save(await io.load(join(folder, name)), sink, { format: "torch" });
    writeFileSync(join(folder, `again ${name}`), sink.bytes());
    pairs.push([join(folder, name), join(folder, `again ${name}`)]);
    record[name] = { sha: createHash("sha256").update(sink.bytes()).digest("hex").slice(0, 10), reads: [] };
  }
  for (const python of usable) {
    const { version, results } = compare(python, pairs);
    if (!readsZip(version)) continue;
    results.forEach((r, i) => {
      if (!r.differ) record[names[i]!]!.reads.push(version);
      else console.log(`${names[i]} by ${version}: ${r.differ}`);
    });
  }
  writeFileSync(join(fixtures, "roundtrip.json"), `${JSON.stringify(record).replaceAll('},"', '},\n"')}\n`);
  console.log(readFileSync(join(fixtures, "roundtrip.json"), "utf8"));
}
rmSync(folder, { recursive: true });
process.exit(failed ? 1 : 0);
