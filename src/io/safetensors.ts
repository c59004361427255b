// The safetensors format: eight bytes of header length, a JSON header, then the tensors' bytes. Files are read by ranges,
// tensor by tensor, straight into tensor memory; they are written to a temporary file, synced and renamed.
import { getDefaultDevice, getDevice } from "../core/device.ts";
import { type DType, itemSize } from "../core/dtype.ts";
import { ArgumentError, FormatError, ShapeError, showShape } from "../core/errors.ts";
import { numelOf } from "../core/layout.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { noGrad } from "../core/mode.ts";
import { copy_, rawCopy } from "../ops/copy.ts";
import { allocate } from "../ops/launch.ts";
import { type ByteSink, memorySink, replaceFile } from "./sink.ts";
import { type ByteSource, openSource, type SourceLike } from "./source.ts";

const NAMES: Record<string, DType> = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I64: "int64",
  I32: "int32",
  I16: "int16",
  I8: "int8",
  U8: "uint8",
  BOOL: "bool",
  C64: "complex64",
  C128: "complex128",
};
const CODES = Object.fromEntries(Object.entries(NAMES).map(([code, d]) => [d, code])) as Record<DType, string>;
const MAX_HEADER = 100_000_000;
const CHUNK = 4 << 20;

/** Where a tensor lies in a file. */
export interface TensorInfo {
  readonly dtype: DType;
  readonly shape: readonly number[] /** Bytes from the start of the file. */;
  readonly begin: number;
  readonly end: number;
}
/** An open file: names and shapes are known, values are read when asked for. */
export interface SafetensorsFile {
  /** Names, in the order of the header. */
  readonly keys: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  info(name: string): TensorInfo;
  /** Reads one tensor. @throws ArgumentError for an unknown name, FormatError when the file ends early. */
  get(name: string, options?: { device?: string }): Promise<Tensor>;
  /** Reads one tensor into another of the same shape, straight into its memory where dtype and layout allow. @throws ShapeError */
  into(name: string, target: Tensor): Promise<void>;
  close(): Promise<void>;
}

