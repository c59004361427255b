// A model on every device: the same values on the CPU, the reference and the WebAssembly backend, the same shapes on meta.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const { nn } = torch;
const F = nn.functional;
const build = (device: string): { net: InstanceType<typeof nn.Sequential>; x: torch.Tensor } => {
  torch.manualSeed(3);
  const net = new nn.Sequential(
    new nn.Conv2d(2, 4, 3, { padding: 1, stride: 2 }),
    new nn.GroupNorm(2, 4),
    new nn.GELU(),
    new nn.MaxPool2d(2),
    new nn.AvgPool2d(2, { padding: 1 }),
    new nn.Flatten(),
    new nn.Linear(16, 6),
    new nn.LayerNorm(6),
    new nn.Softmax({ dim: -1 }),
  );
  return { net: net.double().to(device), x: torch.randn(3, 2, 12, 12, { dtype: "float64" }).to(device) };
};
test("a convolutional model, forward and backward", () => {
  const results = ["cpu", "reference", "wasm"].map((device) => {
    const { net, x } = build(device);
    const y = net.forward(x.requiresGrad_());
    F.crossEntropy(y, torch.tensor([0, 3, 5], { device })).backward();
    return [y, x.grad!, ...[...net.parameters()].map((p) => p.grad!)].map((t) => t.detach().to("cpu"));
  });
  for (const other of results.slice(1))
    results[0]!.forEach((t, i) => assert.ok(torch.allclose(t, other[i]!, { rtol: 1e-9, atol: 1e-12 }), `result ${i}`));
});
test("attention, embedding, sorting and indexing agree", () => {
  const outs = ["cpu", "reference", "wasm"].map((device) => {
    torch.manualSeed(1);
    const q = torch.randn(2, 2, 5, 4, { dtype: "float64" }).to(device).requiresGrad_();
    const w = torch.randn(7, 4, { dtype: "float64" }).to(device).requiresGrad_();
    const a = F.scaledDotProductAttention(q, q, q, { isCausal: true });
    const e = F.embedding(
      torch.tensor(
        [
          [1, 6],
          [0, 1],
        ],
        { device },
      ),
      w,
    );
    a.sum().add(e.pow(2).sum()).backward();
    const s = w.detach().sort(1);
    return [
      a,
      e,
      q.grad!,
      w.grad!,
      s.values,
      s.indices,
      w.detach().index(torch.tensor([0, -1], { device }), torch.slice(1, 3)),
      w.detach().topk(2).values,
      w.detach().cumsum(0),
    ].map((t) => t.detach().to("cpu").to("float64"));
  });
  for (const other of outs.slice(1))
    outs[0]!.forEach((t, i) => assert.ok(torch.allclose(t, other[i]!, { rtol: 1e-9, atol: 1e-12 }), `result ${i}`));
});
test("integer and complex arithmetic agree in every dtype", () => {
  for (const dtype of ["uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "complex64"] as const) {
    const [a, b] = [torch.tensor([1, -2, 3, 100, 7, 0]), torch.tensor([3, 2, -5, 100, 2, 9])];
    const outs = ["cpu", "reference", "wasm"].map((device) => {
      const [x, y] = [a.to(dtype).to(device), b.to(dtype).to(device)];
      const r = [x.add(y), x.mul(y), x.sub(y), x.eq(y), x.sum(), x.div(y)];
      if (dtype !== "complex64") r.push(x.remainder(y), x.floorDivide(y), x.max(), x.argsort(), x.clamp(-1, 5));
      return r.map((t) => t.to("cpu"));
    });
    for (const other of outs.slice(1))
      outs[0]!.forEach((t, i) => {
        assert.equal(t.dtype, other[i]!.dtype);
        assert.ok(
          torch.isclose(t.to("complex128"), other[i]!.to("complex128"), { rtol: 1e-2, equalNan: true }).all().itemSync<boolean>(),
          `${dtype} result ${i}: ${t} and ${other[i]}`,
        );
      });
  }
});
test("meta has shapes and no values", () => {
  const { net, x } = build("meta");
  const y = net.forward(x);
  assert.deepEqual([[...y.shape], y.device, y.dtype], [[3, 6], "meta", "float64"]);
  assert.throws(() => y.itemSync(), { name: "ShapeError" });
  assert.throws(() => y.sum().itemSync(), { name: "DeviceError" });
  assert.throws(() => y.add(torch.ones(6, { dtype: "float64" })), { name: "DeviceError" });
});
