"""Records what PyTorch's initialisers draw: python tools/record/init.py > test/nn/init.json"""
import json
import re

import torch
from torch.nn import init

CASES = [
    ("uniform_", [3, 2], [-1, 2]),
    ("normal_", [3, 2], [1, 0.5]),
    ("trunc_normal_", [4, 5], []),
    ("trunc_normal_", [40], [0.5, 2, -1, 2]),
    ("trunc_normal_", [4, 5], [0, 1, 1.5, 2]),  # little of the normal lies inside: the other way of drawing
    ("xavier_uniform_", [3, 2], [2]),
    ("xavier_normal_", [3, 2, 2], []),
    ("kaiming_uniform_", [3, 2], [1, "fan_out"]),
    ("kaiming_normal_", [3, 2, 2], [0, "fan_in", "relu"]),
    ("eye_", [2, 3], []),
    ("dirac_", [4, 2, 3], [2]),
    ("sparse_", [5, 3], [0.5, 1]),
    ("orthogonal_", [3, 2], []),
    ("orthogonal_", [2, 3, 2], [2]),
]
out = []
for name, shape, args in CASES:
    torch.manual_seed(3)
    values = getattr(init, name)(torch.ones(shape), *args)
    camel = re.sub(r"_([a-z])", lambda m: m.group(1).upper(), name)
    out.append({"name": camel, "shape": shape, "args": args, "values": [round(v, 6) for v in values.flatten().tolist()]})
print("[\n" + ",\n".join("  " + json.dumps(c) for c in out) + "\n]")