/** Parses and checks a header. @throws FormatError that names file, offset and what was expected. */
export async function readHeader(source: ByteSource): Promise<{ tensors: Map<string, TensorInfo>; metadata: Record<string, string> }> {
  const fail = (offset: number, message: string, cause?: unknown): FormatError =>
    new FormatError({
      op: "safetensors",
      message: `${source.name}: at byte ${offset}: ${message}`,
      hint: "The file is damaged or not a safetensors file",
      data: { file: source.name, offset },
      cause,
    });
  if (source.size < 8) throw fail(0, `the file has ${source.size} bytes, expected at least 8`);
  const head = await source.read(0, 8);
  const length = Number(new DataView(head.buffer, head.byteOffset).getBigUint64(0, true));
  if (length > MAX_HEADER || 8 + length > source.size) throw fail(0, `header length ${length}, the file has ${source.size} bytes`);
  const text = new TextDecoder("utf-8", { fatal: true });
  let json: unknown;
  let raw: string;
  try {
    raw = text.decode(await source.read(8, length));
    json = JSON.parse(raw);
  } catch (e) {
    throw fail(8, "the header is not JSON", e);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw fail(8, "the header is not a JSON object");
  const tensors = new Map<string, TensorInfo>();
  let metadata: Record<string, string> = {};
  const base = 8 + length;
  for (const [name, value] of Object.entries(json)) {
    if (name === "__metadata__") {
      if (typeof value !== "object" || value === null || Object.values(value).some((v) => typeof v !== "string"))
        throw fail(8, "__metadata__ must map strings to strings");
      metadata = value as Record<string, string>;
      continue;
    }
    const v = value as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
    const where = JSON.stringify(name);
    if (typeof v !== "object" || v === null) throw fail(8, `${where} is not an object`);
    const dtype = typeof v.dtype === "string" && Object.hasOwn(NAMES, v.dtype) ? NAMES[v.dtype] : undefined;
    if (!dtype) throw fail(8, `${where} has dtype ${JSON.stringify(v.dtype)}, expected one of ${Object.keys(NAMES).join(", ")}`);
    const natural = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;
    if (!Array.isArray(v.shape) || !v.shape.every(natural) || v.shape.length > 64)
      throw fail(8, `${where} has shape ${JSON.stringify(v.shape)?.slice(0, 80)}`);
    if (!Array.isArray(v.data_offsets) || v.data_offsets.length !== 2 || !v.data_offsets.every(natural))
      throw fail(8, `${where} has data_offsets ${JSON.stringify(v.data_offsets)?.slice(0, 80)}`);
    const [begin, end] = v.data_offsets as [number, number];
    const bytes = numelOf(v.shape as number[]) * itemSize(dtype);
    if (begin > end || end - begin !== bytes)
      throw fail(
        base + begin,
        `${where} of ${dtype} ${showShape(v.shape as number[])} needs ${bytes} bytes, its offsets give ${end - begin}`,
      );
    if (base + end > source.size) throw fail(base + begin, `${where} ends at byte ${base + end}, the file at ${source.size}`);
    tensors.set(name, { dtype, shape: v.shape as number[], begin: base + begin, end: base + end });
  }
  if ([...raw.matchAll(/"data_offsets"/g)].length > tensors.size) throw fail(8, "a name stands twice in the header");
  const order = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let at = base;
  for (const [name, t] of order) {
    if (t.begin !== at)
      throw fail(t.begin, `${JSON.stringify(name)} ${t.begin < at ? "overlaps the tensor before it" : `leaves a hole after byte ${at}`}`);
    at = t.end;
  }
  if (at !== source.size) throw fail(at, `${source.size - at} bytes follow the last tensor`);
  return { tensors, metadata };
}

async function readTensor(source: ByteSource, t: TensorInfo, device: string): Promise<Tensor> {
  const out = allocate(t.shape, t.dtype, getDevice(device));
  for (let at = t.begin; at < t.end; at += CHUNK) {
    const n = Math.min(CHUNK, t.end - at);
    out.storage.device.write(out.storage, at - t.begin, await source.read(at, n));
  }
  return out;
}

async function readInto(source: ByteSource, name: string, t: TensorInfo, target: Tensor): Promise<void> {
  if (showShape(t.shape) !== showShape(target.shape))
    throw new ShapeError({
      op: "safetensors",
      message: `${source.name}: ${JSON.stringify(name)} is ${showShape(t.shape)}, the target ${showShape(target.shape)}`,
    });
  const { storage, layout } = target;
  if (t.dtype === target.dtype && layout.contiguous) {
    const start = layout.offset * itemSize(t.dtype);
    for (let at = t.begin; at < t.end; at += CHUNK) {
      const n = Math.min(CHUNK, t.end - at);
      storage.device.write(storage, start + at - t.begin, await source.read(at, n));
    }
    storage.version.value++;
  } else {
    const values = await readTensor(source, t, target.device);
    noGrad(() => copy_(target.detach(), values));
  }
}

/** Opens a file (path) or bytes without reading any tensor. Close it when done. @throws FormatError */
export async function openSafetensors(from: SourceLike): Promise<SafetensorsFile> {
  const source = await openSource(from);
  try {
    const { tensors, metadata } = await readHeader(source);
    const info = (name: string): TensorInfo => {
      const t = tensors.get(name);
      if (!t)
        throw new ArgumentError({
          op: "safetensors",
          message: `${source.name}: no tensor ${JSON.stringify(name)}`,
          hint: `It has ${[...tensors.keys()].slice(0, 8).join(", ")}${tensors.size > 8 ? ", …" : ""}`,
        });
      return t;
    };
    return {
      keys: [...tensors.keys()],
      metadata,
      info,
      get: async (name, o = {}) => readTensor(source, info(name), o.device ?? getDefaultDevice()),
      into: async (name, target) => readInto(source, name, info(name), target),
      close: () => source.close(),
    };
  } catch (e) {
    await source.close();
    throw e;
  }
}
/** All tensors of a file by name. @throws FormatError @example (await loadSafetensors(safetensorsBytes({ a: tensor([1, 2]) }))).a // => [1, 2] */
export async function loadSafetensors(from: SourceLike, options: { device?: string } = {}): Promise<Record<string, Tensor>> {
  const file = await openSafetensors(from);
  try {
    const entries: [string, Tensor][] = [];
    for (const k of file.keys) entries.push([k, await file.get(k, options)]);
    return Object.fromEntries(entries);
  } finally {
    await file.close();
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
  const header: Record<string, unknown> = Object.keys(metadata).length ? { __metadata__: metadata } : {};
  let at = 0;
  for (const [name, t] of order) {
    const n = t.layout.numel * itemSize(t.dtype);
    header[name] = { dtype: CODES[t.dtype], shape: t.shape, data_offsets: [at, at + n] };
    at += n;
  }
  let text = JSON.stringify(header);
  const length = new TextEncoder().encode(text).length;
  text += " ".repeat((8 - (length % 8)) % 8);
  const body = new TextEncoder().encode(text);
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, BigInt(body.length), true);
  sink.write(head);
  sink.write(body);
  for (const [, t] of order) {
    const here = t.layout.contiguous ? t : rawCopy(t);
    const bytes = here.layout.numel * itemSize(t.dtype);
    const start = here.layout.offset * itemSize(t.dtype);
    const chunk = new Uint8Array(Math.min(CHUNK, bytes));
    for (let i = 0; i < bytes; i += CHUNK) {
      const part = i + CHUNK <= bytes ? chunk : chunk.subarray(0, bytes - i);
      here.storage.device.readSync(here.storage, start + i, part);
      sink.write(part);
    }
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
