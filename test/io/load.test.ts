// load and open: from wherever bytes can be had, by content, lazily, into modules.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import * as torch from "../../src/index.ts";
import { fixture } from "./recorded.ts";

const { io, nn } = torch;
type Dict = Record<string, unknown>;
const folder = mkdtempSync(join(tmpdir(), "firebrand-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, "weights.bin");
const big = torch.arange(3_000_000, { dtype: "float32" });
await io.save({ big, small: torch.tensor([1, 2, 3]) }, path, { format: "torch" });
const bytes = readFileSync(path);

async function check(from: torch.io.SourceLike): Promise<void> {
  const v = await io.load<Record<string, torch.Tensor>>(from);
  assert.ok(torch.equal(v["big"]!, big));
  assert.deepEqual(v["small"]!.toArraySync(), [1, 2, 3]);
}
test("from a path, an address, bytes, a Blob, a source of one's own", async () => {
  await check(path);
  await check(pathToFileURL(path));
  await check(String(pathToFileURL(path)));
  await check(bytes);
  await check(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  await check(new Blob([bytes]));
  let closed = 0;
  const reads: number[] = [];
  // A source that gives the same array each time, as the interface allows.
  const same = new Uint8Array(bytes.length);
  class Own implements torch.io.ByteSource {
    readonly name = "own";
    get size(): number {
      return bytes.length;
    }
    async read(offset: number, length: number): Promise<Uint8Array> {
      reads.push(length);
      same.set(bytes.subarray(offset, offset + length));
      return same.subarray(0, length);
    }
    async close(): Promise<void> {
      closed++;
    }
  }
  await check(new Own());
  assert.equal(closed, 0, "it stays the caller's to close");
  assert.ok(reads.reduce((a, b) => a + b) < 1.2 * bytes.length, "nothing is read twice");
  for (const bad of [5, null, {}, "no/such/file", mkdtempSync(join(folder, "empty-"))])
    await assert.rejects(io.load(bad as never), { name: "ArgumentError" });
});
test("from a web server, by ranges", async () => {
  let requests = 0;
  const server = createServer((req, res) => {
    requests++;
    const m = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? "");
    if (!m || req.url === "/whole") return void res.end(bytes);
    const [from, to] = [Number(m[1]), Number(m[2])];
    res.writeHead(206, { "Content-Range": `bytes ${from}-${to}/${bytes.length}` });
    res.end(bytes.subarray(from, to + 1));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await check(`${url}/weights.pt`);
    assert.ok(requests < 12, `${requests} requests`);
    requests = 0;
    const file = await io.open(`${url}/weights.pt`);
    assert.deepEqual([...file.tensors.keys()], ["big", "small"]);
    assert.deepEqual((await file.read("small")).toArraySync(), [1, 2, 3]);
    assert.ok(requests <= 5, `${requests} requests`);
    await assert.rejects(io.load(`${url}/whole`), { name: "ArgumentError" });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
test("open reads what is asked for and no more", async () => {
  let read = 0;
  const source: torch.io.ByteSource = {
    name: "counted",
    size: bytes.length,
    read: async (offset, length) => {
      read += length;
      return bytes.subarray(offset, offset + length);
    },
    close: async () => {},
  };
  const file = await io.open(source);
  assert.deepEqual(file.tensors.get("big")!.shape, [3_000_000]);
  await file.read("small");
  assert.ok(read < 4_000_000, `${read} bytes`);
  await assert.rejects(file.read("nope"), (e: Error) => e.name === "ArgumentError" && /It has big, small/.test(e.message));
});
test("a file of no known format is shown", async () => {
  await assert.rejects(
    io.load(new TextEncoder().encode("hello world")),
    (e: Error) =>
      e.name === "FormatError" && /bytes: at byte 0: it begins with 68 65 6c .*expected one of .*torch zip.*safetensors/.test(e.message),
  );
  await assert.rejects(io.load(new Uint8Array(0)), /the file is empty/);
  await assert.rejects(
    io.load(bytes.subarray(0, 1000)),
    (e: Error) => e.name === "FormatError" && /no end of the zip directory/.test(e.message),
  );
});
test("formats of one's own", async () => {
  io.registerFormat({
    name: "mine",
    detect: (head) => head[0] === 77,
    open: async (source) => ({ format: "mine", metadata: {}, value: { size: source.size }, close: () => source.close() }),
  });
  assert.deepEqual(await io.load(new Uint8Array([77, 1])), { size: 2 });
});
test("checkpoints and state dicts in safetensors", async () => {
  const target = join(folder, "c.safetensors");
  await io.saveCheckpoint({ a: [torch.ones(2), 12n], s: "x" }, target);
  const v = await io.load<{ a: [torch.Tensor, bigint]; s: string }>(target);
  assert.deepEqual([v.a[0].toArraySync(), v.a[1], v.s], [[1, 1], 12n, "x"]);
  // Types that Firebrand reads as wider ones.
  const header = JSON.stringify({
    h: { dtype: "U16", shape: [2], data_offsets: [0, 4] },
    f: { dtype: "F8_E4M3", shape: [2], data_offsets: [4, 6] },
  });
  const out = new Uint8Array(8 + header.length + 6);
  new DataView(out.buffer).setUint32(0, header.length, true);
  out.set(new TextEncoder().encode(header), 8);
  out.set([1, 0, 255, 255, 0x38, 0xc0], 8 + header.length);
  const w = await io.load<Record<string, torch.Tensor>>(out);
  assert.deepEqual([w["h"]!.dtype, w["h"]!.toArraySync(), w["f"]!.toArraySync()], ["int32", [1, 65535], [1, -2]]);
});

class Net extends nn.Module {
  fc: torch.nn.Linear = new nn.Linear(3, 2);
  bn: torch.nn.BatchNorm1d = new nn.BatchNorm1d(2);
  tied: torch.nn.Linear = this.fc;
  forward(x: torch.Tensor): torch.Tensor {
    return this.bn.forward(this.fc.forward(x));
  }
}
test("into a module: straight into its memory", async () => {
  const net = new Net();
  const weight = net.fc.weight;
  const { storage } = weight;
  const version = storage.version.value;
  const report = await io.load(await fixture("zip-2.15.0.pt"), { into: net, key: "state_dict" });
  assert.deepEqual(report, { missingKeys: [], unexpectedKeys: [], key: "state_dict", stripped: {} });
  assert.equal(net.fc.weight, weight);
  assert.equal(weight.storage, storage);
  assert.ok(storage.version.value > version, "graphs that saved the old values must notice");
  const want = await io.load<Dict>(await fixture("zip-2.15.0.pt"));
  assert.ok(torch.equal(weight, (want["state_dict"] as Record<string, torch.Tensor>)["fc.weight"]!));
  assert.ok(weight.requiresGrad);
});
test("into a module: from pickled modules, other dtypes, only one candidate", async () => {
  const net = new Net();
  await io.load(await fixture("module-1.0.0.pt"), { into: net });
  assert.deepEqual(net.bn.running_var!.toArraySync(), [1, 1]);
  class Inner extends nn.Module {
    weight: torch.nn.Parameter = new nn.Parameter(torch.zeros(2, 2));
    constructor() {
      super();
      this.registerBuffer("scale", torch.zeros(1));
    }
    forward(): void {}
  }
  class Scripted extends nn.Module {
    inner: Inner = new Inner();
    forward(): void {}
  }
  const scripted = new Scripted();
  await io.load(await fixture("script-2.15.0.pt"), { into: scripted });
  assert.deepEqual(scripted.inner.weight.toArraySync(), [
    [0, 1],
    [2, 3],
  ]); // prettier-ignore
  const half = join(folder, "half.pt");
  const state = Object.fromEntries(Object.entries(net.stateDict()).map(([k, t]) => [k, t.to("float64")]));
  await io.save({ epoch: 3, model: state }, half);
  const other = new Net();
  assert.equal((await io.load(half, { into: other })).key, "model");
  assert.ok(torch.equal(other.fc.weight, net.fc.weight));

  await io.save({ w: torch.ones(3, 2).t() }, half);
  class One extends nn.Module {
    w: torch.nn.Parameter = new nn.Parameter(torch.zeros(2, 3));
    forward(): void {}
  }
  const one = new One();
  await io.load(half, { into: one });
  assert.equal(one.w.sum().itemSync(), 6);
});
test("into a module: prefixes of wrappers are taken off and reported", async () => {
  const net = new Net();
  const file = join(folder, "wrapped.pt");
  const wrapped = Object.entries(net.stateDict()).map(([k, t]): [string, torch.Tensor] => [
    k.startsWith("bn") ? `module._orig_mod.${k}` : `module.${k.replace("fc.", "fc._orig_mod.")}`,
    t,
  ]);
  await io.save(Object.fromEntries(wrapped), file);
  const other = new Net();
  const report = await io.load(file, { into: other });
  assert.deepEqual(report.stripped, { "module.": 9, "_orig_mod.": 7 });
  assert.ok(torch.equal(other.fc.weight, net.fc.weight));
  // A module that does have a field of that name keeps it.
  class Outer extends nn.Module {
    module: Net = new Net();
    forward(): void {}
  }
  const outer = new Outer();
  await io.save(outer.stateDict(), file);
  assert.deepEqual((await io.load(file, { into: new Outer() })).stripped, {});
});
test("into a module: all that does not fit is said at once, and nothing is written", async () => {
  const file = join(folder, "wrong.pt");
  const net = new Net();
  const before = net.fc.weight.toArraySync();
  await io.save({ "fc.weight": torch.zeros(5, 3), "fc.bias": torch.zeros(2), extra: torch.zeros(1) }, file);
  await assert.rejects(io.load(file, { into: net }), (e: Error) => {
    assert.equal(e.name, "ShapeError");
    assert.match(e.message, /missing keys: .*bn\.weight.*unexpected keys: extra.*fc\.weight \(given \[5, 3\], needed \[2, 3\]\)/);
    return true;
  });
  assert.deepEqual(net.fc.weight.toArraySync(), before);
  await io.save({ "fc.bias": torch.full([2], 7, { dtype: "float32" }), extra: torch.zeros(1) }, file);
  const report = await io.load(file, { into: net, strict: false });
  assert.deepEqual(net.fc.bias!.toArraySync(), [7, 7]);
  assert.deepEqual(report.unexpectedKeys, ["extra"]);
  assert.ok(report.missingKeys.includes("fc.weight"));
  await io.save({ a: { x: torch.ones(1) }, b: { x: torch.ones(1) } }, file);
  await assert.rejects(io.load(file, { into: net }), /holds several.*\{ key: "a" \}.*a \(1 tensors\), b \(1 tensors\)/);
  await assert.rejects(io.load(file, { into: net, key: "c" }), /no state dict at "c"/);
  await io.save({ a: 1 }, file);
  await assert.rejects(io.load(file, { into: net }), /holds no state dict/);
  await assert.rejects(io.load(file, { into: {} as never }), { name: "ArgumentError" });
});
test("a file that ends while tensors are read", async () => {
  writeFileSync(join(folder, "cut.safetensors"), io.safetensorsBytes({ a: torch.zeros(100_000) }));
  const file = await io.open(join(folder, "cut.safetensors"));
  writeFileSync(join(folder, "cut.safetensors"), new Uint8Array(100));
  await assert.rejects(
    file.read("a"),
    (e: Error) => e.name === "FormatError" && /cut\.safetensors: at byte \d+: 400000 bytes expected/.test(e.message),
  );
  await file.close();
});
test("checksums of archives are compared while large tensors are read", async () => {
  const big = torch.arange(5_000_000).to("float32"); // three chunks
  for (const [name, options] of [
    ["checked.npz", {}],
    ["checked.pt", { verify: true }],
  ] as const) {
    const file = join(folder, name);
    await torch.save({ big }, file);
    const sound = (await io.load<Record<string, torch.Tensor>>(file, options))["big"]!;
    assert.ok(torch.equal(sound, big), name);
    const bytes = readFileSync(file);
    for (const at of [100_000, 10_000_000, 19_900_000]) {
      bytes[at]! ^= 1;
      writeFileSync(file, bytes);
      await assert.rejects(io.load(file, options), { name: "FormatError", message: /has checksum \w+, the directory says/ });
      bytes[at]! ^= 1;
    }
  }
});
test("an index of files of any format, as PyTorch's sharded models have it", async () => {
  const model = mkdtempSync(join(folder, "sharded-"));
  const name = (i: number): string => `pytorch_model-0000${i}-of-00002.bin`;
  await torch.save({ a: torch.ones(2), tied: torch.zeros(1) }, join(model, name(1)));
  await torch.save({ b: torch.zeros(3) }, join(model, name(2)));
  const index = (map: Record<string, string>): void =>
    writeFileSync(join(model, "pytorch_model.bin.index.json"), JSON.stringify({ metadata: { total_size: 24 }, weight_map: map }));
  index({ b: name(2), a: name(1) });
  const file = await io.open(model);
  assert.deepEqual([file.format, [...file.tensors.keys()], file.metadata], ["torch zip index", ["b", "a"], { total_size: 24 }]);
  assert.deepEqual(await (await file.read("a")).toArray(), [1, 1]);
  await file.close();
  index({ a: name(2) });
  await assert.rejects(io.load(model), {
    name: "FormatError",
    message: /00002-of-00002\.bin: at byte 0: no tensor "a", which .*index\.json says is here/,
  });
  index({ a: "pytorch_model.bin.index.json" });
  await assert.rejects(io.load(model), { name: "FormatError", message: /an index within an index/ });
  index({ a: "gone.bin" });
  await assert.rejects(io.load(model), { message: /gone\.bin/ });
});
