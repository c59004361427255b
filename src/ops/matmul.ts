// Matrix products. All come down to one batched kernel over three-dimensional operands.
import type { Context } from "../autograd/function.ts";
import { category, isComplex } from "../core/dtype.ts";
import { located, need } from "../core/arguments.ts";
import { ArgumentError, DTypeError, ShapeError, showShape } from "../core/errors.ts";
import { broadcastShapes, layoutOf, type Layout } from "../core/layout.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Operand } from "../kernel/spec.ts";
import { sumToSize, to } from "./copy.ts";
import { composite, type Fn, type Op, primitive } from "./define.ts";
import { allocate, launch, window } from "./launch.ts";
import { resultType } from "./promote.ts";

const mismatch = (op: string, a: Tensor, b: Tensor, what: string): ShapeError =>
  new ShapeError({
    op,
    message: `${what}: ${showShape(a.shape)} @ ${showShape(b.shape)}`,
    hint: "The last size of the first must equal the last but one of the second",
    data: { a: a.shape, b: b.shape },
  });

// The last two dimensions under batch dimensions that are stretched to `batch`, as one batch dimension where strides allow.
function batched(x: Tensor, batch: readonly number[]): Operand | null {
  const l = x.layout;
  const r = l.shape.length;
  const [m, n] = [l.shape[r - 2]!, l.shape[r - 1]!];
  const lead = batch.length - (r - 2);
  let step: number | null = null;
  let size = 1;
  let expected = 0;
  for (let d = batch.length - 1; d >= 0; d--) {
    const own = d < lead ? 1 : l.shape[d - lead]!;
    const stride = own === 1 ? 0 : l.strides[d - lead]!;
    if (batch[d] === 1) continue;
    if (step === null) {
      step = stride;
      expected = stride * batch[d]!;
    } else if (stride !== expected) return null;
    else expected = stride * batch[d]!;
    size *= batch[d]!;
  }
  for (const n0 of batch) if (n0 === 0) size = 0;
  return window(x, layoutOf([size, m, n], [step ?? 0, l.strides[r - 2]!, l.strides[r - 1]!], l.offset));
}

const MATMUL = {
  plain: { kind: "matmul", accumulate: false, bias: false },
  bias: { kind: "matmul", accumulate: false, bias: true },
} as const;

// a [..., M, K] @ b [..., K, N] (+ bias [N]), broadcast over the leading dimensions, unrecorded.
function product(op: string, a: Tensor, b: Tensor, bias?: Tensor): Tensor {
  const batch = broadcastShapes(op, a.shape.slice(0, -2), b.shape.slice(0, -2));
  const [m, n] = [a.shape.at(-2)!, b.shape.at(-1)!];
  const out = allocate([...batch, m, n], a.dtype, a.storage.device);
  if (out.layout.numel === 0) return out;
  const left = batched(a, batch) ?? batched(a.expand([...batch, ...a.shape.slice(-2)]).contiguous(), batch)!;
  const right = batched(b, batch) ?? batched(b.expand([...batch, ...b.shape.slice(-2)]).contiguous(), batch)!;
  const size = left.layout.shape[0]!;
  const flat: Layout = layoutOf([size, m, n], [m * n, n, 1], 0);
  launch(op, bias ? MATMUL.bias : MATMUL.plain, [window(out, flat)], bias ? [left, right, bias] : [left, right]);
  return out;
}

const check = (op: string, a: Tensor, b: Tensor): void => {
  if (a.dtype !== b.dtype)
    throw new DTypeError({
      op,
      message: `${a.dtype} ${showShape(a.shape)} @ ${b.dtype} ${showShape(b.shape)}`,
      hint: "Cast one so that both have the same dtype",
    });
  if (a.shape.at(-1) !== b.shape.at(-2)) throw mismatch(op, a, b, "inner sizes differ");
};
const H = (x: Tensor): Tensor => {
  const t = x.transpose(-2, -1);
  return isComplex(x.dtype) ? t.conj() : t;
};

/** @internal Products of matrices with any number of leading dimensions; both have two or more dimensions. */
const mmBatched: (a: Tensor, b: Tensor, op?: string) => Tensor = /*@__PURE__*/ primitive<
  (a: Tensor, b: Tensor, op?: string) => Tensor,
  [Tensor, Tensor, string?]
