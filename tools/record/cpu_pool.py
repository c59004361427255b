"""Records PyTorch's pooling of small random inputs: python tools/record/cpu_pool.py > test/backends/cpu/pool.json"""
import itertools, json, random
import torch
import torch.nn.functional as F

random.seed(3)
torch.manual_seed(3)
cases = []


def flat(t):
    return [str(v) if v != v or abs(v) == float("inf") else v for v in t.flatten().tolist()]


def add(op, fn, x, args):
    x.requires_grad_(op == "avg")
    y = fn(x)
    y, index = y if isinstance(y, tuple) else (y, None)
    case = {"op": op, "x": list(x.shape), "xs": flat(x.detach()), "y": list(y.shape), "ys": flat(y.detach()), **args}
    if index is not None:
        case["index"] = index.flatten().tolist()
    else:
        gy = torch.randint(-8, 9, y.shape).to(x.dtype) / 4
        y.backward(gy)
        case["gy"], case["gx"] = flat(gy), flat(x.grad)
    cases.append(case)


MAX = [F.max_pool1d, F.max_pool2d, F.max_pool3d]
AVG = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d]
AMAX = [F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d]
AAVG = [F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d]
for nd, turn in itertools.product((1, 2, 3), range(6)):
    if nd == 3 and turn % 2:
        continue
    pick = lambda a, b: [random.randint(a, b) for _ in range(nd)]
    side = {1: (11, 20), 2: (5, 7), 3: (5, 5)}[nd]
    size = pick(*side)
    x = lambda: torch.randint(-40, 40, (2, 1, *size)).double() / 8  # ties, and exact in every float
    k, st = pick(1, 3), pick(1, 3)
    pd = [random.randint(0, n // 2) for n in k]
    ceil = turn % 2 == 1
    window = {"kernel": k, "stride": st, "padding": pd, "adaptive": False}
    dl = pick(1, 2) if turn > 2 else [1] * nd
    a = x()
    if turn == 4:
        a.view(-1)[::7] = float("nan")
        a.view(-1)[1::3] = -float("inf")
    add("max", lambda t: MAX[nd - 1](t, k, st, pd, dl, ceil, True), a, {**window, "dilation": dl})
    count, div = turn % 3 != 0, random.choice([None, 3]) if nd > 1 else None
    extra = {"dilation": [1] * nd, "countIncludePad": count, "divisor": div}
    more = () if nd == 1 else (div,)
    add("avg", lambda t: AVG[nd - 1](t, k, st, pd, ceil, count, *more), x(), {**window, **extra})
    if turn in (0, 3):
        out = pick(1, 5)
        add("max", lambda t: AMAX[nd - 1](t, out, True), x(), {"adaptive": True})
        add("avg", lambda t: AAVG[nd - 1](t, out), x(), {"adaptive": True})
print(json.dumps(cases))
