"""Holds the documentation's examples against PyTorch: python tools/record/examples.py [--fill] [PATTERN of files].

Each `@example` of src/ is translated into Python line by line and evaluated; lines whose value differs from the one after
`// =>` are printed, and so are those that have no PyTorch counterpart. With --fill, `// => ?` becomes PyTorch's value.
"""
import glob
import math
import re
import sys
import types
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils import data

DTYPES = "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128".split()
TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|\d[\d_]*\.?\d*(?:e[+-]?\d+)?n?|\.\d+|[A-Za-z_$][\w$]*|=>|===|!==|&&|\|\||\.\.\.|\*\*|.')


def snake(name):
    return name if name[0].isupper() else re.sub(r"(?<!^)([A-Z])", lambda m: "_" + m.group(1).lower(), name)


def under(context):
    def run(f):
        with context():
            return f()

    return run


def set_grad(on, f=None):
    if f is None:
        return torch.set_grad_enabled(on)
    with torch.set_grad_enabled(on):
        return f()


def set_index(x, *items):
    x[tuple(parse_index(items[:-1]))] = items[-1]
    return x


# What JavaScript's tensors have as methods and Python's as syntax.
class Method:
    def __init__(self, f):
        self.f = f

    def __get__(self, x, _type):
        return lambda *a, **k: self.f(x, *a, **k)


def parse_index(items):
    for i in items:
        if isinstance(i, str):
            for part in i.split(","):
                p = part.strip()
                yield ... if p == "..." else slice(*[int(v) if v else None for v in p.split(":")]) if ":" in p else int(p)
        else:
            yield i


OWN = {
    "view_as_real": lambda x: torch.view_as_real(x.resolve_conj()),
    "no_grad": under(torch.no_grad),
    "enable_grad": under(torch.enable_grad),
    "inference_mode": under(torch.inference_mode),
    "detect_anomaly": under(torch.autograd.detect_anomaly),
    "set_grad_enabled": set_grad,
    "complex_scalar": complex,
    "as_tensor": torch.as_tensor,
    "fill_": lambda x, v: x.fill_(v),
    "zero_": lambda x: x.zero_(),
    "copy_": lambda x, y: x.copy_(y),
    "to": lambda x, *a: x.to(*a),
    "get_default_device": lambda: str(torch.get_default_device()),
    "leaky_relu": lambda x, s=0.01, **k: F.leaky_relu(x, s, **k),
    "ellipsis": ...,
    "lr_scheduler": lr_scheduler,
    "data": data,
    "from_numpy": torch.from_numpy,
    "Float32Array": lambda v: np.array(v, "float32"),
    "unfold": torch.Tensor.unfold,
    "slice_dim": torch.ops.aten.slice,
    "set_index": set_index,
    "index": lambda x, *i: x[tuple(parse_index(i))],
    "index_put_": torch.Tensor.index_put_,
    "Math": math,
    "Infinity": math.inf,
    "NaN": math.nan,
    "math": math,
}


PLACES = (torch.autograd, F, torch, nn, optim, lr_scheduler, data, nn.init, nn.utils, torch.Tensor)


class Names(dict):
    """Where an example's bare names come from, as in test/docs/names.ts."""

    def __missing__(self, name):
        if name in OWN:
            return OWN[name]
        for place in PLACES:
            found = getattr(place, name, None)
            if found is not None and (not isinstance(found, types.ModuleType) or name in ("linalg", "fft", "special", "autograd")):
                return found
        raise KeyError(name)


class Untranslatable(Exception):
    pass


def python(code):
    """One JavaScript statement or expression of the kind that examples use, in Python."""
    tokens = [t for t in TOKEN.findall(code) if not t.isspace()]
    out, stack = [], []  # stack: kinds of open brackets; "k" are braces that became keyword arguments
    i = 0

    def emit(t):
        out.append(t)

    while i < len(tokens):
        t = tokens[i]
        before = tokens[i - 1] if i else ""
        after = tokens[i + 1] if i + 1 < len(tokens) else ""
        if t in ("new", "const", "let", "await"):
            pass
        elif t == "(":
            # An arrow function?
            depth, j = 0, i
            while j < len(tokens):
                depth += tokens[j] in "([{"
                depth -= tokens[j] in ")]}"
                if depth == 0:
                    break
                j += 1
            if j + 1 < len(tokens) and tokens[j + 1] == "=>":
                if j + 2 < len(tokens) and tokens[j + 2] == "{":
                    raise Untranslatable("a block of statements")
                emit(" lambda " + ", ".join(x for x in tokens[i + 1 : j] if x != ",") + ": ")
                i = j + 2
                continue
            call = bool(re.match(r"[\w$)\]]", before)) and before not in ("return", "=>")
            stack.append("c" if call else "(")
            emit("(")
        elif t in "[":
            stack.append("[")
            emit("[")
        elif t == "{":
            keywords = bool(stack) and stack[-1] == "c"
            stack.append("k" if keywords else "{")
            if not keywords:
                emit("{")
        elif t in ")]}":
            kind = stack.pop()
            if kind != "k":
                emit(t + "[-1]" if kind == "," else t)
        elif t == "," and stack and stack[-1] == "(":  # the comma operator: its value is the last
            stack[-1] = ","
            emit(t)
        elif t == "...":
            emit("*")
        elif stack and stack[-1] in "k{" and before in ("{", ",") and re.match(r"[A-Za-z_\"]", t):
            key = snake(t) if stack[-1] == "k" else t if t[0] == '"' else f'"{t}"'
            if after == ":":
                emit(key + ("=" if stack[-1] == "k" else ": "))
                i += 1
            else:
                emit(f"{key}={snake(t)}" if stack[-1] == "k" else f"{key}: {snake(t)}")
        elif t[0] == '"':
            word = t[1:-1]
            emit(f"torch.{word}" if word in DTYPES else t)
        elif t in ("===", "!=="):
            emit("==" if t == "===" else "!=")
        elif t in ("&&", "||"):
            emit(" and " if t == "&&" else " or ")
        elif t == "!":
            emit(" not ")
        elif t == "?":
            raise Untranslatable("a conditional")
        elif t == ";":
            emit("; ")
        elif re.match(r"\d", t):
            emit(t.rstrip("n"))
        elif re.match(r"[A-Za-z_$]", t):
            if before == ".":
                emit({"itemSync": "item", "toArraySync": "tolist", "length": "__len__()"}.get(t, snake(t)))
            else:
                emit({"null": "None", "undefined": "None", "true": "True", "false": "False", "instanceof": " is "}.get(t, snake(t)))
        else:
            emit(t)
        i += 1
    text = re.sub(r"\b(nn|torch)\.functional\b", "F", "".join(out))
    return re.sub(r"(\.param_groups\[\d+\])\.(\w+)", r'\1["\2"]', text)


