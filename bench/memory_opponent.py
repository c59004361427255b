"""PyTorch's side of bench/memory.ts: does the work of the given number, prints resident megabytes as one line of JSON."""
import json, re, sys, time
import torch

sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/rows")
import models

torch.set_num_threads(1)
N = 2 * 1024 * 1024  # 8 MB of float32
w = torch.ones(1, requires_grad=True)


def resident(field):
    return round(int(re.search(field + r":\s+(\d+)", open("/proc/self/status").read())[1]) / 1024)


def dropped():
    x = torch.zeros(N)
    for _ in range(64):
        x = x + 1


def held():
    all = [torch.zeros(N)]
    for i in range(64):
        all.append(all[i] + 1)


def kept():
    x = torch.zeros(N)
    for _ in range(64):
        x = x * w
    x.sum().backward()
    w.grad = None


works = [
    lambda: models.language(65, 2, 2, 32, 16, 4),
    lambda: dropped,
    lambda: held,
    lambda: kept,
    lambda: models.language(100, 4, 4, 128, 128, 16),
]
step, at, marks = works[int(sys.argv[1])](), [int(a) for a in sys.argv[2:]], []
started = time.perf_counter()
for i in range(1, at[-1] + 1):
    step()
    if i == at[len(marks)]:
        marks.append(resident("VmRSS"))
ms = (time.perf_counter() - started) / at[-1] * 1000
print(json.dumps({"marks": marks, "peak": resident("VmHWM"), "ms": ms, "version": torch.__version__}))
