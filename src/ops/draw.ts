// A tensor full of draws: by the kernel of its device where that has one, else on the host. Either way the values and their
// order are PyTorch's, so that a seed means one thing.
import {
  bf16ToNumber,
  type DType,
  f16ToNumber,
  isComplex,
  itemSize,
  numberToBf16,
  numberToF16,
  toReal,
  type TypedArray,
} from "../core/dtype.ts";
import { getDevice } from "../core/device.ts";
import { fillBernoulli, fillExponential, fillNormal, fillRandint, fillUniform, type Generator, permutation } from "../core/rng.ts";
import type { Tensor } from "../core/tensor.ts";
import type { RandomSpec } from "../kernel/spec.ts";
import { allocate, hostArray, launch, offers } from "./launch.ts";

type Floats = Float32Array | Float64Array;
/** Numbers on the host that a tensor is filled with: for complex ones, parts in turn. */
export type HostNumbers = Floats | BigInt64Array;
/** What is drawn: params as of `RandomSpec`. */
export interface Draw {
  readonly op: RandomSpec["op"];
  readonly params: readonly number[];
  readonly generator: Generator;
}

const HALF: Readonly<Partial<Record<DType, (x: number) => number>>> = {
  float16: (x) => f16ToNumber(numberToF16(x)),
  bfloat16: (x) => bf16ToNumber(numberToBf16(x)),
};
/** The draws on the host, in float (double for float64; int64 as such). */
function onHost({ op, params, generator: g }: Draw, dtype: DType, n: number): HostNumbers {
  const [a = 0, b = 0] = params;
  if (op === "permutation") return permutation(g, n);
  if (op === "integers") {
    const out = hostArray(dtype === "int64" ? "int64" : "float64", n) as BigInt64Array | Float64Array;
    fillRandint(g, out, BigInt(a), BigInt(b));
    return out;
  }
  const out = hostArray(toReal(dtype) === "float64" ? "float64" : "float32", n) as Floats;
  if (op === "uniform") fillUniform(g, out, a, b, HALF[dtype]);
  else if (op === "normal") fillNormal(g, out, a, b, dtype in HALF);
  else if (op === "exponential") fillExponential(g, out, a);
  else fillBernoulli(g, out, a);
  return out;
}

/** Writes numbers of the host to all elements of a contiguous tensor, cast to its dtype. */
export function writeHost(t: Tensor, values: HostNumbers): void {
  const { dtype, storage } = t;
  let raw: TypedArray = hostArray(dtype, 0);
  if (raw.constructor === values.constructor) raw = values;
  else {
    raw = hostArray(dtype, values.length);
    const cast =
      dtype === "int64"
        ? (v: number) => BigInt(Math.trunc(v))
        : dtype === "float16"
          ? numberToF16
          : dtype === "bfloat16"
            ? numberToBf16
            : dtype === "bool"
              ? (v: number) => Number(v !== 0)
              : (v: number) => v;
    for (let i = 0; i < values.length; i++) raw[i] = cast(Number(values[i]));
  }
  if (raw.byteLength > 0)
    storage.device.write(storage, t.layout.offset * itemSize(dtype), new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength));
}

/** Draws all elements of a contiguous tensor anew; recorded nowhere. */
export function redraw(torch: string, t: Tensor, draw: Draw): void {
  if (t.layout.numel === 0) return;
  const spec: RandomSpec = { kind: "random", op: draw.op, generator: draw.generator };
  if (offers(t, spec)) launch(torch, spec, [t], [], draw.params);
  else writeHost(t, onHost(draw, t.dtype, t.layout.numel * (isComplex(t.dtype) ? 2 : 1)));
}

/** A new tensor of draws. */
export function drawn(torch: string, shape: readonly number[], dtype: DType, device: string, draw: Draw): Tensor {
  const t = allocate(shape, dtype, getDevice(device));
  redraw(torch, t, draw);
  return t;
}
