// Determinants.
import type { Context } from "../../autograd/function.ts";
import { isComplex } from "../../core/dtype.ts";
import type { Tensor } from "../../core/tensor.ts";
import { complexScalar, eye } from "../create.ts";
import { composite, type Op, primitive } from "../define.ts";
import { check, each, H, hostOf } from "./matrix.ts";
import { inv } from "./solve.ts";
import { svd } from "./svd.ts";

const overMatrix = (x: Tensor): Tensor => x.unsqueeze(-1).unsqueeze(-1);

/** The determinant. @example linalg.det(tensor([[2., 0.5], [0, 4]])) // => 8 */
export const det: Op<[]> = /*@__PURE__*/ primitive({
  torch: "linalg.det",
  params: ["input"],
  forward: (ctx: Context<[Tensor]>, a: Tensor) => {
    check("linalg.det", a);
    ctx.saveForBackward(a);
    return each(a, [[]], (m) => [hostOf(a).det(m, a.shape.at(-1)!)])[0]!;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    // The cofactors by singular values: they exist for singular matrices too.
    const a = ctx.savedTensors[0]!;
    const { U, S, Vh } = svd(a);
    const n = a.shape.at(-1)!;
    const others = S.unsqueeze(-2)
      .expand([...S.shape, n])
      .maskedFill(eye(n, { dtype: "bool", device: a.device }), 1)
      .prod(-1);
    const phase = det(U.detach()).mul(det(Vh.detach())).conj();
    return overMatrix(g.mul(phase)).mul(U.mul(others.unsqueeze(-2)).matmul(Vh));
  },
});
const signAndLog = /*@__PURE__*/ primitive<(a: Tensor) => Tensor[], [Tensor]>({
  torch: "_slogdet",
  params: ["input"],
  forward: (ctx: Context<[Tensor]>, a) => {
    const [sign, log] = each(a, [[], []], (m) => hostOf(a).slogdet(m, a.shape.at(-1)!), [1]);
    ctx.saveForBackward(a, sign!);
    if (!isComplex(a.dtype)) ctx.markNonDifferentiable(sign!);
    return [sign!, log!];
  },
  backward: (ctx, gs, gl) => {
    const [a, sign] = ctx.savedTensors as [Tensor, Tensor];
    // d log det = tr(A⁻¹ dA): its real part moves the logarithm, its imaginary part turns the sign.
    const turn = gs && isComplex(a.dtype) ? gs.conj().mul(sign).imag.mul(complexScalar(0, -1)) : null;
    const g = turn && gl ? turn.add(gl) : (turn ?? gl);
    return g ? overMatrix(g).mul(H(inv(a))) : null;
  },
});
/**
 * Sign and logarithm of |det| of matrices [..., n, n], as `{ sign, logabsdet }`. The sign of a complex determinant is a number of modulus 1.
 * @example linalg.slogdet(tensor([[2, 0.5], [0, 4]])).logabsdet // => 2.0794
 */
export const slogdet: Op<[], { sign: Tensor; logabsdet: Tensor } & Iterable<Tensor>> = /*@__PURE__*/ composite({
  torch: "linalg.slogdet",
  params: ["input"],
  forward: (a: Tensor) => {
    check("linalg.slogdet", a);
    const [sign, logabsdet] = signAndLog(a) as [Tensor, Tensor];
    return {
      sign,
      logabsdet,
      *[Symbol.iterator]() {
        yield sign;
        yield logabsdet;
      },
    };
  },
});
