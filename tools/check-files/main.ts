// Every file of weights in folders, loaded here and by PyTorch, safetensors or numpy: each tensor must be the same, bit for bit. PYTHON names the
// interpreter; without one the comparison is skipped with a reason. `npm run check:files -- [folders]`
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { type DType, io, isTensor, type Tensor } from "firebrand";

const root = join(import.meta.dirname, "../../..");
const data = join(root, "../shared/data");
const folders = process.argv.length > 2 ? process.argv.slice(2) : ["fixtures", "weights"].map((f) => join(data, f));
const python = process.env["PYTHON"] ?? "python3";

// What the folders hold besides weights, and why it is none.
const NO_WEIGHTS: readonly (readonly [RegExp, string])[] = [
  [/\.onnx$/, "a graph of ONNX, whose weights are part of a program"],
  [/\.json$/, "settings or recorded values in JSON of its own kind"],
];
// Bits of a tensor are compared as those of the type that it is read as.
const BYTES: Readonly<Record<string, number>> = { bool: 1, uint8: 1, int8: 1, int16: 2, float16: 2, bfloat16: 2, int32: 4, float32: 4, int64: 8, float64: 8, complex64: 8, complex128: 16 };

function hash(t: Tensor): string {
  const here = t.detach().contiguous();
  const size = BYTES[t.dtype as DType]!;
  const bytes = new Uint8Array(here.layout.numel * size);
  here.storage.device.readSync(here.storage, here.layout.offset * size, bytes);
  return createHash("sha256").update(bytes).digest("hex");
}

interface Sides {
  readonly versions: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** What differs between a file and the digests of its tensors. */
async function differences(path: string, want: Readonly<Record<string, string>>): Promise<string[]> {
  const file = await io.open(path);
  const out: string[] = [];
  try {
    for (const name of file.tensors.keys()) if (!(name in want)) out.push(`${name} is only here`);
    for (const [name, digest] of Object.entries(want)) {
      const stored = file.tensors.get(name);
      if (!stored) {
        out.push(`${name} is only there`);
        continue;
      }
      const t = await stored.read();
      const [kind, ...rest] = digest.split(" ");
      const own = `${stored.dtype}[${stored.shape.join(",")}]`;
      if (own !== kind) out.push(`${name} is ${own}, expected ${kind}`);
      else if (!isTensor(t)) out.push(`${name} stays quantised`);
      else if (rest.at(-1) !== "meta" && hash(t) !== rest.at(-1)) out.push(`${name} has other values`);
    }
  } finally {
    await file.close();
  }
  return out;
}

const missing = folders.filter((f) => !existsSync(f));
const usable = spawnSync(python, ["-c", "import torch, numpy, safetensors"]).status === 0;
if (missing.length > 0 || !usable) {
  console.log(`skipped: ${missing.length > 0 ? `there is no ${missing.join(", ")}` : `${python} has no PyTorch, numpy and safetensors (set PYTHON)`}`);
  process.exit(0);
}
const paths = folders.flatMap((f) =>
  readdirSync(f, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name))
    .sort(),
);
const script = join(root, "tools/check-files/torch_side.py");
const side = spawnSync(python, ["-W", "ignore", script, ...paths], { encoding: "utf8", maxBuffer: 1 << 28 });
if (side.status !== 0) throw new Error(side.stderr);
const { versions, files } = JSON.parse(side.stdout) as Sides;
const counts = { equal: 0, refused: 0, differ: 0, tensors: 0 };
for (const path of paths) {
  const name = relative(data, path);
  const want = files[path]!;
  const other = NO_WEIGHTS.find(([pattern]) => pattern.test(path))?.[1];
  try {
    const found = await differences(path, want["refused"] === undefined ? want : {});
    if (want["refused"] !== undefined) found.unshift(`read here, refused there: ${want["refused"]}`);
    counts[found.length > 0 ? "differ" : "equal"]++;
    counts.tensors += Object.keys(want).length;
    console.log(found.length > 0 ? `DIFFERS  ${name}\n  ${found.join("\n  ")}` : `equal    ${name}: ${Object.keys(want).length} tensor${Object.keys(want).length === 1 ? "" : "s"}`);
  } catch (e) {
    const reason = other ?? (want["refused"] === undefined ? undefined : `PyTorch too: ${want["refused"]}`);
    const typed = (e as Error).name === "FormatError";
    counts[reason && typed ? "refused" : "differ"]++;
    console.log(`${reason && typed ? "refused " : "FAILS   "} ${name}: ${reason ?? "PyTorch reads it"}\n  ${(e as Error).message}`);
  }
}
console.log(
  `\n${counts.equal} files equal (${counts.tensors} tensors), ${counts.refused} refused by design, ${counts.differ} differ; ${Object.entries(versions)
    .map((v) => v.join(" "))
    .join(", ")}`,
);
process.exit(counts.differ > 0 ? 1 : 0);
