// How the files of TensorFlow and Keras are known, without the code that reads them.
import type { ByteSource } from "../source.ts";

const HDF5 = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
const TABLE = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
const same = (bytes: Uint8Array, magic: readonly number[]): boolean => magic.every((b, i) => bytes[i] === b);

/** The bytes at the end of a sorted string table that say where its index is. */
export const FOOTER = 48;
/** What an archive of Keras has. */
export const WEIGHTS = "model.weights.h5";

/** Does it begin like an HDF5 file? */
export const isHdf5 = (head: Uint8Array): boolean => same(head, HDF5);
/** Does the source end like a sorted string table? */
export const isTable = async (source: ByteSource): Promise<boolean> =>
  source.size >= FOOTER && same(await source.read(source.size - 8, 8), TABLE);
/** Does it begin like a saved_model.pb: version 1 of the schema, then a graph? */
export const isSavedModel = (head: Uint8Array): boolean => same(head, [8, 1, 18]);
/** Does it begin like a model.json of TensorFlow.js, or a manifest of weights alone? */
export function isTfjs(head: Uint8Array): boolean {
  const text = new TextDecoder().decode(head).trimStart();
  return (
    (text.startsWith("{") && /"(modelTopology|weightsManifest)"\s*:|"format"\s*:\s*"(layers|graph)-model"/.test(text)) ||
    /^\[\s*\{\s*"(paths|weights)"\s*:/.test(text)
  );
}
