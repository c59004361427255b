// From what people have to a tokenizer: a folder, a file, an open GGUF file. What it is is told by content.
import { checkOptions, given } from "../core/arguments.ts";
import { ArgumentError } from "../core/errors.ts";
import { HUB_OPTIONS, type HubOptions } from "../hub/options.ts";
import { fromHub } from "../hub/resolve.ts";
import { fromGpt2, fromSpm, fromTiktoken, fromWordPiece, type TiktokenOptions } from "./families.ts";
import { type Files, localFiles, unfit } from "./files.ts";
import { fromGguf, type GgufMetadata } from "./gguf.ts";
import { fromJson } from "./json.ts";
import { readSettings, type Settings } from "./settings.ts";
import { isTiktoken } from "./tiktoken.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A folder, a file, a model of the hub, files by name, or an open GGUF file. */
export type TokenizerSource = string | URL | Files | GgufMetadata;
/** What a source does not tell, and, for models of the hub, how it is reached. */
export type TokenizerOptions = TiktokenOptions & HubOptions;

const isGguf = (bytes: Uint8Array): boolean => new TextDecoder("latin1").decode(bytes.subarray(0, 4)) === "GGUF";

async function fromFiles(files: Files, options: TokenizerOptions): Promise<Tokenizer> {
  const settings = await readSettings(files);
  const take = async (...names: string[]): Promise<string | null> => {
    for (const name of names)
      if (await files.has(name)) {
        settings.files[name] = await files.read(name);
        return name;
      }
    return null;
  };
  const whole = (await take("tokenizer.json")) ?? (await take("tokenizer.model", "spiece.model"));
  if (whole) return fromOne(whole, settings, options);
  const vocab = await take("vocab.json", "encoder.json");
  if (vocab) {
    const merges = await take("merges.txt", "vocab.bpe");
    if (!merges)
      throw unfit(
        vocab,
        `a vocabulary without merges in ${files.name}, expected merges.txt or vocab.bpe beside it`,
        "Copy the other file too",
      );
    return fromGpt2(vocab, merges, settings);
  }
  const one = (await take("vocab.txt")) ?? (await take("vocab.bpe", "merges.txt"));
  if (one) return fromOne(one, settings, options);
  const listed = (await files.list?.()) ?? [];
  const other = listed.find((f) => f.endsWith(".tiktoken")) ?? listed.find((f) => f.endsWith(".model"));
  if (other) return fromOne((await take(other))!, settings, options);
  const gguf = listed.find((f) => f.endsWith(".gguf"));
  if (gguf && files.path) return openGguf(files.path(gguf));
  throw new ArgumentError({
    op: "AutoTokenizer.fromPretrained",
    message: `${files.name} has no tokenizer: no tokenizer.json, tokenizer.model, spiece.model, vocab.json with merges.txt, vocab.txt, *.tiktoken or *.gguf`,
    hint: "Check the folder",
    data: { files: listed },
  });
}

// A file by its name and content; its bytes are among the settings' files.
async function fromOne(file: string, settings: Settings, options: TokenizerOptions): Promise<Tokenizer> {
  const bytes = settings.files[file]!;
  if (file.endsWith(".json")) return fromJson(file, settings);
  if (file.endsWith(".txt") && !/^merges/.test(file)) return fromWordPiece(file, settings);
  if (file.endsWith(".bpe") || /^merges/.test(file)) return fromGpt2(null, file, settings);
  return isTiktoken(bytes) ? fromTiktoken(file, settings, options) : fromSpm(file, settings);
}

async function openGguf(path: string): Promise<Tokenizer> {
  const { gguf, fileSource } = await import("../io/index.ts");
  const file = await gguf.open(await fileSource(path), {});
  try {
    return fromGguf(file, path);
  } finally {
    await file.close();
  }
}

async function fromPath(path: string, options: TokenizerOptions): Promise<Tokenizer> {
  const fs = await import("node:fs");
  const { basename, dirname } = await import("node:path");
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) return fromFiles(localFiles(path), options);
  const { pattern: _, specialTokens: __, ...hub } = options;
  const remote = await fromHub(path, hub);
  if (remote) return fromFiles(remote, options);
  if (!stat?.isFile())
    throw new ArgumentError({
      op: "AutoTokenizer.fromPretrained",
      message: `there is no ${path === "" ? "file without a name" : path}`,
      hint: "Give a folder or a file of a tokenizer",
    });
  const head = Buffer.alloc(4);
  const handle = fs.openSync(path, "r");
  fs.readSync(handle, head, 0, 4, 0);
  fs.closeSync(handle);
  if (isGguf(head)) return openGguf(path);
  const [folder, file] = [localFiles(dirname(path)), basename(path)];
  if (file === "vocab.json" || file === "encoder.json" || file === "merges.txt") return fromFiles(folder, options);
  // What stands beside a single file is not known to be of it.
  const settings = await readSettings({ name: path, has: async () => false, read: folder.read });
  settings.files[file] = await folder.read(file);
  return fromOne(file, settings, options);
}

/**
 * Opens tokenizers.
 * @example
 * const vocab = new TextEncoder().encode("[UNK]\nhello\nworld\n");
 * (await AutoTokenizer.fromPretrained(memoryFiles({ "vocab.txt": vocab }))).encode("Hello, world") // => [1, 0, 2]
 */
export const AutoTokenizer: {
  /**
   * The tokenizer of a folder in Hugging Face's layout or Meta's, of a file (tokenizer.json, .model, .tiktoken, vocab.txt, .gguf), of a
   * model of the hub (`organisation/name`), of files by name, or of an open GGUF file.
   * @throws ArgumentError for a source that is not there or holds no tokenizer, FormatError for files that are damaged or do not fit each
   * other, UnsupportedError for kinds that are not known
   */
  fromPretrained(source: TokenizerSource, options?: TokenizerOptions): Promise<Tokenizer>;
} = {
  async fromPretrained(source, options) {
    const op = "AutoTokenizer.fromPretrained";
    const o = checkOptions(op, ["pattern: text", "specialTokens: object", ...HUB_OPTIONS], options);
    if (typeof source === "string") return fromPath(source, o);
    if (source instanceof URL && source.protocol === "file:") return fromPath((await import("node:url")).fileURLToPath(source), o);
    const object = source as Partial<Files & GgufMetadata> | null;
    if (typeof object === "object" && object !== null) {
      if (typeof object.has === "function" && typeof object.read === "function") return fromFiles(object as Files, o);
      if (typeof object.metadata === "object" && object.metadata !== null) return fromGguf(object as GgufMetadata, "GGUF metadata");
    }
    throw new ArgumentError({
      op,
      message: `${given(source)} is no source of a tokenizer`,
      hint: "Give a folder, a file, { name, has, read }, or an open GGUF file",
    });
  },
};
