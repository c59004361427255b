// What indexing ops share: the gather kernel and how an index is checked and laid over a tensor.
import { DTypeError, showShape } from "../../core/errors.ts";
import { layoutOf } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { ScatterSpec } from "../../kernel/spec.ts";
import { rawCopy } from "../copy.ts";
import { launch, window } from "../launch.ts";

/** @internal The spec of gather kernels. */
export const GATHER = { kind: "gather" } as const;
/** @internal How scattered values meet what is there. */
export type Mode = ScatterSpec["mode"];

/** @internal Refuses what is no integer index. */
export function checkIndex(op: string, index: Tensor): Tensor {
  if (index.layout.numel === 0 && index.dtype !== "int64") return rawCopy(index, "int64");
  if (index.dtype !== "int64" && index.dtype !== "int32")
    throw new DTypeError({
      op,
      message: `the index of shape ${showShape(index.shape)} is ${index.dtype}`,
      hint: 'Indices are int64: use .to("int64")',
    });
  return index;
}

/** Layout of `x` over an index of shape `shape` along `dim`: the indexed dimension stands still, the index moves. */
export const over = (x: Tensor, shape: readonly number[], dim: number): ReturnType<typeof window> =>
  window(
    x,
    layoutOf(
      shape,
      x.layout.strides.map((s, d) => (d === dim ? 0 : s)),
      x.layout.offset,
    ),
  );

/** @internal A scalar as a vector of one element. */
export const asVector = (t: Tensor): Tensor => (t.ndim === 0 ? t.reshape([1]) : t);

/** @internal Source elements to where the index says along `d`, in memory that nobody else has seen. */
export function rawScatter(into: Tensor, d: number, index: Tensor, src: Tensor, mode: Mode): void {
  if (index.layout.numel === 0) return;
  const part = window(src, layoutOf(index.shape, src.layout.strides, src.layout.offset));
  launch(
    "scatter",
    { kind: "scatter", mode, fresh: true },
    [over(into, index.shape, d)],
    [part, index],
    [into.shape[d] ?? 1, into.layout.strides[d] ?? 1],
  );
}
