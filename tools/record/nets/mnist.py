"""Log-probabilities and accuracy of Burn's MNIST network on the ten thousand test images, for each of its two trainings."""
import gzip

import torch
import torch.nn.functional as F
from common import DATA, load, safetensors, summary, write


def idx(name, header):
    raw = gzip.decompress((DATA / "images/mnist" / name).read_bytes())
    return torch.frombuffer(bytearray(raw[header:]), dtype=torch.uint8)


def norm(w, x, name):
    return F.batch_norm(x, *(w[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")))


def forward(w, x):
    for i in (1, 2, 3):
        x = F.relu(F.conv2d(x, w[f"conv{i}.weight"], w[f"conv{i}.bias"]))
    x = F.relu(F.linear(norm(w, x, "norm1").flatten(1), w["fc1.weight"], w["fc1.bias"]))
    return norm(w, F.linear(x, w["fc2.weight"], w["fc2.bias"]), "norm2").log_softmax(1)


images = (idx("t10k-images-idx3-ubyte.gz", 16).view(-1, 1, 28, 28).float() / 255 - 0.1307) / 0.3081
labels = idx("t10k-labels-idx1-ubyte.gz", 8)
record = {}
for name, w in {"pt": load("burn-mnist/mnist.pt"), "safetensors": safetensors("burn-mnist/mnist.safetensors")}.items():
    y = torch.cat([forward(w, part) for part in images.split(1000)])
    record[name] = {"logProbabilities": summary(y, 60), "right": int((y.argmax(1) == labels).sum())}
write(record)
