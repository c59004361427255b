// Scenarios that need a process of their own: peak memory is a figure of the process, and a crash must not end the tests.
// Run as `node child.js <scenario> [steps]`; prints one line of JSON.
import { denseLayout } from "../../../src/core/layout.ts";
import type { Retained } from "../../../src/core/storage.ts";
import { constant, type Expr, input } from "../../../src/kernel/expr.ts";
import type { Operand } from "../../../src/kernel/spec.ts";
import { apply, cpu, get, put, spec, stream } from "./harness.ts";

const MB = 1 << 20;
const COUNT = 64;
const N = 2 * MB; // 8 MB of float32
const steps = Number(process.argv[3] ?? 20);
const addOne = spec("f32", input(0).add(1));
function next(x: Operand): Operand {
  const out: Operand = { storage: cpu.alloc(4 * N), layout: x.layout, dtype: x.dtype };
  cpu.run(addOne, [out], [x], []);
  return out;
}
const first = (o: Operand): number => {
  const bytes = new Uint8Array(4);
  cpu.readSync(o.storage, 4 * (N - 1), bytes);
  return new Float32Array(bytes.buffer)[0]!;
};
const zeros = (): Operand => put(new Float32Array(N));

const SCENARIOS: Record<string, () => object> = {
  // Every intermediate is dropped at once.
  chain: () => {
    let wrong = 0;
    for (let s = 0; s < steps; s++) {
      let x = zeros();
      for (let i = 0; i < COUNT; i++) x = next(x);
      if (first(x) !== COUNT) wrong++;
    }
    return { wrong };
  },
  // All 64 are held until the end of the step.
  keep: () => {
    let wrong = 0;
    for (let s = 0; s < steps; s++) {
      const all = [zeros()];
      for (let i = 0; i < COUNT; i++) all.push(next(all[i]!));
      all.forEach((x, i) => {
        if (first(x) !== i) wrong++;
      });
    }
    return { wrong };
  },
  // A graph's claims hold the memory, the JavaScript objects die at once; a backward sweep releases them.
  save: () => {
    let wrong = 0;
    for (let s = 0; s < steps; s++) {
      const claims: Retained[] = [];
      let x = zeros();
      for (let i = 0; i < COUNT; i++) {
        claims.push(x.storage.retain());
        x = next(x);
      }
      for (let i = COUNT - 1; i >= 0; i--) {
        const saved: Operand = { ...x, storage: claims[i]!.restore() };
        if (first(saved) !== i) wrong++;
        claims[i]!.release();
      }
    }
    return { wrong };
  },
  // The same, but the graph is dropped without a backward pass.
  abandon: () => {
    for (let s = 0; s < steps; s++) {
      const claims: Retained[] = [];
      let x = zeros();
      for (let i = 0; i < COUNT; i++) {
        claims.push(x.storage.retain());
        x = next(x);
      }
    }
    return { wrong: 0 };
  },
  // Random lives of tensors of all sizes: what is alive keeps its contents, whatever is collected around it.
  fuzz: () => {
    const random = stream(11);
    const pick = (n: number): number => Math.floor(random() * n);
    const live: { o: Operand; claim: Retained | null; value: number }[] = [];
    const fills = Array.from({ length: 97 }, (_, v) => spec("f32", constant(v)));
    const sizes = [1, 16, 100, 128, 129, 1000, 20_000, 300_000, 2_000_000];
    let wrong = 0;
    for (let s = 0; s < steps * 100; s++) {
      const n = sizes[pick(sizes.length)]!;
      const value = s % fills.length;
      const out: Operand = { storage: cpu.alloc(4 * n), dtype: "float32", layout: denseLayout([n]) };
      cpu.run(fills[value]!, [out], [], []);
      live.push({ o: out, claim: pick(3) === 0 ? out.storage.retain() : null, value });
      while (live.length > 40) {
        const [gone] = live.splice(pick(live.length), 1);
        if (pick(2)) gone!.claim?.release();
      }
      const one = live[pick(live.length)]!;
      // A storage made anew from the claim must show the same memory.
      if (one.claim && pick(2)) one.o = { ...one.o, storage: one.claim.restore() };
      const bytes = new Uint8Array(Math.min(one.o.storage.nbytes, 4096));
      cpu.readSync(one.o.storage, one.o.storage.nbytes - bytes.length, bytes);
      if (new Float32Array(bytes.buffer).some((v) => v !== one.value)) wrong++;
    }
    return { wrong };
  },
  // More registers than any hand-written formula needs.
  wide: () => {
    let e: Expr = constant(0);
    for (const t of Array.from({ length: 300 }, (_, i) => input(0).mul(i + 2)).reverse()) e = t.add(e);
    const y = get(apply("f64", "float64", e, [put([1, 2], "float64")]));
    return { wrong: Number(y[0] !== (300 * 301) / 2 + 300) + Number(y[1] !== 300 * 301 + 600) };
  },
  // A formula of 2000 instructions.
  deep: () => {
    let e: Expr = input(0);
    for (let i = 0; i < 1000; i++) e = e.add(input(1)).mul(i % 2 ? 0.5 : 2);
    const y = get(apply("f64", "float64", e, [put([1], "float64"), put([0], "float64")]));
    return { wrong: Number(y[0] !== 1) };
  },
  // Forty shared nodes that would be 2^40 if written out.
  shared: () => {
    let e: Expr = input(0);
    for (let i = 0; i < 40; i++) e = e.add(e).mul(0.5);
    const y = get(apply("f64", "float64", e, [put([3], "float64")]));
    return { wrong: Number(y[0] !== 3) };
  },
};

const started = performance.now();
const result = SCENARIOS[process.argv[2]!]!();
const { live, cached } = cpu.memory.stats();
console.log(
  JSON.stringify({
    ...result,
    msPerStep: +((performance.now() - started) / steps).toFixed(1),
    peakMB: Math.round(process.resourceUsage().maxRSS / 1024),
    liveMB: Math.round(live / MB),
    cachedMB: Math.round(cached / MB),
  }),
);
