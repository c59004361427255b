// A GPT-2 of two layers with a cache, written only with what generation asks of a model, on weights that transformers made.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Cache, CausalLM, Decoder, ForwardOptions } from "../../src/generation/index.ts";
import * as torch from "../../src/index.ts";
import { nn, type Tensor } from "../../src/index.ts";

const F = nn.functional;
/** A file of this folder, in the sources. */
export const recorded = (name: string): string => fileURLToPath(new URL(`../../../test/generation/${name}`, import.meta.url));

interface Options {
  /** Change the weights a little: another model with the same vocabulary, as a draft. */
  readonly noise?: number;
}

/** Loads the model; counts its passes. */
export async function tinyModel(options: Options = {}): Promise<CausalLM & { passes: number[] }> {
  const weights = (await torch.io.loadSafetensors(new Uint8Array(readFileSync(recorded("gpt2.safetensors"))))) as Record<string, Tensor>;
  const w = new Map<string, Tensor>();
  const generator = new torch.Generator().manualSeed(3);
  for (const [name, t] of Object.entries(weights)) {
    const f = t.to("float32");
    w.set(name.replace(/^transformer\./, ""), options.noise ? f.add(torch.randn(f.shape, { generator }).mul(options.noise)) : f);
  }
  const get = (name: string): Tensor => w.get(name)!;
  const [vocabSize, width] = get("wte.weight").shape as [number, number];
  const layers = 2;
  const heads = 2;
  const head = width / heads;
  const norm = (x: Tensor, name: string): Tensor => F.layerNorm(x, [width], get(`${name}.weight`), get(`${name}.bias`));
  const conv1d = (x: Tensor, name: string): Tensor => x.matmul(get(`${name}.weight`)).add(get(`${name}.bias`)); // [in, out], as GPT-2's files have it
  const passes: number[] = [];

  class TinyCache implements Cache {
    length = 0;
    readonly maxLength: number;
    readonly k: Tensor[];
    readonly v: Tensor[];
    constructor(batch: number, length: number) {
      this.maxLength = length;
      const empty = (): Tensor => torch.zeros(batch, heads, length, head);
      this.k = Array.from({ length: layers }, empty);
      this.v = Array.from({ length: layers }, empty);
    }
    truncate(length: number): void {
      this.length = Math.min(this.length, length);
    }
    reorder(rows: readonly number[]): void {
      const index = torch.tensor([...rows], { dtype: "int64" });
      for (const part of [this.k, this.v]) part.forEach((t, i) => (part[i] = t.indexSelect(0, index)));
    }
  }

  return {
    passes,
    config: { vocabSize, maxPositionEmbeddings: get("wpe.weight").shape[0]! },
    newCache: ({ batch, length }) => new TinyCache(batch, length),
    forward(inputIds: Tensor, { attentionMask = null, cache = null, logitsToKeep }: ForwardOptions = {}) {
      const [batch, count] = inputIds.shape as [number, number];
      passes.push(count);
      const c = (cache ?? new TinyCache(batch, count)) as TinyCache;
      const [start, end] = [c.length, c.length + count];
      const mask = attentionMask ?? torch.ones(batch, end, { dtype: "int64" });
      const positions = mask.cumsum(1).sub(1).clamp(0).narrow(1, start, count);
      let x = F.embedding(inputIds, get("wte.weight")).add(F.embedding(positions, get("wpe.weight")));
      const causal = torch.ones(count, end).tril(start).to("bool").unsqueeze(0).logicalAnd(mask.to("bool").unsqueeze(1)).unsqueeze(1);
      for (let i = 0; i < layers; i++) {
        const split = (t: Tensor): Tensor => t.view([batch, count, heads, head]).transpose(1, 2);
        const [q, k, v] = conv1d(norm(x, `h.${i}.ln_1`), `h.${i}.attn.c_attn`)
          .chunk(3, -1)
          .map(split) as [Tensor, Tensor, Tensor];
        c.k[i]!.narrow(2, start, count).copy_(k);
        c.v[i]!.narrow(2, start, count).copy_(v);
        const scores = q.matmul(c.k[i]!.narrow(2, 0, end).transpose(2, 3)).div(Math.sqrt(head));
        // As transformers: masked positions get the least number, so that a row of padding does not give NaN.
        const p = scores.maskedFill(causal.logicalNot(), -3.4e38).softmax(-1);
        x = x.add(
          conv1d(
            p
              .matmul(c.v[i]!.narrow(2, 0, end))
              .transpose(1, 2)
              .reshape([batch, count, width]),
            `h.${i}.attn.c_proj`,
          ),
        );
        const up = F.gelu(conv1d(norm(x, `h.${i}.ln_2`), `h.${i}.mlp.c_fc`), { approximate: "tanh" });
        x = x.add(conv1d(up, `h.${i}.mlp.c_proj`));
      }
      c.length = end;
      const keep = logitsToKeep ?? count;
      return { logits: norm(x.narrow(1, count - keep, keep), "ln_f").matmul(get("wte.weight").t()) };
    },
  };
}

/** Ids as text: letters, and bytes of characters that take two tokens (60: the first half of é, 61: the second). */
export const letters: Decoder = {
  decode: (ids) => {
    const bytes = ids.flatMap((id) => (id === 60 ? [0xc3] : id === 61 ? [0xa9] : [id < 26 ? 97 + id : id < 52 ? 39 + id : id - 4]));
    return new TextDecoder().decode(Uint8Array.from(bytes));
  },
};
