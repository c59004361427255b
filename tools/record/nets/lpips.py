"""Distances that LPIPS's linear heads make of seeded features, for each of its three backbones."""
import torch
import torch.nn.functional as F
from common import digits, load, write

distances = {}
for name in ("alex", "squeeze", "vgg"):
    torch.manual_seed(0)
    total = torch.zeros(2)
    for i, w in enumerate(load(f"lpips/{name}.pth").values()):
        a, b = (F.relu(torch.randn(2, w.shape[1], 5 + i, 4)) for _ in range(2))
        a, b = (x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10) for x in (a, b))
        total += F.conv2d((a - b).square(), w).mean((1, 2, 3))
    distances[name] = [digits(v) for v in total.tolist()]
write(distances)
