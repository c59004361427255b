// Native random numbers against those that JavaScript draws for the reference backend: one seed, the same values and the same
// state afterwards, whatever was drawn before. Values differ in the last bits where libraries of functions do.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../../src/index.ts";
import { skip } from "./harness.ts";

type Options = { dtype: torch.DType; device: string; generator: torch.Generator };
const empty = (n: number, { dtype, device }: Options): torch.Tensor => torch.empty(n, { dtype, device });
const EXACT = 0;
const ROUNDED = 2e-6;
const HALF: Readonly<Record<string, number>> = { float16: 1 / 512, bfloat16: 1 / 64 };
const floats: Record<string, [tolerance: number, draw: (n: number, o: Options) => torch.Tensor]> = {
  rand: [EXACT, (n, o) => torch.rand(n, o)],
  randn: [ROUNDED, (n, o) => torch.randn(n, o)],
  uniform_: [ROUNDED, (n, o) => empty(n, o).uniform_(-0.3, 2, { generator: o.generator })],
  normal_: [ROUNDED, (n, o) => empty(n, o).normal_(1.3, 0.7, { generator: o.generator })],
  exponential_: [ROUNDED, (n, o) => empty(n, o).exponential_(1.5, { generator: o.generator })],
  bernoulli_: [EXACT, (n, o) => empty(n, o).bernoulli_(0.3, { generator: o.generator })],
  part: [
    ROUNDED,
    (n, o) =>
      empty(n + 2, o)
        .narrow(0, 1, n)
        .normal_(0, 1, { generator: o.generator }),
  ],
};
const integers: typeof floats = {
  randint: [EXACT, (n, o) => torch.randint(-5, 1000, [n], o)],
  wide: [EXACT, (n, o) => torch.randint(-7, 2 ** 40, [n], { ...o, dtype: "int64" })],
  randperm: [EXACT, (n, o) => torch.randperm(n, { ...o, dtype: "int64" })],
  bernoulli_: [EXACT, (n, o) => empty(n, o).bernoulli_(0.3, { generator: o.generator })],
  strided: [
    EXACT,
    (n, o) =>
      empty(2 * n + 2, o)
        .reshape([n + 1, 2])
        .select(1, 1)
        .random_(0, 100, { generator: o.generator }),
  ],
};

const values = (t: torch.Tensor): ArrayLike<number> & Iterable<number | bigint> =>
  (t.isComplex() ? torch.viewAsReal(t) : t).to("cpu").to("float64").dataSync() as Float64Array;
function compare(dtype: torch.DType, draws: typeof floats, sizes: readonly number[]): void {
  const make = (device: string): Options => ({ dtype, device, generator: new torch.Generator().manualSeed(11) });
  const [ours, theirs] = [make("cpu"), make("reference")];
  for (const n of sizes) {
    for (const [name, [tolerance, draw]] of Object.entries(draws)) {
      const read = (o: Options): number[] => [...values(draw(n, o))].map(Number);
      const [got, want] = [read(ours), read(theirs)];
      const allowed = tolerance === EXACT ? 0 : (HALF[dtype] ?? tolerance);
      const bad = want.findIndex((v, i) => !(Math.abs(v - got[i]!) <= allowed * Math.max(1, Math.abs(v))));
      assert.equal(bad, -1, `${name}, ${n} of ${dtype}: [${bad}] is ${got[bad]}, in JavaScript ${want[bad]}`);
    }
    assert.deepEqual(ours.generator.getState().state, theirs.generator.getState().state, `state after ${n} of ${dtype}`);
    assert.equal(ours.generator.getState().next, theirs.generator.getState().next);
  }
}
const SIZES = [0, 1, 15, 16, 17, 31, 100, 1000];
for (const dtype of ["float32", "float64", "float16", "bfloat16", "complex64", "complex128"] as const)
  test(`${dtype}: the draws of JavaScript`, { skip }, () => {
    const { exponential_, bernoulli_, ...both } = floats;
    compare(dtype, dtype.startsWith("complex") ? both : floats, dtype === "float32" ? [...SIZES, 1_000_000] : SIZES);
  });
for (const dtype of ["int64", "int32", "int16", "bool"] as const)
  test(`${dtype}: the draws of JavaScript`, { skip }, () => {
    compare(dtype, integers, SIZES);
  });
