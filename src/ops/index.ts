// Picking and placing elements: gather, scatter, and Python-style indexing. All run on the two index kernels.
import type { Context } from "../autograd/function.ts";
import { checkInplace, needsGraph, rebaseHistory } from "../autograd/graph.ts";
import { category, type DType } from "../core/dtype.ts";
import { ArgumentError, DTypeError, IndexError, ShapeError, showShape } from "../core/errors.ts";
import { broadcastShapes, layoutOf, normDim, sameShape } from "../core/layout.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import type { ScatterSpec } from "../kernel/spec.ts";
import { clone, copy_, rawCopy, rawFull, to } from "./copy.ts";
import { tensor, zeros } from "./create.ts";
import { composite, type Op, primitive } from "./define.ts";
import { dataSync } from "./host.ts";
import { allocate, launch, stretched, window } from "./launch.ts";
import type { Scalar, TensorLike } from "./promote.ts";
import { scalarTensor } from "./scalar.ts";
import { narrow, select, sliceDim, unsqueeze } from "./shape.ts";

const GATHER = { kind: "gather" } as const;
type Mode = ScatterSpec["mode"];

function checkIndex(op: string, index: Tensor): Tensor {
  if (index.layout.numel === 0 && index.dtype !== "int64") return rawCopy(index, "int64");
  if (index.dtype !== "int64" && index.dtype !== "int32")
    throw new DTypeError({
      op,
      message: `the index of shape ${showShape(index.shape)} is ${index.dtype}`,
      hint: 'Indices are int64: use .to("int64")',
    });
  return index;
}

// Layout of `x` over an index of shape `shape` along `dim`: the indexed dimension stands still, the index moves.
const over = (x: Tensor, shape: readonly number[], dim: number): ReturnType<typeof window> =>
  window(
    x,
    layoutOf(
      shape,
      x.layout.strides.map((s, d) => (d === dim ? 0 : s)),
      x.layout.offset,
    ),
  );

function rawGather(x: Tensor, d: number, index: Tensor): Tensor {
  const out = allocate(index.shape, x.dtype, x.storage.device);
  if (out.layout.numel > 0) launch("gather", GATHER, [out], [over(x, index.shape, d), index], [x.shape[d] ?? 1, x.layout.strides[d] ?? 1]);
  return out;
}
function rawScatter(into: Tensor, d: number, index: Tensor, src: Tensor, mode: Mode): void {
  if (index.layout.numel === 0) return;
  const part = window(src, layoutOf(index.shape, src.layout.strides, src.layout.offset));
  launch(
    "scatter",
    { kind: "scatter", mode },
    [over(into, index.shape, d)],
    [part, index],
    [into.shape[d] ?? 1, into.layout.strides[d] ?? 1],
  );
}
function fits(op: string, x: Tensor, dim: number, index: Tensor, src?: Tensor): number {
  const d = normDim(dim, x.ndim, op);
  const ok =
    Math.max(1, index.ndim) === Math.max(1, x.ndim) &&
    (!src || Math.max(1, src.ndim) === Math.max(1, index.ndim)) &&
    index.shape.every((n, k) => (k === d || n <= (x.shape[k] ?? 1)) && (!src || n <= (src.shape[k] ?? 1)));
  if (!ok && index.layout.numel > 0)
    throw new ShapeError({
      op,
      message: `index ${showShape(index.shape)} does not fit input ${showShape(x.shape)}${src ? ` and source ${showShape(src.shape)}` : ""} along dim ${d}`,
      hint: "Same number of dimensions, and no size larger except along dim",
    });
  return d;
}
const asVector = (t: Tensor): Tensor => (t.ndim === 0 ? t.reshape([1]) : t);

