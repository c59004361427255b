// Decoding quantised rows: by a kernel where the backend has one for the type, else block by block here.
import { type DType, itemSize } from "../../core/dtype.ts";
import { numelOf } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
import { fused } from "../../kernel/fused.ts";
import type { BlockType } from "../../kernel/quant/block.ts";
import { KERNEL_TYPES, type QuantType } from "../../kernel/quant/types.ts";
import { to } from "../copy.ts";
import { allocate, backend, launch } from "../launch.ts";

// Values decoded at a time: a few hundred kilobytes of float32.
const CHUNK = 1 << 16;

/** Does the backend of `t` have the quantised kernels for this type and dtype? */
export const hasKernels = (t: Tensor, type: BlockType, dtype: DType): boolean =>
  KERNEL_TYPES.has(type.name as QuantType) && backend(t).has(fused("quantizedLinear"), dtype);

/**
 * The values of rows of blocks [R, bytes of a row] as [R, K], or [n, K] of the rows that `index` (int64 [n]) names.
 * @throws IndexError for an index outside [0, R)
 */
export function decode(type: BlockType, bytes: Tensor, dtype: DType, index?: Tensor): Tensor {
  const width = bytes.shape.at(-1)!;
  const rows = bytes.contiguous().view([numelOf(bytes.shape.slice(0, -1)), width]);
  const shape = [index ? index.layout.numel : rows.shape[0]!, (width / type.bytes) * type.size];
  const device = bytes.storage.device;
  if (hasKernels(bytes, type, dtype)) {
    const out = allocate(shape, dtype, device);
    if (out.layout.numel > 0)
      launch("dequantize", fused("dequantize"), [out], index ? [rows, index.contiguous()] : [rows], [type.id, index ? 1 : 0]);
    return out;
  }
  const out = allocate(shape, "float32", device);
  if (device.name === "meta") return to(out, dtype);
  const own = index ? rows.indexSelect(0, index.reshape([-1])) : rows;
  const values = new Float32Array(Math.min(CHUNK - (CHUNK % type.size), out.layout.numel));
  const blocks = new Uint8Array((values.length / type.size) * type.bytes);
  for (let done = 0; done < out.layout.numel; ) {
    const n = Math.min(values.length, out.layout.numel - done);
    device.readSync(own.storage, own.layout.offset + (done / type.size) * type.bytes, blocks.subarray(0, (n / type.size) * type.bytes));
    for (let i = 0; i < n / type.size; i++) type.decode(blocks, i * type.bytes, values, i * type.size);
    device.write(out.storage, done * itemSize("float32"), new Uint8Array(values.buffer, 0, n * 4));
    done += n;
  }
  return to(out, dtype);
}
