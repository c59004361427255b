// Convolution and pooling by their definitions.
import type { ConvSpec, Operand, PoolSpec } from "../../kernel/spec.ts";
import { elements } from "./memory.ts";

const indices = (shape: readonly number[]): number[][] => {
  let out: number[][] = [[]];
  for (const n of shape) out = out.flatMap((head) => Array.from({ length: n }, (_, i) => [...head, i]));
  return out;
};
const position = (o: Operand, index: readonly number[]): number =>
  index.reduce((at, i, d) => at + i * o.layout.strides[d]!, o.layout.offset);

/** y[n, o, p] = Σ w[o, c, k] x[n, g·C + c, p·stride - padding + k·dilation], and its two transposes. */
export function conv(spec: ConvSpec, out: Operand, ins: readonly Operand[]): void {
  const y = spec.pass === "forward" ? out : ins[0]!;
  const x = spec.pass === "forward" ? ins[0]! : spec.pass === "weight" ? ins[1]! : out;
  const w = spec.pass === "weight" ? out : ins[1]!;
  const [xs, ws, ys] = [elements(x), elements(w), elements(y)];
  const sums = new Map<number, number>();
  const [cout, cin] = [w.layout.shape[0]! / spec.groups, w.layout.shape[1]!];
  const taps = indices(w.layout.shape.slice(2));
  const places = indices(y.layout.shape.slice(2));
  for (let n = 0; n < x.layout.shape[0]!; n++) {
    for (let o = 0; o < w.layout.shape[0]!; o++) {
      for (const p of places) {
        const yAt = position(y, [n, o, ...p]);
        for (const k of taps) {
          const q = k.map((v, d) => p[d]! * spec.stride[d]! - spec.padding[d]! + v * spec.dilation[d]!);
          if (q.some((v, d) => v < 0 || v >= x.layout.shape[d + 2]!)) continue;
          for (let c = 0; c < cin; c++) {
            const xAt = position(x, [n, Math.floor(o / cout) * cin + c, ...q]);
            const wAt = position(w, [o, c, ...k]);
            const term =
              spec.pass === "forward"
                ? Number(xs.load(xAt)) * Number(ws.load(wAt))
                : spec.pass === "input"
                  ? Number(ys.load(yAt)) * Number(ws.load(wAt))
                  : Number(ys.load(yAt)) * Number(xs.load(xAt));
            const to = spec.pass === "forward" ? yAt : spec.pass === "input" ? xAt : wAt;
            sums.set(to, (sums.get(to) ?? 0) + term);
          }
        }
      }
    }
  }
  const store = elements(out);
  const bias = spec.pass === "forward" && ins[2] ? elements(ins[2]) : null;
  for (const i of indices(out.layout.shape)) {
    const at = position(out, i);
    store.store(at, (sums.get(at) ?? 0) + (bias ? Number(bias.load(ins[2]!.layout.offset + i[1]! * ins[2]!.layout.strides[0]!)) : 0));
  }
}

/** Maxima with their flat indices, means, and the transpose of means. */
export function pool(spec: PoolSpec, outs: readonly Operand[], src: Operand): void {
  const backward = spec.op === "avgBackward";
  const [x, y] = backward ? [outs[0]!, src] : [src, outs[0]!];
  const [xs, ys] = [elements(x), elements(y)];
  const size = x.layout.shape.slice(2);
  const sums = new Map<number, number>();
  for (const i of indices(y.layout.shape)) {
    const [n, c, ...p] = i as [number, number, ...number[]];
    const begin = p.map((v, d) =>
      spec.adaptive ? Math.floor((v * size[d]!) / y.layout.shape[d + 2]!) : v * spec.stride[d]! - spec.padding[d]!,
    );
    const span = p.map((v, d) => (spec.adaptive ? Math.ceil(((v + 1) * size[d]!) / y.layout.shape[d + 2]!) - begin[d]! : spec.kernel[d]!));
    const inside = indices(span)
      .map((k) => k.map((v, d) => begin[d]! + v * (spec.adaptive ? 1 : spec.dilation[d]!)))
      .filter((q) => q.every((v, d) => v >= 0 && v < size[d]!));
    if (spec.op === "max") {
      let best = Number.NEGATIVE_INFINITY;
      let where = inside[0]!;
      for (const q of inside) {
        const v = Number(xs.load(position(x, [n, c, ...q])));
        if (v > best || Number.isNaN(v)) [best, where] = [v, q];
      }
      ys.store(position(y, i), best);
      elements(outs[1]!).store(position(outs[1]!, i), BigInt(where.reduce((a, v, d) => a * size[d]! + v, 0)));
      continue;
    }
    // With padding counted, a window still ends where the right padding does.
    const padded = span.reduce(
      (a, n0, d) => a * (spec.adaptive ? n0 : Math.min(begin[d]! + n0, size[d]! + spec.padding[d]!) - begin[d]!),
      1,
    );
    const divisor = spec.divisor ?? (spec.countIncludePad && !spec.adaptive ? padded : inside.length);
    if (backward) {
      const g = Number(ys.load(position(y, i))) / divisor;
      for (const q of inside) {
        const at = position(x, [n, c, ...q]);
        sums.set(at, (sums.get(at) ?? 0) + g);
      }
    } else ys.store(position(y, i), inside.reduce((s, q) => s + Number(xs.load(position(x, [n, c, ...q]))), 0) / divisor);
  }
  if (!backward) return;
  for (const i of indices(x.layout.shape)) {
    const at = position(x, i);
    xs.store(at, sums.get(at) ?? 0);
  }
}
