// The idx files of MNIST and its kin, plain or gzipped.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** Images [count, 28, 28] as bytes with their classes. */
export interface Images {
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
  readonly count: number;
}

function idx(path: string, magic: number): { sizes: number[]; data: Uint8Array } {
  let bytes: Uint8Array = readFileSync(path);
  if (path.endsWith(".gz")) bytes = gunzipSync(bytes);
  if (bytes.length < 8) throw new Error(`${path} has ${bytes.length} bytes, an idx file has at least 8`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const found = view.getUint32(0);
  if (found !== magic) throw new Error(`${path} begins with ${found}, expected ${magic}: it is not the idx file that its name says`);
  const rank = magic & 255;
  const sizes = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const need = sizes.reduce((a, b) => a * b, 1);
  const data = bytes.subarray(4 + 4 * rank);
  if (data.length !== need) throw new Error(`${path} has ${data.length} values, its header says ${sizes.join(" x ")}`);
  return { sizes, data };
}

/** Reads `train` and `t10k` files of a folder; where only one of them is there, it is returned alone. @throws Error that names the file. */
export function readFolder(folder: string): { train: Images | null; test: Images | null } {
  if (!existsSync(folder)) throw new Error(`there is no folder ${folder}`);
  const files = readdirSync(folder);
  const part = (name: string): Images | null => {
    const pick = (kind: string): string | undefined => files.find((f) => f.startsWith(`${name}-${kind}`));
    const [images, labels] = [pick("images"), pick("labels")];
    if (!images || !labels) return null;
    const a = idx(join(folder, images), 0x803);
    const b = idx(join(folder, labels), 0x801);
    if (a.sizes[0] !== b.sizes[0] || a.sizes[1] !== 28 || a.sizes[2] !== 28)
      throw new Error(`${images} and ${labels} in ${folder} do not fit: ${a.sizes.join(" x ")} images, ${b.sizes[0]} labels`);
    return { pixels: a.data, labels: b.data, count: a.sizes[0]! };
  };
  const [train, test] = [part("train"), part("t10k")];
  if (!train && !test) throw new Error(`${folder} holds no train-images/labels or t10k-images/labels idx files`);
  return { train, test };
}
