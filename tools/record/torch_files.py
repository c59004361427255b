"""Writes small files with whatever PyTorch runs this into a folder: python tools/record/torch_files.py FOLDER

Every version from 1.0 on (Python 2.7 too) writes the eras that it can: files of the same values, so that one test covers all.
tools/record/torch_digests.py then packs the folder into test/io/fixtures/torch.zip and records what each file holds.
"""
from __future__ import print_function

import collections
import io
import json
import os
import pickle
import struct
import sys
import tarfile
import zipfile

import torch

FOLDER = sys.argv[1]
VERSION = tuple(int(x) for x in torch.__version__.split("+")[0].split(".")[:2])
NAME = torch.__version__.split("+")[0]
LEGACY = {"_use_new_zipfile_serialization": False} if VERSION >= (1, 4) else {}


def path(name):
    return os.path.join(FOLDER, name)


def values(dtype):
    """A few elements of a dtype: the extremes among them."""
    if dtype == getattr(torch, "bool", None):
        return torch.tensor([True, False, True], dtype=dtype)
    if dtype.is_floating_point:
        t = torch.tensor([0.0, -0.0, 1.5, -2.25, float("inf"), float("-inf"), float("nan"), 6e-8], dtype=torch.float64)
        return t.to(dtype)
    if getattr(dtype, "is_complex", False):
        return torch.tensor([complex(1.5, -2), complex(float("inf"), 0.0)], dtype=dtype)
    if dtype == torch.uint8:
        return torch.tensor([0, 1, 127, 255], dtype=dtype)
    bits = {torch.int8: 8, torch.int16: 16, torch.int32: 32, torch.int64: 64}[dtype]
    return torch.tensor([0, 1, -1, 2 ** (bits - 1) - 1, -(2 ** (bits - 1))], dtype=dtype)


def dtypes():
    names = "uint8 int8 int16 int32 int64 float16 float32 float64".split()
    if VERSION >= (1, 2):
        names += ["bool", "bfloat16"]
    if VERSION >= (1, 7):
        names += ["complex64", "complex128"]
    return collections.OrderedDict((n, values(getattr(torch, n))) for n in names)