>({
  torch: "_matmul",
  params: ["input", "other", "op"],
  forward: (ctx, a, b, op = "matmul") => {
    check(op, a, b);
    ctx.saveForBackward(ctx.needsInputGrad[1] ? a : null, ctx.needsInputGrad[0] ? b : null);
    ctx.state["shapes"] = [a.shape, b.shape];
    return product(op, a, b);
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const [a, b] = ctx.savedTensors as [Tensor | null, Tensor | null];
    const [sa, sb] = ctx.state["shapes"] as [readonly number[], readonly number[]];
    return [b ? sumToSize(mmBatched(g, H(b)), sa) : null, a ? gradOfRight(a, g, sb) : null];
  },
});
// With a shared right matrix, all rows of all batches make one product instead of a sum of products.
function gradOfRight(a: Tensor, g: Tensor, shape: readonly number[]): Tensor {
  if (shape.length === 2 && a.ndim > 2) return mmBatched(H(a.reshape([-1, a.shape.at(-1)!])), g.reshape([-1, g.shape.at(-1)!]));
  return sumToSize(mmBatched(H(a), g), shape);
}

/**
 * The matrix product: vectors give dot products, matrices products, leading dimensions are batches and broadcast.
 * @throws ShapeError when inner sizes differ, DTypeError when the dtypes do.
 * @example matmul(tensor([[1, 2], [3, 4]]), tensor([1, 1])) // => [3, 7]
 */
export const matmul: Op<[other: Tensor]> = /*@__PURE__*/ composite({
  torch: "matmul",
  params: ["input", "other"],
  forward: (a: Tensor, b: Tensor) => {
    if (a.ndim === 0 || b.ndim === 0) throw mismatch("matmul", a, b, "scalars have no matrix product");
    if (a.ndim >= 2 && b.ndim === 2 && a.ndim > 2) return foldRows(a, b);
    if (a.ndim >= 2 && b.ndim >= 2) return mmBatched(a, b);
    if (a.ndim === 1 && b.ndim === 1) {
      if (a.shape[0] !== b.shape[0]) throw mismatch("matmul", a, b, "sizes differ");
      return mmBatched(a.unsqueeze(0), b.unsqueeze(1)).reshape([]);
    }
    if (a.ndim === 1) return mmBatched(a.unsqueeze(0), b).squeeze(-2);
    return (a.ndim === 2 ? mmBatched(a, b.unsqueeze(1)) : foldRows(a, b.unsqueeze(1))).squeeze(-1);
  },
  samples: (r) => [
    [r.normal(3, 4), r.normal(4, 5)],
    [r.normal(2, 3, 4), r.normal(4, 5)],
    [r.normal(2, 3, 4), r.normal(2, 4, 5)],
    [r.normal(4), r.normal(4)],
  ],
  errors: [[(r) => [r.normal(3, 4), r.normal(5, 6)], "ShapeError"]],
});
function foldRows(a: Tensor, b: Tensor): Tensor {
  if (a.shape.at(-1) !== b.shape[0]) throw mismatch("matmul", a, b, "inner sizes differ");
  const rows = a.layout.numel / Math.max(1, a.shape.at(-1)!);
  return mmBatched(a.reshape([rows, a.shape.at(-1)!]), b).reshape([...a.shape.slice(0, -1), b.shape[1]!]);
}

const ranked = (torch: string, ra: number, rb: number, forward: (a: Tensor, b: Tensor) => Tensor): Op<[other: Tensor]> =>
  composite({
    torch,
    params: ["input", torch === "mv" ? "vec" : torch === "bmm" || torch === "mm" ? "mat2" : torch === "outer" ? "vec2" : "tensor"],
    forward: (a: Tensor, b: Tensor) => {
      if (a.ndim !== ra || b.ndim !== rb) throw mismatch(torch, a, b, `it takes ${ra} and ${rb} dimensions`);
      if (torch === "bmm" && a.shape[0] !== b.shape[0]) throw mismatch(torch, a, b, "batch sizes differ");
      return forward(a, b);
    },
  });
