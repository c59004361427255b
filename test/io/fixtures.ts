// Files of test/io/fixtures, and formats applied to bytes in memory.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Tensor } from "../../src/core/tensor.ts";
import { type ByteSource, bytesSource } from "../../src/io/source.ts";
import { type Format, mapStored, type OpenFile } from "../../src/io/stored.ts";

/** Where the fixtures are. */
export const folder: string = join(import.meta.dirname, "../../../test/io/fixtures");
/** A fixture's bytes; `.gz` ones unpacked. */
export function fixture(name: string): Uint8Array {
  const bytes = readFileSync(join(folder, name));
  return new Uint8Array(name.endsWith(".gz") ? gunzipSync(bytes) : bytes);
}
/** Bytes as a source that has files beside it. */
export function withFiles(bytes: Uint8Array, name: string, files: Readonly<Record<string, Uint8Array>>): ByteSource {
  return {
    ...bytesSource(bytes, name),
    sibling: async (other: string) => {
      if (!Object.hasOwn(files, other)) throw new Error(`no ${other}`);
      return bytesSource(files[other]!, other);
    },
  } as ByteSource;
}
/** Reads everything. */
export const readAll = async (file: OpenFile): Promise<Record<string, Tensor>> =>
  (await mapStored({ ...(file.value as object) }, (t) => t.read())) as Record<string, Tensor>;
/** Opens bytes and reads everything. */
export const load = async (format: Format, bytes: Uint8Array, name = "bytes"): Promise<Record<string, Tensor>> =>
  readAll(await format.open(bytesSource(bytes, name), {}));

/** Shape and values as the recording scripts list them. */
export interface Listed {
  readonly shape: readonly number[];
  readonly values: readonly unknown[];
}
/** A tensor as the recording scripts list it. */
export async function listed(t: Tensor): Promise<Listed> {
  const flat = (await t.contiguous().view(-1).toArray()) as unknown[];
  const values = flat.map((v) => (typeof v === "bigint" ? Number(v) : typeof v === "object" ? Object.values(v as object) : v));
  return { shape: [...t.shape], values };
}