/** Element `index[i…]` along `dim` for every position. @throws IndexError out of range. @example gather(tensor([[1, 2], [3, 4]]), 1, tensor([[1], [0]])) // => [[2], [3]] */
export const gather: Op<[dim: number, index: Tensor]> = /*@__PURE__*/ primitive({
  torch: "gather",
  params: ["input", "dim", "index", "sparseGrad"],
  forward: (ctx: Context<never>, x: Tensor, dim: number, given: Tensor) => {
    const index = checkIndex("gather", given);
    const d = fits("gather", x, dim, index);
    ctx.saveForBackward(index);
    Object.assign(ctx.state, { shape: x.shape, d });
    return rawGather(asVector(x), d, asVector(index)).reshape(index.shape);
  },
  backward: (ctx, g) =>
    g
      ? zeros(ctx.state["shape"] as number[], { dtype: g.dtype, device: g.device }).scatterAdd(
          ctx.state["d"] as number,
          ctx.savedTensors[0]!,
          g,
        )
      : null,
  samples: (r) => [[r.normal(3, 4), 1, r.ints(0, 4, 3, 2)]],
});
/** `gather` with an index that broadcasts against `input`. */
export const takeAlongDim: Op<[indices: Tensor, dim?: number | null]> = /*@__PURE__*/ composite({
  torch: "take_along_dim",
  params: ["input", "indices", "dim"],
  forward: (x: Tensor, indices: Tensor, dim?: number) => {
    checkIndex("takeAlongDim", indices);
    if (dim === undefined) return x.reshape([-1]).gather(0, indices.reshape([-1]));
    const d = normDim(dim, x.ndim, "takeAlongDim");
    const shape = broadcastShapes("takeAlongDim", x.shape.with(d, 1), indices.shape.with(d, 1));
    return x.expand(shape.with(d, x.shape[d]!)).gather(d, indices.expand(shape.with(d, indices.shape[d]!)));
  },
});

const scatterInto = /*@__PURE__*/ primitive<
  (x: Tensor, dim: number, index: Tensor, src: Tensor, mode: Mode) => Tensor,
  [Tensor, number, Tensor, Tensor, Mode]
>({
  torch: "_scatter",
  params: ["input", "dim", "index", "src", "mode"],
  forward: (ctx, x, dim, index, src, mode) => {
    const op = mode === "add" ? "scatterAdd" : "scatter";
    checkIndex(op, index);
    if (src.dtype !== x.dtype) throw new DTypeError({ op, message: `source is ${src.dtype}, input ${x.dtype}`, hint: "Cast one" });
    const d = fits(op, x, dim, index, src);
    ctx.saveForBackward(index);
    Object.assign(ctx.state, { d, src: src.shape });
    const out = rawCopy(x);
    rawScatter(asVector(out), d, asVector(index), asVector(src), mode);
    return out;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const index = ctx.savedTensors[0]!;
    const { d, src } = ctx.state as { d: number; src: number[] };
    const gx = ctx.args[4] === "add" ? g : g.scatter(d, index, 0);
    if (!ctx.needsInputGrad[2]) return [gx];
    const part = g.gather(d, index);
    // Elements of the source beyond the index were never read.
    if (sameShape(src, index.shape)) return [gx, null, part];
    const full = zeros(src, { dtype: g.dtype, device: g.device });
    return [gx, null, placed(full, index.shape, part)];
  },
});
const placed = (full: Tensor, shape: readonly number[], part: Tensor): Tensor => {
  let at = full;
  shape.forEach((n, d) => {
    at = narrow(at, d, 0, n);
  });
  at.copy_(part);
  return full;
};
const scatterArgs = (op: string, x: Tensor, index: Tensor, src: TensorLike): Tensor => {
  if (!isTensor(index)) throw new ArgumentError({ op, message: "the index must be a Tensor", hint: "scatter(dim, index, src)" });
  return isTensor(src) ? src : rawFull(index.shape, src, x.dtype, x.device);
};
/** A copy with `src[i…]` written at `index[i…]` along `dim`; `reduce` `"add"` or `"multiply"` combines. @example scatter(zeros(3), 0, tensor([2]), 5) // => [0, 0, 5] */
export const scatter: Op<[dim: number, index: Tensor, src: TensorLike, options?: { reduce?: "add" | "multiply" }]> =
  /*@__PURE__*/ composite({
    torch: "scatter",
    params: ["input", "dim", "index", "src", "value", "reduce"],
    forward: (x: Tensor, dim: number, index: Tensor, src?: TensorLike, value?: Scalar, reduce?: string) =>
      scatterInto(
        x,
        dim,
        index,
        scatterArgs("scatter", x, index, src ?? value ?? 0),
        reduce === "add" ? "add" : reduce === "multiply" ? "mul" : "set",
      ),
  });
