// Small reads anywhere in a source, from pages that are kept for a while.
import type { Fail } from "./damage.ts";
import type { ByteSource } from "./source.ts";

const PAGE = 1 << 16;
const KEPT = 256;

/** Little-endian values at offsets of a file. */
export class Pages {
  readonly fail: Fail;
  readonly #source: ByteSource;
  readonly #kept = new Map<number, Uint8Array>();
  // Headers that point at each other could be read for ever: no sound file needs them this often.
  #budget: number;

  constructor(source: ByteSource, fail: Fail) {
    this.#source = source;
    this.fail = fail;
    this.#budget = (1 << 20) + 64 * source.size;
  }
  get size(): number {
    return this.#source.size;
  }
  async #page(i: number): Promise<Uint8Array> {
    let page = this.#kept.get(i);
    if (!page) {
      page = (await this.#source.read(i * PAGE, Math.min(PAGE, this.size - i * PAGE))).slice();
      if (this.#kept.size >= KEPT) this.#kept.delete(this.#kept.keys().next().value!);
      this.#kept.set(i, page);
    }
    return page;
  }
  /** `n` bytes. @throws FormatError when `what` would end outside the file */
  async bytes(at: number, n: number, what: string): Promise<DataView> {
    if (!(at >= 0 && n >= 0 && at + n <= this.size))
      throw this.fail(Math.max(0, Math.min(at, this.size)), `${what} of ${n} bytes at byte ${at}, the file has ${this.size}`);
    this.#budget -= n;
    if (this.#budget < 0) throw this.fail(at, "headers that are read again and again, expected each once");
    const out = new Uint8Array(n);
    for (let done = 0; done < n; ) {
      const page = await this.#page(Math.floor((at + done) / PAGE));
      const from = (at + done) % PAGE;
      const part = page.subarray(from, from + n - done);
      out.set(part, done);
      done += part.length;
    }
    return new DataView(out.buffer);
  }
  /** The same, which must begin with a signature of four letters. */
  async signed(at: number, n: number, signature: string): Promise<DataView> {
    const v = await this.bytes(at, n, signature);
    if (textOf(v, 0, 4) !== signature) throw this.fail(at, `no ${signature} signature`);
    return v;
  }
}

const utf8 = new TextDecoder();
/** Text in a view, to the first zero or `n` bytes long. */
export function textOf(v: DataView, at: number, n: number): string {
  const bytes = new Uint8Array(v.buffer, v.byteOffset + at, n);
  const end = bytes.indexOf(0);
  return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end));
}
/** An address or a length; the undefined address is Infinity. */
export const u64 = (v: DataView, at: number): number => {
  const n = v.getBigUint64(at, true);
  return n === 0xffffffffffffffffn ? Number.POSITIVE_INFINITY : Number(n);
};
