// What files, folders, servers and callers can do wrong: each ends in a typed error that says what was found, and leaves nothing half written.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as torch from "../../src/index.ts";

const { io } = torch;
const folder = fs.mkdtempSync(join(tmpdir(), "firebrand-hostile-"));
after(() => fs.rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
const refuses = (what: Promise<unknown>, name: string, message: RegExp): Promise<void> => assert.rejects(what, { name, message });
/** Nothing temporary is left. */
const clean = (): void =>
  assert.deepEqual(
    fs.readdirSync(folder).filter((n) => n.endsWith(".tmp")),
    [],
  );
const state = (): Record<string, torch.Tensor> => ({ a: torch.ones(1000) });

test("paths that lead to no file", async (t) => {
  fs.mkdirSync(at("folder"));
  fs.writeFileSync(at("empty"), "");
  fs.symlinkSync(at("loop"), at("loop"));
  for (const read of [(from: string | URL) => io.load(from), io.open]) {
    await refuses(read(at("folder")), "ArgumentError", /the folder .*folder holds no file of weights/);
    await refuses(read(at("empty")), "FormatError", /empty: at byte 0: the file is empty/);
    await refuses(read(at("loop")), "ArgumentError", /loop cannot be read: ELOOP/);
    await refuses(read("/dev/null"), "ArgumentError", /\/dev\/null is a device, needed a file/);
    await refuses(read("a\0b.pt"), "ArgumentError", /cannot be read/);
    await refuses(read("x".repeat(5000)), "ArgumentError", /cannot be read: ENAMETOOLONG/);
    await refuses(read(""), "ArgumentError", /an empty path cannot be read/);
    await refuses(read(new URL("file://elsewhere/x.pt")), "ArgumentError", /file:\/\/elsewhere\/x\.pt cannot be read/);
  }
  if (spawnSync("mkfifo", [at("pipe")]).status !== 0) return t.diagnostic("no mkfifo: pipes are not tried");
  await refuses(io.load(at("pipe")), "ArgumentError", /pipe is a pipe, needed a file/);
  await refuses(torch.save(state(), at("pipe"), { format: "torch" }), "FileError", /pipe is a pipe, needed a file/);
  assert.ok(fs.statSync(at("pipe")).isFIFO());
});
test("a file that shrinks, goes or is replaced while it is open", async () => {
  const path = at("changing.safetensors");
  await torch.save({ a: torch.ones(3_000_000) }, path);
  const shrinking = await io.open(path);
  fs.truncateSync(path, 1000);
  await refuses(
    shrinking.read("a"),
    "FormatError",
    /changing\.safetensors: at byte \d+: 12000000 bytes expected, \d+ there\. The file is truncated/,
  );
  await refuses(shrinking.tensors.get("a")!.readInto(torch.zeros(3_000_000)), "FormatError", /truncated/);
  await shrinking.close();
  await torch.save(state(), path);
  const replaced = await io.open(path);
  await torch.save({ a: torch.zeros(1000) }, path);
  assert.equal((await replaced.read("a")).sum().itemSync(), 1000);
  await replaced.close();
  assert.equal((await io.load<Record<string, torch.Tensor>>(path))["a"]!.sum().itemSync(), 0);
  await refuses(replaced.read("a"), "ArgumentError", /changing\.safetensors is closed\. Read its tensors before close/);
});
for (const end of [".pt", ".safetensors", ".gguf", ".npz"])
  test(`targets of ${end} that cannot be written`, async () => {
    fs.mkdirSync(at(`t${end}`));
    fs.writeFileSync(at("file"), "");
    await refuses(torch.save(state(), at(`t${end}`)), "FileError", new RegExp(`t\\${end} is a folder, needed a file`));
    await refuses(torch.save(state(), at(`file/x${end}`)), "FileError", /ENOTDIR.*A part of the path is a file/);
    await refuses(torch.save(state(), at(`none/x${end}`)), "FileError", /ENOENT.*Make the folder first/);
    await refuses(torch.save(state(), at(`a\0b${end}`)), "FileError", /cannot be written.*no zero byte/);
    await refuses(torch.save(state(), new URL(`http://localhost/x${end}`)), "ArgumentError", /is no path of a file/);
    await refuses(torch.save(state(), `http://localhost/x${end}`), "ArgumentError", /is no path of a file/);
    await refuses(torch.save(state(), at(`${"x".repeat(300)}${end}`)), "FileError", /ENAMETOOLONG.*shorter name/);
    await torch.save(state(), at(`${"x".repeat(240)}${end}`)); // a temporary name beside it would be too long
    clean();
  });
test("an unwritable folder", async (t) => {
  if (process.getuid?.() === 0) return t.skip("the superuser may write everywhere");
  fs.mkdirSync(at("locked"), { mode: 0o555 });
  await refuses(torch.save(state(), at("locked/x.pt")), "FileError", /EACCES.*permissions/);
});
test("a link stays a link", async () => {
  await torch.save(state(), at("real.pt"));
  fs.symlinkSync(at("real.pt"), at("link.pt"));
  await torch.save({ b: torch.zeros(2) }, at("link.pt"));
  assert.ok(fs.lstatSync(at("link.pt")).isSymbolicLink());
  assert.deepEqual(Object.keys(await io.load(at("real.pt"))), ["b"]);
});
for (const end of [".pt", ".safetensors", ".gguf", ".npz"])
  test(`values that ${end} cannot hold`, async () => {
    const before = at(`kept${end}`);
    await torch.save(state(), before);
    class Own {
      x = 1;
    }
    const freed = torch.ones(3);
    freed[Symbol.dispose]();
    const bad: unknown[] = [() => 1, Symbol("s"), new Own(), new Date(), Promise.resolve(1)];
    if (end !== ".pt") bad.push(10n, "text", null);
    for (const value of bad) await refuses(torch.save({ a: torch.ones(2), value }, before), "ArgumentError", /^save: .*value is /);
    await refuses(torch.save({ a: torch.ones(2, { device: "meta" }) }, before), "DeviceError", /a meta tensor has no values/);
    await refuses(torch.save({ freed }, before), "DisposedError", /was freed/);
    await refuses(torch.save(new Map([[{ k: 1 }, torch.ones(1)]]), before), "ArgumentError", /key/);
    await refuses(torch.save({ "half \ud800": torch.ones(1) }, before), "ArgumentError", /half a surrogate pair/);
    await refuses(torch.save(new torch.nn.Linear(2, 2), before), "ArgumentError", /Save its stateDict\(\)/);
    clean();
    assert.deepEqual(Object.keys(await io.load(before)), ["a"]);
  });
test("sinks that are not what they should be", async () => {
  const later = { write: async (): Promise<void> => Promise.reject(new Error("lost")) };
  await refuses(
    torch.save(state(), later as unknown as torch.io.ByteSink, { format: "torch" }),
    "ArgumentError",
    /write returns a promise.*memorySink/,
  );
  await refuses(torch.save(state(), 5 as unknown as string), "ArgumentError", /target is 5/);
});
test("headers that claim too much, names that stand twice", async () => {
  const file = (json: string, length = BigInt(json.length)): Uint8Array => {
    const out = new Uint8Array(8 + json.length + 4);
    new DataView(out.buffer).setBigUint64(0, length, true);
    out.set(new TextEncoder().encode(json), 8);
    return out;
  };
  const one = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
  await refuses(io.load(file("{}", 2n ** 40n)), "FormatError", /header length 1099511627776, the file has 14 bytes/);
  await refuses(io.load(file("{}", 2n ** 63n)), "FormatError", /it begins with 00 00 00 00 00 00 00 80/);
  await refuses(io.load(file(`{"a":${one},"a":${one}}`)), "FormatError", /a name stands twice/);
  await refuses(io.load(file(`${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`)), "FormatError", /at byte 8/);
  assert.deepEqual(Object.keys(await io.load(file(`{"a\\u0000":${one}}`))), ["a\0"]);
});
test("servers that do not keep to the rules", async () => {
  const bytes = io.safetensorsBytes(state());
  const n = bytes.length;
  const server = createServer((request, response) => {
    const [, a, b] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "bytes=0-0")!.map(Number) as [number, number, number];
    const part = bytes.subarray(a, b + 1);
    const range = { "content-range": `bytes ${a}-${Math.min(b, n - 1)}/${n}` };
    const first = b === 0; // the first question is for one byte
    if (request.url === "/whole") response.writeHead(200).end(bytes);
    else if (request.url === "/missing") response.writeHead(404).end();
    else if (request.url === "/unsized") response.writeHead(206, { "content-range": `bytes ${a}-${b}/*` }).end(part);
    else if (request.url === "/elsewhere" && !first) response.writeHead(206, { "content-range": `bytes ${a + 5}-${b}/${n}` }).end(part);
    else if (request.url === "/short" && !first) response.writeHead(206, range).end(part.subarray(0, 9));
    else if (request.url === "/stops" && !first) {
      response.writeHead(206, { ...range, "content-length": part.length }).write(part.subarray(0, 9));
      setTimeout(() => response.destroy(), 20);
    } else response.writeHead(206, range).end(part);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    assert.deepEqual(Object.keys(await io.load(`${base}/sound`)), ["a"]);
    await refuses(io.load(`${base}/whole`), "ArgumentError", /\/whole: the server answers 200 to a range request, expected 206/);
    await refuses(io.load(`${base}/missing`), "ArgumentError", /\/missing: the server answers 404/);
    await refuses(io.load(`${base}/unsized`), "ArgumentError", /answers with "bytes 0-0\/\*".*expected bytes 0-0 and the size/);
    await refuses(io.load(`${base}/elsewhere`), "ArgumentError", /answers with "bytes 5-/);
    await refuses(io.load(`${base}/short`), "FormatError", /\/short: at byte 0: \d+ bytes expected, 9 there/);
    await refuses(io.load(`${base}/stops`), "ArgumentError", /\/stops: the answer stopped within bytes 0 to \d+/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
  await refuses(io.load(base), "ArgumentError", /cannot be reached/);
});
test("the command line says the same, with code 2", (t) => {
  const main = join(import.meta.dirname, "../../src/cli/main.js");
  const run = (...args: string[]): string => {
    const out = spawnSync(process.execPath, ["--conditions=firebrand-source", main, ...args], {
      encoding: "utf8",
      cwd: folder,
      timeout: 60_000,
    });
    assert.equal(out.status, 2, out.stderr);
    assert.doesNotMatch(out.stderr, /\n {4}at /);
    return out.stderr;
  };
  assert.match(run("inspect", "loop"), /there is no loop/);
  assert.match(run("inspect", "folder"), /holds no file of weights/);
  assert.match(run("inspect", ""), /there is no file without a name/);
  assert.match(run("convert", "real.pt", "none/x.pt"), /Make the folder first/);
  assert.match(run("convert", "real.pt", "folder", "--force", "--format", "torch"), /folder is a folder, needed a file/);
  if (!fs.existsSync(at("pipe"))) return t.diagnostic("no mkfifo: pipes are not tried");
  assert.match(run("verify", "pipe"), /pipe is a pipe, needed a file/);
  assert.match(run("convert", "real.pt", "pipe", "--force", "--format", "torch"), /pipe is a pipe, needed a file/);
});
