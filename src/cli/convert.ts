// `firebrand convert A B`: a file of weights in another format, dtype or number of files, tensor by tensor.
import { type DType, isDType, isFloating } from "../core/dtype.ts";
import { ArgumentError, ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { mapStored, save, type StoredTensor } from "../io/index.ts";
import { type Command, parse } from "./command.ts";
import { type Opened, openFile, values } from "./files.ts";
import { progress } from "./progress.ts";
import { count, size } from "./table.ts";

const usage = "convert A B [--dtype T] [--shard-size BYTES] [--format F] [--force]";

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };
/** `2GB`, `500MB` or a plain number, in bytes. @throws ValueError */
function bytesOf(text: string): number {
  const m = /^(\d+(?:\.\d+)?)\s*([kmg]?)b?$/i.exec(text);
  const n = m ? Number(m[1]) * UNITS[m[2]!.toLowerCase()]! : 0;
  if (!(n >= 1)) throw new ValueError({ message: `--shard-size ${text}`, hint: "Write 2GB, 500MB or a number of bytes" });
  return n;
}

// Formats that hold a tree of values; all others hold tensors by name.
const isTree = (format: string): boolean => /torch|pickle/.test(format) && format !== "torchscript";

/** Reads A and writes B; the end of B's name says its format. */
export const convert: Command = {
  name: "convert",
  usage,
  summary: "write a file in another format, dtype or number of files",
  help: `  --dtype T          convert floating tensors: float32, float16, bfloat16, float64
  --shard-size SIZE  several safetensors files of at most SIZE (2GB, 500MB) and their index
  --format F         B's format where its name does not say it
  --force            replace B if it exists
The end of B's name says its format: .pt, .pth, .safetensors, .gguf, .npz. A may be a folder with an index.`,
  async run(args, print) {
    const options = {
      dtype: { type: "string" },
      "shard-size": { type: "string" },
      format: { type: "string" },
      force: { type: "boolean" },
    } as const;
    const { values: o, positionals } = parse(usage, args, options, 2);
    const [from, to] = positionals as [string, string];
    if (o.dtype !== undefined && !(isDType(o.dtype) && isFloating(o.dtype)))
      throw new ValueError({ message: `--dtype ${o.dtype}`, hint: "It must be float32, float16, bfloat16 or float64" });
    const dtype = o.dtype as DType | undefined;
    const maxShardSize = o["shard-size"] === undefined ? undefined : bytesOf(o["shard-size"]);
    const fs = await import("node:fs");
    if (fs.existsSync(to) && !o.force) throw new ArgumentError({ message: `${to} exists`, hint: "Pass --force to replace it" });

    const file = await openFile(from);
    try {
      const value = await convertedValue(file, dtype, isTree(file.format) && /\.(pt|pth|bin|ckpt)$/.test(to));
      const metadata = Object.fromEntries(Object.entries(file.metadata).filter((e): e is [string, string] => typeof e[1] === "string"));
      await save(value, to, {
        ...(o.format !== undefined && { format: o.format }),
        ...(maxShardSize !== undefined && { maxShardSize }),
        ...(Object.keys(metadata).length && { metadata }),
      });
      const written = maxShardSize === undefined ? `, ${size(fs.statSync(to).size)}` : "";
      print(`${to}: ${count(file.tensors.size)} tensors${written}`);
      return 0;
    } finally {
      await file.close();
    }
  },
};

/** The file's value with its tensors read and converted: the whole tree, or the tensors by name. */
async function convertedValue(file: Opened, dtype: DType | undefined, tree: boolean): Promise<unknown> {
  const total = [...file.tensors.values()].reduce((n, t) => n + t.nbytes, 0);
  const bar = progress("converting", total);
  let done = 0;
  const shared = new Map<unknown, Tensor>();
  const read = async (t: StoredTensor): Promise<Tensor> => {
    const v = await values(t, { shared });
    bar.to((done += t.nbytes));
    return dtype && isFloating(v.dtype) ? v.to(dtype) : v;
  };
  try {
    return await mapStored(tree ? file.value : Object.fromEntries(file.tensors), read);
  } finally {
    bar.stop();
  }
}
