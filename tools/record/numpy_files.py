# Makes small .npy and .npz files and records what numpy reads from them (pip install numpy; run in test/io/fixtures):
#   python numpy_files.py            makes them
#   python numpy_files.py FILE…      prints what numpy reads from files of ours
import hashlib
import io
import json
import sys
import zipfile

import numpy as np


def save(x, version=None):
    f = io.BytesIO()
    np.lib.format.write_array(f, x, version=version)
    return f.getvalue()


def listed(x):
    if x.dtype.kind == "c":
        return [[v.real, v.imag] for v in x.astype(complex).ravel().tolist()]
    if x.dtype.kind in "iu" and x.dtype.itemsize == 8:
        return [str(v) for v in x.ravel().tolist()]
    return x.astype(object).ravel().tolist()


if len(sys.argv) > 1:
    for path in sys.argv[1:]:
        data = np.load(path)
        for k, v in data.items() if path.endswith("z") else [("", data)]:
            print(path, k, v.dtype, v.shape, hashlib.sha256(v.tobytes()).hexdigest()[:12])
    sys.exit()

rng = np.random.default_rng(3)
arrays, want = {}, {}
for d in "?bBhHiIqQefdFD":
    for order in "<>":
        dtype = np.dtype(d).newbyteorder(order)
        x = (rng.standard_normal((2, 3)) * 40)
        if dtype.kind == "u":
            x = np.abs(x)
        x = (x > 0) if d == "?" else (x + 1j * x[::-1] if dtype.kind == "c" else x)
        arrays[f"{order}{d}"] = x.astype(dtype)
arrays["0d"] = np.array(2.5)
arrays["empty"] = np.zeros((0, 3), np.float32)
arrays["1d"] = np.arange(5, dtype=np.int64)
arrays["fortran"] = np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
arrays["fortran big"] = np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3))
arrays["big numbers"] = np.array([2**63 - 1, -(2**63)], np.int64)
for k, v in arrays.items():
    want[k] = {"shape": list(v.shape), "values": listed(v)}
np.savez_compressed("arrays.npz", **arrays)
np.savez("stored.npz", a=np.arange(3, dtype=np.float32), b=np.ones((2, 2)))
files = {
    "version 2": save(np.arange(3, dtype=np.int32), (2, 0)),
    "version 3": save(np.arange(3, dtype=np.int32), (3, 0)),
    "structured": save(np.zeros(2, [("x", "<f4"), ("y", "<i8")])),
    "strings": save(np.array(["ab", "c"])),
    "bytes": save(np.array([b"ab", b"c"])),
    "dates": save(np.array(["2020-01-01"], "M8[D]")),
    "too big": save(np.array([1, 2**63 + 5], np.uint64)),
}
f = io.BytesIO()
np.save(f, np.array([{"a": 1}], object), allow_pickle=True)
files["object"] = f.getvalue()
with zipfile.ZipFile("kinds.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for k, v in files.items():
        z.writestr(zipfile.ZipInfo(k + ".npy"), v, zipfile.ZIP_DEFLATED)
# What numpy itself writes for these, to compare ours with.
ours = {f"{s}": hashlib.sha256(save(np.ones(s, np.float32))).hexdigest() for s in [(), (3,), (2, 3), (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)]}
json.dump({"arrays": want, "written": ours}, open("numpy.json", "w"))