/** A copy with `src[i…]` added at `index[i…]` along `dim`. @example scatterAdd(zeros(2), 0, tensor([1, 1]), ones(2)) // => [0, 2] */
export const scatterAdd: Op<[dim: number, index: Tensor, src: Tensor]> = /*@__PURE__*/ composite({
  torch: "scatter_add",
  params: ["input", "dim", "index", "src"],
  forward: (x: Tensor, dim: number, index: Tensor, src: Tensor) => scatterInto(x, dim, index, src, "add"),
});

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
  backward: (ctx, g) =>
    g
      ? zeros(ctx.state["shape"] as number[], { dtype: g.dtype, device: g.device }).indexAdd(
          ctx.state["d"] as number,
          ctx.savedTensors[0]!,
          g,
        )
      : null,
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
    launch("indexSelect", GATHER, [out], [over(x, shape, d), along(index, d, shape)], [x.shape[d] ?? 1, x.layout.strides[d] ?? 0]);
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
/** A copy with `alpha · source` added to the slices `index` of `dim`. @example indexAdd(zeros(2), 0, tensor([1, 1]), ones(2)) // => [0, 2] */
export const indexAdd: Op<[dim: number, index: Tensor, source: Tensor, options?: { alpha?: number }]> = /*@__PURE__*/ composite({
  torch: "index_add",
  params: ["input", "dim", "index", "source", "alpha"],
  forward: (x: Tensor, dim: number, index: Tensor, src: Tensor, alpha = 1) =>
    indexInto(x, dim, index, alpha === 1 ? src : src.mul(alpha), "add"),
});
/** A copy with `source` written to the slices `index` of `dim`. */
export const indexCopy: Op<[dim: number, index: Tensor, source: Tensor]> = /*@__PURE__*/ composite({
  torch: "index_copy",
  params: ["input", "dim", "index", "source"],
  forward: (x: Tensor, dim: number, index: Tensor, src: Tensor) => indexInto(x, dim, index, src, "set"),
});
/** A copy with one value in the slices `index` of `dim`. @example indexFill(ones(3), 0, tensor([1]), 0) // => [1, 0, 1] */
export const indexFill: Op<[dim: number, index: Tensor, value: TensorLike]> = /*@__PURE__*/ composite({
  torch: "index_fill",
  params: ["input", "dim", "index", "value"],
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
    return x.maskedFill(hit.reshape(x.shape.map((_, k) => (k === d ? -1 : 1))), isTensor(value) ? to(value, x.dtype) : value);
  },
});

// ---- Python-style indexing

/** A range `start:stop:step` of a dimension; the step must be positive. */
export class Slice {
  readonly start: number | null;
  readonly stop: number | null;
  readonly step: number;
  constructor(start: number | null, stop: number | null, step: number | null) {
    this.start = start;
    this.stop = stop;
    this.step = step ?? 1;
  }
}
/** Python's `slice`: `slice(stop)`, `slice(start, stop)`, `slice(start, stop, step)`. @example tensor([0, 1, 2, 3]).index(slice(1, 3)) // => [1, 2] */
export const slice = (start: number | null = null, stop?: number | null, step: number | null = null): Slice =>
  stop === undefined ? new Slice(null, start, null) : new Slice(start, stop, step);
/** All dimensions that are not named. */
export const ellipsis = "...";
/** One place of an index. */
export type Index = number | boolean | null | "..." | string | Slice | Tensor | readonly (number | boolean | readonly number[])[];

interface Parsed {
  view: Tensor;
  indices: (Tensor | null)[];
}

function parseText(text: string): Index[] {
  return text.split(",").map((part): Index => {
    const p = part.trim();
    if (p === "...") return "...";
    if (p === "None" || p === "null") return null;
    if (/^[+-]?\d+$/.test(p)) return Number(p);
    const m = /^([+-]?\d+)?\s*:\s*([+-]?\d+)?\s*(?::\s*([+-]?\d+)?)?$/.exec(p);
    if (!m) throw new ArgumentError({ op: "index", message: `cannot read "${p}"`, hint: 'Write like "1:3, ..., ::2"' });
    const num = (s: string | undefined): number | null => (s === undefined ? null : Number(s));
    return new Slice(num(m[1]), num(m[2]), num(m[3]));
  });
}

