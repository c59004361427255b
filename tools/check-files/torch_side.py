"""What PyTorch, safetensors and numpy read in files: `torch_side.py PATH...` prints `{path: {name: digest} or {"refused": why}}` as JSON."""
import json
import os
import pickle
import re
import struct
import sys
import warnings
import zipfile

import numpy as np
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "record"))
from torch_values import digest, read

warnings.simplefilter("ignore")


def ggml(path):
    """The file of whisper.cpp's voice detector: a header of its own, then tensors with dimensions, type and name before them."""
    with open(path, "rb") as f:
        ints = lambda n: struct.unpack("<%di" % n, f.read(4 * n))
        magic, length = ints(2)
        if magic != 0x67676D6C or length >= 256:
            raise ValueError("not the voice detector")
        f.read(length)
        ints(5)
        for _ in range(ints(1)[0]):
            ints(3)
        ints(4)
        out = {}
        while True:
            head = f.read(12)
            if not head:
                return out
            dims, length, kind = struct.unpack("<3i", head)
            shape = ints(dims)[::-1]
            name = f.read(length).decode()
            dtype = {0: np.float32, 1: np.float16}[kind]
            out[name] = torch.from_numpy(np.frombuffer(f.read(int(np.prod(shape)) * dtype().itemsize), dtype).reshape(shape).copy())


def tensors(path):
    if path.endswith((".npy", ".npz")):
        value = np.load(path)
        arrays = dict(value) if path.endswith(".npz") else {"": value}
        return {name: digest(torch.from_numpy(np.ascontiguousarray(a)), 64) for name, a in arrays.items()}
    with open(path, "rb") as f:
        if f.read(4) == b"lmgg":
            return {name: digest(t, 64) for name, t in ggml(path).items()}
    out = read(path, 64)["tensors"]
    if path.endswith(".jit"):
        # A state dict has neither attributes that are tensors nor constants of the code.
        for prefix, m in torch.jit.load(path).named_modules():
            for name in re.findall(r"^ {4}(\w+) = ", m._c.dump_to_str(False, True, False), re.M):
                if isinstance(getattr(m, name, None), torch.Tensor):
                    out[".".join(filter(None, ("module", prefix, name)))] = digest(getattr(m, name), 64)
        out.update({"constants.%d" % i: digest(t, 64) for i, t in enumerate(constants(path))})
    return out


def constants(path):
    """The constants of a TorchScript archive: a pickled tuple of tensors over storages of their own."""
    archive = zipfile.ZipFile(path)
    top = archive.namelist()[0].split("/")[0]

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, saved):
            _, kind, key, _, _ = saved
            raw = bytearray(archive.read("%s/constants/%s" % (top, key)))
            return torch.storage.TypedStorage(wrap_storage=torch.UntypedStorage(raw), dtype=kind.dtype, _internal=True)

    return Unpickler(archive.open(top + "/constants.pkl")).load()


out = {}
for path in sys.argv[1:]:
    try:
        out[path] = tensors(path)
    except Exception as e:
        out[path] = {"refused": "%s: %s" % (type(e).__name__, str(e).strip().split("\n")[0][:100])}
versions = {"torch": torch.__version__.split("+")[0], "numpy": np.__version__}
print(json.dumps({"versions": versions, "files": out}))
