// Files that training scripts in the manner of minGPT and nanoGPT write: a `.pt` with the state dict, and perhaps the sizes.
import { FormatError } from "../../core/errors.ts";
import { open } from "../../io/load.ts";
import type { SourceLike } from "../../io/source.ts";
import { isStored, type StoredTensor } from "../../io/stored.ts";
import type { Checkpoint } from "./opened.ts";

const plain = (x: unknown): [string, unknown][] =>
  x instanceof Map ? [...(x as Map<string, unknown>)] : typeof x === "object" && x !== null && !isStored(x) ? Object.entries(x) : [];

/** nanoGPT's `model_args` and minGPT's config as GPT-2's. */
function configOf(args: ReadonlyMap<string, unknown>, tensors: ReadonlyMap<string, StoredTensor>): Record<string, unknown> {
  const layers = new Set([...tensors.keys()].map((k) => /(?:^|\.)h\.(\d+)\./.exec(k)?.[1]).filter(Boolean)).size;
  const [vocab, embd] = tensors.get("transformer.wte.weight")?.shape ?? [];
  const positions = tensors.get("transformer.wpe.weight")?.shape[0];
  return {
    model_type: "gpt2",
    n_layer: args.get("n_layer") ?? layers,
    ...(args.has("n_head") && { n_head: args.get("n_head") }),
    n_embd: args.get("n_embd") ?? embd,
    n_positions: args.get("block_size") ?? positions,
    vocab_size: args.get("vocab_size") ?? vocab,
    // minGPT keeps a head of its own; nanoGPT's is the embedding, under both names.
    tie_word_embeddings: args.size > 0,
  };
}

/** @throws FormatError when the file holds no GPT-2 */
export async function minGptCheckpoint(source: SourceLike, given: Readonly<Record<string, unknown>>): Promise<Checkpoint> {
  const file = await open(source);
  const root = new Map(plain(file.value));
  const found = [root, new Map(plain(root.get("model"))), new Map(plain(root.get("state_dict")))].find((m) =>
    [...m.keys()].some((k) => k.endsWith("wte.weight")),
  );
  const name = typeof source === "string" ? source : "file";
  if (!found) {
    await file.close();
    throw new FormatError({
      op: "fromPretrained",
      message: `${name} holds no GPT-2: no transformer.wte.weight`,
      hint: "Give a folder with config.json, a GGUF file, or a checkpoint of nanoGPT or minGPT",
    });
  }
  const named = [...found].filter((e): e is [string, StoredTensor] => isStored(e[1]));
  const tensors = new Map(named.map(([k, t]) => [k.replace(/^(_orig_mod\.|module\.)+/, ""), t]));
  const config = { ...configOf(new Map(plain(root.get("model_args"))), tensors), ...given };
  if (!("n_head" in config) && !("nHead" in config)) {
    await file.close();
    throw new FormatError({
      op: "fromPretrained",
      message: `${name} does not say how many heads there are`,
      hint: "Give { config: { nHead } }",
    });
  }
  return { name, config, tensors: async () => tensors, close: () => file.close() };
}