// Basic parts become a view; index tensors remain, one place a dimension of the view.
function parse(x: Tensor, args: readonly Index[]): Parsed {
  const items = args.flatMap((a): Index[] => (typeof a === "string" ? parseText(a) : [a]));
  const tensors = items.map((a) => (Array.isArray(a) ? tensor(a as number[], { device: x.device }) : a));
  const used = tensors.reduce(
    (n: number, a) =>
      n +
      (a === null || a === "..." || typeof a === "boolean" ? 0 : isTensor(a) && (a.dtype === "bool" || a.dtype === "uint8") ? a.ndim : 1),
    0,
  );
  if (used > x.ndim)
    throw new IndexError({ op: "index", message: `${used} indices for shape ${showShape(x.shape)}`, hint: "At most one a dimension" });
  if (tensors.filter((a) => a === "...").length > 1) throw new IndexError({ op: "index", message: "more than one ellipsis" });
  if (!tensors.includes("...")) tensors.push("...");
  let view = x;
  let d = 0;
  const indices: (Tensor | null)[] = [];
  for (const a of tensors) {
    if (a === null) {
      view = unsqueeze(view, d++);
      indices.push(null);
    } else if (a === "...") {
      const skip = x.ndim - used;
      d += skip;
      for (let i = 0; i < skip; i++) indices.push(null);
    } else if (typeof a === "number") view = select(view, d, a);
    else if (typeof a === "boolean") {
      view = unsqueeze(view, d);
      indices.push(tensor(a ? [0] : [], { dtype: "int64", device: x.device }));
      d++;
    } else if (a instanceof Slice) {
      view = sliceDim(view, d++, a.start, a.stop, a.step);
      indices.push(null);
    } else if (isTensor(a) && (a.dtype === "bool" || a.dtype === "uint8")) {
      const at = view.shape.slice(d, d + a.ndim);
      if (!sameShape(at, a.shape))
        throw new IndexError({
          op: "index",
          message: `mask ${showShape(a.shape)} does not fit ${showShape(x.shape)} at dimension ${d}`,
          hint: "A mask has the sizes of the dimensions that it covers",
        });
      if (a.ndim === 0) {
        view = unsqueeze(view, d);
        indices.push(tensor(a.itemSync() ? [0] : [], { dtype: "int64", device: x.device }));
        d++;
      } else
        for (const part of nonzeroParts(a)) {
          indices.push(part);
          d++;
        }
    } else if (isTensor(a)) {
      indices.push(checkIndex("index", a));
      d++;
    } else
      throw new ArgumentError({
        op: "index",
        message: `cannot index with ${String(a)}`,
        hint: "Use numbers, slice(…), null, ellipsis, masks or integer tensors",
      });
  }
  return { view, indices };
}

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
  backward: (ctx, g) =>
    g
      ? put(zeros(ctx.state["shape"] as number[], { dtype: g.dtype, device: g.device }), ctx.savedTensors as (Tensor | null)[], g, true)
      : null,
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

/**
 * `x[…]` of Python: numbers, `slice(a, b, step)`, `null` (new dimension), `ellipsis`, bool masks, integer tensors, or text
 * such as `"1:3, ..., ::2"`. Basic indices give views, tensors and masks copies.
 * @throws IndexError out of range. @example tensor([[1, 2], [3, 4]]).index(slice(null, null), 1) // => [2, 4]
 */
