"""PyTorch's side of bench/growth.ts: threads, and sizes of a GPT or the name of a row; prints microseconds, peak and idle megabytes."""
import sys, time
import torch

sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/rows")
import models


def resident(field):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith(field))


torch.set_num_threads(int(sys.argv[1]))
torch.ones(1) + 1
before = resident("VmRSS")
point = sys.argv[2]
step = models.rows[point]() if point in models.rows else models.language(*map(int, point.split()))
for _ in range(3):
    step()
runs, spent = [], 0.0
while spent < 1 or len(runs) < 3:
    t = time.perf_counter()
    step()
    runs.append(time.perf_counter() - t)
    spent += runs[-1]
print(sorted(runs)[len(runs) // 2] * 1e6, resident("VmHWM"), before)
