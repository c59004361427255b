// CRC-32 as in zip, gzip and PNG (ISO 3309): Node's where it has one, else eight tables of 256 entries, eight bytes a step.

let tables: Int32Array[] | null = null;
function makeTables(): Int32Array[] {
  const first = Int32Array.from({ length: 256 }, (_, i) => {
    let c = i;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    return c;
  });
  const all = [first];
  for (let k = 1; k < 8; k++) all.push(all[k - 1]!.map((c) => first[c & 255]! ^ (c >>> 8)));
  return all;
}

/** The CRC in plain JavaScript. */
export function portableCrc32(bytes: Uint8Array, crc = 0): number {
  tables ??= makeTables();
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  let c = ~crc;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    c ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    c =
      t7[c & 255]! ^
      t6[(c >>> 8) & 255]! ^
      t5[(c >>> 16) & 255]! ^
      t4[c >>> 24]! ^
      t3[bytes[i + 4]!]! ^
      t2[bytes[i + 5]!]! ^
      t1[bytes[i + 6]!]! ^
      t0[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) c = t0[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return ~c >>> 0;
}

type Crc32 = (bytes: Uint8Array, crc?: number) => number;
const builtin = (globalThis as { process?: { getBuiltinModule?: (name: string) => { crc32?: Crc32 } | undefined } }).process;

/** The CRC-32 of bytes, continued from `crc`: of the three characters `123` it is 0x884863d2. */
export const crc32: Crc32 = builtin?.getBuiltinModule?.("node:zlib")?.crc32 ?? portableCrc32;
