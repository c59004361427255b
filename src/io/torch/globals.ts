// The list of what a pickle may have built: PyTorch's tensors, Python's containers, numpy's arrays and plain values. Everything here
// makes data from data. A class that is not listed becomes a description of the object; a function that is not is refused.
import { isDifferentiable } from "../../core/dtype.ts";
import { ComplexScalar } from "../../ops/promote.ts";
import { elementOf } from "../elements.ts";
import { isStored, type StoredTensor } from "../stored.ts";
import { latin1 } from "./literals.ts";
import { NUMPY } from "./numpy.ts";
import { fail, itemsOf, number, PyDict, PyGlobal, PyObject, PyTuple, resolved, shortly, sizes, textOf } from "./python.ts";
import { LEGACY_TYPES, TypedStorage } from "./storage.ts";
import { MetaTensor, TorchTensor } from "./tensor.ts";

/** Makes a value from a call's arguments. @throws RangeError when they make no sense */
export type Builder = (...args: unknown[]) => unknown;

const tensorOf = (given: unknown): StoredTensor => {
  const x = resolved(given);
  return isStored(x) ? x : fail("no tensor where one is needed");
};
/** The dtype that `torch.float32` names. */
const SHORT: Readonly<Record<string, string>> = {
  float: "float32",
  double: "float64",
  half: "float16",
  long: "int64",
  int: "int32",
  short: "int16",
  cfloat: "complex64",
  cdouble: "complex128",
  chalf: "complex32",
};
const dtypeName = (name: string): string | undefined => {
  const full = SHORT[name] ?? name;
  return elementOf(full) ? full : undefined;
};

const rebuild: Builder = (storage, offset, size, stride, requiresGrad, _hooks, metadata) => {
  if (!(storage instanceof TypedStorage)) return fail("a tensor without a storage");
  const t = new TorchTensor(storage, storage.element, number(offset), sizes(size), sizes(stride), requiresGrad === true);
  return mark(t, metadata);
};
/** Lazy conjugation and negation. */
function mark(t: TorchTensor, metadata: unknown): TorchTensor {
  if (!(metadata instanceof PyDict)) return t;
  t.conj = metadata.map.get("conj") === true;
  t.neg = metadata.map.get("neg") === true;
  return t;
}
const rebuildTyped: Builder = (storage, offset, size, stride, requiresGrad, _hooks, dtype, metadata) => {
  if (!(storage instanceof TypedStorage)) return fail("a tensor without a storage");
  const element = elementOf(dtypeOf(dtype))!;
  return mark(new TorchTensor(storage, element, number(offset), sizes(size), sizes(stride), requiresGrad === true), metadata);
};
const dtypeOf = (x: unknown): string =>
  (x instanceof PyGlobal && x.module === "torch" ? dtypeName(x.name) : undefined) ??
  fail(`${x instanceof PyGlobal ? x.path : shortly(x)} where a dtype is needed`);
const parameter: Builder = (data, requiresGrad) => {
  if (data === undefined) return new PyObject("torch.nn.parameter.Parameter", []);
  const from = tensorOf(data);
  if (!(from instanceof TorchTensor)) return from;
  const t = from.again();
  t.isParameter = true;
  t.requiresGrad = requiresGrad !== false && isDifferentiable(elementOf(t.dtype)!.dtype);
  return t;
};
const variable: Builder = (data, requiresGrad) => {
  if (data === undefined) return new PyObject("torch.autograd.variable.Variable", []);
  const from = tensorOf(data);
  if (from instanceof TorchTensor) from.requiresGrad = requiresGrad === true;
  return from;
};
const quantized: Builder = (storage, offset, size, stride, quantizer) => {
  if (!(storage instanceof TypedStorage)) return fail("a tensor without a storage");
  const [scheme, scale, zeroPoint, axis] = itemsOf(quantizer);
  const name = scheme instanceof PyGlobal ? scheme.name : "";
  if (storage.element.name.startsWith("bits")) return fail(`quantised tensors of ${storage.element.name} cannot be read`);
  const t = new TorchTensor(storage, storage.element, number(offset), sizes(size), sizes(stride), false);
  // Strides of 0 would let a short file ask for a copy of any size.
  if (t.shape.reduce((a, b) => a * b, 1) * storage.element.size > storage.nbytes)
    return fail("a quantised tensor that is larger than its storage");
  if (name === "per_tensor_affine" || name === "per_tensor_symmetric") {
    if (typeof scale !== "number" || typeof zeroPoint !== "number") return fail("scale and zero point are no numbers");
    t.quantizer = { scale, zeroPoint, axis: null };
  } else if (name.startsWith("per_channel")) {
    const d = number(axis);
    for (const x of [scale, zeroPoint])
      if (tensorOf(x).shape.length !== 1 || tensorOf(x).shape[0] !== t.shape[d])
        return fail(`scales of shape [${tensorOf(x).shape}] for axis ${d}`);
    t.quantizer = { scale: tensorOf(scale), zeroPoint: tensorOf(zeroPoint), axis: d };
  } else return fail(`quantisation scheme ${name}`);
  return t;
};
const described =
  (type: string, names: readonly string[]): Builder =>
  (...args) => {
    const out = new PyObject(type, []);
    names.forEach((n, i) => {
      if (args[i] !== undefined) out.attributes.set(n, args[i]);
    });
    return out;
  };
