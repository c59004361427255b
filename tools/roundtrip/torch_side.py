"""PyTorch's side of the round trip, for any version from 1.0 on: `make FOLDER` writes files, `compare` reads `[[original, other], ...]`."""
from __future__ import print_function

import collections
import json
import os
import sys

import torch

VERSION = tuple(int(x) for x in torch.__version__.split("+")[0].split(".")[:2])
NAMES = "uint8 int8 int16 int32 int64 float16 float32 float64 bool bfloat16 complex64 complex128".split()


def of(name):
    dtype = getattr(torch, name, None)
    if dtype is None:
        return None
    try:
        if name == "bool":
            return torch.tensor([[True, False, True], [False, True, False]])
        if name.startswith("complex"):
            t = torch.tensor([[1.5, -2.0, float("inf")], [0.0, -0.0, 3.0]], dtype=torch.float64)
            return torch.complex(t, -t).to(dtype)
        if "float" in name:
            return torch.tensor([[1.5, -2.0, float("inf")], [-0.0, float("nan"), 6e-8]], dtype=torch.float64).to(dtype)
        bits = 8 if name == "uint8" else int(name[3:])
        low, high = (0, 255) if name == "uint8" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return torch.tensor([[low, high, 1], [0, 5, low]], dtype=dtype)
    except (RuntimeError, TypeError, AttributeError):
        return None


def containers():
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    opt = torch.optim.Adam(net.parameters(), lr=0.1)
    net(torch.ones(4, 3)).sum().backward()
    opt.step()
    yield "tensor", base
    yield "list", [base, (base[1], [base.t()]), {"a": base[:, ::2]}]
    yield "state dict", net.state_dict()
    yield "optimizer", opt.state_dict()
    yield "parameters", [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2), requires_grad=False), torch.ones(2, requires_grad=True)]
    yield "odd shapes", {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3), "expanded": torch.ones(2, 1).expand(2, 3)}
    yield "keys", collections.OrderedDict([("1", 1), ("0", 0), ("__proto__", 2), (3, "x"), ((1, 2), "y")])
    yield "values", {"int": 3, "big": 2**70, "neg": -(2**40), "float": 0.1, "none": None, "yes": True, "text": u"w\u00f6rld", "inf": float("inf")}
    if sys.version_info[0] > 2:  # Python 2's bytes are its text
        yield "set and bytes", [{1, "a"}, b"\x00\xff", 1 + 2j]


def make(folder):
    cases = [(n, t) for n, t in ((n, of(n)) for n in NAMES) if t is not None] + list(containers())
    names = []
    for name, value in cases:
        for kind in ("stream", "zip"):
            if kind == "zip" and VERSION < (1, 6):
                continue
            path = os.path.join(folder, "%s %s.pt" % (name, kind))
            torch.save(value, path, **({} if VERSION < (1, 6) else {"_use_new_zipfile_serialization": kind == "zip"}))
            names.append(path)
    print(json.dumps({"version": torch.__version__.split("+")[0], "files": names}))


def read(path):
    if VERSION >= (1, 13):
        try:
            return torch.load(path, weights_only=True), True
        except Exception:
            return torch.load(path, weights_only=False), False
    return torch.load(path), False


def together(spans):
    """Names of tensors whose memory overlaps, in groups."""
    groups, end = [], -1
    for start, stop, name in sorted(spans):
        if start >= end:
            groups.append([])
        groups[-1].append(name)
        end = max(end, stop)
    return sorted(map(sorted, groups))


def differ(a, b, path, places):
    if isinstance(a, torch.Tensor) != isinstance(b, torch.Tensor):
        return "%s: %s and %s" % (path, type(a), type(b))
    if isinstance(a, torch.Tensor):
        for what in ("dtype", "shape", "requires_grad"):
            if getattr(a, what) != getattr(b, what):
                return "%s: %s %s and %s" % (path, what, getattr(a, what), getattr(b, what))
        if isinstance(a, torch.nn.Parameter) != isinstance(b, torch.nn.Parameter):
            return "%s: one is a parameter" % path
        if a.stride() != b.stride():
            return "%s: strides %s and %s" % (path, a.stride(), b.stride())
        # Floats print as the numbers that they are exactly.
        if repr(a.tolist()) != repr(b.tolist()):
            return "%s: values %s and %s" % (path, a, b)
        if a.numel():
            for t, spans in zip((a, b), places):
                s = t.storage()
                spans.append((s.data_ptr(), s.data_ptr() + len(s) * s.element_size(), path))
        return ""
    if isinstance(a, dict) and isinstance(b, dict):
        if [str(k) for k in a] != [str(k) for k in b] and sorted(map(repr, a)) != sorted(map(repr, b)):
            return "%s: keys %s and %s" % (path, list(a), list(b))
        pairs = [(k, a[k], b[k]) for k in a]
    elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            return "%s: %d and %d items" % (path, len(a), len(b))
        pairs = [(i, x, y) for i, (x, y) in enumerate(zip(a, b))]
    else:
        return "" if a == b or (a != a and b != b) else "%s: %r and %r" % (path, a, b)
    for k, x, y in pairs:
        d = differ(x, y, "%s.%s" % (path, k), places)
        if d:
            return d
    return ""


def compare():
    out = []
    for original, other in json.load(sys.stdin):
        try:
            places = ([], [])
            a, b = read(original)[0], read(other)
            d = differ(a, b[0], "", places)
            if not d and together(places[0]) != together(places[1]):
                d = "other tensors share memory: %s and %s" % (together(places[0]), together(places[1]))
            out.append({"differ": d, "weightsOnly": b[1]})
        except Exception as e:
            out.append({"differ": "%s: %s" % (type(e).__name__, str(e)[:300]), "weightsOnly": False})
    print(json.dumps({"version": torch.__version__.split("+")[0], "results": out}))


make(sys.argv[2]) if sys.argv[1] == "make" else compare()
