// What ops refuse at the door, at every call: the kind of each operand, values, targets that do not fit, windows outside memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const F = torch.nn.functional;
const ints = torch.tensor([1, 2, 3]);

test("a number comes first only where PyTorch takes one", () => {
  assert.deepEqual(torch.add(2, ints).toArraySync(), [3, 4, 5]);
  assert.deepEqual(torch.pow(2, ints).toArraySync(), [2, 4, 8]);
  assert.deepEqual(torch.sub(1, ints).toArraySync(), [0, -1, -2]);
  const untyped = torch as unknown as Record<string, (...args: unknown[]) => unknown>;
  const counts = { maximum: 1, atan2: 1, eq: 1, lt: 1, logicalAnd: 1, fmod: 1, lerp: 2, addcmul: 2, exp: 0 };
  for (const [name, n] of Object.entries(counts))
    assert.throws(() => untyped[name]!(2, ...[ints, ints].slice(0, n)), {
      name: "ArgumentError",
      message: /input is 2, needed a Tensor/,
    });
});
test("values are checked at every call, not only at the first", () => {
  assert.deepEqual(ints.pow(2).toArraySync(), [1, 4, 9]);
  assert.throws(() => ints.pow(-1), { name: "DTypeError" });
  assert.deepEqual(ints.add(1, { alpha: 2 }).toArraySync(), [3, 4, 5]);
  assert.throws(() => ints.add(1, { alpha: 0.5 }), { name: "ArgumentError" });
  assert.deepEqual(F.hardtanh(torch.tensor([2.5])).toArraySync(), [1]);
  assert.throws(() => F.hardtanh(torch.tensor([2.5]), 1, -1), { name: "ValueError" });
});
test("dtypes that have no meaning are named", () => {
  const complex = torch.ones(2, 2, { dtype: "complex64" });
  for (const f of [F.silu, F.elu, F.gelu, F.softplus, F.mish] as ((x: torch.Tensor) => torch.Tensor)[])
    assert.throws(() => f(ints), { name: "DTypeError", message: /int64/ });
  for (const f of [
    () => F.mseLoss(complex, complex),
    () => F.layerNorm(complex, [2]),
    () => F.batchNorm(complex, null, null, null, null, { training: true }),
    () => F.leakyRelu(complex),
    () => complex.div(2, { roundingMode: "floor" }),
    () => F.interpolate(ints.reshape([1, 1, 3]), { size: 6, mode: "linear" }),
  ])
    assert.throws(f, { name: "DTypeError" });
});
test("big integers are exact", () => {
  assert.deepEqual(
    [
      ...torch
        .tensor([1])
        .add(2n ** 60n)
        .dataSync(),
    ],
    [2n ** 60n + 1n],
  );
  assert.equal(torch.iinfo("int64").max, 2n ** 63n - 1n);
});
test("in-place forms do not grow their target", () => {
  const batch = torch.ones(2, 3, 3);
  assert.throws(() => torch.ones(1).addbmm_(batch, batch), { name: "ShapeError", message: /cannot grow/ });
});
test("in-place forms keep what their gradient needs", () => {
  const x = torch.tensor([2.5, 3], { requiresGrad: true });
  x.clone().cumprod_(0).sum().backward();
  assert.deepEqual(x.grad!.toArraySync(), [4, 2.5]);
});
test("windows stay inside their storage", () => {
  const x = torch.arange(0, 6);
  assert.deepEqual(torch.asStrided(x, [2, 2], [2, 1], { storageOffset: 1 }).toArraySync(), [
    [1, 2],
    [3, 4],
  ]);
  assert.throws(() => x.asStrided([3], [3]), { name: "IndexError" });
  for (const offset of [-1, 0.5, Number.NaN]) assert.throws(() => x.asStrided([2], [1], offset), { name: "ValueError" });
  assert.throws(() => x.asStrided([2], [1, 1]), { name: "ValueError" });
});
test("16-bit floats are normalised in float32 and rounded once", () => {
  const x = torch.tensor([318.25, 996.5, 818], { dtype: "float16" }); // their squares are beyond float16
  const y = F.rmsNorm(x, [3]).float();
  const want = F.rmsNorm(x.float(), [3]);
  assert.ok(torch.allclose(y, want, { rtol: 1e-3 }), `${y}`);
  assert.equal(F.softmax(x, 0).dtype, "float16");
});
