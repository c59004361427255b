// The files of an adapter, as PEFT writes them: adapter_config.json, and adapter_model.safetensors or adapter_model.bin.
import { FormatError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { open, type TensorFile } from "../io/load.ts";
import { save } from "../io/save.ts";
import { replaceFile } from "../io/sink.ts";
import { fromHub } from "../hub/resolve.ts";
import { folderFiles, type ModelFiles, readJson } from "../models/sources/files.ts";
import { LoraConfig } from "./loraConfig.ts";

const CONFIG = "adapter_config.json";
const WEIGHTS = ["adapter_model.safetensors", "adapter_model.bin"] as const;

/** An adapter whose values are not read yet. */
export interface AdapterFiles {
  readonly config: LoraConfig;
  readonly weights: TensorFile;
  /** The file of the weights, for messages. */
  readonly file: string;
}

/** Opens an adapter: a folder, a name of the hub, or files given by name. @throws ArgumentError when files are missing, FormatError, UnsupportedError */
export async function openAdapter(source: string | ModelFiles): Promise<AdapterFiles> {
  const files = typeof source === "string" ? ((await fromHub(source)) ?? folderFiles(source)) : source;
  const config = LoraConfig.fromJson(await readJson(files, CONFIG), `${files.name}/${CONFIG}`);
  for (const name of WEIGHTS)
    if (await files.has(name)) return { config, weights: await open(await files.open(name)), file: `${files.name}/${name}` };
  throw new FormatError({
    op: "loadAdapter",
    message: `${files.name} has no weights`,
    hint: `Looked for ${WEIGHTS.join(" and ")}`,
    data: { file: files.name },
  });
}

/** Writes an adapter; the weights first, so that a folder with a configuration is whole. @throws FileError */
export async function writeAdapter(
  folder: string,
  json: Readonly<Record<string, unknown>>,
  state: Readonly<Record<string, Tensor>>,
  safetensors: boolean,
): Promise<void> {
  const fs = await import("node:fs/promises");
  const { join } = await import("node:path");
  await fs.mkdir(folder, { recursive: true });
  const [file, other] = safetensors ? WEIGHTS : ([WEIGHTS[1], WEIGHTS[0]] as const);
  await save(state, join(folder, file), safetensors ? { metadata: { format: "pt" } } : {});
  await fs.rm(join(folder, other), { force: true }); // PEFT would read the old one
  await replaceFile(join(folder, CONFIG), (sink) => sink.write(new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`)));
}
