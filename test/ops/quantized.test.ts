// Products with quantised weights against float64 products of what the blocks decode to and of the rounded rows of the input;
// decoding, lookups, gradients, modules, bad input.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { KERNEL_TYPES, type QuantType } from "../../src/kernel/quant/types.ts";
import { gradcheck } from "../../src/testing/index.ts";

const { nn, io } = torch;
const { QuantizedTensor } = io;
const F = nn.functional;
type Q = torch.io.QuantizedTensor;
const quantized = (type: QuantType, ...shape: number[]): Q => QuantizedTensor.quantize(torch.randn(shape).mul(0.1), type);
const blockOf = (type: QuantType): number => (/_K$|XS$/.test(type) ? 256 : 32);
const f64 = (t: torch.Tensor): torch.Tensor => t.detach().to("cpu").to("float64");

/** Every 32 values of a row as the kernels round them. */
function rounded(x: torch.Tensor): torch.Tensor {
  const values = Float64Array.from(x.reshape([-1]).toArraySync() as number[]);
  for (let b = 0; b < values.length; b += 32) {
    const block = values.subarray(b, b + 32);
    const top = block.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    const inverse = top > 0 ? Math.fround(127 / top) : 0;
    block.forEach((v, i) => {
      block[i] = Math.fround(top / 127) * Math.round(v * inverse);
    });
  }
  return torch.tensor(Array.from(values), { dtype: "float64" }).reshape(x.shape);
}
/** The largest error relative to Σ |x| |w|. */
function error(y: torch.Tensor, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor): number {
  const [X, W] = [rounded(x), f64(w)];
  const [want, size] = [X.matmul(W.t()).add(f64(bias)), X.abs().matmul(W.abs().t()).add(f64(bias).abs())];
  return f64(y).sub(want).abs().div(size.add(1e-9)).max().itemSync<number>();
}

for (const type of KERNEL_TYPES)
  test(`${type}: products`, () => {
    torch.manualSeed(11);
    const sizes = blockOf(type) === 32 ? [32, 288, 2336] : [256, 2304];
    for (const k of sizes)
      for (const [m, n] of [
        [1, 37],
        [2, 5],
        [3, 70],
        [13, 33],
        [8, 1],
      ] as const) {
        const [x, w, b] = [torch.randn(m, k), quantized(type, n, k), torch.randn(n)];
        const name = `${m}x${k}x${n}`;
        const values = w.dequantize();
        const results = ["cpu", "wasm"].map((device) => {
          const [xd, wd, bd] = [x.to(device), w.to(device), b.to(device)];
          const y = F.quantizedLinear(xd, wd, bd).to("cpu");
          assert.ok(error(y, x, values, b) < 3e-6, `${name} on ${device}: ${error(y, x, values, b)}`);
          torch.setNumThreads(1);
          const alone = F.quantizedLinear(xd, wd, bd).to("cpu");
          torch.setNumThreads(2);
          assert.ok(torch.equal(alone, y), `${name} on ${device}: one thread and two`);
          return y;
        });
        assert.ok(torch.allclose(results[0]!, results[1]!, { rtol: 1e-4, atol: 1e-5 }), `${name}: cpu and wasm`);
      }
  });

test("rows more than fit one pass, dtypes, and other devices", () => {
  torch.manualSeed(3);
  const w = quantized("Q4_K", 40, 256);
  const many = torch.randn(1030, 256);
  const b = torch.randn(40);
  assert.ok(error(F.quantizedLinear(many, w, b), many, w.dequantize(), b) < 3e-6);
  const x = torch.randn(2, 3, 256);
  const exact = F.linear(f64(x), f64(w.dequantize()));
  for (const dtype of ["float32", "bfloat16", "float16"] as const)
    for (const device of ["cpu", "wasm", "reference"]) {
      const y = F.quantizedLinear(x.to(dtype).to(device), w.to(device));
      assert.equal(y.dtype, dtype);
      assert.deepEqual(y.shape, [2, 3, 40]);
      assert.ok(f64(y).sub(exact).norm().div(exact.norm()).itemSync<number>() < 0.01, `${dtype} on ${device}`);
    }
  assert.ok(torch.allclose(F.quantizedLinear(x.to("float64"), w), exact, { rtol: 1e-12 }));
  assert.deepEqual(F.quantizedLinear(x.to("meta"), w.to("meta")).shape, [2, 3, 40]);
  assert.deepEqual(F.quantizedLinear(torch.zeros(0, 256), w).shape, [0, 40]);
});

