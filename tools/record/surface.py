"""Records what PyTorch offers under each name of first priority: python tools/record/surface.py > test/conformance/surface.json

The names are those of test/conformance/p0.json. Of functions: is there a method of that name, is there a form that ends in `_`, and
which parameters do signature or documentation name (without `input` and `out`)? Of classes: the parameters of the constructor.
"""
import inspect
import json
import os
import re

import torch
import torch.nn.functional as F
import torch.utils.data

here = os.path.dirname(__file__)
p0 = json.load(open(os.path.join(here, "..", "..", "test", "conformance", "p0.json")))


def resolve(path):
    at = torch
    for part in path.split("."):
        at = getattr(at, part, None)
    return at


def schemas(path):
    """The parameters of all overloads, for those that document none."""
    prefix, name = ("", path) if "." not in path else path.rsplit(".", 1)
    aten = {"linalg": "linalg_", "fft": "fft_", "special": "special_"}.get(prefix, "") + name
    found = torch._C._jit_get_schemas_for_operator("aten::" + aten)
    named = [s for s in found if "Dimname" not in str(s) and s.arguments and str(s.arguments[0].type) == "Tensor" and not any(a.is_out for a in s.arguments)]
    return [a.name for s in named for a in s.arguments]


def parameters(thing, path):
    name = path.split(".")[-1]
    if inspect.isclass(thing) or (inspect.isfunction(thing) and "max_pool" not in name):
        init = torch.nn.RNNBase.__init__ if inspect.isclass(thing) and issubclass(thing, torch.nn.RNNBase) else thing.__init__ if inspect.isclass(thing) else thing
        found = list(inspect.signature(init).parameters.values())
        names = [p.name for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    else:
        lines = re.findall(rf"(?m)^\s*(?:\.\. function:: )?{name}\(((?:[^()]|\([^()]*\))*)\)\s*(?:->|$)", thing.__doc__ or "")
        names = [re.split(r"[=:]", re.sub(r"\([^)]*\)", "", p))[0].strip() for line in lines for p in re.sub(r"\([^)]*\)|\[[^\]]*\]", "", line).split(",")]
        names = names if any(n and n not in ("input", "A") for n in names) else schemas(path)
    drop = {"self", "mode" if "RNN" in str(thing) or "LSTM" in str(thing) or "GRU" in str(thing) else "", "recurrent_kernel", "input", "out", "*", "", "/", "*size", "*tensors", "A", "_stacklevel", "_weight", "_freeze"}
    return list(dict.fromkeys(n for n in names if n not in drop and n.isidentifier()))


out = {}
for section, names in p0.items():
    for path in names:
        thing = resolve(path)
        if section == "tensor" or path.startswith("Tensor.") or thing is None:
            continue
        name = path.split(".")[-1]
        top = "." not in path
        row = {"params": parameters(thing, path)}
        if top and hasattr(torch.Tensor, name):
            row["method"] = True
        if (top and hasattr(torch.Tensor, name + "_")) or (path.startswith("nn.functional.") and hasattr(F, name + "_")):
            row["inplace"] = True
        out[path] = row
print("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in out.items()) + "\n}")
