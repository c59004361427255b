// Damaged files of every format: hundreds here, 100000 of each with FUZZ=100000. A file loads or is refused with a FormatError; nothing else
// may happen, and nothing may take long.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { bytesSource } from "../../src/io/source.ts";
import { openZip } from "../../src/io/zip.ts";
import { ZipWriter } from "../../src/io/zipWriter.ts";
import { fixture } from "./recorded.ts";

const { io } = torch;
const PER_FORMAT = Number(process.env["FUZZ"] ?? 400);
/** The longest that one file may take, on a busy machine too. */
const SLOWEST = 10_000;

const random = (seed: number): ((n: number) => number) => {
  let s = seed >>> 0;
  return (n) => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), s | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
};

/** One to four changes: bits, bytes, telling values, runs removed, doubled, moved; or a cut. */
function mutate(from: Uint8Array, r: (n: number) => number, limit: number): Uint8Array {
  let b = from.slice();
  for (let k = r(4); k >= 0; k--) {
    const at = r(Math.min(limit, b.length));
    const n = 1 + r(16);
    switch (r(8)) {
      case 0:
        b[at]! ^= 1 << r(8);
        break;
      case 1:
        b[at] = r(256);
        break;
      case 2:
        b[at] = [0, 1, 0x7f, 0x80, 0xff, 0x28, 0x52, 0x62, 0x71, 0x68, 0x81, 0x8b][r(12)]!;
        break;
      case 3:
        b.fill([0, 255][r(2)]!, at, at + [2, 4, 8][r(3)]!);
        break;
      case 4:
        b = Uint8Array.from([...b.subarray(0, at), ...b.subarray(at + n)]);
        break;
      case 5:
        b = Uint8Array.from([...b.subarray(0, at + n), ...b.subarray(at)]);
        break;
      case 6:
        b.copyWithin(at, r(b.length), r(b.length));
        break;
      default:
        if (r(4) === 0) b = b.slice(0, at);
        else b.set(b.slice(at, at + n), r(Math.max(1, b.length - n)));
    }
  }
  return b;
}

/** The same archive with one entry changed: only so do changes get past the directory. */
async function withEntry(archive: Uint8Array, end: string, change: (b: Uint8Array) => Uint8Array): Promise<Uint8Array> {
  const zip = await openZip(bytesSource(archive));
  const sink = io.memorySink();
  const out = new ZipWriter(sink);
  for (const [name, e] of zip.entries) {
    const bytes = await zip.bytes(e);
    await out.bytes(name, name.endsWith(end) ? change(bytes) : bytes);
  }
  out.finish();
  return sink.bytes();
}

async function survives(bytes: Uint8Array, label: string, options: torch.io.OpenOptions = {}): Promise<boolean> {
  const begin = performance.now();
  try {
    await io.load(bytes, options);
    return true;
  } catch (e) {
    if (!(e instanceof torch.FormatError)) throw new Error(`${label}: ${String((e as Error).stack ?? e)}`);
    return false;
  } finally {
    const took = performance.now() - begin;
    assert.ok(took < SLOWEST, `${label} took ${took} ms`);
  }
}

const index = (): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ metadata: {}, weight_map: { a: "1.safetensors", b: "2.safetensors" } }));
const part = (name: string): Uint8Array => io.safetensorsBytes({ [name]: torch.ones(2, 2) });
const whole: [string, () => Promise<Uint8Array>, torch.io.OpenOptions?][] = [
  ["zip", () => fixture("zip-2.15.0.pt"), { verify: true }],
  ["compressed zip", () => fixture("compressed.pt")],
  ["stream", () => fixture("stream-1.4.0.pt")],
  ["stream of Python 2", () => fixture("module-1.0.0.pt")],
  ["tar", () => fixture("tar-0.1.pt")],
  ["safetensors", async () => io.safetensorsBytes({ a: torch.randn(4, 4), b: torch.arange(5) }, { metadata: { k: "v" } })],
  ["safetensors index", async () => index(), { files: { "1.safetensors": part("a"), "2.safetensors": part("b") } }],
];
for (const [i, [name, make, options]] of whole.entries())
  test(`damaged: ${name}`, { timeout: 600_000 }, async () => {
    const bytes = await make();
    const r = random(1000 + i);
    let loaded = 0;
    for (let k = 0; k < PER_FORMAT; k++) {
      const limit = r(3) ? bytes.length : 600;
      if (await survives(mutate(bytes, r, limit), `${name} #${k}`, options)) loaded++;
    }
    assert.ok(loaded < PER_FORMAT, "some damage must be seen");
  });
for (const [i, [name, file, end]] of [
  ["pickle in a zip", "zip-1.6.0.pt", "data.pkl"],
  ["pickle of the newest", "newest.pt", "data.pkl"],
  ["TorchScript", "script-2.15.0.pt", ".pkl"],
  ["TorchScript before 1.4", "script-1.2.0.pt", "model.json"],
].entries() as Iterable<[number, [string, string, string]]>)
  test(`damaged: ${name}`, { timeout: 600_000 }, async () => {
    const bytes = await fixture(file);
    const r = random(2000 + i);
    for (let k = 0; k < PER_FORMAT; k++) await survives(await withEntry(bytes, end, (b) => mutate(b, r, b.length)), `${name} #${k}`);
  });
test("random opcodes", { timeout: 600_000 }, async () => {
  const r = random(5);
  const codes = [
    ..."(.012FIJKLMNPQRSTUVXabcd}eghijl]opqrst)u\x80\x81\x85\x86\x87\x88\x89\x8a\x8bBC\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96G",
  ];
  for (let k = 0; k < PER_FORMAT; k++) {
    const body = Array.from({ length: 1 + r(60) }, () => (r(4) ? codes[r(codes.length)]!.charCodeAt(0) : r(256)));
    await survives(Uint8Array.from([0x80, 2, ...body, 0x2e]), `opcodes #${k}`);
  }
});
