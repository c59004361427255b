// A layer of an LSTM over a whole sequence as one op. Forward: the input's products for all steps at once, then a step is one matrix
// product and one elementwise kernel. Backward: the same in reverse, and each weight's gradient is a single product over all steps.
import { grad } from "../autograd/backward.ts";
import type { Context } from "../autograd/function.ts";
import { layoutOf } from "../core/layout.ts";
import { isGradEnabled } from "../core/mode.ts";
import type { Tensor } from "../core/tensor.ts";
import { input, type Expr } from "../kernel/expr.ts";
import { laneOf, type Operand, type PointwiseSpec, specId } from "../kernel/spec.ts";
import { zeros } from "./create.ts";
import { primitive } from "./define.ts";
import { stack } from "./join.ts";
import { allocate, launch, window } from "./launch.ts";
import { linear } from "./matmul.ts";

/** The parameters of a layer; gates in the order input, forget, cell, output. */
export interface LstmWeights {
  /** [4H, I] */
  readonly ih: Tensor;
  /** [4H, H] */
  readonly hh: Tensor;
  /** [4H] */
  readonly bih: Tensor | null;
  /** [4H] */
  readonly bhh: Tensor | null;
}

const per = (exprs: () => Expr[]): ((x: Tensor) => PointwiseSpec) => {
  const specs = new Map<string, PointwiseSpec>();
  return (x) => {
    const lane = laneOf(x.dtype);
    let spec = specs.get(lane);
    if (!spec) specs.set(lane, (spec = { kind: "pointwise", id: specId(), exprs: exprs(), lane }));
    return spec;
  };
};
// i, f, g, o before their activations, c → the activations, the next c and h.
const forwardStep = /*@__PURE__*/ per(() => {
  const [a, b, d, e, c] = [0, 1, 2, 3, 4].map(input) as [Expr, Expr, Expr, Expr, Expr];
  const [i, f, g, o] = [a.sigmoid(), b.sigmoid(), d.tanh(), e.sigmoid()];
  const next = f.mul(c).add(i.mul(g));
  return [i, f, g, o, next, o.mul(next.tanh())];
});
// i, f, g, o, this c, the c before, three gradients: of this output, of h and of c from the next step → those of the gates, and of
// the c before.
const backwardStep = /*@__PURE__*/ per(() => {
  const [i, f, g, o, c, before, gy, gh, gc] = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(input) as Expr[] as [
    Expr,
    Expr,
    Expr,
    Expr,
    Expr,
    Expr,
    Expr,
    Expr,
    Expr,
  ];
  const slope = (s: Expr): Expr => s.sub(s.mul(s));
  const t = c.tanh();
  const dh = gy.add(gh);
  const dt = dh.mul(o);
  const dc = gc.add(dt.sub(dt.mul(t).mul(t)));
  const dg = dc.mul(i);
  return [dc.mul(g).mul(slope(i)), dc.mul(before).mul(slope(f)), dg.sub(dg.mul(g).mul(g)), dh.mul(t).mul(slope(o)), dc.mul(f)];
});
const MATMUL = { kind: "matmul", accumulate: false, bias: false } as const;
const ADDED = { kind: "matmul", accumulate: true, bias: false } as const;

// Step t of [T, N, width] as [1, N, width], and gate k of it as [N, H].
const stepOf = (x: Tensor, t: number): Operand => {
  const [, n, width] = x.shape as [number, number, number];
  return window(x, layoutOf([1, n, width], [n * width, width, 1], x.layout.offset + t * n * width));
};
const gatesOf = (x: Tensor, t: number): Operand[] => {
  const [, n, width] = x.shape as [number, number, number];
  const h = width / 4;
  return [0, 1, 2, 3].map((k) => window(x, layoutOf([n, h], [width, 1], x.layout.offset + t * n * width + k * h)));
};
const rowsOf = (o: Operand): Operand => {
  const [, n, width] = o.layout.shape as [number, number, number];
  return window(o, layoutOf([n, width], [width, 1], o.layout.offset));
};
const lone = (x: Tensor): Operand => {
  const [n, width] = x.shape as [number, number];
  return window(x, layoutOf([1, n, width], [n * width, width, 1], x.layout.offset));
};

