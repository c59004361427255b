// numpy's arrays and scalars inside pickles: their bytes stand in the pickle, so no code of numpy's is needed.
import { f16ToNumber } from "../../core/dtype.ts";
import { numelOf } from "../../core/layout.ts";
import { ComplexScalar } from "../../ops/promote.ts";
import { type Element, elementOf, swapBytes, typed } from "../elements.ts";
import { RangedTensor } from "../ranged.ts";
import { memoryRegion } from "../region.ts";
import { fail, PyObject, PyTuple, shortly, sizes, textOf } from "./python.ts";

/** numpy's type codes. */
const CODES: Readonly<Record<string, string>> = {
  b1: "bool",
  i1: "int8",
  u1: "uint8",
  i2: "int16",
  u2: "uint16",
  i4: "int32",
  u4: "uint32",
  i8: "int64",
  u8: "uint64",
  f2: "float16",
  f4: "float32",
  f8: "float64",
  c8: "complex64",
  c16: "complex128",
};

/** A dtype as text: `<f4`. */
function parse(dtype: unknown): { element: Element | undefined; swap: boolean; code: string } {
  const m = /^([<>|=]?)(\w+)$/.exec(textOf(dtype)) ?? fail(`numpy dtype ${shortly(dtype)}`);
  const code = m[2]!;
  const name = Object.hasOwn(CODES, code) ? CODES[code]! : "";
  return { element: elementOf(name), swap: m[1] === ">", code };
}
// Python 2 wrote the bytes as a string, which has been read as text where it happens to be text.
const raw = (x: unknown): Uint8Array =>
  x instanceof Uint8Array ? x : typeof x === "string" ? new TextEncoder().encode(x) : fail("the data of a numpy array are no bytes");

function array(into: PyObject, shapeGiven: unknown, dtype: unknown, columns: boolean, data: unknown): void {
  const shape = sizes(shapeGiven);
  const numel = numelOf(shape);
  if (shape.length > 64 || !shape.every((n) => Number.isSafeInteger(n) && n >= 0) || !Number.isSafeInteger(numel))
    return fail(`shape [${shape}]`);
  const { element, swap, code } = parse(dtype);
  if (element) {
    const bytes = raw(data);
    if (bytes.length !== numel * element.size) return fail(`a numpy array of ${code} [${shape}] has ${bytes.length} bytes`);
    into.value = new RangedTensor(memoryRegion(bytes, "numpy array"), element, shape, { swap, columns });
    return;
  }
  // Text and objects are no tensor: the values in their order, and the shape.
  into.attributes.set("dtype", code).set("shape", shapeGiven);
  const width = Number(/^[US](\d+)$/.exec(code)?.[1] ?? 0);
  if (Array.isArray(data)) into.attributes.set("values", data);
  else if (width > 0 && numel > 0) {
    const bytes = raw(data);
    const step = code[0] === "U" ? 4 * width : width;
    if (bytes.length !== step * numel) return fail(`a numpy array of ${code} [${shape}] has ${bytes.length} bytes`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const one = (at: number): string => {
      let out = "";
      for (let k = at; k < at + step; k += code[0] === "U" ? 4 : 1) {
        const c = code[0] === "U" ? view.getUint32(k, !swap) : bytes[k]!;
        if (c) out += String.fromCodePoint(c);
      }
      return out;
    };
    into.attributes.set(
      "values",
      Array.from({ length: numel }, (_, i) => one(i * step)),
    );
  } else into.attributes.set("data", data);
}

function scalar(dtype: unknown, data: unknown): unknown {
  const { element, swap, code } = parse(dtype);
  if (!element) return typeof data === "object" ? data : fail(`a numpy scalar of ${code}`);
  const bytes = raw(data);
  if (bytes.length !== element.size) return fail(`a numpy scalar of ${code} has ${bytes.length} bytes`);
  const little = swap ? swapBytes(bytes.slice(), element.unit) : bytes;
  const value = element.widen ? element.widen(little) : typed(element.dtype, little);
  if (element.dtype.startsWith("complex")) return new ComplexScalar(value[0] as number, value[1] as number);
  if (element.dtype === "bool") return value[0] !== 0;
  if (element.name === "float16") return f16ToNumber(value[0] as number);
  const x = value[0]!;
  return typeof x === "bigint" && Number.isSafeInteger(Number(x)) ? Number(x) : x;
}

/** What a state makes of `numpy.ndarray` and `numpy.dtype` objects; false when the object is neither. */
export function numpyState(object: PyObject, state: unknown): boolean {
  if (!(state instanceof PyTuple)) return false;
  if (object.type === "numpy.ndarray") {
    const [, shape, dtype, columns, data] = state.items.length === 5 ? state.items : [1, ...state.items];
    array(object, shape, dtype instanceof PyObject ? dtype.value : dtype, columns === true, data);
    return true;
  }
  if (object.type === "numpy.dtype") {
    const order = state.items[1];
    if (state.items[3] !== null && state.items[3] !== undefined) object.value = "V";
    else if (order === "<" || order === ">" || order === "|") object.value = order + textOf(object.args[0]).replace(/^[<>|=]/, "");
    return true;
  }
  return false;
}

const reconstruct = (): PyObject => new PyObject("numpy.ndarray", []);
const dtype = (code: unknown): PyObject => {
  const out = new PyObject("numpy.dtype", [code]);
  out.value = textOf(code);
  return out;
};
const fromBuffer = (data: unknown, type: unknown, shape: unknown, order: unknown): PyObject => {
  const out = reconstruct();
  array(out, shape, type, order === "F", data);
  return out;
};

/** numpy's functions, under the names of both its layouts (before and after 2.0). */
export const NUMPY: Readonly<Record<string, (...args: unknown[]) => unknown>> = {
  "numpy.dtype": dtype,
  "numpy.ndarray": reconstruct,
  "numpy.core.multiarray._reconstruct": reconstruct,
  "numpy._core.multiarray._reconstruct": reconstruct,
  "numpy.core.multiarray.scalar": scalar,
  "numpy._core.multiarray.scalar": scalar,
  "numpy.core.numeric._frombuffer": fromBuffer,
  "numpy._core.numeric._frombuffer": fromBuffer,
};
