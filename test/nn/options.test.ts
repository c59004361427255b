// Options that change what a call means: PyTorch's old reduction switches, and hints that need their mask.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const F = torch.nn.functional;

test("sizeAverage and reduce say what reduction says", () => {
  const [x, t] = [torch.tensor([1.5, 3]), torch.tensor([0.5, 1])];
  const loss = (o: torch.nn.functional.LossOptions): unknown => F.mseLoss(x, t, o).toArraySync();
  assert.equal(loss({ sizeAverage: false }), loss({ reduction: "sum" }));
  assert.equal(loss({ sizeAverage: true, reduction: "sum" }), loss({ reduction: "mean" }));
  assert.deepEqual(loss({ reduce: false }), loss({ reduction: "none" }));
  assert.equal(new torch.nn.MSELoss({ sizeAverage: false }).forward(x, t).itemSync(), 5);
  const scores = torch.tensor([[0.5, 1]]);
  assert.deepEqual(F.crossEntropy(scores, torch.tensor([0]), { reduce: false }).shape, [1]);
});

test("attention refuses the causal hint without the mask that it describes", () => {
  const m = new torch.nn.MultiheadAttention(4, 2);
  const x = torch.ones(3, 1, 4);
  for (const needWeights of [true, false])
    assert.throws(() => m.forward(x, x, x, { isCausal: true, needWeights }), { name: "ValueError", message: /isCausal.*attnMask/ });
  const attnMask = torch.ones(3, 3).triu(1).bool();
  const [y] = m.forward(x, x, x, { attnMask, isCausal: true });
  assert.ok(y.allclose(m.forward(x, x, x, { attnMask })[0]));
});

test("pooling gives indices where they are asked for, in value and in type", () => {
  const x = torch.arange(16).float().reshape(1, 1, 4, 4);
  const [values, indices]: [torch.Tensor, torch.Tensor] = F.maxPool2d(x, 2, { returnIndices: true });
  assert.deepEqual(indices.toArraySync(), [
    [
      [
        [5, 7],
        [13, 15],
      ],
    ],
  ]);
  assert.deepEqual(values.toArraySync(), F.maxPool2d(x, 2).toArraySync());
  assert.deepEqual(F.adaptiveMaxPool2d(x, 2, { returnIndices: true })[1].toArraySync(), [
    [
      [
        [5, 7],
        [13, 15],
      ],
    ],
  ]);
});
