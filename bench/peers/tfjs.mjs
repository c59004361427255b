// @tensorflow/tfjs-backend-wasm. It has no threads in Node.
import { join } from "node:path";
import { GPT, gptShapes, size, tokens, values } from "./shared.mjs";

export async function open({ require, folder }) {
  const tf = require("@tensorflow/tfjs");
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(`${join(folder, "node_modules", "@tensorflow", "tfjs-backend-wasm", "dist")}/`);
  await tf.setBackend("wasm");
  await tf.ready();

  const t = (...shape) => tf.tensor(values(size(shape)), shape);
  /** Operands, then what is timed. */
  const row = (make, f) => () => {
    const xs = make();
    return () => tf.tidy(() => f(...xs)).dispose();
  };
  const matmul = (m, k, n) =>
    row(
      () => [t(m, k), t(k, n)],
      (a, b) => tf.matMul(a, b),
    );
  const { add, mul, sub, reshape } = tf;
  const norm = (x, w, b) => {
    const { mean, variance } = tf.moments(x, -1, true);
    return add(mul(mul(sub(x, mean), tf.rsqrt(add(variance, 1e-5))), w), b);
  };
  const gelu = (x) => mul(mul(x, add(tf.erf(mul(x, Math.SQRT1_2)), 1)), 0.5);

  const { L, H, C, T, B, V } = GPT;
  const forward = (p, hot, mask) => {
    // Products of [B, T, C] with a matrix would repeat the matrix B times.
    const linear = (x, w, b) => add(tf.matMul(x, p[w]), p[b]);
    let x = reshape(add(reshape(tf.matMul(hot, p.wte), [B, T, C]), p.wpe), [B * T, C]);
    for (let i = 0; i < L; i++) {
      const qkv = linear(norm(x, p[`${i}.ln1w`], p[`${i}.ln1b`]), `${i}.qkvw`, `${i}.qkvb`);
      const [q, k, v] = tf.split(qkv, 3, 1).map((y) => tf.transpose(reshape(y, [B, T, H, C / H]), [0, 2, 1, 3]));
      const scores = add(mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(C / H)), mask);
      const y = reshape(tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]), [B * T, C]);
      x = add(x, linear(y, `${i}.projw`, `${i}.projb`));
      x = add(x, linear(gelu(linear(norm(x, p[`${i}.ln2w`], p[`${i}.ln2b`]), `${i}.fcw`, `${i}.fcb`)), `${i}.outw`, `${i}.outb`));
    }
    return tf.matMul(norm(x, p.lnw, p.lnb), p.head);
  };
  // The gradient of gather has no kernel in this backend: tokens are one-hot rows instead.
  const gpt = (train) => () => {
    const p = Object.fromEntries(Object.entries(gptShapes()).map(([k, s]) => [k, tf.variable(tf.tensor(values(size(s), 0.05), s))]));
    const hot = tf.cast(tf.oneHot(tf.tensor1d(tokens(B * T), "int32"), V), "float32");
    const mask = tf.tensor(
      Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e9 : 0)),
      [T, T],
    );
    if (!train) return () => tf.tidy(() => forward(p, hot, mask)).dispose();
    const optimizer = tf.train.adam(1e-3);
    return () => optimizer.minimize(() => tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(forward(p, hot, mask)), hot), 1))));
  };

  const rows = {
    "matmul 128": matmul(128, 128, 128),
    "matmul 256": matmul(256, 256, 256),
    "matmul 512": matmul(512, 512, 512),
    "matmul 1024": matmul(1024, 1024, 1024),
    "linear 512x768 to 768": matmul(512, 768, 768),
    "vector times 768x3072": matmul(1, 768, 3072),
    "conv 3x3, 64 channels 56x56": row(
      () => [t(1, 56, 56, 64), t(3, 3, 64, 64)],
      (x, w) => tf.conv2d(x, w, 1, "same"),
    ),
    "depthwise conv 3x3, 64 channels 56x56": row(
      () => [t(1, 56, 56, 64), t(3, 3, 64, 1)],
      (x, w) => tf.depthwiseConv2d(x, w, 1, "same"),
    ),
    "softmax 512x1024": row(
      () => [t(512, 1024)],
      (x) => tf.softmax(x),
    ),
    "layer norm 512x768": row(() => [t(512, 768), t(768), t(768)], norm),
    "gelu 256K": row(() => [t(1 << 18)], gelu),
    "exp 1M": row(
      () => [t(1 << 20)],
      (x) => tf.exp(x),
    ),
    "add 1M": row(() => [t(1 << 20), t(1 << 20)], add),
    "sum 1024x1024 over 1": row(
      () => [t(1024, 1024)],
      (x) => tf.sum(x, 1),
    ),
    "transpose copy 1024": row(
      () => [t(1024, 1024)],
      (x) => tf.transpose(x),
    ),
    "GPT forward": gpt(false),
    "GPT training step": gpt(true),
  };
  return { version: `tfjs-backend-wasm ${wasm.version_wasm}`, rows };
}
