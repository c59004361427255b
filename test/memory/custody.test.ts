// Backward frees gradients after their last reader. Whatever the user can still see must keep its values: the tensors here
// are large enough to be freed at once, and new ones are made afterwards that would overwrite what was freed too early.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type AccumulateGrad, edgeOf } from "../../src/autograd/graph.ts";
import * as torch from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";

type Context = torch.autograd.Context;

const N = 4096; // 16 KB of float32
const x = (value: number): Tensor => torch.full([N], value, { dtype: "float32", requiresGrad: true });
/** Overwrites whatever lies free. */
function churn(): void {
  const all = Array.from({ length: 200 }, () => torch.full([N], -1, { dtype: "float32" }));
  assert.equal(all.length, 200);
}
function holds(t: Tensor | null, value: number, what: string): void {
  assert.ok(t, what);
  const d = t.dataSync() as Float32Array;
  assert.ok(
    d.every((v) => Math.abs(v - value) <= 1e-5 * Math.abs(value)),
    `${what}: ${d[0]} … ${d.at(-1)}, not ${value}`,
  );
}

suite("gradients in flight", () => {
  test("a gradient that two nodes read", () => {
    const [a, b] = [x(2), x(3)];
    const sum = a.exp().add(b.exp()); // both get the same tensor
    sum.mul(sum).sum().backward();
    churn();
    const s = Math.exp(2) + Math.exp(3);
    holds(a.grad, 2 * s * Math.exp(2), "a.grad");
    holds(b.grad, 2 * s * Math.exp(3), "b.grad");
  });
  test("gradients that a hook kept", () => {
    const a = x(2);
    const seen: Tensor[] = [];
    const y = a.mul(3);
    y.registerHook((g) => {
      seen.push(g);
    });
    y.square().sum().backward();
    churn();
    holds(seen[0]!, 12, "hook");
    holds(a.grad, 36, "a.grad");
  });
  test("a hook's own tensors and its replacement", () => {
    const a = x(2);
    const made: Tensor[] = [];
    const y = a.mul(3);
    y.registerHook((g) => {
      made.push(g.mul(10));
      return made[0]!;
    });
    y.square().sum().backward();
    churn();
    holds(made[0]!, 120, "made in the hook");
    holds(a.grad, 360, "a.grad");
  });
  test("what a post-accumulate hook makes", () => {
    const a = x(2);
    const kept: Tensor[] = [];
    (edgeOf(a)!.node as AccumulateGrad).postHooks = [(leaf) => kept.push(leaf.grad!.mul(2))];
    a.square().sum().backward();
    churn();
    holds(kept[0]!, 8, "made in the hook");
  });
  test("retainGrad", () => {
    const a = x(2);
    const y = a.mul(3).retainGrad();
    const z = y.square().retainGrad();
    z.sum().backward();
    churn();
    holds(y.grad, 12, "y.grad");
    holds(z.grad, 1, "z.grad");
  });
  test("gradients asked for with grad(), one of them on the way to the other", () => {
    const a = x(2);
    const y = a.mul(3);
    const [gy, ga] = torch.autograd.grad(y.square().sum(), [y, a]) as [Tensor, Tensor];
    churn();
    holds(gy, 12, "y");
    holds(ga, 36, "a");
  });
  test("tensors that a custom function saw, saved and returned", () => {
    const stash: Tensor[] = [];
    class Keeper extends torch.autograd.Function {
      static forward(ctx: Context, t: Tensor): Tensor {
        ctx.saveForBackward(t);
        return t.mul(5);
      }
      static backward(ctx: Context, g: Tensor | null): Tensor {
        const [t] = ctx.savedTensors as [Tensor];
        const out = g!.mul(5);
        stash.push(g!, t, out);
        return out;
      }
    }
    const a = x(2);
    (Keeper.apply(a.mul(3)) as Tensor).square().sum().backward();
    churn();
    holds(stash[0]!, 60, "incoming");
    holds(stash[1]!, 6, "saved");
    holds(stash[2]!, 300, "returned");
    holds(a.grad, 900, "a.grad");
  });
  test("a seed and a gradient that are the same tensor", () => {
    const a = x(2);
    const seed = torch.full([N], 7, { dtype: "float32" });
    a.add(0).backward(seed);
    churn();
    holds(seed, 7, "seed");
    holds(a.grad, 7, "a.grad");
    a.grad!.add_(1);
    holds(seed, 7, "seed after the gradient was written");
  });
  test("a second backward over a retained graph", () => {
    const a = x(2);
    const y = a.exp().square();
    const s = y.sum();
    s.backward({ retainGraph: true });
    churn();
    s.backward();
    churn();
    holds(a.grad, 4 * Math.exp(4), "a.grad");
    holds(y, Math.exp(4), "y");
  });
  test("saved tensors that the program still has", () => {
    const a = x(2);
    const y = a.exp();
    const z = y.mul(y);
    z.sum().backward();
    churn();
    holds(y, Math.exp(2), "y");
    holds(z, Math.exp(4), "z");
  });
  test("higher derivatives", () => {
    const a = x(2);
    const [g] = torch.autograd.grad(a.pow(3).sum(), a, { createGraph: true }) as [Tensor];
    churn();
    const [h] = torch.autograd.grad(g.sum(), a) as [Tensor];
    churn();
    holds(g, 12, "first");
    holds(h, 12, "second");
  });
  test("views, in-place writes on them, and a leaf used many times", () => {
    const a = x(2);
    const y = a.mul(3).view([64, 64]);
    y.select(0, 0).mul_(2);
    const z = y
      .t()
      .add(y)
      .add(a.view([64, 64]));
    z.sum().backward();
    churn();
    const d = a.grad!.dataSync() as Float32Array;
    for (let i = 0; i < N; i++) assert.ok(Math.abs(d[i]! - (i < 64 ? 13 : 7)) < 1e-4, `${i}: ${d[i]}`);
  });
  test("gradients that accumulate over passes", () => {
    const a = x(2);
    for (let i = 0; i < 3; i++) a.square().mul(a.exp()).sum().backward();
    const once = 4 * Math.exp(2) + 4 * Math.exp(2);
    holds(a.grad, 3 * once, "a.grad");
    const first = a.grad!;
    a.grad = null;
    a.square().sum().backward();
    churn();
    holds(first, 3 * once, "the old gradient");
    holds(a.grad, 4, "the new one");
  });
});
