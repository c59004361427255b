// Keras models: .h5 files (Keras 1 to 3), .weights.h5 and .keras archives. Weights are read by name; the architecture is given
// as the JSON that Keras saved.
import { failing } from "../damage.ts";
import { datasetsOf, type HdfAttribute, type HdfObject, readHdf5 } from "../hdf5/index.ts";
import { type ByteSource, bytesSource, checkRange } from "../source.ts";
import type { OpenFile, StoredTensor } from "../stored.ts";
import { openZip, type ZipEntry, type ZipFile } from "../zip.ts";
import { WEIGHTS } from "./magic.ts";

const MAX_JSON = 256 << 20;
const MAX_UNPACKED = 1 << 30;

/** JSON where it is JSON, else the text. */
function parsed(x: HdfAttribute | undefined): unknown {
  if (typeof x !== "string") return x;
  try {
    return JSON.parse(x);
  } catch {
    return x;
  }
}
/** A list of names, which long ones are in parts of: `layer_names0`, `layer_names1`. */
function namesOf(group: HdfObject, key: string): string[] | null {
  const out: string[] = [];
  const whole = group.attributes.get(key);
  const parts = whole === undefined ? Array.from({ length: 1000 }, (_, i) => group.attributes.get(`${key}${i}`)) : [whole];
  for (const part of parts) {
    if (part === undefined) break;
    if (!Array.isArray(part)) return null;
    out.push(...part.map(String));
  }
  return whole === undefined && out.length === 0 ? null : out;
}
const memberAt = (group: HdfObject, path: string): HdfObject | undefined =>
  path.split("/").reduce<HdfObject | undefined>((o, name) => (name === "" ? o : o?.members.get(name)), group);

/** Weights in the order of the layers, by the names that Keras gave them; of two with one name, the second gets its path. */
function named(group: HdfObject, layers: readonly string[], prefix: string): Map<string, StoredTensor> {
  const out = new Map<string, StoredTensor>();
  for (const layer of layers) {
    const member = group.members.get(layer);
    if (!member) continue;
    for (const weight of namesOf(member, "weight_names") ?? []) {
      const tensor = memberAt(member, weight)?.tensor;
      const name = weight.replace(/:0$/, "");
      if (tensor) out.set(out.has(name) ? `${prefix}${layer}/${name}` : name, tensor);
    }
  }
  return out;
}

function keysOf(root: HdfObject): { value: Map<string, StoredTensor>; names: Record<string, string> } {
  const weights = root.members.get("model_weights") ?? root;
  const layers = namesOf(weights, "layer_names");
  const names: Record<string, string> = {};
  if (layers === null) {
    // Keras 3 numbers the variables of a layer; the layer's own name is an attribute.
    const visit = (o: HdfObject, path: string): void => {
      const own = o.attributes.get("name");
      if (path.endsWith("/vars") && typeof own === "string") names[path.slice(0, -5)] = own;
      for (const [k, m] of o.members) visit(m, path === "" ? k : `${path}/${k}`);
    };
    visit(root, "");
    return { value: datasetsOf(root), names };
  }
  const value = named(weights, [...layers, "top_level_model_weights"], "");
  const optimizer = root.members.get("optimizer_weights");
  if (optimizer) for (const [k, t] of datasetsOf(optimizer, "optimizer_weights")) value.set(k.replace(/:0$/, ""), t);
  return { value, names };
}

async function openWeights(source: ByteSource, format: string): Promise<OpenFile> {
  const root = await readHdf5(source, failing(format, source.name, "an HDF5 file"));
  const { value, names } = keysOf(root);
  const attributes = Object.fromEntries([...root.attributes].map(([k, v]) => [k, parsed(v)]));
  const metadata = Object.keys(names).length > 0 ? { ...attributes, names } : attributes;
  return { format, metadata, value: Object.fromEntries(value), close: () => source.close() };
}

/** Opens an HDF5 file. @throws FormatError */
export const openHdf5 = (source: ByteSource): Promise<OpenFile> => openWeights(source, "hdf5");

/** An entry of an archive as a source: part of the file where it is stored, unpacked where it is not. Its checksum is compared either way. */
async function entrySource(zip: ZipFile, e: ZipEntry): Promise<ByteSource> {
  const name = `${zip.source.name}: ${e.name}`;
  if (e.deflated) return bytesSource(await zip.bytes(e, { verify: true, limit: MAX_UNPACKED }), name);
  for await (const _ of zip.region(e, true).chunks(0, e.size));
  const begin = await zip.begin(e);
  return {
    name,
    size: e.size,
    read: async (offset, length) => {
      checkRange({ name, size: e.size }, offset, length);
      return zip.source.read(begin + offset, length);
    },
    close: async () => {},
  };
}

/** Opens a .keras archive. @throws FormatError */
export async function openKeras(source: ByteSource): Promise<OpenFile> {
  const fail = failing("keras", source.name, "a .keras file");
  const zip = await openZip(source);
  const entry = (name: string): ZipEntry => {
    const e = zip.entries.get(name);
    if (!e) throw fail(source.size, `no ${name} in the archive, expected config.json, metadata.json and ${WEIGHTS}`);
    return e;
  };
  const json = async (name: string): Promise<unknown> => {
    const e = entry(name);
    try {
      return JSON.parse(new TextDecoder().decode(await zip.bytes(e, { verify: true, limit: MAX_JSON })));
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw fail(e.header, `${name} is not JSON`, { cause });
    }
  };
  const [config, about] = [await json("config.json"), await json("metadata.json")];
  const file = await openWeights(await entrySource(zip, entry(WEIGHTS)), "keras");
  return { ...file, metadata: { ...file.metadata, config, keras: about }, close: () => source.close() };
}
