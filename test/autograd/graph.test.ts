// The graph: accumulation, views and in-place writes, hooks, higher order, custom functions, and its errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const { tensor, autograd } = torch;
const leaf = (values: number[]): torch.Tensor => tensor(values, { dtype: "float64", requiresGrad: true });
const list = (t: torch.Tensor | null): number[] => [...(t!.dataSync() as Float64Array)];
const throws = (f: () => unknown, name: string, text: RegExp): void =>
  assert.throws(f, (e: Error) => e.name === name && text.test(e.message));

test("gradients accumulate over passes and over uses", () => {
  const x = leaf([1, 2]);
  x.mul(x).add(x).sum().backward();
  assert.deepEqual(list(x.grad), [3, 5]);
  x.sum().backward();
  assert.deepEqual(list(x.grad), [4, 6]);
});
test("two leaves never share a gradient", () => {
  const [a, b] = [leaf([1]), leaf([2])];
  a.add(b).sum().backward();
  a.grad!.zero_();
  assert.deepEqual(list(b.grad), [1]);
});
test("second derivatives and retained graphs", () => {
  const x = leaf([3]);
  const [g] = autograd.grad(x.pow(3).sum(), x, { createGraph: true });
  assert.deepEqual(list(g!), [27]);
  assert.deepEqual(list(autograd.grad(g!.sum(), x)[0]!), [18]);
  const y = x.mul(x).sum();
  y.backward({ retainGraph: true });
  y.backward();
  assert.deepEqual(list(x.grad), [12]);
  throws(() => y.backward(), "AutogradError", /retainGraph/);
});
test("in-place on a view reaches the base and other views", () => {
  const x = leaf([1, 2, 3, 4]);
  const base = x.mul(1);
  const [left, all] = [base.narrow(0, 0, 2), base.view([2, 2])];
  left.mul_(10);
  assert.deepEqual(list(all.reshape([-1]).detach()), [10, 20, 3, 4]);
  all
    .mul(
      tensor(
        [
          [1, 2],
          [3, 4],
        ],
        { dtype: "float64" },
      ),
    )
    .sum()
    .backward();
  assert.deepEqual(list(x.grad), [10, 20, 3, 4]);
});
test("writing part of a tensor cuts its gradient there", () => {
  const x = leaf([1, 2, 3]);
  const y = x.mul(2);
  y.setIndex(1, 0);
  y.sum().backward();
  assert.deepEqual(list(x.grad), [2, 0, 2]);
});
test("a saved tensor that was written is noticed", () => {
  const x = leaf([1, 2]);
  const y = x.exp();
  y.add_(1);
  throws(() => y.sum().backward(), "AutogradError", /expBackward.*shape \[2\].*version 0.*version 1/s);
});
test("leaves cannot be written while recording", () => {
  const x = leaf([1, 2]);
  throws(() => x.add_(1), "AutogradError", /leaf/);
  throws(() => x.narrow(0, 0, 1).zero_(), "AutogradError", /view of a leaf/);
  torch.noGrad(() => x.add_(1));
  assert.deepEqual(list(x.detach()), [2, 3]);
});
test("noGrad, enableGrad, detach", async () => {
  const x = leaf([1]);
  assert.equal(torch.noGrad(() => x.mul(2)).requiresGrad, false);
  assert.equal(torch.noGrad(() => torch.enableGrad(() => x.mul(2))).requiresGrad, true);
  assert.equal(x.mul(2).detach().requiresGrad, false);
  assert.equal(
    await torch.noGrad(async () => {
      await null;
      return x.mul(2).requiresGrad;
    }),
    false,
  );
  assert.equal(torch.isGradEnabled(), true);
  assert.throws(() =>
    torch.noGrad(() => {
      throw new Error("x");
    }),
  );
  assert.equal(torch.isGradEnabled(), true);
});
test("hooks see and replace gradients; retainGrad keeps them", () => {
  const x = leaf([1, 2]);
  const y = x.mul(3).retainGrad();
  const remove = y.registerHook((g) => g.mul(2));
  y.sum().backward();
  assert.deepEqual(
    [list(x.grad), list(y.grad)],
    [
      [6, 6],
      [2, 2],
    ],
  );
  remove();
  x.grad = null;
  x.mul(3).sum().backward();
  assert.deepEqual(list(x.grad), [3, 3]);
});
test("custom functions", () => {
  class Cube extends autograd.Function {
    static forward(ctx: InstanceType<typeof autograd.Context>, x: torch.Tensor): torch.Tensor {
      ctx.saveForBackward(x);
      return x.pow(3);
    }
    static backward(ctx: InstanceType<typeof autograd.Context>, g: torch.Tensor | null): torch.Tensor {
      return g!.mul(ctx.savedTensors[0]!.square()).mul(3);
    }
  }
  const f = (x: torch.Tensor): torch.Tensor => Cube.apply(x) as torch.Tensor;
  assert.ok(torch.testing.gradcheck(f, [leaf([1, -2])]));
  assert.ok(torch.testing.gradgradcheck(f, [leaf([1, -2])]));
  assert.equal(
    torch.testing.gradcheck((x) => f(x).add(x.detach().square()), [leaf([1])], { raise: false }),
    false,
  );
});
test("anomaly mode names the operation that made NaN", () => {
  torch.detectAnomaly(() => throws(() => leaf([-1]).sqrt().sum().backward(), "AutogradError", /sqrtBackward returned NaN/));
});
test("errors say what is needed", () => {
  throws(() => leaf([1, 2]).mul(2).backward(), "AutogradError", /\[2\]/);
  throws(() => tensor([1.5]).sum().backward(), "AutogradError", /does not require grad/);
  throws(() => leaf([1, 2]).mul(2).backward(torch.ones(3)), "ShapeError", /\[3\].*\[2\]/);
  throws(() => tensor([1], { requiresGrad: true }), "AutogradError", /int64/);
  throws(() => autograd.grad(leaf([1]).sum(), leaf([2])), "AutogradError", /not used/);
});
test("deep graphs do not overflow the stack", () => {
  const x = leaf([1]);
  let y = x.mul(1);
  for (let i = 0; i < 50_000; i++) y = y.add(0.0001);
  y.sum().backward();
  assert.deepEqual(list(x.grad), [1]);
});
