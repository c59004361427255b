// Whole slices by number: indexSelect and its inverses.
import type { Context } from "../../autograd/function.ts";
import { ArgumentError, DTypeError, IndexError, ShapeError, showShape } from "../../core/errors.ts";
import { layoutOf, normDim, sameShape } from "../../core/layout.ts";
import { isTensor, type Tensor } from "../../core/tensor.ts";
import { rawCopy, rawFull, to } from "../copy.ts";
import { tensor, zeros } from "../create.ts";
import { composite, type Op, primitive } from "../define.ts";
import { allocate, launch, window } from "../launch.ts";
import type { TensorLike } from "../promote.ts";
import { sumInto } from "./sum-into.ts";
import { GATHER, type Mode, checkIndex, over } from "./kernel.ts";

/** Rows (slices along `dim`) in the order of `index`. @example indexSelect(tensor([[1, 2], [3, 4]]), 0, tensor([1])) // => [[3, 4]] */
export const indexSelect: Op<[dim: number, index: Tensor]> = /*@__PURE__*/ primitive({
  torch: "index_select",
  params: ["input", "dim", "index"],
  forward: (ctx: Context<never>, x: Tensor, dim: number, index: Tensor) => {
    checkIndex("indexSelect", index);
    if (index.ndim > 1)
      throw new IndexError({
        op: "indexSelect",
        message: `the index has shape ${showShape(index.shape)}`,
        hint: "It must have one dimension",
      });
    const d = normDim(dim, x.ndim, "indexSelect");
    ctx.saveForBackward(index);
    Object.assign(ctx.state, { shape: x.shape, d });
    return rawSelect(x, d, index);
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const { shape, d } = ctx.state as { shape: number[]; d: number };
    if (shape.length === 0) return g.sum();
    const index = ctx.savedTensors[0]!.reshape(shape.map((_, k) => (k === d ? -1 : 1)));
    return sumInto(g, d, index.expand(g.shape), shape);
  },
  samples: (r) => [[r.normal(3, 4), 1, r.ints(0, 4, 5)]],
});
// An index vector seen along dimension d of a shape, standing still elsewhere.
const along = (index: Tensor, d: number, shape: readonly number[]): ReturnType<typeof window> =>
  window(
    index,
    layoutOf(
      shape,
      shape.map((_, k) => (k === d ? (index.layout.strides[0] ?? 0) : 0)),
      index.layout.offset,
    ),
  );
function rawSelect(x: Tensor, d: number, index: Tensor): Tensor {
  const shape = x.ndim === 0 ? [] : x.shape.with(d, index.layout.numel);
  const out = allocate(shape, x.dtype, x.storage.device);
  if (out.layout.numel > 0 || (x.layout.numel === 0 && index.layout.numel > 0))
    launch("indexSelect", GATHER, [out], [over(x, shape, d), along(index, d, shape)], [-(x.shape[d] ?? 1), x.layout.strides[d] ?? 0]);
  return out;
}
const indexInto = /*@__PURE__*/ primitive<
  (x: Tensor, dim: number, index: Tensor, src: Tensor, mode: Mode) => Tensor,
  [Tensor, number, Tensor, Tensor, Mode]
>({
  torch: "_index_into",
  params: ["input", "dim", "index", "source", "mode"],
  forward: (ctx, x, dim, index, src, mode) => {
    const op = mode === "add" ? "indexAdd" : "indexCopy";
    checkIndex(op, index);
    const d = normDim(dim, x.ndim, op);
    const shape = x.ndim === 0 ? [] : x.shape.with(d, index.layout.numel);
    if (!sameShape(src.shape, shape) && !(src.layout.numel === 1 && index.layout.numel === 1 && x.ndim <= 1))
      throw new ShapeError({
        op,
        message: `source ${showShape(src.shape)}, needed ${showShape(shape)}`,
        hint: "The source has the input's shape with the index's length along dim",
      });
    if (src.dtype !== x.dtype) throw new DTypeError({ op, message: `source is ${src.dtype}, input ${x.dtype}`, hint: "Cast one" });
    ctx.saveForBackward(index);
    ctx.state["d"] = d;
    const out = rawCopy(x);
    const from = sameShape(src.shape, shape) ? src : src.reshape(shape);
    if (from.layout.numel > 0)
      launch(
        op,
        { kind: "scatter", mode },
        [over(out, shape, d)],
        [from, along(index, d, shape)],
        [x.shape[d] ?? 1, out.layout.strides[d] ?? 0],
      );
    return out;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const index = ctx.savedTensors[0]!;
    const d = ctx.state["d"] as number;
    return [ctx.args[4] === "add" ? g : g.indexFill(d, index, 0), null, ctx.needsInputGrad[2] ? g.indexSelect(d, index) : null];
  },
});
/**
 * A copy with `alpha · source` added to the slices `index` of `dim`.
 * @throws IndexError, ShapeError
 * @example indexAdd(ones(3), 0, tensor([2, 2]), ones(2)) // => [1, 1, 3]
 */
export const indexAdd: Op<[dim: number, index: Tensor, source: Tensor, options?: { alpha?: number }]> = /*@__PURE__*/ composite({
  torch: "index_add",
  params: ["input", "dim", "index", "source: tensor", "alpha?: scalar"],
  forward: (x: Tensor, dim: number, index: Tensor, src: Tensor, alpha = 1) =>
    indexInto(x, dim, index, alpha === 1 ? src : src.mul(alpha), "add"),
});
/**
 * A copy with `source` written to the slices `index` of `dim`.
 * @example indexCopy(zeros(3), 0, tensor([2, 0]), tensor([1.5, 2.5])) // => [2.5, 0, 1.5]
 */
export const indexCopy: Op<[dim: number, index: Tensor, source: Tensor]> = /*@__PURE__*/ composite({
  torch: "index_copy",
  params: ["input", "dim", "index", "source: tensor"],
  forward: (x: Tensor, dim: number, index: Tensor, src: Tensor) => indexInto(x, dim, index, src, "set"),
});
/**
 * A copy with one value in the slices `index` of `dim`.
 * @throws IndexError
 * @example indexFill(tensor([1, 2, 3]), 0, tensor([0, 2]), 9) // => [9, 2, 9]
 */
export const indexFill: Op<[dim: number, index: Tensor, value: TensorLike]> = /*@__PURE__*/ composite({
  torch: "index_fill",
  params: ["input", "dim", "index", "value: tensor|scalar"],
  forward: (x: Tensor, dim: number, index: Tensor, value: TensorLike) => {
    const d = normDim(dim, x.ndim, "indexFill");
    if (isTensor(value) && value.ndim > 0)
      throw new ArgumentError({
        op: "indexFill",
        message: `the value has shape ${showShape(value.shape)}`,
        hint: "It must be a number or a 0-d tensor",
      });
    const hit = indexInto(
      zeros([x.shape[d] ?? 1], { dtype: "bool", device: x.device }),
      0,
      index.reshape([-1]),
      rawFull([index.layout.numel], true, "bool", x.device),
      "set",
    );
    return x.maskedFill(
      hit.reshape(x.shape.map((_, k) => (k === d ? -1 : 1))),
      isTensor(value) ? to(value, x.dtype) : rawFull([], value, x.dtype, x.device),
    );
  },
});

/** @internal The positions in another order, for `flip` and `roll`. */
export const pick = (x: Tensor, dim: number, positions: readonly number[]): Tensor =>
  indexSelect(x, dim, tensor(positions as number[], { dtype: "int64", device: x.device }));
