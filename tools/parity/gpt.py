"""The GPT of examples/gpt in PyTorch: same seed, same batches; prints one loss a line. Run by tools/parity/main.ts."""
import json, math, sys
import torch
from torch import nn
import torch.nn.functional as F

steps, vocab, block, layers, heads, embd, batch = map(int, sys.argv[1:8])


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embd)
        self.c_attn, self.c_proj = nn.Linear(embd, 3 * embd), nn.Linear(embd, embd)
        self.ln_2 = nn.LayerNorm(embd)
        self.c_fc, self.mlp_c_proj = nn.Linear(embd, 4 * embd), nn.Linear(4 * embd, embd)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (t.view(B, T, heads, C // heads).transpose(1, 2) for t in self.c_attn(self.ln_1(x)).split(C, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, C)
        x = x + self.c_proj(y)
        return x + self.mlp_c_proj(F.gelu(self.c_fc(self.ln_2(x))))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, embd), nn.Embedding(block, embd)
        self.h = nn.ModuleList([Block() for _ in range(layers)])
        self.ln_f = nn.LayerNorm(embd)
        self.lm_head = nn.Linear(embd, vocab, bias=False)
        std = 1 / math.sqrt(embd)
        for name, p in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(p, 0, std / math.sqrt(2 * layers))
            elif p.ndim == 2:
                nn.init.normal_(p, 0, std)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, x, t):
        y = self.wte(x) + self.wpe(torch.arange(x.shape[1]))
        for b in self.h:
            y = b(y)
        return F.cross_entropy(self.lm_head(self.ln_f(y)).view(-1, vocab), t.reshape(-1))


torch.manual_seed(1337)
model = GPT()
opt = torch.optim.AdamW([{"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1}, {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0}], lr=1e-3, betas=(0.9, 0.99))
data = torch.tensor(json.load(sys.stdin))
g = torch.Generator().manual_seed(1337)
for _ in range(steps):
    starts = torch.randint(0, len(data) - block, (batch,), generator=g)
    x = torch.stack([data[s : s + block] for s in starts])
    y = torch.stack([data[s + 1 : s + block + 1] for s in starts])
    loss = model(x, y)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    print(loss.item(), flush=True)