export function index(x: Tensor, ...args: Index[]): Tensor {
  const { view, indices } = parse(x, args);
  return indices.some((t) => t) ? take(view, indices) : view === x ? x.alias() : view;
}
/** `x[…] = value` of Python; the last argument is the value, broadcast and cast. Returns `x`. @example zeros(3).setIndex(1, 5) // => [0, 5, 0] */
export function setIndex(x: Tensor, ...args: [...index: Index[], value: TensorLike]): Tensor {
  const value = args.at(-1) as TensorLike;
  const { view, indices } = parse(x, args.slice(0, -1) as Index[]);
  const src = isTensor(value) ? value : scalarTensor(value, x);
  if (!indices.some((t) => t)) {
    let from = src;
    while (from.ndim > view.ndim && from.shape[0] === 1) from = from.squeeze(0);
    copy_(view, from);
    return x;
  }
  indexPut_(view, indices, src);
  return x;
}
/** Writes (or adds) `values` at the positions that index tensors name. */
export function indexPut_(
  x: Tensor,
  indices: readonly (Tensor | null)[],
  values: TensorLike,
  accumulate: boolean | { accumulate?: boolean } = false,
): Tensor {
  const add = typeof accumulate === "object" ? (accumulate.accumulate ?? false) : accumulate;
  const full = parse(x, indices as Index[]).indices;
  checkInplace("indexPut_", x);
  const src = to(isTensor(values) ? values : scalarTensor(values, x), x.dtype);
  if (!needsGraph([x, src])) {
    rawPut(x, full, src, add);
    x.storage.version.value++;
    return x;
  }
  return overwrite(x, put(x, full, src, add));
}
/** A copy with `values` at the positions that index tensors name. */
export const indexPut = (
  x: Tensor,
  indices: readonly (Tensor | null)[],
  values: TensorLike,
  accumulate: boolean | { accumulate?: boolean } = false,
): Tensor => indexPut_(clone(x), indices, values, accumulate);

/** @internal Makes `x` hold what `result` holds, history included: the in-place form of any out-of-place op of self. */
export function overwrite(x: Tensor, result: Tensor): Tensor {
  launch("copy_", { kind: "copy" }, [x], [result.dtype === x.dtype ? result : rawCopy(result, x.dtype)]);
  x.storage.version.value++;
  if (result.node) rebaseHistory(x, result.node as never);
  return x;
}

// ---- positions

/** The positions of non-zero elements, one row each; with `{ asTuple: true }` one vector a dimension. @example nonzero(tensor([0, 5, 6])) // => [[1], [2]] */
export const nonzero: Op<[options?: { asTuple?: boolean }], Tensor> = /*@__PURE__*/ composite({
  torch: "nonzero",
  params: ["input", "asTuple"],
  differentiable: false,
  forward: (x: Tensor, asTuple = false) => {
    if (asTuple && x.ndim === 0) return nonzeroParts(x.reshape([1]));
    const parts = nonzeroParts(x);
    if (asTuple) return parts;
    const n = parts[0]?.layout.numel ?? (x.ndim === 0 && x.itemSync() ? 1 : 0);
    const out = allocate([n, x.ndim], "int64", x.storage.device);
    parts.forEach((p, d) => {
      if (n > 0) launch("nonzero", { kind: "copy" }, [window(out, layoutOf([n], [x.ndim], d))], [p]);
    });
    return out;
  },
});
function nonzeroParts(x: Tensor): Tensor[] {
  const values = dataSync(x.dtype === "bool" ? x.detach() : x.detach().ne(0));
  const found: number[] = [];
  for (let i = 0; i < values.length; i++) if (values[i]) found.push(i);
  const out = x.shape.map(() => new BigInt64Array(found.length));
  found.forEach((flat, k) => {
    let rest = flat;
    for (let d = x.ndim - 1; d >= 0; d--) {
      out[d]![k] = BigInt(rest % x.shape[d]!);
      rest = Math.floor(rest / x.shape[d]!);
    }
  });
  return out.map((p) => tensor(p, { device: x.device }));
}
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
/** Where each value would be inserted into a sorted sequence (per row) to keep it sorted. @example searchsorted(tensor([1, 3, 5]), tensor([3, 4])) // => [1, 2] */
export const searchsorted: Op<
  [values: TensorLike, options?: { right?: boolean; side?: "left" | "right"; outInt32?: boolean; sorter?: Tensor }]
> = /*@__PURE__*/ composite({
  torch: "searchsorted",
  params: ["input", "values", "outInt32", "right", "side", "sorter"],
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
/** @internal The positions in another order, for `flip` and `roll`. */
export const pick = (x: Tensor, dim: number, positions: readonly number[]): Tensor =>
  indexSelect(x, dim, tensor(positions as number[], { dtype: "int64", device: x.device }));
