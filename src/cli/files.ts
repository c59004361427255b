// Files as the commands see them: opened by content, or what a folder holds.
import { ArgumentError } from "../core/errors.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { listTrainingStates, open, type ReadOptions, type StoredTensor, type TensorFile } from "../io/index.ts";

/** An open file with the path it was given by. */
export interface Opened extends TensorFile {
  readonly path: string;
}

/**
 * Opens a file of weights. Of a folder, what it holds: the index of a sharded model, the only file of weights, or the newest training state.
 * @throws ArgumentError when a folder holds nothing, FormatError for a file that is damaged or of no known kind
 */
export async function openFile(path: string, options: { verify?: boolean } = {}): Promise<Opened> {
  return { ...(await open(await resolve(path), options)), path };
}

/** Reads a stored tensor as one of ours: quantised ones are dequantised. */
export async function values(t: StoredTensor, options: ReadOptions = {}): Promise<Tensor> {
  const read = await t.read(options);
  return isTensor(read) ? read : (read as { dequantize(): Tensor }).dequantize();
}

async function resolve(path: string): Promise<string> {
  const fs = await import("node:fs");
  if (path === "" || !fs.existsSync(path))
    throw new ArgumentError({ message: `there is no ${path || "file without a name"}`, hint: "Check the path" });
  return fs.statSync(path).isDirectory() ? ((await listTrainingStates(path)).at(-1)?.path ?? path) : path;
}
