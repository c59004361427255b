// Parts of files as streams of chunks, and from there into a device's memory: no tensor is ever whole in host memory besides.
import type { Device } from "../core/device.ts";
import { type DType, itemSize } from "../core/dtype.ts";
import { UnsupportedError } from "../core/errors.ts";
import type { Storage } from "../core/storage.ts";
import type { Backend } from "../kernel/backend.ts";
import { crc32 } from "./crc32.ts";
import { bytesOf, type Element, swapBytes } from "./elements.ts";
import { mapPart, type MapRequest, type Mappings } from "./mapping.ts";
import { type ByteSource, closedError, damaged } from "./source.ts";

/** Bytes at once. A multiple of every element's size. */
export const CHUNK: number = 8 << 20;
/** Reads up to this size are served from windows of the file. */
const SMALL = 128 << 10;
const WINDOW = 512 << 10;
/** The same for files of the system, where a read costs little before its first byte. */
const LOCAL_WINDOW = 16 << 10;
const MOST_WINDOWS = 8;

/** A run of bytes of a file, as it is or compressed there. */
export interface Region {
  /** For messages: the file, and the entry of an archive. */
  readonly name: string;
  /** Where it begins in the file, for messages. */
  readonly offset: number;
  readonly size: number;
  /** The bytes in order, each chunk valid until the next. All but the last have `CHUNK` bytes. */
  chunks(begin: number, length: number): AsyncIterable<Uint8Array>;
  /** Fills `into` from byte `begin` on. Several such reads may be under way. */
  read?(begin: number, into: Uint8Array): Promise<void>;
  /** The same straight into memory of a device; false where that device cannot. */
  readTo?(begin: number, into: Storage, at: number, nbytes: number): Promise<boolean>;
  /** Bytes as memory of a device, where they lie in a file as they are and the device maps files; undefined where not. */
  map?(begin: number, length: number, to: MapRequest): Promise<Storage | undefined>;
  /** For regions with a checksum: the checksums of what is read of bytes `begin` to `begin + length` are told, in any order, and `end` compares. */
  check?(begin: number, length: number): Check;
}
/** The comparison of a checksum while parts are read. */
export interface Check {
  seen(begin: number, length: number, crc: number): void;
  /** @throws FormatError when the checksum is another */
  end(): Promise<void>;
}

// Bytes that stay when others are read.
async function ownBytes(source: ByteSource, begin: number, length: number): Promise<Uint8Array> {
  if (!source.readInto) return (await source.read(begin, length)).slice();
  const out = new Uint8Array(length);
  await source.readInto(begin, out);
  return out;
}

/** Small reads from windows of the file that are kept: directories, headers and files of many small tensors take few reads. */
export function windowed(source: ByteSource): ByteSource {
  // By position, the one that was used last at the end.
  const windows = new Map<number, Promise<Uint8Array>>();
  const size = source.map ? LOCAL_WINDOW : WINDOW;
  const windowAt = (begin: number): Promise<Uint8Array> => {
    const known = windows.get(begin);
    windows.delete(begin);
    const bytes = known ?? ownBytes(source, begin, Math.min(size, source.size - begin));
    windows.set(begin, bytes);
    bytes.catch(() => windows.delete(begin));
    if (windows.size > MOST_WINDOWS) for (const oldest of [...windows.keys()].slice(0, windows.size - MOST_WINDOWS)) windows.delete(oldest);
    return bytes;
  };
  let open = true;
  const whileOpen =
    <A extends unknown[], R>(f: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (!open) throw closedError(source.name);
      return f(...args);
    };
  return {
    name: source.name,
    size: source.size,
    ...(source.readInto && { readInto: whileOpen((offset: number, into: Uint8Array) => source.readInto!(offset, into)) }),
    ...(source.readTo && {
      readTo: whileOpen((offset: number, into: Storage, at: number, nbytes: number) => source.readTo!(offset, into, at, nbytes)),
    }),
    ...(source.map && { map: whileOpen((device: Device, begin: number, nbytes: number) => source.map!(device, begin, nbytes)) }),
    ...(source.sibling && { sibling: (name) => source.sibling!(name) }),
    close: async () => {
      open = false;
      windows.clear();
      await source.close();
    },
    read: whileOpen(async (offset: number, length: number) => {
      const begin = offset - (offset % size);
      if (length > SMALL || offset + length > begin + size || !(offset >= 0 && offset + length <= source.size))
        return source.read(offset, length);
      return (await windowAt(begin)).subarray(offset - begin, offset - begin + length);
    }),
  };
}

// Two buffers for each source, so that loading does not leave one per tensor to the collector.
const idle = new WeakMap<ByteSource, Uint8Array[]>();

async function* sourceChunks(source: ByteSource, offset: number, length: number): AsyncGenerator<Uint8Array> {
  if (length <= SMALL || !source.readInto) {
    for (let at = 0; at < length; at += CHUNK) yield await source.read(offset + at, Math.min(CHUNK, length - at));
    return;
  }
  const own = idle.get(source) ?? [];
  idle.set(source, own);
  const buffers = [0, 1].map(() => own.pop() ?? new Uint8Array(CHUNK));
  const start = (at: number): Promise<Uint8Array> => {
    const into = buffers[(at / CHUNK) % 2]!.subarray(0, Math.min(CHUNK, length - at));
    const ready = source.readInto!(offset + at, into).then(() => into);
    ready.catch(() => {}); // it is awaited below, perhaps only after an earlier chunk
    return ready;
  };
  let next: Promise<Uint8Array> | null = start(0);
  try {
    for (let at = 0; at < length; at += CHUNK) {
      const chunk: Uint8Array = await next!;
      next = at + CHUNK < length ? start(at + CHUNK) : null;
      yield chunk;
    }
  } finally {
    await next?.catch(() => {});
    if (own.length < 2) own.push(...buffers);
  }
}

