// Bytes to read by ranges: a path, a Blob, an address, bytes in memory, or anything that has the same three members.
import { given } from "../core/arguments.ts";
import type { Device, FileMapping } from "../core/device.ts";
import { ArgumentError, FormatError } from "../core/errors.ts";
import type { Storage } from "../core/storage.ts";
import { builtin } from "./builtin.ts";

/** Something that gives any range of its bytes: files larger than memory are never read whole. */
export interface ByteSource {
  /** For messages: a path, an address, "bytes". */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; valid until the next read. @throws FormatError when there are fewer. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Fills `into` from `offset`, also while other reads are under way. Large tensors are read with it where it is there. */
  readInto?(offset: number, into: Uint8Array): Promise<void>;
  /** Reads a part into memory of a device, also while other reads are under way; false where that device cannot. */
  readTo?(offset: number, into: Storage, at: number, nbytes: number): Promise<boolean>;
  /** A part as memory of a device that maps files; undefined where that cannot be. @throws FormatError when the file has changed since it was opened */
  map?(device: Device, begin: number, nbytes: number): Promise<FileMapping | undefined>;
  /** The file of that name in the same folder, for formats of several files. */
  sibling?(name: string): Promise<ByteSource>;
  /** Lets go of the file or connection. */
  close(): Promise<void>;
}

/** What `load` and `open` take: a path, a `file:` or `http:` address, a Blob (a browser's File), bytes, or a source of your own. */
export type SourceLike = string | URL | Blob | Uint8Array | ArrayBuffer | ByteSource;

/** The error for damage: where it is, what was expected. */
export const damaged = (
  file: string,
  offset: number,
  message: string,
  hint = "The file is damaged",
  cause?: unknown,
  op = "read",
): FormatError => new FormatError({ op, message: `${file}: at byte ${offset}: ${message}`, hint, data: { file, offset }, cause });
const noSource = (op: string, x: unknown, hint: string): ArgumentError =>
  new ArgumentError({ op, message: `${given(x)} is no source of bytes`, hint });

/** The error for a range that goes past the end. */
export const ended = (source: { name: string }, offset: number, length: number, got: number): FormatError =>
  damaged(source.name, offset, `${length} bytes expected, ${got} there`, "The file is truncated");

/** Checks a range against a source's size before it is read. @throws FormatError */
export function checkRange(source: { name: string; size: number }, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= source.size))
    throw ended(source, offset, length, Math.max(0, source.size - offset));
}

/** Bytes in memory as a source. @example (await bytesSource(new Uint8Array([1, 2, 3])).read(1, 2)).length // => 2 */
export function bytesSource(bytes: Uint8Array, name = "bytes"): ByteSource {
  if (!(bytes instanceof Uint8Array)) throw noSource("bytesSource", bytes, "Give a Uint8Array");
  return {
    name,
    size: bytes.length,
    read: async (offset, length) => {
      checkRange({ name, size: bytes.length }, offset, length);
      return bytes.subarray(offset, offset + length);
    },
    close: async () => {},
  };
}

