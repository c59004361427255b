// Chunked datasets of HDF5 files: every index and filter that h5py writes and that is read, refusals, damage.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import type { StoredTensor } from "../../src/io/stored.ts";
import { fixture, type Listed, listed } from "./fixtures.ts";
import { fuzz } from "./fuzz.ts";

const { io } = torch;
const want = JSON.parse(new TextDecoder().decode(fixture("chunked.json"))) as Record<string, Listed>;
const open = async (bytes: Uint8Array, name = "chunked.h5"): Promise<Record<string, StoredTensor>> =>
  (await io.hdf5.open(io.bytesSource(bytes, name), {})).value as Record<string, StoredTensor>;
const read = (t: StoredTensor): Promise<torch.Tensor> => t.read() as Promise<torch.Tensor>;

for (const version of ["chunked", "chunkedLatest"]) {
  test(`${version}: what h5py reads`, async () => {
    const value = await open(fixture(`${version}.h5.gz`));
    for (const [name, w] of Object.entries(want))
      if (!name.startsWith("refused/")) assert.deepEqual(await listed(await read(value[name]!)), w, name);
    for (const [name, size, begin] of [
      ["fixed/pages", 5000, 100],
      ["grows/pages", 80000, 20000],
    ] as const) {
      const expected = Array<number>(size)
        .fill(-1)
        .fill(3, begin, begin + 10)
        .fill(4, size - 10);
      assert.deepEqual(await (await read(value[name]!)).toArray(), expected);
    }
    assert.deepEqual(
      [value["fixed/deflate"]!.dtype, [...value["fixed/deflate"]!.shape], value["fixed/deflate"]!.nbytes],
      ["float32", [7, 10], 280],
    );
  });
  test(`${version}: what is not read is refused by name`, async () => {
    const value = await open(fixture(`${version}.h5.gz`));
    const refuses = (name: string, message: RegExp): Promise<void> =>
      assert.rejects(
        read(value[name]!),
        (e: Error) => e.name === "FormatError" && /chunked\.h5: at byte \d+: /.test(e.message) && message.test(e.message),
      );
    await refuses("refused/lzf", /dataset "refused\/lzf" has the filter lzf, expected deflate.*compression="gzip"/);
    await refuses("refused/scale", /has the filter scaleoffset/);
    if (version === "chunked") assert.deepEqual(await listed(await read(value["refused/both grow"]!)), want["refused/both grow"]);
    else await refuses("refused/both grow", /chunks in a B-tree of version 2.*libver="earliest"/);
  });
}
test("values go straight into parameters, and are read again when asked again", async () => {
  const layer = new torch.nn.Linear(10, 7, { bias: false });
  const file = await io.open(fixture("chunked.h5.gz"));
  const weight = file.tensors.get("fixed/deflate")!;
  assert.equal(await weight.readInto(layer.weight), true);
  assert.deepEqual(await listed(layer.weight.detach()), want["fixed/deflate"]);
  assert.ok(torch.equal(await file.read("fixed/deflate"), layer.weight));
  await file.close();
});
test("damage of chunks is named", async () => {
  const h5 = fixture("chunked.h5.gz");
  const refuses = async (bytes: Uint8Array, name: string, message: RegExp): Promise<void> => {
    const value = await open(bytes, "a.h5");
    await assert.rejects(
      read(value[name]!),
      (e: Error) => e.name === "FormatError" && /a\.h5: at byte \d+: /.test(e.message) && message.test(e.message),
    );
  };
  // Chunk B-trees of rank 2: signature, type 1, level 0; keys of 32 bytes begin 24 after it, with size, mask and origin.
  const trees: number[] = [];
  for (let at = Buffer.from(h5).indexOf("TREE\x01\x00"); at >= 0; at = Buffer.from(h5).indexOf("TREE\x01\x00", at + 1)) trees.push(at);
  const changed = (change: (v: DataView, tree: number) => void): Uint8Array => {
    const b = h5.slice();
    for (const t of trees) change(new DataView(b.buffer), t);
    return b;
  };
  await refuses(
    changed((v, t) => v.setUint32(t + 24, 5, true)),
    "fixed/plain",
    /chunk \[0,0\] of dataset "fixed\/plain" has 5 bytes, expected 48/,
  );
  await refuses(
    changed((v, t) => v.setUint32(t + 24, 5, true)),
    "fixed/deflate",
    /cannot be inflated/,
  );
  await refuses(
    changed((v, t) => v.setUint32(t + 28, 1, true)),
    "fixed/checked",
    /has checksum|has \d+ bytes, expected 80|cannot be inflated/,
  );
  await refuses(
    changed((v, t) => v.setUint32(t + 32, 2, true)),
    "fixed/plain",
    /chunk \[2,0\] of dataset .*expected a multiple of \[3,4\] inside/,
  );
  await refuses(
    changed((v, t) => v.setBigUint64(t + 56, 2n ** 50n, true)),
    "fixed/plain",
    /chunk \[0,0\].* ends at byte|B-tree/,
  );
  await refuses(
    changed((v, t) => v.setUint8(t + 4, 0)),
    "fixed/plain",
    /a B-tree of type 0, expected 1/,
  );
});
test("fuzz", async () => {
  const files = ["chunked.h5.gz", "chunkedLatest.h5.gz"].map(fixture);
  const counts = await fuzz({
    open: (b) => io.hdf5.open(io.bytesSource(b, "damaged"), {}),
    files,
    share: 0.2,
    growth: 1033,
    readable: true,
  });
  assert.ok(counts.read > 0 && counts.refused > 0);
});
