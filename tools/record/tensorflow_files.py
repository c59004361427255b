# Makes small models of Keras, TensorFlow and TensorFlow.js and records their values. Run in test/io/fixtures:
#   pip install tensorflow-cpu; pip install --no-deps tensorflowjs packaging six
# HDF5 files and archives are gzipped: they are mostly zeros.
import gzip
import json
import os
import shutil
import sys
import types
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import h5py
import keras
import ml_dtypes
import numpy as np
import tensorflow as tf

# The package's front door imports much that the weights need not.
for path in sys.path:
    if (Path(path) / "tensorflowjs").is_dir():
        sys.modules["tensorflowjs"] = types.ModuleType("tensorflowjs")
        sys.modules["tensorflowjs"].__path__ = [str(Path(path) / "tensorflowjs")]
from tensorflowjs import read_weights, write_weights

want = {}


def listed(x):
    x = np.asarray(x)
    if x.dtype.kind == "c":
        flat = [[v.real, v.imag] for v in x.astype(complex).ravel().tolist()]
    elif x.dtype == np.dtype(bool):
        flat = x.ravel().tolist()
    else:
        flat = x.astype(np.float64).ravel().tolist()
    return {"shape": list(x.shape), "values": flat}


def pack(name):
    with open(name, "rb") as f, gzip.GzipFile(name + ".gz", "wb", mtime=0) as g:
        g.write(f.read())
    os.remove(name)


keras.utils.set_random_seed(1)
m = keras.Sequential([
    keras.Input((4,)),
    keras.layers.Dense(3, activation="relu", name="hidden"),
    keras.layers.BatchNormalization(name="norm"),
    keras.layers.Dense(2, name="out"),
])
for w in m.weights:
    w.assign(np.random.default_rng(len(w.path)).standard_normal(w.shape))
want["h5"] = {w.path: listed(w.numpy()) for w in m.weights}
want["layers"] = {"hidden": "layers/dense", "norm": "layers/batch_normalization", "out": "layers/dense_1"}
m.save("toy.h5")
m.save("toy.keras")
pack("toy.h5")
pack("toy.keras")
m.export("saved", verbose=False)
for part in ["index", "data-00000-of-00001"]:
    shutil.move(f"saved/variables/variables.{part}", f"variables.{part}")
shutil.rmtree("saved")

# What h5py can write besides.
x = np.arange(6).reshape(2, 3)
with h5py.File("kinds.h5", "w") as f:
    for d in ["i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8", ">i2", ">f4", ">f8", ">u4", "<f2", "<f4", "<f8"]:
        f.create_dataset("number/" + d, data=x.astype(d))
    f["number/bool"] = x > 2
    f["number/scalar"] = np.float32(2.5)
    f["number/empty"] = np.zeros((0, 3), np.float32)
    dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    dcpl.set_layout(h5py.h5d.COMPACT)
    h5py.h5d.create(f["number"].id, b"compact", h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple((3,)), dcpl).write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(3, dtype=np.int32))
    want["kinds"] = {k: listed(v[()]) for k, v in f["number"].items()}
    f["refused/text"] = "words"
    f["refused/record"] = np.zeros(2, [("a", "<f4")])
    f["refused/complex"] = np.zeros(2, np.complex64)
    f.create_dataset("refused/chunked", data=x, chunks=(1, 3))
    f.create_dataset("refused/too big", data=np.array([1, 2**63], np.uint64))
    f["soft"] = h5py.SoftLink("/number/bool")
    f.attrs["text"] = "variable"
    f.attrs["fixed"] = np.bytes_("fixed")
    f.attrs["texts"] = ["a", "", "ccc"]
    f.attrs["number"] = 3
    f.attrs["numbers"] = np.array([1.5, 2.5], np.float32)
pack("kinds.h5")
with h5py.File("latest.h5", "w", libver="latest") as f:
    f["a/b"] = np.arange(3, dtype=np.float32)
    f["a"].attrs["name"] = "new style"
pack("latest.h5")
with h5py.File("many.h5", "w") as f:
    for i in range(100):
        f[f"vars/{i}"] = np.int8(i)
pack("many.h5")
with h5py.File("dense.h5", "w", libver="latest") as f:
    for i in range(20):
        f[f"vars/{i}"] = np.int8(i)
pack("dense.h5")

types_ = [np.float32, np.float64, np.int32, np.uint8, np.int16, np.int8, np.complex64, np.int64, np.bool_, ml_dtypes.bfloat16, np.uint16, np.complex128, np.float16, np.uint32, np.uint64]
values = {np.dtype(t).name: (np.arange(4) % 3).reshape(2, 2).astype(t) for t in types_}
values["empty"] = np.zeros((0, 2), np.float32)
values["scalar"] = np.float32(7)
# By name, as TensorFlow 1 saves.
tf.raw_ops.SaveV2(prefix="kinds", tensor_names=list(values) + ["words"], shape_and_slices=[""] * (len(values) + 1), tensors=[tf.constant(v) for v in values.values()] + [tf.constant(["a", "bc"])])
want["checkpoint"] = {k: listed(v) for k, v in values.items()}
c = tf.train.Checkpoint(a=tf.Variable([1.0, 2.0]), b=tf.Variable([3.0]))  # both are named Variable
c.write("twins")

rng = np.random.default_rng(5)
g1 = [
    {"name": "dense/kernel", "data": rng.standard_normal((4, 3)).astype(np.float32)},
    {"name": "dense/steps", "data": np.arange(5, dtype=np.int32)},
    {"name": "dense/words", "data": np.array(["a", "häß"], dtype="object")},
    {"name": "dense/on", "data": np.array([True, False])},
    {"name": "dense/wave", "data": np.array([1 + 2j], np.complex64)},
]
g2 = [{"name": n, "data": rng.standard_normal((3, 5)).astype(np.float32)} for n in ["q/uint8", "q/uint16", "q/float16"]]
g2.append({"name": "q/int32", "data": np.array([-40, 7, 1000], np.int32)})
os.makedirs("tfjs", exist_ok=True)
manifest = write_weights.write_weights([g1, g2], "tfjs", shard_size_bytes=64, write_manifest=False, quantization_dtype_map={"uint8": ["q/uint8", "q/int32"], "uint16": "q/uint16", "float16": "q/float16"})
read = read_weights.read_weights(manifest, "tfjs", flatten=True)
want["tfjs"] = {w["name"]: listed(w["data"]) for w in read if w["data"].dtype != object and w["data"].dtype.kind not in "SU"}
json.dump({"format": "layers-model", "generatedBy": "keras v3", "convertedBy": "TensorFlow.js Converter v4.22.0", "modelTopology": {"class_name": "Sequential"}, "weightsManifest": manifest}, open("tfjs/model.json", "w"))
json.dump(want, open("tensorflow.json", "w"))
