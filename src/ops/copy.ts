// Moving values about: copies, casts, devices, fills, and the gradient-aware in-place writes built on them.
import { checkInplace, edgeOf, needsGraph, rebaseHistory } from "../autograd/graph.ts";
import { Node } from "../autograd/node.ts";
import { getDevice } from "../core/device.ts";
import { category, type DType, isComplex, isDType, itemSize } from "../core/dtype.ts";
import { ArgumentError, showShape } from "../core/errors.ts";
import { broadcastShapes, denseLayout, sameShape } from "../core/layout.ts";
import { isTensor, Tensor } from "../core/tensor.ts";
import { checked, given, isOptions, located } from "../core/arguments.ts";
import { composite, type Op, primitive } from "./define.ts";
import { provideFit } from "./formula-node.ts";
import { checkWritable, overlaps } from "./inplace.ts";
import { allocate, launch, padded, stretched } from "./launch.ts";
import type { Scalar, TensorLike } from "./promote.ts";
import { scalarBytes, scalarTensor } from "./scalar.ts";
import { specId } from "../kernel/spec.ts";
import { input as operand } from "../kernel/expr.ts";
import { laneOf } from "../kernel/spec.ts";

const COPY = { kind: "copy" } as const;

/** A contiguous copy with another dtype or on another device, unrecorded. */
export function rawCopy(x: Tensor, dtype: DType = x.dtype, device: string = x.device): Tensor {
  const target = getDevice(device);
  if (target === x.storage.device) {
    const out = allocate(x.shape, dtype, target);
    if (out.layout.numel > 0) launch("copy", COPY, [out], [x]);
    return out;
  }
  const here = x.layout.contiguous && x.dtype === dtype ? x : rawCopy(x, dtype);
  const bytes = new Uint8Array(here.layout.numel * itemSize(dtype));
  here.storage.device.readSync(here.storage, here.layout.offset * itemSize(dtype), bytes);
  const out = allocate(x.shape, dtype, target);
  target.write(out.storage, 0, bytes);
  return out;
}

/** A copy with memory of its own, contiguous; gradients flow through. @example clone(tensor([1, 2])) // => [1, 2] */
export const clone: Op<[opts?: { memoryFormat?: string }]> = /*@__PURE__*/ primitive({
  torch: "clone",
  params: ["input", "memoryFormat?"],
  forward: (_ctx, x: Tensor, _memoryFormat?: string) => rawCopy(x),
  backward: (_ctx, g) => g,
  samples: (r) => [[r.normal(3, 4)], [r.normal(3, 4).t()]],
});

const cast = /*@__PURE__*/ primitive<
  Op<[dtype: DType, device: string, from: { dtype: DType; device: string }]>,
  [Tensor, DType, string, { dtype: DType; device: string }]
>({
  torch: "_to",
  params: ["input", "dtype", "device", "from"],
  forward: (_ctx, x, dtype, device, _from) => rawCopy(x, dtype, device),
  backward: (ctx, g) => (g ? to(g, { dtype: ctx.args[3].dtype, device: ctx.args[3].device }) : null),
});

/** Options of `to`. */
export interface ToOptions {
  /** The element type; unchanged where absent. */
  dtype?: DType;
  /** The device; unchanged where absent. */
  device?: string;
  /** Copy even when nothing changes? Default false. */
  copy?: boolean;
  /** Accepted as in PyTorch; there is nothing to choose here. */
  nonBlocking?: boolean;
  /** Accepted as in PyTorch; there is nothing to choose here. */
  memoryFormat?: string;
}

/**
 * The tensor with another dtype and/or on another device; itself when nothing changes.
 * Takes a dtype, a device name, another tensor to be like, or options.
 * @throws DeviceError when the device is unknown.
 * @example to(tensor([1.7, -1.7]), "int64") // => [1, -1]
 */
