// Linear systems and inverses.
import type { Context } from "../../autograd/function.ts";
import { isComplex } from "../../core/dtype.ts";
import { DTypeError, LinAlgError, ShapeError, showShape } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { eye } from "../create.ts";
import { composite, type Op, primitive } from "../define.ts";
import { dataSync } from "../host.ts";
import { check, each, H, hostOf, T } from "./matrix.ts";

/** @internal X with A X = B for matrices of one batch. */
export const solveMatrix: (a: Tensor, b: Tensor) => Tensor = /*@__PURE__*/ primitive<(a: Tensor, b: Tensor) => Tensor, [Tensor, Tensor]>({
  torch: "_solve",
  params: ["a", "b"],
  forward: (ctx: Context<[Tensor, Tensor]>, a, b) => {
    const [n, m] = [a.shape.at(-1)!, b.shape.at(-1)!];
    const right = Float64Array.from(dataSync(b) as Float64Array);
    const size = n * m * (isComplex(a.dtype) ? 2 : 1);
    const host = hostOf(a);
    const [x] = each(a, [[n, m]], (matrix, i) => {
      const { rows } = host.lu(matrix, n);
      const out = host.luSolve(matrix, rows, n, right.subarray(i * size, (i + 1) * size), m);
      if (!out)
        throw new LinAlgError({
          op: "linalg.solve",
          message: `matrix ${i} of shape ${showShape(a.shape)} is singular`,
          hint: "Use lstsq or pinv for matrices without an inverse",
        });
      return [out];
    });
    ctx.saveForBackward(a, x!);
    return x!;
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const [a, x] = ctx.savedTensors as [Tensor, Tensor];
    const gb = solveMatrix(H(a), g);
    return [gb.matmul(H(x)).neg(), gb];
  },
});
/** X with A X = B; B is a matrix [..., n, m] or vectors [..., n]. @throws LinAlgError when A is singular. @example linalg.solve(tensor([[2, 0.5], [0, 4]]), tensor([3, 4.5])) // => [1.2188, 1.1250] */
export const solve: Op<[B: Tensor, options?: { left?: boolean }]> = /*@__PURE__*/ composite({
  torch: "linalg.solve",
  params: ["input", "B", "left?"],
  forward: (a: Tensor, b: Tensor, left = true) => {
    check("linalg.solve", a);
    if (a.dtype !== b.dtype)
      throw new DTypeError({
        op: "linalg.solve",
        message: `A is ${a.dtype} ${showShape(a.shape)}, B ${b.dtype} ${showShape(b.shape)}`,
        hint: "Cast one so that both have the same dtype",
      });
    if (!left) return T(solve(T(a), T(b)));
    const vector = b.ndim === 1 || (b.ndim === a.ndim - 1 && showShape(b.shape) === showShape(a.shape.slice(0, -1)));
    const right = vector ? b.unsqueeze(-1) : b;
    if (right.shape.at(-2) !== a.shape.at(-1))
      throw new ShapeError({
        op: "linalg.solve",
        message: `A ${showShape(a.shape)}, B ${showShape(b.shape)}`,
        hint: "B needs as many rows as A",
      });
    const lead = (a.ndim >= right.ndim ? a.shape : right.shape)
      .slice(0, -2)
      .map((n, d, all) => Math.max(n, a.shape[d - all.length + a.ndim - 2] ?? 1, right.shape[d - all.length + right.ndim - 2] ?? 1));
    const x = solveMatrix(a.expand([...lead, ...a.shape.slice(-2)]), right.expand([...lead, ...right.shape.slice(-2)]));
    return vector ? x.squeeze(-1) : x;
  },
});
/** The inverse. @throws LinAlgError when it has none. @example linalg.inv(tensor([[2., 0.5], [0, 4]])) // => [[0.5, -0.0625], [0, 0.25]] */
export const inv: Op<[]> = /*@__PURE__*/ composite({
  torch: "linalg.inv",
  params: ["input"],
  forward: (a: Tensor) => {
    check("linalg.inv", a);
    return solveMatrix(a, eye(a.shape.at(-1)!, { dtype: a.dtype, device: a.device }).expand(a.shape));
  },
});
