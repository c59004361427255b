// Damage by seed: files with some bytes changed, moved, cut off or put in must be read or refused with a FormatError that
// names file, offset and expectation. FUZZ=N in the environment sets the number of files (2000 unless given).
import assert from "node:assert/strict";
import { isStored, mapStored, storedTensors } from "../../src/io/stored.ts";
import type { OpenFile } from "../../src/io/stored.ts";

/** How a run is set up. */
export interface FuzzOptions {
  /** Opens damaged bytes. */
  readonly open: (bytes: Uint8Array) => Promise<OpenFile>;
  /** Files to damage. */
  readonly files: readonly Uint8Array[];
  /** Part of FUZZ that this run takes (formats that are slow to open take less). */
  readonly share?: number;
  /** Most bytes a tensor may take per byte of the file: 1 unless the format compresses. */
  readonly growth?: number;
  /** Part of a file may be readable: then its tensors are read one by one. */
  readonly readable?: boolean;
}

/** xorshift32: whole numbers below n. */
function below(seed: number): (n: number) => number {
  let x = seed | 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % Math.max(1, n);
  };
}

const together = (...parts: Uint8Array[]): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.concat(parts));

const ODD = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 2 ** 53, 2 ** 62];

/** A damaged copy. */
export function damage(file: Uint8Array, seed: number): Uint8Array {
  const r = below(seed * 2654435761 + 12345);
  for (let i = 0; i < 4; i++) r(2);
  let out: Uint8Array<ArrayBuffer> = Uint8Array.from(file);
  for (let n = 1 + r(4); n > 0; n--) {
    // Headers matter most: half of all places lie in the first or last 256 bytes.
    const edge = r(4);
    const at = edge === 0 ? r(Math.min(256, out.length)) : edge === 1 ? Math.max(0, out.length - 1 - r(256)) : r(out.length);
    const kind = r(8);
    if (kind === 0) out = out.slice(0, at);
    else if (kind === 1)
      out = together(
        out.subarray(0, at),
        Uint8Array.from({ length: 1 + r(16) }, () => r(256)),
        out.subarray(at),
      );
    else if (kind === 2) out = together(out.subarray(0, at), out.subarray(at + 1 + r(16)));
    else if (kind === 3) out.copyWithin(at, r(out.length), r(out.length));
    else if (kind === 4 && out.length >= at + 8) new DataView(out.buffer).setBigUint64(at, BigInt(ODD[r(ODD.length)]!), true);
    else if (kind === 5 && out.length >= at + 4) new DataView(out.buffer).setUint32(at, ODD[r(9)]!, true);
    else if (kind === 6) out[at] = r(256);
    else if (out.length > at) out[at]! ^= 1 << r(8);
  }
  return out;
}

/** Runs it. */
export async function fuzz(o: FuzzOptions): Promise<{ read: number; refused: number }> {
  const runs = Math.ceil(Number(process.env["FUZZ"] ?? 2000) * (o.share ?? 1));
  const counts = { read: 0, refused: 0 };
  for (let seed = 1; seed <= runs; seed++) {
    const bytes = damage(o.files[seed % o.files.length]!, seed);
    const start = performance.now();
    const refused = (e: unknown): void => {
      if (!(e instanceof Error) || e.name !== "FormatError")
        throw new Error(`seed ${seed}: not a FormatError but ${String(e)}`, { cause: e });
      assert.match(e.message, /damaged.*at byte \d+: ./s, `seed ${seed}`);
    };
    try {
      const file = await o.open(bytes);
      try {
        const check = (x: unknown): void => {
          if (isStored(x))
            assert.ok(x.nbytes <= (o.growth ?? 1) * bytes.length + 4096, `seed ${seed}: ${x.nbytes} bytes in a file of ${bytes.length}`);
          else if (typeof x === "object" && x !== null) Object.values(x).forEach(check);
        };
        check(file.value);
        if (o.readable) for (const t of storedTensors(file.value).values()) await t.read().catch(refused);
        else await mapStored(file.value, (t) => t.read());
      } finally {
        await file.close();
      }
      counts.read++;
    } catch (e) {
      refused(e);
      counts.refused++;
    }
    const took = performance.now() - start;
    assert.ok(took < 5000, `seed ${seed} took ${took} ms`);
  }
  return counts;
}