/** The product of two matrices. @example mm(tensor([[1, 2]]), tensor([[3], [4]])) // => [[11]] */
export const mm: Op<[mat2: Tensor]> = /*@__PURE__*/ ranked("mm", 2, 2, (a, b) => mmBatched(a, b, "mm"));
/** Products of two equally long batches of matrices. @example bmm(ones(2, 1, 3), ones(2, 3, 1)).shape // => [2, 1, 1] */
export const bmm: Op<[mat2: Tensor]> = /*@__PURE__*/ ranked("bmm", 3, 3, (a, b) => mmBatched(a, b, "bmm"));
/** Matrix times vector. @example mv(tensor([[1, 2]]), tensor([3, 4])) // => [11] */
export const mv: Op<[vec: Tensor]> = /*@__PURE__*/ ranked("mv", 2, 1, (a, b) => matmul(a, b));
/** The sum of products of two vectors. @example dot(tensor([1, 2]), tensor([3, 4])) // => 11 */
export const dot: Op<[tensor: Tensor]> = /*@__PURE__*/ ranked("dot", 1, 1, (a, b) => matmul(a, b));
/** All products of two vectors. @example outer(tensor([1, 2]), tensor([3, 4])) // => [[3, 4], [6, 8]] */
export const outer: Op<[vec2: Tensor]> = /*@__PURE__*/ ranked("outer", 1, 1, (a, b) => a.unsqueeze(1).mul(b));

/** Options of `addmm` and its kin. */
export interface AddmmOptions {
  /** Factor of `input` (default 1); 0 ignores it, NaN included. */
  beta?: number;
  /** Factor of the product (default 1). */
  alpha?: number;
}
const added = (
  torch: string,
  names: readonly string[],
  multiply: (a: Tensor, b: Tensor) => Tensor,
): Op<[a: Tensor, b: Tensor, options?: AddmmOptions]> =>
  composite({
    torch,
    params: ["input", ...names, "beta?: scalar", "alpha?: scalar"],
    forward: (input: Tensor, a: Tensor, b: Tensor, givenBeta = 1, givenAlpha = 1) => {
      // Integers are scaled by integers.
      const [beta, alpha] = category(input.dtype) < 2 ? [Math.trunc(givenBeta), Math.trunc(givenAlpha)] : [givenBeta, givenAlpha];
      const p = multiply(a, b);
      const scaled = alpha === 1 ? p : p.mul(alpha);
      // beta 0 ignores the input altogether, NaN included.
      const sum =
        beta === 0 ? scaled.expand(broadcastShapes(torch, p.shape, input.shape)) : (beta === 1 ? input : input.mul(beta)).add(scaled);
      return to(sum, resultType(input, p));
    },
  });
/** `beta · input + alpha · mat1 @ mat2`. @example addmm(tensor([1]), tensor([[1, 2]]), tensor([[3], [4]])) // => [[12]] */
export const addmm: Op<[mat1: Tensor, mat2: Tensor, options?: AddmmOptions]> = /*@__PURE__*/ added("addmm", ["mat1", "mat2"], (a, b) =>
  mm(a, b),
);
/** `beta · input + alpha · mat @ vec`. @example addmv(tensor([0.5]), tensor([[1.5, 2]]), tensor([2, 0.5])) // => [4.5] */
export const addmv: Op<[mat: Tensor, vec: Tensor, options?: AddmmOptions]> = /*@__PURE__*/ added("addmv", ["mat", "vec"], (a, b) =>
  mv(a, b),
);
/** `beta · input + alpha · batch1 @ batch2`. @example baddbmm(ones(1, 1, 1), ones(1, 1, 3), ones(1, 3, 1), { beta: 0.5 }) // => [[[3.5]]] */
export const baddbmm: Op<[batch1: Tensor, batch2: Tensor, options?: AddmmOptions]> = /*@__PURE__*/ added(
  "baddbmm",
  ["batch1", "batch2"],
  (a, b) => bmm(a, b),
);
/** `beta · input + alpha · Σ batch1 @ batch2`. @example addbmm(tensor([[1.5]]), ones(2, 1, 3), ones(2, 3, 1)) // => [[7.5]] */
export const addbmm: Op<[batch1: Tensor, batch2: Tensor, options?: AddmmOptions]> = /*@__PURE__*/ added(
  "addbmm",
  ["batch1", "batch2"],
  (a, b) => bmm(a, b).sum(0, { dtype: a.dtype }),
);
/** `beta · input + alpha · vec1 ⊗ vec2`. @example addr(zeros(2, 2), tensor([1.5, 2]), tensor([2, 0.5])) // => [[3, 0.75], [4, 1]] */
export const addr: Op<[vec1: Tensor, vec2: Tensor, options?: AddmmOptions]> = /*@__PURE__*/ added("addr", ["vec1", "vec2"], (a, b) =>
  outer(a, b),
);

