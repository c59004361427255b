// The QR factors.
import type { Context } from "../../autograd/function.ts";
import { LinAlgError, ValueError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { composite, type Op, primitive } from "../define.ts";
import { check, diag, each, H, hostOf } from "./matrix.ts";
import { pad } from "../vision.ts";
import { solveMatrix } from "./solve.ts";

const halfDiagonal = (x: Tensor): Tensor => diag(x.diagonal(0, -2, -1).real.mul(0.5));

const qrFactors = /*@__PURE__*/ primitive<(a: Tensor, complete: boolean) => Tensor[], [Tensor, boolean]>({
  torch: "_qr",
  params: ["input", "complete"],
  forward: (ctx: Context<[Tensor, boolean]>, a, complete) => {
    const [m, n] = a.shape.slice(-2) as [number, number];
    const k = complete ? m : Math.min(m, n);
    const shapes = [
      [m, k],
      [k, n],
    ];
    const outs = each(a, shapes, (x) => {
      const f = hostOf(a).qr(x, m, n, k);
      return [f.q, f.r];
    });
    ctx.saveForBackward(...outs);
    return outs;
  },
  // Walter, Lehmann & Lamour 2012; for wide matrices the gradient goes through the leading square block.
  backward: (ctx, gq, gr) => {
    const [q, r] = ctx.savedTensors as [Tensor, Tensor];
    const [m, n] = [q.shape.at(-2)!, r.shape.at(-1)!];
    if (q.shape.at(-1)! > n)
      throw new LinAlgError({
        op: "linalg.qr",
        message: `no gradient for the complete QR of [${m}, ${n}]: the last columns of Q are arbitrary`,
        hint: 'Use mode "reduced"',
      });
    const fromR = gr ? gr.matmul(H(r)) : null;
    const fromQ = gq ? H(q).matmul(gq) : null;
    const w = fromR && fromQ ? fromR.sub(fromQ) : (fromR ?? fromQ!.neg());
    const overR = (x: Tensor): Tensor => H(solveMatrix(r.narrow(-1, 0, r.shape.at(-2)!), H(x))); // x R⁻ᴴ
    if (m >= n) {
      const upper = w.triu();
      const x = q.matmul(upper.add(H(upper)).sub(halfDiagonal(upper).mul(2)));
      return overR(gq ? gq.add(x) : x);
    }
    const lower = H(w).sub(w).tril();
    const x = q.matmul(overR(lower.sub(diag(lower.diagonal(0, -2, -1).mul(0.5)))));
    const g = pad(x, [0, n - m]);
    return gr ? g.add(q.matmul(gr)) : g;
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
  params: ["input", "mode?: reduced|complete|r"],
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
