// Python-style indexing: `x[…]` and `x[…] = value`, on the two index kernels.
import { checkInplace, needsGraph } from "../../autograd/graph.ts";
import { checked, located, need } from "../../core/arguments.ts";
import { DTypeError } from "../../core/errors.ts";
import { broadcastShapes, layoutOf } from "../../core/layout.ts";
import { isTensor, type Tensor } from "../../core/tensor.ts";
import { clone, copy_, rawCopy, rawFull, to } from "../copy.ts";
import { zeros } from "../create.ts";
import { composite, type Op, primitive } from "../define.ts";
import { allocate, launch, stretched, window } from "../launch.ts";
import type { TensorLike } from "../promote.ts";
import { scalarTensor } from "../scalar.ts";
import { GATHER } from "./kernel.ts";
import { overwrite } from "./overwrite.ts";
import { parse } from "./parse.ts";
import type { Index } from "./slice.ts";

interface Advanced {
  shape: number[];
  strides: number[];
  operands: ReturnType<typeof window>[];
  params: number[];
}
// The result's shape, and the operands over it. Index tensors broadcast; adjacent ones stay in place, separated ones lead.
function plan(x: Tensor, indices: readonly (Tensor | null)[]): Advanced {
  const used = indices.map((t, d) => (t ? d : -1)).filter((d) => d >= 0);
  const common = broadcastShapes("index", ...used.map((d) => indices[d]!.shape));
  const adjacent = used.every((d, i) => i === 0 || d === used[i - 1]! + 1);
  const at = adjacent ? used[0]! : 0;
  const rest = x.shape.map((_, d) => d).filter((d) => !used.includes(d));
  const before = rest.filter((d) => d < at || false).slice(0, adjacent ? undefined : 0);
  const after = rest.filter((d) => !before.includes(d));
  const shape = [...before.map((d) => x.shape[d]!), ...common, ...after.map((d) => x.shape[d]!)];
  const strides = [...before.map((d) => x.layout.strides[d]!), ...common.map(() => 0), ...after.map((d) => x.layout.strides[d]!)];
  const operands = used.map((d) => {
    const wide = stretched(indices[d]!, common, "index");
    return window(wide, layoutOf(shape, [...before.map(() => 0), ...wide.layout.strides, ...after.map(() => 0)], wide.layout.offset));
  });
  return { shape, strides, operands, params: used.flatMap((d) => [x.shape[d]!, x.layout.strides[d]!]) };
}

const take: (x: Tensor, indices: readonly (Tensor | null)[]) => Tensor = /*@__PURE__*/ primitive<
  (x: Tensor, indices: readonly (Tensor | null)[]) => Tensor,
  [Tensor, readonly (Tensor | null)[]]
>({
  torch: "_index",
  params: ["input", "indices"],
  forward: (ctx, x, indices) => {
    const p = plan(x, indices);
    ctx.saveForBackward(...indices);
    ctx.state["shape"] = x.shape;
    const out = allocate(p.shape, x.dtype, x.storage.device);
    const checked = out.layout.numel > 0 || x.layout.numel === 0;
    if (checked) launch("index", GATHER, [out], [window(x, layoutOf(p.shape, p.strides, x.layout.offset)), ...p.operands], p.params);
    return out;
  },
  backward: (ctx, g) => (g ? putInto(g, ctx.savedTensors as (Tensor | null)[], ctx.state["shape"] as number[]) : null),
});
/** Zeros of `shape` with values added at places. */
const putInto: (values: Tensor, indices: readonly (Tensor | null)[], shape: readonly number[]) => Tensor = /*@__PURE__*/ primitive<
  (values: Tensor, indices: readonly (Tensor | null)[], shape: readonly number[]) => Tensor,
  [Tensor, readonly (Tensor | null)[], readonly number[]]
>({
  torch: "_index_put_into",
  params: ["input", "indices", "shape"],
  forward: (ctx, values, indices, shape) => {
    ctx.saveForBackward(...indices);
    const out = zeros(shape, { dtype: values.dtype, device: values.device });
    rawPut(out, indices, values, true);
    return out;
  },
  backward: (ctx, g) => (g ? take(g, ctx.savedTensors as (Tensor | null)[]) : null),
});
const put: (x: Tensor, indices: readonly (Tensor | null)[], values: Tensor, accumulate: boolean) => Tensor = /*@__PURE__*/ primitive<
  (x: Tensor, indices: readonly (Tensor | null)[], values: Tensor, accumulate: boolean) => Tensor,
  [Tensor, readonly (Tensor | null)[], Tensor, boolean]
