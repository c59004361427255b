// Sums, means and products.
import { category, type DType } from "../../core/dtype.ts";
import type { Context } from "../../autograd/function.ts";
import type { Tensor } from "../../core/tensor.ts";
import { input, param } from "../../kernel/expr.ts";
import { to } from "../copy.ts";
import { zeros } from "../create.ts";
import { composite, type Op, primitive } from "../define.ts";
import { cat } from "../join.ts";
import type { Dims } from "../shape/index.ts";
import { type ReduceArgs, type ReduceOptions, reduceDims, rawReduce, count, needsNumbers, keep, recall, grow } from "./kernel.ts";

/** The sum over all elements, or over `dim`; integers and bool add up in int64. @example sum(tensor([[1, 2], [3, 4]]), 1) // => [3, 7] */
export const sum: Op<ReduceArgs> = /*@__PURE__*/ primitive({
  torch: "sum",
  params: ["input", "dim?: ints", "keepdim?", "dtype?"],
  forward: (ctx: Context<never>, x: Tensor, dim?: Dims, keepdim = false, dtype?: DType) => {
    const dims = reduceDims("sum", x.ndim, dim);
    keep(ctx, x, dims);
    const target = dtype ?? (category(x.dtype) < 2 ? "int64" : x.dtype);
    return rawReduce("sum", x, dims, keepdim, target);
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const { dtype } = recall(ctx as never);
    const wide = grow(ctx as never, g);
    return wide.dtype === dtype ? wide : to(wide, dtype);
  },
  samples: (r) => [[r.normal(3, 4)], [r.normal(3, 4), 1], [r.normal(3, 4), [0, 1], { keepdim: true }]],
  errors: [[(r) => [r.normal(3), 1], "IndexError"]],
});
/** The mean over all elements, or over `dim`. @throws DTypeError for integers. @example mean(tensor([[0.5, 1], [1.5, 2.5]]), 1) // => [0.75, 2] */
export const mean: Op<ReduceArgs> = /*@__PURE__*/ composite({
  torch: "mean",
  params: ["input", "dim?: ints", "keepdim?", "dtype?"],
  forward: (x: Tensor, dim?: Dims, keepdim = false, dtype?: DType) => {
    const y = dtype ? to(x, dtype) : x;
    needsNumbers("mean", y);
    return meanOf(y, reduceDims("mean", y.ndim, dim), keepdim);
  },
  samples: (r) => [[r.normal(3, 4)], [r.normal(3, 4), 1, { keepdim: true }]],
});
/** @internal The mean over `dims`. */
export const meanOf: (x: Tensor, dims: number[], keepdim: boolean) => Tensor = /*@__PURE__*/ primitive<
  (x: Tensor, dims: number[], keepdim: boolean) => Tensor,
  [Tensor, number[], boolean]
>({
  torch: "_mean",
  params: ["input", "dims", "keepdim"],
  forward: (ctx, x, dims, keepdim) => {
    keep(ctx as never, x, dims);
    return rawReduce("sum", x, dims, keepdim, x.dtype, x.dtype, undefined, input(0).div(param(0)), [count(x.shape, dims)]);
  },
  backward: (ctx, g) => (g ? grow(ctx as never, g.div(count(recall(ctx as never).shape, recall(ctx as never).dims))) : null),
});
/** The product over all elements, or over one `dim`. @example prod(tensor([2, 3, 4])) // => 24 */
export const prod: Op<[dim?: number | ReduceOptions, keepdim?: boolean | ReduceOptions, options?: ReduceOptions]> = /*@__PURE__*/ primitive(
  {
    torch: "prod",
    params: ["input", "dim?", "keepdim?", "dtype?"],
    forward: (ctx: Context<never>, x: Tensor, dim?: number, keepdim = false, dtype?: DType) => {
      const dims = reduceDims("prod", x.ndim, dim);
      const y = dtype ? to(x, dtype) : x;
      keep(ctx, x, dims);
      ctx.saveForBackward(y);
      return rawReduce("prod", y, dims, keepdim, dtype ?? (category(x.dtype) < 2 ? "int64" : x.dtype));
    },
    backward: (ctx, g) => {
      if (!g) return null;
      const [x] = ctx.savedTensors as [Tensor];
      const { shape, dims, dtype } = recall(ctx as never);
      // The product of all other elements: exclusive products from the left times those from the right, so zeros are no matter.
      const flat = dims.length === 1 ? x : x.reshape([-1]);
      const d = dims.length === 1 ? dims[0]! : 0;
      const n = flat.shape[d] ?? 1;
      if (flat.layout.numel === 0) return zeros(shape, { dtype, device: x.device });
      const one = flat.narrow(d, 0, 1).mul(0).add(1);
      const left = n > 1 ? cat([one, flat.narrow(d, 0, n - 1)], d).cumprod(d) : one;
      const right =
        n > 1
          ? cat([one, flat.flip([d]).narrow(d, 0, n - 1)], d)
              .cumprod(d)
              .flip([d])
          : one;
      const others = left.mul(right).reshape(shape);
      return to(grow(ctx as never, g).mul(others.conj()), dtype);
    },
    samples: (r) => [[r.normal(3, 4)], [r.normal(3, 4), 1]],
  },
);
