// Hugging Face's cache: `models--org--name/` with `refs` (branch → commit), `blobs` (content by checksum) and `snapshots` (names → blobs).
import { FileError } from "../core/errors.ts";

/** Where downloads are kept: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub, as Hugging Face's own tools have it. */
export async function defaultCache(): Promise<string> {
  const { join } = await import("node:path");
  const { homedir } = await import("node:os");
  const env = process.env;
  if (env["HF_HUB_CACHE"]) return env["HF_HUB_CACHE"];
  const home = env["HF_HOME"] ?? join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "huggingface");
  return join(home, "hub");
}

/** One repository's part of the cache. */
export class RepoCache {
  readonly folder: string;
  constructor(folder: string) {
    this.folder = folder;
  }
  static async of(cache: string, repo: string): Promise<RepoCache> {
    return new RepoCache((await import("node:path")).join(cache, `models--${repo.replaceAll("/", "--")}`));
  }

  /** The commit that a branch or tag led to when it was last asked for. */
  async commitOf(revision: string): Promise<string | null> {
    const { readFile } = await import("node:fs/promises");
    if (/^[0-9a-f]{40}$/.test(revision)) return revision;
    return readFile(`${this.folder}/refs/${revision}`, "utf8").then(
      (t) => t.trim(),
      () => null,
    );
  }
  async setCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const { mkdir, writeFile } = await import("node:fs/promises");
    const { dirname } = await import("node:path");
    const path = `${this.folder}/refs/${revision}`;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, commit);
  }
  /** Where a file of a commit is, if it is there. */
  async find(commit: string, file: string): Promise<string | null> {
    const path = `${this.folder}/snapshots/${commit}/${file}`;
    return (await import("node:fs")).existsSync(path) ? path : null;
  }
  /** The files of a commit that are there. */
  async list(commit: string): Promise<string[]> {
    const { readdir } = await import("node:fs/promises");
    const root = `${this.folder}/snapshots/${commit}`;
    const walk = async (at: string): Promise<string[]> => {
      const entries = await readdir(`${root}/${at}`, { withFileTypes: true }).catch(() => []);
      const below = entries.map((e) => (e.isDirectory() ? walk(`${at}${e.name}/`) : Promise.resolve([`${at}${e.name}`])));
      return (await Promise.all(below)).flat();
    };
    return walk("");
  }
  /** The path of a blob, and of its part while it is being downloaded. */
  async blob(checksum: string): Promise<string> {
    await (await import("node:fs/promises")).mkdir(`${this.folder}/blobs`, { recursive: true });
    return `${this.folder}/blobs/${checksum}`;
  }
  /** Makes a blob a file of a commit. @throws FileError */
  async link(commit: string, file: string, checksum: string): Promise<string> {
    const fs = await import("node:fs/promises");
    const { dirname, relative } = await import("node:path");
    const path = `${this.folder}/snapshots/${commit}/${file}`;
    const blob = `${this.folder}/blobs/${checksum}`;
    try {
      await fs.mkdir(dirname(path), { recursive: true });
      // Where links are not allowed (Windows), the file itself goes there, as Hugging Face's tools do it.
      await fs.symlink(relative(dirname(path), blob), path).catch(async (e: NodeJS.ErrnoException) => {
        if (e.code === "EEXIST") return;
        await fs.rename(blob, path);
      });
      return path;
    } catch (cause) {
      throw new FileError({
        op: "fromPretrained",
        message: `${path} cannot be written: ${(cause as Error).message}`,
        hint: "Check the cache's folder, or give another as { cacheDir }",
        cause,
      });
    }
  }
}
