// A tensor whose values stay quantised: bytes on a device, decoded when asked for.
import { checkOptions, checkTensor, given, need } from "../../core/arguments.ts";
import { type DType, itemSize } from "../../core/dtype.ts";
import { ArgumentError, DTypeError, ShapeError, showShape, ValueError } from "../../core/errors.ts";
import { numelOf } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { BlockType } from "../../kernel/quant/block.ts";
import { blockType, QUANT_TYPES, type QuantType } from "../../kernel/quant/types.ts";
import { rawCopy, to } from "../copy.ts";
import { allocate } from "../launch.ts";
import { decode } from "./decode.ts";

const QUANTIZED = Symbol.for("firebrand.quantized");
// Values quantised at a time: a few hundred kilobytes of float32.
const CHUNK = 1 << 16;

/** The type of this name. @internal */
export function known(op: string, type: string): BlockType {
  const t = blockType(type);
  if (!t) throw new ArgumentError({ op, message: `no quantised type ${given(type)}`, hint: `Known types: ${QUANT_TYPES.join(", ")}` });
  return t;
}
function checkRows(op: string, shape: readonly number[], t: BlockType): void {
  need(op, "shape", shape);
  if (shape.length === 0 || shape.at(-1)! % t.size !== 0)
    throw new ShapeError({
      op,
      message: `rows of shape ${showShape(shape)} are not whole blocks of ${t.size} values, as ${t.name} needs`,
      hint: "Choose a type with smaller blocks (Q8_0 has 32) or pad the last dimension",
    });
}

/** Bytes of a tensor of this type and shape. @internal */
export const quantizedBytes = (t: BlockType, shape: readonly number[]): number => (numelOf(shape) / t.size) * t.bytes;

/**
 * A tensor in one of GGUF's quantised types: 4-bit weights stay 4-bit in memory. Blocks run along the last dimension.
 * @example
 * const q = QuantizedTensor.quantize(arange(64).reshape(2, 32), "Q8_0");
 * q.nbytes // => 68
 * q.dequantize().shape // => [2, 32]
 */
export class QuantizedTensor {
  /** The type's name: `Q4_K`. */
  readonly type: QuantType;
  /** Shape of the values, in PyTorch's order: GGUF's, reversed. */
  readonly shape: readonly number[];
  /** The blocks: uint8, of `shape` with bytes of a row as last dimension. */
  readonly bytes: Tensor;

  /** @throws ArgumentError for an unknown type, ShapeError when rows are not whole blocks or `bytes` has another size, DTypeError */
  constructor(type: QuantType, shape: readonly number[], bytes: Tensor) {
    const op = "QuantizedTensor";
    const t = known(op, type);
    checkRows(op, shape, t);
    checkTensor(op, "bytes", bytes);
    if (bytes.dtype !== "uint8") throw new DTypeError({ op, message: `the bytes are ${bytes.dtype}`, hint: "They must be uint8" });
    const want = [...shape.slice(0, -1), (shape.at(-1)! / t.size) * t.bytes];
    if (numelOf(want) !== bytes.layout.numel)
      throw new ShapeError({
        op,
        message: `${type} of ${showShape(shape)} takes bytes ${showShape(want)}, given ${showShape(bytes.shape)}`,
        hint: "Give what quantize made",
      });
    this.type = type;
    this.shape = [...shape];
    this.bytes = bytes.contiguous().view(want);
  }

  /** Name of the device that holds the bytes. */
  get device(): string {
    return this.bytes.device;
  }
  /** Bytes in memory. */
  get nbytes(): number {
    return this.bytes.layout.numel;
  }

  /**
   * The values, `shape` of `dtype` (float32 unless given), on the same device; in float32 exactly those of llama.cpp.
   * @example QuantizedTensor.quantize(full([32], 2), "Q4_0").dequantize().sum() // => 64
   */
  dequantize(options: { dtype?: DType } = {}): Tensor {
    const { dtype } = checkOptions("dequantize", ["dtype?"], options);
    return decode(known("dequantize", this.type), this.bytes, dtype ?? "float32").view(this.shape);
  }

  /** The same on another device. */
  to(device: string): QuantizedTensor {
    return new QuantizedTensor(this.type, this.shape, to(this.bytes, { device }));
  }

  /**
   * Quantises a tensor as llama.cpp does without an importance matrix: the same bytes for the same float32 values.
   * @throws ShapeError when the last dimension is not a multiple of the block size, ValueError for values that are not finite,
   * ArgumentError for types that cannot be made without an importance matrix (IQ1, IQ2, IQ3).
   * @example QuantizedTensor.quantize(linspace(-1, 1, 32), "Q4_0").bytes.shape // => [18]
   */
  static quantize(input: Tensor, type: QuantType): QuantizedTensor {
    const op = "QuantizedTensor.quantize";
    checkTensor(op, "input", input);
    const t = known(op, type);
    const { encode } = t;
    if (!encode)
      throw new ArgumentError({
        op,
        message: `${type} cannot be made without an importance matrix`,
        hint: `Types that can: ${QUANT_TYPES.filter((n) => blockType(n)!.encode).join(", ")}`,
      });
    checkRows(op, input.shape, t);
    const x = rawCopy(input, "float32");
    const device = x.storage.device;
    const out = allocate([...x.shape.slice(0, -1), (x.shape.at(-1)! / t.size) * t.bytes], "uint8", device);
    const values = new Float32Array(Math.min(CHUNK, x.layout.numel));
    for (let done = 0; done < x.layout.numel; ) {
      const n = Math.min(values.length, x.layout.numel - done);
      device.readSync(x.storage, done * itemSize("float32"), new Uint8Array(values.buffer, 0, n * 4));
      const bad = values.subarray(0, n).findIndex((v) => !Number.isFinite(v));
      if (bad >= 0)
        throw new ValueError({
          op,
          message: `element ${done + bad} of the input of shape ${showShape(input.shape)} is ${values[bad]}`,
          hint: "Only finite values can be quantised",
        });
      const blocks = new Uint8Array((n / t.size) * t.bytes);
      for (let i = 0; i < n / t.size; i++) encode(values, i * t.size, blocks, i * t.bytes);
      device.write(out.storage, (done / t.size) * t.bytes, blocks);
      done += n;
    }
    return new QuantizedTensor(type, input.shape, out);
  }
}
Object.defineProperty(QuantizedTensor.prototype, QUANTIZED, { value: true });
