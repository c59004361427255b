// safetensors as formats of `load`: single files, Firebrand's checkpoints, and the index of files that are one model together.
import { decodeCheckpoint, isCheckpoint } from "./checkpoint.ts";
import { failing } from "./damage.ts";
import { dictOf } from "./dict.ts";
import { readHeader, SafeTensor } from "./safetensors.ts";
import { openSibling } from "./siblings.ts";
import { type ByteSource, damaged } from "./source.ts";
import { windowed } from "./region.ts";
import { type Format, type OpenFile, type StoredTensor, storedTensors } from "./stored.ts";

async function tensorsOf(source: ByteSource): Promise<{ tensors: Map<string, StoredTensor>; metadata: Record<string, string> }> {
  const { tensors, metadata } = await readHeader(source);
  return { tensors: new Map([...tensors].map(([name, info]) => [name, new SafeTensor(source, info)])), metadata };
}

/** A single file. What `saveCheckpoint` wrote comes back in its nesting. */
export const safetensors: Format = {
  name: "safetensors",
  detect: (head) => {
    // A length that no text could be, then a JSON object.
    return head.length >= 9 && head[6] === 0 && head[7] === 0 && head[8] === 0x7b;
  },
  async open(source): Promise<OpenFile> {
    const { tensors, metadata } = await tensorsOf(source);
    const value = isCheckpoint(metadata) ? decodeCheckpoint(source.name, metadata, tensors) : dictOf(tensors);
    return { format: "safetensors", metadata, value, close: () => source.close() };
  },
};

const LARGEST_INDEX = 256 << 20;

/** The index of a model in several files: `{ "weight_map": { "name": "model-00001-of-00002.safetensors", … } }`. The files may be of any format. */
export const safetensorsIndex: Format = {
  name: "safetensors index",
  detect: (head) => /^\s*\{/.test(new TextDecoder().decode(head)),
  async open(source, options): Promise<OpenFile> {
    const failAt = failing("load", source.name, "the index of a safetensors model");
    const fail = (message: string, cause?: unknown): Error => failAt(0, message, { cause });
    if (source.size > LARGEST_INDEX) throw fail(`${source.size} bytes, expected an index of at most ${LARGEST_INDEX}`);
    let json: { weight_map?: unknown; metadata?: unknown };
    try {
      json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await source.read(0, source.size)));
    } catch (e) {
      throw fail("the file is not JSON", e);
    }
    const map = json.weight_map;
    if (typeof map !== "object" || map === null || Array.isArray(map)) throw fail("no weight_map in the index");
    const names = new Map<string, string[]>();
    for (const [tensor, file] of Object.entries(map)) {
      if (typeof file !== "string" || !/^[^/\\:\0]+$/.test(file) || file === "..")
        throw fail(
          `${JSON.stringify(tensor)} is said to be in ${JSON.stringify(file)?.slice(0, 80)}, which is no name of a file beside this one`,
        );
      const wanted = names.get(file);
      if (wanted) wanted.push(tensor);
      else names.set(file, [tensor]);
    }
    const opened: { close(): Promise<void> }[] = [];
    const close = async (): Promise<void> => {
      for (const s of opened) await s.close();
      await source.close();
    };
    // The list of formats has this one in it, so it is looked up when it is there.
    const { formatOf } = await import("./formats.ts");
    const formats = new Set<string>();
    try {
      const all = new Map<string, StoredTensor>();
      for (const [file, wanted] of names) {
        const part = windowed(await openSibling(source, file, failAt, options.files));
        opened.push(part);
        const format = await formatOf(part);
        if (format === safetensorsIndex) throw damaged(part.name, 0, "an index within an index");
        const open = await format.open(part, options);
        opened.push(open);
        formats.add(open.format);
        const tensors = storedTensors(open.value);
        for (const name of wanted) {
          const t = tensors.get(name);
          if (!t) throw damaged(part.name, 0, `no tensor ${JSON.stringify(name)}, which ${source.name} says is here`);
          all.set(name, t);
        }
      }
      // In the order of the index, whichever file they are in.
      const ordered = new Map(Object.keys(map).map((name) => [name, all.get(name)!]));
      const metadata = typeof json.metadata === "object" && json.metadata !== null ? (json.metadata as Record<string, unknown>) : {};
      return { format: `${[...formats].join(", ") || "safetensors"} index`, metadata, value: dictOf(ordered), close };
    } catch (e) {
      for (const s of opened) await s.close();
      throw e;
    }
  },
};