/** `input @ weightᵀ + bias`, weight [out, in]. @throws ShapeError @example linear(tensor([[0.5, 1]]), tensor([[2.5, 0.5]]), tensor([0.25])) // => [[2]] */
export const linear: Fn<[input: Tensor, weight: Tensor, bias?: Tensor | null]> = /*@__PURE__*/ composite({
  torch: "nn.functional.linear",
  params: ["input", "weight", "bias?"],
  forward: (x: Tensor, weight: Tensor, bias?: Tensor) => {
    if (x.shape.at(-1) !== weight.shape.at(-1) || x.ndim === 0)
      throw new ShapeError({
        op: "linear",
        message: `input ${showShape(x.shape)} has ${x.shape.at(-1) ?? "no"} features, weight ${showShape(weight.shape)} takes ${weight.shape.at(-1)}`,
        hint: "The last sizes must be equal",
        data: { input: x.shape, weight: weight.shape },
      });
    if (x.dtype !== weight.dtype)
      throw new DTypeError({ op: "linear", message: `input is ${x.dtype}, weight ${weight.dtype}`, hint: "Cast the input or the module" });
    if (weight.ndim === 1) {
      const y = x.matmul(weight);
      return bias ? y.add(bias) : y;
    }
    if (x.ndim === 1) {
      const y = affine(x.unsqueeze(0), weight, bias ?? null);
      return y.squeeze(0);
    }
    return affine(x, weight, bias ?? null);
  },
  samples: (r) => [
    [r.normal(2, 3, 4), r.normal(5, 4), r.normal(5)],
    [r.normal(3, 4), r.normal(5, 4)],
  ],
  errors: [[(r) => [r.normal(3, 4), r.normal(5, 3)], "ShapeError"]],
});
const affine = /*@__PURE__*/ primitive<(x: Tensor, w: Tensor, b: Tensor | null) => Tensor, [Tensor, Tensor, (Tensor | null)?]>({
  torch: "_linear",
  params: ["input", "weight", "bias"],
  forward: (ctx: Context<[Tensor, Tensor, (Tensor | null)?]>, x, w, b) => {
    ctx.saveForBackward(ctx.needsInputGrad[1] ? x : null, ctx.needsInputGrad[0] ? w : null);
    const rows = x.layout.numel / Math.max(1, x.shape.at(-1)!);
    const flat = x.reshape([rows, x.shape.at(-1)!]);
    const fast = b && b.ndim === 1 && b.dtype === x.dtype && b.shape[0] === w.shape[0];
    let y = product("linear", flat, w.transpose(0, 1), fast ? b : undefined);
    if (b && !fast) y = y.add(b);
    return y.reshape([...x.shape.slice(0, -1), w.shape[0]!]);
  },
  backward: (ctx, g) => {
    if (!g) return null;
    const [x, w] = ctx.savedTensors as [Tensor | null, Tensor | null];
    const rows = g.reshape([-1, g.shape.at(-1)!]);
    return [
      w ? foldRows(g, isComplex(w.dtype) ? w.conj() : w) : null,
      x ? mmBatched(rows.transpose(0, 1), x.reshape([-1, x.shape.at(-1)!]).conj()) : null,
      ctx.needsInputGrad[2] ? rows.sum(0) : null,
    ];
  },
});

/**
 * Einstein's sum: `"bij,bjk->bik"`. Repeated letters of one operand take a diagonal, letters that the output lacks are
 * summed, `...` stands for broadcast dimensions.
 * @throws ArgumentError for an equation that does not fit, ShapeError for sizes that differ.
 * @example einsum("ij,j->i", tensor([[1, 2], [3, 4]]), tensor([1, 1])) // => [3, 7]
 */
