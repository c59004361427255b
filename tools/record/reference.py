"""Records PyTorch's float64 and complex128 results for the formulas of src/backends/reference/{special,complex}.ts:
python tools/record/reference.py > test/backends/reference/values.json

Points: dense where a formula changes its method, at the ends of the range, on both sides of branch cuts (signed zeros).
"""
import json
import math
import random

import torch

random.seed(5)
inf = math.inf


def number(v):
    return v if math.isfinite(v) and not (v == 0 and math.copysign(1, v) < 0) else ("-0" if v == 0 else str(v))


spread = sorted({round(random.uniform(-30, 30), 6) for _ in range(60)} | {round(random.gauss(0, 2), 9) for _ in range(60)})
ends = [0.0, -0.0, 1e-300, -1e-300, 1e-20, 1e-8, -1e-8, 0.5, -0.5, 1.0, -1.0, 1.9999, 2.0001, -1.9999, -2.0001, 9.99, 10.01, 14.99, 15.01, 1e3, 1e8, 1e300, inf, -inf, math.nan]
POINTS = {
    "erf": spread + ends + [5.9, -5.9, 6.5],
    "erfc": spread + ends + [5.9, 10.5, 20.0, 26.0, 26.5, 27.5],
    "erfinv": [v / 37 for v in range(-37, 38)] + [0.0, -0.0, 1e-300, 1e-12, -1e-12, 1 - 1e-6, 1 - 1e-12, 1 - 2**-53, -1 + 1e-9, 1.5, math.nan],
    "lgamma": spread + ends + [v + 0.5 for v in range(-12, 3)] + [-170.5, 0.999999, 1.000001, 1.999999, 2.000001, 171.0],
    "digamma": spread + ends + [v + 0.25 for v in range(-12, 3)] + [1.46163214496836, -0.504083008264455],
}
out = {"special": {}, "complex": {}}
for name, points in POINTS.items():
    x = torch.tensor(points, dtype=torch.float64)
    out["special"][name] = [[number(a), number(b)] for a, b in zip(points, getattr(torch, name)(x).tolist())]

UNARY = """neg abs sgn exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sigmoid reciprocal
angle""".split()
z = [complex(random.gauss(0, 2), random.gauss(0, 2)) for _ in range(40)]
z += [complex(a, b) for a in (-2.5, -1.0, -0.5, 0.5, 1.0, 2.5) for b in (0.0, -0.0)]
z += [complex(a, b) for b in (-2.5, -1.0, -0.5, 0.5, 1.0, 2.5) for a in (0.0, -0.0)]
z += [complex(1e-9, 1e-9), complex(1e-200, -1e-200), complex(1e100, 1e100), complex(3e4, -2e-4), complex(-3e4, 1e-3), complex(20, 30), complex(-20, 3)]
w = z[7:] + z[:7]
pair = lambda v: [number(v.real), number(v.imag)]
complexes = lambda t: [pair(v) for v in t.to(torch.complex128).tolist()]
a, b = torch.tensor(z, dtype=torch.complex128), torch.tensor(w, dtype=torch.complex128)
out["complex"]["z"], out["complex"]["w"] = [pair(v) for v in z], [pair(v) for v in w]
out["complex"]["unary"] = {name: complexes(getattr(torch, name)(a)) for name in UNARY}
out["complex"]["binary"] = {name: complexes(getattr(torch, name)(a, b)) for name in ("add", "sub", "mul", "div", "pow")}
print(json.dumps(out, separators=(",", ":")).replace("],\"", "],\n\""))
