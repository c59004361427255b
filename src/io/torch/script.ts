// What `torch.jit.save` writes: the same archive as `torch.save`'s with the tree of modules as its pickle, the constants of the code in a
// second one, and the code itself, which is listed and never run.
import { damaged } from "../source.ts";
import type { Format, OpenFile, OpenOptions, StoredTensor } from "../stored.ts";
import { isZip, openZip, type ZipFile } from "../zip.ts";
import { folderOf, isSwapped, readArchivePickle, textEntry } from "./archive.ts";
import type { PythonObject } from "./python.ts";
import { TorchTensor } from "./tensor.ts";

/** What a TorchScript file holds. Opened, its tensors are stored ones; loaded, they are tensors. */
export interface TorchScriptArchive<T = StoredTensor> {
  /** The tree of modules: `$class` and the attributes of each, submodules among them. */
  readonly module: PythonObject;
  /** Names of the parameters, dotted as in a state dict. */
  readonly parameters: readonly string[];
  /** Names of the buffers. */
  readonly buffers: readonly string[];
  /** Tensors that the code refers to as `CONSTANTS.c0`, …, and whatever else it does. */
  readonly constants: readonly (T | unknown)[];
  /** Source text by file name: `__torch__/torch/nn/modules/linear.py`. */
  readonly code: Readonly<Record<string, string>>;
}

const MOST_CODE = 64 << 20;

/** The lists `__parameters__` and `__buffers__` of every class in the code, by its full name. */
function declared(code: Readonly<Record<string, string>>): Map<string, { parameters: string[]; buffers: string[] }> {
  const names = (body: string, field: string): string[] =>
    [...(new RegExp(`^ +${field} = \\[(.*)\\]`, "m").exec(body)?.[1] ?? "").matchAll(/"([^"]*)"/g)].map((m) => m[1]!);
  const out = new Map<string, { parameters: string[]; buffers: string[] }>();
  for (const [file, text] of Object.entries(code)) {
    const module = file.replace(/\.py$/, "").replaceAll("/", ".");
    for (const part of text.split(/^(?=class )/m)) {
      const name = /^class ([^\s(:]+)/.exec(part)?.[1];
      if (name) out.set(`${module}.${name}`, { parameters: names(part, "__parameters__"), buffers: names(part, "__buffers__") });
    }
  }
  return out;
}

const isObject = (x: unknown): x is PythonObject => typeof x === "object" && x !== null && typeof (x as PythonObject).$class === "string";

/** Names of parameters and buffers below a module, which the code tells apart; marks the parameters. */
function namesOf(root: unknown, code: Readonly<Record<string, string>>): { parameters: string[]; buffers: string[] } {
  const classes = declared(code);
  const out = { parameters: [] as string[], buffers: [] as string[] };
  const seen = new Set<object>();
  const stack: [string, unknown][] = [["", root]];
  for (let top = stack.pop(); top; top = stack.pop()) {
    const [prefix, x] = top;
    if (!isObject(x) || seen.has(x)) continue;
    seen.add(x);
    const fields = classes.get(x.$class);
    for (const kind of ["parameters", "buffers"] as const)
      for (const name of fields?.[kind] ?? []) {
        const t = Object.hasOwn(x, name) ? x[name] : undefined;
        if (!(t instanceof TorchTensor)) continue;
        out[kind].push(prefix + name);
        if (kind === "parameters") t.isParameter = true;
      }
    const inner = Object.entries(x).map(([k, v]): [string, unknown] => [`${prefix}${k}.`, v]);
    stack.push(...inner.reverse());
  }
  return out;
}

/** The code of an archive, by file name. @throws FormatError when it is absurdly much */
export async function readCode(zip: ZipFile, folder: string): Promise<Record<string, string>> {
  const out: [string, string][] = [];
  let left = MOST_CODE;
  for (const e of zip.entries.values()) {
    if (!e.name.startsWith(`${folder}code/`) || !e.name.endsWith(".py")) continue;
    left -= e.size;
    if (left < 0) throw damaged(zip.source.name, e.header, `more than ${MOST_CODE >> 20} MB of code`);
    out.push([e.name.slice(folder.length + 5), new TextDecoder().decode(await zip.bytes(e))]);
  }
  return Object.fromEntries(out);
}

/** The format of `torch.jit.save`. */
export const torchScript: Format = {
  name: "torchscript",
  async detect(head, source) {
    if (!isZip(head)) return false;
    const zip = await openZip(source);
    const folder = folderOf(zip, "constants.pkl");
    return folder !== null && zip.entries.has(`${folder}data.pkl`);
  },
  async open(source, options: OpenOptions): Promise<OpenFile> {
    const zip = await openZip(source);
    const folder = folderOf(zip, "constants.pkl")!;
    const shared = {
      ...options,
      swap: await isSwapped(zip, folder),
      storages: new Map(),
      describes: (path: string) => path.startsWith("__torch__."),
    };
    const module = (await readArchivePickle(zip, `${folder}data.pkl`, `${folder}data/`, shared)) as PythonObject;
    const constants = await readArchivePickle(zip, `${folder}constants.pkl`, `${folder}constants/`, shared);
    const code = await readCode(zip, folder);
    const value: TorchScriptArchive = {
      module,
      ...namesOf(module, code),
      constants: Array.isArray(constants) ? constants : [constants],
      code,
    };
    const version = (await textEntry(zip, `${folder}version`))?.trim();
    return {
      format: "torchscript",
      metadata: { ...(version !== undefined && { version }), byteorder: shared.swap ? "big" : "little" },
      value,
      close: () => source.close(),
    };
  },
};
