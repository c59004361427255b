// torch.linalg for real matrices. Factorisations run on the host; their gradients are written in ops.
import type { Context } from "../autograd/function.ts";
import { isComplex, isFloating, type DType } from "../core/dtype.ts";
import { DTypeError, LinAlgError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import { normDim } from "../core/layout.ts";
import type { Tensor } from "../core/tensor.ts";
import * as host from "../kernel/host/matrix.ts";
import { to } from "./copy.ts";
import { eye, tensor } from "./create.ts";
import { composite, type Op, primitive } from "./define.ts";
import { dataSync } from "./host.ts";
import { amax, amin, reduceDims, vectorNorm as rawVectorNorm } from "./reduce.ts";
import type { Dims } from "./shape.ts";

function check(op: string, x: Tensor, square = true): void {
  if (isComplex(x.dtype)) throw new DTypeError({ op, message: `${x.dtype} matrices are not supported`, hint: "Use real matrices" });
  if (!isFloating(x.dtype))
    throw new DTypeError({ op, message: `${x.dtype} of shape ${showShape(x.shape)}`, hint: "Cast with .float() first" });
  if (x.ndim < 2)
    throw new ShapeError({ op, message: `shape ${showShape(x.shape)} is no matrix`, hint: "It needs two dimensions or more" });
  if (square && x.shape.at(-1) !== x.shape.at(-2)) throw new ShapeError({ op, message: `shape ${showShape(x.shape)} is not square` });
}
// Calls f for every matrix of a batch; results are joined into tensors of the given matrix shapes.
function each(x: Tensor, shapes: readonly (readonly number[])[], f: (a: Float64Array, at: number) => Float64Array[]): Tensor[] {
  const lead = x.shape.slice(0, -2);
  const count = lead.reduce((a, b) => a * b, 1);
  const size = x.shape.at(-1)! * x.shape.at(-2)!;
  const values = Float64Array.from(dataSync(x) as Float64Array);
  const outs = shapes.map((s) => new Float64Array(count * s.reduce((a, b) => a * b, 1)));
  for (let i = 0; i < count; i++)
    f(values.slice(i * size, (i + 1) * size), i).forEach((r, k) => {
      outs[k]!.set(r, i * r.length);
    });
  return outs.map((o, k) =>
    tensor(o, { device: x.device })
      .reshape([...lead, ...shapes[k]!])
      .to(x.dtype),
  );
}
const T = (x: Tensor): Tensor => x.transpose(-2, -1);
const diag = (x: Tensor): Tensor => x.diagEmbed();

const solveMatrix: (a: Tensor, b: Tensor) => Tensor = /*@__PURE__*/ primitive<(a: Tensor, b: Tensor) => Tensor, [Tensor, Tensor]>({
  torch: "_solve",
  params: ["a", "b"],
  forward: (ctx: Context<[Tensor, Tensor]>, a, b) => {
    const [n, m] = [a.shape.at(-1)!, b.shape.at(-1)!];
    const right = Float64Array.from(dataSync(b) as Float64Array);
    const [x] = each(a, [[n, m]], (matrix, i) => {
      const { rows } = host.lu(matrix, n);
      const out = host.luSolve(matrix, rows, n, right.subarray(i * n * m, (i + 1) * n * m), m);
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
    const gb = solveMatrix(T(a), g);
    return [gb.matmul(T(x)).neg(), gb];
  },
});
/** X with A X = B; B is a matrix [..., n, m] or vectors [..., n]. @throws LinAlgError when A is singular. @example linalg.solve(tensor([[2, 0.5], [0, 4]]), tensor([3, 4.5])) // => [1.2188, 1.1250] */
export const solve: Op<[B: Tensor, options?: { left?: boolean }]> = /*@__PURE__*/ composite({
  torch: "linalg.solve",
  params: ["input", "B", "left"],
  forward: (a: Tensor, b: Tensor, left = true) => {
    check("linalg.solve", a);
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
/** Sign and logarithm of |det|. */
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

const lower: (a: Tensor) => Tensor = /*@__PURE__*/ primitive<(a: Tensor) => Tensor, [Tensor]>({
  torch: "_cholesky",
  params: ["input"],
  forward: (ctx: Context<[Tensor]>, a) => {
    const n = a.shape.at(-1)!;
    const l = each(a, [[n, n]], (m, i) => {
      const r = host.cholesky(m, n);
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
    const p = T(l).matmul(g).tril();
    const phi = p.sub(diag(p.diagonal(0, -2, -1)).mul(0.5));
    const s = T(solveMatrix(T(l), T(solveMatrix(T(l), phi)))); // L⁻ᵀ Φ L⁻¹
    return s.add(T(s)).mul(0.5);
  },
});
/** L with L Lᵀ = A (or U with Uᵀ U = A). @throws LinAlgError when A is not positive definite. */
export const cholesky: Op<[options?: { upper?: boolean }]> = /*@__PURE__*/ composite({
  torch: "linalg.cholesky",
  params: ["input", "upper"],
  forward: (a: Tensor, upper = false) => {
    check("linalg.cholesky", a);
    return upper ? T(lower(a)) : lower(a);
  },
});

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
/** Q R = A: orthonormal columns times an upper triangle. `mode`: reduced, complete or r. */
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
/** Eigenvalues (ascending) and eigenvectors (columns) of symmetric matrices; one triangle is read. */
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
/** Eigenvalues of symmetric matrices, ascending. */
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
/** U diag(S) Vh = A, singular values descending; square U and Vh with `fullMatrices` (default). */
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
/** Singular values, descending. */
export const svdvals: Op<[options?: { driver?: string | null }]> = /*@__PURE__*/ composite({
  torch: "linalg.svdvals",
  params: ["input", "driver"],
  forward: (a: Tensor) => {
    check("linalg.svdvals", a, false);
    return singular(a, false)[1];
  },
});

/** The p-norm of vectors: of all elements, or along `dim`. @example linalg.vectorNorm(tensor([1.5, 2])) // => 2.5 */
export const vectorNorm: Op<
  [ord?: number | { ord?: number; dim?: Dims; keepdim?: boolean; dtype?: DType }, dim?: Dims, keepdim?: boolean]
> = /*@__PURE__*/ composite({
  torch: "linalg.vector_norm",
  params: ["input", "ord", "dim", "keepdim", "dtype"],
  forward: (x: Tensor, ord = 2, dim?: Dims, keepdim = false, dtype?: DType) =>
    rawVectorNorm(dtype ? to(x, dtype) : x, ord, reduceDims("vectorNorm", x.ndim, dim), keepdim),
});
type Ord = number | "fro" | "nuc";
/** A matrix norm over two dimensions: `"fro"`, `"nuc"`, ±Infinity, ±1, ±2. */
export const matrixNorm: Op<
  [ord?: Ord | { ord?: Ord; dim?: readonly number[]; keepdim?: boolean; dtype?: DType }, dim?: readonly number[], keepdim?: boolean]
> = /*@__PURE__*/ composite({
  torch: "linalg.matrix_norm",
  params: ["input", "ord", "dim", "keepdim", "dtype"],
  forward: (input: Tensor, ord: Ord = "fro", dim: readonly number[] = [-2, -1], keepdim = false, dtype?: DType) => {
    const x = dtype ? to(input, dtype) : input;
    if (!isFloating(x.dtype) && !isComplex(x.dtype))
      throw new DTypeError({
        op: "linalg.matrixNorm",
        message: `${x.dtype} of shape ${showShape(x.shape)}`,
        hint: "Cast with .float() first",
      });
    if (dim.length !== 2 || x.ndim < 2)
      throw new ShapeError({
        op: "linalg.matrixNorm",
        message: `dim ${showShape(dim)} of shape ${showShape(x.shape)}`,
        hint: "Name two dimensions",
      });
    const [r, c] = dim.map((d) => normDim(d, x.ndim, "linalg.matrixNorm")) as [number, number];
    if (r === c) throw new ValueError({ op: "linalg.matrixNorm", message: `dim ${showShape(dim)} names one dimension twice` });
    const wide = (t: Tensor): Tensor => (keepdim ? t.reshape(x.shape.map((n, d) => (d === r || d === c ? 1 : n))) : t);
    if (ord === "fro") return rawVectorNorm(x, 2, [Math.min(r, c), Math.max(r, c)], keepdim);
    if (ord === "nuc" || Math.abs(ord) === 2) {
      const s = svdvals(x.movedim([r, c], [-2, -1]));
      return wide(ord === "nuc" ? s.sum(-1) : ord > 0 ? amax(s, -1) : amin(s, -1));
    }
    if (Math.abs(ord) !== 1 && Math.abs(ord) !== Number.POSITIVE_INFINITY)
      throw new ValueError({ op: "linalg.matrixNorm", message: `ord is ${ord}`, hint: 'Use "fro", "nuc", ±1, ±2 or ±Infinity' });
    const [first, second] = Math.abs(ord) === 1 ? [r, c] : [c, r];
    const sums = x.abs().sum(first, { keepdim: true });
    return wide((ord > 0 ? amax : amin)(sums, second, true).reshape(x.shape.filter((_, d) => d !== r && d !== c)));
  },
});
/** A vector norm without `dim` or along one dimension, a matrix norm over two, or by the kind of `ord`. */
export const norm: Op<[ord?: Ord | null | { ord?: Ord; dim?: Dims; keepdim?: boolean; dtype?: DType }, dim?: Dims, keepdim?: boolean]> =
  /*@__PURE__*/ composite({
    torch: "linalg.norm",
    params: ["input", "ord", "dim", "keepdim", "dtype"],
    forward: (x: Tensor, ord?: Ord, dim?: Dims, keepdim = false, dtype?: DType) => {
      const o = { keepdim, ...(dtype && { dtype }) };
      const dims = dim === undefined || dim === null ? null : ([dim].flat() as number[]);
      if (ord !== undefined && (dims ? dims.length === 2 : x.ndim === 2)) return matrixNorm(x, { ord, ...(dims && { dim: dims }), ...o });
      if (typeof ord === "string")
        throw new ValueError({
          op: "linalg.norm",
          message: `ord ${ord} over ${dims ? dims.length : x.ndim} dimensions`,
          hint: "Matrix norms take two",
        });
      if (ord !== undefined && !dims && x.ndim > 2)
        throw new ShapeError({
          op: "linalg.norm",
          message: `ord ${ord} of shape ${showShape(x.shape)} without dim`,
          hint: "Name one or two dimensions",
        });
      return vectorNorm(x, { ord: ord ?? 2, dim: dims, ...o });
    },
  });
