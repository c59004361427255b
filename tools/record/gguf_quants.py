# Records what llama.cpp's quantisers and dequantisers give for seeded blocks, as hashes of the bits:
#   pip install gguf numpy; python gguf_quants.py LIBGGML > ../../test/io/fixtures/gguf_quants.json
# LIBGGML is the shared library of ggml-quants.c, built without fused multiply-add (-ffp-contract=off): the order of roundings is
# then that of the source text. Dequantisation is also checked against the gguf package's own.
import ctypes
import hashlib
import json
import sys

import gguf
import numpy as np

lib = ctypes.CDLL(sys.argv[1])
TYPES = {  # name: (C spelling, number, block size, bytes, bytes that hold the exponents of scales, how it is quantised)
    "Q4_0": ("q4_0", 2, 32, 18, [1], "ref"),
    "Q4_1": ("q4_1", 3, 32, 20, [1, 3], "ref"),
    "Q5_0": ("q5_0", 6, 32, 22, [1], "ref"),
    "Q5_1": ("q5_1", 7, 32, 24, [1, 3], "ref"),
    "Q8_0": ("q8_0", 8, 32, 34, [1], "ref"),
    "Q8_1": ("q8_1", 9, 32, 36, [1, 3], "ref"),
    "Q2_K": ("q2_K", 10, 256, 84, [81, 83], "ref"),
    "Q3_K": ("q3_K", 11, 256, 110, [109], "ref"),
    "Q4_K": ("q4_K", 12, 256, 144, [1, 3], "ref"),
    "Q5_K": ("q5_K", 13, 256, 176, [1, 3], "ref"),
    "Q6_K": ("q6_K", 14, 256, 210, [209], "ref"),
    "Q8_K": ("q8_K", 15, 256, 292, [3], "ref"),
    "IQ2_XXS": ("iq2_xxs", 16, 256, 66, [1], None),
    "IQ2_XS": ("iq2_xs", 17, 256, 74, [1], None),
    "IQ3_XXS": ("iq3_xxs", 18, 256, 98, [1], None),
    "IQ1_S": ("iq1_s", 19, 256, 50, [1], None),
    "IQ4_NL": ("iq4_nl", 20, 32, 18, [1], "rows"),
    "IQ3_S": ("iq3_s", 21, 256, 110, [1], None),
    "IQ2_S": ("iq2_s", 22, 256, 82, [1], None),
    "IQ4_XS": ("iq4_xs", 23, 256, 136, [1], "rows"),
    "IQ1_M": ("iq1_m", 29, 256, 56, [55], None),
    "TQ1_0": ("tq1_0", 34, 256, 54, [53], "ref"),
    "TQ2_0": ("tq2_0", 35, 256, 66, [65], "ref"),
    "MXFP4": ("mxfp4", 39, 32, 17, [], "ref"),
    "NVFP4": ("nvfp4", 40, 64, 36, [], "ref"),
    "Q1_0": ("q1_0", 41, 128, 18, [1], "ref"),
    "Q2_0": ("q2_0", 42, 64, 18, [1], "ref"),
}
BLOCKS = 64


def numbers(seed, n):
    """xorshift32, as the test has it."""
    x = seed
    out = np.empty(n, np.uint32)
    for i in range(n):
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        out[i] = x
    return out


def blocks(seed, n, size, exponents):
    b = (numbers(seed, n * size) >> 13).astype(np.uint8).reshape(n, size)
    for e in exponents:
        b[:, e] &= 0xBF  # finite scales
    return np.ascontiguousarray(b)


def values(seed, n, size):
    """Blocks of every kind: bell-shaped, all negative, all positive, constant, zero, tiny, huge, sparse."""
    u = numbers(seed, n * size * 3).astype(np.float64).reshape(n, size, 3) / 2**32
    x = (u.sum(2) - 1.5).astype(np.float32)
    for i in range(n):
        k = i % 8
        if k == 1:
            x[i] = -np.abs(x[i])
        if k == 2:
            x[i] = np.abs(x[i]) + np.float32(0.25)
        if k == 3:
            x[i] = x[i, 0]
        if k == 4:
            x[i] = 0
        if k == 5:
            x[i] *= np.float32(2**-12)
        if k == 6:
            x[i] *= np.float32(2**9)
        if k == 7:
            x[i, u[i, :, 0] < 0.8] = 0
    return x


floats = lambda a: a.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
out = {}
for name, (c, number, size, width, exponents, how) in TYPES.items():
    raw = blocks(number + 1, BLOCKS, width, exponents)
    y = np.empty((BLOCKS, size), np.float32)
    if name == "Q8_1":  # llama.cpp only takes dot products of it
        y[:] = raw[:, :2].copy().view(np.float16).astype(np.float32) * raw[:, 4:].view(np.int8)
    else:
        getattr(lib, "dequantize_row_" + c)(raw.ctypes.data_as(ctypes.c_void_p), floats(y), ctypes.c_int64(BLOCKS * size))
    assert not np.isnan(y).any(), name
    kind = getattr(gguf.GGMLQuantizationType, name, None)
    if kind is not None and kind in gguf.quants._type_traits:
        assert gguf.GGML_QUANT_SIZES[kind] == (size, width) and int(kind) == number, name
        with np.errstate(all="ignore"):
            other = gguf.quants.dequantize(raw, kind)
        if not np.array_equal(other.view(np.uint32), y.view(np.uint32)):
            i = np.argwhere(other.view(np.uint32) != y.view(np.uint32))[0]
            print(name, "differs from the gguf package at", i, other[tuple(i)], y[tuple(i)], (other != y).sum(), file=sys.stderr)
    entry = {"id": number, "size": size, "bytes": width, "exponents": exponents,
             "decoded": hashlib.sha256(y.tobytes()).hexdigest(), "first": [float(v) for v in y[0, :4]]}
    if how:
        x = values(number + 1001, BLOCKS, size)
        q = np.zeros((BLOCKS, width), np.uint8)
        p = q.ctypes.data_as(ctypes.c_void_p)
        if how == "ref":
            getattr(lib, f"quantize_row_{c}_ref")(floats(x), p, ctypes.c_int64(BLOCKS * size))
        else:
            getattr(lib, f"quantize_{c}")(floats(x), p, ctypes.c_int64(1), ctypes.c_int64(BLOCKS * size), None)
        entry["values"] = hashlib.sha256(x.tobytes()).hexdigest()
        entry["encoded"] = [hashlib.sha256(q[i].tobytes()).hexdigest()[:12] for i in range(8)]
        entry["all"] = hashlib.sha256(q.tobytes()).hexdigest()
    out[name] = entry
print("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in out.items()) + "\n}")