type LayerArgs = [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | null, Tensor | null, boolean];
const layer = /*@__PURE__*/ primitive<(...args: LayerArgs) => Tensor[], LayerArgs>({
  torch: "_lstm_layer",
  params: ["input", "h0", "c0", "ih", "hh", "bih", "bhh", "reverse"],
  forward: (ctx: Context<LayerArgs>, x, h0, c0, ih, hh, bih, bhh, reverse) => {
    const [steps, n] = x.shape as [number, number];
    const size = hh.shape[1]!;
    const like = (...shape: number[]): Tensor => allocate(shape, x.dtype, x.storage.device);
    const gates = linear(x, ih, bih && bhh ? bih.add(bhh) : (bih ?? bhh)); // fresh, so the activations may take its place
    const [ys, cs] = [like(steps, n, size), like(steps, n, size)];
    const turned = lone(hh.t().contiguous());
    let [h, c] = [lone(h0.contiguous()), lone(c0.contiguous())];
    for (let k = 0; k < steps; k++) {
      const t = reverse ? steps - 1 - k : k;
      launch("lstm", ADDED, [stepOf(gates, t)], [h, turned]);
      const [y, next] = [stepOf(ys, t), stepOf(cs, t)];
      const four = gatesOf(gates, t);
      launch("lstm", forwardStep(x), [...four, rowsOf(next), rowsOf(y)], [...four, rowsOf(c)]);
      [h, c] = [y, next];
    }
    ctx.saveForBackward(x, h0, c0, ih, hh, bih, bhh, gates, ys, cs);
    return [ys, cs.select(0, reverse ? 0 : steps - 1).clone()];
  },
  backward: (ctx, gy, gc) => {
    const [x, h0, c0, ih, hh, bih, bhh, gates, ys, cs] = ctx.savedTensors as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
      Tensor,
      Tensor | null,
      Tensor | null,
      Tensor,
      Tensor,
      Tensor,
    ];
    const reverse = ctx.args[7];
    if (isGradEnabled()) return again(x, h0, c0, { ih, hh, bih, bhh }, reverse, gy, gc);
    const [steps, n] = x.shape as [number, number];
    const like = (...shape: number[]): Tensor => allocate(shape, x.dtype, x.storage.device);
    const options = { dtype: x.dtype, device: x.device };
    const size = hh.shape[1]!;
    const g = (gy ?? zeros(ys.shape, options)).contiguous();
    const dgates = like(steps, n, 4 * size);
    const dh = zeros([n, size], options);
    const dc = gc ? gc.clone() : zeros([n, size], options);
    const first = lone(c0.contiguous());
    const weight = lone(hh.contiguous());
    const carried = lone(dh);
    for (let k = steps - 1; k >= 0; k--) {
      const t = reverse ? steps - 1 - k : k;
      const before = k === 0 ? first : stepOf(cs, reverse ? t + 1 : t - 1);
      launch(
        "lstm",
        backwardStep(x),
        [...gatesOf(dgates, t), dc],
        [...gatesOf(gates, t), rowsOf(stepOf(cs, t)), rowsOf(before), rowsOf(stepOf(g, t)), dh, dc],
      );
      launch("lstm", MATMUL, [carried], [stepOf(dgates, t), weight]);
    }
    const flat = (t: Tensor): Tensor => t.reshape([-1, t.shape.at(-1)!]);
    const [wantsX, wantsH, wantsC, wantsIh, wantsHh] = ctx.needsInputGrad;
    // Steps with an output before them meet those outputs, the first one meets h0.
    const [later, start, outputs] = reverse ? [[0, steps - 1], steps - 1, 1] : [[1, steps - 1], 0, 0];
    const all = flat(dgates).t();
    const bias = bih || bhh ? dgates.sum([0, 1]) : null;
    return [
      wantsX ? dgates.matmul(ih) : null,
      wantsH ? dh : null,
      wantsC ? dc : null,
      wantsIh ? all.matmul(flat(x)) : null,
      wantsHh
        ? flat(dgates.narrow(0, later[0]!, later[1]!))
            .t()
            .matmul(flat(ys.narrow(0, outputs, steps - 1)))
            .add(dgates.select(0, start).t().matmul(h0))
        : null,
      ...(bih ? [bias] : []),
      ...(bhh ? [bih ? bias!.clone() : bias] : []),
    ];
  },
});

/** One step: (x already multiplied, h, c) → h, c. */
export function lstmStep(gx: Tensor, h: Tensor, c: Tensor, hh: Tensor, bhh: Tensor | null): [h: Tensor, c: Tensor] {
  const [i, f, g, o] = gx.add(linear(h, hh, bhh)).chunk(4, -1) as [Tensor, Tensor, Tensor, Tensor];
  const cell = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
  return [o.sigmoid().mul(cell.tanh()), cell];
}

// The gradient in ops, to be differentiated again.
function again(
  x: Tensor,
  h0: Tensor,
  c0: Tensor,
  w: LstmWeights,
  reverse: boolean,
  gy: Tensor | null,
  gc: Tensor | null,
): (Tensor | null)[] {
  const gx = linear(x, w.ih, w.bih).unbind(0);
  if (reverse) gx.reverse();
  let [h, c] = [h0, c0];
  const ys = gx.map((g) => {
    [h, c] = lstmStep(g, h, c, w.hh, w.bhh);
    return h;
  });
  if (reverse) ys.reverse();
  const inputs = [x, h0, c0, w.ih, w.hh, ...(w.bih ? [w.bih] : []), ...(w.bhh ? [w.bhh] : [])];
  const wanted = inputs.filter((t) => t.requiresGrad);
  const outs = [...(gy ? [[stack(ys, 0), gy] as const] : []), ...(gc ? [[c, gc] as const] : [])];
  const found = grad(
    outs.map(([y]) => y),
    wanted,
    { gradOutputs: outs.map(([, g]) => g), createGraph: true, allowUnused: true },
  );
  return inputs.map((t) => (t.requiresGrad ? found[wanted.indexOf(t)]! : null));
}

/**
 * A layer over x [T, N, I] from h0, c0 [N, H], backwards in time with `reverse`: all outputs [T, N, H] and the last cell [N, H].
 * T is at least 1, all are of one dtype, float32 or float64. Hochreiter & Schmidhuber 1997.
 */
export function lstmLayer(x: Tensor, h0: Tensor, c0: Tensor, w: LstmWeights, reverse: boolean): [ys: Tensor, c: Tensor] {
  return layer(x, h0, c0, w.ih, w.hh, w.bih, w.bhh, reverse) as [Tensor, Tensor];
}