>({
  torch: "_index_put",
  params: ["input", "indices", "values", "accumulate"],
  forward: (ctx, x, indices, values, accumulate) => {
    const out = rawCopy(x);
    rawPut(out, indices, values, accumulate);
    ctx.saveForBackward(...indices);
    ctx.state["shape"] = values.shape;
    return out;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const indices = ctx.savedTensors as (Tensor | null)[];
    const skip = indices.filter((t) => t).map(() => null);
    const gv = take(g, indices);
    return [
      ctx.args[3] ? g : put(g, indices, rawFull([], 0, g.dtype, g.device), false),
      ...skip,
      gv.sumToSize(ctx.state["shape"] as number[]),
    ];
  },
});
function rawPut(out: Tensor, indices: readonly (Tensor | null)[], values: Tensor, accumulate: boolean): void {
  const p = plan(out, indices);
  const src = stretched(values, p.shape, "setIndex");
  if (src.layout.numel === 0) return;
  launch(
    "setIndex",
    { kind: "scatter", mode: accumulate ? "add" : "set" },
    [window(out, layoutOf(p.shape, p.strides, out.layout.offset))],
    [src, ...p.operands],
    p.params,
  );
}

type IndexPut = (
  x: Tensor,
  indices: readonly (Tensor | null)[],
  values: TensorLike,
  accumulate?: boolean | { accumulate?: boolean },
) => Tensor;
const INDEX_PUT = ["input", "indices: array", "values: tensor|scalar", "accumulate?"];

/**
 * `x[…]` of Python: numbers, `slice(a, b, step)`, `null` (new dimension), `ellipsis`, bool masks, integer tensors, or text
 * such as `"1:3, ..., ::2"`. Basic indices give views, tensors and masks copies.
 * @throws IndexError out of range. @example tensor([[1, 2], [3, 4]]).index(slice(null, null), 1) // => [2, 4]
 */
export const index: (x: Tensor, ...args: Index[]) => Tensor = /*@__PURE__*/ located("index", "indices", (x: Tensor, ...args: Index[]) => {
  const { view, indices } = parse("index", x, args);
  return indices.some((t) => t) ? take(view, indices) : view === x ? x.alias() : view;
});
/** `x[…] = value` of Python; the last argument is the value, broadcast and cast. Returns `x`. @example zeros(3).setIndex(1, 5) // => [0, 5, 0] */
export const setIndex: (x: Tensor, ...args: [...index: Index[], value: TensorLike]) => Tensor = /*@__PURE__*/ located(
  "setIndex",
  "indices, value",
  (x: Tensor, ...args: [...index: Index[], value: TensorLike]) => {
    const value = args.at(-1) as TensorLike;
    need("setIndex", "value: tensor|scalar", value);
    const { view, indices } = parse("setIndex", x, args.slice(0, -1) as Index[]);
    const src = isTensor(value) ? value : scalarTensor(value, x);
    if (!indices.some((t) => t)) {
      let from = src;
      while (from.ndim > view.ndim && from.shape[0] === 1) from = from.squeeze(0);
      copy_(view, from);
      return x;
    }
    indexPut_(view, indices, src);
    return x;
  },
);
/**
 * Writes (or with `accumulate` adds) `values`, broadcast and cast, at the positions that index tensors name, in place.
 * @throws IndexError, ShapeError, AutogradError
 * @example indexPut_(zeros(3), [tensor([0, 2])], tensor([5.5, 6.5])) // => [5.5, 0, 6.5]
 */
export const indexPut_: IndexPut = /*@__PURE__*/ checked(
  "indexPut_",
  INDEX_PUT,
  (x: Tensor, indices: readonly (Tensor | null)[], values: TensorLike, accumulate = false) => {
    const full = parse("indexPut_", x, indices as Index[]).indices;
    checkInplace("indexPut_", x);
    const src = to(isTensor(values) ? values : scalarTensor(values, x), x.dtype);
    if (!needsGraph([x, src])) {
      rawPut(x, full, src, accumulate);
      x.storage.version.value++;
      return x;
    }
    return overwrite(x, put(x, full, src, accumulate));
  },
);
/**
 * A copy with `values` at the positions that index tensors name; see `indexPut_`.
 * @example indexPut(ones(3), [tensor([0, 0])], tensor([2.5, 3.5]), true) // => [7, 1, 1]
 */
export const indexPut: IndexPut = /*@__PURE__*/ checked(
  "indexPut",
  INDEX_PUT,
  (x: Tensor, indices: readonly (Tensor | null)[], values: TensorLike, accumulate = false) =>
    indexPut_(clone(x), indices, values, accumulate),
);

/** The elements where `mask` is true, in one dimension. @example maskedSelect(tensor([1, 2, 3]), tensor([true, false, true])) // => [1, 3] */
export const maskedSelect: Op<[mask: Tensor]> = /*@__PURE__*/ composite({
  torch: "masked_select",
  params: ["input", "mask"],
  forward: (x: Tensor, mask: Tensor) => {
    if (mask.dtype !== "bool") throw new DTypeError({ op: "maskedSelect", message: `the mask is ${mask.dtype}`, hint: "Masks are bool" });
    const shape = broadcastShapes("maskedSelect", x.shape, mask.shape);
    const [a, m] = [x.expand(shape), mask.expand(shape)];
    return shape.length === 0 ? index(a.reshape([1]), m.reshape([1])) : index(a, m);
  },
});
