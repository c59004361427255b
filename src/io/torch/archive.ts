// What `torch.save` has written since PyTorch 1.6: a zip archive of one pickle and the bytes of each storage.
import { type ByteSource, damaged } from "../source.ts";
import type { Format, OpenFile, OpenOptions } from "../stored.ts";
import { isZip, openZip, type ZipFile } from "../zip.ts";
import { convert, countOf, storageElement, TorchHost } from "./host.ts";
import { itemsOf, textOf, shortly } from "./python.ts";
import { Unpickler } from "./pickle.ts";
import { TorchStorage, TypedStorage } from "./storage.ts";

/** The folder that holds all entries of PyTorch's: the one with `file` in it. Other archivers put in what they like besides. */
export function folderOf(zip: ZipFile, file: string): string | null {
  let found: string | null = null;
  for (const name of zip.entries.keys()) {
    if (name !== file && !name.endsWith(`/${file}`)) continue;
    const folder = name.slice(0, -file.length);
    if (!folder.startsWith("__MACOSX/") && (found === null || folder.length < found.length)) found = folder;
  }
  return found;
}

/** A small entry as text, or undefined when there is none. */
export async function textEntry(zip: ZipFile, name: string): Promise<string | undefined> {
  const e = zip.entries.get(name);
  return e && new TextDecoder().decode(await zip.bytes(e, { limit: 1 << 20 }));
}

/** Are multi-byte values in the other byte order? @throws FormatError for an order that is none */
export async function isSwapped(zip: ZipFile, folder: string): Promise<boolean> {
  const order = await textEntry(zip, `${folder}byteorder`);
  if (order !== undefined && order !== "little" && order !== "big")
    throw damaged(zip.source.name, zip.entries.get(`${folder}byteorder`)!.header, `byte order ${JSON.stringify(order.slice(0, 20))}`);
  return order === "big";
}

/** Reads a pickle of an archive, whose storages are the entries of `data`. Storages already met are in `storages`. */
export async function readArchivePickle(
  zip: ZipFile,
  pickle: string,
  data: string,
  options: OpenOptions & { swap: boolean; storages: Map<string, TorchStorage>; describes?: (path: string) => boolean },
): Promise<unknown> {
  const entry = zip.entries.get(pickle)!;
  const persistent = (id: unknown): TypedStorage => {
    const [kind, type, key, , count] = itemsOf(id);
    if (kind !== "storage" || typeof key !== "string") throw new RangeError(`a persistent id of kind ${shortly(kind)}, expected a storage`);
    const element = storageElement(type);
    const nbytes = countOf(count) * element.size;
    const name = `${data}${key}`;
    let storage = options.storages.get(name);
    if (!storage) {
      const e = zip.entries.get(name);
      if (!e) throw new RangeError(`storage ${JSON.stringify(key)} has no entry ${name}`);
      storage = new TorchStorage(key, e.size, zip.region(e, options.verify), options.swap);
      options.storages.set(name, storage);
    }
    if (nbytes > storage.nbytes)
      throw new RangeError(
        `storage ${JSON.stringify(key)} of ${textOf(count)} ${element.name} needs ${nbytes} bytes, its entry has ${storage.nbytes}`,
      );
    return new TypedStorage(storage, element, 0, nbytes);
  };
  const host = new TorchHost({ persistent, safeGlobals: options.safeGlobals, describes: options.describes });
  const bytes = await zip.bytes(entry, { verify: options.verify ?? false });
  return convert(new Unpickler(bytes, host, `${zip.source.name}: ${pickle}`).load(), `${zip.source.name}: ${pickle}`);
}

/** The format of `torch.save`. */
export const torchArchive: Format = {
  name: "torch zip",
  async detect(head, source) {
    if (!isZip(head)) return false;
    const zip = await openZip(source);
    const folder = folderOf(zip, "data.pkl");
    return folder !== null && !zip.entries.has(`${folder}constants.pkl`);
  },
  async open(source: ByteSource, options: OpenOptions): Promise<OpenFile> {
    const zip = await openZip(source);
    const folder = folderOf(zip, "data.pkl")!;
    const swap = await isSwapped(zip, folder);
    const value = await readArchivePickle(zip, `${folder}data.pkl`, `${folder}data/`, { ...options, swap, storages: new Map() });
    const metadata: Record<string, unknown> = { byteorder: swap ? "big" : "little" };
    for (const [key, file] of [
      ["version", "version"],
      ["formatVersion", ".format_version"],
      ["storageAlignment", ".storage_alignment"],
      ["serializationId", ".data/serialization_id"],
    ] as const) {
      const text = await textEntry(zip, `${folder}${file}`);
      if (text !== undefined) metadata[key] = text.trim();
    }
    return { format: "torch zip", metadata, value, close: () => source.close() };
  },
};