export const to: (x: Tensor, target: DType | string | Tensor | ToOptions, ...more: (DType | boolean | ToOptions)[]) => Tensor =
  /*@__PURE__*/ located(
    "to",
    "input, target",
    (x: Tensor, target: DType | string | Tensor | ToOptions, ...more: (DType | boolean | ToOptions)[]) => {
      const options: ToOptions = {};
      const flags: ("nonBlocking" | "copy")[] = ["nonBlocking", "copy"];
      for (const [i, t] of [target, ...more].entries()) {
        if (isTensor(t)) Object.assign(options, { dtype: t.dtype, device: t.device });
        else if (isDType(t)) options.dtype = t;
        else if (typeof t === "string") options.device = t;
        else if (isOptions(t)) Object.assign(options, t);
        else if (typeof t === "boolean" && i > 0 && flags.length > 0) options[flags.shift()!] = t;
        else if ((t !== undefined && t !== null) || i === 0)
          throw new ArgumentError({ op: "to", message: `the target is ${given(t)}`, hint: "Give a dtype, a device, a tensor or options" });
      }
      return convert(x, options);
    },
  );
const convert: (x: Tensor, options: ToOptions) => Tensor = /*@__PURE__*/ checked(
  "to",
  ["input", "dtype?", "device?", "copy?: flag", "nonBlocking?: flag", "memoryFormat?"],
  (x: Tensor, dtype = x.dtype, device = x.device, copy = false) => {
    const where = getDevice(device).name;
    return dtype === x.dtype && where === x.device && !copy ? x : cast(x, dtype, where, { dtype: x.dtype, device: x.device });
  },
);

/** The tensor itself where it is row-major, else a copy that is. @example contiguous(tensor([[1, 2], [3, 4]]).t()) // => [[1, 3], [2, 4]] */
export const contiguous: Op<[opts?: { memoryFormat?: string }]> = /*@__PURE__*/ composite({
  torch: "Tensor.contiguous",
  params: ["input", "memoryFormat?"],
  forward: (x: Tensor) => (x.layout.contiguous ? x : clone(x)),
});

/** A tensor over the same memory, outside the graph. @example detach(ones(2, { requiresGrad: true })).requiresGrad // => false */
export const detach: Op<[]> = /*@__PURE__*/ composite({
  torch: "detach",
  params: ["input"],
  differentiable: false,
  forward: (x: Tensor) => new Tensor(x.storage, x.layout, x.dtype),
});

