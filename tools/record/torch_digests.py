"""Records what PyTorch reads in files: python tools/record/torch_digests.py FIXTURES SHARED_DATA

FIXTURES is a folder of files of tools/record/torch_files.py; they are packed into test/io/fixtures/torch.zip. SHARED_DATA is the folder of real
files that tests use where it is there. Of every tensor: `dtype[sizes] sum abssum sha256`, the sums in float64 over finite values, the first 10
digits of the hash of its values in row-major order; goes to test/io/fixtures/digests.json.
"""
import collections
import hashlib
import json
import os
import sys
import types
import warnings
import zipfile

import torch

warnings.simplefilter("ignore")
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "test", "io", "fixtures")
# What Firebrand reads types as that it does not have.
WIDER = {
    torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.int64, torch.float8_e4m3fn: torch.float32,
    torch.float8_e5m2: torch.float32, torch.float8_e4m3fnuz: torch.float32, torch.float8_e5m2fnuz: torch.float32,
    torch.float8_e8m0fnu: torch.float32, torch.complex32: torch.complex64,
}


def digest(t):
    name = str(t.dtype)[6:]
    t = t.detach()
    if t.device.type == "meta":
        return "%s[%s] meta" % (name, ",".join(map(str, t.shape)))
    if t.is_quantized:
        t = t.dequantize()
    t = t.resolve_conj().resolve_neg().contiguous()
    if t.dtype in WIDER:
        t = t.to(WIDER[t.dtype])
        # One NaN for all: what is in its other bits is no value.
        t = torch.where(t.isnan(), torch.tensor(float("nan"), dtype=t.dtype), t) if t.is_floating_point() else t
    raw = t.reshape(-1).view(torch.uint8) if t.dtype != torch.bool else t.reshape(-1).to(torch.uint8)
    sha = hashlib.sha256(bytes(raw.tolist() if raw.numel() < 4096 else raw.numpy().tobytes())).hexdigest()[:10]
    wide = torch.view_as_real(t).double() if t.is_complex() else t.double()
    wide = wide[wide.isfinite()]
    return "%s[%s] %.7g %.7g %s" % (name, ",".join(map(str, t.shape)), wide.sum().item(), wide.abs().sum().item(), sha)


def flatten(x, path, out, seen):
    if isinstance(x, torch.Tensor):
        if x.layout != torch.strided:
            return
        out[path] = digest(x)
        return
    join = lambda k: str(k) if path == "" else path + "." + str(k)
    if id(x) in seen:
        return
    if isinstance(x, dict):
        items = list(x.items())
    elif isinstance(x, (list, tuple)):
        items = list(enumerate(x))
    elif isinstance(x, torch.nn.Module):
        items = list(x.__dict__.items())
    else:
        return
    seen.add(id(x))
    for k, v in items:
        flatten(v, join(k), out, seen)


class Stub(torch.nn.Module):
    pass


def read(path):
    """Plain files with weights_only; whole modules and old archives, whose origin is known, without; TorchScript as a state dict."""
    out = collections.OrderedDict()
    if os.path.exists(path + ".json"):
        noted = json.load(open(path + ".json"))
        return dict(noted, tensors={"module." + n: digest(torch.tensor(v)) for n, v in noted["tensors"].items()})
    if zipfile.is_zipfile(path) and any(n.endswith("/constants.pkl") for n in zipfile.ZipFile(path).namelist()):
        m = torch.jit.load(path)
        names = dict(parameters=[n for n, _ in m.named_parameters()], buffers=[n for n, _ in m.named_buffers()])
        for n, t in m.state_dict().items():
            out["module." + n] = digest(t)
        return dict(names, tensors=out)
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file

        value = load_file(path)
    else:
        try:
            value = torch.load(path, weights_only=True, map_location="cpu")
        except Exception:
            model = types.ModuleType("model")
            model.Net = model.CharRNN = Stub
            sys.modules["model"] = model
            value = torch.load(path, weights_only=False, map_location="cpu")
    flatten(value, "", out, set())
    return dict(tensors=out)


fixtures, shared = sys.argv[1:3]
os.makedirs(OUT, exist_ok=True)
result = collections.OrderedDict(torch=torch.__version__.split("+")[0], fixtures=collections.OrderedDict(), shared=collections.OrderedDict())
with zipfile.ZipFile(os.path.join(OUT, "torch.zip"), "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
    for name in sorted(n for n in os.listdir(fixtures) if n.endswith(".pt")):
        z.writestr(zipfile.ZipInfo(name), open(os.path.join(fixtures, name), "rb").read(), zipfile.ZIP_DEFLATED)
        result["fixtures"][name] = read(os.path.join(fixtures, name))
for folder, _, names in sorted(os.walk(shared)):
    for name in sorted(names):
        if name.rsplit(".", 1)[-1] not in ("pt", "pth", "jit", "safetensors"):
            continue
        path = os.path.join(folder, name)
        key = os.path.relpath(path, shared)
        try:
            result["shared"][key] = read(path)
        except Exception as e:
            result["shared"][key] = dict(refused=type(e).__name__)
text = json.dumps(result, separators=(",", ":"))
for mark in ('"fixtures":', '"shared":', '},"'):
    text = text.replace(mark, mark + "\n" if mark[-1] == ":" else '},\n"')
with open(os.path.join(OUT, "digests.json"), "w") as f:
    f.write(text + "\n")
