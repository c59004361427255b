// Writing safetensors, tensor by tensor: no tensor is whole in host memory besides.
import { checkOptions, checkTensor, given, located, need } from "../core/arguments.ts";
import { type DType, itemSize } from "../core/dtype.ts";
import { ArgumentError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { rawCopy } from "../ops/copy.ts";
import { checkName } from "./names.ts";
import { CODES } from "./safetensors.ts";
import { type ByteSink, memorySink, replaceFile } from "./sink.ts";

const NAMES = Object.fromEntries(Object.entries(CODES).map(([code, d]) => [d, code])) as Record<DType, string>;
const CHUNK = 4 << 20;
/** Options of `saveSafetensors`. */
export interface SafetensorsOptions {
  /** What the file shall say of itself. */
  metadata?: Readonly<Record<string, string>>;
}
const OPTIONS = ["metadata?: object"];

/** Writes bytes of a storage in chunks. */
export function writeStorage(sink: ByteSink, t: Tensor, begin: number, length: number): void {
  const chunk = new Uint8Array(Math.min(CHUNK, length));
  for (let i = 0; i < length; i += CHUNK) {
    const part = i + CHUNK <= length ? chunk : chunk.subarray(0, length - i);
    t.storage.device.readSync(t.storage, begin + i, part);
    sink.write(part);
  }
}

/** Writes header and tensors to a sink, in descending order of element size so that all are aligned. */
export function writeSafetensors(
  sink: ByteSink,
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const op = "writeSafetensors";
  need(op, "tensors: object", tensors);
  for (const [name, t] of Object.entries(tensors)) {
    checkTensor(op, JSON.stringify(name), t);
    checkName(op, name);
    if (name === "__metadata__")
      throw new ArgumentError({ op, message: "a tensor cannot be named __metadata__", hint: "Give it another name" });
  }
  need(op, "metadata: object", metadata);
  for (const [name, v] of Object.entries(metadata))
    if (typeof v !== "string")
      throw new ArgumentError({ op, message: `metadata ${name} is ${given(v)}, needed a string`, hint: "Write it with JSON.stringify" });
  const order = Object.entries(tensors).sort(([a, x], [b, y]) => itemSize(y.dtype) - itemSize(x.dtype) || (a < b ? -1 : 1));
  const header: [string, unknown][] = Object.keys(metadata).length ? [["__metadata__", metadata]] : [];
  let at = 0;
  for (const [name, t] of order) {
    const n = t.layout.numel * itemSize(t.dtype);
    header.push([name, { dtype: NAMES[t.dtype], shape: t.shape, data_offsets: [at, at + n] }]);
    at += n;
  }
  let text = JSON.stringify(Object.fromEntries(header));
  const length = new TextEncoder().encode(text).length;
  text += " ".repeat((8 - (length % 8)) % 8);
  const body = new TextEncoder().encode(text);
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, BigInt(body.length), true);
  sink.write(head);
  sink.write(body);
  for (const [, t] of order) {
    const here = t.layout.contiguous ? t : rawCopy(t);
    writeStorage(sink, here, here.layout.offset * itemSize(t.dtype), here.layout.numel * itemSize(t.dtype));
  }
}
/** Saves tensors to a file. The old file stays until the new one is whole and on disk. @throws the system's error when it cannot be written. */
export const saveSafetensors: (tensors: Readonly<Record<string, Tensor>>, path: string, options?: SafetensorsOptions) => Promise<void> =
  /*@__PURE__*/ located(
    "saveSafetensors",
    "tensors, path, { metadata }",
    async (tensors: Readonly<Record<string, Tensor>>, path: string, options: SafetensorsOptions = {}) => {
      const { metadata } = checkOptions("saveSafetensors", OPTIONS, options);
      await replaceFile(path, (sink) => writeSafetensors(sink, tensors, metadata));
    },
  );
/** The bytes of a safetensors file. */
export const safetensorsBytes: (tensors: Readonly<Record<string, Tensor>>, options?: SafetensorsOptions) => Uint8Array =
  /*@__PURE__*/ located(
    "safetensorsBytes",
    "tensors, { metadata }",
    (tensors: Readonly<Record<string, Tensor>>, options: SafetensorsOptions = {}) => {
      const { metadata } = checkOptions("safetensorsBytes", OPTIONS, options);
      const sink = memorySink();
      writeSafetensors(sink, tensors, metadata);
      return sink.bytes();
    },
  );

/**
 * Saves tensors to as many files as keep each to `most` bytes of tensors (or to one tensor), named as Hugging Face names them, and then the index.
 * @throws ArgumentError for a size that is none
 */
export async function saveSharded(
  tensors: Readonly<Record<string, Tensor>>,
  path: string,
  most: number,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  if (!(most > 0)) throw new ArgumentError({ op: "save", message: `maxShardSize is ${most}`, hint: "It is a number of bytes" });
  const bytes = (t: Tensor): number => t.layout.numel * itemSize(t.dtype);
  const shards: [string, Tensor][][] = [];
  let left = 0;
  for (const [name, t] of Object.entries(tensors)) {
    if (shards.length === 0 || bytes(t) > left) {
      shards.push([]);
      left = most;
    }
    shards.at(-1)!.push([name, t]);
    left -= bytes(t);
  }
  if (shards.length <= 1) return saveSafetensors(tensors, path, metadata ? { metadata } : {});
  const stem = path.replace(/\.safetensors$/, "");
  const number = (n: number): string => String(n).padStart(5, "0");
  const files = shards.map((_, i) => `${stem}-${number(i + 1)}-of-${number(shards.length)}.safetensors`);
  for (const [i, shard] of shards.entries()) await saveSafetensors(Object.fromEntries(shard), files[i]!, metadata ? { metadata } : {});
  const index = {
    metadata: { ...metadata, total_size: Object.values(tensors).reduce((n, t) => n + bytes(t), 0) },
    weight_map: Object.fromEntries(shards.flatMap((shard, i) => shard.map(([name]) => [name, files[i]!.split(/[\\/]/).at(-1)!]))),
  };
  await replaceFile(`${stem}.safetensors.index.json`, (sink) =>
    sink.write(new TextEncoder().encode(`${JSON.stringify(index, null, 2)}\n`)),
  );
}
