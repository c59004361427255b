// The zip reader: tricks that archives play, checksums, sizes; the writer against PyTorch's own layout.
import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import * as torch from "../../src/index.ts";
import { crc32, joinedCrc32, portableCrc32 } from "../../src/io/crc32.ts";
import { bytesSource } from "../../src/io/source.ts";
import { openZip } from "../../src/io/zip.ts";
import { ZipWriter } from "../../src/io/zipWriter.ts";
import { fixture } from "./recorded.ts";

const { io } = torch;
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

interface Entry {
  readonly name: string;
  readonly data: Uint8Array;
  readonly method?: number;
  readonly size?: number;
  readonly compressed?: number;
  readonly crc?: number;
  readonly flags?: number;
  readonly header?: number;
}
/** An archive with whatever fields a test wants. */
function archive(entries: readonly Entry[], comment = "", before = ""): Uint8Array {
  const out: number[] = [...text(before)];
  const u = (n: number, width: number): void => {
    for (let k = 0; k < width; k++) out.push(Math.floor(n / 256 ** k) & 255);
  };
  const headers = entries.map((e) => {
    const at = out.length;
    for (const [n, w] of [
      [0x04034b50, 4],
      [20, 2],
      [0, 2],
      [e.method ?? 0, 2],
      [0, 4],
      [0, 4],
      [0, 4],
      [0, 4],
      [text(e.name).length, 2],
      [0, 2],
    ] as const)
      u(n, w); // prettier-ignore
    out.push(...text(e.name), ...e.data);
    return at;
  });
  const start = out.length;
  for (const [i, e] of entries.entries()) {
    const n = e.data.length;
    for (const [x, w] of [
      [0x02014b50, 4],
      [20, 2],
      [20, 2],
      [e.flags ?? 0, 2],
      [e.method ?? 0, 2],
      [0, 4],
      [e.crc ?? crc32(e.data), 4],
      [e.compressed ?? n, 4],
      [e.size ?? n, 4],
      [text(e.name).length, 2],
      [0, 2],
      [0, 2],
      [0, 2],
      [0, 2],
      [0, 4],
      [e.header ?? headers[i]!, 4],
    ] as const)
      u(x, w); // prettier-ignore
    out.push(...text(e.name));
  }
  const size = out.length - start;
  for (const [x, w] of [
    [0x06054b50, 4],
    [0, 4],
    [entries.length, 2],
    [entries.length, 2],
    [size, 4],
    [start, 4],
    [comment.length, 2],
  ] as const)
    u(x, w); // prettier-ignore
  out.push(...text(comment));
  return Uint8Array.from(out);
}
const read = async (bytes: Uint8Array, name: string, verify = false): Promise<string> => {
  const zip = await openZip(bytesSource(bytes, "a.zip"));
  return new TextDecoder().decode(await zip.bytes(zip.entries.get(name)!, { verify }));
};
const plain: Entry = { name: "a", data: text("hello") };

test("crc32 is that of zip, built in or not", () => {
  const bytes = Uint8Array.from({ length: 1003 }, (_, i) => (i * 31) & 255);
  assert.equal(portableCrc32(text("123456789")), 0xcbf43926);
  assert.equal(portableCrc32(bytes), crc32(bytes));
  assert.equal(portableCrc32(bytes.subarray(500), portableCrc32(bytes.subarray(0, 500))), crc32(bytes));
  for (const cut of [0, 1, 7, 500, bytes.length])
    assert.equal(joinedCrc32(crc32(bytes.subarray(0, cut)), crc32(bytes.subarray(cut)), bytes.length - cut), crc32(bytes));
});

