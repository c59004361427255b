// What the tests of generation share: the tiny models that transformers made, and a tokenizer of letters.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CausalLM, Decoder } from "../../src/generation/index.ts";
import * as torch from "../../src/index.ts";
import { GPT2LMHeadModel, LlamaForCausalLM } from "../../src/models/index.ts";

/** A file of this folder, in the sources. */
export const recorded = (name: string): string => join(process.cwd(), "test", "generation", name);

/** A model that tells how many tokens each of its passes took. */
export type Counted = CausalLM & { readonly passes: number[] };

/** An architecture that is recorded. */
export type Architecture = "gpt2" | "llama";
/** All of them. */
export const architectures: readonly Architecture[] = ["gpt2", "llama"];
const MAKE: Readonly<Record<Architecture, () => GPT2LMHeadModel | LlamaForCausalLM>> = {
  gpt2: () => new GPT2LMHeadModel({ vocabSize: 64, nPositions: 48, nEmbd: 16, nLayer: 2, nHead: 2 }),
  llama: () =>
    new LlamaForCausalLM({
      vocabSize: 64,
      maxPositionEmbeddings: 48,
      hiddenSize: 16,
      intermediateSize: 32,
      numHiddenLayers: 2,
      numAttentionHeads: 4,
      numKeyValueHeads: 2,
    }),
};
/** A recorded model. `noise` changes its weights a little: a draft model with the same vocabulary. */
export async function tiny(architecture: Architecture = "gpt2", noise = 0): Promise<Counted> {
  const model = MAKE[architecture]().eval();
  const weights = (await torch.io.loadSafetensors(new Uint8Array(readFileSync(recorded(`${architecture}.safetensors`))))) as Record<
    string,
    torch.Tensor
  >;
  const generator = new torch.Generator().manualSeed(3);
  const state = Object.entries(weights).map(([name, t]): [string, torch.Tensor] => {
    const f = t.to("float32");
    return [name, noise > 0 ? f.add(torch.randn(f.shape, { generator }).mul(noise)) : f];
  });
  model.loadStateDict(new Map(state), { strict: false });
  const passes: number[] = [];
  return {
    passes,
    // As the files say it: no token ends a text.
    config: { vocabSize: 64, maxPositionEmbeddings: 48 },
    newCache: (sizes) => model.newCache(sizes),
    forward(inputIds, options) {
      passes.push(inputIds.shape[1]!);
      return model.forward(inputIds, options as Parameters<typeof model.forward>[1]);
    },
  };
}

/** Ids as text: letters and signs, and bytes of é, which takes two tokens (60, 61). */
export const letters: Decoder = {
  decode: (ids) =>
    new TextDecoder().decode(
      Uint8Array.from(ids, (id) => (id === 60 ? 0xc3 : id === 61 ? 0xa9 : id < 26 ? 97 + id : id < 52 ? 39 + id : id - 4)),
    ),
};
/** The letters of a text as ids. */
export const idsOf = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0) - 97);

/** A model whose answer is given: after n tokens in all comes `answer[n - start]`. */
export function scripted(answer: readonly number[], start: number): Counted {
  const passes: number[] = [];
  return {
    passes,
    config: { vocabSize: 64 },
    newCache: ({ length }) => {
      const cache = { length: 0, maxLength: length, truncate: (n: number) => void (cache.length = n), reorder: () => {} };
      return cache;
    },
    forward(inputIds, { cache, logitsToKeep } = {}) {
      const c = cache as { length: number };
      const [from, count] = [c.length, inputIds.shape[1]!];
      passes.push(count);
      c.length += count;
      const next = Array.from(
        { length: logitsToKeep ?? count },
        (_, i) => answer[from + count - (logitsToKeep ?? count) + i + 1 - start] ?? 0,
      );
      return { logits: torch.nn.functional.oneHot(torch.tensor([next], { dtype: "int64" }), 64).to("float32") };
    },
  };
}
