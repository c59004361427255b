// Multi-head attention. Vaswani et al. 2017; names and defaults are PyTorch's.
import type { DType } from "../core/dtype.ts";
import { ShapeError, showShape, ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { bindNamed } from "../core/arguments.ts";
import { zeros } from "../ops/create.ts";
import { cat } from "../ops/join.ts";
import * as F from "./functional.ts";
import { constant_, xavierNormal_, xavierUniform_ } from "./init.ts";
import { type FactoryOptions, Linear, parameter } from "./linear.ts";
import { Module, type Parameter } from "./module.ts";

/** Options of `MultiheadAttention.forward`. */
export interface AttentionForwardOptions {
  /** [N, S]: true (or -Infinity) where a key is padding. */
  keyPaddingMask?: Tensor | null;
  /** Return the attention weights? Default true; without them a faster kernel can run. */
  needWeights?: boolean;
  /** [T, S] or [N · heads, T, S]: true where a position may not look, or numbers that are added to the scores. */
  attnMask?: Tensor | null;
  /** Average the weights over the heads? Default true. */
  averageAttnWeights?: boolean;
  /** Says that `attnMask`, which must be given, is the causal one. */
  isCausal?: boolean;
}

/**
 * Attention in `numHeads` heads with learned projections over [T, N, embedDim] ([N, T, embedDim] with `batchFirst`).
 * `forward(query, key, value, options)` gives `[output, weights]`; weights [N, T, S] are null unless `needWeights` (default). Vaswani et al. 2017.
 * @throws ValueError when heads do not divide embedDim or `isCausal` comes without a mask, ShapeError
 * @example
 * manualSeed(0);
 * const x = ones(1, 1, 2);
 * new nn.MultiheadAttention(2, 1).forward(x, x, x)[0] // => [[[0.3287, -0.2595]]]
 */
export class MultiheadAttention extends Module {
  readonly embedDim: number;
  readonly numHeads: number;
  readonly kdim: number;
  readonly vdim: number;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly addZeroAttn: boolean;
  in_proj_weight: Parameter | null = null;
  q_proj_weight: Parameter | null = null;
  k_proj_weight: Parameter | null = null;
  v_proj_weight: Parameter | null = null;
  in_proj_bias: Parameter | null = null;
  bias_k: Parameter | null = null;
  bias_v: Parameter | null = null;
  out_proj: Linear;
  constructor(
    embedDim: number,
    numHeads: number,
    options?: FactoryOptions & {
      dropout?: number;
      bias?: boolean;
      addBiasKv?: boolean;
      addZeroAttn?: boolean;
      kdim?: number | null;
      vdim?: number | null;
      batchFirst?: boolean;
    },
  );
  constructor(...args: unknown[]) {
    super();
    const o = bindNamed<{
      embedDim: number;
      numHeads: number;
      dropout?: number;
      bias?: boolean;
      addBiasKv?: boolean;
      addZeroAttn?: boolean;
      kdim?: number;
      vdim?: number;
      batchFirst?: boolean;
      device?: string;
      dtype?: DType;
    }>(
      "MultiheadAttention",
      [
        "embedDim",
        "numHeads",
        "dropout?",
        "bias?: flag",
        "addBiasKv?",
        "addZeroAttn?",
        "kdim?",
        "vdim?",
        "batchFirst?",
        "device?",
        "dtype?",
      ],
      args,
    );
    const e = o.embedDim;
    if (!(e > 0) || !(o.numHeads > 0) || e % o.numHeads)
      throw new ValueError({
        op: "MultiheadAttention",
        message: `embedDim ${e} in ${o.numHeads} heads`,
        hint: "embedDim must be divisible by numHeads",
      });
    const f = { device: o.device ?? null, dtype: o.dtype ?? null };
    this.embedDim = e;
    this.numHeads = o.numHeads;
    this.kdim = o.kdim ?? e;
    this.vdim = o.vdim ?? e;
    this.batchFirst = o.batchFirst ?? false;
    this.dropout = o.dropout ?? 0;
    this.addZeroAttn = o.addZeroAttn ?? false;
    const same = this.kdim === e && this.vdim === e;
    if (same) this.in_proj_weight = parameter([3 * e, e], f);
    else {
      this.q_proj_weight = parameter([e, e], f);
      this.k_proj_weight = parameter([e, this.kdim], f);
      this.v_proj_weight = parameter([e, this.vdim], f);
    }
    if (o.bias !== false) this.in_proj_bias = parameter([3 * e], f);
    this.out_proj = new Linear(e, e, { bias: o.bias !== false, ...f });
    if (o.addBiasKv) {
      this.bias_k = parameter([1, 1, e], f);
      this.bias_v = parameter([1, 1, e], f);
    }
    for (const w of [this.in_proj_weight, this.q_proj_weight, this.k_proj_weight, this.v_proj_weight]) if (w) xavierUniform_(w);
    if (this.in_proj_bias) {
      constant_(this.in_proj_bias, 0);
      constant_(this.out_proj.bias!, 0);
    }
    for (const b of [this.bias_k, this.bias_v]) if (b) xavierNormal_(b);
  }
  forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    ...args: [] | [options: AttentionForwardOptions] | unknown[]
  ): [Tensor, Tensor | null] {
    const o = bindNamed<{
      keyPaddingMask?: Tensor;
      needWeights?: boolean;
      attnMask?: Tensor;
      averageAttnWeights?: boolean;
      isCausal?: boolean;
    }>(
      "MultiheadAttention",
      ["query", "key", "value: tensor", "keyPaddingMask?", "needWeights?", "attnMask?", "averageAttnWeights?", "isCausal?"],
      [query, key, value, ...args],
    );
    if (o.isCausal && !o.attnMask)
      throw new ValueError({
        op: "MultiheadAttention",
        message: "isCausal is given without attnMask",
        hint: "It only says that the mask is the causal one: give the mask",
      });
    const single = query.ndim === 2;
    if (query.ndim !== 2 && query.ndim !== 3)
      throw new ShapeError({
        op: "MultiheadAttention",
        message: `query ${showShape(query.shape)}`,
        hint: "[T, N, E] (batchFirst: [N, T, E]) or [T, E]",
      });
    const batch = (t: Tensor): Tensor => (single ? t.unsqueeze(0) : this.batchFirst ? t : t.transpose(0, 1));
    const [q0, k0, v0] = [batch(query), batch(key), batch(value)];
    const e = this.embedDim;
    const h = this.numHeads;
    const [wq, wk, wv] = this.in_proj_weight
      ? (this.in_proj_weight.chunk(3) as [Tensor, Tensor, Tensor])
      : [this.q_proj_weight!, this.k_proj_weight!, this.v_proj_weight!];
    const [bq, bk, bv] = this.in_proj_bias ? this.in_proj_bias.chunk(3) : [null, null, null];
    let q = F.linear(q0, wq, bq ?? null);
    let k = F.linear(k0, wk, bk ?? null);
    let v = F.linear(v0, wv, bv ?? null);
    const n = q.shape[0]!;
    const t = q.shape[1]!;
    let extra = 0;
    if (this.bias_k) {
      k = cat([k, this.bias_k.expand(n, 1, e)], 1);
      v = cat([v, this.bias_v!.expand(n, 1, e)], 1);
      extra++;
    }
    if (this.addZeroAttn) {
      const z = zeros([n, 1, e], { dtype: k.dtype, device: k.device });
      k = cat([k, z], 1);
      v = cat([v, z], 1);
      extra++;
    }
    const heads = (x: Tensor): Tensor => x.reshape([n, -1, h, e / h]).transpose(1, 2);
    [q, k, v] = [heads(q), heads(k), heads(v)];
    const s = k.shape[2]!;
    const additive = (m: Tensor): Tensor =>
      m.dtype === "bool" ? zeros(m.shape, { dtype: q.dtype, device: q.device }).maskedFill(m, Number.NEGATIVE_INFINITY) : m.to(q.dtype);
    const open = (m: Tensor): Tensor => (extra ? F.pad(m, [0, extra]) : m);
    let mask: Tensor | null = null;
    if (o.attnMask) {
      const m = open(additive(o.attnMask));
      mask = m.ndim === 3 ? m.reshape([n, h, t, s]) : m;
    }
    if (o.keyPaddingMask) {
      const m = open(additive(single ? o.keyPaddingMask.unsqueeze(0) : o.keyPaddingMask)).reshape([n, 1, 1, s]);
      mask = mask ? mask.add(m) : m;
    }
    const p = this.training ? this.dropout : 0;
    let y: Tensor;
    let weights: Tensor | null = null;
    if (o.needWeights === false) y = F.scaledDotProductAttention(q, k, v, { attnMask: mask, dropoutP: p });
    else {
      let scores = q.mul(1 / Math.sqrt(e / h)).matmul(k.transpose(-2, -1));
      if (mask) scores = scores.add(mask);
      weights = F.softmax(scores, -1);
      if (p > 0) weights = F.dropout(weights, p, true);
      y = weights.matmul(v);
    }
    y = this.out_proj.forward(y.transpose(1, 2).reshape([n, t, e]));
    if (weights && o.averageAttnWeights !== false) weights = weights.mean(1);
    if (single) return [y.squeeze(0), weights?.squeeze(0) ?? null];
    return [this.batchFirst ? y : y.transpose(0, 1), weights];
  }
}
