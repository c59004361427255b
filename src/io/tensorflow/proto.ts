// The wire format of protocol buffers, as far as four small messages need it.
// Source: https://protobuf.dev/programming-guides/encoding
import type { Fail } from "../damage.ts";

/** One field: whole numbers for varints and fixed ones, bytes for the rest. */
export interface Field {
  readonly number: number;
  readonly value: number | Uint8Array;
}

/** A varint at `at` and where it ends. @throws FormatError (with `base` added to offsets) when it is cut off, too long or too large */
export function varint(bytes: Uint8Array, at: number, base: number, fail: Fail): [value: number, end: number] {
  const first = bytes[at];
  if (first !== undefined && first < 128) return [first, at + 1];
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw fail(base + at, "a number that is cut off");
    value |= BigInt(byte & 127) << BigInt(7 * i);
    if (byte < 128) {
      const n = Number(BigInt.asIntN(64, value));
      if (!Number.isSafeInteger(n)) throw fail(base + at, `the number ${value}, expected one below 2^53`);
      return [n, at + i + 1];
    }
  }
  throw fail(base + at, "a number of more than ten bytes");
}

/** The fields of a message, in order. @throws FormatError */
export function* fields(bytes: Uint8Array, base: number, fail: Fail): Generator<Field> {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; ) {
    const start = at;
    let key: number;
    [key, at] = varint(bytes, at, base, fail);
    const number = Math.floor(key / 8);
    const wire = key % 8;
    if (wire === 0) {
      let value: number;
      [value, at] = varint(bytes, at, base, fail);
      yield { number, value };
      continue;
    }
    let length = wire === 1 ? 8 : 4;
    if (wire === 2) [length, at] = varint(bytes, at, base, fail);
    else if (wire !== 1 && wire !== 5) throw fail(base + start, `wire type ${wire}, expected 0, 1, 2 or 5`);
    if (length < 0 || at + length > bytes.length)
      throw fail(base + start, `field ${number} of ${length} bytes, its message has ${bytes.length - at} more`);
    if (wire === 5) yield { number, value: v.getUint32(at, true) };
    else yield { number, value: bytes.subarray(at, at + length) };
    at += length;
  }
}
/** The text of a field. */
export const fieldText = (value: number | Uint8Array): string =>
  typeof value === "number" ? String(value) : new TextDecoder().decode(value);
