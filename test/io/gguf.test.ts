// GGUF files: those of llama.cpp's own package, byte for byte both ways; every refusal; damage.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { mapStored } from "../../src/io/stored.ts";
import { fuzz } from "./fuzz.ts";

const { io } = torch;
const fixtures = join(import.meta.dirname, "../../../test/io/fixtures");
const small = new Uint8Array(readFileSync(join(fixtures, "small.gguf")));
const aligned = new Uint8Array(readFileSync(join(fixtures, "aligned.gguf")));
type Tensors = Record<string, torch.Tensor | torch.io.QuantizedTensor>;

const open = (bytes: Uint8Array, name = "small.gguf"): Promise<torch.io.GgufFile> => io.gguf.open(io.bytesSource(bytes, name), {});
const load = async (bytes: Uint8Array): Promise<Tensors> => (await mapStored((await open(bytes)).value, (t) => t.read())) as Tensors;
const plain = (t: torch.Tensor | torch.io.QuantizedTensor): torch.Tensor => (t instanceof io.QuantizedTensor ? t.dequantize() : t);

test("metadata of every type", async () => {
  const file = await open(small);
  assert.equal(file.version, 3);
  assert.deepEqual(file.metadata, {
    "general.architecture": "toy",
    "t.u8": 200,
    "t.i8": -100,
    "t.u16": 60000,
    "t.i16": -30000,
    "t.u32": 4000000000,
    "t.i32": -2000000000,
    "t.u64": 2n ** 63n + 1n,
    "t.i64": -(2n ** 53n) - 1n,
    "t.f32": 10000,
    "t.f64": 0.1,
    "t.yes": true,
    "t.text": "häßlich 🔥",
    "tokenizer.ggml.tokens": ["<s>", "", "ab\n"],
    "t.ints": [1, -2, 3],
    "t.floats": [0.5, 1.5],
    "t.bools": [true, false],
    "t.nested": [[1, 2], [3]],
  });
  assert.deepEqual(file.fields["t.f32"], { type: "float32", value: 10000 });
  assert.equal(file.fields["t.nested"]!.type, "int32[][]");
});
test("tensors have the values that the gguf package gives", async () => {
  const want = JSON.parse(readFileSync(join(fixtures, "small.gguf.json"), "utf8")) as Record<string, { shape: number[]; values: number[] }>;
  const got = await load(small);
  assert.deepEqual(Object.keys(got), Object.keys(want));
  for (const [name, { shape, values }] of Object.entries(want)) {
    const t = plain(got[name]!);
    assert.deepEqual([...t.shape], shape, name);
    assert.deepEqual(await t.to("float64").view(-1).toArray(), values, name);
  }
  const q4 = got["Q4_0"] as torch.io.QuantizedTensor;
  assert.deepEqual([q4.type, q4.nbytes, [...q4.bytes.shape]], ["Q4_0", 72, [2, 36]]);
  assert.equal(q4.dequantize({ dtype: "bfloat16" }).dtype, "bfloat16");
  assert.equal((got["BF16"] as torch.Tensor).dtype, "bfloat16");
});
test("quantised weights go into a module as the numbers they stand for", async () => {
  const weight = torch.randn(2, 64);
  const quantized = io.QuantizedTensor.quantize(weight, "Q8_0");
  const bytes = io.ggufBytes({ weight: quantized, bias: torch.ones(2) });
  const module = new torch.nn.Linear(64, 2);
  const report = await torch.load(bytes, { into: module });
  assert.deepEqual([report.missingKeys, report.unexpectedKeys], [[], []]);
  assert.ok(torch.equal(module.weight, quantized.dequantize()));
  assert.ok(torch.equal(module.bias!, torch.ones(2)));
  assert.ok(module.weight.isLeaf && module.weight.requiresGrad);
});
test("writing what was read gives the gguf package's file again", async () => {
  for (const bytes of [small, aligned]) {
    const file = await open(bytes);
    const tensors = (await mapStored({ ...(file.value as object) }, (t) => t.read())) as Tensors;
    assert.deepEqual(io.ggufBytes(tensors, { metadata: file.fields }), bytes);
  }
});
test("files are saved, views too, and plain metadata gets the smallest fitting type", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "firebrand-")), "a.gguf");
  const x = torch.arange(6).reshape(2, 3).to("float32");
  const metadata = { a: 1, b: -1, c: 2 ** 40, d: -(2 ** 40), e: 0.5, f: [], g: ["x"], h: [true], i: [[1], [2]], j: 2n ** 60n };
  await io.saveGguf({ t: x.t(), scalar: torch.tensor(3), empty: torch.zeros(0, 4) }, path, { metadata, version: 2 });
  const source = await io.fileSource(path);
  const file = await io.gguf.open(source, {});
  assert.equal(file.version, 2);
  assert.deepEqual(
    Object.values(file.fields).map((f) => f.type),
    ["uint32", "int32", "uint64", "int64", "float32", "string[]", "string[]", "bool[]", "uint32[][]", "uint64"],
  );
  assert.deepEqual(file.metadata, metadata);
  const got = (await mapStored(file.value, (t) => t.read())) as Record<string, torch.Tensor>;
  assert.deepEqual(await got["t"]!.toArray(), await x.t().toArray());
  assert.deepEqual(await got["scalar"]!.toArray(), 3);
  assert.deepEqual([...got["empty"]!.shape], [0, 4]);
  await file.close();
});
test("a header of several megabytes is read in pieces", async () => {
  const tokens = Array.from({ length: 150_000 }, (_, i) => `token ${i}`);
  const file = await open(io.ggufBytes({ x: torch.ones(2) }, { metadata: { tokens } }));
  assert.deepEqual(file.metadata["tokens"], tokens);
});
test("quantised tensors check what they are made of", () => {
  const { QuantizedTensor: Q } = io;
  assert.throws(() => Q.quantize(torch.zeros(2, 33), "Q4_0"), { name: "ShapeError", message: /\[2, 33\].*32/ });
  assert.throws(() => Q.quantize(torch.zeros(32), "Q9_9" as "Q4_0"), { name: "ArgumentError", message: /Q9_9/ });
  assert.throws(() => Q.quantize(torch.full([32], Number.NaN), "Q4_0"), { name: "ValueError", message: /element 0.*NaN/ });
  assert.throws(() => new Q("Q4_0", [32], torch.zeros(17, { dtype: "uint8" })), { name: "ShapeError", message: /\[18\].*\[17\]/ });
  assert.throws(() => new Q("Q4_0", [32], torch.zeros(18)), { name: "DTypeError" });
  const strided = Q.quantize(torch.arange(64).reshape(32, 2).to("float32").t(), "Q8_0");
  assert.deepEqual([...strided.shape], [2, 32]);
  assert.ok(torch.allclose(strided.dequantize(), torch.arange(64).reshape(32, 2).t().to("float32"), { atol: 0.3 }));
  const there = strided.to("reference");
  assert.equal(there.device, "reference");
  assert.ok(torch.equal(there.dequantize().to("cpu"), strided.dequantize()));
  assert.equal(Q.quantize(torch.zeros(0, 32), "Q4_0").dequantize().layout.numel, 0);
});
test("what GGUF cannot hold is refused when it is written", () => {
  const x = torch.ones(2);
  const bad = (tensors: Record<string, torch.Tensor>, options: torch.io.GgufOptions, error: object): void =>
    assert.throws(() => io.ggufBytes(tensors, options), error);
  bad({ m: x.to("bool") }, {}, { name: "DTypeError", message: /"m" is bool/ });
  bad({ x }, { metadata: { a: Symbol("s") as unknown as string } }, { name: "ArgumentError", message: /metadata "a"/ });
  bad({ x }, { metadata: { a: { type: "uint8", value: 256 } } }, { name: "ArgumentError", message: /256 is no uint8/ });
  bad({ x }, { metadata: { a: { type: "int33" as "int32", value: 1 } } }, { name: "ArgumentError", message: /int33/ });
  bad({ x }, { metadata: { "general.alignment": 24 } }, { name: "ArgumentError", message: /power of two/ });
  bad({ x }, { version: 1 }, { name: "ArgumentError" });
});

