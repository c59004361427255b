// TensorFlow's checkpoints, SavedModels' variables and TensorFlow.js models: files that those libraries wrote, refusals, damage.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import * as torch from "../../src/index.ts";
import { crc32c } from "../../src/io/crc32.ts";
import { staysInside } from "../../src/io/siblings.ts";
import type { StoredTensor } from "../../src/io/stored.ts";
import { fixture, folder, type Listed, listed, readAll, withFiles } from "./fixtures.ts";
import { damage, fuzz } from "./fuzz.ts";

const { io } = torch;
const want = JSON.parse(new TextDecoder().decode(fixture("tensorflow.json"))) as Record<
  "h5" | "checkpoint" | "tfjs",
  Record<string, Listed>
>;
const files = Object.fromEntries(
  ["variables", "kinds", "twins"].map((n) => [`${n}.data-00000-of-00001`, fixture(`${n}.data-00000-of-00001`)]),
);
const open = (index: Uint8Array, name = "kinds.index", data = files): Promise<torch.io.OpenFile> =>
  io.tensorflow.open(withFiles(index, name, data), {});

test("a SavedModel's variables have their full names, each once", async () => {
  const source = await io.fileSource(join(folder, "variables.index"));
  assert.equal(await io.tensorflow.detect(new Uint8Array(0), source), true);
  const file = await io.tensorflow.open(source, {});
  const got = await readAll(file);
  assert.deepEqual(Object.keys(got).sort(), Object.keys(want.h5).sort());
  for (const [name, w] of Object.entries(want.h5)) assert.deepEqual(await listed(got[name]!), w, name);
  assert.match(
    (file.metadata["keys"] as Record<string, string>)["sequential/hidden/kernel"]!,
    /variables\/\d+\/\.ATTRIBUTES\/VARIABLE_VALUE$/,
  );
  await file.close();
});
test("a SavedModel is opened by its folder or its graph", async () => {
  const model = mkdtempSync(join(tmpdir(), "firebrand-saved-"));
  const graph = Uint8Array.of(8, 1, 18, 2, 10, 0);
  writeFileSync(join(model, "saved_model.pb"), graph);
  await assert.rejects(torch.load(model), {
    name: "FormatError",
    message: /saved_model\.pb: at byte 0: the file "variables\/variables\.index", expected beside it, cannot be opened/,
  });
  mkdirSync(join(model, "variables"));
  for (const name of ["variables.index", "variables.data-00000-of-00001"]) cpSync(join(folder, name), join(model, "variables", name));
  for (const from of [model, pathToFileURL(`${model}/`), join(model, "saved_model.pb"), join(model, "variables")]) {
    const got = await torch.load<Record<string, torch.Tensor>>(from);
    for (const [name, w] of Object.entries(want.h5)) assert.deepEqual(await listed(got[name]!), w, name);
  }
  const file = await torch.io.open(model);
  assert.equal(file.format, "saved model");
  await file.close();
  const files = {
    "variables/variables.index": new File([fixture("variables.index") as Uint8Array<ArrayBuffer>], "variables.index"),
    "variables.data-00000-of-00001": fixture("variables.data-00000-of-00001"),
  };
  assert.deepEqual(Object.keys(await torch.load(graph, { files })).sort(), Object.keys(want.h5).sort());
  rmSync(model, { recursive: true });
});
test("folders that say nothing, or too much", async () => {
  const model = mkdtempSync(join(tmpdir(), "firebrand-folder-"));
  const refuses = (message: RegExp): Promise<void> => assert.rejects(torch.load(model), { name: "ArgumentError", message });
  await refuses(/holds no file of weights/);
  await torch.save({ a: torch.ones(2) }, join(model, "a.safetensors"));
  assert.deepEqual(Object.keys(await torch.load(model)), ["a"]);
  await torch.save({ a: torch.ones(2) }, join(model, "b.pt"));
  await refuses(/holds a\.safetensors, b\.pt\. Say which file/);
  for (const i of [1, 2, 3]) cpSync(join(folder, `split-0000${i}-of-00003.gguf`), join(model, `split-0000${i}-of-00003.gguf`));
  for (const other of ["a.safetensors", "b.pt"]) rmSync(join(model, other));
  assert.deepEqual(Object.keys(await torch.load(model)), ["a", "b", "c"]);
  rmSync(model, { recursive: true });
});
test("a checkpoint by name, every type", async () => {
  const file = await open(fixture("kinds.index"));
  const got = await readAll(file);
  assert.deepEqual(Object.keys(got).sort(), Object.keys(want.checkpoint).sort());
  for (const [name, w] of Object.entries(want.checkpoint)) assert.deepEqual(await listed(got[name]!), w, name);
  for (const d of ["bfloat16", "float16", "complex128", "bool"]) assert.equal(got[d]!.dtype, d);
  assert.deepEqual([got["uint16"]!.dtype, got["uint32"]!.dtype, got["uint64"]!.dtype], ["int32", "int64", "int64"]);
});
test("variables of one name keep their places", async () => {
  const got = await readAll(await open(fixture("twins.index"), "twins.index"));
  assert.deepEqual(await got["a"]!.toArray(), [1, 2]);
  assert.deepEqual(await got["b"]!.toArray(), [3]);
});
test("damage of a checkpoint is named", async () => {
  const index = fixture("kinds.index");
  const data = files["kinds.data-00000-of-00001"]!;
  const refuses = (index: Uint8Array, message: RegExp, data = files): Promise<void> =>
    assert.rejects(
      async () => readAll(await open(index, "kinds.index", data)),
      (e: Error) => e.name === "FormatError" && /kinds\S*: at byte \d+: /.test(e.message) && message.test(e.message),
    );
  await refuses(index.slice(0, -1), /no table magic/);
  await refuses(
    Uint8Array.from(index, (b, i) => (i === 20 ? b ^ 1 : b)),
    /a block with CRC/,
  );
  await refuses(index, /cannot be opened.*Keep the files/, {});
  await refuses(index, /the file has 100.*truncated/, { "kinds.data-00000-of-00001": data.slice(0, 100) });
  await refuses(index, /variable "\w+" has CRC \w+, expected/, {
    "kinds.data-00000-of-00001": Uint8Array.from(data, (b, i) => (i === 3 ? b ^ 1 : b)),
  });
  await assert.rejects(io.tensorflow.open(io.bytesSource(index), {}), { name: "FormatError", message: /bytes has no folder/ });
});
test("fuzz of checkpoints, with checksums that fit", async () => {
  // A damaged block whose checksum was made to fit gets past the first check.
  const sound = (bytes: Uint8Array): Uint8Array => {
    if (bytes.length < 60) return bytes;
    const first = fixture("kinds.index");
    const size = first.length - 48 - 5 - 8 - 5; // roughly the data block: enough to change entries
    for (let n = Math.min(size, bytes.length - 60); n > 0; n--) {
      if (bytes[n] !== 0) continue;
      const crc = crc32c(bytes.subarray(0, n + 1));
      const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
      new DataView(bytes.buffer).setUint32(n + 1, masked, true);
      break;
    }
    return bytes;
  };
  await fuzz({
    open: (b) => open(b, "damaged.index", rename(files)),
    files: ["kinds.index", "variables.index", "twins.index"].map(fixture),
    share: 0.5,
  });
  await fuzz({ open: (b) => open(sound(b), "damaged.index", rename(files)), files: [fixture("kinds.index")], share: 0.5 });
  await fuzz({
    open: (b) => open(fixture("variables.index"), "damaged.index", { "damaged.data-00000-of-00001": b }),
    files: [files["variables.data-00000-of-00001"]!],
    share: 0.5,
  });
});
function rename(files: Record<string, Uint8Array>): Record<string, Uint8Array> {
  return { "damaged.data-00000-of-00001": files["kinds.data-00000-of-00001"]! };
}