const sparse: Builder = (layout, data) => {
  const kind = layout instanceof PyGlobal ? layout.path : textOf(layout);
  const names = kind.endsWith("sparse_coo")
    ? ["indices", "values", "size", "isCoalesced"]
    : /sparse_(csr|csc|bsr|bsc)$/.test(kind)
      ? ["compressedIndices", "plainIndices", "values", "size"]
      : fail(`sparse layout ${kind}`);
  return described(kind, names as string[])(...itemsOf(data));
};
// `new_type`'s attributes ride on the tensor; the class itself is not built.
const fromType =
  (call: Builder): Builder =>
  (make, type, args, state) => {
    const t = call(make, ...itemsOf(args));
    if (!(t instanceof TorchTensor)) return t;
    if (type instanceof PyGlobal && type.path === "torch.nn.parameter.Parameter") t.isParameter = true;
    t.attributes = state ?? null;
    return t;
  };
const meta: Builder = (dtype, size, stride) => {
  const name = dtypeOf(dtype);
  const [shape, strides] = [sizes(size), sizes(stride)];
  const element = elementOf(name)!;
  if (![...shape, ...strides].every((n) => Number.isSafeInteger(n) && n >= 0) || shape.length !== strides.length || shape.length > 64)
    return fail(`sizes [${shape}]`);
  return new MetaTensor(element.dtype, shape, strides);
};

