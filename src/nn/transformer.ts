// Transformer layers. Vaswani et al. 2017; names and defaults are PyTorch's.
import { ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { zeros, ones } from "../ops/create.ts";
import * as F from "./functional.ts";
import { ModuleList } from "./container.ts";
import { xavierUniform_ } from "./init.ts";
import { Dropout } from "./layers.ts";
import { type FactoryOptions, Linear } from "./linear.ts";
import { cloneModule, Module } from "./module.ts";
import { LayerNorm } from "./norm.ts";
import { MultiheadAttention } from "./attention.ts";
import { bindNamed } from "../core/arguments.ts";

/** Options of transformer layers. */
export interface TransformerLayerOptions extends FactoryOptions {
  /** Width of the feed-forward network (default 2048). */
  dimFeedforward?: number;
  /** Probability of dropout (default 0.1). */
  dropout?: number;
  /** Between its two products: `"relu"` (default), `"gelu"` or a function. */
  activation?: "relu" | "gelu" | ((x: Tensor) => Tensor);
  /** eps of the norms (default 1e-5). */
  layerNormEps?: number;
  /** Is the batch the first dimension, before time? Default false. */
  batchFirst?: boolean;
  /** Norms before attention and feed-forward, instead of after? Default false. */
  normFirst?: boolean;
  /** Learn biases? Default true. */
  bias?: boolean;
}
const REST = [
  "dimFeedforward?",
  "dropout?",
  "activation?: function|relu|gelu",
  "layerNormEps?",
  "batchFirst?",
  "normFirst?",
  "bias?: flag",
  "device?",
  "dtype?",
];
const LAYER = ["dModel", "nhead", ...REST];
type LayerOptions = TransformerLayerOptions & { dModel: number; nhead: number };
const activationOf = (a: TransformerLayerOptions["activation"]): ((x: Tensor) => Tensor) =>
  typeof a === "function" ? a : a === "gelu" ? (x) => F.gelu(x) : (x) => F.relu(x);

/**
 * Self-attention and a feed-forward network, each with a residual and a norm: [T, N, dModel] → the same. Vaswani et al. 2017.
 * @example
 * manualSeed(0);
 * new nn.TransformerEncoderLayer(2, 1, { dropout: 0 }).forward(tensor([[[0.5, 1]]])) // => [[[1, -1]]]
 */
export class TransformerEncoderLayer extends Module {
  self_attn: MultiheadAttention;
  linear1: Linear;
  dropout: InstanceType<typeof Dropout>;
  linear2: Linear;
  norm1: LayerNorm;
  norm2: LayerNorm;
  dropout1: InstanceType<typeof Dropout>;
  dropout2: InstanceType<typeof Dropout>;
  readonly normFirst: boolean;
  readonly activation: (x: Tensor) => Tensor;
  constructor(dModel: number, nhead: number, options?: TransformerLayerOptions);
  constructor(...args: unknown[]) {
    super();
    const o = bindNamed<LayerOptions>("TransformerEncoderLayer", LAYER, args);
    const f = { device: o.device ?? null, dtype: o.dtype ?? null };
    const p = o.dropout ?? 0.1;
    const bias = o.bias !== false;
    const norm = { eps: o.layerNormEps ?? 1e-5, bias, ...f };
    this.self_attn = new MultiheadAttention(o.dModel, o.nhead, { dropout: p, bias, batchFirst: o.batchFirst ?? false, ...f });
    this.linear1 = new Linear(o.dModel, o.dimFeedforward ?? 2048, { bias, ...f });
    this.dropout = new Dropout(p);
    this.linear2 = new Linear(o.dimFeedforward ?? 2048, o.dModel, { bias, ...f });
    this.norm1 = new LayerNorm(o.dModel, norm);
    this.norm2 = new LayerNorm(o.dModel, norm);
    this.dropout1 = new Dropout(p);
    this.dropout2 = new Dropout(p);
    this.normFirst = o.normFirst ?? false;
    this.activation = activationOf(o.activation);
  }
  forward(src: Tensor, ...args: unknown[]): Tensor {
    const o = bindNamed<{ srcMask?: Tensor; srcKeyPaddingMask?: Tensor; isCausal?: boolean }>(
      "TransformerEncoderLayer",
      ["src", "srcMask?", "srcKeyPaddingMask?", "isCausal?"],
      [src, ...args],
    );
    const attend = (x: Tensor): Tensor =>
      this.dropout1.forward(
        this.self_attn.forward(x, x, x, {
          attnMask: o.srcMask ?? null,
          keyPaddingMask: o.srcKeyPaddingMask ?? null,
          needWeights: false,
          isCausal: o.isCausal ?? false,
        })[0],
      );
    const feed = (x: Tensor): Tensor =>
      this.dropout2.forward(this.linear2.forward(this.dropout.forward(this.activation(this.linear1.forward(x)))));
    if (this.normFirst) {
      const x = src.add(attend(this.norm1.forward(src)));
      return x.add(feed(this.norm2.forward(x)));
    }
    const x = this.norm1.forward(src.add(attend(src)));
    return this.norm2.forward(x.add(feed(x)));
  }
}

/**
 * Self-attention, attention to `memory`, and a feed-forward network.
 * @example new nn.TransformerDecoderLayer(4, 2).forward(ones(3, 1, 4), ones(5, 1, 4)).shape // => [3, 1, 4]
 */
export class TransformerDecoderLayer extends Module {
  self_attn: MultiheadAttention;
  multihead_attn: MultiheadAttention;
  linear1: Linear;
  dropout: InstanceType<typeof Dropout>;
  linear2: Linear;
  norm1: LayerNorm;
  norm2: LayerNorm;
  norm3: LayerNorm;
  dropout1: InstanceType<typeof Dropout>;
  dropout2: InstanceType<typeof Dropout>;
  dropout3: InstanceType<typeof Dropout>;
  readonly normFirst: boolean;
  readonly activation: (x: Tensor) => Tensor;
  constructor(dModel: number, nhead: number, options?: TransformerLayerOptions);
  constructor(...args: unknown[]) {
    super();
    const o = bindNamed<LayerOptions>("TransformerDecoderLayer", LAYER, args);
    const f = { device: o.device ?? null, dtype: o.dtype ?? null };
    const p = o.dropout ?? 0.1;
    const bias = o.bias !== false;
    const norm = { eps: o.layerNormEps ?? 1e-5, bias, ...f };
    const attention = (): MultiheadAttention =>
      new MultiheadAttention(o.dModel, o.nhead, { dropout: p, bias, batchFirst: o.batchFirst ?? false, ...f });
    this.self_attn = attention();
    this.multihead_attn = attention();
    this.linear1 = new Linear(o.dModel, o.dimFeedforward ?? 2048, { bias, ...f });
    this.dropout = new Dropout(p);
    this.linear2 = new Linear(o.dimFeedforward ?? 2048, o.dModel, { bias, ...f });
    this.norm1 = new LayerNorm(o.dModel, norm);
    this.norm2 = new LayerNorm(o.dModel, norm);
    this.norm3 = new LayerNorm(o.dModel, norm);
    this.dropout1 = new Dropout(p);
    this.dropout2 = new Dropout(p);
    this.dropout3 = new Dropout(p);
    this.normFirst = o.normFirst ?? false;
    this.activation = activationOf(o.activation);
  }
  forward(tgt: Tensor, memory: Tensor, ...args: unknown[]): Tensor {
    const o = bindNamed<{
      tgtMask?: Tensor;
      memoryMask?: Tensor;
      tgtKeyPaddingMask?: Tensor;
      memoryKeyPaddingMask?: Tensor;
      tgtIsCausal?: boolean;
      memoryIsCausal?: boolean;
    }>(
      "TransformerDecoderLayer",
      ["tgt", "memory", "tgtMask?", "memoryMask?", "tgtKeyPaddingMask?", "memoryKeyPaddingMask?", "tgtIsCausal?", "memoryIsCausal?"],
      [tgt, memory, ...args],
    );
    const self = (x: Tensor): Tensor =>
      this.dropout1.forward(
        this.self_attn.forward(x, x, x, {
          attnMask: o.tgtMask ?? null,
          keyPaddingMask: o.tgtKeyPaddingMask ?? null,
          needWeights: false,
          isCausal: o.tgtIsCausal ?? false,
        })[0],
      );
    const cross = (x: Tensor): Tensor =>
      this.dropout2.forward(
        this.multihead_attn.forward(x, memory, memory, {
          attnMask: o.memoryMask ?? null,
          keyPaddingMask: o.memoryKeyPaddingMask ?? null,
          needWeights: false,
          isCausal: o.memoryIsCausal ?? false,
        })[0],
      );
    const feed = (x: Tensor): Tensor =>
      this.dropout3.forward(this.linear2.forward(this.dropout.forward(this.activation(this.linear1.forward(x)))));
    if (this.normFirst) {
      const x = tgt.add(self(this.norm1.forward(tgt)));
      const y = x.add(cross(this.norm2.forward(x)));
      return y.add(feed(this.norm3.forward(y)));
    }
    const x = this.norm1.forward(tgt.add(self(tgt)));
    const y = this.norm2.forward(x.add(cross(x)));
    return this.norm3.forward(y.add(feed(y)));
  }
}

/**
 * A stack of copies of one encoder layer.
 * @example new nn.TransformerEncoder(new nn.TransformerEncoderLayer(4, 2), 2).forward(ones(3, 1, 4)).shape // => [3, 1, 4]
 */
export class TransformerEncoder extends Module {
  layers: ModuleList<TransformerEncoderLayer>;
  norm: LayerNorm | null;
  constructor(
    encoderLayer: TransformerEncoderLayer,
    numLayers: number,
    options?: { norm?: LayerNorm | null; enableNestedTensor?: boolean; maskCheck?: boolean },
  );
  constructor(...args: unknown[]) {
    super();
    const o = bindNamed<{ encoderLayer: TransformerEncoderLayer; numLayers: number; norm?: LayerNorm }>(
      "TransformerEncoder",
      ["encoderLayer: module", "numLayers: count", "norm?: module", "enableNestedTensor?", "maskCheck?"],
      args,
    );
    this.layers = new ModuleList(Array.from({ length: o.numLayers }, () => cloneModule(o.encoderLayer)));
    this.norm = o.norm ?? null;
  }
  forward(src: Tensor, ...args: unknown[]): Tensor {
    const o = bindNamed<{ mask?: Tensor; srcKeyPaddingMask?: Tensor; isCausal?: boolean }>(
      "TransformerEncoder",
      ["src", "mask?", "srcKeyPaddingMask?", "isCausal?"],
      [src, ...args],
    );
    let x = src;
    for (const l of this.layers) x = l.forward(x, { srcMask: o.mask ?? null, srcKeyPaddingMask: o.srcKeyPaddingMask ?? null });
    return this.norm ? this.norm.forward(x) : x;
  }
}
/**
 * A stack of copies of one decoder layer.
 * @example new nn.TransformerDecoder(new nn.TransformerDecoderLayer(4, 2), 2).forward(ones(3, 1, 4), ones(5, 1, 4)).shape // => [3, 1, 4]
 */
export class TransformerDecoder extends Module {
  layers: ModuleList<TransformerDecoderLayer>;
  norm: LayerNorm | null;
  constructor(decoderLayer: TransformerDecoderLayer, numLayers: number, norm?: LayerNorm | null | { norm?: LayerNorm | null });
  constructor(...args: unknown[]) {
    super();
    const o = bindNamed<{ decoderLayer: TransformerDecoderLayer; numLayers: number; norm?: LayerNorm }>(
      "TransformerDecoder",
      ["decoderLayer: module", "numLayers: count", "norm?: module"],
      args,
    );
    this.layers = new ModuleList(Array.from({ length: o.numLayers }, () => cloneModule(o.decoderLayer)));
    this.norm = o.norm ?? null;
  }
  forward(tgt: Tensor, memory: Tensor, ...args: unknown[]): Tensor {
    let x = tgt;
    for (const l of this.layers) x = l.forward(x, memory, ...args);
    return this.norm ? this.norm.forward(x) : x;
  }
}
/**
 * Encoder and decoder.
 * @example new nn.Transformer({ dModel: 4, nhead: 2, dimFeedforward: 8 }).forward(ones(5, 1, 4), ones(3, 1, 4)).shape // => [3, 1, 4]
 */
export class Transformer extends Module {
  encoder: TransformerEncoder;
  decoder: TransformerDecoder;
  constructor(
    options?: TransformerLayerOptions & { dModel?: number; nhead?: number; numEncoderLayers?: number; numDecoderLayers?: number },
  );
  constructor(...args: unknown[]) {
    super();
    const o = bindNamed<
      TransformerLayerOptions & { dModel?: number; nhead?: number; numEncoderLayers?: number; numDecoderLayers?: number }
    >("Transformer", ["dModel?", "nhead?", "numEncoderLayers?: count", "numDecoderLayers?: count", ...REST], args);
    const [d, h] = [o.dModel ?? 512, o.nhead ?? 8];
    if (d % h) throw new ValueError({ op: "Transformer", message: `dModel ${d} in ${h} heads`, hint: "dModel must be divisible by nhead" });
    const { numEncoderLayers = 6, numDecoderLayers = 6, dModel: _d, nhead: _h, ...layer } = o;
    const clean = Object.fromEntries(Object.entries(layer).filter(([, v]) => v !== undefined)) as TransformerLayerOptions;
    const norm = (): LayerNorm =>
      new LayerNorm(d, { eps: o.layerNormEps ?? 1e-5, bias: o.bias !== false, device: o.device ?? null, dtype: o.dtype ?? null });
    this.encoder = new TransformerEncoder(new TransformerEncoderLayer(d, h, clean), numEncoderLayers, { norm: norm() });
    this.decoder = new TransformerDecoder(new TransformerDecoderLayer(d, h, clean), numDecoderLayers, norm());
    for (const p of this.parameters()) if (p.ndim > 1) xavierUniform_(p);
  }
  /** A mask that hides later positions: -Infinity above the diagonal. */
  static generateSquareSubsequentMask(size: number): Tensor {
    return zeros([size, size]).maskedFill(ones(size, size, { dtype: "bool" }).tril().logicalNot(), Number.NEGATIVE_INFINITY);
  }
  forward(src: Tensor, tgt: Tensor, ...args: unknown[]): Tensor {
    const o = bindNamed<{
      srcMask?: Tensor;
      tgtMask?: Tensor;
      memoryMask?: Tensor;
      srcKeyPaddingMask?: Tensor;
      tgtKeyPaddingMask?: Tensor;
      memoryKeyPaddingMask?: Tensor;
    }>(
      "Transformer",
      ["src", "tgt", "srcMask?", "tgtMask?", "memoryMask?", "srcKeyPaddingMask?", "tgtKeyPaddingMask?", "memoryKeyPaddingMask?"],
      [src, tgt, ...args],
    );
    const memory = this.encoder.forward(src, { mask: o.srcMask ?? null, srcKeyPaddingMask: o.srcKeyPaddingMask ?? null });
    return this.decoder.forward(tgt, memory, {
      tgtMask: o.tgtMask ?? null,
      memoryMask: o.memoryMask ?? null,
      tgtKeyPaddingMask: o.tgtKeyPaddingMask ?? null,
      memoryKeyPaddingMask: o.memoryKeyPaddingMask ?? null,
    });
  }
}
