"""Coefficients of native/gelu.cc: Φ(x) = 1/2 + x P(x²) / Q(x²) on |x| <= 5.6, P and Q of degree 5, least maximum error.
Linearised least squares with Lawson's weights. Run with Python + numpy; prints P, Q (constant first) and the error."""
from math import erf, sqrt

import numpy as np

TOP, P, Q = 5.6, 5, 5
n = 4000
x = TOP * (1 - np.cos(np.pi * (np.arange(n) + 0.5) / n)) / 2
x = x[x > 1e-3]
f = np.array([0.5 * erf(v / sqrt(2)) / v for v in x])
s = (x / TOP) ** 2
a = np.vander(s, P + 1, increasing=True)
b = np.vander(s, Q + 1, increasing=True)[:, 1:]
lawson, denominator, best = np.ones_like(x), np.ones_like(x), None
for _ in range(300):
    w = lawson * x / denominator
    c = np.linalg.lstsq(np.hstack([a, -f[:, None] * b]) * w[:, None], f * w, rcond=None)[0]
    denominator = 1 + b @ c[P + 1:]
    error = np.abs((a @ c[:P + 1] / denominator - f) * x)
    if best is None or error.max() < best[0]:
        best = error.max(), c
    lawson = np.maximum(lawson * (1 + 0.5 * error / error.max()), 1e-12)
    lawson /= lawson.mean()
e, c = best
print([f"{v:.9e}" for v in c[:P + 1] / TOP ** (2 * np.arange(P + 1))])
print([f"{v:.9e}" for v in np.concatenate([[1], c[P + 1:]]) / TOP ** (2 * np.arange(Q + 1))])
print(f"error {e:.1e}")
