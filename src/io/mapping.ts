// Parts of files as memory of a device that maps files, where reading them into memory of its own can be saved.
import type { Device, FileMapping } from "../core/device.ts";
import type { Storage } from "../core/storage.ts";
import type { ByteSource } from "./source.ts";

/** Less than this is read sooner than mapped. */
const LEAST = 128 << 10;

/** The files that one load maps, each once. What is read by itself gets a mapping of its own: writing to it must not show elsewhere. */
export class Mappings {
  readonly #files = new Map<ByteSource, Promise<FileMapping | undefined>>();
  async part(source: ByteSource, begin: number, nbytes: number, device: Device): Promise<Storage | undefined> {
    let file = this.#files.get(source);
    if (!file) this.#files.set(source, (file = source.map!(device, 0, source.size)));
    return (await file)?.storage(begin, nbytes);
  }
  /** Nothing more will be asked for. */
  async close(): Promise<void> {
    for (const file of this.#files.values()) (await file.catch(() => undefined))?.close();
  }
}

/** Where a part is wanted and what it must meet. */
export interface MapRequest {
  readonly device: Device;
  /** Of which number of bytes its position in the file must be a multiple. */
  readonly align: number;
  readonly mappings?: Mappings;
}

/** Bytes of a source as memory of a device; undefined where they must be read. @throws FormatError when the file has changed */
export async function mapPart(source: ByteSource, begin: number, nbytes: number, to: MapRequest): Promise<Storage | undefined> {
  const { device, align, mappings } = to;
  if (!source.map || !device.mapFile || begin % align !== 0 || (mappings ? source.size : nbytes) < LEAST) return undefined;
  if (mappings) return mappings.part(source, begin, nbytes, device);
  const own = await source.map(device, begin, nbytes);
  const storage = own?.storage(begin, nbytes);
  own?.close();
  return storage;
}