// Places in small.gguf: 4 version, 8 tensor count, 16 metadata count.
test("damage is named", async () => {
  const changed = (change: (v: DataView) => void): Uint8Array => {
    const b = small.slice();
    change(new DataView(b.buffer));
    return b;
  };
  const refuses = (bytes: Uint8Array, message: RegExp): Promise<void> =>
    assert.rejects(
      open(bytes),
      (e: Error) => e.name === "FormatError" && /small\.gguf: at byte \d+/.test(e.message) && message.test(e.message),
    );
  await refuses(
    changed((v) => v.setUint8(0, 0)),
    /at byte 0: no GGUF magic/,
  );
  await refuses(
    changed((v) => v.setUint32(4, 1, true)),
    /version 1, expected 2 or 3.*Convert/,
  );
  // Then all that follows is read in the other order.
  await refuses(
    changed((v) => v.setUint32(4, 3, false)),
    /tensor count is \d+/,
  );
  await refuses(
    changed((v) => v.setBigUint64(8, 2n ** 40n, true)),
    /1099511627776 tensor descriptions cannot be/,
  );
  await refuses(
    changed((v) => v.setBigUint64(16, 2n ** 63n, true)),
    /metadata count is 9223372036854775808/,
  );
  await refuses(small.slice(0, 100), /18 metadata entries cannot be/);
  await refuses(small.slice(0, 900), /expected, the file has/);
  await refuses(small.slice(0, small.length - 64), /tensor "Q8_0" ends at byte 1640, the file at 1632.*truncated/);
  const q4 = Buffer.from(small).indexOf("Q4_0") + 4;
  await refuses(
    changed((v) => v.setUint32(q4 + 20, 4, true)),
    /"Q4_0" has the removed type Q4_2/,
  );
  await refuses(
    changed((v) => v.setUint32(q4 + 20, 99, true)),
    /type 99, which is unknown/,
  );
  await refuses(
    changed((v) => v.setUint32(q4 + 20, 12, true)),
    /"Q4_0" of Q4_K has rows of 64, expected a multiple of 256/,
  );
  await refuses(
    changed((v) => v.setBigUint64(q4 + 24, 1n, true)),
    /has offset 1, expected a multiple of 32/,
  );
  await refuses(
    changed((v) => v.setBigUint64(q4 + 24, 0n, true)),
    /overlaps/,
  );
  await refuses(
    changed((v) => v.setBigUint64(q4 + 12, 2n ** 52n, true)),
    /more than a file can hold/,
  );
  await refuses(
    changed((v) => v.setUint32(q4, 9, true)),
    /9 dimensions/,
  );
  const twice = io.ggufBytes({ ab: torch.ones(1), ac: torch.ones(1) });
  twice[Buffer.from(twice).indexOf("ac") + 1] = "b".charCodeAt(0);
  await refuses(twice, /"ab" stands twice/);
});
test("fuzz", async () => {
  const counts = await fuzz({ open: (b) => open(b, "damaged"), files: [small, aligned] });
  assert.ok(counts.refused > counts.read);
});
