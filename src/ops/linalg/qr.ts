// The QR factors.
import type { Context } from "../../autograd/function.ts";
import { LinAlgError, ValueError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import * as host from "../../kernel/host/matrix.ts";
import { composite, type Op, primitive } from "../define.ts";
import { check, each, T } from "./matrix.ts";
import { solveMatrix } from "./solve.ts";

const qrFactors = /*@__PURE__*/ primitive<(a: Tensor, complete: boolean) => Tensor[], [Tensor, boolean]>({
  torch: "_qr",
  params: ["input", "complete"],
  forward: (ctx: Context<[Tensor, boolean]>, a, complete) => {
    const [m, n] = a.shape.slice(-2) as [number, number];
    const k = complete ? m : Math.min(m, n);
    const [q, r] = each(
      a,
      [
        [m, k],
        [k, n],
      ],
      (x) => {
        const f = host.qr(x, m, n);
        return [Float64Array.from({ length: m * k }, (_, i) => f.q[Math.floor(i / k) * m + (i % k)]!), f.r.subarray(0, k * n)];
      },
    );
    ctx.saveForBackward(q!, r!);
    return [q!, r!];
  },
  backward: (ctx, gq, gr) => {
    const [q, r] = ctx.savedTensors as [Tensor, Tensor];
    const [m, n] = [q.shape.at(-2)!, r.shape.at(-1)!];
    if (q.shape.at(-1) !== r.shape.at(-1))
      throw new LinAlgError({
        op: "linalg.qr",
        message: `no gradient for the QR of [${m}, ${n}] in this mode`,
        hint: "It exists for reduced factors with as many rows as columns or more",
      });
    const zero = (t: Tensor, like: Tensor): Tensor => t ?? like.mul(0);
    const [g1, g2] = [zero(gq as Tensor, q), zero(gr as Tensor, r)];
    const w = r.matmul(T(g2)).sub(T(g1).matmul(q));
    const symmetric = w.tril().add(T(w.tril(-1)));
    return T(solveMatrix(r, T(g1.add(q.matmul(symmetric)))));
  },
});
/**
 * Q R = A of [..., m, n]: orthonormal columns times an upper triangle. `mode`: `"reduced"` (default), `"complete"` or `"r"`.
 * @throws ShapeError, DTypeError, ValueError
 * @example linalg.qr(tensor([[3, 1.5], [4, 2]])).R.abs() // => [[5, 2.5], [0, 0]]
 */
export const qr: Op<
  [mode?: "reduced" | "complete" | "r" | { mode?: "reduced" | "complete" | "r" }],
  { Q: Tensor; R: Tensor } & Iterable<Tensor>
> = /*@__PURE__*/ composite({
  torch: "linalg.qr",
  params: ["input", "mode"],
  forward: (a: Tensor, mode = "reduced") => {
    check("linalg.qr", a, false);
    if (!["reduced", "complete", "r"].includes(mode))
      throw new ValueError({ op: "linalg.qr", message: `mode is ${JSON.stringify(mode)}`, hint: "Use reduced, complete or r" });
    const [q, R] = qrFactors(a, mode === "complete") as [Tensor, Tensor];
    const Q = mode === "r" ? q.detach().newEmpty([0]) : q;
    return {
      Q,
      R,
      *[Symbol.iterator]() {
        yield Q;
        yield R;
      },
    };
  },
});
