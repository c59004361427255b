// Bytes to write in order, and files that are replaced as a whole or not at all.

/** Something that takes bytes in order; the array may be reused after the call. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
}

/**
 * Writes a file so that either the old or the new content is there whatever happens: into a temporary file beside it,
 * synced, then renamed. On failure the temporary file goes and the error is passed on.
 */
export async function replaceFile(path: string, fill: (sink: ByteSink) => void | Promise<void>): Promise<void> {
  const fs = await import("node:fs");
  const { dirname } = await import("node:path");
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2, 8)}.tmp`;
  let fd: number | null = null;
  try {
    fd = fs.openSync(temporary, "wx");
    const file = fd;
    await fill({
      write: (bytes) => {
        for (let at = 0; at < bytes.length; ) at += fs.writeSync(file, bytes, at, bytes.length - at);
      },
    });
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    fd = null;
    fs.renameSync(temporary, path);
    syncFolder(fs, dirname(path));
  } catch (e) {
    if (fd !== null) fs.closeSync(fd);
    fs.rmSync(temporary, { force: true });
    throw e;
  }
}

// A rename is on disk once its folder is. Some file systems cannot sync folders.
function syncFolder(fs: typeof import("node:fs"), path: string): void {
  const fd = fs.openSync(path, "r");
  try {
    fs.fsyncSync(fd);
  } catch {
    /* nothing more can be done */
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
