// Eigenvalues of symmetric matrices and singular values.
import type { Context } from "../../autograd/function.ts";
import { ValueError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import * as host from "../../kernel/host/matrix.ts";
import { composite, type Op, primitive } from "../define.ts";
import { check, each, T, diag } from "./matrix.ts";

// 1 / (v_j - v_i) off the diagonal, 0 on it.
const gaps = (v: Tensor): Tensor => {
  const d = v.unsqueeze(-2).sub(v.unsqueeze(-1));
  return d.reciprocal().where(d.ne(0), 0);
};
const symmetricFactors = /*@__PURE__*/ primitive<(a: Tensor, upper: boolean) => Tensor[], [Tensor, boolean]>({
  torch: "_eigh",
  params: ["input", "upper"],
  forward: (ctx: Context<[Tensor, boolean]>, a, upper) => {
    const n = a.shape.at(-1)!;
    const [values, vectors] = each(a, [[n], [n, n]], (m) => {
      for (let i = 0; i < n; i++)
        for (let j = 0; j < i; j++)
          if (upper) m[i * n + j] = m[j * n + i]!;
          else m[j * n + i] = m[i * n + j]!;
      const r = host.eigh(m, n);
      return [r.values, r.vectors];
    });
    ctx.saveForBackward(values!, vectors!);
    return [values!, vectors!];
  },
  backward: (ctx, gl, gv) => {
    const [l, v] = ctx.savedTensors as [Tensor, Tensor];
    let inner = gl ? diag(gl) : v.mul(0);
    if (gv) inner = inner.add(T(v).matmul(gv).mul(gaps(l)));
    return v.matmul(inner).matmul(T(v));
  },
});
/**
 * Eigenvalues (ascending) and eigenvectors (columns) of symmetric matrices [..., n, n]; only the triangle `UPLO` is read.
 * @throws ShapeError, DTypeError, ValueError
 * @example linalg.eigh(tensor([[2, 1.5], [1.5, 2]])).eigenvalues // => [0.5, 3.5]
 */
export const eigh: Op<[UPLO?: "L" | "U" | { UPLO?: "L" | "U" }], { eigenvalues: Tensor; eigenvectors: Tensor } & Iterable<Tensor>> =
  /*@__PURE__*/ composite({
    torch: "linalg.eigh",
    params: ["input", "UPLO"],
    forward: (a: Tensor, uplo = "L") => {
      check("linalg.eigh", a);
      if (!/^[LU]$/i.test(uplo))
        throw new ValueError({ op: "linalg.eigh", message: `UPLO is ${JSON.stringify(uplo)}`, hint: 'Use "L" or "U"' });
      const [eigenvalues, eigenvectors] = symmetricFactors(a, /u/i.test(uplo)) as [Tensor, Tensor];
      return {
        eigenvalues,
        eigenvectors,
        *[Symbol.iterator]() {
          yield eigenvalues;
          yield eigenvectors;
        },
      };
    },
  });
/** Eigenvalues of symmetric matrices, ascending. @example linalg.eigvalsh(tensor([[2, 1.5], [1.5, 2]])) // => [0.5, 3.5] */
export const eigvalsh: Op<[UPLO?: "L" | "U" | { UPLO?: "L" | "U" }]> = /*@__PURE__*/ composite({
  torch: "linalg.eigvalsh",
  params: ["input", "UPLO"],
  forward: (a: Tensor, uplo: "L" | "U" = "L") => eigh(a, uplo).eigenvalues,
});

const singular = /*@__PURE__*/ primitive<(a: Tensor, full: boolean) => Tensor[], [Tensor, boolean]>({
  torch: "_svd",
  params: ["input", "full"],
  forward: (ctx: Context<[Tensor, boolean]>, a, full) => {
    const [m, n] = a.shape.slice(-2) as [number, number];
    const k = Math.min(m, n);
    const [mu, nv] = full ? [m, n] : [k, k];
    const outs = each(a, [[m, mu], [k], [nv, n]], (x) => {
      const r = host.svd(x, m, n);
      return [Float64Array.from({ length: m * mu }, (_, i) => r.u[Math.floor(i / mu) * m + (i % mu)]!), r.s, r.vt.subarray(0, nv * n)];
    });
    ctx.saveForBackward(...outs);
    return outs;
  },
  backward: (ctx, gu, gs, gvh) => {
    const [uf, s, vf] = ctx.savedTensors as [Tensor, Tensor, Tensor];
    const k = s.shape.at(-1)!;
    const [u, vh] = [uf.narrow(-1, 0, k), vf.narrow(-2, 0, k)];
    const [U, V] = [gu ? gu.narrow(-1, 0, k) : null, gvh ? T(gvh.narrow(-2, 0, k)) : null];
    const v = T(vh);
    const squares = gaps(s.square());
    let inner = gs ? diag(gs) : T(u).matmul(u).mul(0);
    const skew = (x: Tensor): Tensor => x.sub(T(x));
    if (U) inner = inner.add(skew(T(u).matmul(U)).mul(squares).mul(s.unsqueeze(-2)));
    if (V) inner = inner.add(skew(T(v).matmul(V)).mul(squares).mul(s.unsqueeze(-1)));
    let g = u.matmul(inner).matmul(vh);
    if (U && u.shape.at(-2)! > k)
      g = g.add(
        U.sub(u.matmul(T(u).matmul(U)))
          .div(s.unsqueeze(-2))
          .matmul(vh),
      );
    if (V && v.shape.at(-2)! > k) g = g.add(u.matmul(T(V.sub(v.matmul(T(v).matmul(V))).div(s.unsqueeze(-2)))));
    return g;
  },
});
/**
 * U diag(S) Vh = A of [..., m, n], singular values descending; square U and Vh with `fullMatrices` (default).
 * @throws ShapeError, DTypeError
 * @example linalg.svd(tensor([[3, 0], [0, 4.5]])).S // => [4.5, 3]
 */
export const svd: Op<
  [fullMatrices?: boolean | { fullMatrices?: boolean; driver?: string | null }],
  { U: Tensor; S: Tensor; Vh: Tensor } & Iterable<Tensor>
> = /*@__PURE__*/ composite({
  torch: "linalg.svd",
  params: ["input", "fullMatrices", "driver"],
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
  params: ["input", "driver"],
  forward: (a: Tensor) => {
    check("linalg.svdvals", a, false);
    return singular(a, false)[1];
  },
});
