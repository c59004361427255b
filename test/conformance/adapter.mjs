// Lets the conformance runner drive Firebrand: the runner's generic mapping, plus what has another spelling in TypeScript.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as torch from "../../build/dist/index.js";

const runner = process.env.FIREBRAND_CONFORMANCE ?? join(import.meta.dirname, "..", "..", "..", "shared", "conformance");
const { makeAdapter } = await import(pathToFileURL(join(runner, "runner", "adapters", "generic.mjs")).href);

const list = (x) => (Array.isArray(x) ? x : [...x]);
const places = (i) => (Array.isArray(i) && (i.isTuple || i.some((p) => typeof p !== "number" && typeof p !== "boolean")) ? i : [i]);
export default makeAdapter(torch, {
  name: "firebrand",
  isTensor: torch.isTensor,
  toHostSync: (t) => ({
    data: t.isComplex() ? torch.viewAsReal(t).contiguous().dataSync() : t.dataSync(),
    shape: [...t.shape],
    dtype: t.dtype,
  }),
  complex: (re, im) => torch.complexScalar(re, im),
  slice: (a, b, c) => torch.slice(a, b ?? null, c),
  special: {
    // Python reads a list that holds lists, slices or tensors as a tuple of indices.
    "Tensor.__getitem__": (x, i) => x.index(...places(i)),
    "Tensor.__setitem__": (x, i, v) => x.setIndex(...places(i), v),
    index_put: (x, indices, values, o = {}) => torch.indexPut(x, list(indices), values, o),
  },
});
