// A decoder-only transformer after GPT-2: learned positions, pre-norm blocks, causal attention. In the comments, B sequences of
// T tokens are C wide, in H heads of D = C / H.
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
  readonly config: GptConfig;
  readonly c_attn: nn.Linear;
  readonly c_proj: nn.Linear;
  constructor(config: GptConfig) {
    super();
    this.config = config;
    this.c_attn = new nn.Linear(config.nEmbd, 3 * config.nEmbd);
    this.c_proj = new nn.Linear(config.nEmbd, config.nEmbd);
  }
  forward(x: Tensor): Tensor {
    const [B, T, C] = x.shape as [number, number, number];
    const { nHead, dropout } = this.config;
    const heads = (t: Tensor): Tensor => t.view([B, T, nHead, C / nHead]).transpose(1, 2); // [B, T, C] → [B, H, T, D]
    const [q, k, v] = this.c_attn.forward(x).split(C, 2).map(heads) as [Tensor, Tensor, Tensor];
    const y = F.scaledDotProductAttention(q, k, v, { isCausal: true, dropoutP: this.training ? dropout : 0 }); // [B, H, T, D]
    return F.dropout(this.c_proj.forward(y.transpose(1, 2).reshape([B, T, C])), dropout, this.training); // [B, T, C]
  }
}

class MLP extends nn.Module {
  readonly dropout: number;
  readonly c_fc: nn.Linear;
  readonly c_proj: nn.Linear;
  constructor(config: GptConfig) {
    super();
    this.dropout = config.dropout;
    this.c_fc = new nn.Linear(config.nEmbd, 4 * config.nEmbd);
    this.c_proj = new nn.Linear(4 * config.nEmbd, config.nEmbd);
  }
  forward(x: Tensor): Tensor {
    const y = F.gelu(this.c_fc.forward(x)); // [B, T, 4C]
    return F.dropout(this.c_proj.forward(y), this.dropout, this.training); // [B, T, C]
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
    x = x.add(this.attn.forward(this.ln_1.forward(x))); // [B, T, C]
    return x.add(this.mlp.forward(this.ln_2.forward(x))); // [B, T, C]
  }
}

/** The language model: token numbers [B, T] → scores of the next token [B, T, vocabSize]. */
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
    // GPT-2's initialisation, but for its 0.02: 1/√C keeps the scale of what passes through a layer at any width, and a narrow
    // model then begins to learn at once.
    const std = 1 / Math.sqrt(config.nEmbd);
    for (const [name, p] of this.namedParameters()) {
      if (name.endsWith("c_proj.weight")) nn.init.normal_(p, 0, std / Math.sqrt(2 * config.nLayer));
      else if (p.ndim === 2) nn.init.normal_(p, 0, std);
      else if (name.endsWith("bias")) nn.init.zeros_(p);
    }
  }
  forward(tokens: Tensor): Tensor {
    const T = tokens.shape[1]!;
    const positions = torch.arange(T, { device: tokens.device }); // [T]
    let x = this.wte.forward(tokens).add(this.wpe.forward(positions)); // [B, T, C]
    x = F.dropout(x, this.config.dropout, this.training);
    for (const block of this.h) x = block.forward(x);
    return this.lm_head.forward(this.ln_f.forward(x)); // [B, T, vocabSize]
  }
  /** Mean cross-entropy of the next token: tokens and targets [B, T] → []. */
  loss(tokens: Tensor, targets: Tensor): Tensor {
    const logits = this.forward(tokens); // [B, T, vocabSize]
    return F.crossEntropy(logits.view([-1, this.config.vocabSize]), targets.reshape([-1]));
  }
  /** Draws `count` tokens one by one after `prompt`, the likelier ones more often the lower the temperature. */
  *generate(prompt: Iterable<number>, count: number, temperature = 0.8): Generator<number> {
    const tokens = [...prompt];
    for (let i = 0; i < count; i++) {
      const token = torch.noGrad(() => {
        const window = torch.tensor([tokens.slice(-this.config.blockSize)], { dtype: "int64", device: this.wte.weight.device }); // [1, T]
        const logits = this.forward(window).index(0, -1); // [vocabSize]
        return torch.multinomial(logits.div(temperature).softmax(-1), 1).itemSync();
      });
      tokens.push(token);
      yield token;
    }
  }
}
