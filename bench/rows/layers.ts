// Attention, normalisation, losses, embeddings. layers.py has the same in PyTorch.
import * as torch from "firebrand";
import { nn, type Tensor } from "firebrand";
import { below, both, r, type Rows } from "./row.ts";

const F = nn.functional;
const heads = (T: number): Tensor[] => [r(1, 8, T, 64), r(1, 8, T, 64), r(1, 8, T, 64)];
const attention = (T: number): Rows => ({
  ...both(
    `attention 8x${T}x64`,
    () => heads(T),
    (q, k, v) => F.scaledDotProductAttention(q!, k!, v!),
    3,
  ),
  ...both(
    `attention 8x${T}x64, causal`,
    () => heads(T),
    (q, k, v) => F.scaledDotProductAttention(q!, k!, v!, { isCausal: true }),
    3,
  ),
});
/** Attention, normalisation, losses and embeddings by shape. */
export const layers: Rows = {
  ...attention(128),
  ...attention(512),
  ...attention(2048),
  ...both(
    "attention 8x512x64, added mask",
    () => [...heads(512), r(512, 512)],
    (q, k, v, m) => F.scaledDotProductAttention(q!, k!, v!, { attnMask: m! }),
    3,
  ),
  ...both(
    "softmax 512x1024",
    () => [r(512, 1024)],
    (x) => x!.softmax(-1),
  ),
  ...both(
    "log softmax 512x1024",
    () => [r(512, 1024)],
    (x) => x!.logSoftmax(-1),
  ),
  ...both(
    "softmax over rows 1024x512",
    () => [r(1024, 512)],
    (x) => x!.softmax(0),
  ),
  ...both(
    "layer norm 512x768",
    () => [r(512, 768), r(768), r(768)],
    (x, w, b) => F.layerNorm(x!, [768], w!, b!),
    3,
  ),
  ...both(
    "rms norm 512x768",
    () => [r(512, 768), r(768)],
    (x, w) => F.rmsNorm(x!, [768], w!),
    2,
  ),
  ...both(
    "batch norm 32x64x28x28, training",
    () => [r(32, 64, 28, 28), r(64), r(64), torch.zeros(64), torch.ones(64)],
    (x, w, b, mean, v) => F.batchNorm(x!, mean!, v!, w!, b!, { training: true }),
    3,
  ),
  ...both(
    "group norm 8x128x28x28, 32 groups",
    () => [r(8, 128, 28, 28), r(128), r(128)],
    (x, w, b) => F.groupNorm(x!, 32, w!, b!),
    3,
  ),
  ...both(
    "cross-entropy 2048x1024",
    () => [r(2048, 1024), below(1024, 2048)],
    (x, t) => F.crossEntropy(x!, t!),
  ),
  ...both(
    "cross-entropy 512x50257",
    () => [r(512, 50257), below(50257, 512)],
    (x, t) => F.crossEntropy(x!, t!),
  ),
  ...both(
    "embedding 50257x768, 2048 tokens",
    () => [r(50257, 768), below(50257, 2048)],
    (w, i) => F.embedding(i!, w!),
  ),
  ...both(
    "embedding 128x128, 2048 tokens",
    () => [r(128, 128), below(128, 2048)],
    (w, i) => F.embedding(i!, w!),
  ),
};
