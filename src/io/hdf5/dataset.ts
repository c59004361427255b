// Datasets of HDF5 files as tensors: in one piece, in their own header, or in chunks.
import { numelOf } from "../../core/layout.ts";
import { shown } from "../damage.ts";
import { anyBool, type Element, elementOf } from "../elements.ts";
import { type Pages, u64 } from "../pages.ts";
import { RangedTensor } from "../ranged.ts";
import { fileRegion, memoryRegion } from "../region.ts";
import type { ByteSource } from "../source.ts";
import { StoredTensor } from "../stored.ts";
import { type Chunked, chunkedRegion } from "./chunked.ts";
import { chunkLayoutOf } from "./chunkIndex.ts";
import { filtersOf, unknownFilters } from "./filters.ts";
import { dataspaceOf, datatypeOf, fillOf, type HdfType, type Message, MESSAGE, mostOf } from "./object.ts";

type NumberType = HdfType & { kind: "number" };
const elementFor = (t: NumberType): Element => (t.dtype === "bool" ? anyBool : elementOf(t.unsigned ? `uint${8 * t.size}` : t.dtype)!);

/** A dataset that can be listed but not read. */
class Unreadable extends StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly nbytes = 0;
  readonly #why: () => Error;
  constructor(dtype: string, shape: readonly number[], why: () => Error) {
    super();
    this.dtype = dtype;
    this.shape = shape;
    this.#why = why;
  }
  async read(): Promise<never> {
    throw this.#why();
  }
}

/** The dataset of an object header; null for groups. One that cannot be read is listed, and its reading refused. @throws FormatError */
export function datasetOf(p: Pages, source: ByteSource, messages: readonly Message[], path: string): StoredTensor | null {
  const find = (type: number): Message | undefined => messages.find((m) => m.type === type);
  const [space, typeMessage, layout] = [find(MESSAGE.dataspace), find(MESSAGE.datatype), find(MESSAGE.layout)];
  if (!space || !layout) return null;
  const where = `dataset ${shown(path)}`;
  try {
    const shape = dataspaceOf(space.data) ?? [0];
    const elements = numelOf(shape);
    if (shape.length > 64 || !Number.isSafeInteger(elements * 16))
      throw p.fail(space.at, `${where} has shape ${shown(shape)}, more than a file can hold`);
    const type: HdfType = typeMessage ? datatypeOf(typeMessage.data) : { kind: "other", name: "a shared type", size: 0 };
    if (type.kind !== "number") {
      const name = type.kind === "other" ? type.name : type.kind;
      return new Unreadable(name, shape, () =>
        p.fail(space.at, `${where} holds ${name}, expected numbers`, { hint: "Only numbers are read" }),
      );
    }
    const v = layout.data;
    const version = v.getUint8(0);
    const kind = v.getUint8(version < 3 ? 2 : 1);
    const bytes = elements * type.size;
    if (version > 5) throw p.fail(layout.at, `${where} has a layout of version ${version}, expected 1 to 5`);
    if (kind === 2) return chunkedTensor(p, source, messages, path, type, shape);
    if (kind > 2) throw p.fail(layout.at, `${where} has layout class ${kind}, expected 0 to 2`);
    if (kind === 0) {
      const from = version < 3 ? 8 + 4 * v.getUint8(1) + 4 : 4;
      if (from + bytes > v.byteLength) throw p.fail(layout.at, `${where} needs ${bytes} bytes, its message has ${v.byteLength - from}`);
      const own = new Uint8Array(v.buffer, v.byteOffset + from, bytes).slice();
      return new RangedTensor(memoryRegion(own, `${source.name}: ${path}`), elementFor(type), shape, { swap: type.big });
    }
    const address = u64(v, version < 3 ? 8 : 2);
    if (bytes > 0 && address === Number.POSITIVE_INFINITY) throw p.fail(layout.at, `${where} was never written, expected ${bytes} bytes`);
    const begin = bytes > 0 ? address : 0;
    if (begin + bytes > source.size)
      throw p.fail(layout.at, `${where} ends at byte ${begin + bytes}, the file at ${source.size}`, { hint: "The file is truncated" });
    return new RangedTensor(fileRegion(source, begin, bytes), elementFor(type), shape, { swap: type.big });
  } catch (e) {
    if (e instanceof RangeError) throw p.fail(layout.at, `${where} has a damaged header`, { cause: e });
    throw e;
  }
}

/** Deflate makes at most 1032 bytes of one; what was never written takes no bytes at all, but is rarely more than this. */
const RATIO = 1032;
const SPARE = 1 << 20;

function chunkedTensor(
  p: Pages,
  source: ByteSource,
  messages: readonly Message[],
  path: string,
  type: NumberType,
  shape: readonly number[],
): StoredTensor {
  const find = (kind: number): Message | undefined => messages.find((m) => m.type === kind);
  const layout = find(MESSAGE.layout)!;
  const where = `dataset ${shown(path)}`;
  const { sizes, index } = chunkLayoutOf(layout.data);
  const chunk = sizes.slice(0, -1);
  if (chunk.length !== shape.length || chunk.length === 0 || chunk.some((n) => n < 1) || sizes.at(-1) !== type.size)
    throw p.fail(layout.at, `${where} of shape ${shown(shape)} has chunks ${shown(sizes)}, expected as many sizes and ${type.size} last`);
  const bytes = numelOf(sizes);
  const most = RATIO * source.size + SPARE;
  for (const [what, n] of [
    ["values", numelOf(shape) * type.size],
    ["a chunk", bytes],
  ] as const)
    if (!(n <= most)) throw p.fail(layout.at, `${where} has ${what} of ${n} bytes, more than a file of ${source.size} can hold`);
  const pipeline = find(MESSAGE.filters);
  const filters = pipeline ? filtersOf(pipeline.data) : [];
  const unknown = unknownFilters(filters);
  if (unknown.length > 0) {
    const hint = 'Rewrite it in Python: h5py\'s create_dataset(name, data=…), with compression="gzip" if at all';
    const refusal = `${where} has the filter ${unknown.map((f) => f.name).join(", ")}, expected deflate, shuffle and fletcher32 at most`;
    return new Unreadable(type.dtype, shape, () => p.fail(pipeline!.at, refusal, { hint }));
  }
  const fillMessage = find(MESSAGE.fill) ?? find(MESSAGE.oldFill);
  const fill = fillMessage ? fillOf(fillMessage) : null;
  if (fill && fill.length !== type.size)
    throw p.fail(fillMessage!.at, `${where} has a fill value of ${fill.length} bytes, expected ${type.size}`);
  const about: Chunked = {
    shape,
    most: mostOf(find(MESSAGE.dataspace)!.data),
    chunk,
    bytes,
    filtered: filters.length > 0,
    index,
    element: type.size,
    filters,
    fill,
  };
  return new RangedTensor(chunkedRegion(p, source, path, about), elementFor(type), shape, { swap: type.big });
}
