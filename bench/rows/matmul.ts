// Products of matrices. matmul.py has the same in PyTorch.
import { both, r, row, type Rows } from "./row.ts";

const squares = Object.assign(
  {},
  ...[64, 128, 256, 512, 1024, 2048].map((n) =>
    row(
      `matmul ${n}`,
      () => [r(n, n), r(n, n)],
      (a, b) => a!.matmul(b!),
    ),
  ),
) as Rows;
/** Rows times a weight that lies transposed, as in `nn.Linear`. */
const linear = (m: number, k: number, n: number): Rows =>
  row(
    `linear ${m}x${k} to ${n}`,
    () => [r(m, k), r(n, k)],
    (x, w) => x!.matmul(w!.t()),
  );
/** Matrix products by shape. */
export const matmul: Rows = {
  ...squares,
  ...row(
    "matmul 512, b transposed",
    () => [r(512, 512), r(512, 512)],
    (a, b) => a!.matmul(b!.t()),
  ),
  ...row(
    "matmul 512, a transposed",
    () => [r(512, 512), r(512, 512)],
    (a, b) => a!.t().matmul(b!),
  ),
  ...row(
    "matmul 1024, a transposed",
    () => [r(1024, 1024), r(1024, 1024)],
    (a, b) => a!.t().matmul(b!),
  ),
  ...linear(8, 768, 3072),
  ...linear(32, 768, 768),
  ...linear(512, 768, 768),
  ...linear(512, 768, 3072),
  ...linear(512, 3072, 768),
  ...linear(512, 768, 50257),
  ...row(
    "weight gradient 3072x512x768",
    () => [r(512, 3072), r(512, 768)],
    (g, x) => g!.t().matmul(x!),
  ),
  ...both(
    "batched 48x128x64x128, b transposed",
    () => [r(48, 128, 64), r(48, 128, 64)],
    (a, b) => a!.matmul(b!.mT),
    2,
  ),
  ...row(
    "batched 48x128x128x64",
    () => [r(48, 128, 128), r(48, 128, 64)],
    (a, b) => a!.matmul(b!),
  ),
  ...row(
    "batched 256x32x32x32",
    () => [r(256, 32, 32), r(256, 32, 32)],
    (a, b) => a!.matmul(b!),
  ),
  ...linear(1, 768, 768),
  ...linear(1, 768, 3072),
  ...linear(1, 768, 50257),
  ...row(
    "vector times 768x3072",
    () => [r(1, 768), r(768, 3072)],
    (x, w) => x!.matmul(w!),
  ),
  ...row(
    "3072x768 times vector",
    () => [r(3072, 768), r(768)],
    (w, x) => w!.matmul(x!),
  ),
};
