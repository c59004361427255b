// `save`: a value with tensors in it as a file of the format that the name asks for.
import { checkOptions, located, need } from "../core/arguments.ts";
import { ArgumentError } from "../core/errors.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { isModule } from "../nn/module.ts";
import { writeGguf } from "./gguf/index.ts";
import { writeNpz } from "./numpy/index.ts";
import { saveSharded, writeSafetensors } from "./safetensorsWriter.ts";
import { type ByteSink, replaceFile } from "./sink.ts";
import { writeTorch } from "./torch/write.ts";

/** Options of `save`. */
export interface SaveOptions {
  /** The format, where the name of the file does not say it: `torch` or `safetensors`, or one that `registerWriter` was given. */
  readonly format?: string;
  /** What a safetensors file shall say of itself. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Bytes of tensors that one safetensors file may have: more go to several files, with an index beside them. */
  readonly maxShardSize?: number;
}

/** A format that `save` can write. */
export interface Writer {
  readonly name: string;
  /** Endings of file names, with the dot. */
  readonly extensions: readonly string[];
  /** `name` is the file's name without folder and ending. @throws ArgumentError for a value that the format cannot hold */
  write(sink: ByteSink, value: unknown, options: SaveOptions & { readonly name: string }): void | Promise<void>;
}

/** A value as tensors by name. @throws ArgumentError when it is anything else */
function tensorsByName(value: unknown, format: string): Record<string, Tensor> {
  const entries: [unknown, unknown][] =
    value instanceof Map
      ? [...value]
      : typeof value === "object" && value !== null && !isTensor(value)
        ? Object.entries(value)
        : [["", value]];
  for (const [k, v] of entries)
    if (typeof k !== "string" || !isTensor(v))
      throw new ArgumentError({
        op: "save",
        message: `${String(k) || "the value"} is ${isTensor(v) ? "a key that is no string" : "no Tensor"}; a ${format} file holds tensors by name`,
        hint: isModule(value) ? "Save its stateDict()" : "Save a stateDict, use .pt, or saveCheckpoint for any nesting",
      });
  return Object.fromEntries(entries as [string, Tensor][]);
}

const writers: Writer[] = [
  { name: "torch", extensions: [".pt", ".pth", ".bin", ".ckpt"], write: (sink, value, { name }) => writeTorch(sink, value, name) },
  {
    name: "safetensors",
    extensions: [".safetensors"],
    write: (sink, value, o) => writeSafetensors(sink, tensorsByName(value, "safetensors"), o.metadata),
  },
  {
    name: "gguf",
    extensions: [".gguf"],
    write: (sink, value, o) => writeGguf(sink, tensorsByName(value, "gguf"), o.metadata ? { metadata: o.metadata } : {}),
  },
  { name: "npz", extensions: [".npz"], write: (sink, value) => writeNpz(sink, tensorsByName(value, "npz"), {}, "save") },
];
/** Makes a format known to `save`; it is asked before those known so far. */
export function registerWriter(writer: Writer): void {
  need("registerWriter", "writer: object", writer);
  need("registerWriter", "name: text", writer.name);
  need("registerWriter", "extensions: texts", writer.extensions);
  need("registerWriter", "write: function", writer.write);
  writers.unshift(writer);
}

/**
 * Saves a value to a file (or into a sink): tensors, and numbers, strings, bytes, arrays, objects, Maps and Sets with tensors in them.
 * `.pt` and `.pth` become what `torch.save` writes, which every PyTorch since 1.6 reads, with `weights_only=True` too; `.safetensors` holds tensors
 * by name. Tensors that share memory share it in a `.pt`; only what tensors show of it is written. The old file stays until the new one is
 * whole and on disk.
 * @throws ArgumentError that names what cannot be saved; the system's error when the file cannot be written
 * @example
 * const sink = memorySink();
 * await save({ w: ones(2, { dtype: "int64" }), epoch: 3 }, sink, { format: "torch" });
 * const back = await load(sink.bytes());
 * back.w // => [1, 1]
 * back.epoch // => 3
 */
export const save: (value: unknown, target: string | URL | ByteSink, options?: SaveOptions) => Promise<void> = /*@__PURE__*/ located(
  "save",
  "value, target, { format, metadata, maxShardSize }",
  saveAs,
);
async function saveAs(value: unknown, target: string | URL | ByteSink, given: SaveOptions = {}): Promise<void> {
  const options: SaveOptions = checkOptions("save", ["format?: text", "metadata?: object", "maxShardSize?: number"], given);
  if (typeof target !== "string" && !(target instanceof URL)) {
    need("save", "target: object", target);
    need("save", "write: function", target.write);
  }
  const path = typeof target === "string" || target instanceof URL ? await pathOf(target) : null;
  const name = path?.split(/[\\/]/).at(-1) ?? "";
  const writer = options.format
    ? writers.find((w) => w.name === options.format)
    : writers.find((w) => w.extensions.some((e) => name.toLowerCase().endsWith(e)));
  if (!writer)
    throw new ArgumentError({
      op: "save",
      message: options.format
        ? `no format ${JSON.stringify(options.format)}`
        : path === null
          ? "a sink has no name"
          : `${name} does not say what format it is`,
      hint: `Give { format }: ${writers.map((w) => `${w.name} (${w.extensions.join(", ")})`).join("; ")}`,
    });
  const stem = name.replace(/\.[^.]*$/, "");
  const o = { ...options, name: /^[\x20-\x7e]+$/.test(stem) && !/^\.+$|[\\/:]/.test(stem) ? stem : "archive" };
  if (path === null) return void (await writer.write(synchronous(target as ByteSink), value, o));
  if (options.maxShardSize !== undefined) {
    if (writer.name !== "safetensors")
      throw new ArgumentError({ op: "save", message: `maxShardSize for ${writer.name}`, hint: "Only safetensors files are split" });
    return saveSharded(tensorsByName(value, writer.name), path, options.maxShardSize, options.metadata);
  }
  await replaceFile(path, (sink) => writer.write(sink, value, o));
}

/** The path of a file that is to be written. @throws ArgumentError for an address of another kind */
async function pathOf(target: string | URL): Promise<string> {
  if (typeof target === "string" && !/^(https?|file):\/\//.test(target)) return target;
  try {
    return (await import("node:url")).fileURLToPath(target);
  } catch (cause) {
    throw new ArgumentError({ op: "save", message: `${target} is no path of a file`, hint: "Give a path or a file: address", cause });
  }
}
/** A sink whose promises are not lost: it may have none. */
const synchronous = (sink: ByteSink): ByteSink => ({
  write: (bytes) => {
    const result: unknown = sink.write(bytes);
    if (typeof (result as PromiseLike<void> | undefined)?.then !== "function") return;
    (result as Promise<void>).then(undefined, () => {}); // it is refused below, whatever becomes of it
    throw new ArgumentError({
      op: "save",
      message: "the sink's write returns a promise",
      hint: "Collect with memorySink(), then write its bytes()",
    });
  },
});
