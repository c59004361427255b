// Bytes to write in order; files and folders that are replaced as a whole or not at all.
import { need } from "../core/arguments.ts";
import { FileError, FirebrandError } from "../core/errors.ts";
import { kindOf } from "./source.ts";

/** Something that takes bytes in order; the array may be reused after the call. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "Free some space, or write elsewhere",
  EDQUOT: "The quota is used up: free some space, or write elsewhere",
  EFBIG: "The file is larger than is allowed here: write elsewhere",
  EACCES: "Check the permissions of the folder",
  EPERM: "Check the permissions of the folder",
  EROFS: "The file system is read-only: write elsewhere",
  ENOENT: "Make the folder first",
  ENOTDIR: "A part of the path is a file",
  ELOOP: "The path leads back to itself: check the symbolic links",
  ENAMETOOLONG: "Give a shorter name",
  ERR_INVALID_ARG_VALUE: "A path has no zero byte",
  EISDIR: "The path is a folder: give the path of a file",
};

/** What the file system says as an error of ours; errors that are ours pass. */
export function fileError(op: string, path: string, e: unknown): FirebrandError {
  if (e instanceof FirebrandError) return e;
  const { code = "", message } = e as NodeJS.ErrnoException;
  return new FileError({
    op,
    message: `${path} cannot be written: ${message}`,
    hint: HINTS[code] ?? "What stood there before is intact",
    data: { file: path, code },
    cause: e,
  });
}

/**
 * Writes a file so that either the old or the new content is there whatever happens: into a temporary file beside it,
 * synced, then renamed. On failure the temporary file goes.
 * @throws FileError when the file system refuses
 */
export async function replaceFile(path: string, fill: (sink: ByteSink) => void | Promise<void>): Promise<void> {
  need("save", "path: text", path);
  const fs = await import("node:fs");
  const { basename, dirname, join } = await import("node:path");
  const target = targetOf(fs, path);
  // Names may have 255 bytes: a long one is not made longer.
  const temporary = join(dirname(target), `${basename(target).slice(0, 40)}.${process.pid}.${Math.random().toString(36).slice(2, 8)}.tmp`);
  try {
    await writeNew(temporary, fill);
    fs.renameSync(temporary, target);
    await syncFolder(dirname(target));
  } catch (e) {
    try {
      fs.rmSync(temporary, { force: true });
    } catch {
      // A path that cannot be removed could not be written either; that is what is told.
    }
    throw fileError("save", path, e);
  }
}

/** Where a path leads, so that a link stays one. @throws FileError for a device or a pipe, which a file would replace */
function targetOf(fs: typeof import("node:fs"), path: string): string {
  let target: string;
  try {
    target = fs.realpathSync(path);
  } catch {
    return path;
  }
  const stat = fs.statSync(target);
  if (!stat.isFile())
    throw new FileError({
      op: "save",
      message: `${path} is ${kindOf(stat)}, needed a file`,
      hint: "Give the path of a file",
      data: { file: path },
    });
  return target;
}

/** Writes a file that must not exist yet and syncs it. */
export async function writeNew(path: string, fill: (sink: ByteSink) => void | Promise<void>): Promise<void> {
  const fs = await import("node:fs");
  const fd = fs.openSync(path, "wx");
  try {
    await fill({
      write: (bytes) => {
        for (let at = 0; at < bytes.length; ) at += fs.writeSync(fd, bytes, at, bytes.length - at);
      },
    });
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Makes renames in a folder last. Some file systems cannot sync folders: nothing more can be done there. */
export async function syncFolder(path: string): Promise<void> {
  const fs = await import("node:fs");
  const fd = fs.openSync(path, "r");
  try {
    fs.fsyncSync(fd);
  } catch {
    /* see above */
  } finally {
    fs.closeSync(fd);
  }
}

/** Collects what is written. */
export function memorySink(): ByteSink & { bytes(): Uint8Array } {
  const parts: Uint8Array[] = [];
  return {
    write: (b) => {
      parts.push(b.slice());
    },
    bytes: () => {
      const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
      let at = 0;
      for (const p of parts) {
        out.set(p, at);
        at += p.length;
      }
      return out;
    },
  };
}
