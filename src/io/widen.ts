// Numbers as other libraries store them: big-endian ones, and unsigned ones that only a wider signed type holds.
import type { Fail } from "./damage.ts";
import type { Convert } from "./ranged.ts";

/** How numbers lie in a file. */
export interface Packed {
  /** Bytes of one. */
  readonly size: number;
  /** Bytes that are reversed in a big-endian file (half an item for complex numbers); 0 for little-endian ones. */
  readonly swap: number;
  /** 16 bits are read as int32, 32 and 64 as int64. */
  readonly unsigned: boolean;
  /** Any byte but 0 is true. */
  readonly bool: boolean;
}

/** Bytes of a file as little-endian bytes of the dtype; undefined where they are the same. `at` is where the first item lies. */
export function converter(packed: Packed, at: number, fail: Fail): { itemSize: number; convert: Convert } | undefined {
  const { size, swap, unsigned, bool } = packed;
  if (swap === 0 && !unsigned && !bool) return undefined;
  const convert: Convert = (bytes, index) => {
    if (bool) return bytes.map((b) => Number(b !== 0));
    const own = bytes.slice();
    for (let i = 0; swap > 0 && i < own.length; i += swap) own.subarray(i, i + swap).reverse();
    if (!unsigned) return own;
    const n = own.length / size;
    const from = new DataView(own.buffer);
    const out = new DataView(new ArrayBuffer(size === 2 ? n * 4 : n * 8));
    for (let i = 0; i < n; i++) {
      if (size === 2) out.setInt32(4 * i, from.getUint16(2 * i, true), true);
      else if (size === 4) out.setBigInt64(8 * i, BigInt(from.getUint32(4 * i, true)), true);
      else {
        const x = from.getBigUint64(8 * i, true);
        if (x >= 2n ** 63n)
          throw fail(at + (index + i) * 8, `the unsigned number ${x}, expected one that fits int64`, {
            hint: "Save the array with a signed type",
          });
        out.setBigInt64(8 * i, x, true);
      }
    }
    return new Uint8Array(out.buffer);
  };
  return { itemSize: size, convert };
}
