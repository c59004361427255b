// save: what it writes is what torch.save writes; values come back as they were.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { DTYPES } from "../../src/core/dtype.ts";
import * as torch from "../../src/index.ts";
import { isParameter } from "../../src/nn/module.ts";
import { bytesSource } from "../../src/io/source.ts";
import { openZip } from "../../src/io/zip.ts";
import { fixture, roundtrip, sha, valueBytes } from "./recorded.ts";

const { io, nn } = torch;
type Dict = Record<string, unknown>;
const folder = mkdtempSync(join(tmpdir(), "firebrand-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const saved = async (value: unknown): Promise<Uint8Array> => {
  const sink = io.memorySink();
  await io.save(value, sink, { format: "torch" });
  return sink.bytes();
};
const again = async <T = Dict>(value: unknown): Promise<T> => io.load<T>(await saved(value));

test("values come back as they were", async () => {
  const value = {
    numbers: [0, 1, -1, 255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 53 - 1, -128, 0.1, 1e300, -0],
    special: [Number.NaN, Infinity, -Infinity],
    big: [2n ** 63n, -(2n ** 63n), 2n ** 70n, -(2n ** 2100n), 255n ** 300n],
    text: ["", "wörld 🔥", "x".repeat(300)],
    nothing: [null, true, false],
    nested: { a: { b: [{ c: [] }] }, empty: {} },
    many: Array.from({ length: 2500 }, (_, i) => i),
    wide: Object.fromEntries(Array.from({ length: 2500 }, (_, i) => [`k${i}`, i])),
    map: new Map<unknown, unknown>([
      [1, "a"],
      [null, [2]],
      [true, 3],
      [2n ** 60n, 4],
    ]), // prettier-ignore
    set: new Set([1, "a"]),
    bytes: [new Uint8Array([0, 127, 128, 255]), new Uint8Array(0)],
    complex: torch.complexScalar(1, -2),
  };
  assert.deepEqual(await again(value), value);
  assert.equal(await again<null>(undefined), null);
  assert.deepEqual(await again(new Map([[[1, 2], 3]])), new Map([[[1, 2], 3]])); // prettier-ignore
  const key = Object.fromEntries([["__proto__", 1]]);
  assert.deepEqual(await again(key), new Map([["__proto__", 1]]));
});
test("tensors of every dtype, views, sharing, parameters", async () => {
  const base = torch.arange(24, { dtype: "float32" }).reshape(4, 6);
  const x = torch.tensor([
    [0, -1, 1.5],
    [3, 250, 7],
  ]); // prettier-ignore
  const value: Record<string, torch.Tensor> = {
    ...Object.fromEntries(DTYPES.map((d) => [d, x.to(d)])),
    base,
    t: base.t(),
    part: base.narrow(1, 2, 3),
    expanded: torch.ones(2, 1).expand(2, 3),
    scalar: torch.tensor(2.5),
    empty: torch.zeros(0, 3),
    parameter: new nn.Parameter(torch.ones(2)),
    frozen: new nn.Parameter(torch.ones(2), false),
    leaf: torch.ones(2, { requiresGrad: true }),
  };
  const back = await again<Record<string, torch.Tensor>>(value);
  assert.deepEqual(Object.keys(back), Object.keys(value));
  for (const [name, t] of Object.entries(value)) {
    const b = back[name]!;
    assert.deepEqual([b.dtype, ...b.shape], [t.dtype, ...t.shape], name);
    assert.deepEqual(b.layout.strides, t.layout.strides, name);
    assert.deepEqual(valueBytes(b), valueBytes(t), name);
    assert.deepEqual([isParameter(b), b.requiresGrad], [isParameter(t), t.requiresGrad], name);
  }
  assert.equal(back["t"]!.storage, back["base"]!.storage);
  assert.equal(back["part"]!.storage, back["base"]!.storage);
  assert.equal(back["expanded"]!.storage.nbytes, 8);
  const twice = await again<Dict>({ a: base, b: base, list: [] as unknown[] });
  assert.equal(twice["a"], twice["b"]);
});
test("only what tensors show is written", async () => {
  const big = torch.zeros(1000, 1000);
  assert.ok((await saved({ row: big.narrow(0, 3, 1) })).length < 6000);
  const { a, b } = await again<Record<string, torch.Tensor>>({ a: big.narrow(0, 10, 2), b: big.narrow(0, 11, 2) });
  a!.fill_(1);
  assert.equal(b!.sum().itemSync(), 1000);
});
test("byte for byte what PyTorch writes, but for the number that tells files apart", async () => {
  // The fixture's file was made by torch.save(dtypes()) under another name and then repacked: its entries are compared.
  const zip = await openZip(bytesSource(await fixture("compressed.pt")));
  const mine = await openZip(bytesSource(await saved(await io.load(await fixture("compressed.pt")))));
  const end = (name: string): string => name.slice(name.indexOf("/") + 1);
  const theirs = new Map([...zip.entries].map(([name, e]) => [end(name), e]));
  assert.deepEqual([...mine.entries.keys()].map(end), [...theirs.keys()]);
  for (const [name, e] of mine.entries) {
    if (name.endsWith("serialization_id") || name.endsWith("data.pkl")) continue;
    assert.deepEqual(await mine.bytes(e), await zip.bytes(theirs.get(end(name))!), name);
    assert.equal((await mine.begin(e)) % 64, 0, name);
  }
});
test("files that PyTorch has read are written again bit for bit", async () => {
  // What tools/roundtrip saw PyTorch accept; when this differs, run it again.
  for (const [name, want] of Object.entries(roundtrip)) {
    const bytes = await saved(await io.load(await fixture(name)));
    assert.equal(sha(bytes), want.sha, `${name}, read by PyTorch ${want.reads.join(", ")}`);
  }
});
test("state dicts of modules and optimizers", async () => {
  const model = new nn.Sequential(new nn.Linear(2, 3), new nn.Linear(3, 1));
  const optimizer = new torch.optim.AdamW(model.parameters(), { lr: 0.1 });
  model.forward(torch.ones(4, 2)).sum().backward();
  optimizer.step();
  const back = await again<Dict>({ model: model.stateDict(), optimizer: optimizer.stateDict(), epoch: 3 });
  const state = (back["optimizer"] as Dict)["state"] as Map<number, Dict>;
  assert.deepEqual([...state.keys()], [0, 1, 2, 3], "PyTorch numbers parameters with integers");
  const other = new nn.Sequential(new nn.Linear(2, 3), new nn.Linear(3, 1));
  other.loadStateDict(back["model"] as Record<string, torch.Tensor>);
  const second = new torch.optim.AdamW(other.parameters(), { lr: 1 });
  second.loadStateDict(back["optimizer"] as torch.optim.OptimizerState);
  for (const [m, o] of [
    [model, optimizer],
    [other, second],
  ] as const) {
    // prettier-ignore
    o.zeroGrad();
    m.forward(torch.ones(4, 2)).square().sum().backward();
    o.step();
  }
  assert.ok(torch.equal(model.stateDict()["0.weight"]!, other.stateDict()["0.weight"]!));
});
test("what cannot be saved is named", async () => {
  const model = new nn.Linear(2, 2);
  for (const [value, message] of [
    [{ a: [{ f: () => 1 }] }, /a\.0\.f is a function/],
    [{ when: new Date(0) }, /when is a Date/],
    [{ m: model }, /m is a Linear, which cannot be saved.*stateDict/],
    [model, /the value is a Linear.*stateDict/],
    [{ o: new torch.optim.SGD(model.parameters(), { lr: 1 }) }, /o is a SGD.*stateDict/],
    [{ x: new Float32Array(2) }, /x is a Float32Array.*tensor/],
    [{ s: "\ud800" }, /surrogate/],
    [new Map([[{}, 1]]), /key is a Object/],
  ] as const)
    await assert.rejects(saved(value), (e: Error) => e.name === "ArgumentError" && message.test(e.message), String(message));
  let deep: unknown[] = [];
  for (let i = 0; i < 2000; i++) deep = [deep];
  await assert.rejects(saved(deep), /nested more than 1000 deep/);
  const cycle: unknown[] = [];
  cycle.push(cycle);
  const back = await again<unknown[]>(cycle);
  assert.equal(back[0], back);
});
test("the name says the format; a failed save leaves the old file", async () => {
  const path = join(folder, "model.PT");
  await io.save({ a: torch.ones(2) }, path);
  assert.equal((await io.open(path)).format, "torch zip");
  await io.save({ a: torch.ones(2) }, pathToFileURL(join(folder, "m ö.safetensors")), { metadata: { k: "v" } });
  assert.deepEqual((await io.open(join(folder, "m ö.safetensors"))).metadata, { k: "v" });
  await assert.rejects(io.save({}, join(folder, "x.txt")), /x\.txt does not say what format.*torch \(\.pt/);
  await assert.rejects(io.save({}, io.memorySink()), /a sink has no name/);
  await assert.rejects(io.save({}, path, { format: "nope" }), /no format "nope"/);
  await assert.rejects(io.save({ a: 1 }, join(folder, "x.safetensors")), /a is no Tensor/);
  await assert.rejects(io.save({ a: torch.ones(3), b: () => 1 }, path), { name: "ArgumentError" });
  assert.deepEqual((await io.load<{ a: torch.Tensor }>(path)).a.toArraySync(), [1, 1]);
  assert.ok(!readdirSync(folder).some((f) => f.endsWith(".tmp")));
});
test("safetensors in several files", async () => {
  const value = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`w${i}`, torch.full([10], i, { dtype: "float32" })]));
  const path = join(folder, "model.safetensors");
  await io.save(value, path, { maxShardSize: 90, metadata: { format: "pt" } });
  const names = readdirSync(folder).filter((f) => f.startsWith("model-"));
  assert.deepEqual(names, ["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors"]);
  const index = join(folder, "model.safetensors.index.json");
  const file = await io.open(index);
  assert.equal(file.format, "safetensors index");
  assert.deepEqual(file.metadata, { format: "pt", total_size: 200 });
  await file.close();
  const back = await io.load<Record<string, torch.Tensor>>(index);
  assert.deepEqual(Object.keys(back), Object.keys(value));
  for (const [k, t] of Object.entries(value)) assert.ok(torch.equal(back[k]!, t));
  // From bytes there is no folder: the files are given.
  const json = readFileSync(index);
  await assert.rejects(io.load(json), (e: Error) => e.name === "FormatError" && /model-00001.*no folder/.test(e.message));
  const files = Object.fromEntries(names.map((n) => [n, new Blob([readFileSync(join(folder, n))])]));
  assert.deepEqual(Object.keys(await io.load(new Blob([json]), { files })), Object.keys(value));
  for (const bad of ["../secret.safetensors", "/etc/passwd", "a/b", "..", 5]) {
    const evil = new TextEncoder().encode(JSON.stringify({ weight_map: { w: bad } }));
    await assert.rejects(io.load(evil), (e: Error) => e.name === "FormatError" && e.message.includes("no name of a file"));
  }
  await assert.rejects(io.save(value, path, { maxShardSize: 0 }), { name: "ArgumentError" });
  await io.save(value, join(folder, "one.safetensors"), { maxShardSize: 1000 });
  assert.equal((await io.open(join(folder, "one.safetensors"))).tensors.size, 5);
});
