// The Cholesky factor.
import type { Context } from "../../autograd/function.ts";
import { LinAlgError, showShape } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { composite, type Op, primitive } from "../define.ts";
import { check, each, H, hostOf } from "./matrix.ts";
import { solveMatrix } from "./solve.ts";

const lower: (a: Tensor, upper: boolean) => Tensor = /*@__PURE__*/ primitive<(a: Tensor, upper: boolean) => Tensor, [Tensor, boolean]>({
  torch: "_cholesky",
  params: ["input", "upper"],
  forward: (ctx: Context<[Tensor, boolean]>, a, upper) => {
    const n = a.shape.at(-1)!;
    const l = each(upper ? H(a) : a, [[n, n]], (m, i) => {
      const r = hostOf(a).cholesky(m, n);
      if (!r)
        throw new LinAlgError({
          op: "linalg.cholesky",
          message: `matrix ${i} of shape ${showShape(a.shape)} is not positive definite`,
          hint: "Add a small multiple of the identity",
        });
      return [r];
    })[0]!;
    ctx.saveForBackward(l);
    return l;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const l = ctx.savedTensors[0]!;
    const p = H(l).matmul(g).tril();
    const phi = p.add(H(p.tril(-1))).mul(0.5);
    return H(solveMatrix(H(l), H(solveMatrix(H(l), phi)))); // L⁻ᴴ Φ L⁻¹
  },
});
/**
 * L with L Lᴴ = A, a lower triangle (or U with Uᴴ U = A), of symmetric or Hermitian positive definite matrices [..., n, n].
 * @throws LinAlgError when A is not positive definite
 * @example linalg.cholesky(tensor([[4, 2], [2, 3.25]])) // => [[2, 0], [1, 1.5]]
 */
export const cholesky: Op<[options?: { upper?: boolean }]> = /*@__PURE__*/ composite({
  torch: "linalg.cholesky",
  params: ["input", "upper?"],
  forward: (a: Tensor, upper = false) => {
    check("linalg.cholesky", a);
    return upper ? H(lower(a, true)) : lower(a, false);
  },
});
