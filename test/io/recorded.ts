// The recorded files of test/io/fixtures/torch.zip and what PyTorch read in them. tools/record/torch_files.py and torch_digests.py made both.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { itemSize } from "../../src/core/dtype.ts";
import type { Tensor } from "../../src/index.ts";
import { bytesSource } from "../../src/io/source.ts";
import { openZip } from "../../src/io/zip.ts";

const folder = join(import.meta.dirname, "../../../test/io/fixtures");

/** What a file holds: of every tensor `dtype[sizes] sum abssum sha256`. */
export interface Recorded {
  readonly tensors?: Readonly<Record<string, string>>;
  readonly parameters?: readonly string[];
  readonly buffers?: readonly string[];
  /** The class of PyTorch's error. */
  readonly refused?: string;
}
export const recorded = JSON.parse(readFileSync(join(folder, "digests.json"), "utf8")) as {
  readonly torch: string;
  readonly fixtures: Readonly<Record<string, Recorded>>;
  readonly shared: Readonly<Record<string, Recorded>>;
};

/** What tools/roundtrip saw: the hash of the file that `save` made of a recorded one, and which versions of PyTorch found the same tensors in it. */
export const roundtrip = JSON.parse(readFileSync(join(folder, "roundtrip.json"), "utf8")) as Readonly<
  Record<string, { readonly sha: string; readonly reads: readonly string[] }>
>;

/** A recorded file's bytes. */
export async function fixture(name: string): Promise<Uint8Array> {
  const zip = await openZip(bytesSource(readFileSync(join(folder, "torch.zip")), "torch.zip"));
  return zip.bytes(zip.entries.get(name)!, { verify: true });
}

/** A tensor's values in row-major order. */
export function valueBytes(t: Tensor): Uint8Array {
  const here = t.layout.contiguous ? t : t.detach().clone();
  const out = new Uint8Array(here.layout.numel * itemSize(t.dtype));
  here.storage.device.readSync(here.storage, here.layout.offset * itemSize(t.dtype), out);
  return out;
}
export const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex").slice(0, 10);

/** The parts of a recorded digest. */
export function parse(digest: string): { dtype: string; shape: number[]; sum: number; abs: number; sha: string; meta: boolean } {
  const m = /^(\w+)\[([\d,]*)\] (?:(meta)|(\S+) (\S+) (\w+))$/.exec(digest)!;
  return {
    dtype: m[1]!,
    shape: m[2] === "" ? [] : m[2]!.split(",").map(Number),
    meta: m[3] !== undefined,
    sum: Number(m[4]),
    abs: Number(m[5]),
    sha: m[6] ?? "",
  };
}