/** A run of bytes as it lies in a file. */
export const fileRegion = (source: ByteSource, offset: number, size: number, name: string = source.name): Region => ({
  name,
  offset,
  size,
  chunks: (begin, length) => sourceChunks(source, offset + begin, length),
  ...(source.readInto && { read: (begin: number, into: Uint8Array) => source.readInto!(offset + begin, into) }),
  ...(source.readTo && {
    readTo: (begin: number, into: Storage, at: number, nbytes: number) => source.readTo!(offset + begin, into, at, nbytes),
  }),
  map: (begin, length, to) => mapPart(source, offset + begin, length, to),
});

/** Bytes in memory. */
export const memoryRegion = (bytes: Uint8Array, name: string): Region => ({
  name,
  offset: 0,
  size: bytes.length,
  chunks: async function* (begin, length) {
    for (let at = 0; at < length; at += CHUNK) yield bytes.subarray(begin + at, begin + Math.min(length, at + CHUNK));
  },
});

/** All bytes of a region. */
export async function regionBytes(region: Region): Promise<Uint8Array> {
  const out = new Uint8Array(region.size);
  let at = 0;
  for await (const chunk of region.chunks(0, region.size)) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

// Two reads are under way at a time, of a chunk each.
async function fillStorage(region: Region, begin: number, length: number, into: Storage, at: number): Promise<void> {
  let next = 0;
  const { device } = into;
  const check = region.check?.(begin, length);
  const reader = async (): Promise<void> => {
    let buffer: Uint8Array | undefined;
    while (next < length) {
      const from = next;
      const n = Math.min(CHUNK, length - from);
      next += n;
      if ((!check || device.checksum) && (await region.readTo?.(begin + from, into, at + from, n))) {
        check?.seen(begin + from, n, device.checksum!(into, at + from, n));
        continue;
      }
      buffer ??= new Uint8Array(n);
      const bytes = buffer.subarray(0, n);
      await region.read!(begin + from, bytes);
      check?.seen(begin + from, n, crc32(bytes));
      device.write(into, at + from, bytes);
    }
  };
  // Both have ended when this does, whatever happens: a read that goes on must not outlive the storage.
  for (const r of await Promise.allSettled([reader(), reader()])) if (r.status === "rejected") throw r.reason;
  await check?.end();
  if (into.nbytes < at + length) throw new RangeError("the storage is too small"); // and here it is still reachable
}

/**
 * Reads `length` bytes of elements from `begin` on into memory of a device, from byte `at` of `into` on.
 * @throws FormatError for a value that the dtype cannot hold
 */
export async function transfer(
  region: Region,
  begin: number,
  length: number,
  element: Element,
  swap: boolean,
  into: Storage,
  at = 0,
): Promise<void> {
  const { device } = into;
  if (region.read && length > SMALL && !element.widen && (!swap || element.unit === 1)) return fillStorage(region, begin, length, into, at);
  let to = at;
  let from = begin;
  for await (const chunk of region.chunks(begin, length)) {
    // A chunk may be part of a window or of the caller's bytes: it is swapped in a copy.
    let bytes = swap && element.unit > 1 ? swapBytes(chunk.slice(), element.unit) : chunk;
    if (element.widen) {
      try {
        bytes = bytesOf(element.widen(bytes));
      } catch (e) {
        if (!(e instanceof RangeError)) throw e;
        throw damaged(
          region.name,
          region.offset + from,
          `${e.message}, as which ${element.name} is read`,
          "Convert the tensor before saving",
          e,
        );
      }
    }
    device.write(into, to, bytes);
    to += bytes.length;
    from += chunk.length;
  }
}

/** @throws UnsupportedError when tensors of that type cannot be on that device */
export function checkSupport(device: Device, dtype: DType): void {
  if ((device as Backend).supports(dtype)) return;
  throw new UnsupportedError({ op: "load", message: `device ${device.name} has no ${dtype}`, hint: 'Load to "cpu" and convert there' });
}

/** How `readElements` may map instead of reading. */
export interface MapOptions {
  readonly mmap?: boolean;
  readonly mappings?: Mappings;
  /** Positions in the file must be multiples of this (default: what the element needs). */
  readonly align?: number;
}

/** Memory on a device for `count` elements, filled from a region, or the region itself where it may and can be mapped. */
export async function readElements(
  region: Region,
  begin: number,
  count: number,
  element: Element,
  swap: boolean,
  device: Device,
  options: MapOptions = {},
): Promise<Storage> {
  const { mmap = false, mappings, align = element.unit } = options;
  if (mmap && count > 0 && !element.widen && (!swap || element.unit === 1)) {
    const mapped = await region.map?.(begin, count * element.size, { device, align, ...(mappings && { mappings }) });
    if (mapped) return mapped;
  }
  const storage = device.alloc(count * itemSize(element.dtype), true);
  await transfer(region, begin, count * element.size, element, swap, storage);
  return storage;
}
