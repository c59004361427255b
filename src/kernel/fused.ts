// Fused kernels: the names that a backend may offer (`has({ kind: "fused", name }, dtype)`), and for each its operands,
// run-time params and formula. They mean the same as the composition of required kinds that they stand for.
//
// Common rules. All floating operands have one dtype, float32 or float64 (`has` says no to others: compose instead).
// Operands are contiguous unless "any strides" is said. Optional operands are announced by a flag in params (0 or 1) and
// are left out of the list when absent. Outputs are written in full; empty outputs are fine.
//
// softmax, logSoftmax                   ins [x]        outs [y]   params [dim]; any strides; y may be x
//     y = exp(x - max) / Σ exp(x - max), or its logarithm, along dim. A line of -Infinity alone gives NaN.
// softmaxBackward                       ins [gy, y]    outs [gx]  params [dim]; any strides;  gx = y (gy - Σ gy y)
// logSoftmaxBackward                    ins [gy, y]    outs [gx]  params [dim]; any strides;  gx = gy - exp(y) Σ gy
//
// layerNorm                             ins [x, weight?, bias?]               outs [y, mean, rstd]
//     params [n, eps, hasWeight, hasBias]. x is read as rows of its last n elements; weight, bias have n elements, mean, rstd
//     one a row. rstd = 1 / sqrt(biased variance + eps); y = (x - mean) rstd weight + bias.
// layerNormBackward                     ins [gy, x, mean, rstd, weight?]      outs [gx, gw?, gb?]
//     params [n, hasWeight, hasBias]: gw is there with hasWeight, gb with hasBias.
// rmsNorm                               ins [x, weight?]                      outs [y, rstd]
//     params [n, eps, hasWeight]. rstd = 1 / sqrt(mean(x²) + eps); y = x rstd weight.
// rmsNormBackward                       ins [gy, x, rstd, weight?]            outs [gx, gw?]        params [n, hasWeight]
// groupNorm                             ins [x [N, C, …], weight?, bias?]     outs [y, mean [N, G], rstd [N, G]]
//     params [groups, eps, hasWeight, hasBias]; weight, bias have C elements.
// groupNormBackward                     ins [gy, x, mean, rstd, weight?]      outs [gx, gw?, gb?]   params [groups, hasWeight, hasBias]
// batchNorm                             ins [x [N, C, …], weight?, bias?]     outs [y, mean [C], variance [C]]
//     params [eps, hasWeight, hasBias]. Training: statistics of this batch, the variance biased (running statistics are the
//     caller's: unbiased = variance · n / (n - 1), n = N · spatial).
// batchNormBackward                     ins [gy, x, mean, variance, weight?]  outs [gx, gw?, gb?]   params [eps, hasWeight, hasBias]
//
// crossEntropy                          ins [logits [N, C], target int64 [N]]           outs [loss [N], lse [N]]
//     params [ignoreIndex, labelSmoothing]. lse = log Σ exp(logits); loss = (1 - s)(lse - logits[target]) + s (lse - mean(logits)),
//     0 where target is ignoreIndex. Another target outside [0, C) throws IndexError.
// crossEntropyBackward                  ins [g [N], logits, target, lse]                outs [gx]       same params
//     gx = g (exp(logits - lse) - (1 - s) onehot(target) - s / C), 0 in ignored rows. g: any stride (0 for a mean's gradient).
//
// attention                             ins [q, k, v, mask?]                            outs [o, lse]
//     q [B, H, Tq, D], k [B, Hkv, Tk, D], v [B, Hkv, Tk, Dv], o [B, H, Tq, Dv], lse [B, H, Tq] (contiguous), mask additive [B, H, Tq, Tk].
//     params [scale, causal, hasMask]. o = softmax(scale q kᵀ + mask) v; lse = log Σ exp of the scores. Causal 1: query i sees keys
//     j <= i (top left aligned, as `isCausal`); 2: keys j <= i + Tk - Tq (the last query sees all). H is a multiple of Hkv (grouped queries). q, k, v, o: any strides with 1 at the last
//     dimension; mask: any strides (0 where it is broadcast). A query that sees no key (all -Infinity) gives zeros, lse -Infinity.
// attentionBackward                     ins [go, q, k, v, o, lse, mask?]                outs [gq, gk, gv]      same params
//     Strides as above for go and the outputs too. The mask gets no gradient here: compose where it needs one.
//
// adam (Adam and AdamW)                 ins [g]        outs [p, m, v, vmax?], all of one shape, read and written in place
//     params [lr, beta1, beta2, eps, weightDecay, step, maximize, decoupled, amsgrad]; step counts from 1 and includes this one.
//     g = maximize ? -g : g; decoupled ? p -= lr wd p : g += wd p; m += (1 - b1)(g - m); v = b2 v + (1 - b2) g²;
//     p -= lr / (1 - b1^t) · m / (sqrt(v | vmax) / sqrt(1 - b2^t) + eps).
// sgd                                   ins [g]        outs [p, buffer?], in place; the buffer is there when momentum is not 0
//     params [lr, momentum, dampening, weightDecay, nesterov, maximize, first]; first: the buffer has no value yet.
//     g = ±g + wd p; buffer = first ? g : momentum buffer + (1 - dampening) g; g = nesterov ? g + momentum buffer : buffer; p -= lr g.
//
// gelu                                  ins [x]        outs [y]   params [tanh]: x Φ(x), or the tanh approximation with tanh = 1
// geluBackward                          ins [gy, x]    outs [gx]  same params
//
// quantizedLinear                       ins [x [M, K], w, bias? [N]]    outs [y [M, N]]    params [type, hasBias]
//     y = x wᵀ + bias. w: uint8 [N, bytes of a row], blocks of a type of kernel/quant/types.ts among its KERNEL_TYPES, given by number.
//     x, bias and y are float32, float16 or bfloat16 (not float64). Every 32 values of a row of x are rounded to d q with integers
//     |q| <= 127 and d = max |x| / 127 in float32; a value that is not finite makes the whole row of y NaN.
// dequantize                            ins [w, index? int64 [n]]       outs [y]           params [type, hasIndex]
//     y: the values of w [N, K], or of its rows index [n, K], in float32 exactly those of the type, else rounded once. An index outside
//     [0, N) throws IndexError. dtypes of y as above.
// nonzero                               ins [mask]                      outs [y]
//     y: int64 [n], the flat positions of the n elements of the mask that are true, ascending. The mask is bool, and so is the dtype asked for.
import type { FusedSpec } from "./spec.ts";

const NAMES = [
  "softmax",
  "logSoftmax",
  "softmaxBackward",
  "logSoftmaxBackward",
  "layerNorm",
  "layerNormBackward",
  "rmsNorm",
  "rmsNormBackward",
  "groupNorm",
  "groupNormBackward",
  "batchNorm",
  "batchNormBackward",
  "crossEntropy",
  "crossEntropyBackward",
  "attention",
  "attentionBackward",
  "adam",
  "sgd",
  "gelu",
  "geluBackward",
  "quantizedLinear",
  "dequantize",
  "nonzero",
] as const;

/** The names of fused kernels; their contracts stand at the top of `kernel/fused.ts`. */
export type FusedName = (typeof NAMES)[number];
/** All of them. */
export const FUSED_NAMES: readonly FusedName[] = NAMES;

const specs: ReadonlyMap<FusedName, FusedSpec> = new Map(NAMES.map((name) => [name, { kind: "fused", name }]));

/** The spec of a fused kernel: one object a name. @example fused("softmax").kind // => "fused" */
export const fused = (name: FusedName): FusedSpec => specs.get(name)!;