const dict: Builder = (from) => {
  const out = new PyDict();
  if (from instanceof PyDict) for (const [k, v] of from.map) out.map.set(k, v);
  else if (from !== undefined)
    for (const pair of itemsOf(from)) {
      const [k, v] = itemsOf(pair);
      if (typeof k === "object" && k !== null && !(k instanceof PyTuple)) return fail("the key of a dict is no constant");
      out.map.set(k, v);
    }
  return out;
};
const set: Builder = (items) => new Set(items === undefined ? [] : items instanceof Set ? items : itemsOf(items));
const bytes: Builder = (from, encoding) => {
  if (from === undefined) return new Uint8Array(0);
  if (from instanceof Uint8Array) return from;
  if (typeof from !== "string") return fail("bytes of what is neither text nor bytes");
  return encoding === undefined || /^latin-?1$/i.test(textOf(encoding)) ? latin1(from) : new TextEncoder().encode(from);
};
const path: Builder = (...parts) => parts.map(textOf).join("/").replace(/^\/\//, "/");
const jitList: Builder = (items) => (Array.isArray(items) ? items : itemsOf(items));

const FUNCTIONS: Readonly<Record<string, Builder>> = {
  "torch._utils._rebuild_tensor": rebuild,
  "torch._utils._rebuild_tensor_v2": rebuild,
  "torch._utils._rebuild_tensor_v3": rebuildTyped,
  "torch._utils._rebuild_parameter": parameter,
  "torch._utils._rebuild_parameter_with_state": (data, requiresGrad, _hooks, state) => {
    const p = parameter(data, requiresGrad);
    if (p instanceof TorchTensor) p.attributes = state;
    return p;
  },
  "torch._utils._rebuild_qtensor": quantized,
  "torch._utils._rebuild_sparse_tensor": sparse,
  "torch._utils._rebuild_sparse_csr_tensor": sparse,
  "torch._utils._rebuild_nested_tensor": described("torch.nested", ["buffer", "sizes", "strides", "storageOffsets"]),
  "torch._utils._rebuild_meta_tensor_no_storage": meta,
  "torch._utils._rebuild_device_tensor_from_cpu_tensor": (data) => tensorOf(data),
  "torch._utils._rebuild_device_tensor_from_numpy": (data) => data,
  "torch._utils._rebuild_xla_tensor": (data) => data,
  "torch.nn.parameter.Parameter": parameter,
  "torch.nn.parameter.Buffer": (data) => tensorOf(data),
  "torch.nn.parameter.UninitializedParameter": described("torch.nn.parameter.UninitializedParameter", []),
  "torch.autograd.variable.Variable": variable,
  "torch.Tensor": variable,
  "torch.nn.backends.thnn._get_thnn_function_backend": described("torch.nn.backends.thnn.THNNFunctionBackend", []),
  "torch.serialization._get_layout": (name) => new PyGlobal("torch", textOf(name).replace(/^torch\./, "")),
  "torch.Size": (items) => (items === undefined ? new PyTuple([]) : new PyTuple(itemsOf(items))),
  "torch.device": (type, index) => (index === undefined ? textOf(type) : `${textOf(type)}:${textOf(index)}`),
  "torch.jit._pickle.build_intlist": jitList,
  "torch.jit._pickle.build_doublelist": jitList,
  "torch.jit._pickle.build_boollist": jitList,
  "torch.jit._pickle.build_tensorlist": jitList,
  "torch.jit._pickle.restore_type_tag": (value) => value,
  "collections.OrderedDict": dict,
  "collections.Counter": dict,
  "collections.defaultdict": (_make, items) => dict(items),
  "collections.deque": (items) => (items === undefined ? [] : [...itemsOf(items)]),
  "builtins.dict": dict,
  "builtins.list": (items) => (items === undefined ? [] : items instanceof Set ? [...items] : [...itemsOf(items)]),
  "builtins.tuple": (items) => new PyTuple(items === undefined ? [] : itemsOf(items)),
  "builtins.set": set,
  "builtins.frozenset": set,
  "builtins.bytearray": bytes,
  "builtins.bytes": bytes,
  "builtins.complex": (re, im) => new ComplexScalar(number(re), number(im ?? 0)),
  "_codecs.encode": bytes,
  "types.SimpleNamespace": described("types.SimpleNamespace", []),
  "pathlib.PosixPath": path,
  "pathlib.PurePosixPath": path,
  "pathlib.WindowsPath": path,
  "pathlib.PureWindowsPath": path,
  "pathlib.Path": path,
  "pathlib._local.PosixPath": path,
  "pathlib._local.WindowsPath": path,
  ...NUMPY,
};

/** What calling the global of that name makes, or undefined when it is not on the list. `call` calls another. */
export function builderOf(global: PyGlobal, call: Builder): Builder | undefined {
  if (/^torch\._tensor\._rebuild_from_type(_v2)?$|^torch\.tensor\._rebuild_from_type$/.test(global.path)) return fromType(call);
  if (Object.hasOwn(FUNCTIONS, global.path)) return FUNCTIONS[global.path];
  // torch.FloatTensor(): an empty tensor whose state follows.
  if (legacyElement(global, "Tensor")) return () => new PyObject(global.path, []);
  return undefined;
}
/** The element type of `torch.FloatStorage`, `torch.cuda.HalfTensor`, … */
export function legacyElement(global: PyGlobal, kind: "Storage" | "Tensor"): string | undefined {
  if (!/^torch(\.cuda|\.storage|\.hpu|\.xpu)?$/.test(global.module) || !global.name.endsWith(kind)) return undefined;
  const type = global.name.slice(0, -kind.length);
  return Object.hasOwn(LEGACY_TYPES, type) ? LEGACY_TYPES[type] : undefined;
}
/** A name that is left in a value: dtypes as Firebrand spells them, layouts as text, classes and functions as `{ $global }`. */
export function nameOf(global: PyGlobal): unknown {
  if (global.module === "torch") {
    const dtype = dtypeName(global.name);
    if (dtype) return dtype;
    if (/^(strided|sparse_\w+|jagged|_mkldnn|per_\w+_(affine|symmetric)\w*|\w+_format)$/.test(global.name)) return global.name;
  }
  return { $global: global.path };
}
