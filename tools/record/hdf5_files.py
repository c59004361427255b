# Makes HDF5 files of chunked datasets with every index that h5py can make, and records their values (pip install h5py; run in test/io/fixtures).
import gzip
import json
import os

import h5py
import numpy as np

rng = np.random.default_rng(3)
x = rng.integers(-9, 9, (7, 10)).astype("f4")
y = rng.integers(-9, 9, (3, 4, 5, 6)).astype("i2")


def fill(f):
    # Indices by what new files have: B-trees in all of them in old ones.
    f.create_dataset("fixed/plain", data=x, chunks=(3, 4))
    f.create_dataset("fixed/deflate", data=x, chunks=(3, 4), compression="gzip", shuffle=True)
    f.create_dataset("fixed/checked", data=x, chunks=(2, 10), fletcher32=True, compression=9)
    f.create_dataset("fixed/may grow", data=x, chunks=(3, 4), maxshape=(20, 30))
    f.create_dataset("fixed/big-endian", data=y.astype(">i2"), chunks=(2, 1, 5, 4), shuffle=True)
    holes = f.create_dataset("fixed/holes", shape=(9, 9), dtype="i4", chunks=(3, 3), fillvalue=7)
    holes[0:3, 3:6] = 1
    holes[8, 8] = 5
    pages = f.create_dataset("fixed/pages", shape=(5000,), dtype="i1", chunks=(2,), fillvalue=-1)
    pages[100:110] = 3
    pages[4990:] = 4
    f.create_dataset("single/plain", data=x, chunks=x.shape)
    f.create_dataset("single/deflate", data=x, chunks=x.shape, compression="gzip")
    f.create_dataset("single/odd", data=np.arange(11, dtype="u1"), chunks=(11,), fletcher32=True)
    f.create_dataset("grows/rows", data=x, chunks=(1, 4), maxshape=(None, 10))
    f.create_dataset("grows/columns", data=y, chunks=(2, 3, 2, 5), maxshape=(3, 4, None, 9), compression="gzip")
    pages = f.create_dataset("grows/pages", shape=(80000,), dtype="i1", chunks=(2,), maxshape=(None,), fillvalue=-1)
    pages[20000:20010] = 3
    pages[79990:] = 4
    f.create_dataset("empty/never", shape=(3, 2), dtype="f8", chunks=(1, 2), fillvalue=2.5)
    f.create_dataset("empty/nothing", shape=(0, 2), dtype="f8", chunks=(1, 2), maxshape=(None, 2))
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_chunk((3, 4))
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    implicit = h5py.h5d.create(f.id, b"implicit", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(x.shape), early)
    implicit.write(h5py.h5s.ALL, h5py.h5s.ALL, x)
    f.create_dataset("refused/both grow", data=x, chunks=(3, 4), maxshape=(None, None))
    f.create_dataset("refused/lzf", data=x, chunks=(3, 4), compression="lzf")
    f.create_dataset("refused/scale", data=x.astype("i4"), chunks=(3, 4), scaleoffset=0)


want = {}
for name, version in (("chunked", "earliest"), ("chunkedLatest", "latest")):
    with h5py.File(name + ".h5", "w", libver=version) as f:
        fill(f)
    with h5py.File(name + ".h5") as f:

        def note(path, o):
            if isinstance(o, h5py.Dataset) and o.size < 1000:
                want[path] = {"shape": list(o.shape), "values": o[()].astype("f8").ravel().tolist()}

        f.visititems(note)
    with open(name + ".h5", "rb") as f, gzip.GzipFile(name + ".h5.gz", "wb", mtime=0) as g:
        g.write(f.read())
    os.remove(name + ".h5")
json.dump(want, open("chunked.json", "w"))
