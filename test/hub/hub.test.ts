// Models of the hub, from a server of our own that answers as the hub does: what is cached, continued, checked and refused.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import * as torch from "firebrand";
import { hubFiles } from "firebrand/hub";
import { AutoModelForCausalLM } from "firebrand/models";
import { AutoTokenizer } from "firebrand/tokenizers";

const REPO = "acme/tiny";
const SHA = "0123456789abcdef0123456789abcdef01234567";
const folder = join(process.cwd(), "test", "models", "recorded", "llama");
const content = new Map(["config.json", "model.safetensors"].map((f) => [f, readFileSync(join(folder, f))]));
const vocabulary = Buffer.from("[UNK]\nhello\nworld\n");
const sha256 = (b: Uint8Array): string => createHash("sha256").update(b).digest("hex");
const gitOid = (b: Uint8Array): string => createHash("sha1").update(`blob ${b.length}\0`).update(b).digest("hex");

/** What the server does wrong, and what it was asked. */
const state = { requests: [] as string[], cutAfter: 0, damage: false, token: "", ranges: true };
const server: Server = createServer((request, response) => {
  const url = new URL(request.url!, "http://localhost");
  state.requests.push(`${url.pathname}${request.headers.range ? ` ${request.headers.range}` : ""}`);
  const json = (x: unknown, status = 200): void =>
    void response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(x));
  if (state.token && request.headers.authorization !== `Bearer ${state.token}`) return json({ error: "no access" }, 401);
  if (url.pathname === `/api/models/${REPO}/revision/main`)
    return json({ _id: "1", id: REPO, sha: SHA, private: false, downloads: 0, likes: 0, lastModified: "2026-01-01" });
  if (url.pathname === `/api/models/${REPO}/tree/${SHA}`)
    return json([
      ...[...content].map(([path, b]) => ({
        type: "file",
        path,
        size: b.length,
        oid: gitOid(b),
        ...(path.endsWith("safetensors") && { lfs: { oid: sha256(b), size: b.length, pointerSize: 100 } }),
      })),
      { type: "file", path: "../../evil", size: 1, oid: "0" },
    ]);
  const bytes = content.get(url.pathname.replace(`/${REPO}/resolve/${SHA}/`, ""));
  if (!bytes) return json({ error: "not found" }, 404);
  const from = state.ranges ? Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0) : 0;
  const body = Buffer.from(bytes.subarray(from));
  if (state.damage) body[0]! ^= 1;
  response.writeHead(from > 0 ? 206 : 200, { "Content-Length": body.length });
  if (state.cutAfter > 0 && body.length > state.cutAfter)
    response.write(body.subarray(0, state.cutAfter), () => setTimeout(() => response.destroy(), 30)); // what is cut at once may never arrive
  else response.end(body);
});
await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
const endpoint = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
const scratch = mkdtempSync(join(tmpdir(), "firebrand-hub-"));
after(() => {
  server.close();
  rmSync(scratch, { recursive: true });
});
let cacheDir = "";
beforeEach(() => {
  cacheDir = mkdtempSync(join(scratch, "cache-"));
  Object.assign(state, { requests: [], cutAfter: 0, damage: false, token: "", ranges: true });
});
const downloads = (): string[] => state.requests.filter((r) => r.includes("/resolve/"));
const refused = async (promise: Promise<unknown>, name: string, message: RegExp): Promise<void> =>
  void (await assert.rejects(promise, { name, message }));

