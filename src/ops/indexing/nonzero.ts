// The positions of non-zero elements.
import { layoutOf } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { Backend } from "../../kernel/backend.ts";
import { fused } from "../../kernel/fused.ts";
import { tensor } from "../create.ts";
import { composite, type Op } from "../define.ts";
import { dataSync } from "../host.ts";
import { allocate, launch, window } from "../launch.ts";

/** The positions of non-zero elements, one row each; with `{ asTuple: true }` one vector a dimension. @example nonzero(tensor([0, 5, 6])) // => [[1], [2]] */
export const nonzero: Op<[options?: { asTuple?: boolean }], Tensor> = /*@__PURE__*/ composite({
  torch: "nonzero",
  params: ["input", "asTuple?"],
  differentiable: false,
  forward: (x: Tensor, asTuple = false) => {
    if (asTuple && x.ndim === 0) return nonzeroParts(x.reshape([1]));
    const parts = nonzeroParts(x);
    if (asTuple) return parts;
    const n = parts[0]?.layout.numel ?? (x.detach().ne(0).itemSync() ? 1 : 0);
    const out = allocate([n, x.ndim], "int64", x.storage.device);
    parts.forEach((p, d) => {
      if (n > 0) launch("nonzero", { kind: "copy" }, [window(out, layoutOf([n], [x.ndim], d))], [p]);
    });
    return out;
  },
});
const LOW = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 0 : 1;
// Flat positions as one vector a dimension.
function unravelled(flat: Tensor, shape: readonly number[]): Tensor[] {
  const parts: Tensor[] = [];
  let rest = flat;
  for (let d = shape.length - 1; d > 0; d--) {
    const above = rest.floorDivide(shape[d]!);
    parts.unshift(rest.sub(above.mul(shape[d]!)));
    rest = above;
  }
  return shape.length > 0 ? [rest, ...parts] : parts;
}
/** @internal One vector of positions a dimension. */
export function nonzeroParts(x: Tensor): Tensor[] {
  const mask = x.dtype === "bool" && x.layout.contiguous ? x.detach() : x.detach().ne(0).contiguous();
  if ((mask.storage.device as Backend).has(fused("nonzero"), "bool")) {
    const flat = allocate([Number(mask.sum().itemSync())], "int64", mask.storage.device);
    if (flat.layout.numel > 0) launch("nonzero", fused("nonzero"), [flat], [mask]);
    return unravelled(flat, x.shape);
  }
  const values = dataSync(mask) as Uint8Array;
  let count = 0;
  for (let i = 0; i < values.length; i++) count += values[i]!;
  // Every position is written, and the next one over it unless it counts: half of the branches would be guessed wrong.
  const flat = new Int32Array(count + 1);
  for (let i = 0, k = 0; i < values.length; i++) {
    flat[k] = i;
    k += values[i]!;
  }
  // Positions are below 2^31: the lower halves of int64 are written as such, a BigInt each would be slow.
  const out = x.shape.map(() => new BigInt64Array(count));
  for (let d = x.ndim - 1; d >= 0; d--) {
    const half = new Int32Array(out[d]!.buffer);
    const n = d > 0 ? x.shape[d]! : 0;
    for (let i = 0, k = LOW; i < count; i++, k += 2) {
      const rest = flat[i]!;
      const above = n > 0 ? (rest / n) | 0 : 0;
      half[k] = rest - above * n;
      flat[i] = above;
    }
  }
  return out.map((p) => tensor(p, { device: x.device }));
}
