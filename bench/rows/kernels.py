"""The rows of kernels.ts in PyTorch."""
import torch
import torch.nn.functional as F

r = torch.randn


def rows():
    a, b = torch.ones(16), torch.ones(16)
    p = torch.ones(16, requires_grad=True)
    yield "add 16", lambda: lambda: a + b
    yield "add 16, recorded", lambda: lambda: p + b
    yield "(p * b).sum().backward(), 16", lambda: lambda: (p * b).sum().backward()
    yield "view 16", lambda: lambda: a.view(4, 4)
    for n in (256, 512, 1024, 2048):
        yield f"matmul {n}", lambda n=n: (lambda x, y: lambda: x @ y)(r(n, n), r(n, n))
    yield "matmul 512x768x3072, weight transposed", lambda: (lambda x, w: lambda: x @ w.t())(r(512, 768), r(3072, 768))
    yield "vector times 3072x768, transposed", lambda: (lambda x, w: lambda: x @ w.t())(r(1, 768), r(3072, 768))
    yield "vector times 768x3072", lambda: (lambda x, w: lambda: x @ w)(r(1, 768), r(768, 3072))
    yield "softmax 512x1024", lambda: (lambda x: lambda: x.softmax(-1))(r(512, 1024))
    yield "layer norm 512x768", lambda: (lambda x, w: lambda: F.layer_norm(x, (768,), w, w))(r(512, 768), r(768))
    yield "gelu 256K", lambda: (lambda x: lambda: F.gelu(x))(r(1 << 18))
    yield "exp 1M", lambda: (lambda x: lambda: x.exp())(r(1 << 20))
    yield "add 1M", lambda: (lambda x, y: lambda: x + y)(r(1 << 20), r(1 << 20))
    yield "sum 1M", lambda: (lambda x: lambda: x.sum())(r(1 << 20))
    yield "sum over rows 1024x1024", lambda: (lambda x: lambda: x.sum(0))(r(1024, 1024))
    yield "transpose copy 1024", lambda: (lambda x: lambda: x.t().contiguous())(r(1024, 1024))
    yield "conv 3x3 64 channels 56x56, batch 4", lambda: (lambda x, w: lambda: F.conv2d(x, w, padding=1))(r(4, 64, 56, 56), r(64, 64, 3, 3))
    yield "causal attention 4x8x256x64", lambda: (lambda q, k, v: lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True))(r(4, 8, 256, 64), r(4, 8, 256, 64), r(4, 8, 256, 64))
    yield "cross-entropy 2048x1024", lambda: (lambda x, t: lambda: F.cross_entropy(x, t))(r(2048, 1024), torch.randint(0, 1024, (2048,)))


rows = dict(rows())
