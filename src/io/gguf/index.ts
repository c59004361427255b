// GGUF, the format of llama.cpp: a header of typed metadata and tensor descriptions, then aligned tensor data. Versions 2 and 3,
// of both byte orders, in one file or several. Specification: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
import { checkOptions, located, need } from "../../core/arguments.ts";
import { itemSize } from "../../core/dtype.ts";
import { ArgumentError, DTypeError } from "../../core/errors.ts";
import { isTensor, type Tensor } from "../../core/tensor.ts";
import { blockType } from "../../kernel/quant/types.ts";
import { rawCopy } from "../../ops/copy.ts";
import { QuantizedTensor } from "../../ops/quantized/tensor.ts";
import { failing, shown } from "../damage.ts";
import { elementOf } from "../elements.ts";
import { checkName } from "../names.ts";
import { piecesOf, RangedTensor } from "../ranged.ts";
import { fileRegion } from "../region.ts";
import { type ByteSink, memorySink, replaceFile } from "../sink.ts";
import type { ByteSource } from "../source.ts";
import type { Format, OpenFile, OpenOptions, StoredTensor } from "../stored.ts";
import { swapped } from "./bigEndian.ts";
import { ALIGNMENT, MAGIC, readHeader } from "./header.ts";
import { type GgufField, type GgufType, type GgufValue, guessType, Writer } from "./metadata.ts";
import { StoredQuantized } from "./quantized.ts";
import { openPieces, type Piece } from "./split.ts";
import { idOf } from "./types.ts";

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

/**
 * The GGUF format. Plain tensors are read as tensors, quantised ones as `QuantizedTensor`; shapes are in PyTorch's order. Of a model in
 * several files the first is opened, and the others are found beside it or among `files`.
 * @example
 * const file = await gguf.open(bytesSource(ggufBytes({ w: ones(2, 3) }, { metadata: { "general.name": "toy" } })), {});
 * file.metadata // => { "general.name": "toy" }
 */
export const gguf: GgufFormat = {
  name: "gguf",
  detect: (head) => head.length >= 4 && new DataView(head.buffer, head.byteOffset).getUint32(0, true) === MAGIC,
  open: async (source, options) => {
    const fail = failing("gguf", source.name, "a GGUF file");
    const first = await readHeader(source, fail);
    const others = await openPieces(source, first, fail, options);
    // What says how a file was split is not true of the whole.
    const fields = [...first.fields].filter(([k]) => others.length === 0 || !k.startsWith("split."));
    return {
      format: "gguf",
      version: first.version,
      metadata: Object.fromEntries(fields.map(([k, v]) => [k, v.value])),
      fields: Object.fromEntries(fields),
      value: Object.fromEntries([{ source, header: first }, ...others].flatMap(tensorsOf)),
      close: async () => {
        for (const s of [source, ...others.map((o) => o.source)]) await s.close();
      },
    };
  },
};
const tensorsOf = ({ source, header: h }: Piece): [string, StoredTensor][] =>
  h.tensors.map((t) => {
    const begin = h.data + t.offset;
    return [
      t.name,
      typeof t.type === "string"
        ? new RangedTensor(fileRegion(source, begin, source.size - begin), elementOf(t.type)!, t.shape, { swap: h.big, mmap: true })
        : new StoredQuantized(h.big ? swapped(source, begin, t) : fileRegion(source, begin, t.nbytes), t.type, t.shape, true),
    ];
  });

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
    checkName(op, name);
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