export const einsum: Fn<[equation: string, ...operands: (Tensor | readonly Tensor[])[]]> = Object.assign(
  located("einsum", "equation, operands", (equation: string, ...args: (Tensor | readonly Tensor[])[]): Tensor => {
    need("einsum", "equation: text", equation);
    const ops = args.flat() as Tensor[];
    need("einsum", "operands: tensors", ops);
    const [left, right] = equation.replace(/\s/g, "").split("->") as [string, string?];
    const terms = left.split(",");
    const bad = (message: string): ArgumentError =>
      new ArgumentError({ op: "einsum", message: `${message} in "${equation}"`, hint: 'Write like "ij,jk->ik"' });
    if (terms.length !== ops.length) throw bad(`${terms.length} terms for ${ops.length} operands`);
    let dots = 0;
    const letters = terms.map((term, i) => {
      const plain = term.replace("...", "");
      if (!/^[A-Za-z]*$/.test(plain)) throw bad(`unexpected characters`);
      const extra = ops[i]!.ndim - plain.length;
      if (term.includes("...") ? extra < 0 : extra !== 0) throw bad(`term "${term}" does not fit shape ${showShape(ops[i]!.shape)}`);
      dots = Math.max(dots, term.includes("...") ? extra : 0);
      return term;
    });
    // Broadcast dimensions get names of their own, aligned at the right.
    const dotNames = Array.from({ length: dots }, (_, i) => String.fromCharCode(0x3b1 + i)).join("");
    const named = letters.map((term, i) => term.replace("...", dotNames.slice(dots - (ops[i]!.ndim - term.replace("...", "").length))));
    const counts = new Map<string, number>();
    for (const c of named.join("")) counts.set(c, (counts.get(c) ?? 0) + 1);
    const output =
      right !== undefined
        ? right.replace("...", dotNames)
        : dotNames +
          [...counts.keys()]
            .filter((c) => !dotNames.includes(c) && counts.get(c) === 1)
            .sort()
            .join("");
    for (const c of output) if (!counts.has(c)) throw bad(`output letter ${c} is in no operand`);
    let parts = ops.map((t, i) => diagonals(t, named[i]!));
    let acc = parts[0]!;
    for (let i = 1; i < parts.length; i++) {
      const later = new Set([
        ...output,
        ...parts
          .slice(i + 1)
          .map((p) => p.names)
          .join(""),
      ]);
      acc = contract(acc, parts[i]!, later);
    }
    parts = [];
    const sumDims = [...acc.names].map((c, d) => (output.includes(c) ? -1 : d)).filter((d) => d >= 0);
    let t = sumDims.length ? acc.t.sum(sumDims) : acc.t;
    const rest = [...acc.names].filter((c) => output.includes(c));
    t = rest.length ? t.permute([...output].map((c) => rest.indexOf(c))) : t;
    return t;
  }),
  {
    op: {
      torch: "einsum",
      kind: "composite",
      params: ["equation", "operands"],
      declared: ["equation: text", "operands: tensors"],
      differentiable: true,
    } as const,
  },
);
interface Named {
  t: Tensor;
  names: string;
}
function diagonals(t: Tensor, names: string): Named {
  for (let i = 0; i < names.length; i++) {
    const j = names.indexOf(names[i]!, i + 1);
    if (j < 0) continue;
    return diagonals(t.diagonal(0, i, j), names.slice(0, i) + names.slice(i + 1, j) + names.slice(j + 1) + names[i]!);
  }
  return { t, names };
}
function contract(a: Named, b: Named, later: Set<string>): Named {
  const sizes = new Map<string, number>();
  for (const x of [a, b])
    [...x.names].forEach((c, d) => {
      const n = x.t.shape[d]!;
      const old = sizes.get(c) ?? 1;
      if (old !== 1 && n !== 1 && old !== n)
        throw new ShapeError({
          op: "einsum",
          message: `letter ${c} has sizes ${old} and ${n}: ${showShape(a.t.shape)} and ${showShape(b.t.shape)}`,
        });
      sizes.set(c, Math.max(old, n) === 1 ? n : Math.max(old, n));
    });
  const all = [...sizes.keys()];
  const inA = (c: string): boolean => a.names.includes(c);
  const inB = (c: string): boolean => b.names.includes(c);
  const batch = all.filter((c) => inA(c) && inB(c) && later.has(c));
  const inner = all.filter((c) => inA(c) && inB(c) && !later.has(c));
  const rows = all.filter((c) => inA(c) && !inB(c));
  const cols = all.filter((c) => !inA(c) && inB(c));
  const arrange = (x: Named, first: string[], second: string[]): Tensor => {
    const order = [...batch, ...first, ...second];
    const y = order.length ? x.t.permute(order.map((c) => x.names.indexOf(c))) : x.t;
    const full = y.expand(order.map((c) => sizes.get(c)!));
    const size = (cs: string[]): number => cs.reduce((n, c) => n * sizes.get(c)!, 1);
    return full.reshape([size(batch), size(first), size(second)]);
  };
  const p = mmBatched(arrange(a, rows, inner), arrange(b, inner, cols), "einsum");
  const names = [...batch, ...rows, ...cols];
  return { t: p.reshape(names.map((c) => sizes.get(c)!)), names: names.join("") };
}
