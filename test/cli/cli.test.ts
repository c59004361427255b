// The command line as a user runs it: a process with arguments, its output and its exit code.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as torch from "../../src/index.ts";
import { io, nn } from "../../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "firebrand-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const main = join(import.meta.dirname, "../../src/cli/main.js");
function run(...args: string[]): { code: number | null; out: string; err: string } {
  const r = spawnSync(process.execPath, [main, ...args], { cwd: folder, encoding: "utf8" });
  return { code: r.status, out: r.stdout, err: r.stderr };
}
const weights = {
  "fc.weight": torch.tensor([
    [1, 2, 3],
    [4, 5, 6.5],
  ]),
  "fc.bias": torch.tensor([Number.NaN, Number.POSITIVE_INFINITY, 1, 3]),
  steps: torch.tensor([7], { dtype: "int64" }),
};
before(async () => {
  await io.save(weights, join(folder, "a.safetensors"), { metadata: { format: "pt", note: "x".repeat(200) } });
  await io.save({ model: weights, epoch: 3 }, join(folder, "nested.pt"));
});

test("inspect: a table, JSON, figures", () => {
  const { code, out } = run("inspect", "a.safetensors");
  assert.equal(code, 0);
  for (const part of [
    "a.safetensors: safetensors",
    "format: pt",
    "fc.weight",
    "[2, 3]",
    "24 B",
    "int64",
    "3 tensors, 11 parameters, 48 B",
    "(200 characters)",
  ])
    assert.ok(out.includes(part), `${part} in\n${out}`);
  assert.ok(!out.includes("x".repeat(150)));
  const json = JSON.parse(run("inspect", "a.safetensors", "--json", "--stats").out) as {
    tensors: { name: string; dtype: string; shape: number[]; stats: Record<string, number> }[];
    parameters: number;
  };
  const by = new Map(json.tensors.map((t) => [t.name, t]));
  assert.deepEqual(by.get("fc.weight")!.shape, [2, 3]);
  assert.deepEqual(by.get("fc.bias")!.stats, { mean: 2, std: Math.SQRT2, min: 1, max: 3, nan: 1, inf: 1 });
  assert.equal(json.parameters, 11);
  assert.ok(run("inspect", "nested.pt").out.includes("model.fc.weight"));
});

test("convert: formats, dtypes, shards; nothing is overwritten unasked", async () => {
  assert.equal(run("convert", "nested.pt", "tree.pt", "--dtype", "bfloat16").code, 0);
  const tree = await io.load<{ model: Record<string, torch.Tensor>; epoch: number }>(join(folder, "tree.pt"));
  assert.deepEqual([tree.epoch, tree.model["fc.weight"]!.dtype, tree.model["steps"]!.dtype], [3, "bfloat16", "int64"]);
  for (const [to, name] of [
    ["b.pt", "fc.weight"],
    ["b.npz", "fc.weight"],
    ["b.gguf", "fc.weight"],
  ] as const) {
    const { code, err } = run("convert", "a.safetensors", to);
    assert.equal(code, 0, err);
    const file = await io.open(join(folder, to));
    assert.ok(torch.equal(await file.read(name), weights["fc.weight"]), to);
    await file.close();
    assert.equal(run("diff", "a.safetensors", to).code, 0, to);
  }
  const again = run("convert", "a.safetensors", "b.pt");
  assert.equal(again.code, 2);
  assert.match(again.err, /b\.pt exists.*--force/);
  assert.equal(run("convert", "a.safetensors", "b.pt", "--force").code, 0);
  mkdirSync(join(folder, "sharded"));
  assert.equal(run("convert", "a.safetensors", "sharded/model.safetensors", "--shard-size", "30").code, 0);
  assert.ok(existsSync(join(folder, "sharded", "model.safetensors.index.json")));
  assert.equal(run("diff", "a.safetensors", "sharded").code, 0);
});

