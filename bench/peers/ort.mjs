// onnxruntime-web, WebAssembly execution provider. Weights are constants of the model, as they would be. A session copies its inputs in
// and its outputs out; so that kernels are compared and not copies, ops that keep their shape are chained `CHAIN` times and the
// time is divided by that.
import { Graph } from "./onnx.mjs";
import { GPT, gptShapes, size, tokens, values } from "./shared.mjs";

const CHAIN = 10;

export async function open({ require, threads }) {
  const ort = require("onnxruntime-web/wasm");
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";

  const session = async (build, inputs, graphOptimizationLevel = "all") => {
    const g = new Graph();
    const { output, shape } = build(g);
    const s = await ort.InferenceSession.create(g.model(output, shape), { executionProviders: ["wasm"], graphOptimizationLevel });
    const feeds = {};
    for (const [name, dims, type] of inputs)
      feeds[name] = type
        ? new ort.Tensor(type, BigInt64Array.from(tokens(size(dims)), BigInt), dims)
        : new ort.Tensor("float32", values(size(dims)), dims);
    return () => s.run(feeds);
  };
  /** One op from x to the same shape, many times. */
  const chain = (shape, step) =>
    Object.assign(
      () =>
        session(
          (g) => {
            let x = g.input("x", shape);
            for (let i = 0; i < CHAIN; i++) x = step(g, x);
            return { output: x, shape };
          },
          [["x", shape]],
        ),
      { repeat: CHAIN },
    );
  const weight = (g, shape, scale = 0.05) => g.constant(values(size(shape), scale), shape);
  const square = (n) =>
    Object.assign(
      () =>
        session(
          (g) => {
            let [x, b] = [g.input("x", [n, n]), g.input("b", [n, n])];
            for (let i = 0; i < CHAIN; i++) x = g.op("MatMul", [x, b]);
            return { output: x, shape: [n, n] };
          },
          [
            ["x", [n, n]],
            ["b", [n, n]],
          ],
        ),
      { repeat: CHAIN },
    );

  const gpt = () => {
    const { L, H, C, T, B, V } = GPT;
    return session(
      (g) => {
        const shapes = gptShapes();
        const p = Object.fromEntries(Object.entries(shapes).map(([k, s]) => [k, weight(g, s)]));
        const mask = Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e9 : 0));
        const causal = g.constant(mask, [1, 1, T, T]);
        const scale = g.constant(Float32Array.of(1 / Math.sqrt(C / H)), []);
        const norm = (x, w, b) => g.op("LayerNormalization", [x, p[w], p[b]], { axis: 2 });
        const linear = (x, w, b) => g.op("Add", [g.op("MatMul", [x, p[w]]), p[b]]);
        const [split, join] = [g.ints(B, T, H, C / H), g.ints(B, T, C)];
        let x = g.op("Add", [g.op("Gather", [p.wte, g.input("ids", [B, T], "int64")]), p.wpe]);
        for (let i = 0; i < L; i++) {
          const parts = g.op(
            "Split",
            [linear(norm(x, `${i}.ln1w`, `${i}.ln1b`), `${i}.qkvw`, `${i}.qkvb`)],
            { axis: 2, num_outputs: 3 },
            3,
          );
          const heads = (t, perm) => g.op("Transpose", [g.op("Reshape", [t, split])], { perm });
          const [q, k, v] = [heads(parts[0], [0, 2, 1, 3]), heads(parts[1], [0, 2, 3, 1]), heads(parts[2], [0, 2, 1, 3])];
          const scores = g.op("Add", [g.op("Mul", [g.op("MatMul", [q, k]), scale]), causal]);
          const y = g.op("Transpose", [g.op("MatMul", [g.op("Softmax", [scores], { axis: 3 }), v])], { perm: [0, 2, 1, 3] });
          x = g.op("Add", [x, linear(g.op("Reshape", [y, join]), `${i}.projw`, `${i}.projb`)]);
          const h = g.op("Gelu", [linear(norm(x, `${i}.ln2w`, `${i}.ln2b`), `${i}.fcw`, `${i}.fcb`)]);
          x = g.op("Add", [x, linear(h, `${i}.outw`, `${i}.outb`)]);
        }
        return { output: g.op("MatMul", [norm(x, "lnw", "lnb"), p.head]), shape: [B, T, V] };
      },
      [["ids", [B, T], "int64"]],
    );
  };

  const conv = (group) =>
    chain([1, 64, 56, 56], (g, x) =>
      g.op("Conv", [x, weight(g, [64, 64 / group, 3, 3])], { pads: [1, 1, 1, 1], kernel_shape: [3, 3], group }),
    );
  const rows = {
    "matmul 128": square(128),
    "matmul 256": square(256),
    "matmul 512": square(512),
    "matmul 1024": square(1024),
    "linear 512x768 to 768": chain([512, 768], (g, x) => g.op("MatMul", [x, weight(g, [768, 768])])),
    "vector times 768x3072": () =>
      session((g) => ({ output: g.op("MatMul", [g.input("x", [1, 768]), weight(g, [768, 3072])]), shape: [1, 3072] }), [["x", [1, 768]]]),
    "conv 3x3, 64 channels 56x56": conv(1),
    "depthwise conv 3x3, 64 channels 56x56": conv(64),
    "softmax 512x1024": chain([512, 1024], (g, x) => g.op("Softmax", [x], { axis: 1 })),
    "layer norm 512x768": chain([512, 768], (g, x) => g.op("LayerNormalization", [x, weight(g, [768]), weight(g, [768])], { axis: 1 })),
    "gelu 256K": chain([1 << 18], (g, x) => g.op("Gelu", [x])),
    "exp 1M": chain([1 << 20], (g, x) => g.op("Exp", [x])),
    "add 1M": Object.assign(
      () =>
        session(
          (g) => {
            let [x, y] = [g.input("x", [1 << 20]), g.input("y", [1 << 20])];
            for (let i = 0; i < CHAIN; i++) [x, y] = [g.op("Add", [x, y]), x];
            return { output: x, shape: [1 << 20] };
          },
          [
            ["x", [1 << 20]],
            ["y", [1 << 20]],
          ],
        ),
      { repeat: CHAIN },
    ),
    "sum 1024x1024 over 1": () =>
      session(
        (g) => ({ output: g.op("ReduceSum", [g.input("x", [1024, 1024]), g.ints(1)], { keepdims: 0 }), shape: [1024] }),
        [["x", [1024, 1024]]],
      ),
    "transpose copy 1024": Object.assign(
      () =>
        session(
          (g) => {
            let x = g.input("x", [1024, 1024]);
            for (let i = 0; i < CHAIN; i++) x = g.op("Transpose", [x], { perm: [1, 0] });
            return { output: x, shape: [1024, 1024] };
          },
          [["x", [1024, 1024]]],
          "disabled", // or two transposes in a row would vanish
        ),
      { repeat: CHAIN },
    ),
    "GPT forward": gpt,
  };
  return { version: `onnxruntime-web ${ort.env.versions.web}`, rows };
}
