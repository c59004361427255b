// What `torch.jit.save` wrote before PyTorch 1.4: the tree of modules as JSON, tensors by number, attributes in a pickle.
import { elementOf } from "../elements.ts";
import { damaged } from "../source.ts";
import type { Format, OpenFile } from "../stored.ts";
import { isZip, openZip, type ZipFile } from "../zip.ts";
import { folderOf, readArchivePickle, textEntry } from "./archive.ts";
import { countOf } from "./host.ts";
import type { PythonObject } from "./python.ts";
import { readCode, type TorchScriptArchive } from "./script.ts";
import { TorchStorage, TypedStorage } from "./storage.ts";
import { TorchTensor } from "./tensor.ts";

const TYPES: Readonly<Record<string, string>> = {
  FLOAT: "float32",
  DOUBLE: "float64",
  FLOAT16: "float16",
  BFLOAT16: "bfloat16",
  INT64: "int64",
  INT32: "int32",
  INT16: "int16",
  INT8: "int8",
  UINT8: "uint8",
  BOOL: "bool",
};
const LARGEST = 256 << 20;

type Json = Readonly<Record<string, unknown>>;
const listOf = (x: unknown): readonly Json[] => (Array.isArray(x) ? x.filter((v): v is Json => typeof v === "object" && v !== null) : []);
const numbers = (x: unknown): number[] => (Array.isArray(x) ? x.map(Number) : []);

/** Tensors by number. @throws RangeError */
function tensorsOf(zip: ZipFile, folder: string, table: readonly Json[], verify: boolean): TorchTensor[] {
  const storages = new Map<string, TorchStorage>();
  return table.map((t) => {
    const key = String((t["data"] as Json | undefined)?.["key"]);
    const entry = zip.entries.get(folder + key);
    const name = Object.hasOwn(TYPES, String(t["dataType"])) ? TYPES[String(t["dataType"])]! : "";
    const element = elementOf(name);
    if (!entry || !element) throw new RangeError(entry ? `a tensor of type ${String(t["dataType"])}` : `no entry ${key} for a tensor`);
    let storage = storages.get(key);
    if (!storage) storages.set(key, (storage = new TorchStorage(key, entry.size, zip.region(entry, verify))));
    const sizes = numbers(t["dims"]);
    return new TorchTensor(
      new TypedStorage(storage, element),
      element,
      countOf(Number(t["offset"] ?? 0)),
      sizes,
      numbers(t["strides"]),
      t["requiresGrad"] === true,
    );
  });
}

/** The format of `torch.jit.save` before PyTorch 1.4. */
export const torchScriptJson: Format = {
  name: "torchscript",
  async detect(head, source) {
    if (!isZip(head)) return false;
    const zip = await openZip(source);
    const folder = folderOf(zip, "model.json");
    return folder !== null && [...zip.entries.keys()].some((n) => n.startsWith(`${folder}code/`));
  },
  async open(source, options): Promise<OpenFile> {
    const zip = await openZip(source);
    const folder = folderOf(zip, "model.json")!;
    const entry = zip.entries.get(`${folder}model.json`)!;
    const fail = (message: string, cause?: unknown): Error =>
      damaged(`${source.name}: ${entry.name}`, entry.header, message, undefined, cause);
    let model: Json;
    try {
      model = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await zip.bytes(entry, { limit: LARGEST }))) as Json;
    } catch (e) {
      if ((e as Error).name === "FormatError") throw e;
      throw fail("the model is not JSON", e);
    }
    try {
      const tensors = tensorsOf(zip, folder, listOf(model?.["tensors"]), options.verify ?? false);
      const tensorAt = (id: unknown): TorchTensor => {
        const t = tensors[Number(id)];
        if (!t) throw new RangeError(`there is no tensor ${String(id).slice(0, 40)}`);
        return t;
      };
      const used = new Set<TorchTensor>();
      const pickle = `${folder}attributes.pkl`;
      const attributes = zip.entries.has(pickle)
        ? await readArchivePickle(zip, pickle, `${folder}tensors/`, {
            ...options,
            swap: false,
            storages: new Map(),
            safeGlobals: { ...options.safeGlobals, "torch.jit._pickle.build_tensor_from_id": tensorAt },
          })
        : [];
      const names = { parameters: [] as string[], buffers: [] as string[] };
      const build = (m: Json, prefix: string, depth: number): PythonObject => {
        if (depth > 1000) throw new RangeError("modules are nested more than 1000 deep");
        const fields: [string, unknown][] = [["$class", "torch.jit.ScriptModule"]];
        for (const p of listOf(m["parameters"])) {
          const t = tensorAt(p["tensorId"]);
          t.isParameter = p["isBuffer"] !== true;
          names[t.isParameter ? "parameters" : "buffers"].push(prefix + String(p["name"]));
          fields.push([String(p["name"]), t]);
          used.add(t);
        }
        for (const a of listOf(m["attributes"])) {
          const value: unknown = Array.isArray(attributes) ? attributes[Number(a["id"])] : undefined;
          // Since PyTorch 1.1 buffers are attributes.
          if (value instanceof TorchTensor) {
            names.buffers.push(prefix + String(a["name"]));
            used.add(value);
          }
          fields.push([String(a["name"]), value]);
        }
        for (const s of listOf(m["submodules"])) fields.push([String(s["name"]), build(s, `${prefix}${String(s["name"])}.`, depth + 1)]);
        return Object.fromEntries(fields) as PythonObject;
      };
      const main = model?.["mainModule"];
      if (typeof main !== "object" || main === null) throw new RangeError("no mainModule");
      const module = build(main as Json, "", 0);
      const value: TorchScriptArchive = {
        module,
        ...names,
        constants: tensors.filter((t) => !used.has(t)),
        code: await readCode(zip, folder),
      };
      const version = (await textEntry(zip, `${folder}version`))?.trim();
      return { format: "torchscript", metadata: version === undefined ? {} : { version }, value, close: () => source.close() };
    } catch (e) {
      if (e instanceof RangeError) throw fail(e.message, e);
      throw e;
    }
  },
};