test("diff: what is missing, of another shape, of other values", async () => {
  const other = {
    "fc.weight": weights["fc.weight"].add(torch.tensor([0, 0, 0.25])),
    "fc.bias": torch.zeros(5),
    extra: torch.ones(1),
  };
  await io.save(other, join(folder, "other.safetensors"));
  const { code, out } = run("diff", "a.safetensors", "other.safetensors");
  assert.equal(code, 1);
  for (const row of [
    /fc\.weight\s+values\s+float32\s+float32\s+0\.25\s+2 of 6/,
    /fc\.bias\s+shape\s+\[4\]\s+\[5\]/,
    /extra\s+only in B/,
    /steps\s+only in A/,
    /4 of 4 tensors differ/,
  ])
    assert.match(out, row);
  const json = JSON.parse(run("diff", "a.safetensors", "other.safetensors", "--json", "--tolerance", "0.3").out) as {
    differences: { name: string }[];
  };
  assert.deepEqual(json.differences.map((d) => d.name).sort(), ["extra", "fc.bias", "steps"]);
  assert.equal(run("diff", "a.safetensors", "a.safetensors").out, "equal: 3 tensors\n");
});

test("verify: whole and damaged files, training states", async () => {
  const good = run("verify", "nested.pt");
  assert.equal(good.code, 0);
  assert.match(good.out, /nested\.pt: ok, 3 tensors/);
  assert.match(good.out, /NaN or infinite values in model\.fc\.bias/);
  const bytes = readFileSync(join(folder, "nested.pt"));
  const at = bytes.indexOf(Buffer.from(new Float32Array([6.5]).buffer));
  bytes[at]! ^= 1;
  writeFileSync(join(folder, "flipped.pt"), bytes);
  const bad = run("verify", "flipped.pt");
  assert.equal(bad.code, 1);
  assert.match(bad.out, /flipped\.pt: damaged\n.*checksum/s);
  const states = join(folder, "run");
  const path = await io.saveTrainingState(states, { model: new nn.Linear(2, 2), step: 1 });
  await io.saveTrainingState(states, { model: new nn.Linear(2, 2), step: 2 });
  assert.equal(run("verify", "run").out.match(/: ok/g)?.length, 2);
  writeFileSync(join(path, "rank-0.safetensors"), "x");
  assert.equal(run("verify", "run").code, 1);
  assert.match(run("inspect", "run").out, /model\.weight/);
});

test("what a user gets wrong is one line and code 2", () => {
  writeFileSync(join(folder, "text.txt"), "hello there");
  mkdirSync(join(folder, "empty"), { recursive: true });
  for (const [args, message] of [
    [["inspect"], /0 files given, 1 needed\. Usage: firebrand inspect FILE/],
    [["inspect", "a", "b"], /2 files given/],
    [["inspect", "nope.pt"], /there is no nope\.pt/],
    [["inspect", "text.txt"], /text\.txt: at byte 0/],
    [["inspect", "empty"], /holds no file of weights/],
    [["inspect", "a.safetensors", "--jason"], /'--jason'/],
    [["convert", "a.safetensors", "b.xyz"], /does not say what format/],
    [["convert", "a.safetensors", "c.pt", "--dtype", "int8"], /--dtype int8/],
    [["convert", "a.safetensors", "c.safetensors", "--shard-size", "lots"], /--shard-size lots/],
    [["convert", "a.safetensors", "no/such/c.pt"], /cannot be written/],
    [["diff", "a.safetensors", "a.safetensors", "--tolerance=-1"], /--tolerance -1/],
    [["dance"], /no command dance\. There are .*inspect, convert, diff, verify/],
  ] as const) {
    const { code, out, err } = run(...args);
    assert.equal(code, 2, `${args.join(" ")}: ${err}`);
    assert.match(err, message);
    assert.equal(err.trim().split("\n").length, 1, err);
    assert.equal(out, "");
  }
  assert.equal(run("--version").out.trim(), torch.version);
  assert.match(run("help").out, /convert\s+write a file/);
  assert.match(run("convert", "--help").out, /--shard-size/);
});
