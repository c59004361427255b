"""Loads one file as bench/files.ts asks: `files_opponent.py KIND PATH`; prints seconds and bytes as JSON, null where a library is missing."""
import json
import os
import subprocess
import sys
import time

import numpy as np
import torch


def peak():
    """The most memory this process has had, in bytes."""
    return 1024 * int(next(line for line in open("/proc/self/status") if "VmHWM" in line).split()[1])


def loader(kind):
    if kind.startswith("pt"):
        return torch.__version__, lambda path: torch.load(path, weights_only=True, mmap=kind == "pt, mapped")
    if kind == "safetensors, mapped":
        import safetensors.torch

        return safetensors.__version__, safetensors.torch.load_file
    if kind == "safetensors":
        import safetensors.torch

        return safetensors.__version__, lambda path: safetensors.torch.load(open(path, "rb").read())
    if kind.startswith("gguf"):
        import importlib.metadata

        import gguf

        # The reader maps the file.
        tensor = torch.from_numpy if kind.endswith(", mapped") else lambda data: torch.from_numpy(np.array(data))
        return importlib.metadata.version("gguf"), lambda path: {t.name: tensor(t.data) for t in gguf.GGUFReader(path, "c").tensors}
    if kind == "npz":
        return np.__version__, lambda path: {k: torch.from_numpy(v) for k, v in np.load(path).items()}
    return np.__version__, lambda path: {"": torch.from_numpy(np.load(path, mmap_mode="c" if kind == "npy, mapped" else None))}


kind, path = sys.argv[1:3]
try:
    version, load = loader(kind)
except ImportError:
    print("null")
    sys.exit()
subprocess.run([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "touch_memory.py"), str(os.path.getsize(path))], check=True)
base = peak()
start = time.perf_counter()
state = load(path)
loaded = time.perf_counter() - start
for t in state.values():
    t.reshape(-1)[:: 4096 // t.element_size()].max()  # a value of every page: what is mapped only is not there yet
ready = time.perf_counter() - start
memory = peak() - base
print(json.dumps({"version": version, "loaded": loaded, "ready": ready, "memory": memory}))
