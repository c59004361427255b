// GGUF, the format of llama.cpp: a header of typed metadata and tensor descriptions, then aligned tensor data. Versions 2 and
// 3, little-endian. Specification: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
import { checkOptions, located, need } from "../../core/arguments.ts";
import { type DType, itemSize } from "../../core/dtype.ts";
import { ArgumentError, DTypeError, showShape } from "../../core/errors.ts";
import { numelOf } from "../../core/layout.ts";
import { isTensor, type Tensor } from "../../core/tensor.ts";
import { rawCopy } from "../../ops/copy.ts";
import { type Fail, failing, shown } from "../damage.ts";
import { elementOf } from "../elements.ts";
import { piecesOf, RangedTensor } from "../ranged.ts";
import { fileRegion } from "../region.ts";
import { type ByteSink, memorySink, replaceFile } from "../sink.ts";
import type { ByteSource } from "../source.ts";
import type { Format, OpenFile, OpenOptions, StoredTensor } from "../stored.ts";
import type { BlockType } from "./block.ts";
import { Cursor, type GgufField, type GgufType, type GgufValue, guessType, More, Writer } from "./metadata.ts";
import { quantizedBytes, QuantizedTensor, StoredQuantized } from "./quantized.ts";
import { blockType, blockTypeOf, dtypeOf, idOf, REMOVED } from "./types.ts";

const MAGIC = 0x46554747;
const FIRST_READ = 1 << 20;
const MAX_HEADER = 1 << 30;
const MAX_DIMS = 8;
const ALIGNMENT = 32;

/** An open GGUF file: `value` has the tensors by name, `metadata` the plain values. */
export interface GgufFile extends OpenFile {
  readonly version: number;
  /** The metadata with its types: what `saveGguf` takes to write the same again. */
  readonly fields: Readonly<Record<string, GgufField>>;
}

/** The format itself. */
export interface GgufFormat extends Format {
  /** @throws FormatError that names file, offset and what was expected. */
  open(source: ByteSource, options: OpenOptions): Promise<GgufFile>;
}

interface Description {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: DType | BlockType;
  readonly offset: number;
  readonly nbytes: number;
  /** Where the description stands, for messages. */
  readonly at: number;
}

function describe(c: Cursor): Description {
  const at = c.at;
  const name = c.string("tensor name");
  const where = `tensor ${shown(name)}`;
  const dims = c.u32(`number of dimensions of ${where}`);
  if (dims > MAX_DIMS) throw c.fail(at, `${where} has ${dims} dimensions, expected ${MAX_DIMS} at most`);
  const shape: number[] = [];
  for (let i = 0; i < dims; i++) shape.unshift(c.size(`size of ${where}`));
  const id = c.u32(`type of ${where}`);
  const type = dtypeOf.get(id) ?? blockTypeOf(id);
  if (type === undefined) {
    const old = REMOVED.get(id);
    throw c.fail(at, `${where} has ${old ? `the removed type ${old}` : `type ${id}, which is unknown`}`, {
      hint: "Convert the model anew, to Q4_K for instance",
    });
  }
  const offset = c.size(`offset of ${where}`);
  const numel = numelOf(shape);
  const row = shape.at(-1) ?? 1;
  if (!Number.isSafeInteger(numel * 16)) throw c.fail(at, `${where} has shape ${showShape(shape)}, more than a file can hold`);
  if (typeof type !== "string" && row % type.size !== 0)
    throw c.fail(at, `${where} of ${type.name} has rows of ${row}, expected a multiple of ${type.size}`);
  if (typeof type !== "string" && dims === 0) throw c.fail(at, `${where} of ${type.name} has no dimensions`);
  const nbytes = typeof type === "string" ? numel * itemSize(type) : quantizedBytes(type, shape);
  return { name, shape, type, offset, nbytes, at };
}

interface Header {
  readonly version: number;
  readonly fields: Map<string, GgufField>;
  readonly tensors: readonly Description[];
  readonly alignment: number;
  /** Where the tensors' data begin. */
  readonly data: number;
}