test("types without a kernel are multiplied exactly", () => {
  const [x, w] = [torch.randn(5, 256), quantized("TQ1_0", 9, 256)];
  assert.ok(torch.allclose(F.quantizedLinear(x, w), F.linear(x, w.dequantize()), { atol: 1e-5 }));
});

test("values that are not finite reach the result", () => {
  const w = quantized("Q8_0", 4, 64);
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const x = torch.ones(3, 64);
    x.setIndex(1, 40, bad);
    const y = F.quantizedLinear(x, w);
    assert.deepEqual(y.isnan().all(1).toArraySync(), [false, true, false]);
  }
});

test("decoding and lookups give the same bits everywhere", () => {
  torch.manualSeed(7);
  for (const type of KERNEL_TYPES) {
    const w = quantized(type, 11, blockOf(type) === 32 ? 96 : 512);
    const want = w.to("reference").dequantize().to("cpu");
    const ids = torch.tensor([
      [3, 0],
      [10, 3],
    ]);
    for (const device of ["cpu", "wasm", "reference"]) {
      const here = w.to(device);
      assert.ok(torch.equal(here.dequantize().to("cpu"), want), `${type} on ${device}`);
      const rows = F.quantizedEmbedding(ids.to(device), here).to("cpu");
      assert.ok(torch.equal(rows, F.embedding(ids, want)), `${type} rows on ${device}`);
      const half = F.quantizedEmbedding(ids.to("int32").to(device), here, { dtype: "bfloat16" }).to("cpu");
      assert.ok(torch.equal(half, rows.to("bfloat16")), `${type} rows in bfloat16 on ${device}`);
    }
  }
});

test("gradients are those of the exact product", () => {
  torch.manualSeed(1);
  for (const type of ["Q8_0", "Q4_K", "IQ4_XS"] as const) {
    const w = quantized(type, 6, 256);
    const x64 = torch.randn(2, 256, { dtype: "float64" });
    const bias = torch.randn(6, { dtype: "float64" });
    const f = (x: torch.Tensor, b: torch.Tensor): torch.Tensor => F.quantizedLinear(x, w, b).square();
    assert.ok(gradcheck(f, [x64.clone().requiresGrad_(), bias.clone().requiresGrad_()]));
    for (const device of ["cpu", "wasm", "reference"])
      for (const dtype of ["float32", "bfloat16"] as const) {
        const x = torch.randn(2, 3, 256).to(dtype).to(device).requiresGrad_();
        const g = torch.randn(2, 3, 6).to(dtype).to(device);
        F.quantizedLinear(x, w.to(device)).backward(g);
        const want = f64(g).matmul(f64(w.dequantize()));
        assert.equal(x.grad!.dtype, dtype);
        const far = f64(x.grad!).sub(want).norm().div(want.norm()).itemSync<number>();
        assert.ok(far < (dtype === "float32" ? 1e-6 : 0.01), `${type} ${dtype} on ${device}: ${far}`);
      }
  }
  // More values than are decoded at a time.
  const [w, g] = [quantized("Q8_0", 1100, 1024), torch.randn(2, 1100)];
  const x = torch.randn(2, 1024).requiresGrad_();
  F.quantizedLinear(x, w).backward(g);
  assert.ok(torch.allclose(x.grad!, g.matmul(w.dequantize()), { atol: 1e-4 }));
});

