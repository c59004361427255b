"""The rows of matmul.ts in PyTorch."""
from row import both, r, row


def linear(m, k, n):
    return row(f"linear {m}x{k} to {n}", lambda: [r(m, k), r(n, k)], lambda x, w: x @ w.t())


def square(n):
    return row(f"matmul {n}", lambda: [r(n, n), r(n, n)], lambda a, b: a @ b)


rows = {
    **{k: v for n in (64, 128, 256, 512, 1024, 2048) for k, v in square(n).items()},
    **row("matmul 512, b transposed", lambda: [r(512, 512), r(512, 512)], lambda a, b: a @ b.t()),
    **row("matmul 512, a transposed", lambda: [r(512, 512), r(512, 512)], lambda a, b: a.t() @ b),
    **row("matmul 1024, a transposed", lambda: [r(1024, 1024), r(1024, 1024)], lambda a, b: a.t() @ b),
    **linear(8, 768, 3072),
    **linear(32, 768, 768),
    **linear(512, 768, 768),
    **linear(512, 768, 3072),
    **linear(512, 3072, 768),
    **linear(512, 768, 50257),
    **row("weight gradient 3072x512x768", lambda: [r(512, 3072), r(512, 768)], lambda g, x: g.t() @ x),
    **both("batched 48x128x64x128, b transposed", lambda: [r(48, 128, 64), r(48, 128, 64)], lambda a, b: a @ b.mT, 2),
    **row("batched 48x128x128x64", lambda: [r(48, 128, 128), r(48, 128, 64)], lambda a, b: a @ b),
    **row("batched 256x32x32x32", lambda: [r(256, 32, 32), r(256, 32, 32)], lambda a, b: a @ b),
    **linear(1, 768, 768),
    **linear(1, 768, 3072),
    **linear(1, 768, 50257),
    **row("vector times 768x3072", lambda: [r(1, 768), r(768, 3072)], lambda x, w: x @ w),
    **row("3072x768 times vector", lambda: [r(3072, 768), r(768)], lambda w, x: w @ x),
}
