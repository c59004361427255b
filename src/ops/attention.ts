// Scaled dot-product attention. Vaswani et al. 2017.
import type { DType } from "../core/dtype.ts";
import { ShapeError, showShape, ValueError } from "../core/errors.ts";
import type { Context } from "../autograd/function.ts";
import { isGradEnabled } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { fused } from "../kernel/fused.ts";
import { to } from "./copy.ts";
import { ones, zeros } from "./create.ts";
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
  /**
   * Let position t see positions up to t only? Default false; excludes `attnMask`. `"lowerRight"` lets it see those up to t + S - T: the queries are
   * the last of the keys, as PyTorch's `causal_lower_right` has it.
   */
  isCausal?: boolean | "lowerRight";
  /** Factor of the scores (default 1/√D). */
  scale?: number | null;
  /** May key and value have fewer heads (dimension -3), each shared by several queries? Default false. */
  enableGqa?: boolean;
}

function scores(q: Tensor, k: Tensor, mask: Tensor | undefined, causal: Causal, scale: number): Tensor {
  let s = q.mul(scale).matmul(k.transpose(-2, -1));
  if (causal !== "none") s = s.maskedFill(hidden(causal, s.shape.at(-2)!, s.shape.at(-1)!, q), Number.NEGATIVE_INFINITY);
  if (mask) s = mask.dtype === "bool" ? s.maskedFill(mask.logicalNot(), Number.NEGATIVE_INFINITY) : s.add(mask);
  return s;
}
// A query that sees no key weighs all of them 0.
function weights(scores: Tensor, blind: boolean): Tensor {
  if (!blind) return softmax(scores, -1);
  const dead = scores.detach().eq(Number.NEGATIVE_INFINITY).all(-1, { keepdim: true });
  return softmax(scores.maskedFill(dead, 0), -1).maskedFill(dead, 0);
}
const mayBeBlind = (mask: unknown, causal: Causal, q: Tensor, k: Tensor): boolean =>
  Boolean(mask) || (causal === "lowerRight" && q.shape.at(-2)! > k.shape.at(-2)!);
function plain(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | undefined, p: number, causal: Causal, scale: number): Tensor {
  const w = weights(scores(q, k, mask, causal, scale), mayBeBlind(mask, causal, q, k));
  return (p > 0 ? dropout(w, p, true) : w).matmul(v);
}

/** Which keys a query sees: all, those up to its own position, or those up to it when the last query stands at the last key. */
const CAUSAL = { none: 0, upperLeft: 1, lowerRight: 2 } as const;
type Causal = keyof typeof CAUSAL;
const diagonal = (causal: Causal, t: number, s: number): number => (causal === "lowerRight" ? s - t : 0);
const hidden = (causal: Causal, t: number, s: number, like: Tensor): Tensor =>
  ones(t, s, { dtype: "bool", device: like.device })
    .tril(diagonal(causal, t, s))
    .logicalNot();
const shared = (x: Tensor, heads: number): Tensor => (x.shape.at(-3) === heads ? x : x.repeatInterleave(heads / x.shape.at(-3)!, -3));

