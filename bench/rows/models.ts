// Whole models: training steps (forward, loss, backward, clip, AdamW) and inference. models.py has the same in PyTorch.
import * as torch from "firebrand";
import { nn, optim, type Tensor } from "firebrand";
import { GPT } from "../../examples/gpt/model.ts";
import { r, type Row, type Rows } from "./row.ts";

const F = nn.functional;

/** One training step of a model. */
function training(model: nn.Module, loss: () => Tensor): () => void {
  const params = [...model.parameters()];
  const optimizer = new optim.AdamW(params, { lr: 1e-3 });
  return () => {
    const l = loss();
    optimizer.zeroGrad();
    l.backward();
    nn.utils.clipGradNorm_(params, 1);
    optimizer.step();
  };
}

class Block extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly bn1: nn.BatchNorm2d;
  readonly conv2: nn.Conv2d;
  readonly bn2: nn.BatchNorm2d;
  readonly downsample: nn.Sequential | null;
  constructor(inside: number, out: number, stride: number) {
    super();
    this.conv1 = new nn.Conv2d(inside, out, 3, { stride, padding: 1, bias: false });
    this.bn1 = new nn.BatchNorm2d(out);
    this.conv2 = new nn.Conv2d(out, out, 3, { padding: 1, bias: false });
    this.bn2 = new nn.BatchNorm2d(out);
    this.downsample =
      stride === 1 && inside === out
        ? null
        : new nn.Sequential(new nn.Conv2d(inside, out, 1, { stride, bias: false }), new nn.BatchNorm2d(out));
  }
  forward(x: Tensor): Tensor {
    const y = this.bn2.forward(this.conv2.forward(this.bn1.forward(this.conv1.forward(x)).relu()));
    return y.add(this.downsample ? this.downsample.forward(x) : x).relu();
  }
}
class ResNet18 extends nn.Module {
  readonly conv1 = new nn.Conv2d(3, 64, 7, { stride: 2, padding: 3, bias: false });
  readonly bn1 = new nn.BatchNorm2d(64);
  readonly maxpool = new nn.MaxPool2d(3, { stride: 2, padding: 1 });
  readonly layers: nn.Sequential;
  readonly fc: nn.Linear;
  constructor(classes: number) {
    super();
    const layer = (inside: number, out: number, stride: number): nn.Module[] => [new Block(inside, out, stride), new Block(out, out, 1)];
    this.layers = new nn.Sequential(
      ...([...layer(64, 64, 1), ...layer(64, 128, 2), ...layer(128, 256, 2), ...layer(256, 512, 2)] as Block[]),
    );
    this.fc = new nn.Linear(512, classes);
  }
  forward(x: Tensor): Tensor {
    const y = this.layers.forward(this.maxpool.forward(this.bn1.forward(this.conv1.forward(x)).relu())) as Tensor;
    return this.fc.forward(y.mean([2, 3]));
  }
}
class Sequence extends nn.Module {
  readonly lstm = new nn.LSTM(128, 256, { numLayers: 2, batchFirst: true });
  readonly head = new nn.Linear(256, 64);
  forward(x: Tensor): Tensor {
    return this.head.forward(this.lstm.forward(x)[0]);
  }
}
const gpt = (V: number, L: number, H: number, E: number, T: number): GPT =>
  new GPT({ vocabSize: V, blockSize: T, nLayer: L, nHead: H, nEmbd: E, dropout: 0 });

/** GPT-2's block with a cache of keys and values, for decoding. */
class CachedBlock extends nn.Module {
  readonly ln1: nn.LayerNorm;
  readonly attn: nn.Linear;
  readonly proj: nn.Linear;
  readonly ln2: nn.LayerNorm;
  readonly fc: nn.Linear;
  readonly out: nn.Linear;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly heads: number;
  constructor(C: number, heads: number, length: number) {
    super();
    this.heads = heads;
    this.ln1 = new nn.LayerNorm(C);
    this.attn = new nn.Linear(C, 3 * C);
    this.proj = new nn.Linear(C, C);
    this.ln2 = new nn.LayerNorm(C);
    this.fc = new nn.Linear(C, 4 * C);
    this.out = new nn.Linear(4 * C, C);
    this.k = torch.zeros(1, heads, length, C / heads);
    this.v = torch.zeros(1, heads, length, C / heads);
  }
  forward(x: Tensor, at: number): Tensor {
    const [, T, C] = x.shape as [number, number, number];
    const split = this.attn.forward(this.ln1.forward(x)).view([1, T, 3, this.heads, C / this.heads]);
    const [q, k, v] = [0, 1, 2].map((i) => split.select(2, i).transpose(1, 2)) as [Tensor, Tensor, Tensor];
    this.k.narrow(2, at, T).copy_(k);
    this.v.narrow(2, at, T).copy_(v);
    const y = F.scaledDotProductAttention(q, this.k.narrow(2, 0, at + T), this.v.narrow(2, 0, at + T), { isCausal: T > 1 });
    const z = x.add(this.proj.forward(y.transpose(1, 2).reshape([1, T, C])));
    return z.add(this.out.forward(F.gelu(this.fc.forward(this.ln2.forward(z)), { approximate: "tanh" })));
  }
}
class Gpt2 extends nn.Module {
  readonly wte = new nn.Embedding(50257, 768);
  readonly wpe = new nn.Embedding(1024, 768);
  readonly h = new nn.ModuleList(Array.from({ length: 12 }, () => new CachedBlock(768, 12, 1024)));
  readonly ln = new nn.LayerNorm(768);
  forward(ids: Tensor, at: number): Tensor {
    const T = ids.shape[1]!;
    let x = this.wte.forward(ids).add(this.wpe.forward(torch.arange(at, at + T)));
    for (const b of this.h) x = b.forward(x, at);
    return F.linear(this.ln.forward(x.narrow(1, T - 1, 1)), this.wte.weight); // [1, 1, V]
  }
}

