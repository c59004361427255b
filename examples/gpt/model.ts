// A decoder-only transformer after GPT-2: learned positions, pre-norm blocks, causal attention, a tied-free head.
import * as torch from "firebrand";
import { nn, type Tensor } from "firebrand";

const F = nn.functional;

/** The model's sizes. */
export interface GptConfig {
  vocabSize: number;
  blockSize: number;
  nLayer: number;
  nHead: number;
  nEmbd: number;
  dropout: number;
}

class CausalSelfAttention extends nn.Module {
  readonly c_attn: nn.Linear;
  readonly c_proj: nn.Linear;
  readonly config: GptConfig;
  constructor(config: GptConfig) {
    super();
    this.config = config;
    this.c_attn = new nn.Linear(config.nEmbd, 3 * config.nEmbd);
    this.c_proj = new nn.Linear(config.nEmbd, config.nEmbd);
  }
  forward(x: Tensor): Tensor {
    const [B, T, C] = x.shape as [number, number, number];
    const { nHead, dropout } = this.config;
    const heads = (t: Tensor): Tensor => t.view([B, T, nHead, C / nHead]).transpose(1, 2); // [B, H, T, D]
    const [q, k, v] = this.c_attn.forward(x).split(C, 2).map(heads) as [Tensor, Tensor, Tensor];
    const y = F.scaledDotProductAttention(q, k, v, { isCausal: true, dropoutP: this.training ? dropout : 0 });
    return F.dropout(this.c_proj.forward(y.transpose(1, 2).reshape([B, T, C])), dropout, this.training);
  }
}

class MLP extends nn.Module {
  readonly c_fc: nn.Linear;
  readonly c_proj: nn.Linear;
  readonly dropout: number;
  constructor(config: GptConfig) {
    super();
    this.c_fc = new nn.Linear(config.nEmbd, 4 * config.nEmbd);
    this.c_proj = new nn.Linear(4 * config.nEmbd, config.nEmbd);
    this.dropout = config.dropout;
  }
  forward(x: Tensor): Tensor {
    return F.dropout(this.c_proj.forward(F.gelu(this.c_fc.forward(x))), this.dropout, this.training);
  }
}

class Block extends nn.Module {
  readonly ln_1: nn.LayerNorm;
  readonly attn: CausalSelfAttention;
  readonly ln_2: nn.LayerNorm;
  readonly mlp: MLP;
  constructor(config: GptConfig) {
    super();
    this.ln_1 = new nn.LayerNorm(config.nEmbd);
    this.attn = new CausalSelfAttention(config);
    this.ln_2 = new nn.LayerNorm(config.nEmbd);
    this.mlp = new MLP(config);
  }
  forward(x: Tensor): Tensor {
    const y = x.add(this.attn.forward(this.ln_1.forward(x)));
    return y.add(this.mlp.forward(this.ln_2.forward(y)));
  }
}

/** The language model: token numbers [B, T] → scores [B, T, vocabSize]. */
export class GPT extends nn.Module {
  readonly config: GptConfig;
  readonly wte: nn.Embedding;
  readonly wpe: nn.Embedding;
  readonly h: nn.ModuleList<Block>;
  readonly ln_f: nn.LayerNorm;
  readonly lm_head: nn.Linear;
  constructor(config: GptConfig) {
    super();
    this.config = config;
    this.wte = new nn.Embedding(config.vocabSize, config.nEmbd);
    this.wpe = new nn.Embedding(config.blockSize, config.nEmbd);
    this.h = new nn.ModuleList(Array.from({ length: config.nLayer }, () => new Block(config)));
    this.ln_f = new nn.LayerNorm(config.nEmbd);
    this.lm_head = new nn.Linear(config.nEmbd, config.vocabSize, { bias: false });
    // GPT-2's initialisation: narrow normals, residual projections narrower still with depth.
    for (const [name, p] of this.namedParameters()) {
      if (name.endsWith("c_proj.weight")) nn.init.normal_(p, 0, 0.02 / Math.sqrt(2 * config.nLayer));
      else if (p.ndim === 2) nn.init.normal_(p, 0, 0.02);
      else if (name.endsWith("bias")) nn.init.zeros_(p);
    }
  }
  forward(tokens: Tensor): Tensor {
    const T = tokens.shape[1]!;
    let x = this.wte.forward(tokens).add(this.wpe.forward(torch.arange(T, { device: tokens.device })));
    x = F.dropout(x, this.config.dropout, this.training);
    for (const block of this.h) x = block.forward(x);
    return this.lm_head.forward(this.ln_f.forward(x));
  }
  /** Mean cross-entropy of the next token. */
  loss(tokens: Tensor, targets: Tensor): Tensor {
    const logits = this.forward(tokens);
    return F.crossEntropy(logits.view([-1, this.config.vocabSize]), targets.reshape([-1]));
  }
  /** Draws tokens one by one after `prompt`. */
  *generate(prompt: readonly number[], count: number, temperature = 0.8): Generator<number> {
    const tokens = [...prompt];
    for (let i = 0; i < count; i++) {
      const next = torch.noGrad(() => {
        const window = torch.tensor([tokens.slice(-this.config.blockSize)], { dtype: "int64", device: this.wte.weight.device });
        const logits = this.forward(window).index(0, -1).div(temperature);
        return torch.multinomial(logits.softmax(-1), 1).itemSync();
      });
      tokens.push(next);
      yield next;
    }
  }
}
