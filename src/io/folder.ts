// Folders that stand for one model: which file in them is opened.
import { ArgumentError } from "../core/errors.ts";
import { builtin } from "./builtin.ts";
import type { SourceLike } from "./source.ts";

const WEIGHTS = /\.(safetensors|gguf|pt|pth|bin|ckpt|h5|keras|npz|npy)$/;
const LATER_PIECE = /-(?!00001)\d{5}-of-\d{5}\.gguf$/;
// What names the other files, the surest first.
const INDICES: readonly RegExp[] = [/^saved_model\.pb$/, /\.index\.json$/, /^model\.json$/, /\.index$/];

/** The file by which a folder is opened: a SavedModel's graph, an index of several files, or the only file of weights. @throws ArgumentError */
export async function fileIn(folder: string): Promise<string> {
  const { join } = builtin("path");
  const names = builtin("fs").readdirSync(folder).sort();
  const weights = names.filter((n) => WEIGHTS.test(n) && !LATER_PIECE.test(n));
  const found = INDICES.map((index) => names.filter((n) => index.test(n))).find((of) => of.length > 0) ?? weights;
  if (found.length === 1) return join(folder, found[0]!);
  throw new ArgumentError({
    message: `the folder ${folder} holds ${found.length === 0 ? "no file of weights" : `${found.slice(0, 8).join(", ")}${found.length > 8 ? ", …" : ""}`}`,
    hint: found.length === 0 ? "Give the path of a file" : "Say which file",
  });
}

/** A path of a folder as that of the file by which it is opened; anything else as it is. */
export async function withoutFolder(from: SourceLike): Promise<SourceLike> {
  // What is no path of a folder, or no path at all, is the source's to refuse.
  const isPath = typeof from === "string" ? !/^https?:\/\//.test(from) : from instanceof URL && from.protocol === "file:";
  if (!isPath) return from;
  const isUrl = from instanceof URL || ((from as string).startsWith("file:") && URL.canParse(from as string));
  let path: string;
  try {
    path = isUrl ? builtin("url").fileURLToPath(from as string | URL) : (from as string);
    if (!builtin("fs").statSync(path).isDirectory()) return from;
  } catch {
    return from;
  }
  return fileIn(path);
}
