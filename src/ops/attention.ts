// Scaled dot-product attention. Vaswani et al. 2017.
import { ShapeError, showShape, ValueError } from "../core/errors.ts";
import type { Context } from "../autograd/function.ts";
import { isGradEnabled } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { fused } from "../kernel/fused.ts";
import { to } from "./copy.ts";
import { ones } from "./create.ts";
import { composite, type Fn, primitive } from "./define.ts";
import { allocate, launch, offers } from "./launch.ts";
import { softmax } from "./softmax.ts";
import { wide } from "./wide.ts";
import { dropout } from "./sparse.ts";

/** Options of attention. */
export interface AttentionOptions {
  /** Broadcasts to [..., T, S]: true where a position may look, or numbers that are added to the scores. */
  attnMask?: Tensor | null;
  /** Probability with which weights are zeroed (default 0). */
  dropoutP?: number;
  /** Let position t see positions up to t only? Default false; excludes `attnMask`. */
  isCausal?: boolean;
  /** Factor of the scores (default 1/√D). */
  scale?: number | null;
  /** May key and value have fewer heads (dimension -3), each shared by several queries? Default false. */
  enableGqa?: boolean;
}

function plain(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | undefined, p: number, causal: boolean, scale: number): Tensor {
  let scores = q.mul(scale).matmul(k.transpose(-2, -1));
  if (causal) {
    const [t, s] = scores.shape.slice(-2) as [number, number];
    scores = scores.maskedFill(ones(t, s, { dtype: "bool", device: q.device }).tril().logicalNot(), Number.NEGATIVE_INFINITY);
  }
  if (mask) scores = mask.dtype === "bool" ? scores.maskedFill(mask.logicalNot(), Number.NEGATIVE_INFINITY) : scores.add(mask);
  const w = softmax(scores, -1);
  return (p > 0 ? dropout(w, p, true) : w).matmul(v);
}

type Args = [Tensor, Tensor, Tensor, boolean, number];
// [B, H, T, D] without a mask: one pass each way, no T x T matrix.
const flash = /*@__PURE__*/ primitive<(q: Tensor, k: Tensor, v: Tensor, causal: boolean, scale: number) => Tensor, Args>({
  torch: "_attention",
  params: ["q", "k", "v", "causal", "scale"],
  forward: (ctx: Context<Args>, q, k, v, causal, scale) => {
    const [b, h, t] = q.shape as [number, number, number];
    // [B, T, H, D] in memory: what the caller's transpose and reshape want back.
    const out = allocate([b, t, h, v.shape[3]!], q.dtype, q.storage.device).transpose(1, 2);
    const lse = allocate([b, h, t], q.dtype, q.storage.device);
    launch("attention", fused("attention"), [out, lse], [q, k, v], [scale, causal ? 1 : 0, 0]);
    ctx.saveForBackward(q, k, v, out, lse);
    return out;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const [q, k, v, out, lse] = ctx.savedTensors as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const [, , , causal, scale] = ctx.args;
    if (isGradEnabled()) {
      let s = q.mul(scale).matmul(k.transpose(-2, -1));
      if (causal)
        s = s.maskedFill(ones(s.shape.slice(-2), { dtype: "bool", device: q.device }).tril().logicalNot(), Number.NEGATIVE_INFINITY);
      const p = softmax(s, -1);
      const gp = g.matmul(v.transpose(-2, -1));
      const gs = p.mul(gp.sub(gp.mul(p).sum(-1, { keepdim: true }))).mul(scale);
      return [gs.matmul(k), gs.transpose(-2, -1).matmul(q), p.transpose(-2, -1).matmul(g)];
    }
    const grads = [q, k, v].map((x) =>
      allocate([x.shape[0]!, x.shape[2]!, x.shape[1]!, x.shape[3]!], x.dtype, x.storage.device).transpose(1, 2),
    );
    launch("attention", fused("attentionBackward"), grads, [unitRows(g), q, k, v, out, lse], [scale, causal ? 1 : 0, 0]);
    return grads;
  },
});
// The kernels want a last dimension without gaps.
const unitRows = (t: Tensor): Tensor => (t.layout.strides.at(-1) === 1 || t.shape.at(-1) === 1 ? t : t.contiguous());

/**
 * `softmax(q kᵀ · scale + mask) v` over [..., T, D], [..., S, D], [..., S, Dv]; scale defaults to 1/√D. A bool mask keeps where
 * it is true; `isCausal` lets position t see positions up to t. Vaswani et al. 2017.
 * @throws ShapeError, ValueError
 * @example scaledDotProductAttention(tensor([[1.5, 0]]), tensor([[1, 0.5], [0, 2]]), tensor([[1.5], [2]])) // => [[1.6286]]
 */
export const scaledDotProductAttention: Fn<[query: Tensor, key: Tensor, value: Tensor, options?: AttentionOptions]> =
  /*@__PURE__*/ composite({
    torch: "nn.functional.scaled_dot_product_attention",
    params: ["query", "key", "value: tensor", "attnMask?", "dropoutP?", "isCausal?", "scale?", "enableGqa?"],
    forward: (q: Tensor, key: Tensor, value: Tensor, mask?: Tensor, p = 0, causal = false, scale?: number, gqa = false) => {
      if (q.ndim < 2 || q.shape.at(-1) !== key.shape.at(-1) || key.shape.at(-2) !== value.shape.at(-2))
        throw new ShapeError({
          op: "scaledDotProductAttention",
          message: `query ${showShape(q.shape)}, key ${showShape(key.shape)}, value ${showShape(value.shape)}`,
          hint: "[..., T, D], [..., S, D] and [..., S, Dv]",
        });
      if (mask && causal)
        throw new ValueError({
          op: "scaledDotProductAttention",
          message: "both attnMask and isCausal are given",
          hint: "Put the causal part into the mask",
        });
      const groups = gqa && q.ndim > 2 ? q.shape.at(-3)! / key.shape.at(-3)! : 1;
      const [k, v] = groups === 1 ? [key, value] : [key.repeatInterleave(groups, -3), value.repeatInterleave(groups, -3)];
      const s = scale ?? 1 / Math.sqrt(q.shape.at(-1)!);
      const lead = q.shape.slice(0, -2);
      const equal = [k, v].every((t) => t.shape.length === q.ndim && t.shape.slice(0, -2).every((n, d) => n === lead[d]));
      if (!mask && p === 0 && equal && q.layout.numel > 0 && k.layout.numel > 0 && offers(q, fused("attention"))) {
        const four = (t: Tensor): Tensor => unitRows(t.ndim === 4 ? t : t.reshape([-1, 1, t.shape.at(-2)!, t.shape.at(-1)!]));
        const y = flash(four(q), four(k), four(v), causal, s);
        return q.ndim === 4 ? y : y.reshape([...lead, q.shape.at(-2)!, v.shape.at(-1)!]);
      }
      return to(plain(wide(q), wide(k), wide(v), wide(mask), p, causal, s), q.dtype);
    },
  });