class Net(torch.nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc = torch.nn.Linear(3, 2)
        self.bn = torch.nn.BatchNorm1d(2)
        self.act = torch.nn.functional.relu
        self.tied = self.fc

    def forward(self, x):
        return self.act(self.bn(self.fc(x)))


def containers():
    """Nested containers, shared and strided storages, parameters, optimizer state."""
    torch.manual_seed(0)
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    net = Net()
    opt = torch.optim.Adam(net.parameters(), lr=0.1)
    net(torch.ones(4, 3)).sum().backward()
    opt.step()
    d = collections.OrderedDict()
    d["dtypes"] = dtypes()
    d["base"], d["row"], d["t"], d["strided"] = base, base[1], base.t(), base[:, ::2]
    d["same"] = base
    d["expanded"] = torch.ones(2, 1).expand(2, 3)
    d["scalar"], d["empty"] = torch.tensor(2.5), torch.zeros(0, 3)
    d["parameter"] = torch.nn.Parameter(torch.ones(2, 2))
    d["frozen"] = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    d["plain"] = {"int": 3, "big": 2**70, "neg": -5, "float": 0.1, "none": None, "yes": True, "text": u"w\u00f6rld \U0001f525", "list": [1, [2, (3, "x")]]}
    d["intkeys"] = {0: "a", 5: "b"}
    d["digits"] = collections.OrderedDict([("1", 1), ("0", 0)])
    d["state_dict"], d["optimizer"] = net.state_dict(), opt.state_dict()
    return d


def tar(name):
    """The archive of PyTorch 0.1, as its `_save` made it: three streams that refer to each other by number."""
    base = torch.arange(6, dtype=torch.float32)
    storages = {100: base.storage(), 101: torch.arange(4, dtype=torch.int64).storage()}
    kinds = {100: torch.FloatStorage, 101: torch.LongStorage}
    views = [(102, 100, 2, 4)]
    tensors = [(200, 100, torch.FloatTensor, (2, 3), (3, 1), 0), (201, 102, torch.FloatTensor, (2,), (2,), 1), (202, 101, torch.LongTensor, (4,), (1,), 0)]

    class Ref(object):
        def __init__(self, key):
            self.key = key

    class P(pickle.Pickler):
        def persistent_id(self, x):
            return str(x.key) if isinstance(x, Ref) else None

    def stream(fill):
        out = io.BytesIO()
        fill(out)
        return out.getvalue()

    def save_storages(f):
        pickle.dump(len(storages), f, protocol=2)
        for key in sorted(storages):
            pickle.dump((key, "cpu", kinds[key]), f, protocol=2)
            s = storages[key]
            code = "f" if key == 100 else "q"
            f.write(struct.pack("<q", len(s)) + struct.pack("<%d%s" % (len(s), code), *s.tolist()))
        pickle.dump(views, f, protocol=2)

    def save_tensors(f):
        pickle.dump(len(tensors), f, protocol=2)
        for key, storage, kind, size, stride, offset in tensors:
            pickle.dump((key, storage, kind), f, protocol=2)
            n = len(size)
            f.write(struct.pack("<q%dq%dqq" % (n, n), *((n,) + size + stride + (offset,))))

    def save_objects(f):
        P(f, 2).dump(collections.OrderedDict([("weight", Ref(200)), ("view", Ref(201)), ("steps", [Ref(202)]), ("lr", 0.5)]))

    def save_info(f):
        pickle.dump(dict(protocol_version=1000, little_endian=True, type_sizes=dict(short=2, int=4, long=4)), f, protocol=2)

    with tarfile.open(path(name), "w:", format=tarfile.PAX_FORMAT) as t:
        for entry, fill in (("sys_info", save_info), ("pickle", save_objects), ("tensors", save_tensors), ("storages", save_storages)):
            data = stream(fill)
            info = tarfile.TarInfo(entry)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))


def rezip(source, target, change, method):
    with zipfile.ZipFile(path(source)) as a, zipfile.ZipFile(path(target), "w", method) as b:
        for name in a.namelist():
            data = change(name, a.read(name))
            if data is not None:
                b.writestr(zipfile.ZipInfo(name), data, method)


def big_endian(source, target):
    """The same archive as a big-endian machine writes it."""
    sizes = {}
    for op, arg, _ in __import__("pickletools").genops(zipfile.ZipFile(path(source)).read(source[:-3] + "/data.pkl")):
        if op.name == "GLOBAL" and arg.endswith("Storage"):
            last = arg.split(" ")[1]
        if op.name == "BINUNICODE" and arg.isdigit():
            sizes.setdefault(arg, last)
    units = dict(Double=8, Float=4, Half=2, BFloat16=2, Long=8, Int=4, Short=2, Char=1, Byte=1, Bool=1, ComplexFloat=4, ComplexDouble=8)

    def change(name, data):
        if name.endswith("byteorder"):
            return b"big"
        if "/data/" not in name:
            return data
        n = units[sizes[name.rsplit("/", 1)[1]].replace("Storage", "")]
        return b"".join(data[i : i + n][::-1] for i in range(0, len(data), n))

    rezip(source, target, change, zipfile.ZIP_STORED)


