// From tensors to kernels: allocation, device checks and the one call to `Backend.run`.
import type { Device } from "../core/device.ts";
import { type DType, itemSize, rawArray, type TypedArray } from "../core/dtype.ts";
import { shown } from "../core/arguments.ts";
import { DeviceError, DTypeError, FirebrandError, OutOfMemoryError, showShape } from "../core/errors.ts";
import { denseLayout, expandLayout, type Layout, layoutOf, sameShape } from "../core/layout.ts";
import { Tensor } from "../core/tensor.ts";
import type { Backend } from "../kernel/backend.ts";
import type { KernelSpec, Operand } from "../kernel/spec.ts";

/** An uninitialised contiguous tensor. */
export function allocate(shape: readonly number[], dtype: DType, device: Device): Tensor {
  return allocateLike(denseLayout(shape), dtype, device);
}

/** The same for a dense layout that is at hand. */
export function allocateLike(layout: Layout, dtype: DType, device: Device): Tensor {
  if (!(device as Backend).supports(dtype)) {
    throw new DTypeError({ message: `device ${device.name} has no ${dtype}`, hint: "Convert to float32" });
  }
  const bytes = layout.numel * itemSize(dtype);
  if (!(bytes <= Number.MAX_SAFE_INTEGER)) throw tooMuch(layout.shape, dtype);
  return new Tensor(device.alloc(bytes), layout, dtype);
}
const tooMuch = (shape: readonly number[], dtype: DType): OutOfMemoryError =>
  new OutOfMemoryError({ message: `no machine holds ${showShape(shape)} of ${dtype}`, hint: "Check the sizes", data: { shape } });

/** Room on the host for `n` elements of a dtype, zero. @throws OutOfMemoryError */
export function hostArray(dtype: DType, n: number): TypedArray {
  try {
    return rawArray(dtype, new ArrayBuffer(n * itemSize(dtype)));
  } catch {
    throw tooMuch([n], dtype);
  }
}

const NONE: readonly number[] = [];

/** Runs a kernel; operands must share a device. Does nothing when there is nothing to write. */
export function launch(
  op: string,
  spec: KernelSpec,
  outs: readonly Operand[],
  ins: readonly Operand[],
  params: readonly number[] = NONE,
): void {
  const device = outs[0]!.storage.device;
  for (const x of ins) if (x.storage.device !== device) throw deviceMismatch(op, outs.concat(ins));
  try {
    (device as Backend).run(spec, outs, ins, params);
  } catch (e) {
    throw e instanceof FirebrandError ? e.within(op, ins.map(shown), "Check the operands") : e;
  }
}

/** The error for operands on several devices. */
export const deviceMismatch = (op: string, operands: readonly Operand[]): DeviceError =>
  new DeviceError({
    op,
    message: `operands are on different devices: ${operands.map((o) => `${showShape(o.layout.shape)} on ${o.storage.device.name}`).join(", ")}`,
    hint: 'Move them to one device with to("…")',
  });

/** The backend of a tensor. */
export const backend = (t: Tensor): Backend => t.storage.device as Backend;

/** Does the tensor's backend offer this kernel for its dtype? */
export const offers = (t: Tensor, spec: KernelSpec): boolean => backend(t).has(spec, t.dtype);

/** The operand seen under another layout of the same storage. */
export const window = (t: Operand, layout: Layout): Operand => ({ storage: t.storage, layout, dtype: t.dtype });

/** The operand stretched to `shape`. */
export const stretched = (t: Operand, shape: readonly number[], op: string): Operand =>
  sameShape(t.layout.shape, shape) ? t : window(t, expandLayout(t.layout, shape, op));

/** The operand with dimensions of size 1 put in front up to `rank`. */
export function padded(t: Operand, rank: number): Operand {
  const lead = rank - t.layout.shape.length;
  if (lead <= 0) return t;
  const ones = new Array<number>(lead).fill(1);
  return window(t, layoutOf([...ones, ...t.layout.shape], [...ones.map(() => 0), ...t.layout.strides], t.layout.offset));
}
