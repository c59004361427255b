// Checkpoints: any nesting of plain data with tensors in it, as one safetensors file. Tensors are stored under numbers, the
// nesting with its other values as JSON in the metadata.
import { FormatError } from "../core/errors.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { openSafetensors } from "./safetensors.ts";
import { saveSafetensors } from "./safetensorsWriter.ts";

/** What a checkpoint may hold. */
export type Checkpoint = Tensor | number | string | boolean | bigint | null | undefined | Checkpoint[] | { [key: string]: Checkpoint };

const FORMAT = "firebrand.checkpoint";
const VERSION = "1";

// Values that JSON lacks are one-key objects.
function encode(x: unknown, tensors: Record<string, Tensor>): unknown {
  if (isTensor(x)) {
    const key = String(Object.keys(tensors).length);
    tensors[key] = x;
    return { $tensor: key };
  }
  if (typeof x === "bigint") return { $bigint: x.toString() };
  if (typeof x === "number" && (!Number.isFinite(x) || Object.is(x, -0))) return { $number: Object.is(x, -0) ? "-0" : String(x) };
  if (x === undefined) return { $undefined: true };
  if (Array.isArray(x)) return x.map((v) => encode(v, tensors));
  if (typeof x === "object" && x !== null) {
    const out = Object.fromEntries(Object.entries(x).map(([k, v]) => [k, encode(v, tensors)]));
    return Object.keys(out).some((k) => k.startsWith("$")) ? { $object: Object.entries(out) } : out;
  }
  if (typeof x === "function" || typeof x === "symbol")
    throw new FormatError({ op: "saveCheckpoint", message: `a ${typeof x} cannot be saved`, hint: "Save plain data and tensors" });
  return x;
}
function decode(x: unknown, tensor: (key: string) => unknown): unknown {
  if (Array.isArray(x)) return x.map((v) => decode(v, tensor));
  if (typeof x !== "object" || x === null) return x;
  const o = x as Record<string, unknown>;
  if (typeof o["$tensor"] === "string") return tensor(o["$tensor"]);
  if (typeof o["$bigint"] === "string") return BigInt(o["$bigint"]);
  if (typeof o["$number"] === "string") return Number(o["$number"]);
  if (o["$undefined"]) return undefined;
  const entries = Array.isArray(o["$object"]) ? (o["$object"] as [string, unknown][]) : Object.entries(o);
  return Object.fromEntries(entries.map(([k, v]) => [k, decode(v, tensor)]));
}

/** Saves plain data with tensors in it. The old file stays until the new one is whole and on disk. */
export async function saveCheckpoint(value: object, path: string): Promise<void> {
  const tensors: Record<string, Tensor> = {};
  const structure = JSON.stringify(encode(value, tensors));
  await saveSafetensors(tensors, path, { metadata: { format: FORMAT, version: VERSION, structure } });
}
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
    throw new FormatError({ op: "loadCheckpoint", message: `${name}: the structure is not JSON`, cause: e });
  }
  return decode(parsed, (key) => {
    const t = tensors.get(key);
    if (!t) throw new FormatError({ op: "loadCheckpoint", message: `${name}: the structure names a tensor ${key} that is not there` });
    return t;
  });
}

/** What `saveCheckpoint` saved. @throws FormatError when the file is damaged or no checkpoint. */
export async function loadCheckpoint<T = Record<string, unknown>>(path: string, options: { device?: string } = {}): Promise<T> {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, Tensor>();
    for (const key of file.keys) tensors.set(key, await file.get(key, options));
    return decodeCheckpoint(path, file.metadata, tensors) as T;
  } finally {
    await file.close();
  }
}
