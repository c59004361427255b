// Binary search in sorted sequences.
import { category, type DType } from "../../core/dtype.ts";
import { ShapeError, showShape } from "../../core/errors.ts";
import { sameShape } from "../../core/layout.ts";
import { isTensor, type Tensor } from "../../core/tensor.ts";
import { to } from "../copy.ts";
import { tensor } from "../create.ts";
import { composite, type Op } from "../define.ts";
import { dataSync } from "../host.ts";
import type { TensorLike } from "../promote.ts";
import { scalarTensor } from "../scalar.ts";

/** Where each value would be inserted into a sorted sequence (per row) to keep it sorted. @example searchsorted(tensor([1, 3, 5]), tensor([3, 4])) // => [1, 2] */
export const searchsorted: Op<
  [values: TensorLike, options?: { right?: boolean; side?: "left" | "right"; outInt32?: boolean; sorter?: Tensor }]
> = /*@__PURE__*/ composite({
  torch: "searchsorted",
  params: ["input", "values: tensor|scalar", "outInt32?", "right?", "side?: left|right", "sorter?"],
  differentiable: false,
  forward: (seq: Tensor, values: TensorLike, outInt32 = false, right = false, side?: string, sorter?: Tensor) => {
    const v = isTensor(values)
      ? values
      : scalarTensor(values, seq).to(category(seq.dtype) < 2 && Number.isInteger(Number(values)) ? seq.dtype : "float64");
    const rowsMatch = seq.ndim === 1 || (seq.ndim === v.ndim && sameShape(seq.shape.slice(0, -1), v.shape.slice(0, -1)));
    if (!rowsMatch)
      throw new ShapeError({
        op: "searchsorted",
        message: `sequences ${showShape(seq.shape)} and values ${showShape(v.shape)}`,
        hint: "All but the last dimension must be equal, or the sequence has one dimension",
      });
    const s = dataSync(sorter ? seq.gather(-1, sorter) : seq.detach());
    const q = dataSync(v.detach());
    const n = seq.shape.at(-1)!;
    const perRow = seq.ndim === 1 ? q.length : (v.shape.at(-1) ?? 1);
    const upper = right || side === "right";
    const out = new BigInt64Array(q.length);
    for (let i = 0; i < q.length; i++) {
      const base = seq.ndim === 1 ? 0 : Math.floor(i / perRow) * n;
      let [a, b] = [0, n];
      while (a < b) {
        const mid = (a + b) >> 1;
        const e = s[base + mid]!;
        const nan = (x: unknown): boolean => x !== x;
        const before = upper ? !(q[i]! < e || (nan(e) && !nan(q[i]))) : nan(q[i]) ? !nan(e) : e < q[i]!;
        if (before) a = mid + 1;
        else b = mid;
      }
      out[i] = BigInt(a);
    }
    return to(tensor(out, { device: seq.device }).reshape(v.shape), (outInt32 ? "int32" : "int64") as DType);
  },
});
