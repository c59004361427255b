// .npy and .npz: files that numpy wrote, bytes that it would write, every refusal, zip tricks, damage.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { crc32, crc32c, portableCrc32 } from "../../src/io/crc32.ts";
import { parseLiteral } from "../../src/io/numpy/header.ts";
import { memorySink } from "../../src/io/sink.ts";
import { type Format, mapStored, type StoredTensor } from "../../src/io/stored.ts";
import { openZip } from "../../src/io/zip.ts";
import { ZipWriter } from "../../src/io/zipWriter.ts";
import { fuzz } from "./fuzz.ts";

const { io } = torch;
const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(join(import.meta.dirname, "../../../test/io/fixtures", name)));
const load = async <T>(format: Format, bytes: Uint8Array, name = "bytes"): Promise<T> =>
  (await mapStored((await format.open(io.bytesSource(bytes, name), {})).value, (t) => t.read())) as T;
type Tensors = Record<string, torch.Tensor>;
/** Files of an archive. */
async function unzip(bytes: Uint8Array): Promise<Record<string, Uint8Array>> {
  const archive = await openZip(io.bytesSource(bytes));
  const out: Record<string, Uint8Array> = {};
  for (const e of archive.entries.values()) out[e.name] = await archive.bytes(e, { verify: true });
  return out;
}
async function zip(files: Record<string, Uint8Array>, compress = false): Promise<Uint8Array> {
  const sink = memorySink();
  const archive = new ZipWriter(sink);
  for (const [name, b] of Object.entries(files)) await archive.entry(name, b.length, (write) => write(b), compress);
  archive.finish();
  return sink.bytes();
}

const DTYPES: Record<string, torch.DType> = {
  "?": "bool",
  b: "int8",
  B: "uint8",
  h: "int16",
  H: "int32",
  i: "int32",
  I: "int64",
  q: "int64",
  Q: "int64",
  e: "float16",
  f: "float32",
  d: "float64",
  F: "complex64",
  D: "complex128",
};

