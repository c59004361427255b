// Writing safetensors, tensor by tensor: no tensor is whole in host memory besides.
import { type DType, itemSize } from "../core/dtype.ts";
import { ArgumentError } from "../core/errors.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { rawCopy } from "../ops/copy.ts";
import { CODES } from "./safetensors.ts";
import { type ByteSink, memorySink, replaceFile } from "./sink.ts";

const NAMES = Object.fromEntries(Object.entries(CODES).map(([code, d]) => [d, code])) as Record<DType, string>;
const CHUNK = 4 << 20;

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
  for (const [name, t] of Object.entries(tensors)) {
    if (!isTensor(t)) throw new ArgumentError({ op: "saveSafetensors", message: `${JSON.stringify(name)} is no Tensor` });
    if (name === "__metadata__") throw new ArgumentError({ op: "saveSafetensors", message: "a tensor cannot be named __metadata__" });
  }
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
export async function saveSafetensors(
  tensors: Readonly<Record<string, Tensor>>,
  path: string,
  options: { metadata?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  await replaceFile(path, (sink) => writeSafetensors(sink, tensors, options.metadata));
}
/** The bytes of a safetensors file. */
export function safetensorsBytes(
  tensors: Readonly<Record<string, Tensor>>,
  options: { metadata?: Readonly<Record<string, string>> } = {},
): Uint8Array {
  const sink = memorySink();
  writeSafetensors(sink, tensors, options.metadata);
  return sink.bytes();
}