test("a model comes from the hub once, into Hugging Face's layout, and then from the cache", async () => {
  const stages = new Set<string>();
  const model = await AutoModelForCausalLM.fromPretrained(REPO, {
    endpoint,
    cacheDir,
    onProgress: ({ stage, file }) => stages.add(`${stage} ${file}`),
  });
  const direct = await AutoModelForCausalLM.fromPretrained(folder);
  assert.ok(torch.equal(model.stateDict()["lm_head.weight"]!, direct.stateDict()["lm_head.weight"]!));
  assert.deepEqual([...stages].sort(), ["download config.json", "download model.safetensors", `load ${REPO}`]);
  const repo = join(cacheDir, "models--acme--tiny");
  assert.equal(readFileSync(join(repo, "refs", "main"), "utf8"), SHA);
  assert.ok(lstatSync(join(repo, "snapshots", SHA, "config.json")).isSymbolicLink());
  assert.deepEqual(
    readdirSync(join(repo, "blobs")).sort(),
    [gitOid(content.get("config.json")!), sha256(content.get("model.safetensors")!)].sort(),
  );
  const before = downloads().length;
  await AutoModelForCausalLM.fromPretrained(REPO, { endpoint, cacheDir });
  assert.equal(downloads().length, before);
  const asked = state.requests.length;
  await AutoModelForCausalLM.fromPretrained(REPO, { cacheDir, offline: true });
  await AutoModelForCausalLM.fromPretrained(REPO, { cacheDir, offline: true, revision: SHA });
  assert.equal(state.requests.length, asked);
  assert.deepEqual((await hubFiles(REPO, { cacheDir, offline: true }).list()).toSorted(), ["config.json", "model.safetensors"]);
});
test("what the hub cannot be asked for comes from the cache", async () => {
  await AutoModelForCausalLM.fromPretrained(REPO, { endpoint, cacheDir });
  await AutoModelForCausalLM.fromPretrained(REPO, { endpoint: "http://127.0.0.1:9", cacheDir });
  await refused(
    AutoModelForCausalLM.fromPretrained(REPO, { endpoint: "http://127.0.0.1:9", cacheDir: scratch }),
    "ArgumentError",
    /acme\/tiny/,
  );
  await refused(
    AutoModelForCausalLM.fromPretrained(REPO, { cacheDir: scratch, offline: true }),
    "ArgumentError",
    /config\.json in the cache/,
  );
});
test("a tokenizer comes from the hub too", async () => {
  content.set("vocab.txt", vocabulary);
  try {
    const tokenizer = await AutoTokenizer.fromPretrained(REPO, { endpoint, cacheDir });
    assert.deepEqual(tokenizer.encode("Hello, world"), [1, 0, 2]);
    assert.equal((await AutoTokenizer.fromPretrained(REPO, { cacheDir, offline: true })).vocabSize, 3);
  } finally {
    content.delete("vocab.txt");
  }
});
test("a broken connection is taken up where it broke", async () => {
  state.cutAfter = 10_000;
  const path = (await hubFiles(REPO, { endpoint, cacheDir }).open("model.safetensors")) as string;
  assert.ok(readFileSync(path).equals(content.get("model.safetensors")!));
  const ranges = downloads()
    .map((r) => /bytes=(\d+)-/.exec(r)?.[1])
    .filter(Boolean);
  assert.ok(ranges.length >= 2, downloads().join("\n"));
});
test("what an earlier process left is continued, or begun anew where there are no ranges", async () => {
  for (const ranges of [true, false]) {
    state.ranges = ranges;
    cacheDir = mkdtempSync(join(scratch, "cache-"));
    const bytes = content.get("model.safetensors")!;
    const files = hubFiles(REPO, { endpoint, cacheDir });
    await files.open("config.json");
    const blob = join(cacheDir, "models--acme--tiny", "blobs", sha256(bytes));
    writeFileSync(`${blob}.incomplete`, bytes.subarray(0, 5000));
    writeFileSync(`${blob}.incomplete.lock`, "999999999"); // of a process that is gone
    assert.ok(readFileSync((await files.open("model.safetensors")) as string).equals(bytes));
    assert.match(downloads().at(-1)!, /bytes=5000-$/);
    assert.ok(!existsSync(`${blob}.incomplete`) && !existsSync(`${blob}.incomplete.lock`));
  }
});
test("a damaged download is refused and not kept", async () => {
  state.damage = true;
  const files = hubFiles(REPO, { endpoint, cacheDir });
  await refused(files.read("config.json"), "FormatError", /checksum is [0-9a-f]{40}, expected [0-9a-f]{40}/);
  await refused(files.read("model.safetensors"), "FormatError", /checksum is [0-9a-f]{64}/);
  assert.deepEqual(readdirSync(join(cacheDir, "models--acme--tiny", "blobs")), []);
  state.damage = false;
  assert.ok((await files.read("config.json")).length > 0);
});
test("two downloads of a file at once are one", async () => {
  const both = [hubFiles(REPO, { endpoint, cacheDir }), hubFiles(REPO, { endpoint, cacheDir })];
  const [a, b] = await Promise.all(both.map((f) => f.read("model.safetensors")));
  assert.ok(Buffer.from(a!).equals(b!));
  assert.equal(downloads().length, 1);
});
test("tokens, names and what is not there", async () => {
  state.token = "hf_secret";
  await refused(hubFiles(REPO, { endpoint, cacheDir }).read("config.json"), "ArgumentError", /token/);
  assert.ok((await hubFiles(REPO, { endpoint, cacheDir, token: "hf_secret" }).read("config.json")).length > 0);
  state.token = "";
  await refused(hubFiles(REPO, { endpoint, cacheDir }).read("vocab.json"), "ArgumentError", /no vocab\.json at main/);
  await refused(hubFiles("acme/other", { endpoint, cacheDir }).read("config.json"), "ArgumentError", /no acme\/other at main/);
  const files = await hubFiles(REPO, { endpoint, cacheDir }).list();
  assert.ok(!files.some((f) => f.includes("evil")));
  for (const bad of ["", "../x", "a/b/c", "a b", "a/..b"]) assert.throws(() => hubFiles(bad), { name: "ArgumentError" }, bad);
  assert.throws(() => hubFiles(REPO, { revision: "../main" }), { name: "ArgumentError" });
  assert.throws(() => hubFiles(REPO, { branch: "main" } as never), { name: "ArgumentError", message: /branch/ });
  const stopped = AbortSignal.abort();
  await assert.rejects(hubFiles(REPO, { endpoint, cacheDir: mkdtempSync(join(scratch, "c-")), signal: stopped }).read("config.json"), {
    name: "AbortError",
  });
});