test("a device that works out checksums agrees, from any byte on and of any length", () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * i * 7 + i) & 255);
  const { storage } = torch.tensor([...bytes], { dtype: "uint8" });
  if (!storage.device.checksum) return console.log(`skipped: ${storage.device.name} has no checksum`);
  for (let begin = 0; begin < 40; begin++)
    for (const length of [0, 1, 7, 8, 15, 16, 63, 64, 65, 79, 80, 127, 128, 129, 200, 511, 900])
      assert.equal(
        storage.device.checksum(storage, begin, length),
        portableCrc32(bytes.subarray(begin, begin + length)),
        `${begin} ${length}`,
      );
});
test("stored and deflated entries, comments", async () => {
  const long = "abc".repeat(100_000);
  const squeezed = deflateRawSync(text(long));
  const bytes = archive(
    [plain, { name: "b/c", data: squeezed, method: 8, size: long.length, crc: crc32(text(long)) }],
    "PK\x05\x06 a comment",
  );
  assert.equal(await read(bytes, "a", true), "hello");
  assert.equal(await read(bytes, "b/c", true), long);
});
test("tricks are refused with file and place", async () => {
  const squeezed = deflateRawSync(text("x".repeat(10_000)));
  for (const [bytes, message] of [
    [archive([{ ...plain, name: "../a" }]), /leads out of the archive/],
    [archive([{ ...plain, name: "/etc/a" }]), /leads out of the archive/],
    [archive([{ ...plain, name: "C:/a" }]), /leads out of the archive/],
    [archive([{ ...plain, name: "b\\a" }]), /leads out of the archive/],
    [archive([plain, plain]), /there twice/],
    [archive([plain, { ...plain, name: "b", header: 0 }]), /overlaps|called/],
    [archive([{ ...plain, size: 50, compressed: 50 }]), /reaches into the directory/],
    [archive([{ ...plain, size: 4 }]), /stored with 5 bytes of 4/],
    [archive([{ ...plain, flags: 1 }]), /encrypted/],
    [archive([{ ...plain, method: 12 }]), /method 12/],
    [archive([{ ...plain, header: 3 }]), /reaches into|local header/],
    [archive([{ name: "a", data: squeezed, method: 8, size: 9_999, crc: 0 }]), /more than the 9999 bytes/],
    [archive([{ name: "a", data: squeezed, method: 8, size: 10_001, crc: 0 }]), /inflates to 10000 bytes/],
    [archive([{ name: "a", data: squeezed, method: 8, size: 900_000_000, crc: 0 }]), /cannot inflate to 900000000/],
    [archive([{ name: "a", data: text("no deflate stream"), method: 8, size: 30, crc: 0 }]), /cannot be inflated/],
    [archive([plain], "", "moved by some bytes"), null],
    [archive([plain]).subarray(0, 60), /no end of the zip directory/],
    [new Uint8Array(0), /no end of the zip directory/],
  ] as const) {
    const got = await read(bytes, "a").then(
      (s) => s,
      (e) => e as Error,
    );
    if (message === null) {
      assert.equal(got, "hello");
      continue;
    }
    assert.ok(got instanceof torch.FormatError, String(got));
    assert.match(got.message, message);
    assert.match(got.message, /a\.zip: at byte \d+/);
  }
});
test("damage is seen when asked for", async () => {
  const bytes = await fixture("zip-2.15.0.pt");
  const at = bytes.findIndex(
    (_, i) => i % 64 === 0 && bytes[i] === 0 && new DataView(bytes.buffer, bytes.byteOffset).getFloat32(i + 4, true) === 1,
  );
  bytes[at + 5]! ^= 1;
  await io.load(bytes);
  await assert.rejects(
    io.load(bytes, { verify: true }),
    (e: Error) => e.name === "FormatError" && /data\/\d+ has checksum/.test(e.message),
  );
  const file = await io.open(bytes, { verify: true });
  await assert.rejects(file.read("strided"), /has checksum/);
});
test("archives above 4 GB: 64-bit sizes and places", async () => {
  // Only the interesting bytes are kept: the rest of the stream is zeros that nobody looks at.
  const kept: [number, Uint8Array][] = [];
  let size = 0;
  const zeros = new Uint8Array(64 << 20);
  const zip = new ZipWriter({
    write: (b) => {
      if (b.length < zeros.length) kept.push([size, b.slice()]);
      size += b.length;
    },
  });
  const large = 2 ** 32 + zeros.length;
  await zip.entry("a/data/0", large, (write) => {
    for (let left = large; left > 0; left -= zeros.length) write(zeros);
  });
  await zip.bytes("a/version", "3\n");
  zip.finish();
  const source: torch.io.ByteSource = {
    name: "sparse",
    size,
    read: async (offset, length) => {
      const out = new Uint8Array(length);
      for (const [at, b] of kept) {
        const from = Math.max(offset, at);
        const to = Math.min(offset + length, at + b.length);
        if (from < to) out.set(b.subarray(from - at, to - at), from - offset);
      }
      return out;
    },
    close: async () => {},
  };
  const read = await openZip(source);
  assert.equal(read.entries.get("a/data/0")!.size, large);
  assert.equal((await read.begin(read.entries.get("a/data/0")!)) % 64, 0);
  const version = read.entries.get("a/version")!;
  assert.ok(version.header > 2 ** 32);
  assert.equal(new TextDecoder().decode(await read.bytes(version, { verify: true })), "3\n");
});
