// Random calls of the ops that have kernels of their own, forward and backward, on strided inputs: native and WebAssembly
// against the reference in float64, once as they come and once with collections forced in between.
import assert from "node:assert/strict";
import { test } from "node:test";
import { collector } from "../../../src/backends/cpu/collector.ts";
import * as torch from "../../../src/index.ts";
import { Draw } from "./draw.ts";

const F = torch.nn.functional;
type Tensor = torch.Tensor;
type Make = (device: string, dtype: torch.DType) => Tensor;
/** A random call: recipes of the differentiable inputs, and the function of them. */
interface Call {
  readonly what: string;
  readonly inputs: readonly Make[];
  readonly f: (x: readonly Tensor[], device: string) => Tensor;
}

const EACH = Math.round(60 * Number(process.env["FIREBRAND_FUZZ"] ?? 1));
const SEED = Number(process.env["FIREBRAND_FUZZ_SEED"] ?? 1);

// The recipe of a tensor of this shape: values that are the same everywhere, seen through a few views.
function strided(d: Draw, shape: readonly number[], positive = false): Make {
  const order = shape.map((_, k) => k);
  if (d.chance(0.4)) order.sort(() => d.next() - 0.5);
  const step = shape.map(() => (d.chance(0.15) ? 2 : 1));
  const lead = shape.map(() => (d.chance(0.15) ? d.int(1, 2) : 0));
  const stretched = shape.map((n) => n > 1 && d.chance(0.05));
  const base = order.map((k) => (stretched[k] ? 1 : shape[k]! * step[k]! + lead[k]!));
  const n = base.reduce((a, b) => a * b, 1);
  const values = Float64Array.from({ length: n }, () => Math.fround(d.number("float32", positive ? "positive" : "plain")));
  return (device, dtype) => {
    let x = torch.tensor(values).to(dtype).to(device).reshape(base);
    x = x.permute(shape.map((_, k) => order.indexOf(k)));
    shape.forEach((m, k) => {
      if (stretched[k]) return;
      x = x.index(...shape.map((_, j) => (j === k ? torch.slice(lead[k], lead[k]! + m * step[k]!, step[k]) : torch.slice())));
    });
    return x.expand(shape);
  };
}
const classes = (d: Draw, count: number, shape: readonly number[], ignored = -100): ((device: string) => Tensor) => {
  const n = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: n }, () => (d.chance(0.1) ? ignored : d.int(0, count - 1)));
  return (device) => torch.tensor(values, { dtype: "int64", device }).reshape(shape);
};