type Args = [Tensor, Tensor, Tensor, Tensor | null, Causal, number];
// [B, H, T, D], keys and values of as many heads or of fewer: one pass each way, no T x T matrix. The mask is added to the scores.
const flash = /*@__PURE__*/ primitive<(...args: Args) => Tensor, Args>({
  torch: "_attention",
  params: ["q", "k", "v", "mask", "causal", "scale"],
  forward: (ctx: Context<Args>, q, k, v, mask, causal, scale) => {
    const [b, h, t] = q.shape as [number, number, number];
    // [B, T, H, D] in memory: what the caller's transpose and reshape want back.
    const out = allocate([b, t, h, v.shape[3]!], q.dtype, q.storage.device).transpose(1, 2);
    const lse = allocate([b, h, t], q.dtype, q.storage.device);
    launch("attention", fused("attention"), [out, lse], mask ? [q, k, v, mask] : [q, k, v], [scale, CAUSAL[causal], mask ? 1 : 0]);
    ctx.saveForBackward(q, k, v, out, lse, mask);
    return out;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const [q, k, v, out, lse, mask] = ctx.savedTensors as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | null];
    const [, , , , causal, scale] = ctx.args;
    if (isGradEnabled()) {
      const heads = q.shape[1]!;
      const [keys, values] = [shared(k, heads), shared(v, heads)];
      // Where heads share keys, their gradients are summed.
      const own = (x: Tensor, like: Tensor): Tensor =>
        like.shape[1] === heads ? x : x.reshape([x.shape[0]!, like.shape[1]!, -1, x.shape[2]!, x.shape[3]!]).sum(2);
      const p = weights(scores(q, keys, mask ?? undefined, causal, scale), mayBeBlind(mask, causal, q, keys));
      const gp = g.matmul(values.transpose(-2, -1));
      const gs = p.mul(gp.sub(gp.mul(p).sum(-1, { keepdim: true }))).mul(scale);
      return [gs.matmul(keys), own(gs.transpose(-2, -1).matmul(q), k), own(p.transpose(-2, -1).matmul(g), v)];
    }
    const grads = [q, k, v].map((x) =>
      allocate([x.shape[0]!, x.shape[2]!, x.shape[1]!, x.shape[3]!], x.dtype, x.storage.device).transpose(1, 2),
    );
    const ins = [unitRows(g), q, k, v, out, lse];
    launch("attention", fused("attentionBackward"), grads, mask ? [...ins, mask] : ins, [scale, CAUSAL[causal], mask ? 1 : 0]);
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
    params: ["query", "key", "value: tensor", "attnMask?", "dropoutP?", "isCausal?: flag|lowerRight", "scale?", "enableGqa?"],
    forward: (
      query: Tensor,
      key16: Tensor,
      value16: Tensor,
      mask?: Tensor,
      p = 0,
      isCausal: boolean | string = false,
      scale?: number,
      gqa = false,
    ) => {
      const [q, key, value] = [wide(query), wide(key16), wide(value16)];
      const refuse = (message: string, hint: string): never => {
        throw new ValueError({ op: "scaledDotProductAttention", message, hint });
      };
      if (q.ndim < 2 || q.shape.at(-1) !== key.shape.at(-1) || key.shape.at(-2) !== value.shape.at(-2))
        throw new ShapeError({
          op: "scaledDotProductAttention",
          message: `query ${showShape(q.shape)}, key ${showShape(key.shape)}, value ${showShape(value.shape)}`,
          hint: "[..., T, D], [..., S, D] and [..., S, Dv]",
        });
      const causal: Causal = isCausal === "lowerRight" ? "lowerRight" : isCausal ? "upperLeft" : "none";
      if (mask && causal !== "none") refuse("both attnMask and isCausal are given", "Put the causal part into the mask");
      const heads = q.shape.at(-3) ?? 1;
      if (gqa && q.ndim > 2 && [key, value].some((t) => heads % (t.shape.at(-3) ?? 1) !== 0))
        refuse(`${heads} query heads do not share ${key.shape.at(-3)} key heads`, "One must be a multiple of the other");
      const s = scale ?? 1 / Math.sqrt(q.shape.at(-1)!);
      const lead = q.shape.slice(0, -2);
      const groups = gqa && q.ndim === 4 ? heads / key.shape[1]! : 1;
      const equal = [key, value].every(
        (t) => t.ndim === q.ndim && t.shape.slice(0, -2).every((n, d) => n * (d === 1 ? groups : 1) === lead[d]),
      );
      if (
        p === 0 &&
        equal &&
        !(mask && (mask.requiresGrad || q.ndim !== 4)) &&
        q.layout.numel > 0 &&
        key.layout.numel > 0 &&
        offers(q, fused("attention"))
      ) {
        const four = (t: Tensor): Tensor => unitRows(t.ndim === 4 ? t : t.reshape([-1, 1, t.shape.at(-2)!, t.shape.at(-1)!]));
        const added = mask ? additive(mask, q.dtype).expand([...lead, q.shape.at(-2)!, key.shape.at(-2)!]) : null;
        const y = flash(four(q), four(key), four(value), added, causal, s);
        return to(q.ndim === 4 ? y : y.reshape([...lead, q.shape.at(-2)!, value.shape.at(-1)!]), query.dtype);
      }
      const [k, v] = gqa && q.ndim > 2 ? [shared(key, heads), shared(value, heads)] : [key, value];
      return to(plain(q, k, v, wide(mask), p, causal, s), query.dtype);
    },
  });
const additive = (mask: Tensor, dtype: DType): Tensor =>
  mask.dtype === "bool"
    ? zeros(mask.shape, { dtype, device: mask.device }).maskedFill(mask.logicalNot(), Number.NEGATIVE_INFINITY)
    : to(mask, dtype);
