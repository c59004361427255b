"""The rows of models.ts in PyTorch."""
import torch
import torch.nn as nn
import torch.nn.functional as F

r = torch.randn


def training(model, loss):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step():
        l = loss()
        optimizer.zero_grad()
        l.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()

    return step


class Block(nn.Module):
    def __init__(self, inside, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None if stride == 1 and inside == out else nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet18(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        layer = lambda i, o, s: [Block(i, o, s), Block(o, o, 1)]
        self.layers = nn.Sequential(*layer(64, 64, 1), *layer(64, 128, 2), *layer(128, 256, 2), *layer(256, 512, 2))
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(self.layers(x).mean((2, 3)))


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(128, 256, 2, batch_first=True)
        self.head = nn.Linear(256, 64)

    def forward(self, x):
        return self.head(self.lstm(x)[0])


class GptBlock(nn.Module):
    def __init__(self, C, heads, gelu, length=0):
        super().__init__()
        self.heads, self.gelu = heads, gelu
        self.ln1, self.ln2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.attn, self.proj = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.fc, self.out = nn.Linear(C, 4 * C), nn.Linear(4 * C, C)
        if length:
            self.k, self.v = torch.zeros(1, heads, length, C // heads), torch.zeros(1, heads, length, C // heads)

    def forward(self, x, at=None):
        B, T, C = x.shape
        q, k, v = (t.view(B, T, self.heads, C // self.heads).transpose(1, 2) for t in self.attn(self.ln1(x)).split(C, 2))
        if at is not None:
            self.k[:, :, at : at + T], self.v[:, :, at : at + T] = k, v
            k, v = self.k[:, :, : at + T], self.v[:, :, : at + T]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1)
        x = x + self.proj(y.transpose(1, 2).reshape(B, T, C))
        return x + self.out(F.gelu(self.fc(self.ln2(x)), approximate=self.gelu))


class Gpt(nn.Module):
    def __init__(self, V, L, H, E, T):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(V, E), nn.Embedding(T, E)
        self.h = nn.ModuleList(GptBlock(E, H, "none") for _ in range(L))
        self.ln, self.head = nn.LayerNorm(E), nn.Linear(E, V, bias=False)

    def loss(self, x, y):
        z = self.wte(x) + self.wpe(torch.arange(x.shape[1]))
        for b in self.h:
            z = b(z)
        return F.cross_entropy(self.head(self.ln(z)).flatten(0, 1), y.flatten())


class Gpt2(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(50257, 768), nn.Embedding(1024, 768)
        self.h = nn.ModuleList(GptBlock(768, 12, "tanh", 1024) for _ in range(12))
        self.ln = nn.LayerNorm(768)

    def forward(self, ids, at):
        T = ids.shape[1]
        x = self.wte(ids) + self.wpe(torch.arange(at, at + T))
        for b in self.h:
            x = b(x, at)
        return F.linear(self.ln(x[:, -1:]), self.wte.weight)


def image(make, *shape):
    m, x = make().eval(), r(*shape)
    return no_grad(lambda: m(x))


def no_grad(f):
    def run():
        with torch.no_grad():
            return f()

    return run


def classes(m, x, n):
    y = torch.randint(0, n, (x.shape[0],))
    return training(m, lambda: F.cross_entropy(m(x), y))


def language(V, L, H, E, T, B):
    m = Gpt(V, L, H, E, T)
    x, y = torch.randint(0, V, (B, T)), torch.randint(0, V, (B, T))
    return training(m, lambda: m.loss(x, y))


def lstm():
    m, x, y = Sequence(), r(32, 64, 128), torch.randint(0, 64, (32 * 64,))
    return training(m, lambda: F.cross_entropy(m(x).reshape(-1, 64), y))


def transformer():
    m = nn.Transformer(256, 8, 3, 3, 1024, 0.0, batch_first=True)
    x, y, mask = r(16, 64, 256), r(16, 64, 256), nn.Transformer.generate_square_subsequent_mask(64)
    return training(m, lambda: m(x, y, tgt_mask=mask).square().mean())


def gpt2(at, tokens):
    m, ids = Gpt2().eval(), torch.randint(0, 50257, (1, tokens))
    return no_grad(lambda: m(ids, at))


def bert():
    layer = nn.TransformerEncoderLayer(768, 12, 3072, activation="gelu", batch_first=True, layer_norm_eps=1e-12)
    m, x = nn.TransformerEncoder(layer, 12).eval(), r(1, 128, 768)
    return no_grad(lambda: m(x))


rows = {
    "train MLP 784-512-256-10, batch 64": lambda: classes(nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)), r(64, 784), 10),
    "train CNN 28x28, batch 64": lambda: classes(
        nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, 10),
        ),
        r(64, 1, 28, 28),
        10,
    ),
    "train ResNet-18 3x32x32, batch 32": lambda: classes(ResNet18(10), r(32, 3, 32, 32), 10),
    "train LSTM 2x256, sequence 64, batch 32": lstm,
    "train GPT 4 layers d128, context 128, batch 16": lambda: language(65, 4, 4, 128, 128, 16),
    "train GPT 6 layers d384, context 256, batch 8": lambda: language(65, 6, 6, 384, 256, 8),
    "train Transformer d256, 3+3 layers, 64 tokens, batch 16": transformer,
    "ResNet-18 224, batch 1": lambda: image(lambda: ResNet18(1000), 1, 3, 224, 224),
    "ResNet-18 224, batch 8": lambda: image(lambda: ResNet18(1000), 8, 3, 224, 224),
    "GPT-2 124M, prefill 128": lambda: gpt2(0, 128),
    "GPT-2 124M, decode one token after 128": lambda: gpt2(128, 1),
    "BERT-base, 128 tokens": bert,
}
