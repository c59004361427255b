"""Records what PyTorch reads in files: python tools/record/torch_digests.py FIXTURES SHARED_DATA

FIXTURES is a folder of files of tools/record/torch_files.py; they are packed into test/io/fixtures/torch.zip. SHARED_DATA is the folder of real
files that tests use where it is there. Digests of every tensor go to test/io/fixtures/digests.json.
"""
import collections
import json
import os
import sys
import warnings
import zipfile

import torch
from torch_values import read

warnings.simplefilter("ignore")
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "test", "io", "fixtures")
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
