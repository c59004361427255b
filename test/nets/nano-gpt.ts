// minGPT's smallest model (Karpathy, "gpt-nano"): three blocks of GPT-2 that learned to sort six letters out of A, B and C.
import * as torch from "firebrand";
import { nn, type Tensor } from "firebrand";

const F = nn.functional;
const [C, HEADS, T] = [48, 3, 11]; // features, heads, longest sequence

/** Is shown every intermediate tensor under a name such as `h.0.att`. */
export type Probe = (name: string, value: Tensor) => void;

class Attention extends nn.Module {
  c_attn = new nn.Linear(C, 3 * C);
  c_proj = new nn.Linear(C, C);
  declare bias: Tensor; // the causal mask: ones on and below the diagonal
  constructor() {
    super();
    this.registerBuffer("bias", torch.ones(T, T).tril().view([1, 1, T, T]));
  }
  forward(x: Tensor, see: Probe): Tensor {
    const [b, t] = x.shape as [number, number];
    const qkv = this.c_attn.forward(x); // [B, t, 3C]
    const [q, k, v] = qkv.split(C, 2).map((p) => p.view([b, t, HEADS, C / HEADS]).transpose(1, 2)) as [Tensor, Tensor, Tensor]; // [B, H, t, D]
    const mask = this.bias.narrow(2, 0, t).narrow(3, 0, t); // [1, 1, t, t]
    const att = q
      .matmul(k.transpose(-2, -1))
      .div(Math.sqrt(C / HEADS))
      .maskedFill(mask.eq(0), -Infinity); // [B, H, t, t]
    const attSm = att.softmax(-1);
    const y = attSm.matmul(v).transpose(1, 2).reshape([b, t, C]); // [B, t, C]
    const yProj = this.c_proj.forward(y);
    for (const [name, value] of Object.entries({ qkv, q, k, v, att, attSm, y, yProj })) see(name, value);
    return yProj;
  }
}

class MLP extends nn.Module {
  c_fc = new nn.Linear(C, 4 * C);
  c_proj = new nn.Linear(4 * C, C);
  forward(x: Tensor, see: Probe): Tensor {
    const fc = this.c_fc.forward(x); // [B, t, 4C]
    const gelu = F.gelu(fc, { approximate: "tanh" });
    const mlp = this.c_proj.forward(gelu); // [B, t, C]
    for (const [name, value] of Object.entries({ fc, gelu, mlp })) see(name, value);
    return mlp;
  }
}

class Block extends nn.Module {
  ln_1 = new nn.LayerNorm(C);
  attn = new Attention();
  ln_2 = new nn.LayerNorm(C);
  mlp = new MLP();
  forward(x: Tensor, see: Probe): Tensor {
    const ln1 = this.ln_1.forward(x);
    const attnResid = x.add(this.attn.forward(ln1, see));
    const ln2 = this.ln_2.forward(attnResid);
    const mlpResid = attnResid.add(this.mlp.forward(ln2, see));
    for (const [name, value] of Object.entries({ ln1, attnResid, ln2, mlpResid })) see(name, value);
    return mlpResid;
  }
}

class Transformer extends nn.Module {
  wte = new nn.Embedding(3, C);
  wpe = new nn.Embedding(T, C);
  h = new nn.ModuleList([new Block(), new Block(), new Block()]);
  ln_f = new nn.LayerNorm(C);
  forward(idx: Tensor, see: Probe): Tensor {
    const tok_emb = this.wte.forward(idx); // [B, t, C]
    const pos_emb = this.wpe.forward(torch.arange(idx.shape[1]!).unsqueeze(0)); // [1, t, C]
    let x = tok_emb.add(pos_emb);
    for (const [name, value] of Object.entries({ tok_emb, pos_emb, x })) see(name, value);
    [...this.h].forEach((block, i) => {
      x = block.forward(x, (name, value) => see(`h.${i}.${name}`, value));
      see(`block${i}`, x);
    });
    return this.ln_f.forward(x);
  }
}

class NanoGpt extends nn.Module {
  transformer = new Transformer();
  lm_head = new nn.Linear(C, 3, { bias: false });
  forward(idx: Tensor, see: Probe = () => {}): Tensor {
    const ln_f = this.transformer.forward(idx, see); // [B, t, C]
    const lm_head = this.lm_head.forward(ln_f); // [B, t, 3]
    for (const [name, value] of Object.entries({ ln_f, lm_head, probs: lm_head.softmax(-1) })) see(name, value);
    return lm_head;
  }
}

/** The model, untrained: tokens [B, t ≤ 11] of int64 → scores [B, t, 3]. */
export const nanoGpt = (): nn.Module & { forward(idx: Tensor, see?: Probe): Tensor } => new NanoGpt().eval();

/** Sorts rows of six letters, greedily: [B, 6] → [B, 6]. */
export function sort(model: ReturnType<typeof nanoGpt>, letters: Tensor): Tensor {
  let idx = letters;
  for (let i = 0; i < 6; i++) {
    const last = model.forward(idx).select(1, -1); // [B, 3]
    idx = torch.cat([idx, last.argmax(-1, true)], 1); // [B, 7 + i]
  }
  return idx.narrow(1, 6, 6);
}
