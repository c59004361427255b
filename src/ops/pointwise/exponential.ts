// Exponentials, logarithms and roots.
import type { PointwiseOp } from "../define.ts";
import { pointwise } from "../formula.ts";
import type { Binary, Mixed, Unary } from "./entry.ts";

/** `e^input`. @example exp(tensor([0, 1])) // => [1, 2.7183] */
export const exp: Unary = /*@__PURE__*/ pointwise({
  torch: "exp",
  promote: "float",
  forward: ([x]) => x!.exp(),
  grad: (g, _x, y) => [g.mul(y.conj())],
  samples: (r) => [[r.normal(3, 4)], [r.of(-200, 0, 80)]],
});
/** `2^input`. @example exp2(tensor([0, 3])) // => [1, 8] */
export const exp2: Unary = /*@__PURE__*/ pointwise({
  torch: "exp2",
  promote: "float",
  forward: ([x]) => x!.exp2(),
  grad: (g, _x, y) => [g.mul(y.conj()).mul(Math.LN2)],
  samples: (r) => [[r.normal(3, 4)]],
});
/** `e^input - 1`, exact near 0. @example expm1(tensor([0, 1])) // => [0, 1.7183] */
export const expm1: Unary = /*@__PURE__*/ pointwise({
  torch: "expm1",
  promote: "float",
  forward: ([x]) => x!.expm1(),
  grad: (g, _x, y) => [g.mul(y.add(1).conj())],
  samples: (r) => [[r.normal(3, 4)]],
});
/** Natural logarithm. @example log(tensor([1, 2.7182818])) // => [0, 1] */
export const log: Unary = /*@__PURE__*/ pointwise({
  torch: "log",
  promote: "float",
  forward: ([x]) => x!.log(),
  grad: (g, [x]) => [g.div(x!.conj())],
  samples: (r) => [[r.positive(3, 4)]],
});
/** Logarithm to base 2. @example log2(tensor([1, 8])) // => [0, 3] */
export const log2: Unary = /*@__PURE__*/ pointwise({
  torch: "log2",
  promote: "float",
  forward: ([x]) => x!.log2(),
  grad: (g, [x]) => [g.div(x!.conj().mul(Math.LN2))],
  samples: (r) => [[r.positive(3, 4)]],
});
/** Logarithm to base 10. @example log10(tensor([1, 100])) // => [0, 2] */
export const log10: Unary = /*@__PURE__*/ pointwise({
  torch: "log10",
  promote: "float",
  forward: ([x]) => x!.log10(),
  grad: (g, [x]) => [g.div(x!.conj().mul(Math.LN10))],
  samples: (r) => [[r.positive(3, 4)]],
});
/** `log(1 + input)`, exact near 0. @example log1p(tensor([0, 1])) // => [0, 0.6931] */
export const log1p: Unary = /*@__PURE__*/ pointwise({
  torch: "log1p",
  promote: "float",
  forward: ([x]) => x!.log1p(),
  grad: (g, [x]) => [g.div(x!.add(1).conj())],
  samples: (r) => [[r.positive(3, 4)]],
});
/** Square root. @example sqrt(tensor([4, 9])) // => [2, 3] */
export const sqrt: Unary = /*@__PURE__*/ pointwise({
  torch: "sqrt",
  promote: "float",
  forward: ([x]) => x!.sqrt(),
  grad: (g, _x, y) => [g.div(y.conj().mul(2))],
  samples: (r) => [[r.positive(3, 4)]],
});
/** `1 / sqrt(input)`. @example rsqrt(tensor([4, 16])) // => [0.5, 0.25] */
export const rsqrt: Unary = /*@__PURE__*/ pointwise({
  torch: "rsqrt",
  promote: "float",
  forward: ([x]) => x!.rsqrt(),
  grad: (g, _x, y) => [g.mul(-0.5).mul(y.mul(y).mul(y).conj())],
  samples: (r) => [[r.positive(3, 4)]],
});

/** `1 / (1 + e^-input)`. @example sigmoid(tensor([0])) // => [0.5] */
export const sigmoid: Unary = /*@__PURE__*/ pointwise({
  torch: "sigmoid",
  promote: "float",
  forward: ([x]) => x!.sigmoid(),
  grad: (g, _x, y) => [g.mul(y.mul(y.neg().add(1)).conj())],
  samples: (r) => [[r.normal(3, 4)], [r.of(-100, 0, 100)]],
});
/** `log(p / (1 - p))`, with p clamped to [eps, 1 - eps] where given. @example logit(tensor([0.5])) // => [0] */
export const logit: PointwiseOp<[eps?: number | { eps?: number }]> = /*@__PURE__*/ pointwise({
  torch: "logit",
  promote: "float",
  defaults: { eps: null as number | null },
  forward: ([x], o) => {
    const p = o.eps === null ? x! : x!.maximum(o.eps).minimum(x!.mul(0).add(1).sub(o.eps));
    return p.div(p.neg().add(1)).log();
  },
  grad: (g, [x], _y, o) => {
    const d = g.div(x!.mul(x!.neg().add(1)));
    return [o.eps === null ? d : d.where(x!.ge(o.eps).logicalAnd(x!.le(x!.mul(0).add(1).sub(o.eps))), 0)];
  },
});

/** `log(e^input + e^other)` without overflow. @example logaddexp(tensor([0.5]), tensor([0.5])) // => [1.1931] */
export const logaddexp: Binary = /*@__PURE__*/ pointwise({
  torch: "logaddexp",
  operands: ["other"],
  promote: "float",
  forward: ([a, b]) => {
    const m = a!.maximum(b!);
    return m.where(m.isinf().logicalAnd(a!.eq(b!)), m.add(a!.sub(b!).abs().neg().exp().log1p()));
  },
  grad: (g, [a, b]) => {
    const d = b!.sub(a!);
    return [g.mul(d.neg().sigmoid()), g.mul(d.sigmoid())];
  },
});
/** `input · log(other)`, 0 where `input` is 0. @example xlogy(tensor([0, 2]), tensor([0, 1])) // => [0, 0] */
export const xlogy: Mixed = /*@__PURE__*/ pointwise({
  torch: "xlogy",
  operands: ["other"],
  scalarFirst: true,
  promote: "float",
  forward: ([a, b]) => b!.where(b!.isnan(), a!.mul(0).where(a!.eq(0), a!.mul(b!.log()))),
  grad: (g, [a, b]) => [g.mul(0).where(a!.eq(0).logicalAnd(b!.le(0)), g.mul(b!.log())), g.mul(a!).div(b!)],
});
