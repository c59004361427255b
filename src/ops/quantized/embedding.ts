// Lookups in quantised tables: only the rows that are asked for are decoded.
import { checked } from "../../core/arguments.ts";
import type { DType } from "../../core/dtype.ts";
import { DTypeError, IndexError, ShapeError, showShape } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { to } from "../copy.ts";
import { decode, hasKernels } from "./decode.ts";
import { known, type QuantizedTensor } from "./tensor.ts";

/**
 * Rows of a quantised `weight` [V, D] for every index [...]: [..., D] of `dtype` (float32 unless given). No gradient.
 * @throws IndexError for an index outside [0, V), DTypeError for indices that are no int64 or int32, ShapeError
 * @example quantizedEmbedding(tensor([1]), QuantizedTensor.quantize(full([2, 32], 2), "Q4_0")).sum() // => 64
 */
export const quantizedEmbedding: (input: Tensor, weight: QuantizedTensor, options?: { dtype?: DType }) => Tensor = /*@__PURE__*/ checked(
  "quantizedEmbedding",
  ["input", "weight: quantized", "dtype?"],
  (input: Tensor, weight: QuantizedTensor, dtype: DType = "float32") => {
    const op = "quantizedEmbedding";
    if (weight.shape.length !== 2)
      throw new ShapeError({ op, message: `weight ${showShape(weight.shape)}`, hint: "It must be [numEmbeddings, embeddingDim]" });
    if (input.dtype !== "int64" && input.dtype !== "int32")
      throw new DTypeError({ op, message: `indices are ${input.dtype}`, hint: 'Use .to("int64")' });
    const type = known(op, weight.type);
    const index = to(input, "int64").reshape([-1]);
    // The kernel looks at the indices itself; a plain lookup would count negative ones from the end.
    if (!hasKernels(weight.bytes, type, dtype) && index.layout.numel > 0 && input.device !== "meta") {
      const least = index.min().itemSync<number>();
      if (least < 0) throw new IndexError({ op, message: `index ${least} is negative`, hint: `Use 0 to ${weight.shape[0]! - 1}` });
    }
    return decode(type, weight.bytes, dtype, index).reshape([...input.shape, weight.shape[1]!]);
  },
);
