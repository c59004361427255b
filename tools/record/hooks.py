"""Records what PyTorch's module hooks see: python tools/record/hooks.py > test/nn/hooks.json"""
import json

import torch
from torch import nn

numbers = lambda t: None if t is None else t.flatten().tolist()


class Net(nn.Module):
    def forward(self, x, y):
        return x * y, x + 2 * y


log = []
net = Net()
net.register_full_backward_pre_hook(lambda m, g: log.append(["pre", [numbers(t) for t in g]]))
net.register_full_backward_hook(lambda m, gi, go: log.append(["full", [numbers(t) for t in gi], [numbers(t) for t in go]]))
x, y = torch.tensor([1.5, -2.0], requires_grad=True), torch.tensor([0.5, 3.0])
a, b = net(x, y)
(a * torch.tensor([1.0, 2.0]) + b * torch.tensor([3.0, -1.0])).sum().backward()
out = {"seen": log, "x": numbers(x.grad)}

# Hooks that replace: the output's gradient is doubled on its way in, the input's negated on its way out.
net = nn.Linear(2, 1)
with torch.no_grad():
    net.weight.copy_(torch.tensor([[2.0, -1.0]]))
net.register_full_backward_pre_hook(lambda m, g: (2 * g[0],))
net.register_full_backward_hook(lambda m, gi, go: (-gi[0],))
x = torch.tensor([[1.0, 4.0]], requires_grad=True)
net(x).sum().backward()
out["replaced"] = {"x": numbers(x.grad), "weight": numbers(net.weight.grad)}

# Without an argument that needs a gradient the hook runs all the same.
log = []
net = nn.Linear(2, 1)
net.register_full_backward_hook(lambda m, gi, go: log.append([[numbers(t) for t in gi], [numbers(t) for t in go]]))
net(torch.ones(1, 2)).sum().backward()
out["leaf"] = log
print(json.dumps(out))
