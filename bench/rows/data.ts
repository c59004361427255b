// Data moved, sorted, reduced, computed element by element, updated and drawn. data.py has the same in PyTorch.
import * as torch from "firebrand";
import { nn, optim, type Tensor } from "firebrand";
import { below, both, r, row, type Row, type Rows } from "./row.ts";

const F = nn.functional;
const M = 1 << 20;
const each = (name: string, n: number, f: (x: Tensor, y: Tensor) => unknown): Rows => row(name, () => [r(n), r(n)], f as never);
const optimizer =
  (make: (p: Tensor[]) => optim.Optimizer): Row =>
  () => {
    const params = Array.from({ length: 10 }, () => r(1000, 1000).requiresGrad_());
    for (const p of params) p.grad = r(1000, 1000);
    const o = make(params);
    return () => o.step();
  };

/** Indexing, sorting and scans. */
export const indexing: Rows = {
  ...both(
    "gather 1024x1024 along 1",
    () => [r(1024, 1024), below(1024, 1024, 1024)],
    (x, i) => x!.gather(1, i!),
  ),
  ...both(
    "gather 1024x1024 along 0",
    () => [r(1024, 1024), below(1024, 1024, 1024)],
    (x, i) => x!.gather(0, i!),
  ),
  ...row(
    "scatter add 1024x1024 along 1",
    () => [torch.zeros(1024, 1024), below(1024, 1024, 1024), r(1024, 1024)],
    (x, i, s) => x!.scatterAdd(1, i!, s!),
  ),
  ...both(
    "index rows, 8192 of 4096x256",
    () => [r(4096, 256), below(4096, 8192)],
    (x, i) => x!.index(i!),
  ),
  ...row(
    "masked select 1M",
    () => [r(M)],
    (x) => x!.maskedSelect(x!.gt(0)),
  ),
  ...row(
    "sort 1M",
    () => [r(M)],
    (x) => x!.sort(),
  ),
  ...row(
    "sort 1024x1024",
    () => [r(1024, 1024)],
    (x) => x!.sort(-1),
  ),
  ...row(
    "top 50 of 50257",
    () => [r(1, 50257)],
    (x) => x!.topk(50),
  ),
  ...row(
    "top 8 of 1024x1024",
    () => [r(1024, 1024)],
    (x) => x!.topk(8),
  ),
  ...both(
    "cumsum 1024x1024 along 1",
    () => [r(1024, 1024)],
    (x) => x!.cumsum(1),
  ),
  ...row(
    "cumsum 1024x1024 along 0",
    () => [r(1024, 1024)],
    (x) => x!.cumsum(0),
  ),
};
/** Reductions over every arrangement of axes. */
export const reductions: Rows = {
  ...both(
    "sum 1M",
    () => [r(M)],
    (x) => x!.sum(),
  ),
  ...row(
    "sum 16M",
    () => [r(16 * M)],
    (x) => x!.sum(),
  ),
  ...row(
    "sum 1024x1024 over 0",
    () => [r(1024, 1024)],
    (x) => x!.sum(0),
  ),
  ...row(
    "sum 1024x1024 over 1",
    () => [r(1024, 1024)],
    (x) => x!.sum(1),
  ),
  ...row(
    "sum 64x256x64 over 1",
    () => [r(64, 256, 64)],
    (x) => x!.sum(1),
  ),
  ...row(
    "sum 32x64x28x28 over 0, 2, 3",
    () => [r(32, 64, 28, 28)],
    (x) => x!.sum([0, 2, 3]),
  ),
  ...row(
    "mean 1024x1024 over 1",
    () => [r(1024, 1024)],
    (x) => x!.mean(1),
  ),
  ...row(
    "variance 1024x1024 over 1",
    () => [r(1024, 1024)],
    (x) => x!.var(1),
  ),
  ...row(
    "max 1M",
    () => [r(M)],
    (x) => x!.max(),
  ),
  ...row(
    "max 1024x1024 over 1, with indices",
    () => [r(1024, 1024)],
    (x) => x!.max(1),
  ),
  ...row(
    "argmax 1024x1024 over 0",
    () => [r(1024, 1024)],
    (x) => x!.argmax(0),
  ),
  ...row(
    "prod 1024x1024 over 1",
    () => [r(1024, 1024)],
    (x) => x!.prod(1),
  ),
  ...row(
    "norm 1M",
    () => [r(M)],
    (x) => x!.norm(),
  ),
  ...row(
    "logsumexp 1024x1024 over 1",
    () => [r(1024, 1024)],
    (x) => x!.logsumexp(1),
  ),
};
/** Copies and casts. */
export const copies: Rows = {
  ...row(
    "transpose copy 1024",
    () => [r(1024, 1024)],
    (x) => x!.t().contiguous(),
  ),
  ...row(
    "channels last copy 8x64x56x56",
    () => [r(8, 64, 56, 56)],
    (x) => x!.permute([0, 2, 3, 1]).contiguous(),
  ),
  ...row(
    "heads copy 8x256x6x64",
    () => [r(8, 256, 6, 64)],
    (x) => x!.transpose(1, 2).contiguous(),
  ),
  ...row(
    "every second of 2M",
    () => [r(2 * M).view([M, 2])],
    (x) => x!.select(1, 0).contiguous(),
  ),
  ...row(
    "clone 4M",
    () => [r(4 * M)],
    (x) => x!.clone(),
  ),
  ...row(
    "cat 4 of 256x1024 along 1",
    () => [r(256, 1024)],
    (x) => torch.cat([x!, x!, x!, x!], 1),
  ),
  ...row(
    "float32 to bfloat16 1M",
    () => [r(M)],
    (x) => x!.bfloat16(),
  ),
  ...row(
    "bfloat16 to float32 1M",
    () => [r(M).bfloat16()],
    (x) => x!.float(),
  ),
  ...row(
    "float32 to float16 1M",
    () => [r(M)],
    (x) => x!.half(),
  ),
  ...row(
    "int64 to float32 1M",
    () => [below(1000, M)],
    (x) => x!.float(),
  ),
  ...row(
    "uint8 to float32 1M",
    () => [below(256, M).byte()],
    (x) => x!.float(),
  ),
};
/** Element by element: in cache (16 K), beyond it (1 M), and in memory (16 M). */
export const pointwise: Rows = {
  ...each("add 16K", 1 << 14, (x, y) => x.add(y)),
  ...each("add 1M", M, (x, y) => x.add(y)),
  ...each("add 16M", 16 * M, (x, y) => x.add(y)),
  ...each("mul by a scalar, in place, 1M", M, (x) => x.mul_(1)),
  ...each("add row to 1024x1024", M, (x, y) => x.view([1024, 1024]).add(y.narrow(0, 0, 1024))),
  ...each("exp 16K", 1 << 14, (x) => x.exp()),
  ...each("exp 1M", M, (x) => x.exp()),
  ...each("exp 16M", 16 * M, (x) => x.exp()),
  ...each("tanh 1M", M, (x) => x.tanh()),
  ...each("log of absolute 1M", M, (x) => x.abs().log()),
  ...each("sin 1M", M, (x) => x.sin()),
  ...each("pow 2.5 of absolute 1M", M, (x) => x.abs().pow(2.5)),
  ...each("greater, where 1M", M, (x, y) => torch.where(x.gt(y), x, y)),
  ...both(
    "relu 1M",
    () => [r(M)],
    (x) => x!.relu(),
  ),
  ...both(
    "gelu 256K",
    () => [r(1 << 18)],
    (x) => F.gelu(x!),
  ),
  ...both(
    "gelu tanh 256K",
    () => [r(1 << 18)],
    (x) => F.gelu(x!, { approximate: "tanh" }),
  ),
  ...both(
    "silu 256K",
    () => [r(1 << 18)],
    (x) => F.silu(x!),
  ),
  ...both(
    "sigmoid 1M",
    () => [r(M)],
    (x) => x!.sigmoid(),
  ),
  ...both(
    "div 1M",
    () => [r(M), r(M)],
    (x, y) => x!.div(y!),
    2,
  ),
};
/** Optimizer steps over ten million parameters, and random fills. */
export const updates: Rows = {
  "AdamW, 10M parameters": optimizer((p) => new optim.AdamW(p, { lr: 1e-6 })),
  "Adam, 10M parameters": optimizer((p) => new optim.Adam(p, { lr: 1e-6 })),
  "SGD with momentum, 10M parameters": optimizer((p) => new optim.SGD(p, { lr: 1e-6, momentum: 0.9 })),
  ...row(
    "clip the norm of 10M gradients",
    () => Array.from({ length: 10 }, () => Object.assign(r(1000, 1000), { grad: r(1000, 1000) })),
    (...p) => nn.utils.clipGradNorm_(p, 1e9),
  ),
  ...row(
    "rand 1M",
    () => [],
    () => torch.rand(M),
  ),
  ...row(
    "randn 1M",
    () => [],
    () => torch.randn(M),
  ),
  ...row(
    "dropout 1M",
    () => [r(M)],
    (x) => F.dropout(x!, { p: 0.1 }),
  ),
  ...row(
    "randperm 100K",
    () => [],
    () => torch.randperm(100_000),
  ),
};
