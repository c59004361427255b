// The safetensors format: eight bytes of header length, a JSON header, then the tensors' bytes. Files are read by ranges,
// tensor by tensor, straight into tensor memory.
import { checkOptions, given, located } from "../core/arguments.ts";
import { getDefaultDevice, getDevice } from "../core/device.ts";
import type { DType } from "../core/dtype.ts";
import { ArgumentError, type FormatError, ShapeError, showShape } from "../core/errors.ts";
import { denseLayout, numelOf } from "../core/layout.ts";
import { Tensor } from "../core/tensor.ts";
import { noGrad } from "../core/mode.ts";
import { copy_ } from "../ops/copy.ts";
import { type Element, elementOf } from "./elements.ts";
import { Mappings } from "./mapping.ts";
import { checkSupport, fileRegion, readElements, transfer } from "./region.ts";
import { type ByteSource, damaged, openSource, type SourceLike } from "./source.ts";
import { type ReadOptions, StoredTensor } from "./stored.ts";

/** The format's names of element types, and PyTorch's. */
export const CODES: Readonly<Record<string, string>> = {
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
  U16: "uint16",
  U32: "uint32",
  U64: "uint64",
  F8_E4M3: "float8_e4m3fn",
  F8_E5M2: "float8_e5m2",
  F8_E4M3FNUZ: "float8_e4m3fnuz",
  F8_E5M2FNUZ: "float8_e5m2fnuz",
  F8_E8M0: "float8_e8m0fnu",
};
const MAX_HEADER = 100_000_000;

/** Where a tensor lies in a file. */
export interface TensorInfo {
  /** A dtype of Firebrand's, or PyTorch's name of one that is read as a wider one (`uint16`, `float8_e4m3fn`). */
  readonly dtype: DType | (string & {});
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
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
  get(name: string, options?: { device?: string; mmap?: boolean }): Promise<Tensor>;
  /** Reads one tensor into another of the same shape, straight into its memory where dtype and layout allow. @throws ShapeError */
  into(name: string, target: Tensor): Promise<void>;
  close(): Promise<void>;
}

