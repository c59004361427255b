// Headers of GGUF files: metadata and descriptions of tensors, checked before anything else is read.
import type { BlockType } from "../../kernel/quant/block.ts";
import { blockTypeOf } from "../../kernel/quant/types.ts";
import { quantizedBytes } from "../../ops/quantized/tensor.ts";
import { type DType, itemSize } from "../../core/dtype.ts";
import { showShape } from "../../core/errors.ts";
import { numelOf } from "../../core/layout.ts";
import { type Fail, shown } from "../damage.ts";
import type { ByteSource } from "../source.ts";
import { Cursor, type GgufField, More } from "./metadata.ts";
import { dtypeOf, REMOVED } from "./types.ts";

/** The first four bytes, as a little-endian number: they are the same in files of both byte orders. */
export const MAGIC = 0x46554747;
/** The alignment of tensors where the metadata do not give one. */
export const ALIGNMENT = 32;
const FIRST_READ = 1 << 20;
const MAX_HEADER = 1 << 30;
const MAX_DIMS = 8;

/** A tensor as a header describes it. */
export interface Description {
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

/** What stands before the tensors. */
export interface Header {
  readonly version: number;
  /** Is the file in big-endian order? */
  readonly big: boolean;
  readonly fields: Map<string, GgufField>;
  readonly tensors: readonly Description[];
  readonly alignment: number;
  /** Where the tensors' data begin. */
  readonly data: number;
}

function parseHeader(c: Cursor): Header {
  if (c.u32("magic") !== MAGIC) throw c.fail(0, "no GGUF magic");
  // The version tells the byte order, and big-endian files came with version 3.
  let version = c.u32("version");
  if (version === 3 << 24) {
    c.little = false;
    version = 3;
  }
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
  return { version, big: !c.little, fields, tensors, alignment, data: Math.ceil(c.at / alignment) * alignment };
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

/** Reads a file's header, in larger and larger pieces. @throws FormatError that names file, offset and what was expected */
export async function readHeader(source: ByteSource, fail: Fail): Promise<Header> {
  for (let n = Math.min(FIRST_READ, source.size); ; ) {
    try {
      const header = parseHeader(new Cursor(await source.read(0, n), source.size, fail));
      checkPlaces(header, source.size, fail);
      return header;
    } catch (e) {
      if (!(e instanceof More)) throw e;
      if (e.end > MAX_HEADER) throw fail(n, `the header needs ${e.end} bytes, expected ${MAX_HEADER} at most`);
      n = Math.min(source.size, MAX_HEADER, Math.max(e.end, 4 * n));
    }
  }
}
