// Singular values and vectors.
import type { Context } from "../../autograd/function.ts";
import { isComplex } from "../../core/dtype.ts";
import type { Tensor } from "../../core/tensor.ts";
import { composite, type Op, primitive } from "../define.ts";
import { checkPhase, gaps } from "./eigh.ts";
import { check, checkFinite, diag, each, H, hostOf } from "./matrix.ts";

const singular = /*@__PURE__*/ primitive<(a: Tensor, full: boolean) => Tensor[], [Tensor, boolean]>({
  torch: "_svd",
  params: ["input", "full"],
  forward: (ctx: Context<[Tensor, boolean]>, a, full) => {
    const [m, n] = a.shape.slice(-2) as [number, number];
    const k = Math.min(m, n);
    const outs = each(
      a,
      [[m, full ? m : k], [k], [full ? n : k, n]],
      (x, at) => {
        checkFinite("linalg.svd", x, at, a.shape);
        const r = hostOf(a).svd(x, m, n, full);
        return [r.u, r.s, r.vh];
      },
      [1],
    );
    ctx.saveForBackward(...outs);
    return outs;
  },
  backward: (ctx, gu, gs, gvh) => {
    const [uf, s, vf] = ctx.savedTensors as [Tensor, Tensor, Tensor];
    const k = s.shape.at(-1)!;
    const [u, vh] = [uf.narrow(-1, 0, k), vf.narrow(-2, 0, k)];
    const [U, V] = [gu ? gu.narrow(-1, 0, k) : null, gvh ? H(gvh.narrow(-2, 0, k)) : null];
    const v = H(vh);
    const squares = gaps(s.square());
    let inner = gs ? diag(gs).to(u.dtype) : H(u).matmul(u).mul(0);
    const skew = (x: Tensor): Tensor => x.sub(H(x));
    const [turnU, turnV] = [U ? skew(H(u).matmul(U)) : null, V ? skew(H(v).matmul(V)) : null];
    if (isComplex(u.dtype)) {
      const spins = [turnU, turnV].flatMap((t) => (t ? [t.diagonal(0, -2, -1)] : []));
      if (spins.length) checkPhase("linalg.svd", spins.reduce((a, b) => a.add(b)).imag);
      if (turnU) inner = inner.add(diag(turnU.diagonal(0, -2, -1).div(s.mul(2))));
    }
    if (turnU) inner = inner.add(turnU.mul(squares).mul(s.unsqueeze(-2)));
    if (turnV) inner = inner.add(turnV.mul(squares).mul(s.unsqueeze(-1)));
    let g = u.matmul(inner).matmul(vh);
    if (U && u.shape.at(-2)! > k)
      g = g.add(
        U.sub(u.matmul(H(u).matmul(U)))
          .div(s.unsqueeze(-2))
          .matmul(vh),
      );
    if (V && v.shape.at(-2)! > k) g = g.add(u.matmul(H(V.sub(v.matmul(H(v).matmul(V))).div(s.unsqueeze(-2)))));
    return g;
  },
});
/**
 * U diag(S) Vh = A of [..., m, n], singular values descending; square U and Vh with `fullMatrices` (default).
 * @throws ShapeError, DTypeError, LinAlgError for infinities and NaN
 * @example linalg.svd(tensor([[3, 0], [0, 4.5]])).S // => [4.5, 3]
 */
export const svd: Op<
  [fullMatrices?: boolean | { fullMatrices?: boolean; driver?: string | null }],
  { U: Tensor; S: Tensor; Vh: Tensor } & Iterable<Tensor>
> = /*@__PURE__*/ composite({
  torch: "linalg.svd",
  params: ["input", "fullMatrices?", "driver?: text"],
  forward: (a: Tensor, full = true) => {
    check("linalg.svd", a, false);
    const [U, S, Vh] = singular(a, full) as [Tensor, Tensor, Tensor];
    return {
      U,
      S,
      Vh,
      *[Symbol.iterator]() {
        yield U;
        yield S;
        yield Vh;
      },
    };
  },
});
/** Singular values, descending. @example linalg.svdvals(tensor([[1.5, 0], [0, 2]])) // => [2, 1.5] */
export const svdvals: Op<[options?: { driver?: string | null }]> = /*@__PURE__*/ composite({
  torch: "linalg.svdvals",
  params: ["input", "driver?: text"],
  forward: (a: Tensor) => {
    check("linalg.svdvals", a, false);
    return singular(a, false)[1];
  },
});
