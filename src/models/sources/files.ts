// Where a model's files are read from: a folder, a single file, and whatever else gives files by name.
import { ArgumentError, FormatError } from "../../core/errors.ts";
import type { SourceLike } from "../../io/source.ts";

/** The files of a model by name. */
export interface ModelFiles {
  /** For messages: a path, a hub id. */
  readonly name: string;
  /** Is there such a file? */
  has(file: string): Promise<boolean>;
  /** What `open` reads it from. @throws ArgumentError when it is not there */
  open(file: string): Promise<SourceLike>;
  /** The whole file. @throws ArgumentError when it is not there */
  read(file: string): Promise<Uint8Array>;
}

const missing = (name: string, file: string, cause?: unknown): ArgumentError =>
  new ArgumentError({ op: "fromPretrained", message: `${name} has no ${file}`, hint: "Check the path", data: { file }, cause });

/** The files of a folder. @example await folderFiles("no/such/folder").has("config.json") // => false */
export function folderFiles(folder: string): ModelFiles {
  const at = async (file: string): Promise<string> => (await import("node:path")).join(folder, file);
  const has = async (file: string): Promise<boolean> => (await import("node:fs")).existsSync(await at(file));
  return {
    name: folder,
    has,
    open: async (file) => {
      if (!(await has(file))) throw missing(folder, file);
      return at(file);
    },
    read: async (file) => {
      try {
        return await (await import("node:fs/promises")).readFile(await at(file));
      } catch (cause) {
        throw missing(folder, file, cause);
      }
    },
  };
}

/** Files given by name: a browser's upload, or what a test makes up. @example await givenFiles({ "config.json": new Uint8Array(2) }).has("config.json") // => true */
export function givenFiles(files: Readonly<Record<string, Uint8Array | Blob>>, name = "files"): ModelFiles {
  const get = (file: string): Uint8Array | Blob => {
    if (!Object.hasOwn(files, file)) throw missing(name, file);
    return files[file]!;
  };
  return {
    name,
    has: async (file) => Object.hasOwn(files, file),
    open: async (file) => get(file),
    read: async (file) => {
      const x = get(file);
      return x instanceof Uint8Array ? x : new Uint8Array(await x.arrayBuffer());
    },
  };
}

/** A JSON file as an object. @throws FormatError when it holds anything else */
export async function readJson(files: ModelFiles, file: string): Promise<Record<string, unknown>> {
  const text = new TextDecoder().decode(await files.read(file));
  const fail = (message: string, cause?: unknown): FormatError =>
    new FormatError({
      op: "fromPretrained",
      message: `${files.name}/${file}: ${message}`,
      hint: "The file is damaged",
      data: { file },
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail((cause as Error).message, cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail("expected an object");
  return value as Record<string, unknown>;
}
