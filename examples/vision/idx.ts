// The idx files of MNIST and its kin, plain or gzipped, and batches of their images.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import * as torch from "firebrand";
import type { Tensor } from "firebrand";

const SIDE = 28;
const SIZE = SIDE * SIDE;
const CLASSES = 10;

/** Images of 28 x 28 bytes, one after the other, and their classes from 0 to 9. */
export interface Images {
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
}

/** An idx file of bytes: its sizes, and the values. @throws Error that names the file and what is wrong with it. */
function readIdx(path: string, rank: number): { sizes: number[]; data: Uint8Array } {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = gunzipSync(bytes);
  } catch (e) {
    throw new Error(`${path} cannot be read: ${(e as Error).message}`);
  }
  const hex = (n: number): string => `0x${n.toString(16).padStart(8, "0")}`;
  const head = 4 + 4 * rank;
  if (bytes.length < head) throw new Error(`${path} has ${bytes.length} bytes, an idx file has at least ${head}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const magic = 0x0800 + rank; // 8 is the type: bytes
  if (view.getUint32(0) !== magic) throw new Error(`${path} begins with ${hex(view.getUint32(0))}, expected ${hex(magic)} of an idx file`);
  const sizes = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const data = bytes.subarray(head);
  if (data.length !== sizes.reduce((a, b) => a * b))
    throw new Error(`${path} has ${data.length} values, its header says ${sizes.join(" x ")}`);
  return { sizes, data };
}

/** The images and labels of one part of a folder; null when it has no such images. @throws Error that names what is wrong. */
export function readImages(folder: string, part: "train" | "t10k"): Images | null {
  const files = readdirSync(folder).sort(); // a plain file comes before its .gz
  const find = (kind: string): string | undefined => files.find((f) => f.startsWith(`${part}-${kind}`));
  const [first, second] = [find("images"), find("labels")];
  if (first === undefined) return null;
  if (second === undefined) throw new Error(`${folder} holds ${first}, but no ${part}-labels`);
  const images = readIdx(join(folder, first), 3);
  const labels = readIdx(join(folder, second), 1);
  const [count, height, width] = images.sizes;
  if (height !== SIDE || width !== SIDE) throw new Error(`${first} holds images of ${height} x ${width}, needed ${SIDE} x ${SIDE}`);
  if (count !== labels.data.length)
    throw new Error(`${first} holds ${count} images, ${second} ${labels.data.length} labels: they do not belong together`);
  const wrong = labels.data.find((label) => label >= CLASSES);
  if (wrong !== undefined) throw new Error(`${second} holds the class ${wrong}, the network knows 0 to ${CLASSES - 1}`);
  return { pixels: images.data, labels: labels.data };
}

/** Every tenth image, and all others. */
export function splitImages({ pixels, labels }: Images): { train: Images; test: Images } {
  const held = (i: number): boolean => i % 10 === 9;
  return {
    train: { pixels: pixels.filter((_, i) => !held(Math.floor(i / SIZE))), labels: labels.filter((_, i) => !held(i)) },
    test: { pixels: pixels.filter((_, i) => held(Math.floor(i / SIZE))), labels: labels.filter((_, i) => held(i)) },
  };
}

/** How images are changed at random, so that few are worth many: moved by up to `shift` pixels either way, mirrored or not. */
export interface Variation {
  readonly shift: number;
  readonly mirror: boolean;
}

/** The images of the given numbers, from 0 to 1, and their classes: [n, 1, 28, 28] and [n]. */
export function batchOf(images: Images, rows: readonly number[], device: string, variation?: Variation): [Tensor, Tensor] {
  const { shift, mirror } = variation ?? { shift: 0, mirror: false };
  const draw = (low: number, high: number): number[] => [...torch.randint(low, high, [rows.length]).dataSync()].map(Number);
  const [down, right] = [draw(-shift, shift + 1), draw(-shift, shift + 1)];
  const mirrored = draw(0, mirror ? 2 : 1);
  const x = new Float32Array(rows.length * SIZE);
  rows.forEach((row, n) => {
    for (let i = 0; i < SIDE; i++) {
      const from = i - down[n]!;
      if (from < 0 || from >= SIDE) continue;
      for (let j = 0; j < SIDE; j++) {
        const across = (mirrored[n] ? SIDE - 1 - j : j) - right[n]!;
        if (across >= 0 && across < SIDE) x[n * SIZE + i * SIDE + j] = images.pixels[row * SIZE + from * SIDE + across]! / 255;
      }
    }
  });
  const y = rows.map((row) => images.labels[row]!);
  return [torch.tensor(x, { device }).view([-1, 1, SIDE, SIDE]), torch.tensor(y, { dtype: "int64", device })];
}
