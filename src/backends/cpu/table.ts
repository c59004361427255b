// A table of numbers that the addon and JavaScript share.
import type { Addon } from "./native.ts";

/**
 * A table of int32 in native memory. The engine takes all that it is shown for memory that arrays hold and collects sooner, at once when the library
 * starts: it is shown the part that is in use.
 */
export class Table {
  readonly #addon: Addon;
  readonly #address: number;
  /** The part that has been asked for so far. */
  shown: Int32Array = new Int32Array(0);

  constructor(addon: Addon, address: number) {
    this.#addon = addon;
    this.#address = address;
  }
  /** The entries up to one, which the table must have. */
  upTo(index: number): Int32Array {
    return index < this.shown.length ? this.shown : this.#show(index + 1);
  }
  #show(count: number): Int32Array {
    // Tables have a power of two of entries.
    let length = 1 << 14;
    while (length < count) length *= 2;
    if (this.shown.length > 0) this.#addon.detach(this.shown.buffer as ArrayBuffer);
    const ring = new Float64Array(this.#addon.ring, 0, 2);
    ring[0] = this.#address;
    ring[1] = length * Int32Array.BYTES_PER_ELEMENT;
    this.shown = new Int32Array(this.#addon.view()!);
    return this.shown;
  }
}
