"""Records PyTorch's random numbers for test/core/rng.test.ts."""
import json, sys
import torch
from torch import nn
calls = {
    "rand5": lambda: torch.rand(5), "randn5": lambda: torch.randn(5), "randn20": lambda: torch.randn(20), "randn2": lambda: torch.randn(2), "randint": lambda: torch.randint(0, 10, (6,)), "randintWide": lambda: torch.randint(0, 2**40, (3,)),
    "randperm": lambda: torch.randperm(8), "rand64": lambda: torch.rand(3, dtype=torch.float64), "randn64": lambda: torch.randn(17, dtype=torch.float64), "uniform": lambda: torch.empty(4).uniform_(-0.3, 0.7), "normal": lambda: torch.empty(33).normal_(1, 2),
    "bernoulli": lambda: torch.empty(20).bernoulli_(0.3), "bernoulliEach": lambda: torch.bernoulli(torch.full((8,), 0.3)), "dropout": lambda: nn.functional.dropout(torch.ones(10), 0.2), "exponential64": lambda: torch.empty(4, dtype=torch.float64).exponential_(2),
    "linear": lambda: torch.cat([p.detach().reshape(-1) for p in nn.Linear(3, 2).parameters()]), "conv": lambda: next(nn.Conv2d(2, 3, 3).parameters()).detach().reshape(-1), "embedding": lambda: nn.Embedding(5, 4).weight.detach().reshape(-1),
    "complex": lambda: torch.view_as_real(torch.randn(9, dtype=torch.complex64)), "complexRand": lambda: torch.view_as_real(torch.rand(2, dtype=torch.complex128)), "half": lambda: torch.rand(4, dtype=torch.float16),
    "halfNormal": lambda: torch.randn(37, dtype=torch.float16), "brainNormal": lambda: torch.empty(19, dtype=torch.bfloat16).normal_(1, 2), "brainUniform": lambda: torch.empty(400, dtype=torch.bfloat16).uniform_(0.5, 1), "bernoulliInt": lambda: torch.empty(40, dtype=torch.int64).bernoulli_(0.7),
    "random32": lambda: torch.empty(4, dtype=torch.int32).random_(), "random8": lambda: torch.empty(4, dtype=torch.int8).random_(), "randomTo": lambda: torch.empty(4).random_(3, 9),
    "lstm": lambda: torch.cat([p.detach().reshape(-1) for p in nn.LSTM(2, 3).parameters()]), "attention": lambda: torch.cat([p.detach().reshape(-1) for p in nn.MultiheadAttention(4, 2).parameters()]),
}
out = []
for seed, order in [(0, list(calls)), (42, list(calls)[::-1])]:
    torch.manual_seed(seed)
    out.append({"seed": seed, "calls": [{"name": n, "values": [float(v) for v in calls[n]().double().flatten()]} for n in order]})
json.dump(out, open(sys.argv[1], "w"))
