// A model's configuration and weights in Hugging Face's names, wherever they come from.
import { ArgumentError } from "../../core/errors.ts";
import type { SourceLike } from "../../io/source.ts";
import { openSource } from "../../io/source.ts";
import type { HubOptions } from "../../hub/index.ts";
import { fromHub } from "../../hub/resolve.ts";
import { openWeights, type Weights } from "../weights.ts";
import type { Checkpoint } from "./opened.ts";
import { folderFiles, type ModelFiles, readJson } from "./files.ts";
import { ggufCheckpoint } from "./gguf.ts";
import { metaCheckpoint } from "./meta.ts";
import { minGptCheckpoint } from "./mingpt.ts";

/** The files of a path that may be a folder. */
async function isFolder(path: string): Promise<boolean | null> {
  const fs = await import("node:fs");
  return fs.existsSync(path) ? fs.statSync(path).isDirectory() : null;
}

/**
 * Opens a checkpoint: a folder in Hugging Face's layout or Meta's, a GGUF file, a `.pt` of nanoGPT or minGPT, a model of the hub, or files given by name.
 * @throws ArgumentError when there is no such thing, FormatError when it is damaged
 */
export async function openCheckpoint(
  source: string | ModelFiles,
  config: Readonly<Record<string, unknown>> = {},
  hub: HubOptions = {},
): Promise<Checkpoint> {
  if (typeof source !== "string") return fromFiles(source, config);
  if (/^https?:\/\//.test(source)) return fromFile(source, config);
  const files = await fromHub(source, hub);
  if (files) return fromFiles(files, config);
  const folder = await isFolder(source);
  if (folder === null)
    throw new ArgumentError({
      op: "fromPretrained",
      message: `${JSON.stringify(source)} is no folder and no file`,
      hint: "Check the path",
    });
  return folder ? fromFiles(folderFiles(source), config) : fromFile(source, config);
}

async function fromFiles(files: ModelFiles, given: Readonly<Record<string, unknown>>): Promise<Checkpoint> {
  if (!(await files.has("config.json")) && (await files.has("params.json"))) return metaCheckpoint(files, given);
  const config = { ...(await readJson(files, "config.json")), ...given };
  const generation = (await files.has("generation_config.json")) ? await readJson(files, "generation_config.json") : undefined;
  let weights: Weights | null = null;
  return {
    name: files.name,
    config,
    ...(generation && { generation }),
    tensors: async () => (weights = await openWeights(files)).tensors,
    close: async () => weights?.close(),
  };
}

const GGUF = 0x46554747;
async function fromFile(source: SourceLike, given: Readonly<Record<string, unknown>>): Promise<Checkpoint> {
  const opened = await openSource(source);
  const head = opened.size >= 4 ? (await opened.read(0, 4)).slice() : new Uint8Array(4);
  await opened.close();
  if (new DataView(head.buffer).getUint32(0, true) === GGUF) return ggufCheckpoint(source, given);
  return minGptCheckpoint(source, given);
}