def plain(x):
    if isinstance(x, torch.Tensor):
        return plain(x.detach().resolve_conj().tolist())
    if isinstance(x, complex):
        return {"re": x.real, "im": x.imag}
    if isinstance(x, torch.dtype):
        return str(x).removeprefix("torch.")
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, (str, bool, int, float)) or x is None:
        return x
    if isinstance(x, types.BuiltinFunctionType):
        raise Untranslatable("a method where Firebrand has a value")
    if isinstance(x, torch.device):
        return str(x)
    if hasattr(x, "__iter__"):
        return [plain(v) for v in x]
    return x


def equal(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(v, b[k]) for k, v in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and not (isinstance(a, bool) or isinstance(b, bool)):
        return (a != a and b != b) or a == b or abs(a - b) <= 5.1e-5 * max(1, abs(b) * 1e-3)
    return type(a) is type(b) and a == b


def show(x):
    if isinstance(x, list):
        return "[" + ", ".join(map(show, x)) + "]"
    if isinstance(x, dict):
        return "{ " + ", ".join(f"{k}: {show(v)}" for k, v in x.items()) + " }"
    if isinstance(x, bool) or x is None:
        return {True: "true", False: "false", None: "null"}[x]
    if not isinstance(x, (int, float)):
        return f'"{x}"'
    if x != x or abs(x) == math.inf:
        return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"
    y = round(x, 4)
    return "0" if y == 0 else str(int(y)) if y == int(y) else str(y)


def examples(text):
    for doc in re.finditer(r"/\*\*[\s\S]*?\*/", text):
        for m in re.finditer(r"@example\s([\s\S]*?)(?=\s@[a-z]+\b|\s*\*/$)", doc.group(0)):
            yield text[: doc.start() + m.start()].count("\n") + 1, m.group(1)


torch.Tensor.index = Method(OWN["index"])
torch.Tensor.set_index = Method(OWN["set_index"])
warnings.simplefilter("ignore")
fill = "--fill" in sys.argv
patterns = [a for a in sys.argv[1:] if not a.startswith("-")]
good = bad = 0
skipped = []
for path in sorted(glob.glob("src/**/*.ts", recursive=True)):
    if patterns and not any(p in path for p in patterns):
        continue
    text = open(path).read()
    filled = text
    for line, body in examples(text):
        names = Names(torch=torch, nn=nn, optim=optim, F=F)
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)
        for row in body.split("\n"):
            row = re.sub(r"^\s*\*( |$)", "", row).strip()
            if not row:
                continue
            m = re.match(r"^(.*?);?\s*// => (.*)$", row)
            code = m.group(1) if m else row.rstrip(";")
            try:
                p = python(code)
                named = re.match(r"^(\w+)=(?!=)", p)
                if m and not named:
                    got = plain(eval(p, names))
                else:
                    exec(p, names)
                    got = plain(names[named.group(1)]) if m else None
                if not m:
                    continue
                if m.group(2).strip() == "?":
                    if fill:
                        filled = filled.replace(m.group(0), m.group(0)[: -len("?")] + show(got), 1)
                    print(f"{path}:{line}: {code} // => {show(got)}")
                    continue
                want = plain(eval(python(m.group(2)), Names(torch=torch)))
                if equal(got, want):
                    good += 1
                else:
                    print(f"{path}:{line}: {code}: says {m.group(2)}, PyTorch {show(got)}")
                    bad += 1
            except Exception as e:
                skipped.append(f"{path}:{line}: {row}   ({type(e).__name__}: {str(e).splitlines()[0][:80] if str(e) else ''})")
                break
    if filled != text:
        open(path, "w").write(filled)
for s in skipped:
    print("no counterpart:", s)
print(f"{good} values are PyTorch's, {bad} are not, {len(skipped)} examples have no counterpart")
sys.exit(bad > 0)
