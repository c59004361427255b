// Any, all, how many.
import type { Tensor } from "../../core/tensor.ts";
import { composite, type Op } from "../define.ts";
import type { Dims } from "../shape/index.ts";
import { type ReduceArgs, reduceDims, rawReduce } from "./kernel.ts";
import { sum } from "./sum.ts";

const truth = (torch: "any" | "all"): Op<ReduceArgs> =>
  composite({
    torch,
    params: ["input", "dim?: ints", "keepdim?"],
    differentiable: false,
    forward: (x: Tensor, dim?: Dims, keepdim = false) =>
      rawReduce(torch, x.detach(), reduceDims(torch, x.ndim, dim), keepdim, x.dtype === "uint8" ? "uint8" : "bool", x.dtype),
  });
/** Is at least one element true? @example any(tensor([0, 1])) // => true */
export const any: Op<ReduceArgs> = /*@__PURE__*/ truth("any");
/** Are all elements true? @example all(tensor([0, 1])) // => false */
export const all: Op<ReduceArgs> = /*@__PURE__*/ truth("all");
/** How many elements are not zero? @example countNonzero(tensor([0, 3, 4])) // => 2 */
export const countNonzero: Op<[dim?: Dims]> = /*@__PURE__*/ composite({
  torch: "count_nonzero",
  params: ["input", "dim?: ints"],
  differentiable: false,
  forward: (x: Tensor, dim?: Dims) => sum(x.detach().ne(0), dim ?? null),
});