test("modules", () => {
  torch.manualSeed(2);
  const linear = new nn.Linear(64, 8);
  const layer = nn.QuantizedLinear.from(linear, "Q8_0");
  assert.deepEqual(Object.keys(layer.stateDict()).sort(), ["bias", "weight"]);
  assert.deepEqual(
    [...layer.namedParameters()].map(([k]) => k),
    ["bias"],
  );
  assert.equal(layer.weight.dtype, "uint8");
  const x = torch.randn(3, 64);
  const y = layer.forward(x);
  assert.ok(torch.allclose(y, linear.forward(x), { atol: 0.05 }));
  const other = new nn.QuantizedLinear(64, 8, "Q8_0");
  assert.ok(torch.equal(other.forward(x), torch.zeros(3, 8)));
  other.loadStateDict(layer.stateDict());
  assert.ok(torch.equal(other.forward(x), y));
  assert.ok(torch.equal(nn.cloneModule(layer).forward(x), y));
  assert.ok(torch.equal(nn.QuantizedLinear.from(layer.quantized, layer.bias).forward(x), y));
  const half = nn.cloneModule(layer).bfloat16();
  assert.equal(half.weight.dtype, "uint8");
  assert.equal(half.forward(x.to("bfloat16")).dtype, "bfloat16");
  assert.ok(torch.allclose(nn.cloneModule(layer).to({ device: "wasm" }).forward(x.to("wasm")).to("cpu"), y, { atol: 1e-5 }));
  assert.match(String(layer), /in_features=64, out_features=8, type=Q8_0, bias=True/);

  const table = new nn.Embedding(10, 32);
  const small = nn.QuantizedEmbedding.from(table, "Q8_0");
  const ids = torch.tensor([1, 9]);
  assert.ok(torch.allclose(small.forward(ids), table.forward(ids), { atol: 0.02 }));
  const same = new nn.QuantizedEmbedding(10, 32, "Q8_0", { dtype: "float16" });
  same.loadStateDict(small.stateDict());
  assert.ok(torch.equal(same.forward(ids), small.forward(ids).to("float16")));
});

test("bad input is refused", () => {
  const w = quantized("Q8_0", 4, 64);
  const x = torch.ones(2, 64);
  const refuses = (f: () => unknown, name: string, message: RegExp): void =>
    assert.throws(f, (e: Error) => e.name === name && message.test(e.message), `${name} ${message}`);
  refuses(() => F.quantizedLinear(torch.ones(2, 32), w), "ShapeError", /input \[2, 32\], weight \[4, 64\]/);
  refuses(() => F.quantizedLinear(x, w, torch.ones(3)), "ShapeError", /bias \[3\]/);
  refuses(() => F.quantizedLinear(x, w, torch.ones(4).to("float64")), "DTypeError", /bias float64/);
  refuses(() => F.quantizedLinear(x.to("int64"), w), "DTypeError", /input is int64/);
  refuses(() => F.quantizedLinear(x, torch.ones(4, 64) as unknown as Q), "ArgumentError", /weight is a float32 tensor/);
  refuses(() => F.quantizedLinear(x.to("wasm"), w), "DeviceError", /different devices/);
  refuses(() => new QuantizedTensor("Q8_0", [4, 64], torch.zeros(4, 67, { dtype: "uint8" })), "ShapeError", /takes bytes \[4, 68\]/);
  refuses(() => new nn.QuantizedLinear(40, 4, "Q8_0"), "ShapeError", /not whole blocks of 32/);
  refuses(() => new nn.QuantizedLinear(64, 4, "Q9" as never), "ArgumentError", /no quantised type "Q9"/);
  refuses(() => nn.QuantizedLinear.from(new nn.Linear(256, 4), "IQ2_S"), "ArgumentError", /importance matrix/);
  for (const device of ["cpu", "wasm", "reference"])
    for (const id of [4, -1])
      refuses(() => F.quantizedEmbedding(torch.tensor([id], { device }), w.to(device)), "IndexError", new RegExp(`${id}`));
  refuses(() => F.quantizedEmbedding(torch.tensor([0.5]), w), "DTypeError", /float32/);
});
