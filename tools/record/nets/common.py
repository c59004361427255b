"""What the recorders of real networks share. Each is run as `python tools/record/nets/NAME.py DATA > test/nets/NAME.json`,
DATA being the folder of weights, images and audio that the tests read."""
import json
import math
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import torch

DATA = Path(sys.argv[1])
torch.set_grad_enabled(False)


def load(name):
    return torch.load(DATA / "weights" / name, map_location="cpu")


def safetensors(name):
    raw = bytearray((DATA / "weights" / name).read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little")
    types = {"F32": torch.float32, "I64": torch.int64}
    entries = {k: e for k, e in json.loads(raw[8:start]).items() if k != "__metadata__"}
    return {
        k: torch.frombuffer(raw, dtype=types[e["dtype"]], count=math.prod(e["shape"]), offset=start + e["data_offsets"][0]).view(e["shape"])
        for k, e in entries.items()
    }


def photo(name):
    """Pixels as the tests decode them: [1, 3, H, W] of 0 to 255, red first."""
    script = (
        "const d = require('jpeg-js').decode(require('fs').readFileSync(process.argv[1]), {useTArray: true, formatAsRGBA: false});"
        "require('fs').writeSync(1, JSON.stringify([d.height, d.width]) + '\\n');"
        "for (let i = 0; i < d.data.length;) i += require('fs').writeSync(1, d.data, i)"
    )
    out = subprocess.run(["node", "-e", script, str(DATA / "images/photos" / name)], check=True, capture_output=True).stdout
    head, pixels = out.split(b"\n", 1)
    h, w = json.loads(head)
    return torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(1, h, w, 3).permute(0, 3, 1, 2).float()


def audio(name):
    with wave.open(str(DATA / "audio" / name)) as f:
        return torch.from_numpy(np.frombuffer(f.readframes(f.getnframes()), np.int16).astype(np.float32) / 32768)


def overlap(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def nms(boxes, limit):
    rows, kept = boxes.tolist(), []
    for i in boxes[:, 4].argsort(descending=True, stable=True).tolist():
        if all(overlap(rows[k], rows[i]) <= limit for k in kept):
            kept.append(i)
    return kept


def digits(v, n=9):
    return float(f"{v:.{n}g}")


def summary(t, count=24):
    """Shape, moments and about `count` values, evenly spaced in row-major order."""
    flat = t.double().flatten()
    step = max(1, len(flat) // count) | 1  # odd, so that every column has its turn
    return {
        "shape": list(t.shape),
        "mean": digits(flat.mean().item()),
        "std": digits(flat.std().item()) if len(flat) > 1 else 0,
        "step": step,
        "values": [digits(v) for v in flat[::step].tolist()],
    }


def write(record):
    print(json.dumps({"torch": torch.__version__.split("+")[0], **record}, separators=(",", ":")))
