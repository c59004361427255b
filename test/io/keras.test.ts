// Keras's .h5 and .keras files and HDF5 below them: files that Keras and h5py wrote, every refusal, damage.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import type { StoredTensor } from "../../src/io/stored.ts";
import { fixture, type Listed, listed, load } from "./fixtures.ts";
import { fuzz } from "./fuzz.ts";

const { io } = torch;
const want = JSON.parse(new TextDecoder().decode(fixture("tensorflow.json"))) as {
  h5: Record<string, Listed>;
  layers: Record<string, string>;
  kinds: Record<string, Listed>;
};
const open = (bytes: Uint8Array, name = "toy.h5"): Promise<torch.io.OpenFile> => io.hdf5.open(io.bytesSource(bytes, name), {});

test("a model saved as .h5: weights by name, in the order of the layers", async () => {
  const file = await open(fixture("toy.h5.gz"));
  const got = await load(io.hdf5, fixture("toy.h5.gz"));
  assert.deepEqual(Object.keys(got), Object.keys(want.h5));
  for (const [name, w] of Object.entries(want.h5)) assert.deepEqual(await listed(got[name]!), w, name);
  assert.equal(file.metadata["backend"], "tensorflow");
  assert.equal((file.metadata["model_config"] as { class_name: string }).class_name, "Sequential");
});
test("a .keras archive: weights by path, names of the layers, the architecture", async () => {
  const bytes = fixture("toy.keras.gz");
  const source = io.bytesSource(bytes, "toy.keras");
  assert.equal(await io.keras.detect(bytes.subarray(0, 512), source), true);
  assert.equal(await io.npz.detect(bytes.subarray(0, 512), source), false);
  const file = await io.keras.open(source, {});
  const names = file.metadata["names"] as Record<string, string>;
  assert.deepEqual(Object.fromEntries(Object.entries(names).map(([k, v]) => [v, k])), want.layers);
  assert.equal((file.metadata["config"] as { class_name: string }).class_name, "Sequential");
  assert.match((file.metadata["keras"] as { keras_version: string }).keras_version, /^3\./);
  const value = file.value as Record<string, StoredTensor>;
  const order = ["kernel", "bias"];
  for (const layer of ["hidden", "out"])
    for (const [i, variable] of order.entries()) {
      const t = (await value[`${want.layers[layer]}/vars/${i}`]!.read()) as torch.Tensor;
      assert.deepEqual(await listed(t), want.h5[`sequential/${layer}/${variable}`]);
    }
});
test("every number type, both byte orders, compact and empty datasets", async () => {
  const file = await open(fixture("kinds.h5.gz"), "kinds.h5");
  const value = file.value as Record<string, StoredTensor>;
  for (const [name, w] of Object.entries(want.kinds)) {
    const t = (await value[`number/${name}`]!.read()) as torch.Tensor;
    assert.deepEqual(await listed(t), w, name);
  }
  assert.deepEqual(
    ["i1", "<u2", "<u4", "<f2", "bool"].map((d) => value[`number/${d}`]!.dtype),
    ["int8", "uint16", "uint32", "float16", "bool"],
  );
  assert.deepEqual(file.metadata, { text: "variable", fixed: "fixed", texts: ["a", "", "ccc"], number: 3, numbers: [1.5, 2.5] });
});
test("headers of version 2, members in the order of their numbers", async () => {
  const { "a/b": b } = await load(io.hdf5, fixture("latest.h5.gz"));
  assert.deepEqual(await b!.toArray(), [0, 1, 2]);
  const many = await load(io.hdf5, fixture("many.h5.gz"));
  assert.deepEqual(
    Object.keys(many),
    Array.from({ length: 100 }, (_, i) => `vars/${i}`),
  );
  assert.equal(await many["vars/99"]!.item(), 99);
});
test("what cannot be read is refused by name", async () => {
  const value = (await open(fixture("kinds.h5.gz"), "kinds.h5")).value as Record<string, StoredTensor>;
  const refuses = (name: string, message: RegExp): Promise<void> =>
    assert.rejects(
      value[`refused/${name}`]!.read(),
      (e: Error) => e.name === "FormatError" && /kinds\.h5: at byte \d+: /.test(e.message) && message.test(e.message),
    );
  await refuses("text", /dataset "refused\/text" holds variable text, expected numbers/);
  await refuses("record", /holds records of 4 bytes/);
  await refuses("complex", /holds records of 8 bytes/);
  assert.deepEqual(await ((await value["refused/chunked"]!.read()) as torch.Tensor).toArray(), [
    [0, 1, 2],
    [3, 4, 5],
  ]); // prettier-ignore
  await refuses("too big", /9223372036854775808 does not fit int64/);
  await assert.rejects(open(fixture("dense.h5.gz"), "dense.h5"), { name: "FormatError", message: /links in a heap.*libver/ });
});
test("damage is named", async () => {
  const h5 = fixture("toy.h5.gz");
  const refuses = (bytes: Uint8Array, message: RegExp): Promise<void> =>
    assert.rejects(
      load(io.hdf5, bytes, "toy.h5"),
      (e: Error) => e.name === "FormatError" && /toy\.h5: at byte \d+: /.test(e.message) && message.test(e.message),
    );
  await refuses(h5.slice(0, 40), /no HDF5 signature/);
  await refuses(h5.slice(0, 5000), /the file has 5000|the file at 5000/);
  await refuses(
    Uint8Array.from(h5, (b, i) => (i === 8 ? 9 : b)),
    /superblock of version 9/,
  );
  await refuses(
    Uint8Array.from(h5, (b, i) => (i === 13 ? 4 : b)),
    /addresses of 4/,
  );
  const tree = Buffer.from(h5).indexOf("TREE");
  await refuses(
    Uint8Array.from(h5, (b, i) => (i === tree ? 0 : b)),
    /no TREE signature/,
  );
  // A B-tree whose child is itself.
  const loop = h5.slice();
  loop[tree + 5] = 1;
  new DataView(loop.buffer).setBigUint64(tree + 32, BigInt(tree), true);
  await refuses(loop, /a B-tree that meets itself/);
  // A group that is a member of itself.
  const symbols = Buffer.from(h5).indexOf("SNOD");
  const inside = h5.slice();
  const root = new DataView(h5.buffer).getBigUint64(24 + 40, true);
  new DataView(inside.buffer).setBigUint64(symbols + 16, root, true);
  await refuses(inside, /is in itself/);
});
test("an archive without its parts", async () => {
  const bytes = fixture("toy.keras.gz");
  const text = Buffer.from(bytes);
  const renamed = bytes.slice();
  for (let at = text.indexOf("config.json"); at >= 0; at = text.indexOf("config.json", at + 1)) renamed[at] = "x".charCodeAt(0);
  await assert.rejects(io.keras.open(io.bytesSource(renamed, "a.keras"), {}), {
    name: "FormatError",
    message: /no config\.json in the archive/,
  });
  const flipped = bytes.slice();
  flipped[text.indexOf("TREE") + 100]! ^= 1;
  await assert.rejects(io.keras.open(io.bytesSource(flipped, "a.keras"), {}), {
    name: "FormatError",
    message: /model\.weights\.h5 has checksum/,
  });
});
test("fuzz", async () => {
  const files = ["toy.h5.gz", "kinds.h5.gz", "latest.h5.gz", "many.h5.gz"].map(fixture);
  const counts = await fuzz({ open: (b) => open(b, "damaged"), files, share: 0.5, readable: true });
  assert.ok(counts.read > 0 && counts.refused > 0);
  await fuzz({
    open: (b) => io.keras.open(io.bytesSource(b, "damaged"), {}),
    files: [fixture("toy.keras.gz")],
    share: 0.3,
    readable: true,
  });
});
