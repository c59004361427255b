// Checkpoints in one file: any nesting of plain data with tensors in it, as safetensors. Tensors are stored under numbers, the
// nesting with its other values as JSON in the metadata.
import { checkOptions, located, need } from "../core/arguments.ts";
import { getDevice } from "../core/device.ts";
import { FormatError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { readSafetensors } from "./safetensors.ts";
import { saveSafetensors } from "./safetensorsWriter.ts";
import { decodeTree, encodeTree } from "./tree.ts";

const FORMAT = "firebrand.checkpoint";
const VERSION = "1";

/** Saves plain data with tensors in it. The old file stays until the new one is whole and on disk. @throws FileError, FormatError for values that cannot be saved */
export const saveCheckpoint: (value: object, path: string) => Promise<void> = /*@__PURE__*/ located(
  "saveCheckpoint",
  "value, path",
  async (value: object, path: string) => {
    need("saveCheckpoint", "value: object|array", value);
    const tensors: Record<string, Tensor> = {};
    let count = 0;
    const structure = encodeTree(value, (t) => {
      const key = String(count++);
      tensors[key] = t;
      return key;
    });
    await saveSafetensors(tensors, path, { metadata: { format: FORMAT, version: VERSION, structure: JSON.stringify(structure) } });
  },
);
/** Is this the metadata of a checkpoint? */
export const isCheckpoint = (metadata: Readonly<Record<string, string>>): boolean => metadata["format"] === FORMAT;

/** The value of a checkpoint, from its metadata and its tensors. @throws FormatError when they do not fit */
export function decodeCheckpoint(name: string, metadata: Readonly<Record<string, string>>, tensors: ReadonlyMap<string, unknown>): unknown {
  const { format, version, structure } = metadata;
  if (format !== FORMAT || version !== VERSION || structure === undefined)
    throw new FormatError({
      op: "loadCheckpoint",
      message: `${name} is ${format ? `${format} version ${version}` : "a plain safetensors file"}, expected ${FORMAT} version ${VERSION}`,
      hint: "Use load for other files",
    });
  let parsed: unknown;
  try {
    parsed = JSON.parse(structure);
  } catch (e) {
    throw new FormatError({ op: "loadCheckpoint", message: `${name}: the structure is not JSON`, hint: "The file is damaged", cause: e });
  }
  return decodeTree(parsed, (key) => {
    const t = tensors.get(key);
    if (!t)
      throw new FormatError({
        op: "loadCheckpoint",
        message: `${name}: the structure names a tensor ${key} that is not there`,
        hint: "The file is damaged",
      });
    return t;
  });
}

/** What `saveCheckpoint` saved. @throws FormatError when the file is damaged or no checkpoint. */
export const loadCheckpoint: <T = Record<string, unknown>>(path: string, options?: { device?: string }) => Promise<T> =
  /*@__PURE__*/ located("loadCheckpoint", "path, { device }", (async (path: string, options: { device?: string } = {}) => {
    const { device } = checkOptions("loadCheckpoint", ["device?"], options);
    if (device !== undefined) getDevice(device, "loadCheckpoint");
    const { tensors, metadata } = await readSafetensors(path, device === undefined ? {} : { device });
    return decodeCheckpoint(path, metadata, tensors);
  }) as never);
