"""The rows of data.ts in PyTorch."""
import torch
import torch.nn.functional as F
from row import below, both, r, row

M = 1 << 20


def each(name, n, f):
    return row(name, lambda: [r(n), r(n)], f)


def optimizer(make):
    def prepare():
        params = [r(1000, 1000).requires_grad_() for _ in range(10)]
        for p in params:
            p.grad = r(1000, 1000)
        return make(params).step

    return prepare


def clip():
    params = [r(1000, 1000).requires_grad_() for _ in range(10)]
    for p in params:
        p.grad = r(1000, 1000)
    return lambda: torch.nn.utils.clip_grad_norm_(params, 1e9)


rows = {
    **both("gather 1024x1024 along 1", lambda: [r(1024, 1024), below(1024, 1024, 1024)], lambda x, i: x.gather(1, i)),
    **both("gather 1024x1024 along 0", lambda: [r(1024, 1024), below(1024, 1024, 1024)], lambda x, i: x.gather(0, i)),
    **row("scatter add 1024x1024 along 1", lambda: [torch.zeros(1024, 1024), below(1024, 1024, 1024), r(1024, 1024)], lambda x, i, s: x.scatter_add(1, i, s)),
    **both("index rows, 8192 of 4096x256", lambda: [r(4096, 256), below(4096, 8192)], lambda x, i: x[i]),
    **row("masked select 1M", lambda: [r(M)], lambda x: x.masked_select(x.gt(0))),
    **row("sort 1M", lambda: [r(M)], lambda x: x.sort()),
    **row("sort 1024x1024", lambda: [r(1024, 1024)], lambda x: x.sort(-1)),
    **row("top 50 of 50257", lambda: [r(1, 50257)], lambda x: x.topk(50)),
    **row("top 8 of 1024x1024", lambda: [r(1024, 1024)], lambda x: x.topk(8)),
    **both("cumsum 1024x1024 along 1", lambda: [r(1024, 1024)], lambda x: x.cumsum(1)),
    **row("cumsum 1024x1024 along 0", lambda: [r(1024, 1024)], lambda x: x.cumsum(0)),
    **both("sum 1M", lambda: [r(M)], lambda x: x.sum()),
    **row("sum 16M", lambda: [r(16 * M)], lambda x: x.sum()),
    **row("sum 1024x1024 over 0", lambda: [r(1024, 1024)], lambda x: x.sum(0)),
    **row("sum 1024x1024 over 1", lambda: [r(1024, 1024)], lambda x: x.sum(1)),
    **row("sum 64x256x64 over 1", lambda: [r(64, 256, 64)], lambda x: x.sum(1)),
    **row("sum 32x64x28x28 over 0, 2, 3", lambda: [r(32, 64, 28, 28)], lambda x: x.sum((0, 2, 3))),
    **row("mean 1024x1024 over 1", lambda: [r(1024, 1024)], lambda x: x.mean(1)),
    **row("variance 1024x1024 over 1", lambda: [r(1024, 1024)], lambda x: x.var(1)),
    **row("max 1M", lambda: [r(M)], lambda x: x.max()),
    **row("max 1024x1024 over 1, with indices", lambda: [r(1024, 1024)], lambda x: x.max(1)),
    **row("argmax 1024x1024 over 0", lambda: [r(1024, 1024)], lambda x: x.argmax(0)),
    **row("prod 1024x1024 over 1", lambda: [r(1024, 1024)], lambda x: x.prod(1)),
    **row("norm 1M", lambda: [r(M)], lambda x: x.norm()),
    **row("logsumexp 1024x1024 over 1", lambda: [r(1024, 1024)], lambda x: x.logsumexp(1)),
    **row("transpose copy 1024", lambda: [r(1024, 1024)], lambda x: x.t().contiguous()),
    **row("channels last copy 8x64x56x56", lambda: [r(8, 64, 56, 56)], lambda x: x.permute(0, 2, 3, 1).contiguous()),
    **row("heads copy 8x256x6x64", lambda: [r(8, 256, 6, 64)], lambda x: x.transpose(1, 2).contiguous()),
    **row("every second of 2M", lambda: [r(2 * M).view(M, 2)], lambda x: x.select(1, 0).contiguous()),
    **row("clone 4M", lambda: [r(4 * M)], lambda x: x.clone()),
    **row("cat 4 of 256x1024 along 1", lambda: [r(256, 1024)], lambda x: torch.cat([x, x, x, x], 1)),
    **row("float32 to bfloat16 1M", lambda: [r(M)], lambda x: x.bfloat16()),
    **row("bfloat16 to float32 1M", lambda: [r(M).bfloat16()], lambda x: x.float()),
    **row("float32 to float16 1M", lambda: [r(M)], lambda x: x.half()),
    **row("int64 to float32 1M", lambda: [below(1000, M)], lambda x: x.float()),
    **row("uint8 to float32 1M", lambda: [below(256, M).byte()], lambda x: x.float()),
    **each("add 16K", 1 << 14, lambda x, y: x + y),
    **each("add 1M", M, lambda x, y: x + y),
    **each("add 16M", 16 * M, lambda x, y: x + y),
    **each("mul by a scalar, in place, 1M", M, lambda x, y: x.mul_(1)),
    **each("add row to 1024x1024", M, lambda x, y: x.view(1024, 1024) + y.narrow(0, 0, 1024)),
    **each("exp 16K", 1 << 14, lambda x, y: x.exp()),
    **each("exp 1M", M, lambda x, y: x.exp()),
    **each("exp 16M", 16 * M, lambda x, y: x.exp()),
    **each("tanh 1M", M, lambda x, y: x.tanh()),
    **each("log of absolute 1M", M, lambda x, y: x.abs().log()),
    **each("sin 1M", M, lambda x, y: x.sin()),
    **each("pow 2.5 of absolute 1M", M, lambda x, y: x.abs().pow(2.5)),
    **each("greater, where 1M", M, lambda x, y: torch.where(x.gt(y), x, y)),
    **both("relu 1M", lambda: [r(M)], lambda x: x.relu()),
    **both("gelu 256K", lambda: [r(1 << 18)], lambda x: F.gelu(x)),
    **both("gelu tanh 256K", lambda: [r(1 << 18)], lambda x: F.gelu(x, approximate="tanh")),
    **both("silu 256K", lambda: [r(1 << 18)], lambda x: F.silu(x)),
    **both("sigmoid 1M", lambda: [r(M)], lambda x: x.sigmoid()),
    **both("div 1M", lambda: [r(M), r(M)], lambda x, y: x / y, 2),
    "AdamW, 10M parameters": optimizer(lambda p: torch.optim.AdamW(p, lr=1e-6)),
    "Adam, 10M parameters": optimizer(lambda p: torch.optim.Adam(p, lr=1e-6)),
    "SGD with momentum, 10M parameters": optimizer(lambda p: torch.optim.SGD(p, lr=1e-6, momentum=0.9)),
    "clip the norm of 10M gradients": clip,
    **row("rand 1M", lambda: [], lambda: torch.rand(M)),
    **row("randn 1M", lambda: [], lambda: torch.randn(M)),
    **row("dropout 1M", lambda: [r(M)], lambda x: F.dropout(x, 0.1)),
    **row("randperm 100K", lambda: [], lambda: torch.randperm(100_000)),
}
