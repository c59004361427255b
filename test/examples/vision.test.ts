// The vision example, tiny, end to end: which images it takes, that it learns, and what it says of bad files.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Outcome, run, temporaryFolder } from "./run.ts";

const folder = temporaryFolder();
const SIZE = 28 * 28;
const idx = (sizes: readonly number[], data: Uint8Array, magic = 0x0800 + sizes.length): Buffer => {
  const head = Buffer.alloc(4 + 4 * sizes.length);
  [magic, ...sizes].forEach((n, i) => head.writeUInt32BE(n, 4 * i));
  return Buffer.concat([head, data]);
};
// Class c is a bright bar in columns 2c + 4 and 2c + 5: to be told apart even when moved a little and seen twice.
const labelsOf = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => (i % 2) * 9);
const pixelsOf = (count: number): Uint8Array =>
  Uint8Array.from({ length: count * SIZE }, (_, at) => {
    const column = at % 28;
    const bar = 4 + 2 * labelsOf(count)[Math.floor(at / SIZE)]!;
    return column === bar || column === bar + 1 ? 255 : (at * 7) % 32;
  });
const images = (count: number): Buffer => idx([count, 28, 28], pixelsOf(count));
const labels = (count: number): Buffer => idx([count], labelsOf(count));
/** A folder with these files, and its path. */
function set(name: string, files: Readonly<Record<string, Uint8Array>>): string {
  mkdirSync(join(folder, name));
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, name, file), content);
  return join(folder, name);
}
const vision = (...args: string[]): Promise<Outcome> => run("vision", ["--epochs", "1", "--batch-size", "8", ...args]);

test("train files are learnt from, t10k files tested with, gzipped or not; the same seed gives the same figures", async () => {
  const data = set("both", {
    "train-images-idx3-ubyte": images(120),
    "train-labels-idx1-ubyte.gz": gzipSync(labels(120)),
    "t10k-images.idx3-ubyte.gz": gzipSync(images(20)),
    "t10k-labels.idx1-ubyte": labels(20),
  });
  const { code, out, err } = await vision("--data", data, "--epochs", "3");
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /^120 images to learn from, 20 to test with; /);
  assert.match(out, /45\/45 \| epoch 3\/3 \| loss \d\.\d{3} \| 00:00 left \| [\d,]+ images\/s \| \d+ MB\n/);
  assert.match(out, /epoch 3: loss \d\.\d{4}, test accuracy 100\.00 %/);
  const figures = (text: string): string[] => text.match(/^epoch.*$/gm) ?? [];
  assert.deepEqual(figures((await vision("--data", data, "--epochs", "3")).out), figures(out));
});
test("where there is one set only, every tenth image is held back", async () => {
  const t10k = set("t10k", { "t10k-images-idx3-ubyte": images(40), "t10k-labels-idx1-ubyte": labels(40) });
  assert.match((await vision("--data", t10k)).out, /^36 images to learn from, 4 to test with, every tenth of t10k; /);
  const train = set("train", { "train-images-idx3-ubyte": images(25), "train-labels-idx1-ubyte": labels(25) });
  assert.match((await vision("--data", train)).out, /^23 images to learn from, 2 to test with, every tenth of train; /);
});
test("SIGINT ends it in good order", async () => {
  const data = set("long", { "t10k-images-idx3-ubyte": images(400), "t10k-labels-idx1-ubyte": labels(400) });
  const { code, out, err } = await run("vision", ["--data", data, "--epochs", "50"], (text, child) => {
    if (text.includes(" | epoch 1/50")) child.kill("SIGINT");
  });
  assert.deepEqual([code, err], [130, ""]);
  assert.match(out, /stopped at step \d+\n$/);
});
test("--help names every option", async () => {
  const { code, out } = await run("vision", ["--help"]);
  assert.equal(code, 0);
  for (const name of ["data", "set", "epochs", "batch-size", "lr", "mirror", "seed", "device", "help"])
    assert.match(out, new RegExp(`^  --${name} .*\\S$`, "m"));
});
test("bad files and calls give one line and a code", async () => {
  const whole = gzipSync(images(20));
  const good = labels(20);
  const one = (name: string, first: Uint8Array, second: Uint8Array = good): string[] => [
    "--data",
    set(name, { "t10k-images.gz": first, "t10k-labels": second }),
  ];
  const file = join(folder, "file");
  copyFileSync(import.meta.filename, file);
  const cases: [string[], RegExp][] = [
    [one("cut-gz", whole.subarray(0, whole.length / 2)), /t10k-images\.gz cannot be read: unexpected end of file/],
    [one("broken-gz", Buffer.concat([whole.subarray(0, 100), Buffer.alloc(whole.length - 100, 7)])), /t10k-images\.gz cannot be read: /],
    [one("empty", new Uint8Array(0)), /t10k-images\.gz has 0 bytes, an idx file has at least 16/],
    [one("text", Buffer.from("this is no idx file at all")), /t10k-images\.gz begins with 0x74686973, expected 0x00000803/],
    [one("swapped", labels(900)), /t10k-images\.gz begins with 0x00000801, expected 0x00000803/],
    [one("short", images(20).subarray(0, 5000)), /t10k-images\.gz has 4984 values, its header says 20 x 28 x 28/],
    [one("size", idx([20, 14, 14], new Uint8Array(20 * 196))), /images of 14 x 14, needed 28 x 28/],
    [one("counts", images(19)), /t10k-images\.gz holds 19 images, t10k-labels 20 labels/],
    [one("classes", images(20), idx([20], new Uint8Array(20).fill(10))), /t10k-labels holds the class 10/],
    [one("few", images(9), labels(9)), /holds 9 images, needed at least 10/],
    [["--data", set("alone", { "t10k-images": images(20) })], /holds t10k-images, but no t10k-labels/],
    [["--data", set("nothing", {})], /holds no train-images or t10k-images/],
    [["--data", join(folder, "missing")], /there is no folder .*missing/],
    [["--data", file], /file is no folder/],
    [["--epochs", "0"], /--epochs is "0", needed a whole number of at least 1/],
    [["--epoch", "2"], /no option --epoch\b/],
    [["--device", "nowhere"], /--device nowhere cannot be used/],
  ];
  for (const [args, message] of cases) {
    const { code, out, err } = await vision(...args);
    assert.ok(code === 1 || code === 2, `${args.join(" ")}: code ${code}`);
    assert.match(err, message);
    assert.match(err, /^error: [^\n]+\n$/);
    assert.equal(out, "");
  }
});