function parseHeader(c: Cursor): Header {
  if (c.u32("magic") !== MAGIC) throw c.fail(0, "no GGUF magic");
  const version = c.u32("version");
  if (version !== 0 && (version & 0xffff) === 0)
    throw c.fail(4, "the file is big-endian", { hint: "Convert it with gguf_convert_endian.py of llama.cpp" });
  if (version !== 2 && version !== 3)
    throw c.fail(
      4,
      `version ${version}, expected 2 or 3`,
      version === 1 ? { hint: "Convert the model anew with a current llama.cpp" } : {},
    );
  const tensorCount = c.size("tensor count");
  const fieldCount = c.size("metadata count");
  c.room(fieldCount, 13, "metadata entries");
  c.room(tensorCount, 24, "tensor descriptions");
  const fields = new Map<string, GgufField>();
  for (let i = 0; i < fieldCount; i++) {
    const at = c.at;
    const key = c.string("metadata key");
    if (fields.has(key)) throw c.fail(at, `metadata ${shown(key)} stands twice`);
    fields.set(key, c.field(`metadata ${shown(key)}`));
  }
  const aligned = fields.get("general.alignment");
  const alignment = (aligned?.value ?? ALIGNMENT) as number;
  if (aligned && (aligned.type !== "uint32" || alignment < 1 || alignment > 1 << 30 || (alignment & (alignment - 1)) !== 0))
    throw c.fail(c.at, `general.alignment is ${aligned.type} ${shown(alignment)}, expected a uint32 power of two`);
  const names = new Set<string>();
  const tensors: Description[] = [];
  for (let i = 0; i < tensorCount; i++) {
    const t = describe(c);
    if (names.has(t.name)) throw c.fail(t.at, `tensor ${shown(t.name)} stands twice`);
    names.add(t.name);
    tensors.push(t);
  }
  return { version, fields, tensors, alignment, data: Math.ceil(c.at / alignment) * alignment };
}

/** Do all tensors lie in the file, aligned and apart? */
function checkPlaces(h: Header, size: number, fail: Fail): void {
  let end = 0;
  let before = "";
  for (const t of [...h.tensors].sort((a, b) => a.offset - b.offset || a.nbytes - b.nbytes)) {
    const where = `tensor ${shown(t.name)}`;
    if (t.offset % h.alignment !== 0) throw fail(t.at, `${where} has offset ${t.offset}, expected a multiple of ${h.alignment}`);
    if (h.data + t.offset + t.nbytes > size)
      throw fail(t.at, `${where} ends at byte ${h.data + t.offset + t.nbytes}, the file at ${size}`, { hint: "The file is truncated" });
    if (t.offset < end) throw fail(t.at, `${where} overlaps tensor ${shown(before)}`);
    end = t.offset + t.nbytes;
    before = t.name;
  }
}

/**
 * The GGUF format. Plain tensors are read as tensors, quantised ones as `QuantizedTensor`; shapes are in PyTorch's order.
 * @example
 * const file = await gguf.open(bytesSource(ggufBytes({ w: ones(2, 3) }, { metadata: { "general.name": "toy" } })), {});
 * file.metadata // => { "general.name": "toy" }
 */
export const gguf: GgufFormat = {
  name: "gguf",
  detect: (head) => head.length >= 4 && new DataView(head.buffer, head.byteOffset).getUint32(0, true) === MAGIC,
  open: async (source) => {
    const fail = failing("gguf", source.name, "a GGUF file");
    let header: Header | undefined;
    for (let n = Math.min(FIRST_READ, source.size); header === undefined; ) {
      try {
        header = parseHeader(new Cursor(await source.read(0, n), source.size, fail));
      } catch (e) {
        if (!(e instanceof More)) throw e;
        if (e.end > MAX_HEADER) throw fail(n, `the header needs ${e.end} bytes, expected ${MAX_HEADER} at most`);
        n = Math.min(source.size, MAX_HEADER, Math.max(e.end, 4 * n));
      }
    }
    const h = header;
    checkPlaces(h, source.size, fail);
    const stored = (t: Description): StoredTensor =>
      typeof t.type === "string"
        ? new RangedTensor(fileRegion(source, h.data + t.offset, source.size - h.data - t.offset), elementOf(t.type)!, t.shape)
        : new StoredQuantized(source, h.data + t.offset, t.type, t.shape);
    return {
      format: "gguf",
      version: h.version,
      metadata: Object.fromEntries([...h.fields].map(([k, v]) => [k, v.value])),
      fields: Object.fromEntries(h.fields),
      value: Object.fromEntries(h.tensors.map((t) => [t.name, stored(t)])),
      close: () => source.close(),
    };
  },
};

/** How GGUF files are written. */
export interface GgufOptions {
  /**
   * Values, or values with their types as `fields` of an open file has them. Plain whole numbers become uint32 (int32, uint64 or
   * int64 where they do not fit), other numbers float32: give `{ type: "float32", value: 10000 }` where a reader wants that.
   */
  readonly metadata?: Readonly<Record<string, GgufValue | GgufField>>;
  /** 2 or 3 (default). */
  readonly version?: number;
}

