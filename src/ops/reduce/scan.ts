// Running sums, products and extremes.
import { category, type DType } from "../../core/dtype.ts";
import { normDim } from "../../core/layout.ts";
import type { Context } from "../../autograd/function.ts";
import type { Tensor } from "../../core/tensor.ts";
import { to } from "../copy.ts";
import { zeros } from "../create.ts";
import { checkTensor } from "../../core/arguments.ts";
import { composite, type Op, primitive } from "../define.ts";
import { cat } from "../join.ts";
import { allocate, launch } from "../launch.ts";
import { type ValuesIndices, pair, keep, recall } from "./kernel.ts";

const scanArgs = (op: string, x: Tensor, dim: number): number => {
  checkTensor(op, "input", x);
  return normDim(dim, x.ndim, op);
};
const rawScan = (
  op: "sum" | "prod" | "max" | "min" | "logaddexp",
  x: Tensor,
  dim: number,
  dtype: DType,
  indices: boolean,
  reverse = false,
): Tensor[] => {
  const outs = [allocate(x.shape, dtype, x.storage.device)];
  if (indices) outs.push(x.ndim === 0 ? zeros([], { dtype: "int64", device: x.device }) : allocate(x.shape, "int64", x.storage.device));
  if (x.ndim === 0) launch("scan", { kind: "copy" }, [outs[0]!], [x]);
  else if (x.layout.numel > 0) launch("scan", { kind: "scan", op, dim, reverse }, outs, [x]);
  return outs;
};
// Sums from one end or the other: each is the other's gradient.
type SumArgs = [Tensor, number, DType, boolean];
const sums: (...args: SumArgs) => Tensor = /*@__PURE__*/ primitive<(...args: SumArgs) => Tensor, SumArgs>({
  torch: "_cumsum",
  params: ["input", "dim", "dtype", "reverse"],
  forward: (ctx: Context<SumArgs>, x, dim, dtype, reverse) => {
    ctx.state["dtype"] = x.dtype;
    return rawScan("sum", x.dtype === dtype ? x : to(x, dtype), dim, dtype, false, reverse)[0]!;
  },
  backward: (ctx, g) => (g ? to(sums(g, ctx.args[1], g.dtype, !ctx.args[3]), ctx.state["dtype"] as DType) : null),
});
/** Sums of the elements so far. @example cumsum(tensor([1, 2, 3]), 0) // => [1, 3, 6] */
export const cumsum: Op<[dim: number, options?: { dtype?: DType }]> = /*@__PURE__*/ composite({
  torch: "cumsum",
  params: ["input", "dim", "dtype?"],
  forward: (x: Tensor, dim: number, dtype?: DType) =>
    sums(x, scanArgs("cumsum", x, dim), dtype ?? (category(x.dtype) < 2 ? "int64" : x.dtype), false),
  samples: (r) => [
    [r.normal(3, 4), 1],
    [r.normal(3, 4), 0],
  ],
});
/** Products of the elements so far. @example cumprod(tensor([1, 2, 3]), 0) // => [1, 2, 6] */
export const cumprod: Op<[dim: number, options?: { dtype?: DType }]> = /*@__PURE__*/ primitive({
  torch: "cumprod",
  params: ["input", "dim", "dtype?"],
  forward: (ctx: Context<never>, x: Tensor, dim: number, dtype?: DType) => {
    const d = scanArgs("cumprod", x, dim);
    keep(ctx, x, [d]);
    const target = dtype ?? (category(x.dtype) < 2 ? "int64" : x.dtype);
    const from = x.dtype === target ? x : to(x, target);
    const y = rawScan("prod", from, d, target, false)[0]!;
    ctx.saveForBackward(from, y);
    return y;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const [x, y] = ctx.savedTensors as [Tensor, Tensor];
    const d = recall(ctx as never).dims[0]!;
    if (x.ndim === 0) return g;
    const back = (t: Tensor): Tensor => sums(t, d, t.dtype, true);
    if (!x.eq(0).any().itemSync<boolean>()) return back(g.mul(y.conj())).div(x.conj());
    // With zeros: dy_k/dx_i = Π_{j<=k, j≠i} x_j, row by row.
    const n = x.shape[d]!;
    const parts: Tensor[] = [];
    for (let i = 0; i < n; i++) {
      const head = i === 0 ? x.narrow(d, 0, 1).mul(0).add(1) : y.narrow(d, i - 1, 1);
      const tail = i === n - 1 ? head : cat([head, x.narrow(d, i + 1, n - i - 1)], d).cumprod(d);
      parts.push(
        tail
          .conj()
          .mul(g.narrow(d, i, n - i))
          .sum(d, { keepdim: true }),
      );
    }
    return cat(parts, d);
  },
  samples: (r) => [[r.normal(3, 4), 1]],
});
const cumExtreme = (torch: "cummax" | "cummin"): Op<[dim: number], ValuesIndices> => {
  const inner = primitive<(x: Tensor, dim: number) => Tensor[], [Tensor, number]>({
    torch: `_${torch}`,
    params: ["input", "dim"],
    forward: (ctx, x, dim) => {
      const d = scanArgs(torch, x, dim);
      const [v, i] = rawScan(torch === "cummax" ? "max" : "min", x, d, x.dtype, true);
      ctx.saveForBackward(i);
      ctx.markNonDifferentiable(i!);
      return [v!, i!];
    },
    backward: (ctx, g) => {
      if (!g) return null;
      const [i] = ctx.savedTensors as [Tensor];
      return g.ndim === 0 ? g : g.mul(0).scatterAdd(normDim(ctx.args[1], g.ndim, torch), i!, g);
    },
  });
  return composite({
    torch,
    params: ["input", "dim"],
    forward: (x: Tensor, dim: number) => {
      const [v, i] = inner(x, dim);
      return pair(v!, i!);
    },
  });
};
/** The greatest element so far, with its index. @example cummax(tensor([1, 3, 2]), 0).values // => [1, 3, 3] */
export const cummax: Op<[dim: number], ValuesIndices> = /*@__PURE__*/ cumExtreme("cummax");
/** The least element so far, with its index. @example cummin(tensor([3, 1, 2]), 0).indices // => [0, 1, 1] */
export const cummin: Op<[dim: number], ValuesIndices> = /*@__PURE__*/ cumExtreme("cummin");
