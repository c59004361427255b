// Determinants.
import type { Context } from "../../autograd/function.ts";
import type { Tensor } from "../../core/tensor.ts";
import * as host from "../../kernel/host/matrix.ts";
import { eye } from "../create.ts";
import { composite, type Op, primitive } from "../define.ts";
import { svd } from "./eigen.ts";
import { check, each, T } from "./matrix.ts";
import { inv } from "./solve.ts";

const factors = (a: Tensor): [Tensor, Tensor] => {
  const n = a.shape.at(-1)!;
  const [sign, log] = each(a, [[], []], (m) => {
    const { sign: s } = host.lu(m, n);
    let [p, l] = [s, 0];
    for (let i = 0; i < n; i++) {
      p *= Math.sign(m[i * n + i]!);
      l += Math.log(Math.abs(m[i * n + i]!));
    }
    return [Float64Array.of(p), Float64Array.of(l)];
  });
  return [sign!, log!];
};
/** The determinant. @example linalg.det(tensor([[2., 0.5], [0, 4]])) // => 8 */
export const det: Op<[]> = /*@__PURE__*/ primitive({
  torch: "linalg.det",
  params: ["input"],
  forward: (ctx: Context<[Tensor]>, a: Tensor) => {
    check("linalg.det", a);
    const n = a.shape.at(-1)!;
    ctx.saveForBackward(a);
    return each(a, [[]], (m) => {
      let { sign: p } = host.lu(m, n);
      for (let i = 0; i < n; i++) p *= m[i * n + i]!;
      return [Float64Array.of(p)];
    })[0]!;
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
    return g
      .mul(det(U.detach()).mul(det(Vh.detach())))
      .unsqueeze(-1)
      .unsqueeze(-1)
      .mul(U.mul(others.unsqueeze(-2)).matmul(Vh));
  },
});
const logAbsDet = /*@__PURE__*/ primitive<(a: Tensor) => Tensor[], [Tensor]>({
  torch: "_slogdet",
  params: ["input"],
  forward: (ctx: Context<[Tensor]>, a) => {
    const [s, l] = factors(a);
    ctx.saveForBackward(a);
    ctx.markNonDifferentiable(s);
    return [s, l];
  },
  backward: (ctx, _s, g) =>
    g
      ? g
          .unsqueeze(-1)
          .unsqueeze(-1)
          .mul(T(inv(ctx.savedTensors[0]!)))
      : null,
});
/**
 * Sign and logarithm of |det| of matrices [..., n, n], as `{ sign, logabsdet }`.
 * @example linalg.slogdet(tensor([[2, 0.5], [0, 4]])).logabsdet // => 2.0794
 */
export const slogdet: Op<[], { sign: Tensor; logabsdet: Tensor } & Iterable<Tensor>> = /*@__PURE__*/ composite({
  torch: "linalg.slogdet",
  params: ["input"],
  forward: (a: Tensor) => {
    check("linalg.slogdet", a);
    const [sign, logabsdet] = logAbsDet(a) as [Tensor, Tensor];
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