test("every dtype, both byte orders, both array orders", async () => {
  const { arrays } = JSON.parse(new TextDecoder().decode(fixture("numpy.json"))) as {
    arrays: Record<string, { shape: number[]; values: unknown[] }>;
  };
  const got = await load<Tensors>(io.npz, fixture("arrays.npz"));
  assert.deepEqual(Object.keys(got), Object.keys(arrays));
  for (const [name, { shape, values }] of Object.entries(arrays)) {
    const t = got[name]!;
    assert.deepEqual([...t.shape], shape, name);
    if (name.length === 2 && /[<>]/.test(name)) assert.equal(t.dtype, DTYPES[name[1]!], name);
    const flat =
      t.dtype === "int64" ? [...((await t.reshape(-1).data()) as BigInt64Array)] : ((await t.reshape(-1).toArray()) as unknown[]);
    const plain = flat.map((v, i) => {
      if (typeof values[i] === "string") return String(v);
      return typeof v === "object" ? Object.values(v as object) : typeof v === "bigint" ? Number(v) : v;
    });
    assert.deepEqual(plain, values, name);
  }
  assert.deepEqual([...got["fortran"]!.stride()], [1, 2, 6]);
});
test("versions 2 and 3, stored archives", async () => {
  const kinds = await unzip(fixture("kinds.zip"));
  for (const v of ["version 2", "version 3"])
    assert.deepEqual(await (await load<torch.Tensor>(io.npy, kinds[`${v}.npy`]!)).toArray(), [0, 1, 2]);
  const { a, b } = await load<Tensors>(io.npz, fixture("stored.npz"));
  assert.deepEqual(await a!.toArray(), [0, 1, 2]);
  assert.deepEqual(await b!.toArray(), [
    [1, 1],
    [1, 1],
  ]);
});
test("what is no number is refused by name", async () => {
  const kinds = await unzip(fixture("kinds.zip"));
  const refuses = (name: string, message: RegExp): Promise<void> =>
    assert.rejects(
      load(io.npy, kinds[`${name}.npy`]!, "k.npy"),
      (e: Error) => e.name === "FormatError" && /k\.npy: at byte \d+: /.test(e.message) && message.test(e.message),
    );
  await refuses("object", /Python objects \(pickled\), which are never read/);
  await refuses("structured", /structured records \[\["x","<f4"\],\["y","<i8"\]\]/);
  await refuses("strings", /strings \("<U2"\)/);
  await refuses("bytes", /byte strings \("\|S2"\)/);
  await refuses("dates", /dates/);
  await refuses("too big", /9223372036854775813 does not fit int64/);
});
test("an archive with a text array can be opened, its numbers read", async () => {
  const kinds = await unzip(fixture("kinds.zip"));
  const file = await io.npz.open(
    io.bytesSource(await zip({ "t.npy": kinds["strings.npy"]!, "x.npy": io.npyBytes(torch.ones(2)), note: new Uint8Array(3) })),
    {},
  );
  const value = file.value as Record<string, StoredTensor>;
  assert.deepEqual(Object.keys(value), ["t", "x", "note"]);
  assert.deepEqual(await ((await value["x"]!.read()) as torch.Tensor).toArray(), [1, 1]);
  await assert.rejects(value["t"]!.read(), { name: "FormatError" });
  await assert.rejects(value["note"]!.read(), { name: "FormatError", message: /note.*no \.npy file/ });
});
test("bytes are those that numpy writes", async () => {
  const { written } = JSON.parse(new TextDecoder().decode(fixture("numpy.json"))) as { written: Record<string, string> };
  for (const [shape, sha] of Object.entries(written)) {
    const sizes = shape.match(/\d+/g)?.map(Number) ?? [];
    assert.equal(
      createHash("sha256")
        .update(io.npyBytes(torch.ones(...sizes)))
        .digest("hex"),
      sha,
      shape,
    );
  }
});
test("round trips: every dtype, views, files, compression", async () => {
  const folder = mkdtempSync(join(tmpdir(), "firebrand-"));
  const x = torch
    .tensor([
      [0, 1, 2],
      [3, 4, 5],
    ])
    .t();
  const tensors: Tensors = Object.fromEntries([...new Set(Object.values(DTYPES))].map((d) => [d, x.to(d)]));
  Object.assign(tensors, { scalar: torch.tensor(2), empty: torch.zeros(0, 2), "a/b é": torch.ones(1000) });
  const big = await io.npzBytes(tensors);
  const packed = await io.npzBytes(tensors, { compress: true });
  assert.ok(packed.length < big.length);
  for (const bytes of [big, packed]) {
    const got = await load<Tensors>(io.npz, bytes);
    assert.deepEqual(Object.keys(got), Object.keys(tensors));
    for (const [k, t] of Object.entries(tensors)) assert.ok(torch.equal(got[k]!, t) && got[k]!.dtype === t.dtype, k);
  }
  await io.saveNpz(tensors, join(folder, "a.npz"), { compress: true });
  assert.deepEqual(new Uint8Array(readFileSync(join(folder, "a.npz"))), packed);
  await io.saveNpy(x, join(folder, "a.npy"));
  const source = await io.fileSource(join(folder, "a.npy"));
  assert.ok(await io.npy.detect((await source.read(0, 100)).slice(), source));
  const file = await io.npy.open(source, {});
  assert.ok(torch.equal((await (file.value as StoredTensor).read()) as torch.Tensor, x));
  await file.close();
  // numpy reads these bytes to the same values: tools/record/numpy_files.py checks files of ours.
  assert.equal(createHash("sha256").update(big).digest("hex"), "04f86535bf6c50b7088b97a4d7212246c1c8fff89dd9f6520f2aa3d84c4227dc");
});
test("arrays longer than a piece, also when items cross the pieces", async () => {
  const x = torch.arange(1_500_001, { dtype: "float64" });
  for (const compress of [false, true]) {
    const got = await load<Tensors>(io.npz, await io.npzBytes({ x }, { compress }));
    assert.ok(torch.equal(got["x"]!, x));
  }
  const bytes = io.npyBytes(x);
  assert.ok(torch.equal(await load<torch.Tensor>(io.npy, bytes), x));
  const odd = Uint8Array.from([...bytes.subarray(0, 8), 119, 0, 32, ...bytes.subarray(10, 128), ...bytes.subarray(128, 128 + 80_000)]);
  const text = Buffer.from(odd.buffer);
  text.write("10000,) }    ", text.indexOf("1500001"), "latin1");
  assert.ok(torch.equal(await load<torch.Tensor>(io.npy, odd), x.narrow(0, 0, 10_000)));
});
test("names that NumPy takes: colons, folders", async () => {
  const bytes = await io.npzBytes({ "w:0": torch.ones(1), "layer/w": torch.zeros(1) });
  assert.deepEqual(Object.keys(await torch.load(bytes)), ["w:0", "layer/w"]);
});
test("what numpy lacks is refused when it is written", async () => {
  assert.throws(() => io.npyBytes(torch.ones(1).to("bfloat16")), { name: "DTypeError", message: /bfloat16/ });
  await assert.rejects(io.npzBytes({ "../x": torch.ones(1) }), { name: "ArgumentError", message: /\.\.\/x/ });
  await assert.rejects(io.npzBytes({ x: 1 as unknown as torch.Tensor }), { name: "ArgumentError" });
});
test("Python literals", () => {
  assert.deepEqual(parseLiteral("{'a': (1, 2L,), \"b\": [True, None, -3], 'c': (4), u'd': ('x',), 'e': ()}"), {
    a: [1, 2],
    b: [true, null, -3],
    c: 4,
    d: ["x"],
    e: [],
  });
  for (const bad of ["", "{", "{'a' 1}", "(1, 2", "1 2", "__import__('os')", "{1: 2}", "[".repeat(99), "'a\nb'", "1.5"])
    assert.throws(() => parseLiteral(bad), { name: "SyntaxError" }, bad);
});
test("checks of damage: CRCs of the standards", () => {
  const digits = new TextEncoder().encode("123456789");
  assert.equal(crc32(digits), 0xcbf43926);
  assert.equal(portableCrc32(digits), 0xcbf43926);
  assert.equal(crc32c(digits), 0xe3069283);
  assert.equal(crc32(digits.subarray(4), crc32(digits.subarray(0, 4))), 0xcbf43926);
});

