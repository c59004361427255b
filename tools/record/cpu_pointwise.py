"""Records PyTorch's results for the scalar functions of src/kernel/algebra.ts into test/backends/cpu/pointwise.json.

Inputs are float32 numbers, so that float64 results serve as the reference of both lanes; functions that jump
(floorDivide, nextafter, ...) are recorded once per lane. Integers are recorded as strings.
"""
import json
import math
import os
import random
import re

import torch

random.seed(7)
UNARY = """neg abs sign exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh
atanh floor ceil round trunc erf erfc erfinv lgamma digamma sigmoid reciprocal isnan isinf logicalNot angle""".split()
BINARY = """add sub mul div pow maximum minimum fmod remainder floorDivide atan2 copysign nextafter eq ne lt le gt ge
logicalAnd logicalOr logicalXor""".split()
INT_UNARY = "neg abs sign bitwiseNot logicalNot".split()
INT_BINARY = """add sub mul pow maximum minimum fmod remainder floorDivide eq ne lt le gt ge logicalAnd logicalOr logicalXor
bitwiseAnd bitwiseOr bitwiseXor bitwiseLeftShift bitwiseRightShift""".split()
COMPLEX_UNARY = """neg abs sign exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh asinh
acosh atanh sigmoid reciprocal conj angle""".split()
COMPLEX_BINARY = "add sub mul div pow eq ne".split()


def function(name):
    name = {"sign": "sgn"}.get(name, name)
    return getattr(torch, re.sub("([A-Z])", lambda m: "_" + m[1].lower(), name))


def numbers(t):
    if t.is_complex():
        t = torch.view_as_real(t.resolve_conj()).flatten()
    return [v if math.isfinite(v) else str(v) for v in t.to(torch.float64).tolist()]


inf, nan = math.inf, math.nan
special = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 1.5, 2.5, -2.5, -1.5, inf, -inf, nan, 1e-40, 1e-30, -1e-8, 1e20,
           88.0, -87.0, 89.5, -104.5, 170.0, 0.99999, -0.99999, 1e-4, 3.25, -4.75, 1e6, 100000.0, -20.0, 20.0]
spread = special + [random.gauss(0, 1) for _ in range(24)] + [random.gauss(0, 6) for _ in range(24)] + [random.random() for _ in range(16)]
x = torch.tensor(spread, dtype=torch.float32).to(torch.float64)
out = {"torch": torch.__version__, "x": numbers(x), "unary": {}, "binary": {}, "complex": {}, "int": {}}
for name in UNARY:
    out["unary"][name] = numbers(function(name)(x))

few = [0.0, -0.0, 1.0, 2.0, -3.0, 0.5, inf, -inf, nan, -0.1]
pairs = [(a, b) for a in few for b in few] + [(random.gauss(0, 5), random.gauss(0, 5)) for _ in range(32)]
a32, b32 = (torch.tensor([p[k] for p in pairs], dtype=torch.float32) for k in (0, 1))
a64, b64 = a32.to(torch.float64), b32.to(torch.float64)
out["a"], out["b"] = numbers(a64), numbers(b64)
for name in BINARY:
    f = function(name)
    wide = f(a64, b64)
    # Smooth functions are judged by their float64 results in both lanes.
    jump = name in ("fmod", "remainder", "floorDivide", "nextafter")
    out["binary"][name] = {"f64": numbers(wide), **({"f32": numbers(f(a32, b32))} if jump else {})}

ints = [0, 1, -1, 2, -7, 7, -128, 2**31 - 1, 2**53 + 1, 2**63 - 1, -(2**63)]
left = torch.tensor([i for i in ints for _ in ints], dtype=torch.int64)
right = torch.tensor([j for _ in ints for j in ints], dtype=torch.int64)
strings = lambda t: [str(int(v)) for v in t.tolist()]
out["int"] = {"a": strings(left), "b": strings(right), "unary": {}, "binary": {}}
for name in INT_UNARY:
    out["int"]["unary"][name] = strings(function(name)(left))
for name in INT_BINARY:
    f, a, b = function(name), left, right
    if name == "pow":
        b = right.remainder(5)
    elif name.endswith("Shift"):
        b = right.remainder(64)
    elif name in ("fmod", "remainder", "floorDivide"):
        b = torch.where(right == 0, torch.tensor(3), right)
        b = torch.where((left == -(2**63)) & (b == -1), torch.tensor(5), b)
    out["int"]["binary"][name] = {"b": strings(b), "y": strings(f(a, b))}

points = [complex(random.gauss(0, 2), random.gauss(0, 2)) for _ in range(24)] + [1 + 0j, -1 + 1j, 2j, 0.25 - 0.5j]
z = torch.tensor(points, dtype=torch.complex64).to(torch.complex128)
w = torch.roll(z, 5)
out["complex"] = {"a": numbers(z), "b": numbers(w), "unary": {}, "binary": {}}
for name in COMPLEX_UNARY:
    y = function(name)(z)
    out["complex"]["unary"][name] = numbers(y.to(torch.complex128))
for name in COMPLEX_BINARY:
    out["complex"]["binary"][name] = numbers(function(name)(z, w).to(torch.complex128))

path = os.path.join(os.path.dirname(__file__), "..", "..", "test", "backends", "cpu", "pointwise.json")
with open(path, "w") as file:
    file.write(json.dumps(out, separators=(",", ":")).replace('},"', '},\n"') + "\n")