type Weights = Readonly<Record<string, Tensor | QuantizedTensor>>;
const isField = (x: unknown): x is GgufField => typeof x === "object" && x !== null && !Array.isArray(x) && "type" in x && "value" in x;

/** Writes tensors, plain or quantised, to a sink. @throws DTypeError for dtypes that GGUF lacks (bool, uint8, complex). */
export const writeGguf: (sink: ByteSink, tensors: Weights, options?: GgufOptions) => void = /*@__PURE__*/ located(
  "writeGguf",
  "sink, tensors, { metadata, version }",
  write,
);
function write(sink: ByteSink, tensors: Weights, given: GgufOptions = {}): void {
  const op = "writeGguf";
  need(op, "sink: object", sink);
  need(op, "tensors: object", tensors);
  const options = checkOptions(op, ["metadata?: object", "version?: int"], given);
  const version = options.version ?? 3;
  if (version !== 2 && version !== 3) throw new ArgumentError({ op, message: `version ${version}`, hint: "Versions are 2 and 3" });
  const metadata = Object.entries(options.metadata ?? {});
  const aligned = metadata.find(([k]) => k === "general.alignment")?.[1];
  const alignment = Number(aligned === undefined ? ALIGNMENT : isField(aligned) ? aligned.value : aligned);
  if (!(alignment >= 1 && alignment <= 1 << 30 && Number.isInteger(Math.log2(alignment))))
    throw new ArgumentError({ op, message: `general.alignment is ${shown(aligned)}`, hint: "It must be a power of two, 32 for instance" });
  const entries = Object.entries(tensors);
  const w = new Writer();
  w.u32(MAGIC);
  w.u32(version);
  w.u64(entries.length);
  w.u64(metadata.length);
  for (const [key, v] of metadata) {
    w.string(key);
    w.field(key, isField(v) ? v : { type: guessType(key, v) as GgufType, value: v });
  }
  let offset = 0;
  for (const [name, t] of entries) {
    const quantized = t instanceof QuantizedTensor;
    if (!quantized && !isTensor(t))
      throw new ArgumentError({ op, message: `${shown(name)} is neither a Tensor nor a QuantizedTensor`, hint: "Give tensors by name" });
    const id = quantized ? blockType(t.type)!.id : idOf.get(t.dtype);
    if (id === undefined)
      throw new DTypeError({ op, message: `${shown(name)} is ${(t as Tensor).dtype}, which GGUF lacks`, hint: 'Convert it: to("int8")' });
    const nbytes = quantized ? t.nbytes : t.layout.numel * itemSize(t.dtype);
    w.string(name);
    w.u32(t.shape.length);
    for (const n of [...t.shape].reverse()) w.u64(n);
    w.u32(id);
    w.u64(offset);
    offset += Math.ceil(nbytes / alignment) * alignment;
  }
  w.pad(alignment);
  for (const part of w.parts()) sink.write(part);
  for (const [, t] of entries) {
    const plain = t instanceof QuantizedTensor ? t.bytes : t;
    for (const b of piecesOf(plain.layout.contiguous ? plain : rawCopy(plain))) sink.write(b);
    const rest = (plain.layout.numel * itemSize(plain.dtype)) % alignment;
    if (rest > 0) sink.write(new Uint8Array(alignment - rest));
  }
}
/** Saves tensors, plain or quantised, as GGUF. The old file stays until the new one is whole and on disk. @throws DTypeError, ArgumentError */
export const saveGguf: (tensors: Weights, path: string, options?: GgufOptions) => Promise<void> = /*@__PURE__*/ located(
  "saveGguf",
  "tensors, path, { metadata, version }",
  (tensors: Weights, path: string, options: GgufOptions = {}) => replaceFile(path, (sink) => writeGguf(sink, tensors, options)),
);
/** The bytes of a GGUF file. @throws DTypeError, ArgumentError @example ggufBytes({ w: ones(2) }).length // => 96 */
export const ggufBytes: (tensors: Weights, options?: GgufOptions) => Uint8Array = /*@__PURE__*/ located(
  "ggufBytes",
  "tensors, { metadata, version }",
  (tensors: Weights, options: GgufOptions = {}) => {
    const sink = memorySink();
    writeGguf(sink, tensors, options);
    return sink.bytes();
  },
);
