"""The CNN of tools/parity/main.ts in PyTorch; prints one loss a line."""
import json, sys
import torch
from torch import nn
import torch.nn.functional as F

steps, batch = map(int, sys.argv[1:3])
torch.manual_seed(7)
model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.25), nn.Linear(32 * 7 * 7, 10))
opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
d = json.load(sys.stdin)
images, labels = torch.tensor(d["images"]).view(-1, 1, 28, 28) / 255, torch.tensor(d["labels"])
g = torch.Generator().manual_seed(7)
for _ in range(steps):
    pick = torch.randint(0, len(labels), (batch,), generator=g)
    loss = F.cross_entropy(model(images[pick]), labels[pick])
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(loss.item(), flush=True)