/** Parses and checks a header. @throws FormatError that names file, offset and what was expected. */
export async function readHeader(source: ByteSource): Promise<{ tensors: Map<string, TensorInfo>; metadata: Record<string, string> }> {
  const fail = (offset: number, message: string, cause?: unknown): FormatError =>
    damaged(source.name, offset, message, "The file is damaged or not a safetensors file", cause);
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
    const dtype = typeof v.dtype === "string" && Object.hasOwn(CODES, v.dtype) ? CODES[v.dtype] : undefined;
    if (!dtype) throw fail(8, `${where} has dtype ${given(v.dtype)}, expected one of ${Object.keys(CODES).join(", ")}`);
    const natural = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;
    if (!Array.isArray(v.shape) || !v.shape.every(natural) || v.shape.length > 64) throw fail(8, `${where} has shape ${given(v.shape)}`);
    if (!Array.isArray(v.data_offsets) || v.data_offsets.length !== 2 || !v.data_offsets.every(natural))
      throw fail(8, `${where} has data_offsets ${given(v.data_offsets)}`);
    const [begin, end] = v.data_offsets as [number, number];
    const bytes = numelOf(v.shape as number[]) * elementOf(dtype)!.size;
    if (begin > end || end - begin !== bytes)
      throw fail(
        base + begin,
        `${where} of ${dtype} ${showShape(v.shape as number[])} needs ${bytes} bytes, its offsets give ${end - begin}`,
      );
    if (base + end > source.size) throw fail(base + begin, `${where} ends at byte ${base + end}, the file at ${source.size}`);
    tensors.set(name, { dtype, shape: v.shape as number[], begin: base + begin, end: base + end });
  }
  if ([...raw.matchAll(/"data_offsets"\s*:\s*\[/g)].length > tensors.size) throw fail(8, "a name stands twice in the header");
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

/** A tensor of a safetensors file. */
export class SafeTensor extends StoredTensor {
  readonly dtype: DType | (string & {});
  readonly shape: readonly number[];
  readonly nbytes: number;
  readonly #source: ByteSource;
  readonly #begin: number;
  readonly #element: Element;
  constructor(source: ByteSource, info: TensorInfo) {
    super();
    this.dtype = info.dtype;
    this.shape = info.shape;
    this.nbytes = info.end - info.begin;
    this.#source = source;
    this.#begin = info.begin;
    this.#element = elementOf(info.dtype)!;
  }
  override async read(options: ReadOptions = {}): Promise<Tensor> {
    const device = getDevice(options.device ?? getDefaultDevice());
    const e = this.#element;
    checkSupport(device, e.dtype);
    const region = fileRegion(this.#source, this.#begin, this.nbytes);
    const storage = await readElements(region, 0, this.nbytes / e.size, e, false, device, { mmap: true, ...options });
    return new Tensor(storage, denseLayout(this.shape), e.dtype);
  }
  override async readInto(target: Tensor): Promise<boolean> {
    const e = this.#element;
    if (e.widen || e.dtype !== target.dtype || !target.layout.contiguous) return false;
    const region = fileRegion(this.#source, this.#begin, this.nbytes);
    await transfer(region, 0, this.nbytes, e, false, target.storage, target.layout.offset * e.size);
    return true;
  }
}

async function readInto(source: ByteSource, name: string, t: TensorInfo, target: Tensor): Promise<void> {
  if (showShape(t.shape) !== showShape(target.shape))
    throw new ShapeError({
      op: "safetensors",
      message: `${source.name}: ${JSON.stringify(name)} is ${showShape(t.shape)}, the target ${showShape(target.shape)}`,
      hint: "Build the target with the sizes of the file",
    });
  const stored = new SafeTensor(source, t);
  if (await stored.readInto(target)) target.storage.version.value++;
  else {
    const values = await stored.read({ device: target.device });
    noGrad(() => copy_(target.detach(), values));
  }
}

/** Opens a file (path) or bytes without reading any tensor. Close it when done. @throws FormatError */
export const openSafetensors: (from: SourceLike) => Promise<SafetensorsFile> = /*@__PURE__*/ located(
  "openSafetensors",
  "from",
  async (from: SourceLike): Promise<SafetensorsFile> => {
    const source = await openSource(from);
    try {
      const { tensors, metadata } = await readHeader(source);
      const info = (name: string): TensorInfo => {
        const t = tensors.get(name);
        if (!t)
          throw new ArgumentError({
            op: "safetensors",
            message: `${source.name}: no tensor ${given(name)}`,
            hint: `It has ${[...tensors.keys()].slice(0, 8).join(", ")}${tensors.size > 8 ? ", …" : ""}`,
          });
        return t;
      };
      return {
        keys: [...tensors.keys()],
        metadata,
        info,
        get: async (name, o = {}) => {
          return new SafeTensor(source, info(name)).read(checkOptions("get", ["device?", "mmap?: flag"], o));
        },
        into: async (name, target) => readInto(source, name, info(name), target),
        close: () => source.close(),
      };
    } catch (e) {
      await source.close();
      throw e;
    }
  },
);
/** All tensors of a file, and its metadata. A local file is mapped unless `mmap` is false. */
export async function readSafetensors(
  from: SourceLike,
  options: { device?: string; mmap?: boolean },
): Promise<{ tensors: Map<string, Tensor>; metadata: Record<string, string> }> {
  const source = await openSource(from);
  const mappings = new Mappings();
  try {
    const { tensors: stored, metadata } = await readHeader(source);
    const tensors = new Map<string, Tensor>();
    for (const [name, info] of stored) tensors.set(name, await new SafeTensor(source, info).read({ ...options, mappings }));
    return { tensors, metadata };
  } finally {
    await mappings.close();
    await source.close();
  }
}

/**
 * All tensors of a file by name. A local file is mapped, not read, unless `mmap` is false (see `load`).
 * @throws FormatError
 * @example (await loadSafetensors(safetensorsBytes({ a: tensor([1, 2]) }))).a // => [1, 2]
 */
export const loadSafetensors: (from: SourceLike, options?: { device?: string; mmap?: boolean }) => Promise<Record<string, Tensor>> =
  /*@__PURE__*/ located(
    "loadSafetensors",
    "from, { device, mmap }",
    async (from: SourceLike, options: { device?: string; mmap?: boolean } = {}) => {
      const o = checkOptions("loadSafetensors", ["device?", "mmap?: flag"], options);
      if (o.device !== undefined) getDevice(o.device, "loadSafetensors");
      return Object.fromEntries((await readSafetensors(from, o)).tensors);
    },
  );
