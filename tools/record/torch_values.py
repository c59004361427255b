"""What PyTorch reads in a file, as a digest of every tensor: `dtype[sizes] sum abssum sha256`, the sums in float64 over finite values, the first
digits of the hash of its values in row-major order."""
import collections
import hashlib
import json
import os
import sys
import types
import zipfile

import torch

# What Firebrand reads types as that it does not have.
WIDER = {
    torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.int64, torch.float8_e4m3fn: torch.float32,
    torch.float8_e5m2: torch.float32, torch.float8_e4m3fnuz: torch.float32, torch.float8_e5m2fnuz: torch.float32,
    torch.float8_e8m0fnu: torch.float32, torch.complex32: torch.complex64,
}


def digest(t, digits=10):
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
    sha = hashlib.sha256(bytes(raw.tolist() if raw.numel() < 4096 else raw.numpy().tobytes())).hexdigest()[:digits]
    wide = torch.view_as_real(t).double() if t.is_complex() else t.double()
    wide = wide[wide.isfinite()]
    return "%s[%s] %.7g %.7g %s" % (name, ",".join(map(str, t.shape)), wide.sum().item(), wide.abs().sum().item(), sha)


def flatten(x, path, out, seen, digits):
    if isinstance(x, torch.Tensor):
        if x.layout != torch.strided:
            return
        out[path] = digest(x, digits)
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
        flatten(v, join(k), out, seen, digits)


class Stub(torch.nn.Module):
    pass


def read(path, digits=10):
    """Plain files with weights_only; whole modules and old archives, whose origin is known, without; TorchScript as a state dict."""
    out = collections.OrderedDict()
    if os.path.exists(path + ".json"):
        noted = json.load(open(path + ".json"))
        return dict(noted, tensors={"module." + n: digest(torch.tensor(v), digits) for n, v in noted["tensors"].items()})
    if zipfile.is_zipfile(path) and any(n.endswith("/constants.pkl") for n in zipfile.ZipFile(path).namelist()):
        m = torch.jit.load(path)
        names = dict(parameters=[n for n, _ in m.named_parameters()], buffers=[n for n, _ in m.named_buffers()])
        for n, t in m.state_dict().items():
            out["module." + n] = digest(t, digits)
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
    flatten(value, "", out, set(), digits)
    return dict(tensors=out)
