// One file from an address to a path: continued where it stopped, checked, and in place only when it is whole.
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { FileError, FormatError, FirebrandError } from "../core/errors.ts";

/** What is to be downloaded. */
export interface Download {
  readonly url: string;
  readonly size: number;
  /** `sha256` of large files, `git` (the SHA-1 of git's blob) of the others. */
  readonly checksum: { readonly kind: "sha256" | "git"; readonly hex: string };
  readonly headers: Readonly<Record<string, string>>;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

const TRIES = 5;
const fail = (url: string, message: string, cause?: unknown): FirebrandError =>
  new FirebrandError({ op: "fromPretrained", message: `${url}: ${message}`, hint: "Try again: what has come is kept", cause });

/** @throws FormatError when what comes is not what was promised, FirebrandError when the server refuses, FileError when the disk does */
export async function download(to: string, d: Download): Promise<void> {
  const part = `${to}.incomplete`;
  const release = await lock(part, d.signal);
  try {
    if (await exists(to)) return; // another process was here first
    for (let attempt = 1; ; attempt++) {
      const before = await sizeOf(part);
      try {
        await receive(part, before > d.size ? 0 : before, d);
        break;
      } catch (e) {
        // Progress renews the right to try.
        if (d.signal?.aborted || e instanceof FirebrandError) throw e;
        if ((await sizeOf(part)) > before) attempt = 1;
        if (attempt >= TRIES) throw fail(d.url, `the connection breaks: ${(e as Error).message}`, e);
        await new Promise((r) => setTimeout(r, 200 * 2 ** attempt));
      }
    }
    const found = await digest(part, d);
    if (found !== d.checksum.hex) {
      await rm(part, { force: true });
      throw new FormatError({
        op: "fromPretrained",
        message: `${d.url}: the checksum is ${found}, expected ${d.checksum.hex}`,
        hint: "The download was damaged on its way: try again",
        data: { found, expected: d.checksum.hex },
      });
    }
    await rename(part, to);
  } finally {
    await release();
  }
}

async function receive(part: string, from: number, d: Download): Promise<void> {
  if (from === d.size && from > 0) return;
  const response = await fetch(d.url, {
    headers: { ...d.headers, ...(from > 0 && { Range: `bytes=${from}-` }) },
    ...(d.signal && { signal: d.signal }),
  });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    if (response.status >= 500 || response.status === 429) throw new Error(`the server answers ${response.status}`);
    throw fail(
      d.url,
      `the server answers ${response.status}${response.status === 401 || response.status === 403 ? ": a token with access is needed" : ""}`,
    );
  }
  // A server that knows no ranges begins anew.
  let done = response.status === 206 ? from : 0;
  const file = await open(part, done > 0 ? "r+" : "w").catch((cause: Error) => {
    throw new FileError({
      op: "fromPretrained",
      message: `${part} cannot be written: ${cause.message}`,
      hint: "Check the cache's folder",
      cause,
    });
  });
  try {
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      if (done + piece.length > d.size) throw fail(d.url, `more bytes come than the ${d.size} that were promised`);
      await file.write(piece, 0, piece.length, done).catch((cause: Error) => {
        throw new FileError({
          op: "fromPretrained",
          message: `${part} cannot be written: ${cause.message}`,
          hint: "Free some space, or give another { cacheDir }",
          cause,
        });
      });
      done += piece.length;
      d.onProgress?.(done, d.size);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (done < d.size) throw new Error(`${done} of ${d.size} bytes came`);
}

async function digest(path: string, d: Download): Promise<string> {
  let hash: Hash;
  if (d.checksum.kind === "sha256") hash = createHash("sha256");
  else hash = createHash("sha1").update(`blob ${d.size}\0`);
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  return hash.digest("hex");
}

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    (s) => s.size,
    () => 0,
  );
const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Waits until no other process writes the file. A lock whose process is gone is taken over. */
async function lock(part: string, signal: AbortSignal | undefined): Promise<() => Promise<void>> {
  const path = `${part}.lock`;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const file = await open(path, "wx");
      await file.writeFile(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== "EEXIST")
        throw new FileError({
          op: "fromPretrained",
          message: `${path} cannot be written: ${(e as Error).message}`,
          hint: "Check the cache's folder, or give another as { cacheDir }",
          cause: e,
        });
      const owner = Number(await import("node:fs/promises").then((fs) => fs.readFile(path, "utf8")).catch(() => "0"));
      if (owner > 0 && owner !== process.pid && !alive(owner)) await rm(path, { force: true });
      else await new Promise((r) => setTimeout(r, 100));
    }
  }
}
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === "EPERM";
  }
}
