// Values on the host: reading tensors back, printing them.
import { isDisposed } from "../core/disposed.ts";
import { bf16ToNumber, type DType, f16ToNumber, isComplex, itemSize, rawArray, type TypedArray } from "../core/dtype.ts";
import { ShapeError, showShape, ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { rawCopy } from "./copy.ts";

/** Nested arrays of numbers and booleans; complex numbers are `{ re, im }`. */
export type Nested = number | boolean | { re: number; im: number } | Nested[];

// Raw elements in row-major order, waiting for the device.
function rawSync(x: Tensor): TypedArray {
  const here = x.layout.contiguous ? x : rawCopy(x);
  const bytes = new Uint8Array(here.layout.numel * itemSize(x.dtype));
  if (bytes.length > 0) here.storage.device.readSync(here.storage, here.layout.offset * itemSize(x.dtype), bytes);
  return rawArray(x.dtype, bytes.buffer);
}
async function rawAsync(x: Tensor): Promise<TypedArray> {
  const here = x.layout.contiguous ? x : rawCopy(x);
  const bytes = new Uint8Array(here.layout.numel * itemSize(x.dtype));
  if (bytes.length > 0) await here.storage.device.read(here.storage, here.layout.offset * itemSize(x.dtype), bytes);
  return rawArray(x.dtype, bytes.buffer);
}

// 16-bit floats become Float32Array; all others are as they are stored.
function widen(raw: TypedArray, dtype: DType): TypedArray {
  if (dtype === "float16") return Float32Array.from(raw as Uint16Array, f16ToNumber);
  if (dtype === "bfloat16") return Float32Array.from(raw as Uint16Array, bf16ToNumber);
  return raw;
}

/** The elements in row-major order: int64 as BigInt64Array, bool as Uint8Array, 16-bit floats as Float32Array, complex interleaved. */
export const dataSync = (x: Tensor): TypedArray => widen(rawSync(x), x.dtype);
/** `dataSync` without blocking. */
export const data = async (x: Tensor): Promise<TypedArray> => widen(await rawAsync(x), x.dtype);

/** The elements as numbers (int64 by rounding to the nearest double). */
export function hostValues(x: Tensor): Float64Array | Float32Array {
  const d = dataSync(x);
  return d instanceof Float32Array || d instanceof Float64Array ? d : Float64Array.from(d as unknown as ArrayLike<number>, Number);
}

function element(d: TypedArray, dtype: DType, i: number): Item {
  if (isComplex(dtype)) return { re: d[2 * i] as number, im: d[2 * i + 1] as number };
  if (dtype === "bool") return d[i] !== 0;
  const v = d[i]!;
  if (typeof v === "bigint") {
    const n = Number(v);
    if (!Number.isSafeInteger(n))
      throw new ValueError({
        op: "toArray",
        message: `${v} does not fit a number`,
        hint: "Read int64 exactly with data(), which gives a BigInt64Array",
      });
    return n;
  }
  return v;
}

function nest(d: TypedArray, dtype: DType, shape: readonly number[]): Nested {
  let at = 0;
  const level = (dim: number): Nested =>
    dim === shape.length ? element(d, dtype, at++) : Array.from({ length: shape[dim]! }, () => level(dim + 1));
  return level(0);
}
/** Nested arrays of the values. @throws ValueError for int64 beyond 2^53. */
export const toArraySync = (x: Tensor): Nested => nest(dataSync(x), x.dtype, x.shape);
/** `toArraySync` without blocking. */
export const toArray = async (x: Tensor): Promise<Nested> => nest(await data(x), x.dtype, x.shape);

const single = (x: Tensor): void => {
  if (x.layout.numel !== 1)
    throw new ShapeError({
      op: "item",
      message: `shape ${showShape(x.shape)} has ${x.layout.numel} elements`,
      hint: "item() reads tensors of one element; use toArray()",
    });
};
/** A single value. */
export type Item = number | boolean | { re: number; im: number };
/** The value of a tensor of one element, without blocking. */
export async function item(x: Tensor): Promise<Item> {
  single(x);
  return element(await data(x), x.dtype, 0);
}
/** The value of a tensor of one element. @throws ShapeError when there are more or fewer. */
export function itemSync(x: Tensor): Item {
  single(x);
  return element(dataSync(x), x.dtype, 0);
}

// ---- printing, after torch.set_printoptions' defaults

const PRECISION = 4;
const THRESHOLD = 1000;
const EDGE = 3;
const WIDTH = 80;

function formatter(values: readonly number[], integral: boolean): (v: number) => string {
  const finite = values.filter((v) => Number.isFinite(v));
  const special = (v: number): string => (Number.isNaN(v) ? "nan" : v > 0 ? "inf" : "-inf");
  const nonzero = finite.filter((v) => v !== 0).map(Math.abs);
  const max = Math.max(0, ...nonzero);
  const min = nonzero.length ? Math.min(...nonzero) : 0;
  let plain: (v: number) => string;
  const exponent = (v: number): string => v.toExponential(PRECISION).replace(/e([+-])(\d)$/, "e$10$2");
  if (integral) plain = (v) => (Object.is(v, -0) ? "-0" : String(v));
  else if (nonzero.every((v) => Number.isInteger(v)) && finite.length > 0)
    plain = max / Math.max(min, 1e-300) > 1000 || max > 1e8 ? exponent : (v) => `${Object.is(v, -0) ? "-0" : v}.`;
  else if (nonzero.length && (max / min > 1000 || max > 1e8 || min < 1e-4)) plain = exponent;
  else plain = (v) => (Object.is(v, -0) ? "-0.0000" : v.toFixed(PRECISION));
  const texts = values.map((v) => (Number.isFinite(v) ? plain(v) : special(v)));
  const width = Math.max(1, ...texts.map((t) => t.length));
  return (v) => (Number.isFinite(v) ? plain(v) : special(v)).padStart(width);
}

/** The tensor as PyTorch prints it. */
export function toText(x: Tensor): string {
  if (isDisposed(x)) return `tensor(freed, size=(${x.shape.join(", ")}))`;
  const suffix: string[] = [];
  if (x.layout.numel === 0 && !(x.ndim === 1)) suffix.push(`size=(${x.shape.join(", ")}${x.ndim === 1 ? "," : ""})`);
  const usual = x.dtype === "float32" || x.dtype === "int64" || x.dtype === "bool" || x.dtype === "complex64";
  if (!usual || (x.layout.numel === 0 && x.dtype !== "float32")) suffix.push(`dtype=torch.${x.dtype}`);
  if (x.device !== "cpu") suffix.unshift(`device='${x.device}'`);
  if (x.node) suffix.push(`grad_fn=<${x.node.name}>`);
  else if (x.leafRequiresGrad) suffix.push("requires_grad=True");
  if (x.device === "meta") return `tensor(..., device='meta', size=(${x.shape.join(", ")})${usual ? "" : `, dtype=torch.${x.dtype}`})`;
  return `tensor(${body(x)}${suffix.length ? `, ${suffix.join(", ")}` : ""})`;
}

function body(x: Tensor): string {
  const d = dataSync(x);
  const summarize = x.layout.numel > THRESHOLD;
  const complex = isComplex(x.dtype);
  const shown: number[] = [];
  const edges = (n: number): number[] =>
    summarize && n > 2 * EDGE ? [0, 1, 2, -1, n - 3, n - 2, n - 1] : Array.from({ length: n }, (_, i) => i);
  const visit = (dim: number, at: number): void => {
    if (dim === x.ndim) {
      shown.push(at);
      return;
    }
    for (const i of edges(x.shape[dim]!)) if (i >= 0) visit(dim + 1, at * x.shape[dim]! + i);
  };
  visit(0, 0);
  const integral = !complex && !/float/.test(x.dtype);
  const num = (i: number): number => Number(d[i]);
  let show: (at: number) => string;
  if (x.dtype === "bool") {
    const width = Math.max(0, ...shown.map((i) => (d[i] ? 4 : 5)));
    show = (i) => (d[i] ? "True" : "False").padStart(width);
  } else if (x.dtype === "int64") {
    const width = Math.max(1, ...shown.map((i) => String(d[i]).length));
    show = (i) => String(d[i]).padStart(width);
  } else if (complex) {
    const re = formatter(
      shown.map((i) => num(2 * i)),
      false,
    );
    const im = formatter(
      shown.map((i) => Math.abs(num(2 * i + 1))),
      false,
    );
    show = (i) =>
      `${re(num(2 * i))}${num(2 * i + 1) < 0 || Object.is(num(2 * i + 1), -0) ? "-" : "+"}${im(Math.abs(num(2 * i + 1))).trim()}j`;
  } else {
    const f = formatter(shown.map(num), integral);
    show = (i) => f(num(i));
  }
  if (x.ndim === 0) return show(0).trim();
  const width = shown.length ? show(shown[0]!).length : 1;
  const render = (dim: number, at: number, indent: number): string => {
    const n = x.shape[dim]!;
    const items = edges(n);
    if (dim === x.ndim - 1) {
      const texts = items.map((i) => (i < 0 ? "..." : show(at * n + i)));
      const perLine = Math.max(1, Math.floor((WIDTH - indent) / (width + 2)));
      const lines: string[] = [];
      for (let i = 0; i < texts.length; i += perLine) lines.push(texts.slice(i, i + perLine).join(", "));
      return `[${lines.join(`,\n${" ".repeat(indent + 1)}`)}]`;
    }
    const parts = items.map((i) => (i < 0 ? "..." : render(dim + 1, at * n + i, indent + 1)));
    return `[${parts.join(`,${"\n".repeat(x.ndim - dim - 1)}${" ".repeat(indent + 1)}`)}]`;
  };
  return render(0, 0, 7);
}
