// Checkpoints in one file: any nesting of plain data with tensors in it, as safetensors. Tensors are stored under numbers, the
// nesting with its other values as JSON in the metadata.
import { FormatError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { openSafetensors, saveSafetensors } from "./safetensors.ts";
import { decodeTree, encodeTree } from "./tree.ts";

const FORMAT = "firebrand.checkpoint";
const VERSION = "1";

/** Saves plain data with tensors in it. The old file stays until the new one is whole and on disk. @throws FileError, FormatError for values that cannot be saved */
export async function saveCheckpoint(value: object, path: string): Promise<void> {
  const tensors: Record<string, Tensor> = {};
  let count = 0;
  const structure = encodeTree(value, (t) => {
    const key = String(count++);
    tensors[key] = t;
    return key;
  });
  await saveSafetensors(tensors, path, { metadata: { format: FORMAT, version: VERSION, structure: JSON.stringify(structure) } });
}
/** What `saveCheckpoint` saved. @throws FormatError when the file is damaged or no checkpoint. */
export async function loadCheckpoint<T = Record<string, unknown>>(path: string, options: { device?: string } = {}): Promise<T> {
  const file = await openSafetensors(path);
  try {
    const { format, version, structure } = file.metadata;
    if (format !== FORMAT || version !== VERSION || structure === undefined)
      throw new FormatError({
        op: "loadCheckpoint",
        message: `${path} is ${format ? `${format} version ${version}` : "a plain safetensors file"}, expected ${FORMAT} version ${VERSION}`,
        hint: "Use loadSafetensors for plain files",
      });
    let parsed: unknown;
    try {
      parsed = JSON.parse(structure);
    } catch (e) {
      throw new FormatError({ op: "loadCheckpoint", message: `${path}: the structure is not JSON`, cause: e });
    }
    const tensors = new Map<string, Tensor>();
    for (const key of file.keys) tensors.set(key, await file.get(key, options));
    return decodeTree(parsed, (key) => {
      const t = tensors.get(key);
      if (!t) throw new FormatError({ op: "loadCheckpoint", message: `${path}: the structure names a tensor ${key} that is not there` });
      return t;
    }) as T;
  } finally {
    await file.close();
  }
}