const image =
  (make: () => nn.Module & { forward(x: Tensor): Tensor }, shape: number[]): Row =>
  () => {
    const [m, x] = [make().eval() as ReturnType<typeof make>, r(...shape)];
    return () => torch.noGrad(() => m.forward(x));
  };
const classes = (m: nn.Module & { forward(x: Tensor): Tensor }, x: Tensor, n: number): (() => void) => {
  const y = torch.randint(0, n, [x.shape[0]!]);
  return training(m, () => F.crossEntropy(m.forward(x), y));
};
/** A training step of a GPT: vocabulary, layers, heads, width, context, batch. */
export const language =
  (V: number, L: number, H: number, E: number, T: number, B: number): Row =>
  () => {
    const m = gpt(V, L, H, E, T);
    const [x, y] = [torch.randint(0, V, [B, T]), torch.randint(0, V, [B, T])];
    return training(m, () => m.loss(x, y));
  };

/** Training and inference rows by name. */
export const models: Rows = {
  "train MLP 784-512-256-10, batch 64": () =>
    classes(
      new nn.Sequential(new nn.Linear(784, 512), new nn.ReLU(), new nn.Linear(512, 256), new nn.ReLU(), new nn.Linear(256, 10)) as never,
      r(64, 784),
      10,
    ),
  "train CNN 28x28, batch 64": () =>
    classes(
      new nn.Sequential(
        ...([
          new nn.Conv2d(1, 32, 3, { padding: 1 }),
          new nn.ReLU(),
          new nn.MaxPool2d(2),
          new nn.Conv2d(32, 64, 3, { padding: 1 }),
          new nn.ReLU(),
          new nn.MaxPool2d(2),
          new nn.Flatten(),
          new nn.Linear(64 * 49, 128),
          new nn.ReLU(),
          new nn.Linear(128, 10),
        ] as never[]),
      ) as never,
      r(64, 1, 28, 28),
      10,
    ),
  "train ResNet-18 3x32x32, batch 32": () => classes(new ResNet18(10), r(32, 3, 32, 32), 10),
  "train LSTM 2x256, sequence 64, batch 32": () => {
    const m = new Sequence();
    const [x, y] = [r(32, 64, 128), torch.randint(0, 64, [32 * 64])];
    return training(m, () => F.crossEntropy(m.forward(x).view([-1, 64]), y));
  },
  "train GPT 4 layers d128, context 128, batch 16": language(65, 4, 4, 128, 128, 16),
  "train GPT 6 layers d384, context 256, batch 8": language(65, 6, 6, 384, 256, 8),
  "train Transformer d256, 3+3 layers, 64 tokens, batch 16": () => {
    const m = new nn.Transformer({
      dModel: 256,
      nhead: 8,
      numEncoderLayers: 3,
      numDecoderLayers: 3,
      dimFeedforward: 1024,
      dropout: 0,
      batchFirst: true,
    });
    const [x, y] = [r(16, 64, 256), r(16, 64, 256)];
    const mask = nn.Transformer.generateSquareSubsequentMask(64);
    return training(m, () => m.forward(x, y, { tgtMask: mask }).square().mean());
  },
  "ResNet-18 224, batch 1": image(() => new ResNet18(1000), [1, 3, 224, 224]),
  "ResNet-18 224, batch 8": image(() => new ResNet18(1000), [8, 3, 224, 224]),
  "GPT-2 124M, prefill 128": () => {
    const m = new Gpt2().eval();
    const ids = torch.randint(0, 50257, [1, 128]);
    return () => torch.noGrad(() => m.forward(ids, 0));
  },
  "GPT-2 124M, decode one token after 128": () => {
    const m = new Gpt2().eval();
    const id = torch.randint(0, 50257, [1, 1]);
    return () => torch.noGrad(() => m.forward(id, 128));
  },
  "BERT-base, 128 tokens": () => {
    const layer = new nn.TransformerEncoderLayer(768, 12, {
      dimFeedforward: 3072,
      activation: "gelu",
      batchFirst: true,
      layerNormEps: 1e-12,
    });
    const m = new nn.TransformerEncoder(layer, 12).eval();
    const x = r(1, 128, 768);
    return () => torch.noGrad(() => m.forward(x));
  },
};
