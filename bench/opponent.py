"""PyTorch's side of bench/main.ts: reads row names from standard input one at a time, answers with microseconds."""
import sys, time
import torch

sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/rows")
import calls, conv, data, layers, matmul, models

torch.set_num_threads(int(sys.argv[1]))
makers = {k: v for m in (calls, conv, data, layers, matmul, models) for k, v in m.rows.items()}
ready = {}


def timed(name, seconds):
    """The median of runs of at least a millisecond."""
    if name not in ready:
        ready.clear()  # one row at a time in memory
        ready[name] = makers[name]()
        ready[name]()
        ready[name]()
    f = ready[name]
    t = time.perf_counter()
    f()
    n = max(1, int(1e-3 / max(1e-9, time.perf_counter() - t)))
    runs, spent = [], 0.0
    while spent < seconds or len(runs) < 3:
        t = time.perf_counter()
        for _ in range(n):
            f()
        d = time.perf_counter() - t
        spent += d
        runs.append(d / n)
    return sorted(runs)[len(runs) // 2] * 1e6


print(torch.__version__, flush=True)
for line in sys.stdin:
    name, seconds = line.rstrip("\n").rsplit("\t", 1)
    print(timed(name, float(seconds)), flush=True)
