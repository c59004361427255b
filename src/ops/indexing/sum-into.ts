// What gradients of lookups are made of.
import type { Tensor } from "../../core/tensor.ts";
import { zeros } from "../create.ts";
import { primitive } from "../define.ts";
import { asVector, rawScatter } from "./kernel.ts";

/** @internal Zeros of `shape` with `src[i…]` added at `index[i…]` along `dim`: what gradients of lookups are. */
export const sumInto: (src: Tensor, dim: number, index: Tensor, shape: readonly number[]) => Tensor = /*@__PURE__*/ primitive<
  (src: Tensor, dim: number, index: Tensor, shape: readonly number[]) => Tensor,
  [Tensor, number, Tensor, readonly number[]]
>({
  torch: "_sum_into",
  params: ["input", "dim", "index", "shape"],
  forward: (ctx, src, dim, index, shape) => {
    ctx.saveForBackward(index);
    const out = zeros(shape, { dtype: src.dtype, device: src.device });
    rawScatter(asVector(out), dim, asVector(index), asVector(src), "add");
    return out;
  },
  backward: (ctx, g) => (g ? g.gather(ctx.args[1], ctx.savedTensors[0]!) : null),
});
