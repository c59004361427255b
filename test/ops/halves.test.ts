// Products of 16-bit matrices against those of the same numbers in float64: rows few and many, all ways the factors can lie.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const F = torch.nn.functional;
const EPSILON = { bfloat16: 2 ** -8, float16: 2 ** -11 } as const;
const SHAPES = [
  [1, 1, 1],
  [1, 64, 48],
  [1, 37, 33],
  [2, 130, 301],
  [3, 64, 7],
  [7, 96, 40],
  [16, 33, 65],
  [41, 50, 70],
  [45, 640, 100],
  [130, 661, 67],
  [64, 90, 1],
] as const;

/** Rounded once from a sum in float32: within half a unit of the last place, and of what float32 loses. */
function near(name: string, y: torch.Tensor, a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | null): void {
  const [A, B] = [a.to("cpu").to("float64"), b.to("cpu").to("float64")];
  const plus = (t: torch.Tensor, c: torch.Tensor | null): torch.Tensor => (c ? t.add(c) : t);
  const c = bias?.to("cpu").to("float64") ?? null;
  const want = plus(A.matmul(B), c);
  const slack = plus(A.abs().matmul(B.abs()), c?.abs() ?? null).mul(2e-6);
  const bound = want
    .abs()
    .mul(EPSILON[y.dtype as keyof typeof EPSILON])
    .add(slack)
    .add(1e-7);
  const far = y.to("cpu").to("float64").sub(want).abs().sub(bound).max().itemSync<number>();
  assert.ok(far <= 0, `${name}: ${far} beyond the bound`);
}

for (const device of ["cpu", "wasm"])
  for (const dtype of ["bfloat16", "float16"] as const)
    test(`${dtype} products on ${device}`, () => {
      for (const threads of [1, 2]) {
        torch.setNumThreads(threads);
        torch.manualSeed(5);
        const make = (...shape: number[]): torch.Tensor => torch.randn(shape).to(dtype).to(device);
        for (const [m, k, n] of SHAPES) {
          const [x, w, b] = [make(m, k), make(n, k), make(n)];
          const name = `${m}x${k}x${n}, ${threads} threads`;
          near(`${name}: linear`, F.linear(x, w, b), x, w.t(), b);
          near(`${name}: NN`, x.matmul(w.t().contiguous()), x, w.t(), null);
          near(`${name}: TN`, x.t().contiguous().t().matmul(w.t()), x, w.t(), null);
          near(`${name}: TT`, x.t().contiguous().t().matmul(w.t().contiguous()), x, w.t(), null);
        }
        const [p, q] = [make(5, 9, 34), make(5, 34, 11)];
        near("batched", p.bmm(q), p, q, null);
        const wide = make(6, 101).narrow(1, 1, 60); // rows that begin at odd places
        near("window", F.linear(wide, wide), wide, wide.t(), null);
        near(
          "every second",
          F.linear(wide.index("..., ::2"), wide.index("..., ::2")),
          wide.index("..., ::2"),
          wide.index("..., ::2").t(),
          null,
        );
      }
      torch.setNumThreads(2);
    });

test("16-bit numbers of every kind are widened exactly", () => {
  for (const dtype of ["bfloat16", "float16"] as const)
    for (const device of ["cpu", "wasm"]) {
      const all = torch.arange(0, 65536).to("int16").view(dtype).reshape([1, -1]).to(device);
      const same = torch.ones(1, 1, { dtype, device }).matmul(all);
      assert.ok(
        torch.allclose(same.to("cpu").to("float64"), all.to("cpu").to("float64"), { rtol: 0, atol: 0, equalNan: true }),
        `${dtype} on ${device}`,
      );
    }
});