/** A Blob, a browser's File for one, as a source. */
export function blobSource(blob: Blob, name: string = (blob as { name?: string } | null)?.name ?? "blob"): ByteSource {
  if (typeof blob?.slice !== "function" || typeof blob.size !== "number") throw noSource("blobSource", blob, "Give a Blob or a File");
  return {
    name,
    size: blob.size,
    read: async (offset, length) => {
      checkRange({ name, size: blob.size }, offset, length);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
    readInto: async (offset, into) => {
      checkRange({ name, size: blob.size }, offset, into.length);
      into.set(new Uint8Array(await blob.slice(offset, offset + into.length).arrayBuffer()));
    },
    close: async () => {},
  };
}

/** The error for reading after `close`. */
export const closedError = (name: string): ArgumentError =>
  new ArgumentError({ op: "read", message: `${name} is closed`, hint: "Read its tensors before close()" });

/** What a path leads to, in words. @internal */
export function kindOf(s: { isDirectory(): boolean; isFIFO(): boolean; isSocket(): boolean }): string {
  return s.isDirectory() ? "a folder" : s.isFIFO() ? "a pipe" : s.isSocket() ? "a socket" : "a device";
}

/** Bytes that are read at once on the thread of JavaScript: headers, directories of archives. */
const FEW = 512 << 10;

/** A file of the file system as a source. @throws ArgumentError when it cannot be opened or is no file. */
export async function fileSource(path: string | URL): Promise<ByteSource> {
  const op = "fileSource";
  if (typeof path !== "string" && !(path instanceof URL)) throw noSource(op, path, "Give the path of a file");
  const fs = builtin("fs");
  const name = String(path);
  let file: Awaited<ReturnType<typeof fs.promises.open>>;
  let stat: ReturnType<typeof fs.statSync>;
  try {
    // Asked before it is opened: a pipe without a writer would never open.
    stat = fs.statSync(path);
    if (!stat.isFile())
      throw new ArgumentError({ op, message: `${name} is ${kindOf(stat)}, needed a file`, hint: "Give the path of a file" });
    file = await fs.promises.open(path, "r");
  } catch (e) {
    if (e instanceof ArgumentError) throw e;
    throw new ArgumentError({
      op,
      message: `${name === "" ? "an empty path" : name} cannot be read: ${(e as Error).message}`,
      hint: "Check the path",
      cause: e,
    });
  }
  let open = true;
  // A descriptor is another file's as soon as it is closed.
  const underWay = new Set<Promise<number>>();
  const readInto = async (offset: number, into: Uint8Array): Promise<void> => {
    if (!open) throw closedError(name);
    checkRange({ name, size: stat.size }, offset, into.length);
    // A little is read sooner than one of the threads that read for Node is asked.
    const few = into.length <= FEW;
    for (let got = 0; got < into.length; ) {
      const [n, at] = [into.length - got, offset + got];
      const bytesRead = few ? fs.readSync(file.fd, into, got, n, at) : (await file.read(into, got, n, at)).bytesRead;
      if (bytesRead === 0) throw ended({ name }, offset, into.length, got);
      got += bytesRead;
    }
  };
  return {
    name,
    size: stat.size,
    read: async (offset, length) => {
      checkRange({ name, size: stat.size }, offset, length);
      const out = new Uint8Array(length);
      await readInto(offset, out);
      return out;
    },
    readInto,
    readTo: async (offset, into, at, nbytes) => {
      if (!open) throw closedError(name);
      checkRange({ name, size: stat.size }, offset, nbytes);
      const reading = into.device.readFile?.(file, offset, into, at, nbytes);
      if (reading) {
        underWay.add(reading);
        const over = (): boolean => underWay.delete(reading);
        reading.then(over, over);
      }
      const got = await reading;
      if (got !== undefined && got < nbytes) throw ended({ name }, offset, nbytes, got);
      return got !== undefined;
    },
    map: async (device, begin, nbytes) => {
      if (!open) throw closedError(name);
      const now = fs.fstatSync(file.fd);
      if (begin + nbytes > now.size) throw ended({ name }, begin, nbytes, Math.max(0, now.size - begin));
      if (now.size !== stat.size || now.mtimeMs !== stat.mtimeMs)
        throw damaged(name, 0, "the file has changed since it was opened", "Open it again when it is whole");
      return device.mapFile?.({ fd: file.fd, name }, begin, nbytes);
    },
    sibling: async (other) => {
      const { dirname, join } = builtin("path");
      return fileSource(join(dirname(path instanceof URL ? builtin("url").fileURLToPath(path) : path), other));
    },
    close: async () => {
      if (!open) return;
      open = false;
      await Promise.allSettled(underWay);
      await file.close();
    },
  };
}

/** A file on a web server that answers range requests. @throws ArgumentError when the server does not, or not with success. */
export async function httpSource(url: string | URL): Promise<ByteSource> {
  const op = "httpSource";
  if (typeof url !== "string" && !(url instanceof URL)) throw noSource(op, url, "Give an address");
  const name = String(url);
  const refuse = (message: string): ArgumentError =>
    new ArgumentError({
      op,
      message: `${name}: ${message}`,
      hint: "Download the file, or use a server that answers range requests",
    });
  // The bytes of a range and the size of the whole.
  const get = async (from: number, to: number): Promise<{ bytes: Uint8Array; size: number }> => {
    let response: Response;
    try {
      response = await fetch(url, { headers: { Range: `bytes=${from}-${to}`, "Accept-Encoding": "identity" } });
    } catch (e) {
      throw new ArgumentError({
        op,
        message: `${name} cannot be reached: ${(e as Error).message}`,
        hint: "Check the address",
        cause: e,
      });
    }
    if (response.status !== 206) {
      await response.body?.cancel();
      throw refuse(`the server answers ${response.status} to a range request, expected 206`);
    }
    const told = response.headers.get("content-range") ?? "";
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(told);
    if (!range || Number(range[1]) !== from) {
      await response.body?.cancel();
      throw refuse(`the server answers with "${told}" when asked for bytes ${from} to ${to}, expected bytes ${from}-${to} and the size`);
    }
    try {
      return { bytes: new Uint8Array(await response.arrayBuffer()), size: Number(range[2]) };
    } catch (e) {
      throw new ArgumentError({
        op,
        message: `${name}: the answer stopped within bytes ${from} to ${to}: ${(e as Error).message}`,
        hint: "Try again, or download the file",
        cause: e,
      });
    }
  };
  const { size } = await get(0, 0);
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    checkRange({ name, size }, offset, length);
    if (length === 0) return new Uint8Array(0);
    const { bytes } = await get(offset, offset + length - 1);
    if (bytes.length !== length) throw ended({ name }, offset, length, bytes.length);
    return bytes;
  };
  return {
    name,
    size,
    read,
    readInto: async (offset, into) => into.set(await read(offset, into.length)),
    sibling: (other) => httpSource(new URL(other, url)),
    close: async () => {},
  };
}

/** Opens whatever `load` takes. @throws ArgumentError for anything else. */
export async function openSource(from: SourceLike): Promise<ByteSource> {
  if (typeof from === "string") {
    const isFileUrl = from.startsWith("file:") && URL.canParse(from);
    return /^https?:\/\//.test(from) ? httpSource(from) : fileSource(isFileUrl ? new URL(from) : from);
  }
  if (from instanceof URL) return from.protocol === "file:" ? fileSource(from) : httpSource(from);
  if (from instanceof Uint8Array) return bytesSource(from);
  if (from instanceof ArrayBuffer) return bytesSource(new Uint8Array(from));
  if (typeof Blob !== "undefined" && from instanceof Blob) return blobSource(from);
  const own = from as Partial<ByteSource> | null;
  if (typeof own === "object" && own !== null && typeof own.read === "function" && typeof own.size === "number") return own as ByteSource;
  throw noSource("open", from, "Give a path, an address, a Blob, bytes, or { name, size, read, close }");
}
