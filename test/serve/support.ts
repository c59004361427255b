// What the tests of the server share: a recorded model of 64 tokens, and a tokenizer of single bytes for it.
import { join } from "node:path";
import { AutoModelForCausalLM, type CausalModel } from "../../src/models/index.ts";
import { spell } from "../../src/tokenizers/bytes.ts";
import { AutoTokenizer, memoryFiles, type Tokenizer } from "../../src/tokenizers/index.ts";

const text = 'abcdefghijklmnopqrstuvwxyz0123456789 {}[]":,.-\n!?<>|/';
// The bytes of é, € and 😂: a model that draws at random breaks characters.
const parts = [0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98];
/** Files of the tokenizer: <pad>, <s>, </s>, and 61 bytes. */
export const tokenizerFiles: Readonly<Record<string, Uint8Array>> = (() => {
  const special = ["<pad>", "<s>", "</s>"];
  const bytes = [...new TextEncoder().encode(text), ...parts];
  const vocab = Object.fromEntries([...special, ...bytes.map((b) => spell(Uint8Array.of(b)))].map((t, id) => [t, id]));
  const json = (x: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(x));
  return {
    "tokenizer.json": json({
      version: "1.0",
      added_tokens: special.map((content, id) => ({
        id,
        content,
        special: true,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
      })),
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      model: { type: "BPE", vocab, merges: [], unk_token: null },
    }),
    "tokenizer_config.json": json({
      bos_token: "<s>",
      eos_token: "</s>",
      pad_token: "<pad>",
      chat_template:
        "{% for m in messages %}{% if m.role not in ['system', 'user', 'assistant'] %}{{ raise_exception('no such role') }}{% endif %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
    }),
  };
})();
/** That tokenizer. */
export const tinyTokenizer = (): Promise<Tokenizer> => AutoTokenizer.fromPretrained(memoryFiles(tokenizerFiles));

/**
 * A recorded model with room for long texts. In float64: batches of other sizes add up in another order, which in float32 now and then changes the
 * likeliest of two tokens.
 */
export const tinyModel = (name = "llama"): Promise<CausalModel> =>
  AutoModelForCausalLM.fromPretrained(join(process.cwd(), "test", "models", "recorded", name), {
    dtype: "float64",
    config: { max_position_embeddings: 2048, n_positions: undefined },
  });

/** A figure of a server's metrics: the sum over its labels, or that of some. */
export async function figure(server: { readonly url: string }, name: string, labels = ""): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const lines = text.split("\n").filter((l) => (l.startsWith(`${name}{`) || l.startsWith(`${name} `)) && l.includes(labels));
  return lines.reduce((n, l) => n + Number(l.slice(l.lastIndexOf(" "))), 0);
}
/** Waits until something holds. */
export async function until(holds: () => Promise<boolean> | boolean, what: string): Promise<void> {
  for (const end = performance.now() + 10_000; performance.now() < end; await new Promise((wake) => setTimeout(wake, 10)))
    if (await holds()) return;
  throw new Error(`never: ${what}`);
}
