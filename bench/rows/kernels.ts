// Small calls and single kernels. kernels.py has the same in PyTorch.
import * as torch from "firebrand";
import { nn } from "firebrand";
import type { Row } from "./row.ts";

const F = nn.functional;
const r = (...shape: number[]): torch.Tensor => torch.randn(shape);
const small = torch.ones(16);
const p = torch.ones(16).requiresGrad_();
const with2 =
  (make: () => [torch.Tensor, torch.Tensor], f: (a: torch.Tensor, b: torch.Tensor) => unknown): Row =>
  () => {
    const [a, b] = make();
    return () => f(a, b);
  };
/** Small calls and single kernels. */
export const kernels: Record<string, Row> = {
  "add 16": () => () => small.add(small),
  "add 16, recorded": () => () => p.add(small),
  "(p * b).sum().backward(), 16": () => () => p.mul(small).sum().backward(),
  "view 16": () => () => small.view([4, 4]),
  ...Object.fromEntries(
    [256, 512, 1024, 2048].map((n) => [
      `matmul ${n}`,
      with2(
        () => [r(n, n), r(n, n)],
        (a, b) => a.matmul(b),
      ),
    ]),
  ),
  "matmul 512x768x3072, weight transposed": with2(
    () => [r(512, 768), r(3072, 768)],
    (x, w) => x.matmul(w.t()),
  ),
  "vector times 3072x768, transposed": with2(
    () => [r(1, 768), r(3072, 768)],
    (x, w) => x.matmul(w.t()),
  ),
  "vector times 768x3072": with2(
    () => [r(1, 768), r(768, 3072)],
    (x, w) => x.matmul(w),
  ),
  "softmax 512x1024": with2(
    () => [r(512, 1024), small],
    (x) => x.softmax(-1),
  ),
  "layer norm 512x768": with2(
    () => [r(512, 768), r(768)],
    (x, w) => F.layerNorm(x, [768], w, w),
  ),
  "gelu 256K": with2(
    () => [r(1 << 18), small],
    (x) => F.gelu(x),
  ),
  "exp 1M": with2(
    () => [r(1 << 20), small],
    (x) => x.exp(),
  ),
  "add 1M": with2(
    () => [r(1 << 20), r(1 << 20)],
    (a, b) => a.add(b),
  ),
  "sum 1M": with2(
    () => [r(1 << 20), small],
    (x) => x.sum(),
  ),
  "sum over rows 1024x1024": with2(
    () => [r(1024, 1024), small],
    (x) => x.sum(0),
  ),
  "transpose copy 1024": with2(
    () => [r(1024, 1024), small],
    (x) => x.t().contiguous(),
  ),
  "conv 3x3 64 channels 56x56, batch 4": with2(
    () => [r(4, 64, 56, 56), r(64, 64, 3, 3)],
    (x, w) => F.conv2d(x, w, null, { padding: 1 }),
  ),
  "causal attention 4x8x256x64": () => {
    const [q, k, v] = [r(4, 8, 256, 64), r(4, 8, 256, 64), r(4, 8, 256, 64)];
    return () => F.scaledDotProductAttention(q, k, v, { isCausal: true });
  },
  "cross-entropy 2048x1024": with2(
    () => [r(2048, 1024), torch.randint(0, 1024, [2048])],
    (x, t) => F.crossEntropy(x, t),
  ),
};
