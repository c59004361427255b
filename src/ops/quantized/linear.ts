// Products with quantised weights. The kernel rounds rows of the input to bytes and multiplies integers; without one, blocks of
// the weight are decoded and multiplied, so that never more than a few megabytes of it are floats.
import type { Context } from "../../autograd/function.ts";
import { checked } from "../../core/arguments.ts";
import { DTypeError, ShapeError, showShape } from "../../core/errors.ts";
import { isFloating } from "../../core/dtype.ts";
import { layoutOf } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
import { fused } from "../../kernel/fused.ts";
import type { BlockType } from "../../kernel/quant/block.ts";
import type { Operand } from "../../kernel/spec.ts";
import { primitive } from "../define.ts";
import { allocate, launch, window } from "../launch.ts";
import { decode, hasKernels } from "./decode.ts";
import { known, type QuantizedTensor } from "./tensor.ts";

// Values of the weight that are decoded at a time.
const VALUES = 1 << 20;
const SUM = { kind: "matmul", accumulate: true, bias: false } as const;
const SET = { kind: "matmul", accumulate: false, bias: false } as const;

/** Rows of the weight as floats, some at a time: visit(first row, values [n, K]). */
function byRows(type: BlockType, bytes: Tensor, like: Tensor, visit: (from: number, values: Tensor) => void): void {
  const [rows, width] = bytes.shape as [number, number];
  const step = Math.max(1, Math.floor(VALUES / Math.max(1, (width / type.bytes) * type.size)));
  for (let r = 0; r < rows; r += step) visit(r, decode(type, bytes.narrow(0, r, Math.min(step, rows - r)), like.dtype));
}
/** A window of a matrix as the batch of one that products take; `swap` sees it transposed. */
function matrix(t: Tensor, from = 0, columns: number = t.shape[1]!, swap = false): Operand {
  const { strides, offset, shape } = t.layout;
  const [s, n] = [strides as readonly [number, number], [shape[0]!, columns] as const];
  const layout = swap
    ? layoutOf([1, n[1], n[0]], [0, s[1], s[0]], offset + from * s[1])
    : layoutOf([1, n[0], n[1]], [0, s[0], s[1]], offset + from * s[1]);
  return window(t, layout);
}

type Args = [Tensor, Tensor, BlockType];
/** x wᵀ with the values of w as they are. */
const timesTransposed: (...args: Args) => Tensor = /*@__PURE__*/ primitive<(...args: Args) => Tensor, Args>({
  torch: "_quantized_times_transposed",
  params: ["input", "bytes", "type"],
  forward: (ctx: Context<Args>, input, bytes, type) => {
    ctx.saveForBackward(bytes);
    const x = input.contiguous();
    const y = allocate([x.shape[0]!, bytes.shape[0]!], x.dtype, x.storage.device);
    if (y.layout.numel > 0)
      byRows(type, bytes, x, (from, w) =>
        launch("quantizedLinear", SET, [matrix(y, from, w.shape[0]!)], [matrix(x), matrix(w, 0, w.shape[1]!, true)]),
      );
    return y;
  },
  backward: (ctx, g) => (g ? times(g, ctx.savedTensors[0]!, ctx.args[2]) : null),
});
/** g w with the values of w as they are. */
const times: (...args: Args) => Tensor = /*@__PURE__*/ primitive<(...args: Args) => Tensor, Args>({
  torch: "_quantized_times",
  params: ["input", "bytes", "type"],
  forward: (ctx: Context<Args>, input, bytes, type) => {
    ctx.saveForBackward(bytes);
    const g = input.contiguous();
    const y = allocate([g.shape[0]!, (bytes.shape[1]! / type.bytes) * type.size], g.dtype, g.storage.device);
    if (bytes.shape[0] === 0) return y.zero_();
    if (y.layout.numel > 0)
      byRows(type, bytes, g, (from, w) =>
        launch("quantizedLinear", from > 0 ? SUM : SET, [matrix(y)], [matrix(g, from, w.shape[0]!), matrix(w)]),
      );
    return y;
  },
  backward: (ctx, g) => (g ? timesTransposed(g, ctx.savedTensors[0]!, ctx.args[2]) : null),
});

type LinearArgs = [Tensor, Tensor, BlockType, Tensor | null];
const product = /*@__PURE__*/ primitive<(...args: LinearArgs) => Tensor, LinearArgs>({
  torch: "_quantized_linear",
  params: ["input", "bytes", "type", "bias"],
  forward: (ctx: Context<LinearArgs>, input, bytes, type, bias) => {
    ctx.saveForBackward(bytes);
    if (!hasKernels(input, type, input.dtype)) {
      const y = timesTransposed(input, bytes, type);
      return bias ? y.add(bias) : y;
    }
    const x = input.contiguous();
    const y = allocate([x.shape[0]!, bytes.shape[0]!], x.dtype, x.storage.device);
    const ins = bias ? [x, bytes, bias.contiguous()] : [x, bytes];
    if (y.layout.numel > 0) launch("quantizedLinear", fused("quantizedLinear"), [y], ins, [type.id, bias ? 1 : 0]);
    return y;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    return [ctx.needsInputGrad[0] ? times(g, ctx.savedTensors[0]!, ctx.args[2]) : null, null, ctx.needsInputGrad[2] ? g.sum(0) : null];
  },
});

/**
 * `input @ weightᵀ + bias` with a quantised weight [out, in]: [..., in] → [..., out], in the input's floating dtype. The weight is read as it
 * is. Native and WebAssembly kernels round every 32 values of a row of the input to signed bytes with a float32 scale (as llama.cpp does) and
 * multiply integers; for float64 and on other backends values are exact. The gradient is that of the exact product, `g @ weight`; the weight has none.
 * @throws ShapeError when sizes differ, DTypeError for an input that is not floating or a bias of another dtype, ArgumentError
 * @example
 * const w = QuantizedTensor.quantize(eye(32).mul(127), "Q8_0");
 * quantizedLinear(arange(32).to("float64"), w).narrow(0, 1, 3) // => [127, 254, 381]
 */
export const quantizedLinear: (input: Tensor, weight: QuantizedTensor, bias?: Tensor | null) => Tensor = /*@__PURE__*/ checked(
  "quantizedLinear",
  ["input", "weight: quantized", "bias?"],
  (x: Tensor, weight: QuantizedTensor, bias?: Tensor) => {
    const op = "quantizedLinear";
    if (weight.shape.length !== 2 || x.ndim === 0 || x.shape.at(-1) !== weight.shape[1])
      throw new ShapeError({
        op,
        message: `input ${showShape(x.shape)}, weight ${showShape(weight.shape)}`,
        hint: "The weight is [out, in], the input's last size is in",
        data: { input: x.shape, weight: weight.shape },
      });
    if (!isFloating(x.dtype)) throw new DTypeError({ op, message: `input is ${x.dtype}`, hint: "Cast it to a floating dtype" });
    if (bias && (bias.ndim !== 1 || bias.shape[0] !== weight.shape[0]))
      throw new ShapeError({ op, message: `bias ${showShape(bias.shape)}, weight ${showShape(weight.shape)}`, hint: "The bias is [out]" });
    if (bias && bias.dtype !== x.dtype)
      throw new DTypeError({ op, message: `input is ${x.dtype}, bias ${bias.dtype}`, hint: "Cast the input or the module" });
    const rows = x.layout.numel / Math.max(1, x.shape.at(-1)!);
    const y = product(x.reshape([rows, x.shape.at(-1)!]), weight.bytes, known(op, weight.type), bias ?? null);
    return y.reshape([...x.shape.slice(0, -1), weight.shape[0]!]);
  },
);