class CopyNode extends Node {
  readonly name: string = "CopyBackward";
  readonly #shape: readonly number[];
  readonly #dtype: DType;
  constructor(self: Tensor, source: Tensor) {
    super();
    this.edges = [edgeOf(self), edgeOf(source)];
    this.#shape = source.shape;
    this.#dtype = source.dtype;
  }
  apply(grads: (Tensor | null)[]): (Tensor | null)[] {
    const g = grads[0]!;
    return [this.edges[0] ? g.mul(0) : null, this.edges[1] ? fitTo(g, this.#shape, this.#dtype) : null];
  }
}

/**
 * Writes `source`, broadcast and cast, into `self`.
 * @throws ShapeError, AutogradError
 * @example copy_(zeros(2, 2), tensor([1, 2])) // => [[1, 2], [1, 2]]
 */
export const copy_: (self: Tensor, source: TensorLike) => Tensor = /*@__PURE__*/ checked(
  "copy_",
  ["input", "source: tensor|scalar"],
  (self: Tensor, source: TensorLike) => {
    checkInplace("copy_", self);
    const src = isTensor(source) ? source : scalarTensor(source, self);
    checkWritable("copy_", self, broadcastShapes("copy_", self.shape, src.shape));
    const recording = needsGraph([self, src]);
    const node = recording ? new CopyNode(self, src) : null;
    rawWrite(self, src);
    if (node) rebaseHistory(self, node);
    return self;
  },
);

/** `copy_` that is recorded nowhere, but moves the version. */
export function rawWrite(self: Tensor, src: Tensor): void {
  let from = src.storage.device === self.storage.device ? src : rawCopy(src, self.dtype, self.device);
  if (overlaps(from, self)) from = rawCopy(from);
  if (self.layout.numel > 0) launch("copy_", COPY, [self], [stretched(from, self.shape, "copy_")]);
  self.storage.version.value++;
}

/** Writes one value everywhere. @example fill_(zeros(2), 7) // => [7, 7] */
export const fill_: (self: Tensor, value: TensorLike | { value: TensorLike }) => Tensor = /*@__PURE__*/ checked(
  "fill_",
  ["input", "value: tensor|scalar"],
  (self: Tensor, value: TensorLike) => {
    if (isTensor(value) && value.ndim > 0)
      throw new ArgumentError({
        op: "fill_",
        message: `the value has shape ${showShape(value.shape)}`,
        hint: "It must be a number or a 0-d tensor",
      });
    return copy_(self, value);
  },
);
/** A copy with one value everywhere. @example fill(zeros(2), 7) // => [7, 7] */
export const fill: (self: Tensor, value: TensorLike | { value: TensorLike }) => Tensor = /*@__PURE__*/ checked(
  "fill",
  ["input", "value: tensor|scalar"],
  (self: Tensor, value: TensorLike) => fill_(clone(self), value),
);
/** Writes zeros. @example zero_(ones(2)) // => [0, 0] */
export const zero_: (self: Tensor) => Tensor = /*@__PURE__*/ checked("zero_", ["input"], (self: Tensor) => fill_(self, 0));

/** A tensor full of one value, unrecorded. */
export function rawFull(shape: readonly number[], value: Scalar, dtype: DType, device: string): Tensor {
  const out = allocate(shape, dtype, getDevice(device));
  if (out.layout.numel === 0) return out;
  const bytes = scalarBytes(value, dtype);
  if (out.layout.numel > 1) {
    const point = new Tensor(out.storage.device.alloc(bytes.length), denseLayout([]), dtype);
    point.storage.device.write(point.storage, 0, bytes);
    launch("full", COPY, [out], [stretched(point, shape, "full")]);
  } else out.storage.device.write(out.storage, 0, bytes);
  return out;
}

const SUM = { f32: 0, f64: 0, i64: 0, c64: 0, c128: 0 } as Record<string, number>;
const sumSpec = (
  lane: ReturnType<typeof laneOf>,
): { kind: "reduce"; id: number; op: "sum"; pre: ReturnType<typeof operand>; post: null; lane: ReturnType<typeof laneOf> } => ({
  kind: "reduce",
  id: (SUM[lane] ||= specId()),
  op: "sum",
  pre: operand(0),
  post: null,
  lane,
});

/**
 * `input` summed down to `size`, over all that broadcasting `size` to its shape would stretch: the transpose of `expand`.
 * @throws ArgumentError when the shape does not sum to `size`
 * @example ones(2, 3).sumToSize(1, 3) // => [[2, 2, 2]]
 */
export const sumToSize: Op<[size: readonly number[]]> = /*@__PURE__*/ primitive({
  torch: "Tensor.sum_to_size",
  params: ["input", "size"],
  variadic: 1,
  forward: (ctx, x: Tensor, size: readonly number[]) => {
    ctx.state["shape"] = x.shape;
    if (sameShape(x.shape, size)) return x;
    if (!sameShape(broadcastShapes("sumToSize", x.shape, size), x.shape))
      throw new ArgumentError({
        op: "sumToSize",
        message: `[${x.shape.join(", ")}] does not sum to [${size.join(", ")}]`,
        hint: "The size must be a shape that broadcasts to the input's",
      });
    const dtype = category(x.dtype) < 2 ? "int64" : x.dtype;
    const out = allocate(size, dtype, x.storage.device);
    launch("sumToSize", sumSpec(laneOf(dtype)), [padded(out, x.ndim)], [x]);
    return out;
  },
  backward: (ctx, g) => (g ? g.expand(ctx.state["shape"] as readonly number[]) : null),
});

/** A gradient made to fit: summed down or stretched, and cast (of complex to real: the real part). */
export function fitTo(g: Tensor, shape: readonly number[], dtype: DType): Tensor {
  const part = isComplex(g.dtype) && !isComplex(dtype) ? g.real : g;
  const sized = sameShape(part.shape, shape)
    ? part
    : part.layout.numel < shape.reduce((a, b) => a * b, 1)
      ? part.expand(shape)
      : sumToSize(part, shape);
  return sized.dtype === dtype ? sized : to(sized, dtype);
}
provideFit(fitTo);
