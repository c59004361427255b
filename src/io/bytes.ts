// Bytes to read by ranges and to write in order. Node's file system is loaded only when a path is used.
import { ArgumentError, FormatError } from "../core/errors.ts";

/** Something that gives any range of its bytes. */
export interface ByteSource {
  /** For messages. */
  readonly name: string;
  readonly size: number;
  /** Exactly `length` bytes from `offset`. @throws FormatError when there are fewer. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}
/** Something that takes bytes in order; the array may be reused after the call. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
}

const ended = (name: string, offset: number, length: number, got: number): FormatError =>
  new FormatError({
    op: "read",
    message: `${name}: at byte ${offset}: ${length} bytes expected, ${got} there`,
    hint: "The file is truncated",
    data: { file: name, offset },
  });

/** Bytes in memory as a source. */
export const bytesSource = (bytes: Uint8Array, name = "bytes"): ByteSource => ({
  name,
  size: bytes.length,
  read(offset, length) {
    if (offset + length > bytes.length) throw ended(name, offset, length, Math.max(0, bytes.length - offset));
    return bytes.subarray(offset, offset + length);
  },
  close() {},
});

/** A file as a source. @throws ArgumentError when it cannot be opened. */
export async function openSource(path: string): Promise<ByteSource> {
  const fs = await import("node:fs");
  let fd: number;
  try {
    fd = fs.openSync(path, "r");
  } catch (e) {
    throw new ArgumentError({ op: "open", message: `${path} cannot be read: ${(e as Error).message}`, hint: "Check the path", cause: e });
  }
  const stat = fs.fstatSync(fd);
  if (!stat.isFile()) {
    fs.closeSync(fd);
    throw new ArgumentError({ op: "open", message: `${path} is not a file` });
  }
  let open = true;
  return {
    name: path,
    size: stat.size,
    read(offset, length) {
      const out = new Uint8Array(length);
      for (let got = 0; got < length; ) {
        const n = fs.readSync(fd, out, got, length - got, offset + got);
        if (n === 0) throw ended(path, offset, length, got);
        got += n;
      }
      return out;
    },
    close() {
      if (open) fs.closeSync(fd);
      open = false;
    },
  };
}

/**
 * Writes a file so that either the old or the new content is there whatever happens: into a temporary file beside it,
 * synced, then renamed. On failure the temporary file goes and the error is passed on.
 */
export async function replaceFile(path: string, fill: (sink: ByteSink) => void): Promise<void> {
  const fs = await import("node:fs");
  const { dirname } = await import("node:path");
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2, 8)}.tmp`;
  let fd: number | null = null;
  try {
    fd = fs.openSync(temporary, "wx");
    const file = fd;
    fill({
      write: (bytes) => {
        for (let at = 0; at < bytes.length; ) at += fs.writeSync(file, bytes, at, bytes.length - at);
      },
    });
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    fd = null;
    fs.renameSync(temporary, path);
    const dir = fs.openSync(dirname(path), "r");
    try {
      fs.fsyncSync(dir);
    } catch {
      /* some file systems cannot sync folders */
    } finally {
      fs.closeSync(dir);
    }
  } catch (e) {
    if (fd !== null) fs.closeSync(fd);
    fs.rmSync(temporary, { force: true });
    throw e;
  }
}
