// firebrand/hub: files of models on the Hugging Face hub, or a mirror of it, kept in Hugging Face's own cache.
import { checkOptions, given, located } from "../core/arguments.ts";
import { ArgumentError, FirebrandError } from "../core/errors.ts";
import type { SourceLike } from "../io/source.ts";
import { defaultCache, RepoCache } from "./cache.ts";
import { HUB_OPTIONS, type HubOptions } from "./options.ts";

export type { HubOptions } from "./options.ts";

/** The files of a repository; each is downloaded when it is first asked for. */
export interface HubFiles {
  readonly name: string;
  /** The names of all files. */
  list(): Promise<readonly string[]>;
  has(file: string): Promise<boolean>;
  /** The path of the file in the cache. @throws ArgumentError when there is none of the name; FormatError for a damaged download */
  open(file: string): Promise<SourceLike>;
  read(file: string): Promise<Uint8Array>;
}

/** A file as the hub lists it. */
interface Listed {
  readonly size: number;
  readonly checksum: { readonly kind: "sha256" | "git"; readonly hex: string };
}
interface Listing {
  readonly commit: string;
  readonly files: ReadonlyMap<string, Listed>;
}
/** Could it be a model of the hub: `organisation/name`, or `name` for the oldest? @example isHubId("gpt2") // => true */
export const isHubId = (text: string): boolean =>
  /^[\w-][\w.-]{0,95}(\/[\w-][\w.-]{0,95})?$/.test(text) && !text.includes("..") && !text.includes("--");

/**
 * The files of a model on the hub. What is in the cache is used, what is not is downloaded: continued where an earlier download stopped, and checked
 * against the hub's checksum. When the hub cannot be reached, the last known state of the revision is used.
 * @throws ArgumentError for an id that is none
 * @example hubFiles("openai-community/gpt2", { revision: "main" }).name // => "openai-community/gpt2"
 */
export const hubFiles: (repo: string, options?: HubOptions) => HubFiles = /*@__PURE__*/ located(
  "hubFiles",
  "repo, { revision, token, endpoint, cacheDir, offline, onProgress, signal }",
  make,
);
function make(repo: string, options: HubOptions = {}): HubFiles {
  const o = checkOptions("hubFiles", HUB_OPTIONS, options);
  if (typeof repo !== "string" || !isHubId(repo))
    throw new ArgumentError({ op: "hubFiles", message: `${given(repo)} is no model of the hub`, hint: "Give organisation/name" });
  const env: Readonly<Record<string, string | undefined>> = typeof process === "undefined" ? {} : process.env;
  const revision = o.revision ?? "main";
  if (!/^[\w./-]+$/.test(revision) || revision.split("/").some((p) => p === "" || p === "." || p === ".."))
    throw new ArgumentError({ op: "hubFiles", message: `revision is ${given(revision)}`, hint: "Give a branch, a tag or a commit" });
  const token = o.token ?? env["HF_TOKEN"];
  const endpoint = (o.endpoint ?? env["HF_ENDPOINT"])?.replace(/\/+$/, "");
  const offline = o.offline ?? /^(1|true|yes|on)$/i.test(env["HF_HUB_OFFLINE"] ?? "");
  const cache = (async () => RepoCache.of(o.cacheDir ?? (await defaultCache()), repo))();
  const lacks = (file: string): ArgumentError =>
    new ArgumentError({
      op: "fromPretrained",
      message: `${repo} has no ${file}${offline ? " in the cache" : ` at ${revision}`}`,
      hint: offline ? "Allow the network once, or check the name" : "Check the name",
      data: { file },
    });

  let listing: Promise<Listing | null> | null = null;
  // null: nobody can be asked, the cache must do.
  const ask = (): Promise<Listing | null> =>
    (listing ??= (async () => {
      if (offline) return null;
      const hub = await import("@huggingface/hub").catch((cause: unknown) => {
        throw new FirebrandError({
          op: "hubFiles",
          message: "models of the hub need the package @huggingface/hub",
          hint: "npm install @huggingface/hub",
          cause,
        });
      });
      const where = { ...(endpoint && { hubUrl: endpoint }), ...(token && { accessToken: token }) };
      try {
        const { sha } = await hub.modelInfo({ name: repo, revision, additionalFields: ["sha"], ...where });
        const files = new Map<string, Listed>();
        for await (const f of hub.listFiles({ repo, revision: sha, recursive: true, ...where }))
          if (f.type === "file" && safe(f.path))
            files.set(f.path, { size: f.size, checksum: f.lfs ? { kind: "sha256", hex: f.lfs.oid } : { kind: "git", hex: f.oid ?? "" } });
        await (await cache).setCommit(revision, sha);
        return { commit: sha, files };
      } catch (e) {
        if (isUnreachable(e) && (await (await cache).commitOf(revision)) !== null) return null;
        throw refusal(repo, revision, e);
      }
    })());
  const known = async (): Promise<string | null> => (await cache).commitOf(revision);
  const path = async (file: string): Promise<string> => {
    const here = await cache;
    // A commit never changes: what the cache has of it needs no question.
    const pinned = /^[0-9a-f]{40}$/.test(revision) ? await here.find(revision, file) : null;
    if (pinned) return pinned;
    const all = await ask();
    if (!all) {
      const commit = await known();
      const found = commit === null ? null : await here.find(commit, file);
      if (!found) throw lacks(file);
      return found;
    }
    const cached = await here.find(all.commit, file);
    if (cached) return cached;
    const listed = all.files.get(file);
    if (!listed) throw lacks(file);
    const blob = await here.blob(listed.checksum.hex);
    const { HUB_URL } = await import("@huggingface/hub");
    const { download } = await import("./download.ts");
    if (!(await import("node:fs")).existsSync(blob))
      await download(blob, {
        url: `${endpoint ?? HUB_URL}/${repo}/resolve/${all.commit}/${file.split("/").map(encodeURIComponent).join("/")}`,
        size: listed.size,
        checksum: listed.checksum,
        headers: token ? { Authorization: `Bearer ${token}` } : {},
        ...(o.onProgress && { onProgress: (done: number, total: number) => o.onProgress!(file, done, total) }),
        ...(o.signal && { signal: o.signal }),
      });
    return here.link(all.commit, file, listed.checksum.hex);
  };
  return {
    name: repo,
    list: async () => {
      const all = await ask();
      if (all) return [...all.files.keys()];
      const commit = await known();
      return commit === null ? [] : (await cache).list(commit);
    },
    has: async (file) => {
      const all = await ask();
      if (all) return all.files.has(file);
      const commit = await known();
      return commit !== null && (await (await cache).find(commit, file)) !== null;
    },
    open: path,
    read: async (file) => (await import("node:fs/promises")).readFile(await path(file)),
  };
}
const safe = (file: string): boolean =>
  !file.startsWith("/") && !file.includes("\\") && !file.split("/").some((p) => p === ".." || p === "." || p === "");
const isUnreachable = (e: unknown): boolean => e instanceof TypeError || ((e as { statusCode?: number }).statusCode ?? 0) >= 500;
function refusal(repo: string, revision: string, e: unknown): FirebrandError {
  const status = (e as { statusCode?: number }).statusCode;
  const why =
    status === 404
      ? `there is no ${repo} at ${revision}, or it is private`
      : status === 401 || status === 403
        ? `${repo} may be read with a token that has access`
        : `${repo}: ${(e as Error).message}`;
  return new ArgumentError({
    op: "fromPretrained",
    message: why,
    hint:
      status === undefined
        ? "Check the network, or use { offline: true } with what is in the cache"
        : "Check the name; give { token } for private and gated models",
    cause: e,
  });
}
