// Every function and class that the package exports, called with anything at all: each call gives a result that is what it
// says or one of our errors. FIREBRAND_FUZZ multiplies the number of calls.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as torch from "../../src/index.ts";
import { Draw, GARBAGE, FAR, judge, ODD_NUMBERS, show, TENSORS } from "./hostile.ts";

const CALLS = Math.round(60 * Number(process.env["FIREBRAND_FUZZ"] ?? 1));
const SEED = Number(process.env["FIREBRAND_FUZZ_SEED"] ?? 1);

// What is saved under a hostile name lands where nothing is.
const home = process.cwd();
const folder = mkdtempSync(join(tmpdir(), "firebrand-badinput-"));
process.chdir(folder);
after(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
});

const OPTIONS = ["dim", "keepdim", "dtype", "device", "reduction", "lr", "size", "weight", "keepdims", "nonsense"];
function anything(d: Draw, depth = 0): unknown {
  switch (d.int(0, depth > 0 ? 6 : 9)) {
    case 0:
      return d.of(Object.values(GARBAGE))();
    case 1:
      return d.of(ODD_NUMBERS);
    case 2:
      return d.of(FAR);
    case 3:
      return d.of([undefined, null, true, false, 1, 2, 3n, "", "float32", "mean", "cpu"]);
    case 4:
      return Array.from({ length: d.int(0, 3) }, () => (depth < 2 ? anything(d, depth + 1) : d.int(0, 4)));
    case 5:
      return Object.fromEntries([[d.of(OPTIONS), depth < 2 ? anything(d, depth + 1) : 1]]);
    default:
      return d.chance(0.3) ? torch.ones(3, 4) : d.of(Object.values(TENSORS))();
  }
}

// Not part of the hostile world: state of the process, and what takes any value on purpose.
const SPARED = new Set(["setNumThreads", "seed", "Identity", "Tensor"]);
// Other names of the same function.
const ALIASES = new Map([["inverse", "inv"]]);
// What takes no tensors need not tell the shape of one.
const SHAPELESS =
  /^(noGrad|enableGrad|setGradEnabled|inferenceMode|detectAnomaly|setDefault.*|manualSeed|canCast|promoteTypes|gradcheck|gradgradcheck|finfo|iinfo|setRngState|slice|cloneModule|fftfreq|rfftfreq|clipGradNorm_|clipGradValue_|parametersToVector|vectorToParameters)$/;
type Callable = (...args: unknown[]) => unknown;
const spaces: [string, object][] = [
  ["torch", torch],
  ["nn.functional", torch.nn.functional],
  ["nn", torch.nn],
  ["nn.init", torch.nn.init],
  ["nn.utils", torch.nn.utils],
  ["optim", torch.optim],
  ["optim.lrScheduler", torch.optim.lrScheduler],
  ["data", torch.data],
  ["io", torch.io],
  ["autograd", torch.autograd],
  ["linalg", torch.linalg],
  ["fft", torch.fft],
  ["special", torch.special],
  ["testing", torch.testing],
  ["Tensor", torch.Tensor.prototype],
];
const isClass = (f: Callable): boolean => /^class\b/.test(Function.prototype.toString.call(f));

for (const [space, exports] of spaces) {
  test(`${space}: anything at all`, async () => {
    const complaints = new Map<string, string>();
    for (const name of Object.getOwnPropertyNames(exports)) {
      const getter = Object.getOwnPropertyDescriptor(exports, name)?.get !== undefined;
      if (SPARED.has(name) || name === "constructor" || (space === "Tensor" && getter)) continue;
      const f = (exports as Record<string, unknown>)[name];
      if (typeof f !== "function" || f.prototype instanceof Error) continue;
      const d = new Draw(SEED * 7919 + name.length * 31 + name.charCodeAt(0));
      for (let i = 0; i < CALLS; i++) {
        const args = Array.from({ length: d.int(0, 4) }, () => anything(d));
        const self = space === "Tensor" ? d.of(Object.values(TENSORS))() : exports;
        const run = isClass(f as Callable)
          ? () => new (f as unknown as new (...a: unknown[]) => unknown)(...args)
          : () => (f as Callable).apply(self, args);
        process.env["FIREBRAND_FUZZ_TRACE"] && console.error(space, name, args.map(show).join(", "));
        const shapes =
          isClass(f as Callable) || SHAPELESS.test(name) || space === "data" || space === "io" || space === "autograd"
            ? []
            : [self, ...args];
        const complaint = await judge((ALIASES.get(name) ?? (f.name || name)).replace(/_$/, ""), shapes, run);
        if (complaint && !complaints.has(name)) complaints.set(name, `${name}(${args.map(show).join(", ")}): ${complaint}`);
      }
      torch.setDefaultDtype("float32");
      torch.setDefaultDevice("cpu");
    }
    assert.equal(complaints.size, 0, `${complaints.size} complain:\n${[...complaints.values()].join("\n")}`);
  });
}
