"""The rows of calls.ts in PyTorch."""
import torch
from row import row

a = torch.ones(16)
p = torch.ones(16, requires_grad=True)
linear = torch.nn.Linear(16, 16)


def hundred(x):
    for _ in range(50):
        x = x * a + a
    return x


rows = {
    **row("add 16", lambda: [], lambda: a + a),
    **row("add 16, recorded", lambda: [], lambda: p + a),
    **row("(p * b).sum().backward(), 16", lambda: [], lambda: (p * a).sum().backward()),
    **row("view 16", lambda: [], lambda: a.view(4, 4)),
    **row("transpose 4x4", lambda: [a.view(4, 4)], lambda x: x.t()),
    **row("slice 16", lambda: [], lambda: a.narrow(0, 4, 8)),
    **row("sum 16", lambda: [], lambda: a.sum()),
    **row("matmul 4x4", lambda: [a.view(4, 4)], lambda x: x @ x),
    **row("100 ops of 16, recorded", lambda: [], lambda: hundred(p)),
    **row("100 ops of 16, forward and backward", lambda: [], lambda: hundred(p).sum().backward()),
    **row("Linear(16, 16) module call", lambda: [torch.ones(1, 16)], lambda x: linear(x)),
}