def newest():
    d = collections.OrderedDict()
    for n in ("uint16", "uint32"):
        d[n] = torch.tensor([0, 1, 2 ** int(n[4:]) - 1], dtype=torch.int64).to(getattr(torch, n))
    d["uint64"] = torch.tensor([0, 1, 2**63 - 1], dtype=torch.int64).to(torch.uint64)
    for n in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"):
        d[n] = torch.arange(256, dtype=torch.int64).to(torch.uint8).view(getattr(torch, n))
    d["complex32"] = torch.tensor([1.5, -2.0, 3.0, 4.0], dtype=torch.float16).view(torch.complex32)
    z = torch.tensor([1 + 2j, 3 - 4j])
    d["conj"], d["negative"] = z.conj(), z.clone().conj().imag
    d["per_tensor"] = torch.quantize_per_tensor(torch.tensor([[-1.0, 0.5], [2.0, 3.0]]), 0.05, 3, torch.qint8)
    scales, zeros = torch.tensor([0.1, 0.2], dtype=torch.float64), torch.tensor([0, 5])
    d["per_channel"] = torch.quantize_per_channel(torch.tensor([[-1.0, 0.5, 2.0], [2.0, 3.0, 1.0]]), scales, zeros, 0, torch.quint8)
    d["meta"] = torch.empty(2, 3, device="meta")
    d["sparse"] = torch.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse()
    d["csr"] = torch.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse_csr()
    sub = torch.nn.Parameter(torch.ones(2))
    sub.tag = "kept"
    d["tagged"] = sub
    d["set"], d["bytes"], d["complex"], d["size"] = {1, "a"}, b"\x00\xff", 1 + 2j, torch.Size([2, 3])
    d["dtype"], d["device"], d["storage"] = torch.float16, torch.device("cpu"), torch.arange(3, dtype=torch.int16).untyped_storage()
    torch.save(d, path("newest.pt"))


def script(name):
    class Inner(torch.nn.Module):
        def __init__(self):
            super(Inner, self).__init__()
            self.weight = torch.nn.Parameter(torch.arange(4.0).reshape(2, 2))
            self.register_buffer("scale", torch.tensor([2.0]))

        def forward(self, x):
            y = torch.mm(x, self.weight)
            return y * self.scale

    class Outer(torch.nn.Module):
        def __init__(self):
            super(Outer, self).__init__()
            self.inner = Inner()
            if VERSION < (1, 4):
                self.inner = torch.jit.trace(self.inner, torch.ones(2, 2))
            self.names = torch.jit.Attribute(["a", "b"], __import__("typing").List[str])

        def forward(self, x):
            y = self.inner(x)
            return y + torch.ones(2, 2)

    scripted = torch.jit.script(Outer())
    torch.jit.save(scripted, path("debug"))
    if VERSION < (1, 4):
        # PyTorch no longer reads this: what it holds is noted by the version that made it.
        names = dict(parameters=[n for n, _ in scripted.named_parameters()], buffers=[n for n, _ in scripted.named_buffers()])
        with open(path(name + ".json"), "w") as f:
            json.dump(dict(names, tensors={n: t.tolist() for n, t in scripted.state_dict().items()}), f)
    # Where the code came from on the machine that made it.
    rezip("debug", name, lambda n, b: None if n.endswith(".debug_pkl") or "/debug/" in n else b, zipfile.ZIP_DEFLATED)
    os.remove(path("debug"))


if __name__ == "__main__":
    if not os.path.isdir(FOLDER):
        os.makedirs(FOLDER)
    if VERSION in ((1, 0), (1, 4)) or VERSION >= (2, 9):
        torch.save(containers(), path("stream-%s.pt" % NAME), **LEGACY)
    if VERSION == (1, 6) or VERSION >= (2, 9):
        torch.save(containers(), path("zip-%s.pt" % NAME))
    if VERSION == (1, 0):
        # The source of classes goes into the file with the path of theirs: neither is of use here.
        torch.serialization.inspect = type("inspect", (), {"getsourcefile": staticmethod(lambda c: "model.py"), "getsource": staticmethod(lambda c: "class X: pass")})
        sys.modules["model"] = sys.modules["__main__"]
        Net.__module__ = "model"
        torch.save(Net(), path("module-%s.pt" % NAME))
    if VERSION in ((1, 2), (1, 4)) or VERSION >= (2, 9):
        script("script-%s.pt" % NAME)
    if VERSION >= (2, 9):
        tar("tar-0.1.pt")
        newest()
        torch.save(dtypes(), path("little-endian.pt"))
        rezip("little-endian.pt", "compressed.pt", lambda n, b: b, zipfile.ZIP_DEFLATED)
        big_endian("little-endian.pt", "big-endian.pt")
        os.remove(path("little-endian.pt"))
