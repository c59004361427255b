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
/** @internal One vector of positions a dimension. */
export function nonzeroParts(x: Tensor): Tensor[] {
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
