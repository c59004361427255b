// Linear algebra that stands under torch itself.
import type { DType } from "../../core/dtype.ts";
import type { Tensor } from "../../core/tensor.ts";
import { to } from "../copy.ts";
import { composite, type Op } from "../define.ts";
import { reduceDims } from "../reduce/kernel.ts";
import { vectorNorm } from "../reduce/norm.ts";
import type { Dims } from "../shape/index.ts";
import { matrixNorm } from "./norm.ts";
export { cholesky } from "./cholesky.ts";
export { det, slogdet } from "./det.ts";
export { qr } from "./qr.ts";
export { inv as inverse } from "./solve.ts";

/**
 * The p-norm of all elements or along `dim`; `"fro"` is 2, `"nuc"` the nuclear norm of matrices.
 * @example norm(tensor([1.5, 2])) // => 2.5
 */
export const norm: Op<
  [
    p?: number | "fro" | "nuc" | { p?: number | "fro" | "nuc"; dim?: Dims; keepdim?: boolean; dtype?: DType },
    dim?: Dims | { keepdim?: boolean },
    keepdim?: boolean | { keepdim?: boolean },
  ]
> = /*@__PURE__*/ composite({
  torch: "norm",
  params: ["input", "p?: number|fro|nuc", "dim?: ints", "keepdim?", "dtype?"],
  forward: (x: Tensor, p: number | string = "fro", dim?: Dims, keepdim = false, dtype?: DType) => {
    const y = dtype ? to(x, dtype) : x;
    if (p === "nuc") return matrixNorm(y, "nuc", dim === undefined ? [-2, -1] : ([dim].flat() as number[]), keepdim);
    return vectorNorm(y, p === "fro" ? 2 : (p as number), reduceDims("norm", x.ndim, dim), keepdim);
  },
});
