"""Records PyTorch's factorisations of small complex and real matrices, with gradients: python tools/record/linalg.py > test/ops/linalg.json

Singular vectors and eigenvectors are known up to a phase, so |U|² stands for U, in values and in losses.
"""
import json

import torch

torch.manual_seed(11)
L = torch.linalg


def numbers(t):
    t = torch.view_as_real(t.detach().resolve_conj()) if t.is_complex() else t.detach()
    return [float(f"{v:.15g}") for v in t.flatten().tolist()]


def hermitian(a):
    return a + a.mH


FUNCTIONS = {
    "inv": L.inv,
    "solve": lambda a: L.solve(a, a.flip(-1)),
    "solveRight": lambda a: L.solve(a, a.flip(-2), left=False),
    "det": L.det,
    "slogdet": lambda a: tuple(L.slogdet(a)),
    "cholesky": lambda a: L.cholesky(a @ a.mH),
    "choleskyUpper": lambda a: L.cholesky(a @ a.mH, upper=True),
    "qr": lambda a: tuple(L.qr(a)),
    "qrComplete": lambda a: tuple(L.qr(a, mode="complete")),
    "svd": lambda a: (lambda u, s, v: (u.abs().square(), s, v.abs().square(), u @ v))(*L.svd(a, full_matrices=False)),
    "svdvals": L.svdvals,
    "eigh": lambda a: (lambda l, v: (l, v.abs().square()))(*L.eigh(hermitian(a))),
    "eighUpper": lambda a: (lambda l, v: (l, v.abs().square()))(*L.eigh(a, UPLO="U")),
    "eigvalsh": lambda a: L.eigvalsh(hermitian(a)),
    "norm": L.norm,
    "normHalf": lambda a: L.vector_norm(a, 0.5),
    "norm3": lambda a: L.vector_norm(a, 3),
    "nuc": lambda a: L.matrix_norm(a, "nuc"),
    "spectral": lambda a: L.matrix_norm(a, 2),
}
SHAPES = {"qr": [(3, 3), (4, 2), (2, 4)], "qrComplete": [(3, 3), (2, 4)], "svd": [(3, 3), (4, 2), (2, 2, 3)], "svdvals": [(2, 3)], "norm": [(2, 3)]}
cases = []
for name, f in FUNCTIONS.items():
    for shape in SHAPES.get(name, [(3, 3), (2, 2, 2)]):
        for dtype in (torch.complex128, torch.float64):
            a = torch.randn(shape, dtype=dtype, requires_grad=True)
            out = f(a)
            out = out if isinstance(out, tuple) else (out,)
            cotangents = [torch.randn(o.shape, dtype=o.dtype) for o in out]
            loss = sum((o * c.conj()).real.sum() for o, c in zip(out, cotangents))
            (g,) = torch.autograd.grad(loss, a)
            cases.append({
                "name": name, "dtype": str(dtype)[6:], "shape": shape, "a": numbers(a), "grad": numbers(g),
                "out": [numbers(o) for o in out], "cotangents": [numbers(c) for c in cotangents],
            })
print("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]")