const shards = Object.fromEntries(
  ["group1-shard1of2.bin", "group1-shard2of2.bin", "group2-shard1of2.bin", "group2-shard2of2.bin"].map((n) => [n, fixture(`tfjs/${n}`)]),
);
const model = fixture("tfjs/model.json");
const openModel = (json: Uint8Array | object, name = "model.json", files = shards): Promise<torch.io.OpenFile> =>
  io.tfjs.open(withFiles(json instanceof Uint8Array ? json : new TextEncoder().encode(JSON.stringify(json)), name, files), {});

test("a TensorFlow.js model: weights across files, quantised ones too", async () => {
  const source = await io.fileSource(join(folder, "tfjs/model.json"));
  assert.equal(io.tfjs.detect(model.subarray(0, 512), source), true);
  const file = await io.tfjs.open(source, {});
  const got = await readAll(file);
  assert.deepEqual(Object.keys(got), Object.keys(want.tfjs));
  for (const [name, w] of Object.entries(want.tfjs)) assert.deepEqual(await listed(got[name]!), w, name);
  assert.equal(got["q/uint8"]!.dtype, "float32");
  assert.deepEqual([file.metadata["format"], file.metadata["texts"]], ["layers-model", ["dense/words"]]);
  await file.close();
});
test("files that do not lie beside it are given by name", async () => {
  const files = Object.fromEntries(Object.entries(shards).map(([name, b]) => [name, new Blob([b as Uint8Array<ArrayBuffer>])]));
  const got = await readAll(await io.tfjs.open(io.bytesSource(model), { files } as torch.io.OpenOptions));
  assert.deepEqual(Object.keys(got), Object.keys(want.tfjs));
});
test("a manifest alone", async () => {
  const manifest = (JSON.parse(new TextDecoder().decode(model)) as { weightsManifest: object }).weightsManifest;
  assert.equal(io.tfjs.detect(new TextEncoder().encode(JSON.stringify(manifest)), io.bytesSource(model)), true);
  assert.ok("dense/kernel" in ((await openModel(manifest)).value as object));
});
test("manifests that lie are named", async () => {
  const weight = { name: "w", shape: [2], dtype: "float32" };
  const withWeight = (w: object, paths: unknown[] = ["w.bin"]): object => ({
    weightsManifest: [{ paths, weights: [{ ...weight, ...w }] }],
  });
  const refuses = (json: object | Uint8Array, message: RegExp): Promise<void> =>
    assert.rejects(
      async () => readAll(await openModel(json, "model.json", { "w.bin": new Uint8Array(8) })),
      (e: Error) => e.name === "FormatError" && /model\.json: at byte 0: /.test(e.message) && message.test(e.message),
    );
  assert.deepEqual(await listed((await readAll(await openModel(withWeight({}), "m", { "w.bin": new Uint8Array(8) })))["w"]!), {
    shape: [2],
    values: [0, 0],
  });
  await refuses(new TextEncoder().encode("{oops"), /not JSON/);
  await refuses({}, /no weightsManifest/);
  await refuses({ weightsManifest: [{}] }, /expected paths and weights/);
  await refuses(withWeight({ shape: [3] }), /ends at byte 12 of its files, they have 8/);
  await refuses(withWeight({ shape: [1] }), /take 4 bytes, the files have 8/);
  await refuses(withWeight({ shape: [1e9, 1e9] }), /shape \[1000000000,1000000000\]/);
  await refuses(withWeight({ shape: [-1] }), /shape \[-1\]/);
  await refuses(withWeight({ dtype: "float8" }), /dtype "float8", expected one of/);
  await refuses(withWeight({ quantization: { dtype: "uint4" } }), /quantisation to "uint4"/);
  await refuses(withWeight({ quantization: { dtype: "uint8" } }), /scale undefined/);
  for (const path of ["../w.bin", "/etc/passwd", "a/../../w.bin", "C:\\w.bin", "http://x/w.bin", ""])
    await refuses(withWeight({}, [path]), /lies elsewhere/);
  await refuses(withWeight({}, ["other.bin"]), /"other\.bin", expected beside it, cannot be opened/);
  await refuses(
    {
      weightsManifest: [
        {
          paths: ["w.bin"],
          weights: [
            { ...weight, shape: [1] },
            { ...weight, shape: [1] },
          ],
        },
      ],
    },
    /stands twice/,
  );
});
test("names that stay inside", () => {
  for (const good of ["a", "a.bin", "a/b.bin", "..a", "a b"]) assert.ok(staysInside(good), good);
  for (const bad of ["", "..", "a/..", "../a", "/a", "a//b", "./a", "a\\b", "c:a", "a?b", "a\0"]) assert.ok(!staysInside(bad), bad);
});
test("fuzz of TensorFlow.js models", async () => {
  await fuzz({ open: (b) => openModel(b, "damaged"), files: [model] });
});
test("a tensor's promise is only read when asked for", async () => {
  const value = (await openModel(model)).value as Record<string, StoredTensor>;
  assert.deepEqual([value["q/uint8"]!.dtype, [...value["q/uint8"]!.shape], value["q/uint8"]!.nbytes], ["float32", [3, 5], 15]);
  assert.ok(damage(model, 1).length > 0);
});
