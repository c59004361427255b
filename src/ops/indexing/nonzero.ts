// The positions of non-zero elements.
import { layoutOf } from "../../core/layout.ts";
import type { Tensor } from "../../core/tensor.ts";
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
/** @internal One vector of positions a dimension. */
export function nonzeroParts(x: Tensor): Tensor[] {
  const values = dataSync(x.detach().ne(0)) as Uint8Array;
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
