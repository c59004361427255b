// Eigenvalues of symmetric and Hermitian matrices.
import type { Context } from "../../autograd/function.ts";
import { isComplex } from "../../core/dtype.ts";
import { AutogradError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { composite, type Op, primitive } from "../define.ts";
import { check, checkFinite, diag, each, H, hostOf } from "./matrix.ts";

/** @internal 1 / (v_j - v_i) off the diagonal, 0 on it. */
export const gaps = (v: Tensor): Tensor => {
  const d = v.unsqueeze(-2).sub(v.unsqueeze(-1));
  return d.reciprocal().where(d.ne(0), 0);
};
/** @internal Complex vectors are known up to a phase: refuses the gradient `spin` (an imaginary diagonal) of a function of that phase. */
export function checkPhase(op: string, spin: Tensor): void {
  if (spin.device !== "meta" && spin.layout.numel > 0 && spin.detach().abs().max().itemSync() > 1e-2)
    throw new AutogradError({
      op,
      message: "the result depends on the phase of complex vectors, which is arbitrary",
      hint: "Use a function that e^(iφ) times a vector does not change",
    });
}

const symmetricFactors = /*@__PURE__*/ primitive<(a: Tensor, upper: boolean) => Tensor[], [Tensor, boolean]>({
  torch: "_eigh",
  params: ["input", "upper"],
  forward: (ctx: Context<[Tensor, boolean]>, a, upper) => {
    const n = a.shape.at(-1)!;
    const outs = each(
      a,
      [[n], [n, n]],
      (m, at) => {
        checkFinite("linalg.eigh", m, at, a.shape);
        const r = hostOf(a).eigh(m, n, upper);
        return [r.values, r.vectors];
      },
      [0],
    );
    ctx.saveForBackward(...outs);
    return outs;
  },
  backward: (ctx, gl, gv) => {
    const [l, v] = ctx.savedTensors as [Tensor, Tensor];
    let inner = gl ? diag(gl).to(v.dtype) : v.mul(0);
    if (gv) {
      const turn = H(v).matmul(gv);
      if (isComplex(v.dtype)) checkPhase("linalg.eigh", turn.diagonal(0, -2, -1).imag);
      // Vectors move by V times a skew-Hermitian matrix: the other part of the gradient has no effect.
      inner = inner.add(turn.sub(H(turn)).mul(0.5).mul(gaps(l)));
    }
    return v.matmul(inner).matmul(H(v));
  },
});
/**
 * Eigenvalues (ascending) and eigenvectors (columns) of symmetric or Hermitian matrices [..., n, n]; only the triangle `UPLO` is read.
 * @throws ShapeError, DTypeError, ValueError, LinAlgError for infinities and NaN
 * @example linalg.eigh(tensor([[2, 1.5], [1.5, 2]])).eigenvalues // => [0.5, 3.5]
 */
export const eigh: Op<[UPLO?: "L" | "U" | { UPLO?: "L" | "U" }], { eigenvalues: Tensor; eigenvectors: Tensor } & Iterable<Tensor>> =
  /*@__PURE__*/ composite({
    torch: "linalg.eigh",
    params: ["input", "UPLO?: L|U|l|u"],
    forward: (a: Tensor, uplo = "L") => {
      check("linalg.eigh", a);
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
/** Eigenvalues of symmetric or Hermitian matrices, ascending. @example linalg.eigvalsh(tensor([[2, 1.5], [1.5, 2]])) // => [0.5, 3.5] */
export const eigvalsh: Op<[UPLO?: "L" | "U" | { UPLO?: "L" | "U" }]> = /*@__PURE__*/ composite({
  torch: "linalg.eigvalsh",
  params: ["input", "UPLO?: L|U|l|u"],
  forward: (a: Tensor, uplo: "L" | "U" = "L") => eigh(a, uplo).eigenvalues,
});
