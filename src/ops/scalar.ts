// Numbers in tensor form: 0-d tensors that take part in promotion as Python scalars do.
import { getDevice } from "../core/device.ts";
import { type DType, isComplex, itemSize, numberToBf16, numberToF16, rawArray } from "../core/dtype.ts";
import { denseLayout } from "../core/layout.ts";
import { Tensor } from "../core/tensor.ts";
import { ComplexScalar, type Scalar, scalarDtype } from "./promote.ts";

const POINT = denseLayout([]);

const common = new Map<DType, Uint8Array[]>();
/** One element of `dtype` as raw bytes; do not write to them. */
export function scalarBytes(x: Scalar, dtype: DType): Uint8Array {
  if (x !== 0 && x !== 1) return encode(x, dtype);
  let known = common.get(dtype);
  if (!known) common.set(dtype, (known = [encode(0, dtype), encode(1, dtype)]));
  return known[x]!;
}
function encode(x: Scalar, dtype: DType): Uint8Array {
  const raw = rawArray(dtype, new ArrayBuffer(itemSize(dtype)));
  const re = x instanceof ComplexScalar ? x.re : Number(x);
  if (dtype === "int64") raw[0] = typeof x === "bigint" ? x : BigInt(Number.isFinite(re) ? Math.trunc(re) : 0);
  else if (dtype === "float16") raw[0] = numberToF16(re);
  else if (dtype === "bfloat16") raw[0] = numberToBf16(re);
  else if (dtype === "bool") raw[0] = re !== 0 ? 1 : 0;
  else raw[0] = re;
  if (isComplex(dtype)) raw[1] = x instanceof ComplexScalar ? x.im : 0;
  return new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength);
}

/** A 0-d tensor on `like`'s device (default: cpu) that promotes like the number it holds; floats are kept in double. */
export function scalarTensor(x: Scalar, like?: Tensor): Tensor {
  const natural = scalarDtype(x);
  const dtype: DType = natural === "float32" ? "float64" : natural === "complex64" ? "complex128" : natural;
  const device = like ? like.storage.device : getDevice("cpu");
  const t = new Tensor(device.alloc(itemSize(dtype)), POINT, dtype);
  device.write(t.storage, 0, scalarBytes(x, dtype));
  t.isScalar = true;
  return t;
}
