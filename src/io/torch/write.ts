// Writing what `torch.save` writes: an archive of a pickle and the bytes of each storage, streamed from the tensors' memory.
import type { DType } from "../../core/dtype.ts";
import { itemSize } from "../../core/dtype.ts";
import { extent } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { ByteSink } from "../sink.ts";
import { ZipWriter } from "../zipWriter.ts";
import { eachTensor, Pickler, type Placed } from "./pickler.ts";

const CHUNK = 4 << 20;

/** What tensors show of one storage, in elements. */
interface Part {
  readonly key: string;
  readonly tensor: Tensor;
  from: number;
  to: number;
}

/** The storages of a value, each once, and only as much of each as its tensors show. */
function storagesOf(value: unknown): { parts: Part[]; place: (t: Tensor) => Placed } {
  const parts: Part[] = [];
  // A file has one dtype for each storage, so memory that is seen as two is written twice.
  const known = new Map<unknown, Map<DType, Part>>();
  const partOf = (t: Tensor): Part => known.get(t.storage.block)!.get(t.dtype)!;
  eachTensor(value, (t) => {
    const all = known.get(t.storage.block) ?? new Map<DType, Part>();
    known.set(t.storage.block, all);
    const e = extent(t.layout);
    let part = all.get(t.dtype);
    if (!part) {
      part = { key: String(parts.length), tensor: t, from: Infinity, to: -1 };
      parts.push(part);
      all.set(t.dtype, part);
    }
    if (e) {
      part.from = Math.min(part.from, e.min);
      part.to = Math.max(part.to, e.max);
    }
  });
  for (const p of parts) if (p.to < 0) Object.assign(p, { from: 0, to: -1 });
  return {
    parts,
    place: (t) => {
      const p = partOf(t);
      return { key: p.key, numel: p.to + 1 - p.from, offset: t.layout.numel === 0 ? 0 : t.layout.offset - p.from };
    },
  };
}

/** 40 digits that tell two files apart: from the names and checksums of the entries, as PyTorch does it. */
function serializationId(entries: readonly { readonly name: string; readonly crc: number }[]): string {
  const mix = (h: bigint, x: bigint): bigint => BigInt.asUintN(64, (h ^ x) * 0x100000001b3n);
  let names = 0xcbf29ce484222325n;
  let sums = names;
  for (const e of entries) {
    for (const c of e.name) names = mix(names, BigInt(c.codePointAt(0)!));
    sums = mix(sums, BigInt(e.crc));
  }
  return `${names}`.padStart(20, "0") + `${sums}`.padStart(20, "0");
}

/** Writes a value as `torch.save` does; `folder` is the name of the folder that all entries are in. @throws ArgumentError for what cannot be saved */
export async function writeTorch(sink: ByteSink, value: unknown, folder = "archive"): Promise<void> {
  const { parts, place } = storagesOf(value);
  const pickle = new Pickler(place).pickle(value);
  const zip = new ZipWriter(sink);
  await zip.bytes(`${folder}/data.pkl`, pickle);
  await zip.bytes(`${folder}/.format_version`, "1");
  await zip.bytes(`${folder}/.storage_alignment`, "64");
  await zip.bytes(`${folder}/byteorder`, "little");
  for (const { key, tensor, from, to } of parts) {
    const size = itemSize(tensor.dtype);
    const length = (to + 1 - from) * size;
    await zip.entry(`${folder}/data/${key}`, length, async (write) => {
      const chunk = new Uint8Array(Math.min(CHUNK, length));
      for (let at = 0; at < length; at += CHUNK) {
        const part = chunk.subarray(0, Math.min(CHUNK, length - at));
        await tensor.storage.device.read(tensor.storage, from * size + at, part);
        write(part);
      }
    });
  }
  await zip.bytes(`${folder}/version`, "3\n");
  await zip.bytes(`${folder}/.data/serialization_id`, serializationId(zip.entries));
  zip.finish();
}