test("a header that lies is named", async () => {
  const good = io.npyBytes(torch.ones(2, 3));
  const withHeader = (text: string): Uint8Array => {
    const head = new TextEncoder().encode(text.padEnd(117) + "\n");
    return Uint8Array.from([...good.subarray(0, 8), head.length, 0, ...head, ...good.subarray(128)]);
  };
  const refuses = (bytes: Uint8Array, message: RegExp): Promise<void> =>
    assert.rejects(
      load(io.npy, bytes, "h.npy"),
      (e: Error) => e.name === "FormatError" && /h\.npy: at byte \d+: /.test(e.message) && message.test(e.message),
    );
  await refuses(withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4)}"), /takes 32 bytes, the file has 24 more.*truncated/);
  await refuses(withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}"), /takes 16 bytes, the file has 24 more.*savez/);
  await refuses(withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999)}"), /more than a file can hold/);
  await refuses(withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2)}"), /shape is \[-1,2\]/);
  await refuses(withHeader("{'descr': '<q9', 'fortran_order': False, 'shape': (6,)}"), /descr is "<q9"/);
  await refuses(withHeader("{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}"), /fortran_order is 0/);
  await refuses(withHeader("{'descr': '<f4', 'shape': (6,)}"), /expected a dict with descr/);
  await refuses(withHeader("eval('1')"), /no Python literal/);
  await refuses(good.slice(0, 40), /ends in the header/);
  await refuses(
    Uint8Array.from(good, (b, i) => (i === 6 ? 9 : b)),
    /version 9\.0/,
  );
});
test("zip tricks are refused", async () => {
  const one = io.npyBytes(torch.zeros(1000));
  const good = await zip({ "a.npy": one, "b.npy": one }, true);
  const refuses = async (bytes: Uint8Array, message: RegExp): Promise<void> => {
    await assert.rejects(
      load(io.npz, bytes, "z.npz"),
      (e: Error) => e.name === "FormatError" && /z\.npz\S*: at byte \d+: /.test(e.message) && message.test(e.message),
    );
  };
  const directory = Buffer.from(good).indexOf(Buffer.from([0x50, 0x4b, 1, 2]));
  const second = Buffer.from(good).indexOf(Buffer.from([0x50, 0x4b, 1, 2]), directory + 1);
  const changed = (change: (v: DataView) => void): Uint8Array => {
    const b = good.slice();
    change(new DataView(b.buffer));
    return b;
  };
  await refuses(
    changed((v) => v.setUint32(directory + 24, 1 << 30, true)),
    /\d+ bytes cannot inflate to 1073741824/,
  );
  await refuses(
    changed((v) => v.setUint32(directory + 24, 300, true)),
    /inflates to more than the 300 bytes|takes \d+ bytes/,
  );
  await refuses(
    changed((v) => v.setUint32(directory + 16, 7, true)),
    /has checksum [0-9a-f]+, the directory says 7/,
  );
  await refuses(
    changed((v) => v.setUint32(second + 42, 0, true)),
    /overlaps|is called/,
  );
  await refuses(
    changed((v) => v.setUint16(directory + 8, 1, true)),
    /encrypted/,
  );
  await refuses(
    changed((v) => v.setUint16(directory + 10, 12, true)),
    /compressed by method 12/,
  );
  await refuses(
    changed((v) => v.setUint8(second + 46, "a".charCodeAt(0))),
    /"a\.npy" is there twice/,
  );
  await refuses(
    changed((v) => v.setUint8(64, 0xff)),
    /cannot be inflated|checksum|inflates/,
  );
  await refuses(good.slice(0, -5), /no end of the zip directory/);
  await refuses(await zip({ "a/../../b.npy": one }), /a path that leads out of the archive/);
  const end = Buffer.from(good).indexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  const record = Buffer.from(good).indexOf(Buffer.from([0x50, 0x4b, 6, 6]));
  await refuses(
    changed((v) => v.setUint16(end + 8, 1, true)),
    /an archive of several files/,
  );
  await refuses(
    changed((v) => v.setBigUint64(record + 48, 1n << 40n, true)),
    /a directory of \d+ bytes at byte 1099511627776/,
  );
  // A megabyte of zeros that says it is ten bytes: reading stops at the eleventh.
  const bomb = await zip({ "x.npy": new Uint8Array(1 << 20) }, true);
  const at = Buffer.from(bomb).indexOf(Buffer.from([0x50, 0x4b, 1, 2]));
  new DataView(bomb.buffer).setUint32(at + 24, 10, true);
  await refuses(bomb, /inflates to more than the 10 bytes/);
});
test("fuzz", async () => {
  const stored = await io.npzBytes({ x: torch.arange(9), y: torch.ones(2, 2) });
  const files = [fixture("arrays.npz"), fixture("stored.npz"), stored, await io.npzBytes({ x: torch.zeros(100) }, { compress: true })];
  await fuzz({ open: (b) => io.npz.open(io.bytesSource(b, "damaged"), {}), files, share: 0.5, growth: 1032 });
  await fuzz({
    open: (b) => io.npy.open(io.bytesSource(b, "damaged"), {}),
    files: [io.npyBytes(torch.ones(3, 4)), io.npyBytes(torch.tensor(1))],
  });
});
