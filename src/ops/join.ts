// Joining, splitting, repeating and reordering.
import { promoteTypes, type DType } from "../core/dtype.ts";
import { checkOptions, given, isOptions, located, need } from "../core/arguments.ts";
import { ArgumentError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import { normDim, sliceLayout } from "../core/layout.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { to } from "./copy.ts";
import { arange, tensor } from "./create.ts";
import { composite, type Fn, type Op, primitive } from "./define.ts";
import { dataSync } from "./host.ts";
import { pick } from "./indexing/select.ts";
import { allocate, launch, window } from "./launch.ts";
import { narrow, select, type Dims } from "./shape/index.ts";

const COPY = { kind: "copy" } as const;
const joined = /*@__PURE__*/ primitive<(tensors: Tensor[], dim: number) => Tensor, [Tensor[], number]>({
  torch: "_cat",
  params: ["tensors", "dim"],
  forward: (ctx, tensors, d) => {
    const first = tensors[0]!;
    ctx.state["dim"] = d;
    ctx.state["sizes"] = tensors.map((t) => t.shape[d]!);
    const out = allocate(
      first.shape.with(
        d,
        tensors.reduce((n, t) => n + t.shape[d]!, 0),
      ),
      first.dtype,
      first.storage.device,
    );
    let at = 0;
    for (const t of tensors) {
      if (t.layout.numel > 0) launch("cat", COPY, [window(out, sliceLayout(out.layout, d, at, t.shape[d]!))], [t]);
      at += t.shape[d]!;
    }
    return out;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    let at = 0;
    return (ctx.state["sizes"] as number[]).map((n, i) => {
      const part = ctx.needsInputGrad[i] ? narrow(g, ctx.state["dim"] as number, at, n) : null;
      at += n;
      return part;
    });
  },
});
/** Tensors one after another along `dim`. @throws ShapeError when other sizes differ. @example cat([tensor([1, 2]), tensor([3])]) // => [1, 2, 3] */
export const cat: Fn<[tensors: readonly Tensor[], dim?: number | { dim?: number }]> = /*@__PURE__*/ composite({
  torch: "cat",
  params: ["tensors", "dim?"],
  forward: (tensors: readonly Tensor[], dim = 0) => {
    if (!Array.isArray(tensors) || tensors.length === 0 || !tensors.every(isTensor))
      throw new ArgumentError({ op: "cat", message: "needs an array of at least one Tensor" });
    // PyTorch lets empty vectors join anything.
    const real = tensors.filter((t) => !(t.ndim === 1 && t.shape[0] === 0));
    const used = real.length ? real : [tensors[0] as Tensor];
    const dtype = tensors.reduce((d: DType, t: Tensor) => promoteTypes(d, t.dtype), tensors[0].dtype as DType);
    const d = normDim(dim, used[0]!.ndim, "cat");
    if (used[0]!.ndim === 0) throw new ShapeError({ op: "cat", message: "scalars cannot be joined", hint: "Use stack" });
    for (const t of used) {
      if (t.ndim !== used[0]!.ndim || t.shape.some((n: number, k: number) => k !== d && n !== used[0]!.shape[k])) {
        throw new ShapeError({
          op: "cat",
          message: `shapes ${tensors.map((x: Tensor) => showShape(x.shape)).join(", ")} along dim ${d}`,
          hint: "All sizes but that of dim must be equal",
        });
      }
    }
    return joined(
      used.map((t) => to(t, dtype)),
      d,
    );
  },
});
/** Tensors of one shape along a new dimension. @example stack([tensor([1, 2]), tensor([3, 4])]) // => [[1, 2], [3, 4]] */
export const stack: Fn<[tensors: readonly Tensor[], dim?: number | { dim?: number }]> = /*@__PURE__*/ composite({
  torch: "stack",
  params: ["tensors", "dim?"],
  forward: (tensors: readonly Tensor[], dim = 0) => {
    if (!Array.isArray(tensors) || tensors.length === 0 || !tensors.every(isTensor))
      throw new ArgumentError({ op: "stack", message: "needs an array of at least one Tensor" });
    const shape = tensors[0]!.shape;
    for (const t of tensors)
      if (showShape(t.shape) !== showShape(shape))
        throw new ShapeError({
          op: "stack",
          message: `shapes ${tensors.map((x: Tensor) => showShape(x.shape)).join(", ")}`,
          hint: "All must be equal",
        });
    const d = normDim(dim, shape.length + 1, "stack");
    return cat(
      tensors.map((t: Tensor) => t.unsqueeze(d)),
      d,
    );
  },
});
/** Parts of `size` (the last may be smaller), or of the sizes given, along `dim`. Views. @example split(tensor([1, 2, 3]), 2).length // => 2 */
export const split: Op<[splitSizeOrSections: number | readonly number[], dim?: number | { dim?: number }], Tensor[]> =
  /*@__PURE__*/ composite({
    torch: "split",
    params: ["input", "splitSizeOrSections: counts", "dim?"],
    forward: (x: Tensor, size: number | readonly number[], dim = 0) => {
      const d = normDim(dim, x.ndim, "split");
      const n = x.shape[d] ?? 1;
      if (typeof size === "number" && (!(size > 0) || !Number.isInteger(size)) && n > 0)
        throw new ValueError({ op: "split", message: `size ${size}`, hint: "It must be a positive integer" });
      const sizes =
        typeof size === "number"
          ? Array.from({ length: Math.max(1, Math.ceil(n / (size || 1))) }, (_, i) => Math.min(size, n - i * size))
          : size;
      if (sizes.reduce((a, b) => a + b, 0) !== n)
        throw new ShapeError({
          op: "split",
          message: `sizes ${showShape(sizes)} do not add up to ${n}, dimension ${d} of ${showShape(x.shape)}`,
        });
      let at = 0;
      return sizes.map((s) => {
        const part = narrow(x, d, at, s);
        at += s;
        return part;
      });
    },
  });
/** At most `chunks` parts of equal size (the last may be smaller). Views. @example chunk(tensor([1, 2, 3, 4, 5]), 3).length // => 3 */
export const chunk: Op<[chunks: number, dim?: number | { dim?: number }], Tensor[]> = /*@__PURE__*/ composite({
  torch: "chunk",
  params: ["input", "chunks: positive", "dim?"],
  forward: (x: Tensor, chunks: number, dim = 0) => {
    if (!(chunks > 0)) throw new ValueError({ op: "chunk", message: `chunks ${chunks}`, hint: "It must be positive" });
    const n = x.shape[normDim(dim, x.ndim, "chunk")] ?? 1;
    return n === 0 ? Array.from({ length: chunks }, () => x.alias()) : split(x, Math.ceil(n / chunks), dim);
  },
});
/** The slices along `dim`, without it. Views. @example unbind(tensor([[1], [2]])).length // => 2 */
export const unbind: Op<[dim?: number | { dim?: number }], Tensor[]> = /*@__PURE__*/ composite({
  torch: "unbind",
  params: ["input", "dim?"],
  forward: (x: Tensor, dim = 0) => {
    const d = normDim(dim, x.ndim, "unbind");
    if (x.ndim === 0) throw new ShapeError({ op: "unbind", message: "a scalar has no dimensions" });
    return Array.from({ length: x.shape[d]! }, (_, i) => select(x, d, i));
  },
});
/** Copies side by side: `repeats` per dimension, new ones in front. @example repeat(tensor([1, 2]), 2, 2) // => [[1, 2, 1, 2], [1, 2, 1, 2]] */
export const repeat: Op<[repeats: readonly number[] | number, ...rest: number[]]> = /*@__PURE__*/ composite({
  torch: "Tensor.repeat",
  params: ["input", "repeats: shape"],
  variadic: 1,
  forward: (x: Tensor, repeats: readonly number[]) => {
    if (repeats.length < x.ndim || repeats.some((r) => !(r >= 0)))
      throw new ShapeError({
        op: "repeat",
        message: `repeats ${showShape(repeats)} for shape ${showShape(x.shape)}`,
        hint: "One count >= 0 a dimension, at least",
      });
    const shape = [...new Array<number>(repeats.length - x.ndim).fill(1), ...x.shape];
    // [n] → [1, n] → [r, n] → [r·n], for every dimension at once.
    const split2 = shape.flatMap((n) => [1, n]);
    return x
      .reshape(split2)
      .expand(shape.flatMap((n, d) => [repeats[d]!, n]))
      .reshape(shape.map((n, d) => n * repeats[d]!));
  },
});
/** `repeat`, with missing counts taken as 1. @example tile(tensor([1, 2]), [2]) // => [1, 2, 1, 2] */
export const tile: Op<[dims: readonly number[] | number, ...rest: number[]]> = /*@__PURE__*/ composite({
  torch: "tile",
  params: ["input", "dims: shape"],
  variadic: 1,
  forward: (x: Tensor, dims: readonly number[]) => repeat(x, [...new Array<number>(Math.max(0, x.ndim - dims.length)).fill(1), ...dims]),
});
/** Every element `repeats` times in a row. @example repeatInterleave(tensor([1, 2]), 2) // => [1, 1, 2, 2] */
export const repeatInterleave: Op<[repeats?: number | Tensor, dim?: number | null | { dim?: number; outputSize?: number }]> =
  /*@__PURE__*/ composite({
    torch: "repeat_interleave",
    params: ["input", "repeats?: count|tensor", "dim?", "outputSize?: count"],
    forward: (x: Tensor, repeats?: number | Tensor, dim?: number) => {
      const counts = repeats === undefined ? x : repeats;
      const natural = (r: number): boolean => Number.isSafeInteger(r) && r >= 0;
      const check = (list: readonly number[]): void => {
        if (!list.every(natural) || list.reduce((a, b) => a + b, 0) > 2 ** 32)
          throw new ValueError({ op: "repeatInterleave", message: `repeats are ${given(list)}`, hint: "Counts are integers >= 0" });
      };
      if (repeats === undefined) check([...dataSync(counts as Tensor)].map(Number));
      if (repeats === undefined)
        return tensor(
          [...dataSync(counts as Tensor)].flatMap((r, i) => new Array<number>(Number(r)).fill(i)),
          { dtype: "int64", device: x.device },
        );
      const y = dim === undefined ? x.reshape([-1]) : x;
      const d = normDim(dim ?? 0, y.ndim, "repeatInterleave");
      const n = y.shape[d] ?? 1;
      const times = isTensor(counts) ? [...dataSync(counts)].map(Number) : [counts as number];
      check(times);
      if (times.length !== 1 && times.length !== n)
        throw new ValueError({
          op: "repeatInterleave",
          message: `${times.length} repeats for ${n} elements`,
          hint: "One count >= 0, or one an element",
        });
      const positions = Array.from({ length: n }, (_, i) => new Array<number>(times.length === 1 ? times[0]! : times[i]!).fill(i)).flat();
      return pick(y.ndim === 0 ? y.reshape([1]) : y, d, positions);
    },
  });
/** Dimensions in reverse order. @example flip(tensor([1, 2, 3]), [0]) // => [3, 2, 1] */
export const flip: Op<[dims: Dims, ...rest: number[]]> = /*@__PURE__*/ composite({
  torch: "flip",
  params: ["input", "dims"],
  variadic: 1,
  forward: (x: Tensor, dims: number | readonly number[]) => {
    const ds = [dims].flat().map((d) => normDim(d as number, x.ndim, "flip"));
    if (new Set(ds).size < ds.length) throw new ValueError({ op: "flip", message: `dimension named twice in ${showShape(ds)}` });
    return x.ndim === 0
      ? x.clone()
      : ds.length === 0
        ? x.clone()
        : ds.reduce(
            (y, d) =>
              pick(
                y,
                d,
                Array.from({ length: x.shape[d]! }, (_, i) => x.shape[d]! - 1 - i),
              ),
            x,
          );
  },
});
/** Elements moved along `dims` by `shifts`, wrapping around; without dims in flat order. @example roll(tensor([1, 2, 3]), 1) // => [3, 1, 2] */
export const roll: Op<[shifts: number | readonly number[], dims?: number | readonly number[] | { dims?: number | readonly number[] }]> =
  /*@__PURE__*/ composite({
    torch: "roll",
    params: ["input", "shifts", "dims?"],
    forward: (x: Tensor, shifts: number | readonly number[], dims?: number | readonly number[]) => {
      const ss = [shifts].flat() as number[];
      if (dims === undefined || (Array.isArray(dims) && dims.length === 0)) return roll(x.reshape([-1]), ss[0]!, 0).reshape(x.shape);
      const ds = [dims].flat() as number[];
      if (ss.length !== ds.length) throw new ValueError({ op: "roll", message: `${ss.length} shifts for ${ds.length} dims` });
      return ds.reduce((y, dim, k) => {
        if (x.ndim === 0) throw new ShapeError({ op: "roll", message: "a scalar has no dimensions" });
        const d = normDim(dim, x.ndim, "roll");
        const n = x.shape[d]!;
        return pick(
          y,
          d,
          Array.from({ length: n }, (_, i) => (((i - ss[k]!) % n) + n) % n),
        );
      }, x);
    },
  });
/** The elements below (and on) diagonal `diagonal`, zeros above. @example tril(ones(2, 2)) // => [[1, 0], [1, 1]] */
export const tril: Op<[diagonal?: number | { diagonal?: number }]> = /*@__PURE__*/ composite({
  torch: "tril",
  params: ["input", "diagonal?"],
  forward: (x: Tensor, k = 0) => triangle("tril", x, k, true),
});
/** The elements above (and on) diagonal `diagonal`, zeros below. @example triu(ones(2, 2)) // => [[1, 1], [0, 1]] */
export const triu: Op<[diagonal?: number | { diagonal?: number }]> = /*@__PURE__*/ composite({
  torch: "triu",
  params: ["input", "diagonal?"],
  forward: (x: Tensor, k = 0) => triangle("triu", x, k, false),
});
function triangle(op: string, x: Tensor, k: number, lower: boolean): Tensor {
  if (x.ndim < 2)
    throw new ShapeError({ op, message: `shape ${showShape(x.shape)} is no matrix`, hint: "It needs two dimensions or more" });
  const i = arange(0, x.shape.at(-2)!, 1, { device: x.device }).unsqueeze(1);
  const j = arange(0, x.shape.at(-1)!, 1, { device: x.device });
  const mask = lower ? j.sub(i).le(k) : j.sub(i).ge(k);
  return x.where(mask, x.dtype === "bool" ? false : 0);
}
/**
 * Coordinate grids from vectors; `indexing` `"ij"` or `"xy"`.
 * @example meshgrid([tensor([1, 2]), tensor([3, 4])], { indexing: "ij" }) // => [[[1, 1], [2, 2]], [[3, 4], [3, 4]]]
 */
export const meshgrid: (
  ...args: [...tensors: (Tensor | readonly Tensor[])[], options: { indexing?: "ij" | "xy" }] | (Tensor | readonly Tensor[])[]
) => Tensor[] = /*@__PURE__*/ located("meshgrid", "tensors, { indexing }", (...args: unknown[]) => {
  const options = isOptions(args.at(-1)) ? args.at(-1) : {};
  const { indexing } = checkOptions<{ indexing?: string }>("meshgrid", ["indexing?: ij|xy"], options as object);
  const tensors = (isOptions(args.at(-1)) ? args.slice(0, -1) : args).flat() as Tensor[];
  need("meshgrid", "tensors", tensors);
  for (const t of tensors)
    if (t.ndim > 1) throw new ShapeError({ op: "meshgrid", message: `an operand has shape ${showShape(t.shape)}`, hint: "Give vectors" });
  const swapped = indexing === "xy" && tensors.length >= 2 ? [tensors[1]!, tensors[0]!, ...tensors.slice(2)] : tensors;
  const shape = swapped.map((t) => t.layout.numel);
  const grids = swapped.map((t, d) => t.reshape(shape.map((n, k) => (k === d ? n : 1))).expand(shape));
  return swapped === tensors ? grids : [grids[1]!, grids[0]!, ...grids.slice(2)];
});