const OPS: Record<string, (d: Draw) => Call> = {
  softmax: (d) => {
    const shape = d.shape(d.int(1, 4), 400);
    const dim = d.int(0, shape.length - 1);
    const log = d.chance(0.5);
    return { what: `${log} ${dim} [${shape}]`, inputs: [strided(d, shape)], f: ([x]) => (log ? x!.logSoftmax(dim) : x!.softmax(dim)) };
  },
  layerNorm: (d) => {
    const shape = [...d.shape(d.int(0, 2), 60), d.int(1, 70)];
    const rms = d.chance(0.4);
    const inputs = [strided(d, shape), ...(d.chance(0.7) ? [strided(d, shape.slice(-1))] : [])];
    if (inputs.length === 2 && !rms && d.chance(0.7)) inputs.push(strided(d, shape.slice(-1)));
    return {
      what: `${rms} [${shape}]`,
      inputs,
      f: ([x, w, b]) =>
        rms ? F.rmsNorm(x!, shape.slice(-1), w ?? null, 1e-3) : F.layerNorm(x!, shape.slice(-1), w ?? null, b ?? null, 1e-3),
    };
  },
  groupNorm: (d) => {
    const groups = d.int(1, 3);
    const c = groups * d.int(1, 4);
    const shape = [d.int(1, 3), c, ...d.shape(d.int(0, 2), 30).map((n) => Math.max(1, n))];
    const inputs = [strided(d, shape), ...(d.chance(0.6) ? [strided(d, [c]), strided(d, [c])] : [])];
    return { what: `${groups} [${shape}]`, inputs, f: ([x, w, b]) => F.groupNorm(x!, groups, w ?? null, b ?? null, 1e-2) };
  },
  batchNorm: (d) => {
    const c = d.int(1, 6);
    const shape = [d.int(2, 5), c, ...d.shape(d.int(0, 2), 30).map((n) => Math.max(1, n))];
    const inputs = [strided(d, shape), ...(d.chance(0.6) ? [strided(d, [c]), strided(d, [c])] : [])];
    return {
      what: `[${shape}]`,
      inputs,
      f: ([x, w, b]) => F.batchNorm(x!, null, null, w ?? null, b ?? null, { training: true, eps: 1e-2 }),
    };
  },
  crossEntropy: (d) => {
    const [n, c] = [d.int(1, 20), d.int(1, 30)];
    const target = classes(d, c, [n]);
    const options = { labelSmoothing: d.chance(0.4) ? 0.1 : 0, reduction: d.of(["sum", "none"] as const) };
    return {
      what: `[${n}, ${c}] ${JSON.stringify(options)}`,
      inputs: [strided(d, [n, c])],
      f: ([x], v) => F.crossEntropy(x!, target(v), options),
    };
  },
  attention: (d) => {
    const [b, groups, hkv, t, s, e, ev] = [d.int(1, 2), d.int(1, 3), d.int(1, 2), d.int(1, 40), d.int(1, 40), d.int(1, 20), d.int(1, 20)];
    const kind = d.int(0, 4);
    const inputs = [strided(d, [b, groups * hkv, t, e]), strided(d, [b, hkv, s, e]), strided(d, [b, hkv, s, ev])];
    if (kind === 2) inputs.push(strided(d, [t, s])); // a mask that gets a gradient
    const hide = classes(d, 2, [b, 1, 1, s], 0);
    const isCausal = kind === 3 ? "lowerRight" : kind === 1;
    return {
      what: `${kind} [${[b, groups, hkv, t, s, e, ev]}]`,
      inputs,
      f: ([q, k, v, added], device) => {
        const attnMask = kind === 4 ? hide(device).ne(0).add(0).mul(-8).add(0.5) : (added ?? null);
        return F.scaledDotProductAttention(q!, k!, v!, { isCausal, attnMask, enableGqa: true });
      },
    };
  },
  gelu: (d) => {
    const approximate = d.of(["none", "tanh"] as const);
    return { what: approximate, inputs: [strided(d, d.shape(d.int(0, 3), 300))], f: ([x]) => F.gelu(x!, { approximate }) };
  },
  linear: (d) => {
    const [i, o] = [d.int(1, 40), d.int(1, 40)];
    const inputs = [strided(d, [...d.shape(d.int(0, 2), 40), i]), strided(d, [o, i]), ...(d.chance(0.6) ? [strided(d, [o])] : [])];
    return { what: `${i} ${o}`, inputs, f: ([x, w, b]) => F.linear(x!, w!, b ?? null) };
  },
  embedding: (d) => {
    const [n, e] = [d.int(1, 20), d.int(1, 20)];
    const at = classes(d, n, d.shape(d.int(0, 2), 40), 0);
    return { what: `${n} ${e}`, inputs: [strided(d, [n, e])], f: ([w], v) => F.embedding(at(v), w!) };
  },
  indexing: (d) => {
    const shape = d.shape(3, 300).map((n) => Math.max(1, n));
    const dim = d.int(0, 2);
    const at = classes(d, shape[dim]!, [d.int(1, 9)], 0);
    const pick = classes(d, shape[dim]!, shape.with(dim, d.int(1, 5)), 0);
    const ways = [
      (x: Tensor, v: string): Tensor => x.indexSelect(dim, at(v)),
      (x: Tensor, v: string): Tensor => x.gather(dim, pick(v)),
      (x: Tensor, v: string): Tensor => x.scatterAdd(dim, pick(v), x.gather(dim, pick(v)).mul(2)),
      (x: Tensor): Tensor => x.sort(dim).values.mul(x.cumsum(dim)),
      (x: Tensor): Tensor => torch.cat([x, x.flip([dim]), x.roll(1, dim)], dim).mul(3),
      (x: Tensor): Tensor => x.mul(x.amax(dim, { keepdim: true })).add(x.logsumexp(dim, { keepdim: true })),
    ];
    const way = d.int(0, ways.length - 1);
    return { what: `${way} [${shape}] ${dim}`, inputs: [strided(d, shape)], f: ([x], v) => ways[way]!(x!, v) };
  },
  adam: (d) => {
    const shape = d.shape(d.int(1, 2), 100);
    const options = { lr: 0.1, weightDecay: d.of([0, 0.1]), amsgrad: d.chance(0.3), maximize: d.chance(0.3) };
    const decoupled = d.chance(0.5);
    return {
      what: JSON.stringify(options),
      inputs: [strided(d, shape), strided(d, shape)],
      f: ([x, g]) => {
        const p = x!.detach().clone().requiresGrad_();
        const optimizer = decoupled ? new torch.optim.AdamW([p], options) : new torch.optim.Adam([p], options);
        for (let i = 0; i < 3; i++) {
          p.grad = g!.detach().mul(i + 1);
          optimizer.step();
        }
        return p.detach().add(x!.mul(0)).add(g!.mul(0));
      },
    };
  },
};

// Outputs and gradients of a call on one device, as float64 on the CPU.
function results(call: Call, device: string, dtype: torch.DType, between: () => void): Tensor[] {
  const leaves = call.inputs.map((make) => make(device, dtype).detach().requiresGrad_());
  between();
  const y = call.f(leaves, device);
  between();
  y.mul(y.detach().add(1).cos()).sum().backward();
  between();
  return [y, ...leaves.map((x) => x.grad ?? torch.zerosLike(x))].map((t) => t.detach().to("cpu").to("float64"));
}
function sweep(device: string, dtype: "float32" | "float64", between: (d: Draw) => () => void): void {
  for (const [name, generate] of Object.entries(OPS)) {
    for (let i = 0; i < EACH; i++) {
      const seed = SEED * 1_000_003 + i * 37 + name.length;
      const call = generate(new Draw(seed));
      const want = results(call, "reference", "float64", () => {});
      const got = results(call, device, dtype, between(new Draw(seed)));
      const [rtol, atol] = dtype === "float32" ? [2e-3, 2e-4] : [1e-9, 1e-9];
      want.forEach((w, k) => {
        assert.deepEqual(got[k]!.shape, w.shape);
        if (torch.allclose(got[k]!, w, { rtol, atol, equalNan: true })) return;
        const which = `${k ? `gradient ${k - 1}` : "output"} differs by ${got[k]!.sub(w).abs().max().itemSync()}`;
        assert.fail(`${name} case ${i} (FIREBRAND_FUZZ_SEED=${SEED}), ${call.what}: ${which}`);
      });
    }
  }
}

test("native, float64", () => sweep("cpu", "float64", () => () => {}));
test("native, float32", () => sweep("cpu", "float32", () => () => {}));
test("WebAssembly, float64", () => sweep("wasm", "float64", () => () => {}));
test("native, with collections forced in between", () => {
  const gc = collector();
  sweep("cpu", "float64", (d) => () => gc({ type: d.chance(0.8) ? "minor" : "major" }));
});
