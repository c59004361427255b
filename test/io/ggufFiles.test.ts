// GGUF in big-endian order and in several files: those of llama.cpp's own package, refusals, damage.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { fixture, folder, withFiles } from "./fixtures.ts";
import { fuzz } from "./fuzz.ts";
import { valueBytes } from "./recorded.ts";

const { io } = torch;
type Tensors = Record<string, torch.Tensor | torch.io.QuantizedTensor>;
const bytesIn = (t: torch.Tensor | torch.io.QuantizedTensor): Uint8Array => valueBytes(t instanceof io.QuantizedTensor ? t.bytes : t);

test("a big-endian file holds what the little-endian one of the same values does", async () => {
  const [big, little] = [await io.open(fixture("big.gguf")), await io.open(fixture("little.gguf"))];
  assert.equal(big.format, "gguf");
  assert.deepEqual(big.metadata, little.metadata);
  const [a, b] = [await io.load<Tensors>(fixture("big.gguf")), await io.load<Tensors>(fixture("little.gguf"))];
  assert.deepEqual(Object.keys(a), ["float32", "float16", "float64", "int8", "int16", "int64", "Q4_0", "Q8_0", "Q4_K", "Q6_K"]);
  for (const [name, t] of Object.entries(a)) {
    assert.deepEqual([...t.shape], [...b[name]!.shape], name);
    assert.deepEqual(bytesIn(t), bytesIn(b[name]!), name);
  }
});
test("big-endian blocks whose order nobody knows are refused by name", async () => {
  const bytes = fixture("big.gguf");
  const at = Buffer.from(bytes).indexOf("Q4_K") + 4;
  new DataView(bytes.buffer).setUint32(at + 4 + 16, 16, false); // 66 bytes of IQ2_XXS for 144 of Q4_K
  await assert.rejects(io.open(bytes), {
    name: "FormatError",
    message: /at byte \d+: tensor "Q4_K" is IQ2_XXS in big-endian order, expected one of Q1_0.*little-endian/,
  });
});

const name = (i: number): string => `split-0000${i}-of-00003.gguf`;
const pieces = Object.fromEntries([1, 2, 3].map((i) => [name(i), fixture(name(i))]));
const without = (i: number): Record<string, Uint8Array> => Object.fromEntries(Object.entries(pieces).filter(([k]) => k !== name(i)));
const open = (files: Record<string, Uint8Array> = pieces, first = 1): Promise<torch.io.GgufFile> =>
  io.gguf.open(withFiles(pieces[name(first)]!, `models/${name(first)}`, files), {});

test("a model in three files is opened by the first", async () => {
  const got = await io.load<Record<string, torch.Tensor>>(join(folder, name(1)));
  assert.deepEqual(Object.keys(got), ["a", "b", "c"]);
  for (const [i, t] of Object.values(got).entries()) assert.deepEqual(await t.toArray(), Array(i + 1).fill([i, i]));
  const file = await io.open(join(folder, name(1)));
  assert.deepEqual(file.metadata, { "general.architecture": "toy", "general.name": "toy in pieces" });
  assert.deepEqual(await (await file.read("c")).toArray(), [
    [2, 2],
    [2, 2],
    [2, 2],
  ]); // prettier-ignore
  await file.close();
  // A user's choice of files, in a browser.
  const files = Object.fromEntries(Object.entries(pieces).map(([k, b]) => [k, new File([b as Uint8Array<ArrayBuffer>], k)]));
  assert.deepEqual(Object.keys(await io.load(files[name(1)]!, { files })), ["a", "b", "c"]);
  // What was one file's part is no longer said of the whole.
  const whole = await open();
  const again = io.ggufBytes(got, { metadata: whole.fields });
  assert.deepEqual(Object.keys(await io.load(again)), ["a", "b", "c"]);
});
test("what does not fit is named", async () => {
  const refuses = (file: Promise<unknown>, message: RegExp): Promise<void> =>
    assert.rejects(file, (e: Error) => e.name === "FormatError" && message.test(e.message));
  await refuses(
    open(without(3)),
    /split-00001-of-00003\.gguf: at byte 0: the file "split-00003-of-00003\.gguf", expected beside it, cannot be opened/,
  );
  await refuses(open(pieces, 2), /split-00002-of-00003\.gguf is file 2 of the 3 of a model, expected the first.*-00001-of-00003/);
  await refuses(io.load(pieces[name(1)]!), /the first of 3 files, expected a name that ends in -00001-of-00003\.gguf/);
  await refuses(open({ ...pieces, [name(3)]: pieces[name(2)]! }), /split\.no is 1 and split\.count 3, expected 2 and 3/);
  const twice = pieces[name(3)]!.slice();
  twice[Buffer.from(twice).lastIndexOf("c")] = "a".charCodeAt(0);
  await refuses(open({ ...pieces, [name(3)]: twice }), /tensor "a" stands in a file before this one too/);
  const counted = pieces[name(1)]!.slice();
  counted[Buffer.from(counted).indexOf("split.tensors.count") + "split.tensors.count".length + 4] = 9;
  await refuses(io.gguf.open(withFiles(counted, name(1), pieces), {}), /the files of the model have 3 tensors, expected 9/);
});
test("every file is closed, whatever is found in it", async () => {
  let opened = 0;
  const counted = (files: Record<string, Uint8Array>): torch.io.ByteSource => {
    const source = withFiles(pieces[name(1)]!, name(1), files);
    return {
      ...source,
      sibling: async (other) => {
        const s = await source.sibling!(other);
        opened++;
        return { ...s, close: async () => void opened-- };
      },
    };
  };
  const file = await io.gguf.open(counted(pieces), {});
  assert.equal(opened, 2);
  await file.close();
  assert.equal(opened, 0);
  await assert.rejects(io.gguf.open(counted({ ...pieces, [name(3)]: pieces[name(2)]! }), {}));
  assert.equal(opened, 0);
});
test("fuzz", async () => {
  await fuzz({ open: (b) => io.gguf.open(io.bytesSource(b, "damaged"), {}), files: [fixture("big.gguf")], share: 0.5 });
  for (const i of [1, 2, 3])
    await fuzz({
      open: (b) => io.gguf.open(withFiles(i === 1 ? b : pieces[name(1)]!, `damaged-00001-of-00003.gguf`, damagedPieces(i, b)), {}),
      files: [pieces[name(i)]!],
      share: 0.1,
      growth: 4,
    });
});
const damagedPieces = (i: number, b: Uint8Array): Record<string, Uint8Array> =>
  Object.fromEntries([2, 3].map((k) => [`damaged-0000${k}-of-00003.gguf`, k === i ? b : pieces[name(k)]!]));
