// Zip archives written as a stream, laid out as PyTorch lays them out: entries' bytes aligned by padding in the extra field,
// checksums and sizes behind them, 64-bit fields from 4 GB on. Source: PKWARE APPNOTE 6.3; caffe2/serialize/inline_container.cc.
import { ValueError } from "../core/errors.ts";
import { crc32 } from "./crc32.ts";
import type { ByteSink } from "./sink.ts";

const LIMIT = 0xffffffff;
const HAS_DESCRIPTOR = 0x0008;
const UTF8 = 0x0800;

/** Takes an entry's bytes in order; they may be changed once it has taken them, which a promise tells. */
export type Write = (bytes: Uint8Array) => void | Promise<void>;

interface Written {
  readonly name: Uint8Array;
  readonly size: number;
  readonly compressed: number;
  readonly deflated: boolean;
  readonly wide: boolean;
  readonly crc: number;
  readonly header: number;
}

/** Little-endian fields, one after the other: `[bytes, value]`. */
function fields(...list: readonly (readonly [width: 2 | 4 | 8, value: number])[]): Uint8Array {
  const out = new Uint8Array(list.reduce((n, [w]) => n + w, 0));
  const v = new DataView(out.buffer);
  let at = 0;
  for (const [width, value] of list) {
    if (width === 2) v.setUint16(at, value, true);
    else if (width === 4) v.setUint32(at, value, true);
    else v.setBigUint64(at, BigInt(value), true);
    at += width;
  }
  return out;
}

/** The field of 64-bit sizes and places. */
function extraField(sizes: readonly number[], header: number): Uint8Array {
  const wide = [...sizes, ...(header >= LIMIT ? [header] : [])];
  return wide.length ? fields([2, 1], [2, 8 * wide.length], ...wide.map((x) => [8, x] as const)) : new Uint8Array(0);
}

/** Hands over what bytes are deflated to, as it comes. */
function deflateInto(take: (bytes: Uint8Array) => void): { write(bytes: Uint8Array): Promise<void>; end(): Promise<void> } {
  const stream = new CompressionStream("deflate-raw");
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const reading = (async () => {
    for (let r = await reader.read(); !r.done; r = await reader.read()) take(r.value);
  })();
  reading.catch((error) => writer.abort(error).catch(() => {})); // a full disk, say: end() throws it
  return {
    write: (bytes) => writer.write(bytes.slice()),
    end: async () => {
      await Promise.all([writer.close(), reading]);
    },
  };
}

/** Writes an archive into a sink. */
export class ZipWriter {
  readonly #sink: ByteSink;
  readonly #align: number;
  readonly #entries: Written[] = [];
  #at = 0;

  constructor(sink: ByteSink, align = 64) {
    this.#sink = sink;
    this.#align = align;
  }
  #write(bytes: Uint8Array): void {
    this.#sink.write(bytes);
    this.#at += bytes.length;
  }

  /** Names and checksums of what has been written. */
  get entries(): readonly { readonly name: string; readonly crc: number }[] {
    return this.#entries.map((e) => ({ name: new TextDecoder().decode(e.name), crc: e.crc }));
  }

  /** Writes one entry of `size` bytes, which `fill` hands over in order. Those to be deflated are awaited one by one. */
  async entry(name: string, size: number, fill: (write: Write) => void | Promise<void>, deflated = false): Promise<void> {
    const label = new TextEncoder().encode(name);
    if (label.length > 0xffff)
      throw new ValueError({ op: "save", message: `a name of ${label.length} bytes`, hint: "Names in an archive have 65535 at most" });
    const header = this.#at;
    // What cannot be compressed grows by five bytes in 16 KB, and these fields stand before the bytes.
    const wide = size + (deflated ? size / 1024 + 64 : 0) >= LIMIT;
    const extra = extraField(wide ? [size, deflated ? 0 : size] : [], header);
    const start = header + 30 + label.length + extra.length + 4;
    const pad = (this.#align - (start % this.#align)) % this.#align;
    const method = deflated ? 8 : 0;
    const flags = UTF8 | (size > 0 || deflated ? HAS_DESCRIPTOR : 0);
    this.#write(fields([4, 0x04034b50], [2, 0], [2, flags], [2, method], [2, 0], [2, 0], [4, 0], [4, 0], [4, 0]));
    this.#write(fields([2, label.length], [2, extra.length + 4 + pad]));
    this.#write(label);
    this.#write(extra);
    this.#write(Uint8Array.from([0x46, 0x42, pad & 255, pad >> 8, ...new Array<number>(pad).fill(0x5a)]));
    let crc = 0;
    let written = 0;
    const begin = this.#at;
    const put = deflated ? deflateInto((bytes) => this.#write(bytes)) : null;
    await fill((bytes) => {
      crc = crc32(bytes, crc);
      written += bytes.length;
      if (put) return put.write(bytes);
      this.#write(bytes);
    });
    await put?.end();
    if (written !== size) throw new ValueError({ op: "save", message: `${name}: ${written} bytes written, ${size} announced` });
    const compressed = this.#at - begin;
    const width = wide || header >= LIMIT ? 8 : 4;
    if (flags & HAS_DESCRIPTOR) this.#write(fields([4, 0x08074b50], [4, crc], [width, compressed], [width, size]));
    this.#entries.push({ name: label, size, compressed, deflated, wide, crc, header });
  }
  /** An entry whose bytes are at hand. */
  async bytes(name: string, bytes: Uint8Array | string): Promise<void> {
    const b = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    await this.entry(name, b.length, (write) => write(b));
  }

  /** Writes the directory: the archive is complete then. */
  finish(): void {
    const offset = this.#at;
    for (const e of this.#entries) {
      const extra = extraField(e.wide ? [e.size, e.compressed] : [], e.header);
      const flags = UTF8 | (e.size > 0 || e.deflated ? HAS_DESCRIPTOR : 0);
      const [size, compressed] = e.wide ? [LIMIT, LIMIT] : [e.size, e.compressed];
      const method = e.deflated ? 8 : 0;
      this.#write(fields([4, 0x02014b50], [2, 0], [2, 0], [2, flags], [2, method], [2, 0], [2, 0], [4, e.crc], [4, compressed], [4, size]));
      this.#write(fields([2, e.name.length], [2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0], [4, Math.min(e.header, LIMIT)]));
      this.#write(e.name);
      this.#write(extra);
    }
    const size = this.#at - offset;
    const count = this.#entries.length;
    const end = this.#at;
    this.#write(fields([4, 0x06064b50], [8, 44], [2, 0x031e], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [8, size], [8, offset]));
    this.#write(fields([4, 0x07064b50], [4, 0], [8, end], [4, 1]));
    const some = Math.min(count, 0xffff);
    this.#write(
      fields([4, 0x06054b50], [2, 0], [2, 0], [2, some], [2, some], [4, Math.min(size, LIMIT)], [4, Math.min(offset, LIMIT)], [2, 0]),
    );
  }
}
