// What the tests of real networks share: where the files lie, images as tensors, and comparison with recorded PyTorch tensors.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as torch from "firebrand";
import type { Tensor } from "firebrand";
import jpeg from "jpeg-js";

const data = join(import.meta.dirname, "../../../../shared/data");
const weights = join(data, "weights");

/** The path of a file of weights, such as `silero-vad/silero_vad.jit`. */
export const weightFile = (name: string): string => join(weights, name);
/** The path of another file of the data folder, such as `audio/jfk_16k.wav`. */
export const dataFile = (name: string): string => join(data, name);
/** Options for `test` that skip it, with the reason, where one of the data folder's files is missing. */
export const needs = (...paths: string[]): { skip: string | false } => {
  const missing = paths.find((p) => !existsSync(p));
  return { skip: missing ? `no ${missing.slice(data.length + 1)} in a shared/data folder beside the project` : false };
};

/** A recorded PyTorch tensor: its shape, moments, and every `step`-th value in row-major order. */
export interface Recorded {
  readonly shape: readonly number[];
  readonly mean: number;
  readonly std: number;
  readonly step: number;
  readonly values: readonly number[];
}
/** What the script of the same name in `tools/record/nets` wrote. */
export function recorded<T>(name: string): T {
  return JSON.parse(readFileSync(join(import.meta.dirname, "../../../test/nets", `${name}.json`), "utf8")) as T;
}
/** Asserts that `actual` is the recorded tensor within `tolerance` (relative above 1). Returns the largest difference. */
export function assertRecorded(actual: Tensor, expected: Recorded, tolerance: number, what: string): number {
  assert.deepEqual([...actual.shape], [...expected.shape], `shape of ${what}`);
  const flat = actual.detach().to("float64").reshape([-1]);
  const values = flat.toArraySync() as number[];
  const picked = expected.values.map((_, i) => values[i * expected.step]!);
  const mean = flat.mean().itemSync<number>();
  const std = values.length > 1 ? flat.std().itemSync<number>() : 0;
  return assertClose([...picked, mean, std], [...expected.values, expected.mean, expected.std], tolerance, what);
}
/** Asserts that numbers agree within `tolerance` (relative above 1). Returns the largest difference. */
export function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): number {
  assert.equal(actual.length, expected.length, `count of ${what}`);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    const off = a === e ? 0 : Math.abs(a - e) / Math.max(1, Math.abs(e));
    assert.ok(off <= tolerance, `${what}: number ${i} is ${a}, PyTorch's is ${e}`);
    worst = Math.max(worst, off);
  }
  return worst;
}

/** A photo as a tensor of 0 to 255: [1, 3, height, width], red first. */
export function photo(path: string): Tensor {
  const { width, height, data: rgb } = jpeg.decode(readFileSync(path), { useTArray: true, formatAsRGBA: false });
  return torch.tensor(rgb).view([1, height, width, 3]).permute(0, 3, 1, 2).to("float32");
}

/** A mono wave file of 16-bit samples as a tensor in ±1: [samples]. */
export function wav(path: string): Tensor {
  const bytes = readFileSync(path);
  assert.equal(bytes.toString("latin1", 0, 4) + bytes.toString("latin1", 8, 12), "RIFFWAVE", path);
  const chunks = new Map<string, Buffer>();
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32LE(at + 4);
    chunks.set(bytes.toString("latin1", at, at + 4), bytes.subarray(at + 8, at + 8 + size));
    at += 8 + size + (size % 2);
  }
  const [format, samples] = [chunks.get("fmt ")!, chunks.get("data")!];
  assert.deepEqual([format.readUInt16LE(0), format.readUInt16LE(2), format.readUInt16LE(14)], [1, 1, 16], "PCM, mono, 16 bits");
  return torch.tensor(Float32Array.from({ length: samples.length / 2 }, (_, i) => samples.readInt16LE(2 * i) / 32768));
}
