// `firebrand quantize SOURCE OUT.gguf`: a language model as a GGUF file with smaller weights.
import { ArgumentError, ValueError } from "../core/errors.ts";
import { QUANT_TYPES, blockType } from "../kernel/quant/types.ts";
import { gguf, saveGguf } from "../io/gguf/index.ts";
import type { GgufField } from "../io/gguf/metadata.ts";
import { openSource } from "../io/source.ts";
import type { GgufWeightType } from "../models/index.ts";
import { type Command, parse } from "./command.ts";
import { ggufTokenizer } from "./ggufTokenizer.ts";
import { filesOf, loadModel, memoryUsed, MODEL_HELP, MODEL_OPTIONS, note } from "./model.ts";
import { progress } from "./progress.ts";
import { count, size } from "./table.ts";

const usage = "quantize SOURCE OUT.gguf [--type Q4_K]";
const TYPES: readonly string[] = ["F32", "F16", "BF16", ...QUANT_TYPES.filter((t) => blockType(t)!.encode)];

const isGguf = (path: string): boolean => /\.gguf$/i.test(path);

/** Writes what llama.cpp and its kin read: weights, sizes and, where a GGUF file can hold it, the tokenizer with its chat template. */
export const quantize: Command = {
  name: "quantize",
  usage,
  summary: "a model as a GGUF file with smaller weights",
  help: `  --type T           ${TYPES.join(", ")} (default Q4_K)
  --force            replace OUT.gguf if it exists
Norms and biases stay float32; the head has 6 bits at least; rows that are not whole blocks take the next type with smaller ones.
${MODEL_HELP}`,
  async run(args, print) {
    const options = { ...MODEL_OPTIONS, type: { type: "string" }, force: { type: "boolean" } } as const;
    const { values, positionals } = parse(usage, args, options, 2);
    const [source, out] = positionals as [string, string];
    const type = values.type?.toUpperCase() ?? "Q4_K";
    if (!TYPES.includes(type)) throw new ValueError({ message: `--type ${values.type}`, hint: `Types: ${TYPES.join(", ")}` });
    if (!isGguf(out)) throw new ArgumentError({ message: `${out} does not end in .gguf`, hint: "Give the file to write" });
    const fs = await import("node:fs");
    if (fs.existsSync(out) && !values.force) throw new ArgumentError({ message: `${out} exists`, hint: "Pass --force to replace it" });
    // Weights of a GGUF file would stay as they are.
    const dtype = values.dtype ?? (isGguf(source) ? "float32" : undefined);
    const { model, tokenizer } = await loadModel(source, { ...values, dtype });
    const { ggufModel } = await import("../models/index.ts");
    let bar = progress("quantizing", 0);
    const { tensors, metadata } = ggufModel(model, type as GgufWeightType, (done, total) => {
      if (done === 1) bar = progress("quantizing", total);
      bar.to(done);
    });
    bar.stop();
    const words = (await ggufWords(source)) ?? (await ggufTokenizer(tokenizer, await reader(source, values), model.config.vocabSize));
    if (!words) note("the tokenizer has no place in a GGUF file: keep its own files beside it");
    const name = source
      .replace(/[/\\]+$/, "")
      .split(/[/\\]/)
      .at(-1)!;
    await saveGguf(tensors, out, { metadata: { ...metadata, "general.name": name, ...words } });
    print(`${out}: ${type}, ${count(Object.keys(tensors).length)} tensors, ${size(fs.statSync(out).size)}`);
    note(memoryUsed());
    return 0;
  },
};

/** What a GGUF file says of its tokenizer; null where the source is none. */
async function ggufWords(source: string): Promise<Readonly<Record<string, GgufField>> | null> {
  if (!isGguf(source)) return null;
  const file = await gguf.open(await openSource(source), {});
  await file.close();
  return Object.fromEntries(Object.entries(file.fields).filter(([key]) => key.startsWith("tokenizer.")));
}

/** Reads files beside the model; null for those that are not there. */
async function reader(
  source: string,
  values: { revision?: string; offline?: boolean },
): Promise<(file: string) => Promise<Uint8Array | null>> {
  const fs = await import("node:fs");
  const { join } = await import("node:path");
  if (fs.existsSync(source)) {
    const folder = fs.statSync(source).isDirectory() ? source : join(source, "..");
    return async (file) => (fs.existsSync(join(folder, file)) ? fs.readFileSync(join(folder, file)) : null);
  }
  const files = await filesOf(source, values);
  return async (file) => (typeof files !== "string" && (await files.has(file)) ? files.read(file) : null);
}
