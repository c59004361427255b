# Makes small GGUF files with the gguf package and records what is in them (pip install gguf numpy; run in test/io/fixtures).
import json

import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf import GGUFEndian
from gguf import GGUFValueType as V
from gguf import GGUFWriter, quants
from gguf.scripts.gguf_convert_endian import byteswap_tensors

rng = np.random.default_rng(7)
w = GGUFWriter("small.gguf", "toy")
w.add_uint8("t.u8", 200)
w.add_int8("t.i8", -100)
w.add_uint16("t.u16", 60000)
w.add_int16("t.i16", -30000)
w.add_uint32("t.u32", 4000000000)
w.add_int32("t.i32", -2000000000)
w.add_uint64("t.u64", 2**63 + 1)
w.add_int64("t.i64", -(2**53) - 1)
w.add_float32("t.f32", 10000.0)
w.add_float64("t.f64", 0.1)
w.add_bool("t.yes", True)
w.add_string("t.text", "häßlich 🔥")
w.add_array("tokenizer.ggml.tokens", ["<s>", "", "ab\n"])
w.add_array("t.ints", [1, -2, 3])
w.add_array("t.floats", [0.5, 1.5])
w.add_array("t.bools", [True, False])
w.add_key_value("t.nested", [[1, 2], [3]], V.ARRAY, sub_type=V.ARRAY)
expected = {}
for name, dtype in [("f32", np.float32), ("f16", np.float16), ("f64", np.float64), ("i8", np.int8), ("i16", np.int16), ("i32", np.int32), ("i64", np.int64)]:
    x = (rng.standard_normal((2, 3)) * 20).astype(dtype)
    w.add_tensor(name, x)
    expected[name] = {"shape": list(x.shape), "values": x.astype(np.float64).ravel().tolist()}
for kind, shape in [(Q.BF16, (3, 5)), (Q.Q4_0, (2, 64)), (Q.Q8_0, (2, 2, 32)), (Q.Q5_1, (32,))]:
    x = rng.standard_normal(shape).astype(np.float32)
    q = quants.quantize(x, kind)
    w.add_tensor(kind.name, q, raw_dtype=kind)
    y = quants.dequantize(q, kind).reshape(shape)
    expected[kind.name] = {"shape": list(shape), "values": y.astype(np.float64).ravel().tolist()}
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
json.dump(expected, open("small.gguf.json", "w"))

w = GGUFWriter("aligned.gguf", "toy")
w.add_custom_alignment(64)
w.add_tensor("a", np.arange(3, dtype=np.float32))
w.add_tensor("b", np.arange(5, dtype=np.float32))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()

# The same values in both byte orders.
for order in (GGUFEndian.LITTLE, GGUFEndian.BIG):
    w = GGUFWriter(f"{order.name.lower()}.gguf", "toy", endianess=order)
    w.add_array("t.ints", [1, -2, 3])
    w.add_string("t.text", "häßlich")
    w.add_float64("t.f64", 0.1)
    rng = np.random.default_rng(8)
    for dtype in (np.float32, np.float16, np.float64, np.int8, np.int16, np.int64):
        w.add_tensor(np.dtype(dtype).name, (rng.standard_normal((2, 3)) * 20).astype(dtype))
    for kind in (Q.Q4_0, Q.Q8_0, Q.Q4_K, Q.Q6_K):
        size = {Q.Q4_0: 18, Q.Q8_0: 34, Q.Q4_K: 144, Q.Q6_K: 210}[kind]
        q = rng.integers(0, 256, (2, 2 * size), dtype=np.uint8)
        if order == GGUFEndian.BIG:
            flat = type("Flat", (), {"data": q.reshape(-1)})
            for at in range(0, q.size, size):
                byteswap_tensors[kind](flat, at)
        w.add_tensor(kind.name, q, raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()

# Three files, of which the first has no tensors.
w = GGUFWriter("split.gguf", "toy", split_max_tensors=2, small_first_shard=True)
w.add_string("general.name", "toy in pieces")
for i, name in enumerate(["a", "b", "c"]):
    w.add_tensor(name, np.full((i + 1, 2), i, np.float32))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
