// Everything of first priority is there: each function, its method, its form that ends in `_` and its options, as
// tools/record/surface.py found them in PyTorch; each class, and what its constructor takes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { registry } from "../../src/testing/index.ts";

interface Row {
  params: string[];
  method?: boolean;
  inplace?: boolean;
}
const here = join(import.meta.dirname, "../../../test/conformance");
const surface = JSON.parse(readFileSync(join(here, "surface.json"), "utf8")) as Record<string, Row>;
const p0 = JSON.parse(readFileSync(join(here, "p0.json"), "utf8")) as Record<string, string[]>;

const camel = (s: string): string => s.replace(/(?<=[A-Za-z0-9])_+([A-Za-z0-9])/g, (_, c: string) => c.toUpperCase());
const HOME: Record<string, string> = { "utils.data.": "data.", "optim.lr_scheduler.": "optim.lrScheduler." };
function lookup(path: string): unknown {
  const prefix = Object.keys(HOME).find((p) => path.startsWith(p));
  const full = prefix ? HOME[prefix] + path.slice(prefix.length) : path;
  return full
    .split(".")
    .map((name) => (/^[A-Z]/.test(name) ? name : camel(name)))
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], torch);
}
const params = new Map(
  (registry as unknown as { op: { torch: string; params?: readonly string[] } }[]).map(({ op }) => [op.torch, op.params]),
);
// Named otherwise in PyTorch's own bindings, or here; products into another dtype are for CUDA alone.
const KNOWN = new Set(["split: tensor", "broadcast_to: shape", "nn.functional.one_hot: tensor", "mm: out_dtype", "bmm: out_dtype"]);
for (const name of ["addmm", "baddbmm"]) KNOWN.add(`${name}: out_dtype`);
const SPELLED: Record<string, string> = { from_: "from", sorted_sequence: "input" };
const x = torch.ones(2, 2);

test("functions, methods and in-place forms", () => {
  const missing: string[] = [];
  for (const [path, row] of Object.entries(surface)) {
    if (lookup(path) === undefined) missing.push(path);
    const name = camel(path.split(".").at(-1)!);
    if (row.method && !(name in x)) missing.push(`Tensor.${name}`);
    if (row.inplace && !path.includes(".") && !(`${name}_` in x)) missing.push(`Tensor.${name}_`);
    if (row.inplace && path.startsWith("nn.functional.") && lookup(`${path}_`) === undefined) missing.push(`${path}_`);
  }
  assert.deepEqual(missing, []);
});
test("methods and attributes of tensors", () => {
  // Python's brackets are index and setIndex here.
  const names = p0["tensor"]!.filter((n) => /^Tensor\.(?!__)/.test(n)).map((n) => camel(n.replace("Tensor.", "")));
  assert.deepEqual(
    [...names, "index", "setIndex"].filter((n) => !(n in x)),
    [],
  );
});
test("options of functions", () => {
  const missing: string[] = [];
  for (const [path, row] of Object.entries(surface)) {
    const own = params.get(path);
    if (!own) continue;
    for (const p of row.params) if (!own.includes(SPELLED[p] ?? camel(p))) missing.push(`${path}: ${p}`);
  }
  assert.deepEqual(
    missing.filter((m) => !KNOWN.has(m)),
    [],
  );
});
test("options of modules", () => {
  const missing: string[] = [];
  for (const [path, row] of Object.entries(surface)) {
    if (!/^nn\.[A-Z]/.test(path) || row.params.length === 0) continue;
    const Class = lookup(path) as new (...args: unknown[]) => unknown;
    for (const p of row.params) {
      // An option that a constructor does not know is named in the error.
      try {
        new Class({ [camel(p)]: null });
      } catch (e) {
        if (/unknown option/.test((e as Error).message)) missing.push(`${path}: ${p}`);
      }
    }
  }
  assert.deepEqual(missing, []);
});
