"""The rows of layers.ts in PyTorch."""
import torch
import torch.nn.functional as F
from row import below, both, r

sdpa = F.scaled_dot_product_attention


def heads(T):
    return [r(1, 8, T, 64), r(1, 8, T, 64), r(1, 8, T, 64)]


def attention(T):
    return {
        **both(f"attention 8x{T}x64", lambda: heads(T), lambda q, k, v: sdpa(q, k, v), 3),
        **both(f"attention 8x{T}x64, causal", lambda: heads(T), lambda q, k, v: sdpa(q, k, v, is_causal=True), 3),
    }


rows = {
    **attention(128),
    **attention(512),
    **attention(2048),
    **both("attention 8x512x64, added mask", lambda: [*heads(512), r(512, 512)], lambda q, k, v, m: sdpa(q, k, v, attn_mask=m), 3),
    **both("softmax 512x1024", lambda: [r(512, 1024)], lambda x: x.softmax(-1)),
    **both("log softmax 512x1024", lambda: [r(512, 1024)], lambda x: x.log_softmax(-1)),
    **both("softmax over rows 1024x512", lambda: [r(1024, 512)], lambda x: x.softmax(0)),
    **both("layer norm 512x768", lambda: [r(512, 768), r(768), r(768)], lambda x, w, b: F.layer_norm(x, (768,), w, b), 3),
    **both("rms norm 512x768", lambda: [r(512, 768), r(768)], lambda x, w: F.rms_norm(x, (768,), w), 2),
    **both(
        "batch norm 32x64x28x28, training",
        lambda: [r(32, 64, 28, 28), r(64), r(64), torch.zeros(64), torch.ones(64)],
        lambda x, w, b, mean, v: F.batch_norm(x, mean, v, w, b, training=True),
        3,
    ),
    **both("group norm 8x128x28x28, 32 groups", lambda: [r(8, 128, 28, 28), r(128), r(128)], lambda x, w, b: F.group_norm(x, 32, w, b), 3),
    **both("cross-entropy 2048x1024", lambda: [r(2048, 1024), below(1024, 2048)], lambda x, t: F.cross_entropy(x, t)),
    **both("cross-entropy 512x50257", lambda: [r(512, 50257), below(50257, 512)], lambda x, t: F.cross_entropy(x, t)),
    **both("embedding 50257x768, 2048 tokens", lambda: [r(50257, 768), below(50257, 2048)], lambda w, i: F.embedding(i, w)),
    **both("embedding 128x128, 2048 tokens", lambda: [r(128, 128), below(128, 2048)], lambda w, i: F.embedding(i, w)),
}
