// Backward hooks of modules against what PyTorch's see (tools/record/hooks.py), and finding parts by path.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

type Tensor = torch.Tensor;
const { nn } = torch;
type Seen = [string, ...(number[] | null)[][]];
const recorded = JSON.parse(readFileSync(join(import.meta.dirname, "../../../test/nn/hooks.json"), "utf8")) as {
  seen: Seen[];
  x: number[];
  replaced: { x: number[]; weight: number[] };
  leaf: (number[] | null)[][][];
};
const numbers = (t: Tensor | null): number[] | null => t && [...(t.dataSync() as Float32Array)];

class Net extends nn.Module {
  forward(x: Tensor, y: Tensor): Tensor[] {
    return [x.mul(y), x.add(y.mul(2))];
  }
}
test("hooks see the gradients of arguments and outputs", () => {
  const net = new Net();
  const seen: Seen[] = [];
  net.registerFullBackwardPreHook((m, g) => {
    assert.equal(m, net);
    seen.push(["pre", g.map(numbers)]);
  });
  const remove = net.registerFullBackwardHook((_, gi, go) => {
    seen.push(["full", gi.map(numbers), go.map(numbers)]);
  });
  const x = torch.tensor([1.5, -2], { requiresGrad: true });
  const y = torch.tensor([0.5, 3]);
  const loss = (): Tensor => {
    const [a, b] = net.forward(x, y) as [Tensor, Tensor];
    return a
      .mul(torch.tensor([1, 2]))
      .add(b.mul(torch.tensor([3, -1])))
      .sum();
  };
  loss().backward();
  // An argument that needs no gradient has none here; PyTorch hands out zeros.
  const [pre, full] = recorded.seen as [Seen, Seen];
  assert.deepEqual(seen, [pre, ["full", [full[1]![0]!, null], full[2]!]]);
  assert.deepEqual(numbers(x.grad), recorded.x);
  remove();
  loss().backward();
  assert.equal(seen.length, 3);
});
test("hooks replace gradients on their way in and out", () => {
  const net = new nn.Linear(2, 1);
  net.loadStateDict({ weight: torch.tensor([[2, -1]]), bias: torch.zeros(1) });
  net.registerFullBackwardPreHook((_, [g]) => [g!.mul(2)]);
  net.registerFullBackwardHook((_, [g]) => [g!.neg()]);
  const x = torch.tensor([[1, 4.0]], { dtype: "float32", requiresGrad: true });
  net.forward(x).sum().backward();
  assert.deepEqual(numbers(x.grad), recorded.replaced.x);
  assert.deepEqual(numbers(net.weight.grad), recorded.replaced.weight);
});
test("without an argument that needs a gradient hooks run all the same", () => {
  const net = new nn.Linear(2, 1);
  const seen: (number[] | null)[][][] = [];
  net.registerFullBackwardHook((_, gi, go) => {
    seen.push([gi.map(numbers), go.map(numbers)]);
  });
  net.forward(torch.ones(1, 2)).sum().backward();
  assert.deepEqual(seen, recorded.leaf);
});
test("parts by path", () => {
  const net = new nn.Sequential(new nn.Linear(2, 2), new nn.BatchNorm1d(2, { bias: false }));
  assert.equal(net.getSubmodule("1"), net.at(1));
  assert.equal(net.getParameter("0.weight"), (net.at(0) as InstanceType<typeof nn.Linear>).weight);
  assert.deepEqual([...net.getBuffer("1.running_mean").shape], [2]);
  for (const bad of [
    () => net.getParameter("0.nothing"),
    () => net.getBuffer("0.weight"),
    () => net.getSubmodule("7"),
    () => net.getParameter("1.bias"),
  ])
    assert.throws(bad, { name: "ArgumentError" });
  assert.deepEqual(Object.keys(net.stateDict()), [
    "0.weight",
    "0.bias",
    "1.weight",
    "1.running_mean",
    "1.running_var",
    "1.num_batches_tracked",
  ]);
  assert.equal(new nn.GroupNorm(1, 2, { bias: false }).bias, null);
});
