// Where a tokenizer's files come from: a folder here, a hub or a browser's storage elsewhere.
import { ArgumentError, FormatError } from "../core/errors.ts";
import { shown } from "../io/damage.ts";

/** Files by name. What a hub or a browser offers has the same three members. */
export interface Files {
  /** For messages: the folder, the model's id. */
  readonly name: string;
  has(file: string): Promise<boolean>;
  /** The whole file. @throws ArgumentError when it is not there */
  read(file: string): Promise<Uint8Array>;
  /** The names of all files, where they can be had. */
  list?(): Promise<readonly string[]>;
  /** The path of a file, where it has one: large files are not read whole. */
  path?(file: string): string;
}

/** The files of a local folder. @example await localFiles("no/such/folder").has("tokenizer.json") // => false */
export function localFiles(folder: string): Files {
  const path = (file: string): string => `${folder}/${file}`;
  return {
    name: folder,
    path,
    has: async (file) => (await import("node:fs")).existsSync(path(file)),
    list: async () => (await import("node:fs")).readdirSync(folder).sort(),
    read: async (file) => {
      const fs = await import("node:fs/promises");
      try {
        return await fs.readFile(path(file));
      } catch (cause) {
        throw new ArgumentError({
          op: "read",
          message: `${folder}/${file} cannot be read: ${(cause as Error).message}`,
          hint: "Check the folder",
          data: { file },
          cause,
        });
      }
    },
  };
}
/** Files in memory, by name. @example await memoryFiles({ "vocab.txt": new Uint8Array(2) }).has("vocab.txt") // => true */
export function memoryFiles(files: Readonly<Record<string, Uint8Array>>, name = "files"): Files {
  return {
    name,
    has: async (file) => Object.hasOwn(files, file),
    read: async (file) => {
      if (Object.hasOwn(files, file)) return files[file]!;
      throw new ArgumentError({
        op: "read",
        message: `${name} has no ${file}`,
        hint: `It has ${Object.keys(files).join(", ") || "nothing"}`,
        data: { file },
      });
    },
  };
}

/** The error for a file of a tokenizer: what was found, what was expected. @internal */
export const unfit = (file: string, message: string, hint = "The file is damaged or of another tokenizer", cause?: unknown): FormatError =>
  new FormatError({ op: "tokenizer", message: `${file}: ${message}`, hint, data: { file }, ...(cause === undefined ? {} : { cause }) });

const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** The bytes as text. @throws FormatError @internal */
export function readText(bytes: Uint8Array, file: string): string {
  try {
    return text.decode(bytes);
  } catch (cause) {
    throw unfit(file, "not UTF-8", undefined, cause);
  }
}
/** The object in a JSON file. @throws FormatError @internal */
export function readJson(bytes: Uint8Array, file: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(readText(bytes, file));
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw unfit(file, `no JSON: ${(cause as Error).message}`, undefined, cause);
  }
  if (!isRecord(value)) throw unfit(file, `${shown(value)}, expected an object`);
  return value;
}
/** An object that is no array? @internal */
export const isRecord = (x: unknown): x is Readonly<Record<string, unknown>> => typeof x === "object" && x !== null && !Array.isArray(x);
/** Ids by token from the entries of a JSON object. @throws FormatError @internal */
export function readVocab(entries: unknown, file: string, key = "vocab"): Map<string, number> {
  if (!isRecord(entries)) throw unfit(file, `${key} is ${shown(entries)}, expected an object of ids by token`);
  const vocab = new Map<string, number>();
  const seen = new Set<number>();
  for (const [token, id] of Object.entries(entries)) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= 2 ** 24)
      throw unfit(file, `${key}[${shown(token)}] is ${shown(id)}, expected an integer from 0 on`);
    if (seen.has(id)) throw unfit(file, `${key} has id ${id} twice, the second time for ${shown(token)}`);
    seen.add(id);
    vocab.set(token, id);
  }
  if (vocab.size === 0) throw unfit(file, `${key} is empty`);
  return vocab;
}
